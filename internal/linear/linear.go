// Package linear judges histories: whether what clients did to a register, and saw of it, could have
// happened in one order that keeps to time. Its users are the simulator and the tests with real processes.
//
// A history is linearizable when its operations can be put into one order in which each
// comes after all that had ended when it began, and in which each saw what a single register would have shown (Herlihy
// and Wing 1990). The search is Wing and Gong's (1993) with Lowe's memory of where it has been (2017): operations are taken
// out of the history one at a time, in every order that time allows; a set of operations taken, with
// the value they lead to, is tried once.
package linear

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// Action is what an operation does to its register.
type Action uint8

// The actions.
const (
	Read    Action = iota
	Put            // sets it
	Add            // adds, and returns the sum
	Replace        // sets it if it has a value; else nothing happens
)

// Forever is when an operation ends whose outcome nobody knows: it takes effect at any
// time after its beginning, or never.
const Forever = time.Duration(math.MaxInt64)

// Operation is what a client did to one register, and saw. Its times are since any moment, the same
// for all operations of a history.
type Operation struct {
	Begin, End time.Duration
	Do         Action
	Arg, Old   int64 // Old: what Replace expects
	Result     int64 // of a read, of an addition
	Refused    bool  // Replace found another value
}

// apply returns the value behind the operation; ok is false when it cannot have taken place
// on a register of that value.
func (o *Operation) apply(value int64) (next int64, ok bool) {
	unknown := o.End == Forever
	switch o.Do {
	case Read:
		return value, value == o.Result
	case Put:
		return o.Arg, true
	case Add:
		return value + o.Arg, unknown || value+o.Arg == o.Result
	}
	if o.Refused {
		return value, value != o.Old
	}
	return o.Arg, value == o.Old
}

// moment is the beginning or the end of an operation, in a list of all that is not yet taken.
type moment struct {
	op         int
	match      *moment // of a beginning: its end; nil for an end
	prev, next *moment
}

// lift takes a beginning and its end out of the list; unlift puts them back.
func (m *moment) lift() {
	m.prev.next, m.next.prev = m.next, m.prev
	e := m.match
	e.prev.next = e.next
	if e.next != nil {
		e.next.prev = e.prev
	}
}

func (m *moment) unlift() {
	e := m.match
	e.prev.next = e
	if e.next != nil {
		e.next.prev = e
	}
	m.prev.next, m.next.prev = m, m
}

// moments puts beginnings and ends in order. Where they meet, the beginning comes first: so
// the two may be taken in either order.
func moments(ops []Operation) *moment {
	type stamp struct {
		at  time.Duration
		end int
		m   *moment
	}
	var list []stamp
	for i := range ops {
		e := &moment{op: i}
		list = append(list, stamp{ops[i].Begin, 0, &moment{op: i, match: e}}, stamp{ops[i].End, 1, e})
	}
	slices.SortStableFunc(list, func(a, b stamp) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.end, b.end)) })
	head := &moment{}
	last := head
	for _, s := range list {
		last.next, s.m.prev = s.m, last
		last = s.m
	}
	return head
}

// Check says whether the history of one register, which holds initial before it, is.
// Where it is not, stuck is an operation that no order gets past. With more than
// maxTried steps it gives up and says that it does not know.
func Check(ops []Operation, initial int64) (ok bool, stuck int, known bool) {
	head := moments(ops)
	taken := make([]uint64, (len(ops)+63)/64)
	tried := map[string]bool{}
	type choice struct {
		m     *moment
		value int64
	}
	var path []choice
	value, best, steps := initial, -1, 0
	at := head.next
	for remaining(ops, head) {
		if steps++; steps > maxTried {
			return true, 0, false
		}
		if at.match != nil {
			next, fits := ops[at.op].apply(value)
			if fits {
				taken[at.op/64] |= 1 << (at.op % 64)
				if key := stateKey(taken, next); !tried[key] {
					tried[key] = true
					path = append(path, choice{at, value})
					value = next
					at.lift()
					at = head.next
					continue
				}
				taken[at.op/64] &^= 1 << (at.op % 64)
			}
			at = at.next
			continue
		}
		// An operation ends here that was not taken: go back on the last choice.
		if len(path) >= best {
			best, stuck = len(path), at.op
		}
		if len(path) == 0 {
			return false, stuck, true
		}
		c := path[len(path)-1]
		path = path[:len(path)-1]
		taken[c.m.op/64] &^= 1 << (c.m.op % 64)
		c.m.unlift()
		value, at = c.value, c.m.next
	}
	return true, 0, true
}

const maxTried = 5_000_000

// remaining says whether an operation that must have taken place is still to be taken.
func remaining(ops []Operation, head *moment) bool {
	for m := head.next; m != nil; m = m.next {
		if m.match == nil {
			return ops[m.op].End != Forever
		}
	}
	return false
}

func stateKey(taken []uint64, value int64) string {
	b := make([]byte, 0, 8*len(taken)+8)
	for _, w := range taken {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return string(binary.LittleEndian.AppendUint64(b, uint64(value)))
}
