package eventlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// begins says how a log differs from one that begins behind p with the records given.
func begins(l *eventlog.Log, p eventlog.Position, recs ...eventlog.Record) string {
	sum := p
	for i := range recs {
		sum = sum.Next(&recs[i])
	}
	last, chain := l.Chain()
	if !l.Begun(p) || l.First() != p.Index+1 || last != sum.Index || l.Last() != last || chain != sum.Chain {
		return fmt.Sprintf("it begins at %d and ends at %d (durable %d), want %d and %d", l.First(), l.Last(), last, p.Index+1, sum.Index)
	}
	if got, err := l.ChainAt(p.Index); err != nil || got != p.Chain {
		return fmt.Sprintf("the chain at its beginning is %x, %v", got[:4], err)
	}
	k := 0
	err := l.Replay(p.Index+1, func(r eventlog.Record) error {
		if r.Index != recs[k].Index || r.Term != recs[k].Term || !bytes.Equal(r.Payload, recs[k].Payload) {
			return fmt.Errorf("record %d is another", r.Index)
		}
		k++
		return nil
	})
	if err != nil {
		return err.Error()
	}
	if k != len(recs) {
		return fmt.Sprintf("%d records instead of %d", k, len(recs))
	}
	return ""
}

// reset begins a log anew and appends what is queued behind.
func reset(l *eventlog.Log, p eventlog.Position, recs []eventlog.Record) error {
	var failed error
	note := func(err error) { failed = errors.Join(failed, err) }
	if !l.Begun(p) {
		l.ResetAsync(p, note)
	}
	l.AppendAsync(recs, note)
	for w, ok := l.Begin(); ok; w, ok = l.Begin() {
		l.End(w, w.Do())
	}
	return failed
}

// TestReset loses power before every call that changes the disk while a log begins anew, and
// while it does so again behind a restart: what is found can be opened, and in the end the log
// begins where it was to. It is begun behind its end, amid its records and at its beginning.
func TestReset(t *testing.T) {
	workloads, patterns := 9, 2
	if long {
		workloads, patterns = 90, 12
	}
	points, again, old, empty, done := 0, 0, 0, 0, 0
	for seed := range uint64(workloads) {
		steps := 1 + int(seed*7%25)
		p := eventlog.Position{Index: []uint64{1000, 7, 1}[seed/3%3], Term: 4, Time: 5, Chain: eventlog.Sum{byte(seed), 1}}
		for n := 1; ; n++ {
			fs, count := disk.NewSim(seed), 0
			r := newRig(fs, 700+seed)
			reached := 0
			fs.Hook(func(op disk.Op, name string) error {
				if !changes(op) || r.log == nil || !r.resetting {
					return nil
				}
				reached++
				return at(n, &count, changes, disk.ErrPower)(op, name)
			})
			err := r.open()
			for i := 0; i < steps && err == nil; i++ {
				err = r.step()
			}
			if err != nil {
				t.Fatal(err)
			}
			recs := []eventlog.Record{r.record(p.Index + 1), r.record(p.Index + 2)}
			r.resetting = true
			if err = reset(r.log, p, recs); err == nil {
				if problem := begins(r.log, p, recs...); problem != "" {
					t.Fatalf("seed %d: %s", seed, problem)
				}
				if err = r.log.Close(); err == nil && reached < n {
					break
				}
			}
			if !errors.Is(err, disk.ErrPower) && err != nil {
				t.Fatalf("seed %d, call %d: %v", seed, n, err)
			}
			points++
			for k := range uint64(patterns) {
				for m := 0; ; m++ { // power fails once more in call m of the second time; 0: never
					name := fmt.Sprintf("seed %d, call %d, pattern %d, then call %d", seed, n, k, m)
					after, calls := fs.Crash(k), 0
					if m > 0 {
						after.Hook(at(m, &calls, changes, disk.ErrPower))
					}
					salt := r.salt + 99
					l, err := eventlog.Open(r.config(after, &salt))
					if err == nil {
						switch {
						case l.Begun(p):
							done++
						case l.Last() == 0:
							empty++
						default:
							old++
						}
						if l.Last() > p.Index && l.Begun(p) { // what was appended behind it
							err = errors.Join(l.Close())
						} else if err = reset(l, p, recs); err == nil {
							if problem := begins(l, p, recs...); problem != "" {
								t.Fatalf("%s: %s", name, problem)
							}
							err = l.Close()
						}
					}
					if m == 0 || err != nil {
						if m > 0 && !errors.Is(err, disk.ErrPower) || m == 0 && err != nil {
							t.Fatalf("%s: %v", name, err)
						}
					}
					if m > 0 && err == nil {
						break
					}
					if m > 0 {
						again++
						after = after.Crash(uint64(m))
					}
					salt++
					if l, err = eventlog.Open(r.config(after, &salt)); err != nil {
						t.Fatalf("%s: opened once more: %v", name, err)
					}
					if l.Last() <= p.Index || !l.Begun(p) {
						if err = reset(l, p, recs); err != nil {
							t.Fatalf("%s: begun once more: %v", name, err)
						}
					}
					if problem := begins(l, p, recs...); problem != "" {
						t.Fatalf("%s: %s", name, problem)
					}
					if err := l.Close(); err != nil {
						t.Fatal(err)
					}
					rep, err := eventlog.Verify(r.config(after, nil), nil)
					if err != nil || rep.Last != p.Index+2 {
						t.Fatalf("%s: verify: %v, last %d", name, err, rep.Last)
					}
				}
			}
		}
	}
	t.Logf("%d workloads: %d crash points, %d of a second crash; found: %d old, %d empty, %d new", workloads, points, again, old, empty, done)
	if points < 50 || again < 100 || old == 0 || empty == 0 || done == 0 {
		t.Error("too little has happened")
	}
}

// TestResetUnderReaders: who reads the log before is told that it is gone.
func TestResetUnderReaders(t *testing.T) {
	fs, salt := disk.NewSim(1), uint64(1)
	cfg := config(fs, &salt)
	cfg.Manual = false
	l, err := eventlog.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(200) {
		if err := l.Append(eventlog.Record{Index: i + 1, Term: 1, Payload: bytes.Repeat([]byte{byte(i)}, 1500)}); err != nil {
			t.Fatal(err)
		}
	}
	p, read := eventlog.Position{Index: 150, Term: 2, Chain: eventlog.Sum{3}}, 0
	err = l.Replay(1, func(r eventlog.Record) error {
		if read++; read == 1 {
			return l.Reset(p)
		}
		return nil
	})
	if !errors.Is(err, eventlog.ErrCompacted) || read == 200 {
		t.Errorf("a reader of the log before gets %d records and %v", read, err)
	}
	if _, err := l.Read(150, 1); !errors.Is(err, eventlog.ErrCompacted) {
		t.Errorf("a record before the beginning: %v", err)
	}
	if recs, err := l.Read(151, 1); err != nil || len(recs) > 0 {
		t.Errorf("behind the end: %v, %v", recs, err)
	}
	if problem := begins(l, p); problem != "" {
		t.Error(problem)
	}
	if err := l.Append(eventlog.Record{Index: 151, Term: 2}); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
