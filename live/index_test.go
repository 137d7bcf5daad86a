package live

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIntervals holds the index over ranges against a look at all of them, while ranges come and
// go.
func TestIntervals(t *testing.T) {
	found, looks := 0, 0
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		text := func() string { return fmt.Sprintf("%02d", rnd.IntN(60)) }
		var index intervals
		var all []interval
		for step := range 600 {
			if len(all) > 0 && rnd.IntN(5) < 2 {
				i := rnd.IntN(len(all))
				index.remove(all[i])
				all = slices.Delete(all, i, i+1)
			} else {
				x := interval{from: text(), g: &group{mark: uint64(step)}}
				switch rnd.IntN(6) {
				case 0:
					x.from = ""
				case 1:
				default:
					x.to = text()
				}
				index.add(x)
				all = append(all, x)
			}
			v := text()
			var got, want []uint64
			index.each(v, func(g *group) { got = append(got, g.mark) })
			for i := range all {
				if all[i].holds(v) {
					want = append(want, all[i].g.mark)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, step %d: %q leads to %v, want %v", seed, step, v, got, want)
			}
			found, looks = found+len(got), looks+1
		}
		for _, x := range all {
			index.remove(x)
		}
		if !index.empty() {
			t.Fatalf("seed %d: something is left", seed)
		}
	}
	t.Logf("%d looks found %d ranges", looks, found)
}
