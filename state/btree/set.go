package btree

// Set puts v at key and returns what was there. The tree keeps key.
func (t *Tree[V]) Set(key string, v V) (old V, replaced bool) {
	t.begin()
	if t.root == nil {
		t.root = &node[V]{owner: t.owner}
	}
	t.root = t.own(t.root)
	old, replaced, right := t.set(t.root, key, v, true)
	if right != nil {
		left := t.root
		t.root = &node[V]{owner: t.owner, size: left.size + right.size,
			keys: []string{left.keys[0], right.keys[0]}, kids: []*node[V]{left, right}}
		t.root.headKeys()
	}
	return old, replaced
}

// set puts v at key below n, which t owns. last says that n is the last node of its
// level. right is a new node to stand behind n, when n was full.
func (t *Tree[V]) set(n *node[V], key string, v V, last bool) (old V, replaced bool, right *node[V]) {
	if n.kids == nil {
		i, found := n.search(key)
		if found {
			old, n.vals[i] = n.vals[i], v
			return old, true, nil
		}
		return old, false, t.insertEntry(n, i, key, v, last)
	}
	i := n.child(key)
	kid := t.own(n.kids[i])
	n.kids[i] = kid
	old, replaced, split := t.set(kid, key, v, last && i == len(n.kids)-1)
	if replaced {
		return old, true, nil
	}
	n.size++
	if key < n.keys[i] {
		n.ownKeys()
		n.keys[i] = key
		n.headKeys()
	}
	if split != nil {
		right = t.insertKid(n, i+1, split, last)
	}
	return old, false, right
}

// insertEntry puts an entry at place i of a leaf.
func (t *Tree[V]) insertEntry(n *node[V], i int, key string, v V, last bool) (right *node[V]) {
	n.ownKeys()
	at := n
	if len(n.keys) == maxEntries {
		cut := maxEntries / 2
		if last && i == maxEntries {
			cut = maxEntries
		}
		right = t.cut(n, cut)
		if i >= cut {
			at, i = right, i-cut
		}
	}
	at.keys = insertAt(at.keys, i, key)
	at.vals = insertAt(at.vals, i, v)
	at.size++
	return right
}

// insertKid puts a kid at place i of an inner node, whose size counts its entries
// already.
func (t *Tree[V]) insertKid(n *node[V], i int, kid *node[V], last bool) (right *node[V]) {
	n.ownKeys()
	at := n
	if len(n.keys) == maxEntries {
		cut := maxEntries / 2
		if last && i == maxEntries {
			cut = maxEntries - 1 // an inner node has two kids at least
		}
		n.size -= kid.size
		right = t.cut(n, cut)
		if i > cut {
			at, i = right, i-cut
		}
		at.size += kid.size
	}
	at.keys = insertAt(at.keys, i, kid.keys[0])
	at.kids = insertAt(at.kids, i, kid)
	n.headKeys()
	if right != nil {
		right.headKeys()
	}
	return right
}

// cut leaves the first i entries in n, which t owns with its keys, and returns a node with the others.
func (t *Tree[V]) cut(n *node[V], i int) *node[V] {
	right := &node[V]{owner: t.owner, keys: roomy(n.keys[i:])}
	if n.kids != nil {
		right.kids = roomy(n.kids[i:])
		for _, k := range right.kids {
			right.size += k.size
		}
		n.kids = fitting(n.kids, i)
	} else {
		right.vals = roomy(n.vals[i:])
		right.size = len(right.vals)
		n.vals = fitting(n.vals, i)
	}
	n.keys = fitting(n.keys, i)
	n.size -= right.size
	return right
}

// fitting cuts s to n, in memory of its own where much would stay empty.
func fitting[T any](s []T, n int) []T {
	if cap(s)-n > 2*growBy {
		return roomy(s[:n])
	}
	clear(s[n:])
	return s[:n]
}
