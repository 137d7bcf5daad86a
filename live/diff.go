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
// then: new rows are placed in order. It takes O(n log n) steps.
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
	d := differ{gone: map[string]int{}, came: map[string]int{}}
	d.split(a, b)
	d.leave(a)
	d.place(a, b, head)
	return d.steps
}

// differ is a diff under construction.
type differ struct {
	gone  map[string]int // rows of the old list that are not at their order in the new one, with their place in the old
	came  map[string]int // those of the new list, with their place in it
	stays []int          // places in the new list of the rows that stay in order, ascending
	olds  []int          // their places in the old list
	under []int          // by place in the old list: how many of stays lie before it
	wait  counts         // rows that will move and have not yet, by place in the old list
	steps []change
}

// split finds what is in one list alone; rows in both that changed are updates.
func (d *differ) split(a, b []*entry) {
	d.under = make([]int, len(a))
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) {
			d.under[i] = len(d.stays)
		}
		switch {
		case j == len(b) || i < len(a) && a[i].order < b[j].order:
			d.gone[a[i].key] = i
			i++
		case i == len(a) || b[j].order < a[i].order:
			d.came[b[j].key] = j
			j++
		default:
			d.stays, d.olds = append(d.stays, j), append(d.olds, i)
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

// leave takes out what is not in the new list, and notes what will move.
func (d *differ) leave(a []*entry) {
	d.wait = make(counts, len(a)+1)
	for i, e := range a {
		if _, is := d.gone[e.key]; !is {
			continue
		}
		if _, back := d.came[e.key]; back {
			d.wait.add(i, 1)
			continue
		}
		d.steps = append(d.steps, change{kind: left, old: e})
	}
}

// place puts rows where they are in the new list, in its order. head is how many rows lie in
// front of it.
//
// When it comes to the row j, all before it in the new list stand in order, with rows between
// them that wait to be moved. Those of them that come behind the last row that stays stand
// behind all that was placed there.
func (d *differ) place(a, b []*entry, head int) {
	passed, last := 0, 0 // how many of stays lie before j; the place in the old list of the newest of them
	for j, e := range b {
		if _, is := d.came[e.key]; !is {
			last = d.olds[passed]
			passed++
			continue
		}
		i, moves := d.gone[e.key]
		was := -1
		if moves {
			d.wait.add(i, -1)
			was = d.before(i, j, passed)
		}
		at := j + d.wait.under(last)
		if !moves {
			d.steps = append(d.steps, change{kind: entered, new: e, at: head + at})
			continue
		}
		d.update(a[i], e)
		if at != was {
			d.steps = append(d.steps, change{kind: moved, old: a[i], new: e, at: head + at})
		}
	}
}

// before returns how many rows stand in front of the one at place i of the old list, which waits,
// when those of the new list before j are placed, among them the first of stays.
func (d *differ) before(i, j, passed int) int {
	n := d.wait.under(i)
	stay := d.under[i] // the first that stays behind it
	if stay < passed {
		return n + d.stays[stay] // what was placed behind that one is behind it, too
	}
	return n + j + stay - passed
}

// counts are numbers whose sums over the first of them are found, and that change, in O(log n): a
// Fenwick tree.
type counts []int

func (c counts) add(i, n int) {
	for i++; i < len(c); i += i & -i {
		c[i] += n
	}
}

// under returns the sum of those before place i.
func (c counts) under(i int) (n int) {
	for ; i > 0; i -= i & -i {
		n += c[i]
	}
	return n
}
