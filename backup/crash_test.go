package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/disk"
)

// scene is a target with other data, and a backup to be restored over it.
type scene struct {
	file     []byte
	old, new [16]byte // hashes
	target   func() *disk.Sim
}

func makeScene(t *testing.T) scene {
	t.Helper()
	source := disk.NewSim(1)
	a := start(t, source, "data", engine.SnapshotConfig{EveryBytes: 3 << 10, Compact: true})
	for i := range 150 {
		a.put(i)
	}
	s := scene{file: a.hot(), new: a.e.Root().Hash()}
	a.close()
	s.target = func() *disk.Sim {
		sim := disk.NewSim(1)
		b := start(t, sim, "back", engine.SnapshotConfig{EveryBytes: 2 << 10})
		for i := range 40 {
			b.put(7 * i)
		}
		s.old = b.e.Root().Hash()
		b.close()
		return sim
	}
	s.target()
	return s
}

func (s *scene) restore(sim *disk.Sim) error {
	_, err := backup.Restore(bytes.NewReader(s.file), backup.Options{Dir: "back", SegmentBytes: 16 << 10, FS: sim, Replace: true})
	return err
}

// outcome finishes what was cut off and says which state is there.
func (s *scene) outcome(t *testing.T, what string, sim *disk.Sim) (isNew bool) {
	t.Helper()
	must(t, backup.Finish(sim, "back"))
	if there, err := backup.Interrupted(sim, "back"); err != nil || there {
		t.Fatalf("%s: still interrupted, %v", what, err)
	}
	a := start(t, sim, "back", engine.SnapshotConfig{EveryBytes: 1 << 20})
	hash := a.e.Root().Hash()
	a.put(3)
	a.close()
	if hash != s.old && hash != s.new {
		t.Fatalf("%s: neither the old state nor the new one", what)
	}
	return hash == s.new
}

// TestCrash ends the power at every call that changes the disk, in many ways: then the old
// directory is there, whole, or the new one is once Finish has been called, which itself is
// cut off too.
func TestCrash(t *testing.T) {
	s := makeScene(t)
	olds, news, points := 0, 0, 0
	for n := 0; ; n++ {
		sim := s.target()
		count := 0
		sim.Hook(func(op disk.Op, name string) error {
			if op == disk.OpList || op == disk.OpOpen && !strings.Contains(name, "restor") {
				return nil
			}
			if count++; count > n {
				return disk.ErrPower
			}
			return nil
		})
		err := s.restore(sim)
		if err == nil {
			break
		}
		if !errors.Is(err, disk.ErrPower) {
			t.Fatalf("at call %d: %v", n, err)
		}
		if n%3 != 0 && count < 60 { // the staging is long and all alike
			continue
		}
		points++
		for seed := range uint64(4) {
			after := sim.Crash(seed)
			again := after.Crash(seed)
			if s.outcome(t, fmt.Sprintf("power off at call %d, seed %d", n, seed), after) {
				news++
			} else {
				olds++
			}
			cut := 0
			again.Hook(func(op disk.Op, name string) error {
				if cut++; cut > n%40 {
					return disk.ErrPower
				}
				return nil
			})
			if err := backup.Finish(again, "back"); err != nil && !errors.Is(err, disk.ErrPower) {
				t.Fatal(err)
			}
			s.outcome(t, fmt.Sprintf("power off at call %d, and in Finish, seed %d", n, seed), again.Crash(seed+1))
		}
	}
	t.Logf("%d points, %d times the old state, %d times the new one", points, olds, news)
	if olds == 0 || news == 0 || points < 50 {
		t.Errorf("%d points, old %d, new %d: the test shows nothing", points, olds, news)
	}
}

// TestErrors fails every single call in turn: an error, and old or new whole.
func TestErrors(t *testing.T) {
	s := makeScene(t)
	broken := errors.New("broken")
	failed := 0
	for n := 0; ; n++ {
		sim := s.target()
		count, hit := 0, false
		sim.Hook(func(disk.Op, string) error {
			if count++; count == n+1 {
				hit = true
				return broken
			}
			return nil
		})
		err := s.restore(sim)
		sim.Hook(nil)
		if !hit {
			must(t, err)
			break
		}
		after := sim.Kill()
		if isNew := s.outcome(t, fmt.Sprintf("error at call %d", n), after); err == nil && !isNew {
			t.Fatalf("error at call %d: restored, and it is not there", n)
		}
		if err != nil {
			failed++
			must(t, s.restore(after))
			if !s.outcome(t, "once more", after) {
				t.Fatalf("error at call %d: not restored at the second try", n)
			}
		}
	}
	if failed < 30 {
		t.Errorf("%d errors only", failed)
	}
}

// TestAside: what a restore replaced is kept, and nothing of the staging is.
func TestAside(t *testing.T) {
	s := makeScene(t)
	sim := s.target()
	before := sim.Files()
	done, err := backup.Restore(bytes.NewReader(s.file), backup.Options{Dir: "back", SegmentBytes: 16 << 10, FS: sim, Replace: true})
	must(t, err)
	files := sim.Files()
	for _, n := range before {
		if strings.HasSuffix(n, "LOCK") {
			continue
		}
		if kept := "back/" + done.Aside + strings.TrimPrefix(n, "back"); !slices.Contains(files, kept) {
			t.Errorf("%s is not kept as %s", n, kept)
		}
	}
	if slices.ContainsFunc(files, func(n string) bool { return strings.Contains(n, "restor") }) {
		t.Errorf("something is left: %v", files)
	}
	if list, err := backup.Replaced(sim, "back"); err != nil || len(list) != 1 || list[0] != "back/"+done.Aside {
		t.Errorf("replaced: %v, %v; the restore said %s", list, err, done.Aside)
	}
	if list, err := backup.Replaced(sim, "nowhere"); err != nil || len(list) != 0 {
		t.Errorf("replaced nowhere: %v, %v", list, err)
	}
	if root(t, sim, "back/"+done.Aside, newest).Hash() != s.old || root(t, sim, "back", newest).Hash() != s.new {
		t.Error("old and new are not what they were")
	}
	must(t, disk.WriteFileAtomic(sim, "back/restore.state", []byte("fill ../elsewhere\n")))
	if err := backup.Finish(sim, "back"); err == nil {
		t.Error("a state file that leads out was believed")
	}
}
