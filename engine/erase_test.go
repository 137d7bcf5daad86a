package engine_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

// TestEraseBesideDamage: a snapshot that is damaged is put aside when a key is to be taken
// out of it; it holds up neither the erasure nor the snapshots that come.
func TestEraseBesideDamage(t *testing.T) {
	for _, newest := range []bool{false, true} {
		sim := disk.NewSim(1)
		s := startSealed(t, sim, nil)
		for _, l := range []letter{{ID: "a", To: 7, Text: "dear seven"}, {ID: "b", To: 8, Text: "dear eight"}} {
			if err := errors.Join(s.upsert(l), s.e.Snapshot(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		_, secret := s.key("7")
		snaps := filesOf(sim, ".snap")
		if len(snaps) != 2 {
			t.Fatalf("%v", snaps)
		}
		name := snaps[0]
		if newest {
			name = snaps[1]
		}
		f, err := sim.Open(name, disk.ReadWrite)
		if err == nil {
			_, err = f.WriteAt([]byte("damage"), 60)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if err := s.e.Erase(t.Context(), "7", ""); err != nil {
			t.Fatalf("newest %v: %v", newest, err)
		}
		for _, n := range holders(t, sim, secret[:]) {
			if n != name+".damaged" {
				t.Errorf("newest %v: the key still stands in %s", newest, n)
			}
		}
		if err := s.e.Snapshot(t.Context()); err != nil {
			t.Errorf("newest %v: %v", newest, err)
		}
		hash := s.e.Root().Hash()
		if err := s.e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := startSealed(t, sim, nil)
		if b.e.Root().Hash() != hash {
			t.Errorf("newest %v: another state", newest)
		}
		if err := b.e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEraseWhileASnapshotBegins: an erasure that is committed just as a snapshot is about to be
// written is finished by the next start, if power fails right behind that snapshot.
func TestEraseWhileASnapshotBegins(t *testing.T) {
	sim := disk.NewSim(1)
	var s *sealed
	var armed, dark atomic.Bool
	clock := func() time.Time {
		if calledBySnapshot() && armed.CompareAndSwap(true, false) {
			go func() { _ = s.e.Erase(context.Background(), "7", "") }() // the disk goes before it ends
			for id, _ := s.key("7"); ; runtime.Gosched() {
				if k, _ := state.KeyOf(s.e.Root(), id); k.Destroyed {
					break
				}
			}
			dark.Store(true)
		}
		return time.Now()
	}
	s, err := newSealedAt(t, sim, nil, clock)
	if err == nil {
		err = s.e.Start(t.Context())
	}
	if err == nil {
		err = s.upsert(letter{ID: "a", To: 7, Text: "dear seven"})
	}
	if err != nil {
		t.Fatal(err)
	}
	_, secret := s.key("7")
	before := len(filesOf(sim, ".snap"))
	renamed := false
	sim.Hook(func(op disk.Op, name string) error {
		switch {
		case renamed && op != disk.OpSyncDir:
			return disk.ErrPower
		case dark.Load() && op == disk.OpRename && strings.HasSuffix(name, ".snap.tmp"):
			renamed = true
		}
		return nil
	})
	armed.Store(true)
	if err := s.e.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := sim.Crash(1)
	_ = s.e.Close(context.Background()) // the disk is gone
	if got := len(filesOf(after, ".snap")); got != before+1 {
		t.Fatalf("%d snapshots, want %d", got, before+1)
	}
	back := startSealed(t, after, nil)
	if err := back.e.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, _ := back.key("7")
	if k, ok := state.KeyOf(back.e.Root(), id); !ok || !k.Destroyed {
		t.Fatalf("%+v %v", k, ok)
	}
	if got := holders(t, after, secret[:]); len(got) > 0 {
		t.Errorf("the key still stands in %v", got)
	}
	if err := back.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// calledBySnapshot says that the caller's caller is the writing of a snapshot.
func calledBySnapshot() bool {
	pc := make([]uintptr, 4)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	f, _ := frames.Next()
	return strings.HasSuffix(f.Function, ".snapshot")
}
