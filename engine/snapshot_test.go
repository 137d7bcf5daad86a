package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"reflect"
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

// keeper is an engine with snapshots over a log on a simulated disk.
type keeper struct {
	e     *engine.Engine
	towns *engine.Table
	log   *eventlog.Log
}

func openKeeper(sim *disk.Sim, cfg engine.SnapshotConfig, hook func(context.Context, engine.Entry) error) (k *keeper, err error) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	k = &keeper{}
	k.e, err = engine.New(engine.Config{Logger: quiet, Positions: &filePositions{sim}, Open: func(sink engine.Sink) (engine.Order, error) {
		if k.log, err = eventlog.Open(eventlog.Config{Dir: "log", FS: sim, SegmentBytes: 12 << 10, Logger: quiet}); err != nil {
			return nil, err
		}
		n, err := node.Start(node.Config{Log: k.log, Sink: sink})
		if err != nil {
			return nil, errors.Join(err, k.log.Close())
		}
		return n, nil
	}})
	if err != nil {
		return nil, err
	}
	m, err := model.Of(reflect.TypeFor[town]())
	if err != nil {
		return nil, err
	}
	if k.towns, err = k.e.Register(m); err != nil {
		return nil, err
	}
	if hook != nil {
		if err := k.e.Committed("hook", hook); err != nil {
			return nil, err
		}
	}
	cfg.Dir, cfg.FS = "snapshots", sim
	if err := k.e.KeepSnapshots(cfg); err != nil {
		return nil, err
	}
	return k, k.e.Start(context.Background())
}

// filePositions keeps positions of hooks on the simulated disk.
type filePositions struct{ fs disk.FS }

func (p *filePositions) Load(name string) (index uint64, err error) {
	b, err := disk.ReadFile(p.fs, name+".pos")
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err == nil {
		_, err = fmt.Sscan(string(b), &index)
	}
	return index, err
}

func (p *filePositions) Save(name string, index uint64) error {
	return disk.WriteFileAtomic(p.fs, name+".pos", fmt.Append(nil, index))
}

// put writes a town of some size; it is the n-th.
func (k *keeper) put(n int) error {
	_, err := k.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, tx.Upsert(k.towns, &town{Name: fmt.Sprintf("town %03d %s", n%40, strings.Repeat("x", 100)), People: n + 1})
	}})
	return err
}

// check holds the state against what n writes make.
func (k *keeper) check(least, most int) error {
	root := k.e.Root()
	if err := root.VerifyHash(nil); err != nil {
		return err
	}
	newest := 0
	have := map[string]int{}
	for _, row := range root.Scan(k.towns.Number(), state.Range{}) {
		var v town
		if err := k.towns.Codec().Decode(row.Bytes(), &v); err != nil {
			return err
		}
		have[v.Name[:8]] = v.People
		newest = max(newest, v.People)
	}
	if newest < least || newest > most {
		return fmt.Errorf("%d writes are there, want %d to %d", newest, least, most)
	}
	for n := max(0, newest-40); n < newest; n++ {
		if name := fmt.Sprintf("town %03d", n%40); have[name] != n+1 {
			return fmt.Errorf("%s has %d, want %d of %d", name, have[name], n+1, newest)
		}
	}
	return nil
}

func countSnapshots(t *testing.T, fs disk.FS) (n int) {
	t.Helper()
	names, err := fs.List("snapshots")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".snap") {
			n++
		}
	}
	return n
}

