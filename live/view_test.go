package live

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestMerge holds what is left of a view after a transaction, of a few records or of far more than it
// holds, against a set that is sorted.
func TestMerge(t *testing.T) {
	entries := 0
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		set := map[string]*entry{}
		pick := func(n int) (list []*entry) {
			for range n {
				list = append(list, &entry{order: fmt.Sprintf("%04d", rnd.IntN(3000))})
			}
			slices.SortFunc(list, byOrder)
			return slices.CompactFunc(list, func(a, b *entry) bool { return a.order == b.order })
		}
		held, gone, come := pick(rnd.IntN(200)), pick(rnd.IntN(100)), pick(rnd.IntN([]int{3, 2000}[seed%2]))
		for _, e := range held {
			if rnd.IntN(3) == 0 {
				gone = append(gone, e) // replaced, or deleted
			}
			set[e.order] = e
		}
		for _, e := range gone {
			delete(set, e.order)
		}
		come = slices.DeleteFunc(come, func(e *entry) bool { return set[e.order] != nil }) // no two records have one order
		for _, e := range come {
			set[e.order] = e
		}
		rnd.Shuffle(len(come), func(i, j int) { come[i], come[j] = come[j], come[i] })
		before := slices.Clone(held)
		got := merge(held, gone, come)
		if len(got) != len(set) || !slices.IsSortedFunc(got, byOrder) || !slices.Equal(held, before) {
			t.Fatalf("seed %d: %d entries of %d, or out of order, or the view before has changed", seed, len(got), len(set))
		}
		for _, e := range got {
			if set[e.order] != e {
				t.Fatalf("seed %d: %s is another's", seed, e.order)
			}
		}
		entries += len(got)
	}
	t.Logf("%d entries", entries)
}
