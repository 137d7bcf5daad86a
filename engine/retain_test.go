package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// timed is an engine whose clock the test turns.
type timed struct {
	t     *testing.T
	e     *engine.Engine
	towns *engine.Table
	now   atomic.Int64 // Unix ns
}

func startTimed(t *testing.T, sim *disk.Sim, now time.Time, cfg engine.SnapshotConfig, tap ...func(engine.Sink)) *timed {
	t.Helper()
	k := &timed{t: t}
	k.now.Store(now.UnixNano())
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	clock := func() time.Time { return time.Unix(0, k.now.Load()) }
	var err error
	k.e, err = engine.New(engine.Config{Logger: quiet, Clock: clock, Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: "log", FS: sim, SegmentBytes: 8 << 10, Logger: quiet})
		if err != nil {
			return nil, err
		}
		for _, fn := range tap {
			fn(sink)
		}
		return node.Start(node.Config{Log: l, Sink: sink, Clock: clock})
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Of(reflect.TypeFor[town]())
	if err != nil {
		t.Fatal(err)
	}
	if k.towns, err = k.e.Register(m); err != nil {
		t.Fatal(err)
	}
	cfg.Dir, cfg.FS, cfg.EveryBytes = "snapshots", sim, 1<<30
	if err := errors.Join(k.e.KeepSnapshots(cfg), k.e.Start(context.Background())); err != nil {
		t.Fatal(err)
	}
	return k
}

// day writes for a day, an hour each, then a snapshot, and returns the first sequence.
func (k *timed) day(n int) (first uint64) {
	k.t.Helper()
	for h := range 24 {
		k.now.Add(int64(time.Hour))
		res, err := k.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			return engine.Answer{}, tx.Insert(k.towns, &town{Name: fmt.Sprintf("%d-%d %0300d", n, h, n), People: 1})
		}})
		if err != nil {
			k.t.Fatal(err)
		}
		if h == 0 {
			first = res.Seq
		}
	}
	if err := k.e.Snapshot(context.Background()); err != nil {
		k.t.Fatal(err)
	}
	return first
}

func (k *timed) close() {
	k.t.Helper()
	if err := k.e.Close(context.Background()); err != nil {
		k.t.Fatal(err)
	}
}

func size(t *testing.T, sim *disk.Sim, suffix string) (files int, bytes int64) {
	t.Helper()
	for _, n := range sim.Files() {
		if strings.HasSuffix(n, suffix) && !strings.Contains(n, "spare") {
			b, err := disk.ReadFile(sim, n)
			if err != nil {
				t.Fatal(err)
			}
			files, bytes = files+1, bytes+int64(len(b))
		}
	}
	return files, bytes
}

// TestRetentionByAge keeps ten days: all of them can be read hour by hour, and what is
// older than twelve cannot, at any time of forty days and after a restart.
func TestRetentionByAge(t *testing.T) {
	sim := disk.NewSim(1)
	var archived []string
	cfg := engine.SnapshotConfig{MaxAge: 10 * 24 * time.Hour, Archive: func(s eventlog.Sealed) error {
		archived = append(archived, path.Base(s.Name))
		return nil
	}}
	k := startTimed(t, sim, time.Unix(1_700_000_000, 0), cfg)
	firsts := []uint64{}
	for d := range 40 {
		firsts = append(firsts, k.day(d))
		if d == 25 {
			k.close()
			k = startTimed(t, sim, time.Unix(0, k.now.Load()), cfg)
		}
		oldest := k.e.Oldest()
		if d > 10 && oldest >= firsts[d-9] {
			t.Fatalf("day %d: nothing before sequence %d can be read, and day %d began at %d", d, oldest, d-9, firsts[d-9])
		}
		if d > 13 && oldest < firsts[d-13] {
			t.Fatalf("day %d: sequence %d can still be read, and day %d began at %d", d, oldest, d-13, firsts[d-13])
		}
		for seq := oldest; seq <= k.e.Root().Seq(); seq += 23 {
			if r, err := k.e.At(context.Background(), seq); err != nil || r.Seq() != seq {
				t.Fatalf("day %d: at %d: %v", d, seq, err)
			}
		}
		if oldest > 0 {
			var gone *engine.GoneError
			if _, err := k.e.At(context.Background(), firsts[0]); !errors.As(err, &gone) || gone.Oldest != oldest {
				t.Fatalf("day %d: at %d: %v", d, firsts[0], err)
			}
		}
	}
	k.close()
	if n, _ := size(t, sim, ".snap"); n > 10 {
		t.Errorf("%d snapshots are left", n)
	}
	if len(archived) < 10 {
		t.Errorf("archived: %v", archived)
	}
}

