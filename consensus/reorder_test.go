package consensus

import (
	"math/rand/v2"
	"testing"
)

// TestMessagesOutOfOrderMakeNoStorm: a member is fed many small entries over a network that keeps no order. Whatever overtakes
// whatever, the messages under way are no more than a few windows, and all arrives; before, each answer could have a whole window sent
// again, and there were more with each round trip, without end.
func TestMessagesOutOfOrderMakeNoStorm(t *testing.T) {
	const entries, window = 500, 64
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		hosts := map[NodeID]*Replica{}
		for id := NodeID(1); id <= 3; id++ {
			r, err := New(Config{ID: id, Storage: &memoryLog{}, Seed: uint64(id), MaxInflight: window, MaxMessageBytes: 1}, Restart{Configs: []ConfigAt{{Membership: Voters(1, 2, 3)}}})
			if err != nil {
				t.Fatal(err)
			}
			hosts[id] = r
		}
		var net []Message
		work := func(id NodeID) {
			for r := hosts[id]; r.HasReady(); {
				rd, err := r.Ready()
				if err != nil {
					t.Fatal(err)
				}
				r.Persisted(rd.Number)
				if k := len(rd.Committed); k > 0 {
					r.Applied(rd.Committed[k-1].Index)
				}
				net = append(net, rd.Messages...)
			}
		}
		all, most := 0, 0
		// run delivers what comes to those that are up; the third one is not, until it is told.
		run := func(up NodeID, done func() bool) {
			for n := 0; !done(); n++ {
				if n > 200_000 {
					t.Fatalf("seed %d: no end; %d messages are under way", seed, len(net))
				}
				if n%500 == 499 || len(net) == 0 {
					for id := NodeID(1); id <= up; id++ {
						hosts[id].Tick()
						work(id)
					}
					continue
				}
				i := rng.IntN(len(net))
				m := net[i]
				net[i], net = net[len(net)-1], net[:len(net)-1]
				if m.To > up || m.From > up {
					continue
				}
				all++
				if err := hosts[m.To].Step(m); err != nil {
					t.Fatal(err)
				}
				work(m.To)
				most = max(most, len(net))
			}
		}
		hosts[1].Campaign()
		work(1)
		run(2, func() bool { leads, ready := hosts[1].Leading(); return leads && ready })
		for i := range entries {
			run(2, func() bool { return hosts[1].uncommitted == 0 })
			if _, err := hosts[1].Propose(FirstKind, int64(i), []byte("entry")); err != nil {
				t.Fatal(err)
			}
			work(1)
		}
		run(2, func() bool { return hosts[1].Committed() == hosts[1].Last() })
		all, most = 0, 0
		run(3, func() bool { return hosts[3].Last() == hosts[1].Last() })
		if most > 6*window {
			t.Errorf("seed %d: %d messages were under way at once, %d in all", seed, most, all)
		}
		if seed == 0 {
			t.Logf("%d messages for %d entries, %d at once", all, entries, most)
		}
	}
}
