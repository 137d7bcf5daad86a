package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

func open(t *testing.T, cfg eventlog.Config) *eventlog.Log {
	t.Helper()
	cfg.Logger = silent
	l, err := eventlog.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func rec(i uint64) eventlog.Record {
	return eventlog.Record{Index: i, Payload: fmt.Appendf(nil, "payload %d", i)}
}

// TestRefusals is a table of appends and reads that are refused and leave no trace.
func TestRefusals(t *testing.T) {
	l := open(t, eventlog.Config{FS: disk.NewSim(1), Dir: "log", MaxRecordBytes: 100})
	must(t, l.Append(rec(1), rec(2)))
	cases := []struct {
		name string
		do   func() error
		want error
	}{
		{"gap", func() error { return l.Append(rec(4)) }, eventlog.ErrOrder},
		{"again", func() error { return l.Append(rec(2)) }, eventlog.ErrOrder},
		{"gap inside", func() error { return l.Append(rec(3), rec(5)) }, eventlog.ErrOrder},
		{"too large", func() error { return l.Append(eventlog.Record{Index: 3, Payload: make([]byte, 101)}) }, eventlog.ErrTooLarge},
		{"nothing", func() error { return l.Append() }, nil},
		{"cut behind the end", func() error { return l.TruncateAfter(3) }, eventlog.ErrOutOfRange},
		{"read index 0", func() error { _, err := l.Read(0, 1); return err }, eventlog.ErrCompacted},
		{"read behind the end", func() error { _, err := l.Read(4, 1); return err }, eventlog.ErrOutOfRange},
	}
	for _, c := range cases {
		if err := c.do(); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if l.Last() != 2 {
			t.Fatalf("%s: last is %d", c.name, l.Last())
		}
	}
	if recs, err := l.Read(3, 1); err != nil || len(recs) != 0 {
		t.Errorf("one past the end: %v, %v", recs, err)
	}
	must(t, l.Append(eventlog.Record{Index: 3, Payload: make([]byte, 100)}))
	if _, err := eventlog.Open(eventlog.Config{}); err == nil || !strings.Contains(err.Error(), "Dir") {
		t.Errorf("no Dir: %v", err)
	}
	if _, err := eventlog.Open(eventlog.Config{FS: disk.NewSim(1), Dir: "log", SegmentBytes: 100}); err == nil {
		t.Error("segments of 100 bytes")
	}
}

// TestRead asks for every range under several byte budgets.
func TestRead(t *testing.T) {
	fs, salt := disk.NewSim(2), uint64(1)
	cfg := config(fs, &salt)
	cfg.Manual = false
	l := open(t, cfg)
	for i := uint64(1); i <= 400; i += 4 {
		must(t, l.Append(rec(i), rec(i+1), rec(i+2), rec(i+3)))
	}
	for from := uint64(1); from <= 400; from += 7 {
		for _, budget := range []int{0, 1, 100, 5000, 1 << 20} {
			recs, err := l.Read(from, budget)
			must(t, err)
			if len(recs) == 0 {
				t.Fatalf("nothing at %d", from)
			}
			for k, r := range recs {
				if want := rec(from + uint64(k)); r.Index != want.Index || !bytes.Equal(r.Payload, want.Payload) {
					t.Fatalf("at %d: %+v", want.Index, r)
				}
			}
			if budget <= 1 && len(recs) != 1 || budget == 1<<20 && len(recs) != int(401-from) {
				t.Errorf("from %d with %d bytes: %d records", from, budget, len(recs))
			}
		}
	}
	stop := errors.New("stop")
	n := 0
	if err := l.Replay(5, func(r eventlog.Record) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) || n != 3 {
		t.Errorf("%v after %d", err, n)
	}
	must(t, l.TruncateBefore(300))
	if f := l.First(); f < 2 || f > 300 {
		t.Errorf("first is %d", f)
	}
	if _, err := l.Read(1, 1); !errors.Is(err, eventlog.ErrCompacted) {
		t.Error(err)
	}
}

// TestTruncateBelowSegment goes back behind the start of the active segment and then
// removes what lies before it.
func TestTruncateBelowSegment(t *testing.T) {
	fs, salt := disk.NewSim(3), uint64(1)
	cfg := config(fs, &salt)
	cfg.Manual = false
	l := open(t, cfg)
	for i := uint64(1); i <= 10; i++ {
		must(t, l.Append(eventlog.Record{Index: i, Payload: make([]byte, 1500)}))
	}
	must(t, l.TruncateAfter(2))
	must(t, l.TruncateBefore(100))
	if l.First() != 3 || l.Last() != 2 {
		t.Errorf("%d to %d", l.First(), l.Last())
	}
	must(t, l.TruncateAfter(2)) // all that is there may go
	must(t, l.Append(rec(3)))
	if err := l.TruncateAfter(1); !errors.Is(err, eventlog.ErrCompacted) {
		t.Error(err)
	}
	_, sum := l.Chain()
	salt2 := uint64(9)
	again, err := eventlog.Open(config(fs.Crash(0), &salt2))
	must(t, err)
	if _, got := again.Chain(); again.First() != 3 || again.Last() != 3 || got != sum {
		t.Errorf("opened again: %d to %d", again.First(), again.Last())
	}
}

// TestGroupCommit has many writers on the log's goroutine: all are acknowledged, in
// order, with far fewer syncs than appends.
func TestGroupCommit(t *testing.T) {
	fs := disk.NewSim(4)
	var mu sync.Mutex
	syncs := 0
	gate := make(chan struct{})
	fs.Hook(func(op disk.Op, name string) error {
		if op == disk.OpSync {
			mu.Lock()
			syncs++
			n := syncs
			mu.Unlock()
			if n == 3 { // 1, 2: the segment is made and opened
				<-gate
			}
		}
		return nil
	})
	l := open(t, eventlog.Config{FS: fs, Dir: "log", SegmentBytes: 1 << 20, MarkAfter: time.Hour})
	const n = 1000
	done := make(chan uint64, n)
	for i := uint64(1); i <= n; i++ {
		l.AppendAsync([]eventlog.Record{rec(i)}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			if l.Durable() < i {
				t.Errorf("%d acknowledged, durable is %d", i, l.Durable())
			}
			done <- i
		})
	}
	close(gate)
	for i := uint64(1); i <= n; i++ {
		if got := <-done; got != i {
			t.Fatalf("%d acknowledged before %d", got, i)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if syncs > 3+n/10 {
		t.Errorf("%d syncs for %d appends", syncs, n)
	}
}

// TestMarkWhenIdle writes one mark, 50 ms after the last append, and no second one.
func TestMarkWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := disk.NewSim(6)
		writes := 0
		l, err := eventlog.Open(eventlog.Config{FS: fs, Dir: "log", SegmentBytes: 1 << 16, Logger: silent})
		must(t, err)
		must(t, l.Append(rec(1)))
		var mu sync.Mutex
		fs.Hook(func(op disk.Op, _ string) error {
			mu.Lock()
			defer mu.Unlock()
			if op == disk.OpWrite {
				writes++
			}
			return nil
		})
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{49 * time.Millisecond, 0}, {2 * time.Millisecond, 1}, {time.Hour, 1}} {
			<-time.After(step.wait)
			synctest.Wait()
			mu.Lock()
			if writes != step.want {
				t.Errorf("after another %v: %d writes, want %d", step.wait, writes, step.want)
			}
			mu.Unlock()
		}
		must(t, l.Close())
	})
}

