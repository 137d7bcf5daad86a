package consensus

import "testing"

// TestElectionsEndOnSlowDisks: every write takes several election timeouts, on all nodes. An
// election takes two of them, one behind the other, so that timeouts that stay as they are end
// each before it is decided.
func TestElectionsEndOnSlowDisks(t *testing.T) {
	const timeout = 10 // ticks
	for _, voters := range []int{2, 3, 5, 6} {
		for delay := 0; delay <= 4*timeout; delay += timeout / 2 {
			worst := 0
			for seed := range uint64(20) {
				took := electOnSlowDisks(t, voters, timeout, delay, seed)
				worst = max(worst, took)
			}
			t.Logf("%d voters, writes of %d ticks: a leader commits after %d ticks at most", voters, delay, worst)
		}
	}
}

// electOnSlowDisks returns the ticks until somebody leads and has committed the entry that opens
// its term. Messages travel within a tick; a node's writes are done one after the other, each in
// delay ticks.
func electOnSlowDisks(t *testing.T, voters, timeout, delay int, seed uint64) int {
	t.Helper()
	type write struct {
		number   uint64
		messages []Message
		left     int
	}
	type host struct {
		r     *Replica
		disk  []write
		inbox []Message
	}
	var ids []NodeID
	for i := range voters {
		ids = append(ids, NodeID(i+1))
	}
	hosts := map[NodeID]*host{}
	for _, id := range ids {
		r, err := New(Config{ID: id, Storage: noStorage{}, ElectionTicks: timeout, HeartbeatTicks: 1, Seed: seed<<8 + uint64(id)},
			Restart{Configs: []ConfigAt{{Membership: Voters(ids...)}}})
		if err != nil {
			t.Fatal(err)
		}
		hosts[id] = &host{r: r}
	}
	for tick := range 1_000 * timeout {
		for _, id := range ids {
			h := hosts[id]
			h.r.Tick()
			if len(h.disk) > 0 {
				h.disk[0].left--
			}
		}
		for busy := true; busy; {
			busy = false
			for _, id := range ids {
				h := hosts[id]
				for len(h.disk) > 0 && h.disk[0].left <= 0 {
					busy = true
					h.r.Persisted(h.disk[0].number)
					h.disk = h.disk[1:]
				}
				for _, m := range h.inbox {
					busy = true
					if err := h.r.Step(m); err != nil {
						t.Fatal(err)
					}
				}
				h.inbox = nil
				for h.r.HasReady() {
					busy = true
					rd, err := h.r.Ready()
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range rd.Messages {
						to := hosts[m.To]
						to.inbox = append(to.inbox, m)
					}
					for _, e := range rd.Committed {
						h.r.Applied(e.Index)
						if leads, ready := h.r.Leading(); leads && ready {
							return tick
						}
					}
					left := 0
					if rd.HardState != nil || len(rd.Entries) > 0 {
						left = delay
					}
					h.disk = append(h.disk, write{number: rd.Number, left: left})
				}
			}
		}
	}
	t.Errorf("%d voters, writes of %d ticks, seed %d: nobody leads after %d election timeouts", voters, delay, seed, 1_000)
	return 0
}
