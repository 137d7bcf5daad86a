package consensus

import "testing"

// TestAFullDiskOfALeaderThatLeaves: one member is left in the newest entry of a leader, and it is another one. What the
// leader's disk refuses then stays in the log, for that member may have it. Alone, a leader drops it.
func TestAFullDiskOfALeaderThatLeaves(t *testing.T) {
	for _, remove := range []NodeID{1, 2} { // the leader itself, or the other: who may have the entries all the same
		hosts := map[NodeID]*Replica{}
		for id := NodeID(1); id <= 2; id++ {
			r, err := New(Config{ID: id, Storage: noStorage{}, Seed: uint64(id)}, Restart{Configs: []ConfigAt{{Membership: Voters(1, 2)}}})
			if err != nil {
				t.Fatal(err)
			}
			hosts[id] = r
		}
		// settle does what Readies ask for until the leader has appended that one member is left; its disk has not taken that.
		settle := func() (left bool) {
			for busy := true; busy; {
				busy = false
				for id := NodeID(1); id <= 2; id++ {
					r := hosts[id]
					for r.HasReady() {
						busy = true
						rd, err := r.Ready()
						if err != nil {
							t.Fatal(err)
						}
						left = left || id == 1 && len(r.log.config().Members) == 1
						if !left {
							r.Persisted(rd.Number)
						}
						for _, m := range rd.Messages {
							if err := hosts[m.To].Step(m); err != nil {
								t.Fatal(err)
							}
						}
						for _, e := range rd.Committed {
							r.Applied(e.Index)
						}
						if left {
							return true
						}
					}
				}
			}
			return false
		}
		hosts[1].Campaign()
		settle()
		if _, err := hosts[1].Change(Change{Remove: true, Member: Member{ID: remove}}); err != nil {
			t.Fatal(err)
		}
		if !settle() {
			t.Fatal("nobody is left alone")
		}
		last := hosts[1].Last()
		if dropped := hosts[1].Refused(); dropped || hosts[1].Last() != last {
			t.Errorf("node %d leaves: dropped %v, the log ends at %d, not %d", remove, dropped, hosts[1].Last(), last)
		}
	}
}

// TestALeaderWithAFullDiskGoes: what its disk refuses the others have, and one of them is told to lead; if that one does not
// take it, as it is fenced, the other one.
func TestALeaderWithAFullDiskGoes(t *testing.T) {
	c := newReplicas(t, Voters(1, 2, 3), map[NodeID]Formats{1: both, 2: both, 3: both})
	leader := c.lead(1)
	c.full[1] = true
	c.list[2].Fence()
	index, err := leader.Propose(FirstKind, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.settle()
	for range 15 {
		leader.HandOver()
		c.pass(1)
	}
	if leads, ready := c.list[3].Leading(); !leads || !ready {
		t.Error("node 3 does not lead")
	}
	if c.list[3].Committed() <= index || leader.Status().Durable >= index {
		t.Errorf("%d are committed, the full disk has %d; the entry is %d", c.list[3].Committed(), leader.Status().Durable, index)
	}
}

// TestAFullDiskVotes: its disk takes no entries, but term and vote have their place. Without its votes and answers nobody
// would lead, and reads would not go on.
func TestAFullDiskVotes(t *testing.T) {
	c := newReplicas(t, Voters(1, 2, 3), map[NodeID]Formats{1: first, 2: first, 3: first})
	leader := c.lead(1)
	c.full[1] = true
	if _, err := leader.Propose(FirstKind, 1, nil); err != nil {
		t.Fatal(err)
	}
	c.settle()
	leader.HandOver()
	c.pass(3)
	c.down[3] = true
	c.pass(50)
	if leads, ready := c.list[2].Leading(); !leads || !ready {
		t.Error("node 2 leads no more, with node 1, whose disk is full")
	}
	if c.list[2].HandOver(); c.list[2].Status().Transferee != 0 {
		t.Error("node 1 is a quorum of three")
	}
	term := c.list[2].Status().Term
	if err := c.start(2, first, Voters(1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	c.pass(100)
	if leads, _ := c.list[2].Leading(); !leads || c.list[2].Status().Term == term {
		t.Error("node 2 does not lead with the vote of node 1, whose disk is full")
	}
}
