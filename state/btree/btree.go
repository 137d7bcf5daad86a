// Package btree is a persistent B+ tree with string keys: a value of type [Tree] is a
// version, changing it makes another one, and versions share what they have in common.
//
//	var t btree.Tree[int]
//	t.Set("a", 1)
//	old := t.Clone()      // O(1): a version that never changes
//	t.Set("a", 2)         // copies the path to "a", once per Clone
//	for k, v := range t.Ascend("") { ... }
//
// Nodes know how many entries lie below them, so that the entry at a rank, and the rank
// of a key, are found in O(log n).
//
// # Ownership
//
// A node made since the last Clone belongs to its tree alone and is changed in place;
// all others are copied when they change. So a batch of many changes between two
// versions costs one copy of each node it touches.
//
// # Concurrency
//
// One goroutine may change a Tree; any number may read versions obtained by Clone, also
// while the original goes on changing. Iterators run over the version at their start if
// that was cloned; changing a tree while iterating over the very same value is not
// allowed: iterate over a Clone.
package btree

import (
	"iter"
	"slices"
)

const (
	maxEntries = 64
	minEntries = maxEntries / 4
)

// owner is the identity of one period between two Clones.
type owner struct{ _ byte }

// node is a leaf when kids is nil. keys are ascending; in an inner node keys[i] is at
// most the smallest key below kids[i], and greater than any key below kids[i-1].
type node[V any] struct {
	owner *owner
	size  int // entries at and below
	keys  []string
	vals  []V
	kids  []*node[V]
}

// Tree is a sorted map. The zero value is empty and ready.
type Tree[V any] struct {
	root  *node[V]
	owner *owner
}

// Len returns the number of entries.
func (t *Tree[V]) Len() int {
	if t.root == nil {
		return 0
	}
	return t.root.size
}

// Clone returns the tree as it is now, in O(1). The result and t can both be changed
// without the other noticing.
func (t *Tree[V]) Clone() Tree[V] {
	if t.owner != nil { // a tree that only Clone looks at is never written to
		t.owner = nil
	}
	return Tree[V]{root: t.root}
}

// Get returns the value of key.
func (t *Tree[V]) Get(key string) (v V, ok bool) {
	n := t.root
	if n == nil {
		return v, false
	}
	for n.kids != nil {
		n = n.kids[n.child(key)]
	}
	if i, found := n.search(key); found {
		return n.vals[i], true
	}
	return v, false
}

// search returns the place of the first key not below key.
func (n *node[V]) search(key string) (i int, found bool) {
	lo, hi := 0, len(n.keys)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if n.keys[mid] < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(n.keys) && n.keys[lo] == key
}

// child returns the kid that key belongs to.
func (n *node[V]) child(key string) int {
	i, found := n.search(key)
	if !found && i > 0 {
		i--
	}
	return i
}

// own returns n, or a copy of it that t may change.
func (t *Tree[V]) own(n *node[V]) *node[V] {
	if n.owner == t.owner {
		return n
	}
	c := &node[V]{owner: t.owner, size: n.size, keys: grown(n.keys)}
	if n.kids != nil {
		c.kids = grown(n.kids)
	} else {
		c.vals = grown(n.vals)
	}
	return c
}

// grown copies a slice with room for one more, so that the insert that follows does not
// copy again.
func grown[T any](s []T) []T {
	return append(make([]T, 0, len(s)+1+len(s)/8), s...)
}

func (t *Tree[V]) begin() {
	if t.owner == nil {
		t.owner = &owner{}
	}
}

// Set puts v at key and returns what was there.
func (t *Tree[V]) Set(key string, v V) (old V, replaced bool) {
	t.begin()
	if t.root == nil {
		t.root = &node[V]{owner: t.owner, size: 1, keys: []string{key}, vals: []V{v}}
		return old, false
	}
	t.root = t.own(t.root)
	old, replaced = t.set(t.root, key, v)
	if right := t.split(t.root); right != nil {
		left := t.root
		t.root = &node[V]{owner: t.owner, size: left.size + right.size,
			keys: []string{left.keys[0], right.keys[0]}, kids: []*node[V]{left, right}}
	}
	return old, replaced
}

func (t *Tree[V]) set(n *node[V], key string, v V) (old V, replaced bool) {
	if n.kids == nil {
		i, found := n.search(key)
		if found {
			old, n.vals[i] = n.vals[i], v
			return old, true
		}
		n.keys = slices.Insert(n.keys, i, key)
		n.vals = slices.Insert(n.vals, i, v)
		n.size++
		return old, false
	}
	i := n.child(key)
	kid := t.own(n.kids[i])
	n.kids[i] = kid
	if old, replaced = t.set(kid, key, v); replaced {
		return old, true
	}
	n.size++
	n.keys[i] = min(n.keys[i], key)
	if right := t.split(kid); right != nil {
		n.keys = slices.Insert(n.keys, i+1, right.keys[0])
		n.kids = slices.Insert(n.kids, i+1, right)
	}
	return old, false
}