// TestReaderFollows reads the tail while it grows, never beyond what is durable.
func TestReaderFollows(t *testing.T) {
	fs := disk.NewSim(7)
	l := open(t, eventlog.Config{FS: fs, Dir: "log", SegmentBytes: 1 << 14})
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		r := l.Reader(1)
		for i := uint64(1); ; i++ {
			rec, err := r.Next(ctx)
			if err != nil {
				if i != 501 {
					err = fmt.Errorf("ended at %d: %w", i, err)
				}
				got <- err
				return
			}
			if rec.Index != i || l.Durable() < i {
				got <- fmt.Errorf("got %d at %d, durable %d", rec.Index, i, l.Durable())
				return
			}
			if i == 500 {
				cancel()
			}
		}
	}()
	for i := uint64(1); i <= 500; i++ {
		must(t, l.Append(rec(i)))
	}
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestClose finishes what is queued, and answers everything afterwards.
func TestClose(t *testing.T) {
	l, err := eventlog.Open(eventlog.Config{FS: disk.NewSim(8), Dir: "log", Logger: silent})
	must(t, err)
	answers := make(chan error, 100)
	for i := uint64(1); i <= 100; i++ {
		l.AppendAsync([]eventlog.Record{rec(i)}, func(err error) { answers <- err })
	}
	r := l.Reader(101)
	must(t, l.Close())
	must(t, l.Close())
	for range 100 {
		must(t, <-answers)
	}
	for _, err := range []error{l.Append(rec(101)), l.TruncateAfter(1), l.TruncateBefore(2)} {
		if !errors.Is(err, eventlog.ErrClosed) {
			t.Error(err)
		}
	}
	if _, err := r.Next(t.Context()); !errors.Is(err, eventlog.ErrClosed) {
		t.Error(err)
	}
}

// TestTwoProcesses starts this test binary a second time on the same directory.
func TestTwoProcesses(t *testing.T) {
	if dir := os.Getenv("EVENTLOG_TEST_DIR"); dir != "" {
		_, err := eventlog.Open(eventlog.Config{Dir: dir})
		var locked *disk.LockedError
		if errors.As(err, &locked) {
			fmt.Printf("locked by %d\n", locked.PID)
		}
		return
	}
	dir := t.TempDir()
	open(t, eventlog.Config{Dir: dir, SegmentBytes: 1 << 16})
	cmd := exec.Command(os.Args[0], "-test.run=^TestTwoProcesses$", "-test.v")
	cmd.Env = append(os.Environ(), "EVENTLOG_TEST_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("locked by %d\n", os.Getpid()); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestRealDisk is the round trip on the operating system's files.
func TestRealDisk(t *testing.T) {
	dir := t.TempDir()
	for round := range uint64(3) {
		l, err := eventlog.Open(eventlog.Config{Dir: dir, SegmentBytes: 1 << 16, Logger: silent})
		must(t, err)
		if l.Last() != 300*round {
			t.Fatalf("last is %d", l.Last())
		}
		for i := range uint64(300) {
			l.AppendAsync([]eventlog.Record{rec(300*round + i + 1)}, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		must(t, l.Close())
	}
	rep, err := eventlog.Verify(eventlog.Config{FS: nil, Dir: dir}, nil)
	if err != nil || rep.Records != 900 {
		t.Errorf("%+v, %v", rep, err)
	}
}
