package main

import (
	"math"
	"math/bits"
	"sync"
)

// histogram counts durations in ns, in the manner of HdrHistogram: 128 buckets for each power of two,
// so a quantile is at most 1/128 too high. Its size does not depend on how many it counts. The zero
// value is empty. It is not safe for concurrent use: each goroutine has its own, merged at the end.
type histogram struct {
	counts []uint64 // grown as far as the longest needs
	n      uint64
	max    int64
}

const (
	subBits = 7
	sub     = 1 << subBits
)

// bucket is the place of ns: durations below 128 have a bucket each.
func bucket(ns int64) int {
	if ns < sub {
		return int(max(ns, 0))
	}
	shift := bits.Len64(uint64(ns)) - subBits - 1
	return shift*sub + int(ns>>shift)
}

// bucketTop is the longest duration of a bucket.
func bucketTop(b int) int64 {
	if b < 2*sub {
		return int64(b)
	}
	shift := b/sub - 1
	return (int64(b-shift*sub)+1)<<shift - 1
}

func (h *histogram) add(ns int64) {
	b := bucket(ns)
	for b >= len(h.counts) {
		h.counts = append(h.counts, make([]uint64, sub)...)
	}
	h.counts[b]++
	h.n++
	h.max = max(h.max, ns)
}

func (h *histogram) merge(o *histogram) {
	for len(h.counts) < len(o.counts) {
		h.counts = append(h.counts, make([]uint64, sub)...)
	}
	for b, n := range o.counts {
		h.counts[b] += n
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// quantile is the duration that a share q of all does not exceed, 0 when there is none.
func (h *histogram) quantile(q float64) int64 {
	want := max(1, uint64(math.Ceil(q*float64(h.n)-1e-6))) // the product may be a little too much
	var seen uint64
	for b, n := range h.counts {
		if seen += n; seen >= want {
			return min(bucketTop(b), h.max)
		}
	}
	return h.max
}

// into puts quantiles into m, in µs.
func (h *histogram) into(m figures) {
	for name, q := range map[string]float64{"p50_us": .5, "p90_us": .9, "p99_us": .99, "p999_us": .999, "max_us": 1} {
		m[name] = float64(h.quantile(q)) / 1e3
	}
}

var latencyColumns = []column{{Name: "p50_us", Unit: "p50 µs", Low: true}, {Name: "p90_us", Unit: "p90 µs", Low: true}, {Name: "p99_us", Unit: "p99 µs", Low: true},
	{Name: "p999_us", Unit: "p99.9 µs", Low: true}, {Name: "max_us", Unit: "max µs", Low: true}}

// sampler counts for one of many goroutines: a thousand histograms would not fit in the caches, and
// what is measured would wait for them. The zero value but for into is ready.
type sampler struct {
	into *sharedHistogram
	n    int
	ns   [64]int64
}

type sharedHistogram struct {
	mu sync.Mutex
	histogram
}

func (s *sampler) add(ns int64) {
	s.ns[s.n] = ns
	if s.n++; s.n == len(s.ns) {
		s.flush()
	}
}

// flush is to be called at the end.
func (s *sampler) flush() {
	s.into.mu.Lock()
	defer s.into.mu.Unlock()
	for _, ns := range s.ns[:s.n] {
		s.into.histogram.add(ns)
	}
	s.n = 0
}
