package consensus

import "testing"

// TestPromiseOutlastsSettings: what an earlier run promised for a lease holds in one that has none, for as long as it was said.
func TestPromiseOutlastsSettings(t *testing.T) {
	for _, x := range []struct {
		promised, tick uint64
		ticks          int
	}{{0, 1, 0}, {10, 1, 11}, {100, 10, 11}, {101, 10, 12}, {1, 10, 2}} {
		r, err := New(Config{ID: 1, Storage: &memoryLog{}, FastFailover: true, TickTime: x.tick, Promised: x.promised}, Restart{
			HardState: HardState{Term: 3}, Configs: []ConfigAt{{0, Voters(1, 2, 3)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		term := uint64(4)
		grants := func() bool {
			if err := r.Step(Message{Kind: MsgVote, From: 2, To: 1, Term: term}); err != nil {
				t.Fatal(err)
			}
			term++
			return r.vote == 2
		}
		for i := range x.ticks {
			if grants() {
				t.Fatalf("%+v: a vote after %d ticks", x, i)
			}
			r.Tick()
		}
		if !grants() {
			t.Errorf("%+v: no vote after %d ticks", x, x.ticks)
		}
	}
}