// TestRetentionByBytes keeps the log within its bound, and everything that is in it from
// the oldest snapshot on can be read.
func TestRetentionByBytes(t *testing.T) {
	sim := disk.NewSim(1)
	const bound = 80 << 10
	cfg := engine.SnapshotConfig{MaxLogBytes: bound}
	k := startTimed(t, sim, time.Unix(1_700_000_000, 0), cfg)
	for d := range 40 {
		k.day(d)
		if _, bytes := size(t, sim, ".seg"); bytes > bound {
			t.Fatalf("day %d: the log has %d bytes", d, bytes)
		}
		oldest, head := k.e.Oldest(), k.e.Root().Seq()
		if d > 15 && (oldest == 0 || head-oldest < 40) {
			t.Fatalf("day %d: sequences %d to %d can be read", d, oldest, head)
		}
		for seq := oldest; seq <= head; seq += 17 {
			if _, err := k.e.At(context.Background(), seq); err != nil {
				t.Fatalf("day %d: at %d: %v", d, seq, err)
			}
		}
	}
	k.close()
	if n, _ := size(t, sim, ".snap"); n > 10 {
		t.Errorf("%d snapshots are left", n)
	}
}

// TestArchiveThatFails keeps the log until it works again.
func TestArchiveThatFails(t *testing.T) {
	sim := disk.NewSim(1)
	down := errors.New("the archive is down")
	cfg := engine.SnapshotConfig{Compact: true, Archive: func(eventlog.Sealed) error { return down }}
	k := startTimed(t, sim, time.Unix(1_700_000_000, 0), cfg)
	for d := range 3 {
		for h := range 24 {
			if _, err := k.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
				return engine.Answer{}, tx.Insert(k.towns, &town{Name: fmt.Sprintf("%d-%d %0300d", d, h, d), People: 1})
			}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.e.Snapshot(context.Background()); d > 0 && !errors.Is(err, down) {
			t.Errorf("snapshot %d: %v", d, err)
		}
	}
	if k.e.Oldest() != 0 {
		t.Error("something was removed that is not in the archive")
	}
	down = nil
	k.day(9)
	if k.e.Oldest() == 0 {
		t.Error("nothing was removed once the archive worked")
	}
	k.close()
}

// TestEachKept: everything that can be read is told of, and nothing that cannot.
func TestEachKept(t *testing.T) {
	sim := disk.NewSim(1)
	k := startTimed(t, sim, time.Unix(1_700_000_000, 0), engine.SnapshotConfig{Compact: true, Keep: 1})
	rename := func(name string) {
		t.Helper()
		if _, err := k.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			for key := range tx.Scan(k.towns.Number(), state.Range{}) {
				if err := tx.Delete(k.towns, key); err != nil {
					return engine.Answer{}, err
				}
			}
			return engine.Answer{}, tx.Insert(k.towns, &town{Name: name, People: 1})
		}}); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(name string) (found bool) {
		t.Helper()
		if err := k.e.EachKept(context.Background(), func(b []byte) bool {
			found = found || bytes.Contains(b, []byte(name))
			return !found
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	rename("first-name")
	if !kept("first-name") || kept("other-name") {
		t.Error("the newest state")
	}
	rename("second-name")
	if !kept("first-name") {
		t.Error("the log")
	}
	for d := range 3 {
		k.day(d)
	}
	if !kept("second-name") {
		t.Error("a record that is still there, and that the log does not tell of")
	}
	if kept("first-name") {
		t.Error("what cannot be read any more")
	}
	k.close()
}

// TestSnapshotsByAge: while history is kept by age, a snapshot is written as time goes by,
// however little happens, and none when nothing does.
func TestSnapshotsByAge(t *testing.T) {
	sim := disk.NewSim(1)
	k := startTimed(t, sim, time.Unix(1_700_000_000, 0), engine.SnapshotConfig{MaxAge: 8 * time.Hour})
	people := 0
	put := func() {
		t.Helper()
		people++
		if _, err := k.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			return engine.Answer{}, tx.Upsert(k.towns, &town{Name: "a", People: people})
		}}); err != nil {
			t.Fatal(err)
		}
	}
	snapshots := func(want uint64) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); k.e.Stats().SnapshotSeq != want; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("the newest snapshot is at %d, want %d", k.e.Stats().SnapshotSeq, want)
			}
		}
	}
	put()
	if n, _ := size(t, sim, ".snap"); n != 0 {
		t.Errorf("%d snapshots at once", n)
	}
	k.now.Add(int64(61 * time.Minute))
	put()
	snapshots(k.e.Root().Seq())
	k.now.Add(int64(59 * time.Minute))
	put()
	put()
	if k.e.Stats().SnapshotSeq == k.e.Root().Seq() {
		t.Error("a snapshot before an eighth of the age was over")
	}
	k.close()
}
