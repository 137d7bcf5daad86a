package soak

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
)

// Count is what became of operations of a kind.
type Count struct {
	Acknowledged int `json:"acknowledged"`
	Refused      int `json:"refused"` // nothing was carried out: nobody led, no room, not that far
	Unknown      int `json:"unknown"` // an attempt of which nobody knows whether it was carried out
}

// tally counts. It is safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	ops    map[string]*Count
	checks map[string]int
	faults map[string]int
	left   map[string]string // faults that were left out, and why
}

func newTally() *tally {
	return &tally{ops: map[string]*Count{}, checks: map[string]int{}, faults: map[string]int{}, left: map[string]string{}}
}

// op counts an operation by its answer, and says whether it was acknowledged.
func (t *tally) op(kind string, a *fleet.Answer) bool {
	c := Count{}
	switch {
	case a.Unknown():
		c.Unknown = 1
	case a.Status >= 200 && a.Status < 300:
		c.Acknowledged = 1
	default:
		c.Refused = 1
	}
	t.add(kind, c)
	return c.Acknowledged == 1
}

func (t *tally) add(kind string, c Count) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.ops[kind]
	if n == nil {
		n = &Count{}
		t.ops[kind] = n
	}
	n.Acknowledged += c.Acknowledged
	n.Refused += c.Refused
	n.Unknown += c.Unknown
}

func (t *tally) check(what string, n int) {
	t.mu.Lock()
	t.checks[what] += n
	t.mu.Unlock()
}

// mustCheck are the checks that every run makes, however short: one that made none of a kind proves nothing of it.
var mustCheck = []string{
	"file read whole", "live query against the list at the sequence", "live query against the newest list", "notes of a node", "operations put in a linear order",
	"restored node has the cluster's hash", "room: message in order, once", "room: same order for two members", "state hash of a node", "states and logs of all members agree",
}

// judgeChecks fails where a kind of check was not made.
func (r *run) judgeChecks() {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	for _, name := range mustCheck {
		if r.tally.checks[name] == 0 {
			r.t.Errorf("this was not checked: %s", name)
		}
	}
}

func (t *tally) fault(name string) {
	t.mu.Lock()
	t.faults[name]++
	t.mu.Unlock()
}

func (t *tally) leftOut(fault, why string) {
	t.mu.Lock()
	t.left[fault] = why
	t.mu.Unlock()
}

// sum is all acknowledged operations, and all attempts that were not.
func (t *tally) sum() (acknowledged, others, checks, faults int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.ops {
		acknowledged += c.Acknowledged
		others += c.Refused + c.Unknown
	}
	for _, n := range t.checks {
		checks += n
	}
	for _, n := range t.faults {
		faults += n
	}
	return acknowledged, others, checks, faults
}

// reporter is the fleet.T of a run. Errorf may be called by any goroutine.
type reporter struct {
	out   io.Writer
	begun time.Time

	mu       sync.Mutex
	problems []string
	cleanups []func()
}

func (r *reporter) Helper() {}

func (r *reporter) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, "%6.1fs  %s\n", time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...))
}

// maxProblems bounds how many are told; more of them tell nothing new.
const maxProblems = 50

func (r *reporter) Errorf(format string, args ...any) {
	text := fmt.Sprintf("%.1fs: ", time.Since(r.begun).Seconds()) + fmt.Sprintf(format, args...)
	r.mu.Lock()
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, text)
	}
	r.mu.Unlock()
	r.Logf("BROKEN: "+format, args...)
}

func (r *reporter) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *reporter) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.problems) > 0
}

func (r *reporter) Cleanup(f func()) {
	r.mu.Lock()
	r.cleanups = append(r.cleanups, f)
	r.mu.Unlock()
}

// cleanUp calls what Cleanup was given, the last first.
func (r *reporter) cleanUp() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}
