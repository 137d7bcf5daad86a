package eventlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// plain returns a closed log of several segments that was never truncated, and its
// records.
func plain(t *testing.T) (*disk.Sim, []eventlog.Record, []string) {
	t.Helper()
	fs, salt := disk.NewSim(11), uint64(1)
	l, err := eventlog.Open(config(fs, &salt))
	must(t, err)
	var recs []eventlog.Record
	for i := uint64(1); i <= 60; i++ {
		r := eventlog.Record{Index: i, Term: i / 9, Time: int64(i), Payload: bytes.Repeat([]byte{byte(i)}, 400)}
		recs = append(recs, r)
		l.AppendAsync([]eventlog.Record{r}, func(err error) { must(t, err) })
		w, _ := l.Begin()
		l.End(w, w.Do())
	}
	must(t, l.Close())
	segs := slices.DeleteFunc(fs.Files(), func(n string) bool { return !strings.HasSuffix(n, ".seg") })
	if len(segs) < 3 {
		t.Fatal("too few segments")
	}
	return fs, recs, segs
}

// salvaged returns the readable records by index.
func salvaged(t *testing.T, fs eventlog.FS) (map[uint64]string, eventlog.Survey) {
	t.Helper()
	got := map[uint64]string{}
	s, err := eventlog.Salvage(eventlog.Config{FS: fs, Dir: "log"}, func(r eventlog.Record) error { got[r.Index] = string(r.Payload); return nil })
	must(t, err)
	return got, s
}

func write(fs eventlog.FS, name string, off int64, b []byte) error {
	f, err := fs.Open(name, disk.ReadWrite)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, off)
	err = errors.Join(err, f.Sync())
	return errors.Join(err, f.Close())
}

// TestSalvage damages a log in several ways: all that is whole is read, what is not is
// named, and the repair keeps exactly what lies before.
func TestSalvage(t *testing.T) {
	const frame = 48 + 33 + 400 + 32 + 7 // of one record, padded
	cases := []struct {
		name    string
		do      func(fs *disk.Sim, segs []string) error
		damaged int      // ranges
		missing []uint64 // first and last index of the first range; last 0: unknown
		torn    bool
		keep    int64 // index the repaired log ends at; -1: cannot be repaired
	}{
		{"sound", func(*disk.Sim, []string) error { return nil }, 0, nil, false, 60},
		{"one bit in the middle", func(fs *disk.Sim, s []string) error { return fs.Flip(s[1], 8*(4096+2*frame+100)) }, 1, []uint64{18, 18}, false, 17},
		{"a head", func(fs *disk.Sim, s []string) error { return fs.Flip(s[0], 8*(4096+9)) }, 1, []uint64{1, 1}, false, 0},
		{"two places", func(fs *disk.Sim, s []string) error {
			return errors.Join(fs.Flip(s[0], 8*(4096+3*frame+100)), fs.Flip(s[1], 8*(4096+100)))
		}, 2, []uint64{4, 4}, false, 3},
		{"a block of zeros over several", func(fs *disk.Sim, s []string) error { return write(fs, s[1], 4096+frame+10, make([]byte, 2*frame)) }, 1, []uint64{17, 19}, false, 16},
		{"the rest of a segment", func(fs *disk.Sim, s []string) error {
			return write(fs, s[0], 4096+5*frame, bytes.Repeat([]byte{0xAA}, 8192-5*frame))
		}, 1, []uint64{6, 15}, false, 5},
		{"a header", func(fs *disk.Sim, s []string) error { return fs.Flip(s[1], 8*17) }, 1, []uint64{16, 30}, false, 15},
		{"two headers", func(fs *disk.Sim, s []string) error { return errors.Join(fs.Flip(s[1], 8*17), fs.Flip(s[2], 8*17)) }, 1, []uint64{16, 45}, false, 15},
		{"the first header", func(fs *disk.Sim, s []string) error { return fs.Flip(s[0], 8*17) }, 1, nil, false, -1},
		{"a segment missing", func(fs *disk.Sim, s []string) error { return errors.Join(fs.Remove(s[1]), fs.SyncDir("log")) }, 1, []uint64{16, 30}, false, 15},
		{"the last header", func(fs *disk.Sim, s []string) error { return fs.Flip(s[3], 8*17) }, 1, []uint64{46, 0}, false, 45},
		{"the last mark", func(fs *disk.Sim, s []string) error { return fs.Flip(s[3], 8*(4096+15*frame+20)) }, 0, nil, true, 60},
		{"the last batch, torn, and the one before", func(fs *disk.Sim, s []string) error {
			return errors.Join(fs.Flip(s[3], 8*(4096+13*frame+100)), fs.Flip(s[3], 8*(4096+14*frame+100)), fs.Flip(s[3], 8*(4096+15*frame+20)))
		}, 1, []uint64{59, 0}, false, 58},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fs, recs, segs := plain(t)
			must(t, c.do(fs, segs))
			got, s := salvaged(t, fs)
			if len(s.Damaged) != c.damaged || (s.Torn != nil) != c.torn {
				t.Fatalf("%+v", s)
			}
			for _, r := range recs {
				gone := slices.ContainsFunc(s.Damaged, func(d eventlog.Damage) bool { return r.Index >= d.First && (d.Last == 0 || r.Index <= d.Last) })
				if p, ok := got[r.Index]; ok == gone || ok && p != string(r.Payload) {
					t.Errorf("record %d: read %v, damaged %v", r.Index, ok, gone)
				}
			}
			if c.missing != nil && (s.Damaged[0].First != c.missing[0] || s.Damaged[0].Last != c.missing[1] || s.Damaged[0].Reason == "") {
				t.Errorf("damaged: %+v", s.Damaged[0])
			}
			repaired(t, fs, recs, c.keep, len(s.Damaged) > 0)
		})
	}
}

