package btree

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
