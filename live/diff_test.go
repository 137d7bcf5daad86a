package live

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// lists returns two lists of rows in order, some of which are in both, at the same place or at another.
func lists(rnd *rand.Rand, n, orders int) (from, to []*entry) {
	made := func(key int) *entry {
		k := fmt.Sprintf("%06d", key)
		return &entry{order: fmt.Sprintf("%06d", rnd.IntN(orders)) + k, key: k, json: fmt.Appendf(nil, `{"v":%d}`, rnd.IntN(2))}
	}
	for key := range n {
		e := made(key)
		switch rnd.IntN(4) {
		case 0:
			from = append(from, e)
		case 1:
			to = append(to, e)
		case 2:
			from, to = append(from, e), append(to, e)
		default:
			from, to = append(from, e), append(to, made(key))
		}
	}
	byOrder := func(a, b *entry) int {
		if a.order < b.order {
			return -1
		}
		return 1
	}
	slices.SortFunc(from, byOrder)
	slices.SortFunc(to, byOrder)
	return from, to
}

// fold takes steps as clients do.
func fold(t *testing.T, from []*entry, steps []change) (list []*entry) {
	t.Helper()
	list = slices.Clone(from)
	find := func(key string) int { return slices.IndexFunc(list, func(e *entry) bool { return e.key == key }) }
	for _, s := range steps {
		switch s.kind {
		case entered:
			list = slices.Insert(list, s.at, s.new)
		case left:
			i := find(s.old.key)
			list = slices.Delete(list, i, i+1)
		case updated:
			list[find(s.old.key)] = s.new
		case moved:
			i := find(s.old.key)
			if i == s.at {
				t.Fatalf("%s moves from %d to where it is", s.old.key, i)
			}
			e := list[i]
			list = slices.Insert(slices.Delete(list, i, i+1), s.at, e)
		}
	}
	return list
}

// TestDiffFolds: the steps lead from any list to any other.
func TestDiffFolds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	kinds := map[changeKind]int{}
	for range 3000 {
		from, to := lists(rnd, rnd.IntN(24), 1+rnd.IntN(30))
		steps := diff(from, to)
		for _, s := range steps {
			kinds[s.kind]++
		}
		list := fold(t, from, steps)
		for i := range max(len(list), len(to)) {
			if len(list) != len(to) || list[i].key != to[i].key || string(list[i].json) != string(to[i].json) {
				t.Fatalf("%v folds to %v, want %v", steps, list, to)
			}
		}
	}
	t.Logf("steps: %d enter, %d update, %d leave, %d move", kinds[entered], kinds[updated], kinds[left], kinds[moved])
	for _, k := range []changeKind{entered, updated, left, moved} {
		if kinds[k] == 0 {
			t.Errorf("no %s among them", changeNames[k])
		}
	}
}

// TestDiffOfMany: lists of 10,000 rows that have changed throughout. The core makes them one after the other, so the time is
// told.
func TestDiffOfMany(t *testing.T) {
	from, to := lists(rand.New(rand.NewPCG(8, 8)), 15_000, 1_000_000)
	start := time.Now()
	steps := diff(from, to)
	t.Logf("%d rows, then %d: %d steps in %v", len(from), len(to), len(steps), time.Since(start))
	if list := fold(t, from, steps); len(list) != len(to) || list[0].key != to[0].key || list[len(list)-1].key != to[len(to)-1].key {
		t.Errorf("%d rows, want %d", len(list), len(to))
	}
}