// repaired repairs the log, with power lost before each step of it first.
func repaired(t *testing.T, fs *disk.Sim, recs []eventlog.Record, keep int64, damaged bool) {
	t.Helper()
	p, err := eventlog.PlanRepair(eventlog.Config{FS: fs, Dir: "log"})
	if keep < 0 {
		if !errors.Is(err, eventlog.ErrNothingSound) {
			t.Errorf("planned: %+v, %v", p, err)
		}
		return
	}
	must(t, err)
	if p.Keep != uint64(keep) || (len(p.Aside) > 0) != damaged {
		t.Fatalf("planned: %+v", p)
	}
	want := state{recs: recs[:keep]}
	whole := func(fs *disk.Sim, how string) {
		salt := uint64(77)
		l, err := eventlog.Open(config(fs, &salt))
		if err == nil {
			if problem := want.differs(l, 0); problem != "" {
				err = errors.Join(errors.New(problem), l.Close())
			} else {
				err = new(rig).goesOn(fs, l, want)
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
	}
	points := 0
	for n := 1; damaged; n++ {
		now, count := fs.Crash(0), 0
		now.Hook(at(n, &count, changes, disk.ErrPower))
		if err := eventlog.Repair(eventlog.Config{FS: now, Dir: "log"}, p); err == nil {
			break
		} else if !errors.Is(err, disk.ErrPower) {
			t.Fatal(err)
		}
		for k := range uint64(6) {
			points++
			after := now.Crash(k)
			salt := uint64(5)
			l, err := eventlog.Open(config(after.Crash(0), &salt))
			var corrupt *eventlog.CorruptError
			if err == nil {
				if problem := want.differs(l, 0); problem != "" {
					t.Fatalf("step %d: opens in between: %s", n, problem)
				}
			} else if !errors.As(err, &corrupt) {
				t.Fatal(err)
			}
			again, err := eventlog.PlanRepair(eventlog.Config{FS: after, Dir: "log"})
			must(t, err)
			must(t, eventlog.Repair(eventlog.Config{FS: after, Dir: "log"}, again))
			whole(after, fmt.Sprintf("after step %d, pattern %d", n, k))
		}
	}
	must(t, eventlog.Repair(eventlog.Config{FS: fs, Dir: "log"}, p))
	for _, name := range p.Aside {
		if _, err := disk.ReadFile(fs, name+".damaged"); err != nil {
			t.Error(err)
		}
	}
	whole(fs, "repaired")
	if damaged && points == 0 {
		t.Error("no step was interrupted")
	}
}

// TestRepairPlan refuses a plan of another state of the log.
func TestRepairPlan(t *testing.T) {
	fs, _, segs := plain(t)
	must(t, fs.Flip(segs[1], 8*(4096+100)))
	p, err := eventlog.PlanRepair(eventlog.Config{FS: fs, Dir: "log"})
	must(t, err)
	if p.Lost != 60-16 {
		t.Errorf("%d readable records would be lost", p.Lost)
	}
	must(t, fs.Flip(segs[0], 8*(4096+100)))
	if err := eventlog.Repair(eventlog.Config{FS: fs, Dir: "log"}, p); !errors.Is(err, eventlog.ErrPlan) {
		t.Error(err)
	}
	lock, err := fs.Lock("log/LOCK")
	must(t, err)
	var locked *disk.LockedError
	if err := eventlog.Repair(eventlog.Config{FS: fs, Dir: "log"}, p); !errors.As(err, &locked) {
		t.Error(err)
	}
	must(t, lock.Close())
}
