package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHistogramAgainstSorting: no quantile is lower than the true one, and none more than a 128th higher.
func TestHistogramAgainstSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var whole histogram
	var all []int64
	for range 20 {
		var part histogram
		for range 500 {
			ns := r.Int64N(1 << r.IntN(45))
			part.add(ns)
			all = append(all, ns)
		}
		whole.merge(&part)
	}
	slices.Sort(all)
	for _, q := range []float64{0.0001, .1, .5, .9, .99, .999, 1} {
		want := all[int(math.Ceil(q*float64(len(all))-1e-6))-1]
		if got := whole.quantile(q); got < want || got > want+want/sub+1 {
			t.Errorf("quantile %v: %d, the true one is %d", q, got, want)
		}
	}
	if whole.quantile(1) != all[len(all)-1] || whole.n != uint64(len(all)) {
		t.Errorf("the longest is %d of %d, want %d of %d", whole.quantile(1), whole.n, all[len(all)-1], len(all))
	}
	var few histogram
	for ns := range int64(160) {
		few.add(1000 * ns)
	}
	if got := few.quantile(.99); got < 158_000 { // 158 of 160 are less than a share of .99
		t.Errorf("p99 of 160: %d", got)
	}
	for _, ns := range []int64{-1, 0, sub - 1, sub, 2*sub - 1, 2 * sub, 1<<62 - 1, 1 << 62, math.MaxInt64} {
		var one histogram
		one.add(ns)
		if got := one.quantile(.5); got != max(ns, 0) || one.quantile(1) != got {
			t.Errorf("the only one, %d, is said to be %d", ns, got)
		}
	}
	for ns := range int64(1 << 20) {
		if b := bucket(ns); bucketTop(b) < ns || b > 0 && bucketTop(b-1) >= ns {
			t.Fatalf("%d is in bucket %d, which ends at %d", ns, b, bucketTop(b))
		}
	}
}
