package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// world is simulated time and what is to happen in it.
type world struct {
	rng   *rand.Rand
	now   time.Duration // since the beginning
	queue []event       // a heap, by time, then by the order of the calls
	count uint64        // events ever queued
	steps uint64        // events that happened
}

// event is something that happens at a time.
type event struct {
	at    time.Duration
	order uint64
	do    func()
}

func newWorld(seed uint64) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 0x6c697468616972))}
}

// after has do called when so much time has passed.
func (w *world) after(d time.Duration, do func()) { w.at(w.now+max(d, 0), do) }

// at has do called at a time.
func (w *world) at(t time.Duration, do func()) {
	w.count++
	w.queue = append(w.queue, event{t, w.count, do})
	for i := len(w.queue) - 1; i > 0; {
		up := (i - 1) / 2
		if !w.queue[i].before(&w.queue[up]) {
			return
		}
		w.queue[i], w.queue[up] = w.queue[up], w.queue[i]
		i = up
	}
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.order < o.order }

// step lets the next thing happen, unless it lies behind end.
func (w *world) step(end time.Duration) bool {
	if len(w.queue) == 0 || w.queue[0].at > end {
		w.now = end
		return false
	}
	next := w.queue[0]
	last := len(w.queue) - 1
	w.queue[0] = w.queue[last]
	w.queue[last] = event{}
	w.queue = w.queue[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if w.queue[c].before(&w.queue[least]) {
				least = c
			}
		}
		if least == i {
			break
		}
		w.queue[i], w.queue[least] = w.queue[least], w.queue[i]
		i = least
	}
	w.now = next.at
	w.steps++
	next.do()
	return true
}

// oneIn is true once in so many times.
func (w *world) oneIn(n int) bool { return n > 0 && w.rng.IntN(n) == 0 }

// percent is true in so many of a hundred cases.
func (w *world) percent(p int) bool { return p > 0 && w.rng.IntN(100) < p }

// between returns a time in [low, high].
func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)+1))
}

// about returns a time whose mean is d; most are shorter, some much longer.
func (w *world) about(d time.Duration) time.Duration {
	return time.Duration(-float64(d) * math.Log(1-w.rng.Float64()))
}

// pick returns one of several.
func pick[T any](w *world, list ...T) T { return list[w.rng.IntN(len(list))] }

// violation is what a check finds; it ends the run as a panic.
type violation string

func violated(format string, args ...any) { panic(violation(fmt.Sprintf(format, args...))) }
