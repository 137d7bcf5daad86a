package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

// large returns an engine with a snapshot of many letters, which is large for its settings.
func large(t *testing.T, sim *disk.Sim) *sealed {
	t.Helper()
	s := startSealedEvery(t, sim)
	for i := range 300 {
		if err := s.upsert(letter{ID: fmt.Sprint("letter ", i), To: int64(1 + i%3), Text: strings.Repeat("dear ", 20)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.e.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func startSealedEvery(t *testing.T, sim *disk.Sim) *sealed {
	t.Helper()
	s, err := newSealed(t, sim, nil)
	if err == nil {
		err = s.e.KeepSnapshots(engine.SnapshotConfig{Dir: "snapshots", FS: sim, EveryBytes: 8 << 10})
	}
	if err == nil {
		err = s.e.Start(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func filesOf(sim *disk.Sim, suffix string) (names []string) {
	for _, n := range sim.Files() {
		if strings.HasSuffix(n, suffix) {
			names = append(names, n)
		}
	}
	return names
}

// untilChanged writes until a new file of changes is there, or the engine has stopped.
func (s *sealed) untilChanged(sim *disk.Sim) error {
	before := fmt.Sprint(filesOf(sim, ".diff"))
	for i := 0; fmt.Sprint(filesOf(sim, ".diff")) == before; i++ {
		if err := s.upsert(letter{ID: fmt.Sprint("letter ", i%5), To: 7, Text: fmt.Sprint("dear seven, ", before, i)}); err != nil {
			return err
		}
		if i > 2000 {
			return errors.New("no file of changes comes")
		}
	}
	return nil
}

// TestChangesBesideSnapshots: while little changes, what has changed is written down, a
// start reads it, and one that is damaged or foreign is passed over.
func TestChangesBesideSnapshots(t *testing.T) {
	// A whole snapshot may come at any time, also while the engine is about to close: then there is nothing beside it.
	closed, hash, seq, whole := (*disk.Sim)(nil), [16]byte{}, uint64(0), uint64(0)
	for try := 0; closed == nil; try++ {
		sim := disk.NewSim(1)
		s := large(t, sim)
		for range 3 {
			if err := s.untilChanged(sim); err != nil {
				t.Fatal(err)
			}
		}
		hash, seq = s.e.Root().Hash(), s.e.Root().Seq()
		if err := s.e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		snaps, changes := filesOf(sim, ".snap"), filesOf(sim, ".diff")
		newest := strings.TrimSuffix(snaps[len(snaps)-1], ".snap")
		switch n := len(changes); {
		case n > 1 && strings.HasPrefix(changes[n-2], newest):
			t.Fatalf("%v %v", snaps, changes)
		case n > 0 && strings.HasPrefix(changes[n-1], newest):
			closed = sim
		case try == 20:
			t.Fatalf("no changes beside the newest snapshot: %v %v", snaps, changes)
		}
	}
	for _, how := range []string{"", "damaged", "gone"} {
		sim := closed.Kill() // a copy
		for _, name := range filesOf(sim, ".diff") {
			switch how {
			case "damaged":
				f, err := sim.Open(name, disk.ReadWrite)
				if err == nil {
					_, err = f.WriteAt([]byte("damage"), 300)
				}
				if err = errors.Join(err, f.Close()); err != nil {
					t.Fatal(err)
				}
			case "gone":
				if err := sim.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		b := startSealedEvery(t, sim)
		if b.e.Root().Hash() != hash || b.e.Root().Seq() != seq {
			t.Fatalf("%q: another state", how)
		}
		switch restored := b.e.Stats().RestoredSeq; how {
		case "":
			whole = restored
		default:
			if restored >= whole {
				t.Errorf("%q: restored to %d, with changes to %d", how, restored, whole)
			}
		}
		if err := b.e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestChangesEndInASnapshot: when much has changed the next one is whole, and files of
// changes go with the snapshot they are beyond.
func TestChangesEndInASnapshot(t *testing.T) {
	sim := disk.NewSim(1)
	s := large(t, sim)
	if err := s.untilChanged(sim); err != nil {
		t.Fatal(err)
	}
	for i := 0; len(filesOf(sim, ".snap")) < 2; i++ {
		if err := s.upsert(letter{ID: fmt.Sprint("another ", i), To: 7, Text: strings.Repeat("dear ", 20)}); err != nil {
			t.Fatal(err)
		}
		if i > 20_000 {
			t.Fatal("no snapshot comes")
		}
	}
	if err := s.e.Snapshot(t.Context()); err != nil { // the third: the first one goes
		t.Fatal(err)
	}
	oldest := strings.TrimSuffix(filesOf(sim, ".snap")[0], ".snap")
	for _, name := range filesOf(sim, ".diff") {
		if name < oldest {
			t.Errorf("%s is beyond a snapshot that is gone, the oldest is %s", name, oldest)
		}
	}
	if err := s.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestEraseInChanges: a key that stands in a file of changes is taken out of it.
func TestEraseInChanges(t *testing.T) {
	sim := disk.NewSim(1)
	s := large(t, sim)
	if err := s.untilChanged(sim); err != nil { // seals for a new subject
		t.Fatal(err)
	}
	_, secret := s.key("7")
	if got := holders(t, sim, secret[:]); len(got) < 2 || !strings.HasSuffix(got[len(got)-1], ".diff") {
		t.Fatalf("the key stands in %v", got)
	}
	if err := s.e.Erase(t.Context(), "7", ""); err != nil {
		t.Fatal(err)
	}
	if got := holders(t, sim, secret[:]); len(got) > 0 {
		t.Errorf("the key still stands in %v", got)
	}
	hash := s.e.Root().Hash()
	if err := s.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := startSealedEvery(t, sim)
	id, _ := b.key("7")
	if k, ok := state.KeyOf(b.e.Root(), id); b.e.Root().Hash() != hash || !ok || !k.Destroyed {
		t.Errorf("%+v %v", k, ok)
	}
	if err := b.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestCrashWhileWritingChanges loses power at every call that changes the disk from the
// first one for a file of changes on: what was acknowledged is there after the next start.
func TestCrashWhileWritingChanges(t *testing.T) {
	points := 0
	for n := int64(1); ; n++ {
		sim := disk.NewSim(uint64(n))
		s := large(t, sim)
		if err := s.untilChanged(sim); err != nil { // so that one replaces another
			t.Fatal(err)
		}
		var count, acked atomic.Int64
		var begun atomic.Bool
		sim.Hook(func(op disk.Op, name string) error {
			if strings.Contains(name, ".diff") && changesDisk(op) {
				begun.Store(true)
			}
			if begun.Load() && changesDisk(op) && count.Add(1) >= n {
				return disk.ErrPower
			}
			return nil
		})
		before := fmt.Sprint(filesOf(sim, ".diff"))
		for i := 0; count.Load() < n && fmt.Sprint(filesOf(sim, ".diff")) == before; i++ {
			if err := s.upsert(letter{ID: "last", To: 7, Text: fmt.Sprint("dear seven, ", i)}); err != nil {
				break
			}
			acked.Store(int64(s.e.Root().Seq()))
		}
		for i := 0; count.Load() < n && i < 20; i++ { // the old file is removed a moment later
			time.Sleep(time.Millisecond)
		}
		done := count.Load() < n
		for k := range uint64(3) {
			points++
			after := sim.Crash(k)
			b := startSealedEvery(t, after)
			if got := b.e.Root().Seq(); got < uint64(acked.Load()) {
				t.Fatalf("call %d, pattern %d: sequence %d, acknowledged were %d", n, k, got, acked.Load())
			}
			if err := b.e.Root().VerifyHash(nil); err != nil {
				t.Fatal(err)
			}
			if err := b.e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.e.Close(t.Context()) // the disk may be gone
		if done || n > 60 {
			break
		}
	}
	t.Logf("%d outcomes", points)
	if points < 20 {
		t.Error("too few")
	}
}
