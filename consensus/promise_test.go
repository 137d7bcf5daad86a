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

// TestPromiseIsNotShortened: a heartbeat that is answered with a shorter promise than one of an earlier run leaves that as long as it
// was, for the answer may be lost, and the leader count on the earlier one.
func TestPromiseIsNotShortened(t *testing.T) {
	r, err := New(Config{ID: 1, Storage: &memoryLog{}, LeaseReads: true, ElectionTicks: 10, TickTime: 1, Promised: 30}, Restart{
		HardState: HardState{Term: 3}, Configs: []ConfigAt{{0, Voters(1, 2, 3)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Step(Message{Kind: MsgAppend, From: 3, To: 1, Term: 3, Seq: 1}); err != nil {
		t.Fatal(err)
	}
	for i := range 31 {
		if err := r.Step(Message{Kind: MsgVote, From: 2, To: 1, Term: uint64(4 + i)}); err != nil {
			t.Fatal(err)
		}
		if r.vote != 0 {
			t.Fatalf("a vote after %d ticks of 31", i)
		}
		r.Tick()
	}
	if err := r.Step(Message{Kind: MsgVote, From: 2, To: 1, Term: 40}); err != nil {
		t.Fatal(err)
	}
	if r.vote != 2 {
		t.Error("no vote behind the promise")
	}
}

// TestPromiseToALeaderThatLeaves: a leader that is being removed reads through its lease until that is committed. Whoever
// is left alone in the newest entry does not stand before the lease is over, or knows that it is.
func TestPromiseToALeaderThatLeaves(t *testing.T) {
	joint := Membership{Members: []Member{{ID: 1, Role: Outgoing}, {ID: 2, Role: Voter}}}
	r, err := New(Config{ID: 2, Storage: &memoryLog{}, LeaseReads: true}, Restart{Configs: []ConfigAt{{0, joint}}})
	if err != nil {
		t.Fatal(err)
	}
	left := Entry{Index: 1, Term: 1, Kind: KindConfig, Data: AppendMembership(nil, joint.left())}
	for commit := range uint64(2) {
		if err := r.Step(Message{Kind: MsgAppend, From: 1, To: 2, Term: 1, Seq: commit + 1, Entries: []Entry{left}, Commit: commit}); err != nil {
			t.Fatal(err)
		}
		for r.HasReady() {
			rd, err := r.Ready()
			if err != nil {
				t.Fatal(err)
			}
			r.Persisted(rd.Number)
		}
		r.Campaign()
		if stands := r.Status().State != Follower; stands != (commit > 0) {
			t.Errorf("with %d committed it stands: %v", commit, stands)
		}
	}
}
