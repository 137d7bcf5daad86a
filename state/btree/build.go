package btree

import "errors"

// ErrUnordered: the keys given to a [Builder] do not ascend.
var ErrUnordered = errors.New("btree: keys do not ascend")

// Builder makes a tree of entries that come in order, in O(n) and with packed nodes. The
// zero value is ready. Builders may be filled on several goroutines, one each, and then
// be put behind each other by [Join].
type Builder[V any] struct {
	leaves []*node[V]
	first  string
	last   string
	any    bool
}

// Append adds an entry behind all others, or returns [ErrUnordered]. The tree keeps key.
func (b *Builder[V]) Append(key string, v V) error {
	if b.any && key <= b.last {
		return ErrUnordered
	}
	if !b.any {
		b.first, b.any = key, true
	}
	b.last = key
	if len(b.leaves) == 0 || len(b.leaves[len(b.leaves)-1].keys) == maxEntries {
		b.leaves = append(b.leaves, &node[V]{keys: make([]string, 0, maxEntries), vals: make([]V, 0, maxEntries)})
	}
	n := b.leaves[len(b.leaves)-1]
	n.keys, n.vals, n.size = append(n.keys, key), append(n.vals, v), n.size+1
	return nil
}

// Join returns the tree of all entries of the builders, one behind the other, or
// [ErrUnordered]. The builders must not be used afterwards.
func Join[V any](parts ...*Builder[V]) (Tree[V], error) {
	var level []*node[V]
	last, some := "", false
	for _, b := range parts {
		if !b.any {
			continue
		}
		if some && b.first <= last {
			return Tree[V]{}, ErrUnordered
		}
		last, some = b.last, true
		for _, n := range b.leaves {
			level = pack(level, n)
		}
	}
	for _, n := range level {
		n.keys, n.vals = exact(n.keys), exact(n.vals)
	}
	for len(level) > 1 {
		level = above(level)
	}
	if len(level) == 0 {
		return Tree[V]{}, nil
	}
	return Tree[V]{root: level[0]}, nil
}

// pack puts a leaf behind the others. One that ended a builder half full is filled up
// from it first, so that leaves are full but for the last.
func pack[V any](level []*node[V], n *node[V]) []*node[V] {
	if len(level) > 0 {
		prev := level[len(level)-1]
		k := min(maxEntries-len(prev.keys), len(n.keys))
		prev.keys, prev.vals = append(prev.keys, n.keys[:k]...), append(prev.vals, n.vals[:k]...)
		prev.size += k
		if k == len(n.keys) {
			return level
		}
		if k > 0 {
			n = &node[V]{keys: append(make([]string, 0, maxEntries), n.keys[k:]...), vals: append(make([]V, 0, maxEntries), n.vals[k:]...), size: n.size - k}
		}
	}
	return append(level, n)
}

// exact gives room back that a leaf at the end did not need.
func exact[T any](s []T) []T {
	if len(s) == cap(s) {
		return s
	}
	return append(make([]T, 0, len(s)), s...)
}

// above returns the level of inner nodes over a level of at least two nodes, evenly
// filled so that none has a single kid.
func above[V any](level []*node[V]) []*node[V] {
	count := (len(level) + maxEntries - 1) / maxEntries
	up := make([]*node[V], 0, count)
	for i := range count {
		kids := level[i*len(level)/count : (i+1)*len(level)/count]
		n := &node[V]{keys: make([]string, len(kids)), kids: append(make([]*node[V], 0, len(kids)), kids...)}
		for j, k := range kids {
			n.keys[j] = k.keys[0]
			n.size += k.size
		}
		n.headKeys()
		up = append(up, n)
	}
	return up
}
