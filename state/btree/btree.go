package btree

const (
	maxEntries = 64
	minEntries = maxEntries / 4
	growBy     = 16 // entries; so many words and strings are sizes of the allocator
)

// owner is the identity of one period between two Clones. It has a size, so that two
// owners never share an address.
type owner struct{ _ byte }

// node is a leaf when kids is nil. keys are ascending; in an inner node keys[i] is at
// most the smallest key below kids[i], and greater than any key below kids[i-1].
// An inner node below the root has at least two kids, a leaf at least one entry.
type node[V any] struct {
	owner *owner
	size  int // entries at and below
	keys  []string
	vals  []V
	kids  []*node[V]
	heads []uint64 // of an inner node: of its keys, see head; never changed

	shared bool // keys are those of the node that this one is a copy of
}

// Tree is a sorted map. The zero value is empty and ready.
type Tree[V any] struct {
	root  *node[V]
	owner *owner // nil: every node is shared
}

// Len returns the number of entries.
func (t *Tree[V]) Len() int {
	if t.root == nil {
		return 0
	}
	return t.root.size
}

// Freeze gives up the ownership of all nodes, in O(1): the next change copies what it
// touches. Afterwards, and until the next change, t can be read and cloned concurrently.
func (t *Tree[V]) Freeze() {
	if t.owner != nil { // so that freezing a frozen tree writes nothing
		t.owner = nil
	}
}

// Clone returns the tree as it is now, in O(1). The result is frozen, and so is t; both
// can be changed without the other noticing.
func (t *Tree[V]) Clone() Tree[V] {
	t.Freeze()
	return Tree[V]{root: t.root}
}

// Get returns the value of key. It allocates nothing.
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

// child returns the kid that key belongs to. Most comparisons are of heads, which lie beside
// each other, while each key is somewhere else in memory. Leaves have none: they would take
// 8 bytes for each entry.
func (n *node[V]) child(key string) int {
	h := head(key)
	lo, hi := 0, len(n.heads) // keys before lo are at most key, from hi on greater
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if g := n.heads[mid]; g < h || g == h && n.keys[mid] <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return max(lo-1, 0)
}

// head is the first 8 bytes of a key as a number, so that keys with different heads are in
// the order of those. A shorter key is filled up with zeros.
func head(key string) (h uint64) {
	if len(key) >= 8 {
		return uint64(key[0])<<56 | uint64(key[1])<<48 | uint64(key[2])<<40 | uint64(key[3])<<32 |
			uint64(key[4])<<24 | uint64(key[5])<<16 | uint64(key[6])<<8 | uint64(key[7])
	}
	for i := range len(key) {
		h |= uint64(key[i]) << (56 - 8*i)
	}
	return h
}

// headKeys computes the heads of an inner node whose keys have changed.
func (n *node[V]) headKeys() {
	n.heads = make([]uint64, len(n.keys))
	for i, key := range n.keys {
		n.heads[i] = head(key)
	}
}

// begin makes sure that t has an owner to mark its nodes with.
func (t *Tree[V]) begin() {
	if t.owner == nil {
		t.owner = &owner{}
	}
}

// own returns n, or a copy of it that t may change.
func (t *Tree[V]) own(n *node[V]) *node[V] {
	if n.owner == t.owner {
		return n
	}
	c := &node[V]{owner: t.owner, size: n.size, keys: n.keys, heads: n.heads, shared: true}
	if n.kids != nil {
		c.kids = roomy(n.kids)
	} else {
		c.vals = roomy(n.vals)
	}
	return c
}

// ownKeys makes the keys of n, a node that its tree owns, its own. Most changes replace a
// value or a kid and need no other keys, so that copies of a node share them.
func (n *node[V]) ownKeys() {
	if n.shared {
		n.keys, n.shared = roomy(n.keys), false
	}
}

// roomy copies a slice with room for at least one more, so that the insert that follows
// does not copy again.
func roomy[T any](s []T) []T {
	return append(make([]T, 0, min((len(s)+growBy)&^(growBy-1), maxEntries)), s...)
}

// insertAt puts v at place i. Slices grow by growBy up to exactly maxEntries: doubling would
// leave a third of all places empty where keys come in no order.
func insertAt[T any](s []T, i int, v T) []T {
	if len(s) == cap(s) {
		s = roomy(s)
	}
	s = s[:len(s)+1]
	copy(s[i+1:], s[i:])
	s[i] = v
	return s
}
