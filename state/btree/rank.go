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

// Ceiling returns the first entry whose key is not below key; ok is false when there is
// none. It allocates nothing.
func (t *Tree[V]) Ceiling(key string) (at string, v V, ok bool) {
	n := t.root
	if n == nil {
		return "", v, false
	}
	for n.kids != nil {
		i := n.child(key)
		if last := n.kids[i]; i+1 < len(n.kids) && last.below(key) {
			i++
		}
		n = n.kids[i]
	}
	if i, _ := n.search(key); i < len(n.keys) {
		return n.keys[i], n.vals[i], true
	}
	return "", v, false
}

// below says that all keys of n and what is under it are below key.
func (n *node[V]) below(key string) bool {
	for n.kids != nil {
		n = n.kids[len(n.kids)-1]
	}
	return n.keys[len(n.keys)-1] < key
}
