package sim

import (
	"os"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// quiet is a run of three voters in which nothing goes wrong by itself.
func quiet(s *simulation) {
	m := &s.mood
	m.voters, m.learners, m.clients, m.registers, m.think = 3, 0, 2, 2, 100*time.Millisecond
	m.snapshots, m.compact, m.keep, m.segmentBytes = true, true, 1, 8<<10
	m.down, m.skew, m.drift = 300*time.Millisecond, 0, 0
	s.net.calm()
}

// TestEveryStep lets the power fail in each writing call of the disk, of each node in turn, while
// the cluster elects a leader, writes, changes its membership, writes snapshots and lets go of its log,
// and hands leadership over. It is one run for each victim, of some 700 calls. By default every 53rd call, with LITHAIR_LONG=1 each.
func TestEveryStep(t *testing.T) {
	stride := 53
	if os.Getenv("LITHAIR_LONG") != "" {
		stride = 1
	}
	steps := 0
	for victim := consensus.NodeID(1); victim <= 3; victim++ {
		for call, burnt := 1, true; burnt; call += stride {
			burnt = false
			r := run(Config{Seed: uint64(victim)}, func(s *simulation) {
				quiet(s)
				s.setUp()
				s.machines[victim].fuse = call
				act := func(at time.Duration, do func(l *part)) {
					s.world.at(at, func() {
						if l := s.leader(s.groups[0]); l != nil {
							do(l)
						}
					})
				}
				act(2*time.Second, func(l *part) {
					l.run(func() {
						_ = l.n.Change(consensus.Change{Member: consensus.Member{ID: l.m.id%3 + 1, Promote: true}}) // if it cannot be, then not
					})
				})
				for _, at := range []time.Duration{3500 * time.Millisecond, 4 * time.Second} {
					act(at, func(*part) {
						for _, id := range s.ids {
							if p := s.machines[id].proc; p != nil {
								p.snapshot()
							}
						}
					})
				}
				act(5*time.Second, func(l *part) { _ = l.n.Transfer(l.m.id%3 + 1) })
				for s.world.step(6 * time.Second) {
				}
				burnt = s.machines[victim].fuse == 0
			})
			if r.Failed() {
				t.Fatalf("power fails in call %d of node %d: %s\n%s", call, victim, r.Failure, r.Stack)
			}
			if burnt {
				steps++
			}
		}
	}
	t.Logf("%d power failures", steps)
	if steps < 30 {
		t.Error("the power has hardly failed")
	}
}
