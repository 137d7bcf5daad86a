package eventlog_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// changes says whether a call changes the disk; the others are no crash points.
func changes(op disk.Op) bool {
	switch op {
	case disk.OpWrite, disk.OpSync, disk.OpTruncate, disk.OpAllocate, disk.OpRename, disk.OpRemove, disk.OpSyncDir, disk.OpMkdir:
		return true
	}
	return false
}

// at returns a hook that gives err at the n-th call, counted in *count.
func at(n int, count *int, which func(disk.Op) bool, err error) func(disk.Op, string) error {
	return func(op disk.Op, _ string) error {
		if which(op) {
			if *count++; *count == n {
				return err
			}
		}
		return nil
	}
}

// crashes counts what TestCrash does.
type crashes struct {
	points, outcomes, distinct, again, works, redacted int
}

// TestCrash loses power before every call that changes the disk, in many ways each, and
// looks at what is found. Where two ways leave the same disk, to a log that must hold the same, it is looked at once.
func TestCrash(t *testing.T) {
	workloads, steps, patterns := 3, 26, 6
	if long {
		workloads, steps, patterns = 30, 50, 24
	}
	all := make([]crashes, workloads)
	t.Run("seed", func(t *testing.T) {
		for seed := range workloads {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				all[seed] = crashWorkload(t, uint64(seed), steps, patterns)
			})
		}
	})
	var c crashes
	for _, x := range all {
		c.points, c.outcomes, c.distinct, c.again = c.points+x.points, c.outcomes+x.outcomes, c.distinct+x.distinct, c.again+x.again
		c.works, c.redacted = c.works+x.works, c.redacted+x.redacted
	}
	t.Logf("%d workloads of %d steps, %d works, %d redactions: %d crash points, %d outcomes, %d of them after a crash while recovering; %d are different ones, and were looked at; LITHAIR_LONG=%v",
		workloads, steps, c.works, c.redacted, c.points, c.outcomes, c.again, c.distinct, long)
	if want := 200; c.points < want || c.again < want {
		t.Errorf("%d points and %d crashes in recovery are too few", c.points, c.again)
	}
}