// A start reads the newest snapshot and the end of the log; the log before the oldest
// snapshot is gone.
func TestStartFromSnapshot(t *testing.T) {
	sim := disk.NewSim(1)
	cfg := engine.SnapshotConfig{EveryBytes: 1 << 30, Compact: true}
	writes := 0
	for round := range 4 {
		k, err := openKeeper(sim, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.check(writes, writes); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if replayed := k.e.Stats().Replayed; round > 0 && replayed > 80 {
			t.Errorf("round %d: %d records were replayed in spite of a snapshot", round, replayed)
		}
		for range 200 {
			if err := k.put(writes); err != nil {
				t.Fatal(err)
			}
			if writes++; writes%100 == 50 {
				if err := k.e.Snapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if st := k.e.Stats(); st.SnapshotSeq == 0 || st.SnapshotSeq >= k.e.Root().Seq() {
			t.Errorf("snapshot at %d of %d", st.SnapshotSeq, k.e.Root().Seq())
		}
		if k.log.First() == 1 {
			t.Error("the log was not compacted")
		}
		if err := k.e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := countSnapshots(t, sim); n != 2 {
			t.Errorf("%d snapshots are kept, want 2", n)
		}
	}
}

// A damaged snapshot is told from a whole one; the older one serves.
func TestDamagedSnapshotFallsBack(t *testing.T) {
	sim := disk.NewSim(1)
	k, err := openKeeper(sim, engine.SnapshotConfig{EveryBytes: 1 << 30, Compact: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		if err := k.put(n); err != nil {
			t.Fatal(err)
		}
		if n%100 == 99 {
			if err := k.e.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := k.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	damage := func() {
		names, err := sim.List("snapshots")
		if err != nil {
			t.Fatal(err)
		}
		newest := ""
		for _, n := range names {
			if strings.HasSuffix(n, ".snap") {
				newest = path.Join("snapshots", n)
			}
		}
		f, err := sim.Open(newest, disk.ReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte{0xFF, 0xFF}, 100); err != nil {
			t.Fatal(err)
		}
	}
	damage()
	if k, err = openKeeper(sim, engine.SnapshotConfig{EveryBytes: 1 << 30}, nil); err != nil {
		t.Fatal(err)
	}
	if err := k.check(300, 300); err != nil {
		t.Fatal(err)
	}
	if err := k.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	damage()
	if k, err := openKeeper(sim, engine.SnapshotConfig{EveryBytes: 1 << 30}, nil); err == nil {
		t.Fatalf("it starts without the beginning of the log and without a snapshot: %v", k.check(300, 300))
	} else if !strings.Contains(err.Error(), "missing") {
		t.Fatalf("%v", err)
	}
}

// A hook that has not dealt with an entry keeps it in the log.
func TestCompactionWaitsForHooks(t *testing.T) {
	sim := disk.NewSim(1)
	release := make(chan struct{})
	seen := uint64(0)
	hook := func(ctx context.Context, e engine.Entry) error {
		select {
		case <-release:
			seen = e.First
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	cfg := engine.SnapshotConfig{EveryBytes: 1 << 30, Compact: true, Keep: 1}
	k, err := openKeeper(sim, cfg, hook)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		if err := k.put(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.e.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if k.log.First() != 1 {
		t.Fatal("entries are gone that a hook has not seen")
	}
	close(release)
	if err := k.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if k, err = openKeeper(sim, cfg, hook); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for n := 200; k.log.First() == 1; n++ {
		if time.Now().After(deadline) {
			t.Fatal("nothing is compacted although the hook has seen everything")
		}
		if err := k.put(n); err != nil {
			t.Fatal(err)
		}
		if err := k.e.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Error("the hook saw nothing")
	}
}

// TestSnapshotCrash ends the power at every third call to the disk of a run with snapshots and
// compaction, or, with LITHAIR_LONG=1, at each of many runs: whatever was acknowledged is there, whole.
func TestSnapshotCrash(t *testing.T) {
	seeds, step := 1, 3
	if os.Getenv("LITHAIR_LONG") != "" {
		seeds, step = 40, 1
	} else if testing.Short() {
		step = 7
	}
	cfg := engine.SnapshotConfig{EveryBytes: 6 << 10, Compact: true}
	points, snapshots := 0, 0
	for seed := range seeds {
		for at := 1; ; at += step {
			sim := disk.NewSim(uint64(seed*1_000_000 + at))
			var calls atomic.Int64
			sim.Hook(func(disk.Op, string) error {
				if calls.Add(1) == int64(at) {
					return disk.ErrPower
				}
				return nil
			})
			acked := 0
			k, err := openKeeper(sim, cfg, nil)
			if err == nil {
				for acked < 240 {
					if k.put(acked) != nil {
						break
					}
					if acked++; acked%60 == 0 && k.e.Snapshot(t.Context()) != nil {
						break
					}
				}
				err = k.e.Close(t.Context())
			}
			if calls.Load() < int64(at) { // the power held to the end
				if err != nil {
					t.Fatal(err)
				}
				sim.Hook(nil)
				snapshots = countSnapshots(t, sim)
				break
			}
			points++
			after := sim.Crash(uint64(seed + at))
			if k, err = openKeeper(after, cfg, nil); err != nil {
				t.Fatalf("seed %d, call %d: after the crash: %v", seed, at, err)
			}
			if err := k.check(acked, acked+1); err != nil {
				t.Fatalf("seed %d, call %d: %v", seed, at, err)
			}
			if err := k.put(200); err != nil {
				t.Fatalf("seed %d, call %d: no write after the crash: %v", seed, at, err)
			}
			if err := k.e.Close(t.Context()); err != nil {
				t.Fatalf("seed %d, call %d: %v", seed, at, err)
			}
		}
	}
	t.Logf("%d crash points, %d calls apart, in %d sweeps", points, step, seeds)
	if points < 50 || snapshots != 2 {
		t.Errorf("%d points, %d snapshots: too few to mean something", points, snapshots)
	}
}
