package btree

import "iter"

// Change is one key by which two versions differ.
type Change[V any] struct {
	Key           string
	Old, New      V    // the zero value where there is none
	Before, After bool // whether the key is in the old, in the new version
}

// Diff iterates, in order of keys, over what makes new of old. same tells whether two
// values of one key are equal; nil takes all for different that are not in a shared
// node. Nodes that the versions share are passed over unread, so that the cost follows
// the change and not the size. Neither tree may be changed meanwhile.
func Diff[V any](old, new *Tree[V], same func(a, b V) bool) iter.Seq[Change[V]] {
	a, b := old.root, new.root
	return func(yield func(Change[V]) bool) {
		d := differ[V]{old: walkFrom(a), new: walkFrom(b), same: same, yield: yield}
		for d.step() {
		}
	}
}

// walk is a position in a version: the rest of a leaf, then nodes not yet opened.
type walk[V any] struct {
	leaf   *node[V]
	i      int        // the next entry of leaf; past its end: none
	stack  []*node[V] // the next one last
	opened int        // nodes
}

func walkFrom[V any](n *node[V]) walk[V] {
	if n == nil {
		return walk[V]{}
	}
	return walk[V]{stack: []*node[V]{n}}
}

// inLeaf says that an entry is next; otherwise it is a node, if anything.
func (w *walk[V]) inLeaf() bool { return w.leaf != nil && w.i < len(w.leaf.keys) }

func (w *walk[V]) done() bool { return !w.inLeaf() && len(w.stack) == 0 }

func (w *walk[V]) node() *node[V] { return w.stack[len(w.stack)-1] }

// bound is the next key, or, with a node next, at most the next key and above all that
// came before.
func (w *walk[V]) bound() string {
	if w.inLeaf() {
		return w.leaf.keys[w.i]
	}
	return w.node().keys[0]
}

func (w *walk[V]) pop() *node[V] {
	n := w.node()
	w.stack = w.stack[:len(w.stack)-1]
	return n
}

func (w *walk[V]) open() {
	n := w.pop()
	w.opened++
	if n.kids == nil {
		w.leaf, w.i = n, 0
		return
	}
	for i := len(n.kids) - 1; i >= 0; i-- {
		w.stack = append(w.stack, n.kids[i])
	}
}

func (n *node[V]) height() (h int) {
	for ; n.kids != nil; n = n.kids[0] {
		h++
	}
	return h
}

type differ[V any] struct {
	old, new walk[V]
	same     func(a, b V) bool
	yield    func(Change[V]) bool
}

// step opens a node or takes an entry; false ends the iteration.
//
// A shared node is opened in neither version: whichever side comes to it first waits
// there, since everything the other side has before it has a smaller bound, and of two
// nodes with one bound the taller is opened.
func (d *differ[V]) step() bool {
	switch a, b := &d.old, &d.new; {
	case a.done() && b.done():
		return false
	case b.done():
		return d.advance(a, d.removed)
	case a.done():
		return d.advance(b, d.added)
	case a.inLeaf() && b.inLeaf():
		return d.entries()
	case a.inLeaf():
		if a.bound() < b.bound() {
			return d.removed()
		}
		b.open()
	case b.inLeaf():
		if b.bound() < a.bound() {
			return d.added()
		}
		a.open()
	default:
		d.nodes()
	}
	return true
}

// advance opens the node that is next, or takes the entry.
func (d *differ[V]) advance(w *walk[V], take func() bool) bool {
	if w.inLeaf() {
		return take()
	}
	w.open()
	return true
}

func (d *differ[V]) nodes() {
	a, b := &d.old, &d.new
	x, y := a.node(), b.node()
	switch {
	case x == y:
		a.pop()
		b.pop()
	case x.keys[0] < y.keys[0]:
		a.open()
	case y.keys[0] < x.keys[0]:
		b.open()
	default:
		hx, hy := x.height(), y.height()
		if hx >= hy {
			a.open()
		}
		if hy >= hx {
			b.open()
		}
	}
}

func (d *differ[V]) entries() bool {
	x, y := d.old.bound(), d.new.bound()
	switch {
	case x < y:
		return d.removed()
	case y < x:
		return d.added()
	}
	c := Change[V]{Key: y, Old: d.old.leaf.vals[d.old.i], New: d.new.leaf.vals[d.new.i], Before: true, After: true}
	d.old.i++
	d.new.i++
	return d.same != nil && d.same(c.Old, c.New) || d.yield(c)
}

func (d *differ[V]) removed() bool {
	w := &d.old
	w.i++
	return d.yield(Change[V]{Key: w.leaf.keys[w.i-1], Old: w.leaf.vals[w.i-1], Before: true})
}

func (d *differ[V]) added() bool {
	w := &d.new
	w.i++
	return d.yield(Change[V]{Key: w.leaf.keys[w.i-1], New: w.leaf.vals[w.i-1], After: true})
}
