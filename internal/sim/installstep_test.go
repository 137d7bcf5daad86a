package sim

import (
	"os"
	"testing"
	"time"
)

// fed lets two nodes write and let go of their logs while the third is off; then that starts, has its
// disk's power fail in its n-th writing call, and is fed with a snapshot, before or behind that.
func fed(t *testing.T, seed uint64, n int) (burnt bool) {
	var m *machine
	r := run(Config{Seed: seed}, func(s *simulation) {
		quiet(s)
		s.mood.lag, s.mood.raft.MaxChunkBytes, s.mood.think = 1, 2<<10, 20*time.Millisecond
		s.setUp()
		m = s.machines[3]
		s.world.at(2*time.Second, func() { m.stop() })
		for at := 2500 * time.Millisecond; at <= 6*time.Second; at += 500 * time.Millisecond {
			s.world.at(at, func() {
				for _, id := range s.ids {
					if p := s.machines[id].proc; p != nil && id != m.id {
						p.snapshot()
					}
				}
			})
		}
		s.world.at(6*time.Second, func() {
			m.start()
			m.fuse = n
		})
		for s.world.step(9 * time.Second) {
		}
		burnt = m.fuse == 0
	})
	if r.Failed() {
		t.Fatalf("power fails in call %d: %s\n%s", n, r.Failure, r.Stack)
	}
	if m.proc.parts[0].log.First() == 1 { // it writes no snapshot itself
		t.Errorf("power fails in call %d: no snapshot was installed", n)
	}
	return burnt
}

// TestEveryStepOfAnInstallation lets the power fail in each writing call of a node's disk from its
// start until it has been fed with a snapshot and is well. By default every fifth call, with
// LITHAIR_LONG=1 each, in several runs.
func TestEveryStepOfAnInstallation(t *testing.T) {
	seeds, stride := 1, 5
	if os.Getenv("LITHAIR_LONG") != "" {
		seeds, stride = 5, 1
	}
	steps := 0
	for seed := range seeds {
		for n := 1; fed(t, uint64(12*seed), n); n += stride {
			steps++
		}
	}
	t.Logf("%d power failures", steps)
	if steps < 10 {
		t.Error("the power has hardly failed")
	}
}
