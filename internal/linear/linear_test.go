package linear

import (
	"math/rand/v2"
	"testing"
	"time"
)

func at(begin, end int, do Action, arg, result int64) Operation {
	o := Operation{Begin: time.Duration(begin), End: time.Duration(end), Do: do, Arg: arg, Result: result}
	if end < 0 {
		o.End = Forever
	}
	return o
}

func replace(begin, end int, old, arg int64, refused bool) Operation {
	o := at(begin, end, Replace, arg, 0)
	o.Old, o.Refused = old, refused
	return o
}

// histories: as many are not linearizable as are.
var histories = []struct {
	name string
	ok   bool
	ops  []Operation
}{
	{"nothing", true, nil},
	{"a read of the beginning", true, []Operation{at(0, 1, Read, 0, 0)}},
	{"a value from nowhere", false, []Operation{at(0, 1, Read, 0, 7)}},
	{"a read behind a write", true, []Operation{at(0, 1, Put, 5, 0), at(2, 3, Read, 0, 5)}},
	{"a read behind a write sees the value before", false, []Operation{at(0, 1, Put, 5, 0), at(2, 3, Read, 0, 0)}},
	{"beside a write either is seen", true, []Operation{at(0, 9, Put, 5, 0), at(1, 2, Read, 0, 0), at(3, 4, Read, 0, 5)}},
	{"beside a write time does not go back", false, []Operation{at(0, 9, Put, 5, 0), at(1, 2, Read, 0, 5), at(3, 4, Read, 0, 0)}},
	{"two writes at once, seen in one order", true, []Operation{at(0, 9, Put, 1, 0), at(0, 9, Put, 2, 0), at(1, 3, Read, 0, 2), at(4, 5, Read, 0, 1)}},
	{"two writes at once, seen in both orders", false, []Operation{at(0, 3, Put, 1, 0), at(0, 3, Put, 2, 0), at(4, 5, Read, 0, 2), at(6, 7, Read, 0, 1)}},
	{"an unknown write is seen late", true, []Operation{at(0, -1, Put, 5, 0), at(2, 3, Read, 0, 0), at(8, 9, Read, 0, 5)}},
	{"an unknown write is never seen", true, []Operation{at(0, -1, Put, 5, 0), at(2, 3, Read, 0, 0)}},
	{"an unknown write is seen and gone again", false, []Operation{at(0, -1, Put, 5, 0), at(2, 3, Read, 0, 5), at(8, 9, Read, 0, 0)}},
	{"an unknown write before it began", false, []Operation{at(4, -1, Put, 5, 0), at(2, 3, Read, 0, 5)}},
	{"additions, each once", true, []Operation{at(0, 9, Add, 1, 2), at(0, 9, Add, 1, 1), at(10, 11, Read, 0, 2)}},
	{"two additions with one result", false, []Operation{at(0, 9, Add, 1, 1), at(0, 9, Add, 1, 1)}},
	{"an addition made twice", false, []Operation{at(0, 1, Add, 1, 1), at(2, 3, Read, 0, 2)}},
	{"an unknown addition that came about", true, []Operation{at(0, -1, Add, 1, 0), at(2, 3, Add, 1, 2)}},
	{"an addition lost", false, []Operation{at(0, 1, Add, 1, 1), at(2, 3, Add, 1, 1)}},
	{"replaced where it is what was expected", true, []Operation{replace(0, 1, 0, 4, false), at(2, 3, Read, 0, 4)}},
	{"replaced where it is not", false, []Operation{replace(0, 1, 3, 4, false)}},
	{"refused where it is not", true, []Operation{replace(0, 1, 3, 4, true), at(2, 3, Read, 0, 0)}},
	{"refused where it is", false, []Operation{replace(0, 1, 0, 4, true)}},
	{"one of two replaces", true, []Operation{replace(0, 9, 0, 1, false), replace(0, 9, 0, 2, true)}},
	{"both of two replace", false, []Operation{replace(0, 9, 0, 1, false), replace(0, 9, 0, 2, false)}},
	{"they touch: either order", true, []Operation{at(0, 5, Put, 1, 0), at(5, 9, Read, 0, 0)}},
	{"they do not touch", false, []Operation{at(0, 5, Put, 1, 0), at(6, 9, Read, 0, 0)}},
}

func TestHistories(t *testing.T) {
	good := 0
	for _, h := range histories {
		ok, _, known := Check(h.ops, 0)
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
		var ops []Operation
		for range 1 + rng.IntN(6) {
			begin := rng.IntN(12)
			o := at(begin, begin+1+rng.IntN(8), Action(rng.IntN(4)), int64(1+rng.IntN(2)), int64(rng.IntN(4)))
			o.Old, o.Refused = int64(rng.IntN(3)), rng.IntN(2) == 0
			if o.Do != Read && !(o.Do == Replace && o.Refused) && rng.IntN(5) == 0 {
				o.End = Forever
			}
			ops = append(ops, o)
		}
		want := everyOrder(ops, 0, 0)
		got, _, _ := Check(ops, 0)
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
func everyOrder(ops []Operation, taken uint64, value int64) bool {
	first, left := Forever, false
	for i := range ops {
		if taken>>i&1 == 0 {
			first = min(first, ops[i].End)
			left = left || ops[i].End != Forever
		}
	}
	if !left {
		return true
	}
	for i := range ops {
		if taken>>i&1 == 0 && ops[i].Begin <= first {
			if next, ok := ops[i].apply(value); ok && everyOrder(ops, taken|1<<i, next) {
				return true
			}
		}
	}
	return false
}
