package sim

import (
	"math/rand/v2"
	"testing"
	"time"
)

func at(begin, end int, do action, arg, result int64) operation {
	o := operation{begin: time.Duration(begin), end: time.Duration(end), do: do, arg: arg, result: result}
	if end < 0 {
		o.end = forever
	}
	return o
}

func replace(begin, end int, old, arg int64, refused bool) operation {
	o := at(begin, end, doReplace, arg, 0)
	o.old, o.refused = old, refused
	return o
}

// histories: as many are not linearizable as are.
var histories = []struct {
	name string
	ok   bool
	ops  []operation
}{
	{"nothing", true, nil},
	{"a read of the beginning", true, []operation{at(0, 1, doRead, 0, 0)}},
	{"a value from nowhere", false, []operation{at(0, 1, doRead, 0, 7)}},
	{"a read behind a write", true, []operation{at(0, 1, doPut, 5, 0), at(2, 3, doRead, 0, 5)}},
	{"a read behind a write sees the value before", false, []operation{at(0, 1, doPut, 5, 0), at(2, 3, doRead, 0, 0)}},
	{"beside a write either is seen", true, []operation{at(0, 9, doPut, 5, 0), at(1, 2, doRead, 0, 0), at(3, 4, doRead, 0, 5)}},
	{"beside a write time does not go back", false, []operation{at(0, 9, doPut, 5, 0), at(1, 2, doRead, 0, 5), at(3, 4, doRead, 0, 0)}},
	{"two writes at once, seen in one order", true, []operation{at(0, 9, doPut, 1, 0), at(0, 9, doPut, 2, 0), at(1, 3, doRead, 0, 2), at(4, 5, doRead, 0, 1)}},
	{"two writes at once, seen in both orders", false, []operation{at(0, 3, doPut, 1, 0), at(0, 3, doPut, 2, 0), at(4, 5, doRead, 0, 2), at(6, 7, doRead, 0, 1)}},
	{"an unknown write is seen late", true, []operation{at(0, -1, doPut, 5, 0), at(2, 3, doRead, 0, 0), at(8, 9, doRead, 0, 5)}},
	{"an unknown write is never seen", true, []operation{at(0, -1, doPut, 5, 0), at(2, 3, doRead, 0, 0)}},
	{"an unknown write is seen and gone again", false, []operation{at(0, -1, doPut, 5, 0), at(2, 3, doRead, 0, 5), at(8, 9, doRead, 0, 0)}},
	{"an unknown write before it began", false, []operation{at(4, -1, doPut, 5, 0), at(2, 3, doRead, 0, 5)}},
	{"additions, each once", true, []operation{at(0, 9, doAdd, 1, 2), at(0, 9, doAdd, 1, 1), at(10, 11, doRead, 0, 2)}},
	{"two additions with one result", false, []operation{at(0, 9, doAdd, 1, 1), at(0, 9, doAdd, 1, 1)}},
	{"an addition made twice", false, []operation{at(0, 1, doAdd, 1, 1), at(2, 3, doRead, 0, 2)}},
	{"an unknown addition that came about", true, []operation{at(0, -1, doAdd, 1, 0), at(2, 3, doAdd, 1, 2)}},
	{"an addition lost", false, []operation{at(0, 1, doAdd, 1, 1), at(2, 3, doAdd, 1, 1)}},
	{"replaced where it is what was expected", true, []operation{replace(0, 1, 0, 4, false), at(2, 3, doRead, 0, 4)}},
	{"replaced where it is not", false, []operation{replace(0, 1, 3, 4, false)}},
	{"refused where it is not", true, []operation{replace(0, 1, 3, 4, true), at(2, 3, doRead, 0, 0)}},
	{"refused where it is", false, []operation{replace(0, 1, 0, 4, true)}},
	{"one of two replaces", true, []operation{replace(0, 9, 0, 1, false), replace(0, 9, 0, 2, true)}},
	{"both of two replace", false, []operation{replace(0, 9, 0, 1, false), replace(0, 9, 0, 2, false)}},
	{"they touch: either order", true, []operation{at(0, 5, doPut, 1, 0), at(5, 9, doRead, 0, 0)}},
	{"they do not touch", false, []operation{at(0, 5, doPut, 1, 0), at(6, 9, doRead, 0, 0)}},
}

func TestHistories(t *testing.T) {
	good := 0
	for _, h := range histories {
		ok, _, known := linearizable(h.ops, 0)
		if ok != h.ok || !known {
			t.Errorf("%s: linearizable %v (known %v)", h.name, ok, known)
		}
		if h.ok {
			good++
		}
	}
	t.Logf("%d histories, %d of them linearizable", len(histories), good)
}

// TestAgainstEveryOrder holds the search against one that tries every order, on small random
// histories.
func TestAgainstEveryOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	good, runs := 0, 20_000
	for range runs {
		var ops []operation
		for range 1 + rng.IntN(6) {
			begin := rng.IntN(12)
			o := at(begin, begin+1+rng.IntN(8), action(rng.IntN(4)), int64(1+rng.IntN(2)), int64(rng.IntN(4)))
			o.old, o.refused = int64(rng.IntN(3)), rng.IntN(2) == 0
			if o.do != doRead && !(o.do == doReplace && o.refused) && rng.IntN(5) == 0 {
				o.end = forever
			}
			ops = append(ops, o)
		}
		want := everyOrder(ops, 0, 0)
		got, _, _ := linearizable(ops, 0)
		if got != want {
			t.Fatalf("linearizable %v, want %v: %+v", got, want, ops)
		}
		if want {
			good++
		}
	}
	t.Logf("%d random histories, %d of them linearizable", runs, good)
	if good < runs/20 || good > runs*19/20 {
		t.Error("nearly all of them are alike: this proves little")
	}
}

// everyOrder takes any operation that began before every other left has ended.
func everyOrder(ops []operation, taken uint64, value int64) bool {
	first, left := forever, false
	for i := range ops {
		if taken>>i&1 == 0 {
			first = min(first, ops[i].end)
			left = left || ops[i].end != forever
		}
	}
	if !left {
		return true
	}
	for i := range ops {
		if taken>>i&1 == 0 && ops[i].begin <= first {
			if next, ok := ops[i].apply(value); ok && everyOrder(ops, taken|1<<i, next) {
				return true
			}
		}
	}
	return false
}