// crashWorkload is TestCrash for the workload of one seed.
func crashWorkload(t *testing.T, seed uint64, steps, patterns int) (c crashes) {
	type outcome struct{ image, expected [sha256.Size]byte }
	looked, recovered := map[outcome]bool{}, map[outcome]int{}
	for n := 1; ; n++ {
		fs, count := disk.NewSim(seed), 0
		r := newRig(fs, seed)
		fs.Hook(at(n, &count, changes, disk.ErrPower))
		err := r.run(steps)
		if err == nil {
			c.works, c.redacted = r.works, r.redacted
			return c
		}
		if !errors.Is(err, disk.ErrPower) {
			t.Fatalf("seed %d, call %d: %v", seed, n, err)
		}
		c.points++
		expected := r.expected()
		where := func(how string, k uint64) string { return fmt.Sprintf("seed %d, call %d, %s %d", seed, n, how, k) }
		outcomeOf := func(after *disk.Sim) outcome {
			sum, err := image(after)
			if err != nil {
				t.Fatalf("seed %d, call %d: %v", seed, n, err)
			}
			return outcome{sum, expected}
		}
		look := func(after *disk.Sim, name string) {
			c.outcomes++
			key := outcomeOf(after)
			if looked[key] {
				return
			}
			looked[key] = true
			c.distinct++
			l, s, err := r.check(after)
			if err == nil {
				err = r.goesOn(after, l, s)
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if p := fs.Pending(); p <= 8 {
			for keep := range uint64(1) << min(p, map[bool]int{false: 4, true: 6}[long]) {
				look(fs.CrashKeeping(keep), where("subset", keep))
			}
		}
		for k := range uint64(patterns) {
			look(fs.Crash(k), where("pattern", k))
		}
		// and once more while it recovers
		begin := outcomeOf(fs.Crash(uint64(n)))
		if k, done := recovered[begin]; done {
			c.outcomes, c.again = c.outcomes+k, c.again+k
			continue
		}
		for m := 1; ; m++ {
			after, calls := fs.Crash(uint64(n)), 0
			after.Hook(at(m, &calls, changes, disk.ErrPower))
			l, _, err := r.check(after)
			if err == nil {
				if err := l.Close(); err == nil || !errors.Is(err, disk.ErrPower) {
					break
				}
			} else if !errors.Is(err, disk.ErrPower) {
				t.Fatalf("%s: %v", where("recovery", uint64(m)), err)
			}
			c.again++
			recovered[begin]++
			look(after.Crash(uint64(m)), where("recovery", uint64(m)))
		}
	}
}

// TestKillThenPower kills the process before every call, opens the log again, and then
// loses power: what the second process called durable must be there.
func TestKillThenPower(t *testing.T) {
	workloads := 2
	if long {
		workloads = 20
	}
	points := 0
	for seed := range uint64(workloads) {
		for n := 1; ; n++ {
			fs, count := disk.NewSim(seed), 0
			r := newRig(fs, 100+seed)
			fs.Hook(at(n, &count, changes, disk.ErrPower))
			if err := r.run(25); err == nil {
				break
			}
			second := fs.Kill()
			l, s, err := r.check(second)
			if err != nil {
				t.Fatalf("seed %d, call %d: %v", seed, n, err)
			}
			for k := range uint64(6) {
				points++
				after := second.Crash(k)
				salt := uint64(3)
				l, err := eventlog.Open(r.config(after, &salt))
				if err != nil {
					t.Fatalf("seed %d, call %d, pattern %d: %v", seed, n, k, err)
				}
				if problem := s.differs(l, 0); problem != "" {
					t.Fatalf("seed %d, call %d, pattern %d: durable after a kill, gone after a power failure: %s", seed, n, k, problem)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d points; LITHAIR_LONG=%v", points, long)
}

// TestErrorAtNthCall fails every call once, in several ways: an error is reported, what
// was acknowledged stays, a poisoned log takes nothing more, a full one goes on.
func TestErrorAtNthCall(t *testing.T) {
	faults := []struct {
		name string
		err  error
	}{
		{"EIO", syscall.EIO}, {"ENOSPC", syscall.ENOSPC}, {"EMFILE", syscall.EMFILE},
		{"part, EIO", &disk.PartError{N: 60, Err: syscall.EIO}}, {"part, ENOSPC", &disk.PartError{N: 60, Err: syscall.ENOSPC}},
	}
	workloads, steps := 1, 25
	if long {
		workloads, steps = 12, 25
	}
	every := func(op disk.Op) bool { return true }
	points, poisoned, full, atOpen, kept := 0, 0, 0, 0, 0
	for seed := range uint64(workloads) {
		for _, fault := range faults {
			for n := 1; ; n++ {
				fs, count := disk.NewSim(seed), 0
				r := newRig(fs, 200+seed)
				fs.Hook(at(n, &count, every, fault.err))
				fatal := func(format string, args ...any) {
					t.Helper()
					t.Fatalf("seed %d, call %d, %s: %s", seed, n, fault.name, fmt.Sprintf(format, args...))
				}
				err := r.run(steps)
				if count < n {
					break
				}
				points++
				kept += r.kept
				switch {
				case err == nil: // a call whose failure is of no account, or was reported for a removal
				case errors.Is(err, eventlog.ErrFull) && !r.closed:
					full++
					r.flight = nil // nothing of it is in the log
					if problem := r.now.differs(r.log, 0); problem != "" {
						fatal("after ErrFull: %s", problem)
					}
					if err := r.run(10); err != nil {
						fatal("does not go on: %v", err)
					}
				case errors.Is(err, eventlog.ErrPoisoned) || r.log != nil && r.log.Err() != nil:
					poisoned++
					answer := make(chan error, 1)
					r.log.AppendAsync([]eventlog.Record{{Index: r.log.Last() + 1}}, func(err error) { answer <- err })
					for w, ok := r.log.Begin(); ok; w, ok = r.log.Begin() {
						r.log.End(w, w.Do())
					}
					if err := <-answer; !errors.Is(err, eventlog.ErrPoisoned) && !errors.Is(err, eventlog.ErrClosed) {
						fatal("an append to a poisoned log: %v", err)
					}
					_ = r.log.Close() // its error was reported already
				default:
					atOpen++
				}
				fs.Hook(nil)
				for k := range uint64(4) {
					after := fs.Crash(k)
					if k == 0 {
						after = fs.Kill()
					}
					l, s, err := r.check(after)
					if err == nil {
						err = r.goesOn(after, l, s)
					}
					if err != nil {
						fatal("after %v: %v", r.log.Err(), err)
					}
				}
			}
		}
	}
	t.Logf("%d failed calls: %d poisoned, %d full, %d at open or close, %d removals put off; LITHAIR_LONG=%v", points, poisoned, full, atOpen, kept, long)
	if poisoned == 0 || full == 0 || atOpen == 0 || kept == 0 {
		t.Error("a way to fail was never taken")
	}
}
