package eventlog_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// TestAdd has many writers whose records the log numbers: each index is given once, and
// the record that stands there is the one it was given for.
func TestAdd(t *testing.T) {
	l := open(t, eventlog.Config{FS: disk.NewSim(1), Dir: "log", SegmentBytes: 1 << 14})
	const writers, each = 16, 50
	var mu sync.Mutex
	given := map[uint64]string{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				p := strings.Repeat(string(rune('a'+w)), i)
				first, err := l.Add(eventlog.Record{Payload: []byte(p)}, eventlog.Record{Index: 7, Payload: []byte(p + "!")})
				if err != nil {
					t.Error(err)
					return
				}
				if l.Durable() < first+1 {
					t.Errorf("%d given, durable is %d", first, l.Durable())
				}
				mu.Lock()
				given[first], given[first+1] = p, p+"!"
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if l.Last() != 2*writers*each || len(given) != 2*writers*each {
		t.Fatalf("last is %d, %d were given", l.Last(), len(given))
	}
	must(t, l.Replay(1, func(r eventlog.Record) error {
		if given[r.Index] != string(r.Payload) {
			t.Errorf("%d: %q, want %q", r.Index, r.Payload, given[r.Index])
		}
		return nil
	}))
	if _, err := l.Add(); err == nil {
		t.Error("nothing was added")
	}
	if _, err := l.Add(eventlog.Record{Payload: make([]byte, 64<<20+1)}); !errors.Is(err, eventlog.ErrTooLarge) {
		t.Error(err)
	}
}

// TestPayloadMayChange changes a payload as soon as AppendAsync returned, while its batch
// still waits.
func TestPayloadMayChange(t *testing.T) {
	fs, salt := disk.NewSim(1), uint64(1)
	l, err := eventlog.Open(config(fs, &salt))
	must(t, err)
	p := []byte("as it was")
	l.AppendAsync([]eventlog.Record{{Index: 1, Payload: p}}, nil)
	copy(p, "changed!!")
	w, _ := l.Begin()
	l.End(w, w.Do())
	recs, err := l.Read(1, 1)
	if err != nil || string(recs[0].Payload) != "as it was" {
		t.Errorf("%v, %v", recs, err)
	}
	must(t, l.Close())
	if _, err := eventlog.Verify(eventlog.Config{FS: fs, Dir: "log"}, nil); err != nil {
		t.Error(err)
	}
}

// TestAppendAllocations pins what a lone durable append allocates: nothing, but the place
// in the index, which grows now and then.
func TestAppendAllocations(t *testing.T) {
	l := open(t, eventlog.Config{Dir: t.TempDir(), SegmentBytes: 1 << 20})
	r := eventlog.Record{Payload: make([]byte, 256)}
	if n := testing.AllocsPerRun(200, func() {
		if _, err := l.Add(r); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSpare rotates into a segment that was made ahead of need, which reserves nothing at
// that time, and leaves no spare behind.
func TestSpare(t *testing.T) {
	fs, salt := disk.NewSim(1), uint64(1)
	cfg := config(fs, &salt)
	l, err := eventlog.Open(cfg)
	must(t, err)
	spares := func() (n int) {
		for _, name := range fs.Files() {
			if strings.Contains(name, "spare") {
				n++
			}
		}
		return n
	}
	add := func(i uint64) {
		l.AppendAsync([]eventlog.Record{{Index: i, Payload: make([]byte, 1500)}}, func(err error) { must(t, err) })
		w, _ := l.Begin()
		l.End(w, w.Do())
	}
	must(t, l.Tend())
	if spares() != 0 {
		t.Error("a spare although the segment is empty")
	}
	for i := range uint64(4) {
		add(i + 1)
	}
	must(t, l.Tend())
	if spares() != 1 {
		t.Fatal("no spare although the segment is half full")
	}
	allocated := 0
	fs.Hook(func(op disk.Op, _ string) error {
		if op == disk.OpAllocate {
			allocated++
		}
		return nil
	})
	for i := range uint64(4) {
		add(i + 5)
	}
	if spares() != 0 || allocated != 0 || l.Size() != 2*cfg.SegmentBytes {
		t.Errorf("%d spares, %d times reserved, %d bytes", spares(), allocated, l.Size())
	}
	must(t, l.Tend())
	must(t, l.Close())
	if spares() != 0 {
		t.Error("a spare is left behind")
	}
	if rep, err := eventlog.Verify(eventlog.Config{FS: fs, Dir: "log"}, nil); err != nil || rep.Last != 8 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// busyDisk runs something before a file is opened or renamed, once.
type busyDisk struct {
	*disk.Sim
	atOpen, atRename func()
}

func (d *busyDisk) Open(name string, how disk.Mode) (disk.File, error) {
	if run := d.atOpen; run != nil && strings.Contains(name, "spare") {
		d.atOpen = nil
		run()
	}
	return d.Sim.Open(name, how)
}

func (d *busyDisk) Rename(from, to string) error {
	if run := d.atRename; run != nil && strings.Contains(from, "spare") {
		d.atRename = nil
		run()
	}
	return d.Sim.Rename(from, to)
}

// TestSpareIsMadeOnce: a spare that was finished late, when the segment behind is half
// full too, is not made a second time while it becomes a segment: both would be one file.
func TestSpareIsMadeOnce(t *testing.T) {
	fs, salt := &busyDisk{Sim: disk.NewSim(1)}, uint64(1)
	l, err := eventlog.Open(config(fs, &salt))
	must(t, err)
	add := func(n int) {
		for range n {
			l.AppendAsync([]eventlog.Record{{Index: l.Last() + 1, Payload: make([]byte, 1500)}}, func(err error) { must(t, err) })
			drain(l)
		}
	}
	add(4)
	late, again := false, false
	fs.atOpen = func() { late = true; add(5) } // into the second segment
	fs.atRename = func() { again = true; must(t, l.Tend()) }
	must(t, l.Tend())
	add(5)
	if !late || !again {
		t.Fatal("the spare was not used as the test means it")
	}
	must(t, l.Close())
	if rep, err := eventlog.Verify(config(fs, &salt), nil); err != nil || rep.Last != 14 || rep.Segments != 3 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// TestStep: what is enqueued is done by a step, whoever else is at the log meanwhile, and told once
// and in order.
func TestStep(t *testing.T) {
	l := open(t, eventlog.Config{Dir: t.TempDir()})
	const n = 2000
	told, done := uint64(0), make(chan error, 1)
	enqueue := func(index, want uint64) {
		l.Enqueue([]eventlog.Record{{Index: index, Term: 1, Payload: []byte("x")}}, func(err error) {
			if told++; told != want || err != nil {
				t.Errorf("%d is told as number %d: %v", want, told, err)
			}
			if want == n {
				done <- nil
			}
		})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint64(n) {
			enqueue(i+1, i+1)
			l.Step()
		}
	})
	wg.Go(func() {
		for range n {
			l.Step()
		}
	})
	wg.Wait()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("what was enqueued is not done")
	}
	l.Enqueue([]eventlog.Record{{Index: n + 2}}, func(err error) { done <- err })
	l.Step()
	if err := <-done; !errors.Is(err, eventlog.ErrOrder) {
		t.Errorf("a gap: %v", err)
	}
	if l.Durable() != n {
		t.Errorf("%d durable, want %d", l.Durable(), n)
	}
	must(t, l.Close())
}

// TestGatherEndsWithoutAClock: in a bubble of testing/synctest the clock stands still while the log waits for writers who do
// not come again.
func TestGatherEndsWithoutAClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, eventlog.Config{FS: disk.NewSim(1), Dir: "log"})
		var wg sync.WaitGroup
		for range 500 {
			wg.Go(func() {
				if _, err := l.Add(eventlog.Record{Payload: []byte("once")}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if l.Durable() != 500 {
			t.Errorf("%d records are durable, want 500", l.Durable())
		}
	})
}
