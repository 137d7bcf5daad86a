package engine_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

// TestExportKeepsWhatItReads: while an export runs, snapshots are written and nothing is
// let go of; behind it the next snapshot takes everything along.
func TestExportKeepsWhatItReads(t *testing.T) {
	sim := disk.NewSim(1)
	k := startTimed(t, sim, time.Unix(1_700_000_000, 0), engine.SnapshotConfig{Compact: true, Keep: 1})
	k.day(0)
	k.day(1)
	err := k.e.Export(context.Background(), func(x *engine.Export) error {
		if x.Base.Index == 0 || x.Snapshot == nil {
			t.Error("the log goes back to its beginning: the test shows nothing")
		}
		head := x.Root
		for d := range 4 {
			k.day(2 + d)
		}
		if files, _ := size(t, sim, ".snap"); files < 5 {
			t.Errorf("%d snapshots: some were let go of", files)
		}
		root, note, err := state.ReadSnapshot(x.Snapshot, x.Size, state.RestoreOptions{})
		if err != nil || !bytes.HasPrefix(note, x.Base.Append(nil)) {
			t.Fatalf("%x, %v", note, err)
		}
		at, p := x.Base, engine.NewReplay(root, x.Base.Index)
		if err := x.Records(func(r eventlog.Record) error {
			at = at.Next(&r)
			return p.Apply(r, head.Seq())
		}); err != nil {
			t.Fatal(err)
		}
		if at != x.End || p.Root().Hash() != head.Hash() {
			t.Errorf("the records end at %d, %d", at.Index, p.Seq())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	oldest := k.e.Oldest()
	k.day(9)
	if files, _ := size(t, sim, ".snap"); files != 1 || k.e.Oldest() <= oldest {
		t.Errorf("%d snapshots, oldest sequence %d", files, k.e.Oldest())
	}
	failed := errors.New("failed")
	if err := k.e.Export(context.Background(), func(*engine.Export) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	if _, err := k.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, tx.Insert(k.towns, &town{Name: "one more", People: 1})
	}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := k.e.Export(ctx, func(x *engine.Export) error {
		cancel()
		return x.Records(func(eventlog.Record) error { return nil })
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	k.day(10) // the exports that failed hold nothing back
	if files, _ := size(t, sim, ".snap"); files != 1 {
		t.Errorf("%d snapshots", files)
	}
	k.close()
	if err := k.e.Export(context.Background(), func(*engine.Export) error { return nil }); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestReplayInsideAnEntry stops at every transaction of an entry and goes on from there.
func TestReplayInsideAnEntry(t *testing.T) {
	sim := disk.NewSim(1)
	k := startTimed(t, sim, time.Unix(1_700_000_000, 0), engine.SnapshotConfig{})
	sim.Hook(func(op disk.Op, _ string) error { // the first one waits for the others, which then share an entry
		for i := 0; op == disk.OpSync && i < 1e6 && k.e.Stats().Queued < 20; i++ {
			runtime.Gosched()
		}
		return nil
	})
	done := make(chan error)
	for i := range 30 {
		go func() {
			_, err := k.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
				return engine.Answer{}, tx.Upsert(k.towns, &town{Name: string(rune('a' + i%9)), People: 1 + i})
			}})
			done <- err
		}()
	}
	for range 30 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	sim.Hook(nil)
	head := k.e.Root()
	k.close()
	o, err := engine.OpenOffline(eventlog.Config{Dir: "log", FS: sim}, engine.SnapshotConfig{Dir: "snapshots", FS: sim})
	if err != nil {
		t.Fatal(err)
	}
	inside := 0
	for seq := range head.Seq() + 1 {
		want, index, err := o.At(context.Background(), seq)
		if err != nil || want.Seq() != seq {
			t.Fatalf("at %d: %v", seq, err)
		}
		p := engine.NewReplay(want, index)
		if err := o.Records(index+1, func(r eventlog.Record) error {
			if first, count, err := engine.EntrySpan(r.Payload); r.Kind == engine.KindBatch && err == nil && first <= seq && seq < first+count-1 {
				inside++
				short, err := engine.CutEntry(r.Payload, seq)
				if err != nil {
					return err
				}
				if f, n, err := engine.EntrySpan(short); err != nil || f != first || f+n-1 != seq {
					t.Errorf("cut at %d: %d and %d, %v", seq, f, n, err)
				}
			}
			return p.Apply(r, head.Seq())
		}); err != nil {
			t.Fatalf("on from %d: %v", seq, err)
		}
		if p.Root().Hash() != head.Hash() || p.Seq() != head.Seq() {
			t.Errorf("on from %d: another state at %d", seq, p.Seq())
		}
	}
	if inside == 0 {
		t.Error("no sequence stood inside an entry: the test shows nothing")
	}
	if _, err := engine.CutEntry(nil, 1); err == nil {
		t.Error("an empty entry was cut")
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}
