package subject_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/subject"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, cfg subject.Config) *subject.Store {
	t.Helper()
	s, err := subject.Open(cfg)
	must(t, err)
	return s
}

// inFiles says whether some file holds these bytes.
func inFiles(t *testing.T, sim *disk.Sim, b []byte) bool {
	t.Helper()
	for _, n := range sim.Files() {
		content, err := disk.ReadFile(sim, n)
		must(t, err)
		if bytes.Contains(content, b) {
			return true
		}
	}
	return false
}

// TestStore takes, finds again and forgets keys, over several files and openings.
func TestStore(t *testing.T) {
	ring, err := crypt.ParseRing(strings.Repeat("1a2b", 16))
	must(t, err)
	for name, keys := range map[string]crypt.KeyProvider{"plain": nil, "sealed": ring} {
		t.Run(name, func(t *testing.T) {
			sim := disk.NewSim(1)
			cfg := subject.Config{Dir: "subjects", FS: sim, Keys: keys}
			s := open(t, cfg)
			all := map[subject.ID]subject.Key{}
			for range 600 {
				id, key, err := s.Take()
				must(t, err)
				if _, twice := all[id]; twice || key == (subject.Key{}) {
					t.Fatal("a key was given out twice")
				}
				all[id] = key
			}
			var lost subject.ID
			for id := range all {
				lost = id
				break
			}
			key := all[lost]
			if inFiles(t, sim, key[:]) != (keys == nil) {
				t.Error("keys are in the clear where they must not be, or not there at all")
			}
			for range 2 {
				must(t, s.Forget(lost))
			}
			must(t, s.Forget(subject.ID{1}))
			for round := range 3 {
				for id, want := range all {
					got, ok := s.Key(id)
					if ok == (id == lost) || ok && got != want || s.Destroyed(id) != (id == lost) {
						t.Fatalf("round %d: %v", round, ok)
					}
				}
				s = open(t, cfg)
			}
			if inFiles(t, sim, key[:]) {
				t.Error("the key is still in a file")
			}
			used := map[subject.ID]bool{}
			for id := range all {
				used[id] = true
			}
			s.Settle(used)
			for range 300 { // 168 free ones of three files, then a fourth file
				id, _, err := s.Take()
				must(t, err)
				if used[id] {
					t.Fatal("a key that has a subject was given out")
				}
				used[id] = true
			}
		})
	}
}

// TestSettle: what was taken before is not free, nor what was destroyed.
func TestSettle(t *testing.T) {
	s := open(t, subject.Config{Dir: "subjects", FS: disk.NewSim(1)})
	early, _, err := s.Take()
	must(t, err)
	gone, _, err := s.Take()
	must(t, err)
	must(t, s.Forget(gone))
	s.Settle(nil)
	for range 300 {
		id, _, err := s.Take()
		must(t, err)
		if id == early || id == gone {
			t.Fatal("a key was given out twice")
		}
	}
}

// TestCrash ends the power at every call: a key that was given out is there, one that was
// forgotten is not.
func TestCrash(t *testing.T) {
	points := 0
	for n := 0; ; n++ {
		sim := disk.NewSim(uint64(n))
		count := 0
		sim.Hook(func(disk.Op, string) error {
			if count++; count > n {
				return disk.ErrPower
			}
			return nil
		})
		given, forgotten := map[subject.ID]subject.Key{}, map[subject.ID]bool{}
		err := func() error {
			s, err := subject.Open(subject.Config{Dir: "subjects", FS: sim})
			if err != nil {
				return err
			}
			for i := range 300 {
				id, key, err := s.Take()
				if err != nil {
					return err
				}
				given[id] = key
				if i%100 == 7 {
					if err := s.Forget(id); err != nil {
						delete(given, id) // it may be there or not
						return err
					}
					delete(given, id)
					forgotten[id] = true
				}
			}
			return nil
		}()
		if err == nil {
			break
		}
		points++
		for seed := range uint64(5) {
			after := open(t, subject.Config{Dir: "subjects", FS: sim.Crash(seed)})
			for id, key := range given {
				if got, ok := after.Key(id); !ok || got != key {
					t.Fatalf("power off at call %d, seed %d: a key is gone", n, seed)
				}
			}
			for id := range forgotten {
				if _, ok := after.Key(id); ok || !after.Destroyed(id) {
					t.Fatalf("power off at call %d, seed %d: a key came back", n, seed)
				}
			}
		}
	}
	if points < 20 {
		t.Errorf("%d points only", points)
	}
}

// TestDamage refuses a file with any byte turned, or cut anywhere.
func TestDamage(t *testing.T) {
	sim := disk.NewSim(1)
	cfg := subject.Config{Dir: "subjects", FS: sim}
	s := open(t, cfg)
	_, _, err := s.Take()
	must(t, err)
	const name = "subjects/00000001.keys"
	whole, err := disk.ReadFile(sim, name)
	must(t, err)
	var damage *subject.DamageError
	for i := 0; i < len(whole); i += 7 {
		bad := bytes.Clone(whole)
		bad[i] ^= 8
		for _, b := range [][]byte{bad, whole[:i]} {
			must(t, disk.WriteFileAtomic(sim, name, b))
			if _, err := subject.Open(cfg); !errors.As(err, &damage) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
	if err := subject.WriteFile(cfg, "x", whole[1:]); !errors.As(err, &damage) {
		t.Errorf("a damaged file was written: %v", err)
	}
	if _, err := subject.Open(subject.Config{}); err == nil {
		t.Error("no directory")
	}
}

// TestDiskFails: a key that cannot be made durable is not given out, one that cannot be
// destroyed is still there.
func TestDiskFails(t *testing.T) {
	sim := disk.NewSim(1)
	s := open(t, subject.Config{Dir: "subjects", FS: sim})
	broken := errors.New("broken")
	sim.Hook(func(op disk.Op, _ string) error {
		if op == disk.OpSync {
			return broken
		}
		return nil
	})
	if _, _, err := s.Take(); !errors.Is(err, broken) {
		t.Errorf("take: %v", err)
	}
	sim.Hook(nil)
	id, key, err := s.Take()
	must(t, err)
	sim.Hook(func(op disk.Op, _ string) error {
		if op == disk.OpRename {
			return broken
		}
		return nil
	})
	if err := s.Forget(id); !errors.Is(err, broken) {
		t.Errorf("forget: %v", err)
	}
	if got, ok := s.Key(id); !ok || got != key || s.Destroyed(id) {
		t.Error("a key is gone that is still on the disk")
	}
	sim.Hook(nil)
	must(t, s.Forget(id))
}
