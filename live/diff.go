package live

import "bytes"

// changeKind says what happened to a row of a live query.
type changeKind uint8

const (
	entered changeKind = iota
	updated
	left
	moved
)

var changeNames = [...]string{entered: "enter", updated: "update", left: "leave", moved: "move"}

// change is one step from an answer to a later one. Steps are taken one after the other.
type change struct {
	kind     changeKind
	old, new *entry
	at       int // of entered and moved: the place in the list, from 0; of moved once the row is taken out
}

// diff returns the steps from what was seen to what is. Rows whose order did not change stay
// where they are among each other, so that only what changed is told.
//
// Between the common ends of both lists, a walk in order finds what is in one alone. A row that
// is new to its place goes behind the one before it in the new list, which has its place by
// then: new rows are placed in order.
func diff(from, to []*entry) (steps []change) {
	a, b := from, to
	head := 0
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b, head = a[1:], b[1:], head+1
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) == 0 && len(b) == 0 {
		return nil
	}
	d := differ{gone: map[string]*entry{}, came: map[string]int{}, list: make([]string, 0, len(a)+len(b))}
	d.split(a, b)
	for _, e := range a {
		if e, is := d.gone[e.key]; is {
			if _, back := d.came[e.key]; !back {
				d.steps = append(d.steps, change{kind: left, old: e})
				continue
			}
		}
		d.list = append(d.list, e.key)
	}
	d.place(b, head)
	return d.steps
}

// differ is a diff under construction.
type differ struct {
	gone  map[string]*entry // rows of the old list that are not at their order in the new one
	came  map[string]int    // those of the new list, with their place in it
	list  []string          // keys, as the steps so far leave them
	steps []change
}

// split finds what is in one list alone; rows in both that changed are updates.
func (d *differ) split(a, b []*entry) {
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case j == len(b) || i < len(a) && a[i].order < b[j].order:
			d.gone[a[i].key] = a[i]
			i++
		case i == len(a) || b[j].order < a[i].order:
			d.came[b[j].key] = j
			j++
		default:
			d.update(a[i], b[j])
			i, j = i+1, j+1
		}
	}
}

func (d *differ) update(old, next *entry) {
	if old != next && !bytes.Equal(old.json, next.json) {
		d.steps = append(d.steps, change{kind: updated, old: old, new: next})
	}
}

// place puts rows where they are in the new list, in its order. head is how many rows lie in
// front of it.
func (d *differ) place(b []*entry, head int) {
	for j, e := range b {
		if at, is := d.came[e.key]; !is || at != j {
			continue
		}
		old := d.gone[e.key]
		was := -1
		if old != nil {
			was = d.index(e.key)
			d.list = append(d.list[:was], d.list[was+1:]...)
		}
		at := 0
		if j > 0 {
			at = d.index(b[j-1].key) + 1
		}
		d.list = append(d.list, "")
		copy(d.list[at+1:], d.list[at:])
		d.list[at] = e.key
		if old == nil {
			d.steps = append(d.steps, change{kind: entered, new: e, at: head + at})
			continue
		}
		d.update(old, e)
		if at != was {
			d.steps = append(d.steps, change{kind: moved, old: old, new: e, at: head + at})
		}
	}
}

func (d *differ) index(key string) int {
	for i, k := range d.list {
		if k == key {
			return i
		}
	}
	panic("live: a row has lost its place")
}