// split cuts a node that is too full in two and returns the right one. A node filled at
// its end, as ascending keys do, keeps more on the left.
func (t *Tree[V]) split(n *node[V]) *node[V] {
	if len(n.keys) <= maxEntries {
		return nil
	}
	at := len(n.keys) / 2
	right := &node[V]{owner: t.owner, keys: grown(n.keys[at:])}
	if n.kids != nil {
		right.kids = grown(n.kids[at:])
		for _, k := range right.kids {
			right.size += k.size
		}
		clear(n.kids[at:])
		n.kids = n.kids[:at]
	} else {
		right.vals = grown(n.vals[at:])
		right.size = len(right.vals)
		clear(n.vals[at:])
		n.vals = n.vals[:at]
	}
	clear(n.keys[at:])
	n.keys = n.keys[:at]
	n.size -= right.size
	return right
}

// Delete removes key and returns what was there.
func (t *Tree[V]) Delete(key string) (old V, ok bool) {
	if _, ok := t.Get(key); !ok {
		return old, false
	}
	t.begin()
	t.root = t.own(t.root)
	old = t.remove(t.root, key)
	for t.root.kids != nil && len(t.root.kids) == 1 {
		t.root = t.root.kids[0]
	}
	if t.root.size == 0 {
		t.root = nil
	}
	return old, true
}

func (t *Tree[V]) remove(n *node[V], key string) (old V) {
	n.size--
	if n.kids == nil {
		i, _ := n.search(key)
		old = n.vals[i]
		n.keys = slices.Delete(n.keys, i, i+1)
		n.vals = slices.Delete(n.vals, i, i+1)
		return old
	}
	i := n.child(key)
	kid := t.own(n.kids[i])
	n.kids[i] = kid
	old = t.remove(kid, key)
	if len(kid.keys) < minEntries && len(n.kids) > 1 {
		t.join(n, max(i-1, 0))
	}
	return old
}

// join merges kids i and i+1 of n, or evens them out when they do not fit into one.
func (t *Tree[V]) join(n *node[V], i int) {
	l, r := t.own(n.kids[i]), t.own(n.kids[i+1])
	l.keys, l.vals, l.kids = append(l.keys, r.keys...), append(l.vals, r.vals...), append(l.kids, r.kids...)
	l.size += r.size
	n.kids[i] = l
	if len(l.keys) > maxEntries {
		right := t.split(l)
		n.kids[i+1], n.keys[i+1] = right, right.keys[0]
		return
	}
	n.keys = slices.Delete(n.keys, i+1, i+2)
	n.kids = slices.Delete(n.kids, i+1, i+2)
}

// Rank returns how many keys are smaller than key.
func (t *Tree[V]) Rank(key string) (rank int) {
	n := t.root
	if n == nil {
		return 0
	}
	for n.kids != nil {
		i := n.child(key)
		for _, k := range n.kids[:i] {
			rank += k.size
		}
		n = n.kids[i]
	}
	i, _ := n.search(key)
	return rank + i
}

// At returns the entry with that many smaller keys; ok is false out of range.
func (t *Tree[V]) At(rank int) (key string, v V, ok bool) {
	if rank < 0 || rank >= t.Len() {
		return "", v, false
	}
	n := t.root
	for n.kids != nil {
		i := 0
		for rank >= n.kids[i].size {
			rank -= n.kids[i].size
			i++
		}
		n = n.kids[i]
	}
	return n.keys[rank], n.vals[rank], true
}

// Ascend iterates over the entries from key on, in order; "" begins at the first.
func (t *Tree[V]) Ascend(from string) iter.Seq2[string, V] { return t.AscendAt(t.Rank(from)) }

// AscendAt iterates from the entry at rank on, in order.
func (t *Tree[V]) AscendAt(rank int) iter.Seq2[string, V] {
	root := t.root
	return func(yield func(string, V) bool) {
		if root != nil && rank < root.size {
			root.ascend(max(rank, 0), yield)
		}
	}
}

func (n *node[V]) ascend(skip int, yield func(string, V) bool) bool {
	if n.kids == nil {
		for i := skip; i < len(n.keys); i++ {
			if !yield(n.keys[i], n.vals[i]) {
				return false
			}
		}
		return true
	}
	for _, k := range n.kids {
		if skip >= k.size {
			skip -= k.size
			continue
		}
		if !k.ascend(skip, yield) {
			return false
		}
		skip = 0
	}
	return true
}

// DescendAt iterates backwards from the entry at rank on.
func (t *Tree[V]) DescendAt(rank int) iter.Seq2[string, V] {
	root := t.root
	return func(yield func(string, V) bool) {
		if root != nil && rank >= 0 {
			root.descend(root.size-1-min(rank, root.size-1), yield)
		}
	}
}

// descend passes over the last skip entries.
func (n *node[V]) descend(skip int, yield func(string, V) bool) bool {
	if n.kids == nil {
		for i := len(n.keys) - 1 - skip; i >= 0; i-- {
			if !yield(n.keys[i], n.vals[i]) {
				return false
			}
		}
		return true
	}
	for i := len(n.kids) - 1; i >= 0; i-- {
		k := n.kids[i]
		if skip >= k.size {
			skip -= k.size
			continue
		}
		if !k.descend(skip, yield) {
			return false
		}
		skip = 0
	}
	return true
}
