package btree

import "iter"

// Ascend iterates over the entries from the first key not below from on, in order; ""
// begins at the first.
func (t *Tree[V]) Ascend(from string) iter.Seq2[string, V] { return t.AscendAt(t.Rank(from)) }

// Descend iterates backwards from the last key not above from on; "" begins at the last,
// so the entry of the empty key alone is found by Get.
func (t *Tree[V]) Descend(from string) iter.Seq2[string, V] {
	if from == "" {
		return t.DescendAt(t.Len() - 1)
	}
	rank := t.Rank(from)
	if key, _, ok := t.At(rank); !ok || key != from {
		rank--
	}
	return t.DescendAt(rank)
}

// AscendAt iterates from the entry at rank on, in order. A rank below 0 is 0.
func (t *Tree[V]) AscendAt(rank int) iter.Seq2[string, V] {
	root := t.root
	return func(yield func(string, V) bool) {
		if root != nil && rank < root.size {
			root.ascend(max(rank, 0), yield)
		}
	}
}

// ascend passes over the first skip entries.
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

// DescendAt iterates backwards from the entry at rank on. A rank past the end is the
// last one.
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
