package btree

import "slices"

// Delete removes key and returns what was there. Deleting what is not there copies
// nothing.
func (t *Tree[V]) Delete(key string) (old V, ok bool) {
	if _, ok := t.Get(key); !ok {
		return old, false
	}
	t.begin()
	t.root = t.own(t.root)
	old = t.remove(t.root, key)
	for len(t.root.kids) == 1 {
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
		n.ownKeys()
		n.keys = slices.Delete(n.keys, i, i+1)
		n.vals = slices.Delete(n.vals, i, i+1)
		return old
	}
	i := n.child(key)
	kid := t.own(n.kids[i])
	n.kids[i] = kid
	old = t.remove(kid, key)
	if len(kid.keys) < minEntries {
		t.join(n, max(i-1, 0))
	}
	return old
}

// join merges kids i and i+1 of n, or evens them out when they do not fit into one.
func (t *Tree[V]) join(n *node[V], i int) {
	l, r := t.own(n.kids[i]), n.kids[i+1]
	n.kids[i] = l
	n.ownKeys()
	fits := len(l.keys)+len(r.keys) <= maxEntries
	l.keys, l.shared = slices.Concat(l.keys, r.keys), false
	if l.kids != nil {
		l.kids = slices.Concat(l.kids, r.kids)
	} else {
		l.vals = slices.Concat(l.vals, r.vals)
	}
	l.size += r.size
	if fits {
		n.keys = slices.Delete(n.keys, i+1, i+2)
		n.kids = slices.Delete(n.kids, i+1, i+2)
	} else {
		right := t.cut(l, len(l.keys)/2)
		n.keys[i+1], n.kids[i+1] = right.keys[0], right
		if right.kids != nil {
			right.headKeys()
		}
	}
	n.headKeys()
	if l.kids != nil {
		l.headKeys()
	}
}
