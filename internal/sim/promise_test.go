package sim

import (
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// TestPromiseOutlastsARestart: a leader with leases is cut off, and the others are started again at once, without leases and with a
// short election timeout. What they had answered it still binds them: one that forgot that would elect another leader while the
// first reads by its lease.
func TestPromiseOutlastsARestart(t *testing.T) {
	leases := 0
	for seed := range uint64(12) {
		r := run(Config{Seed: seed}, func(s *simulation) {
			quiet(s)
			s.mood.groups, s.groups, s.mood.older = 1, nil, 0
			s.groups = append(s.groups, newGroup(s, 0))
			s.mood.raft.LeaseReads, s.mood.raft.FastFailover = true, false
			s.mood.clients, s.mood.registers, s.mood.think = 8, 2, 5*time.Millisecond
			s.setUp()
			s.world.at(3*time.Second+time.Duration(seed)*7*time.Millisecond, func() {
				l := s.leader(s.groups[0])
				if l == nil {
					return
				}
				s.net.isolate(l.m.id)
				for _, id := range s.ids {
					if m := s.machines[id]; m != l.m {
						m.stop()
						m.settings = true
						m.start()
					}
				}
				for at := range 12 { // clients that come to the others, and read where somebody takes itself for the leader
					s.world.after(time.Duration(100+20*at)*time.Millisecond, func() {
						c := &client{s: s, g: l.g, id: 50 + at, target: (l.m.id+consensus.NodeID(at)%2)%3 + 1}
						s.clients = append(s.clients, c)
						c.next()
					})
				}
			})
			for s.world.step(5 * time.Second) {
			}
			for _, id := range s.ids {
				s.machines[id].settings = false
			}
			s.net.heal()
			for s.world.step(6 * time.Second) {
			}
		})
		if r.Failed() {
			t.Fatalf("seed %d: %s\n%s", seed, r.Failure, r.Stack)
		}
		leases += r.Stats["read by lease"]
	}
	t.Logf("%d reads by lease", leases)
	if leases == 0 {
		t.Error("nobody has read by a lease")
	}
}
