package consensus

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestQuorums(t *testing.T) {
	ids := func(list ...NodeID) []NodeID { return list }
	for _, c := range []struct {
		voters  []NodeID
		reached map[NodeID]uint64
		want    uint64
	}{
		{nil, nil, 1<<64 - 1},
		{ids(1), map[NodeID]uint64{1: 5}, 5},
		{ids(1, 2), map[NodeID]uint64{1: 5}, 0}, // an even number needs more than half
		{ids(1, 2), map[NodeID]uint64{1: 5, 2: 3}, 3},
		{ids(1, 2, 3), map[NodeID]uint64{1: 5, 2: 3}, 3},
		{ids(1, 2, 3), map[NodeID]uint64{1: 5, 2: 9, 3: 7}, 7},
		{ids(1, 2, 3, 4), map[NodeID]uint64{1: 5, 2: 9, 3: 7, 4: 8}, 7},
		{ids(1, 2, 3, 4, 5), map[NodeID]uint64{1: 5, 2: 9}, 0},
		{ids(1, 2, 3, 4, 5), map[NodeID]uint64{1: 5, 2: 9, 3: 4}, 4},
	} {
		if got := agreed(c.voters, func(id NodeID) uint64 { return c.reached[id] }); got != c.want {
			t.Errorf("%v of %v have reached %d, not %d", c.voters, c.reached, got, c.want)
		}
	}
	joint := newConfig(0, Membership{Members: []Member{{ID: 1, Role: Voter}, {ID: 2, Role: Outgoing}, {ID: 3, Role: Outgoing}, {ID: 4, Role: Incoming}, {ID: 5, Role: Incoming}}})
	for _, c := range []struct {
		votes map[NodeID]bool
		want  tally
	}{
		{map[NodeID]bool{1: true}, pending},
		{map[NodeID]bool{1: true, 2: true}, pending},
		{map[NodeID]bool{1: true, 2: true, 4: true}, won},
		{map[NodeID]bool{2: true, 3: true, 4: true, 5: true}, won},
		{map[NodeID]bool{4: false, 5: false}, lost},
		{map[NodeID]bool{1: true, 4: true, 5: true, 2: false, 3: false}, lost},
	} {
		if got := joint.tally(c.votes); got != c.want {
			t.Errorf("%v: %v, want %v", c.votes, got, c.want)
		}
	}
}

func TestChanges(t *testing.T) {
	learner := func(id NodeID, in uint64) Member { return Member{ID: id, Incarnation: in} }
	three := Voters(1, 2, 3)
	withLearner := Membership{Members: append(Voters(1, 2, 3).Members, learner(4, 9))}
	for _, c := range []struct {
		name    string
		from    Membership
		changes []Change
		joint   bool
		then    Membership
		err     bool
	}{
		{"a learner needs no joint configuration", three, []Change{{Member: learner(4, 9)}}, false, withLearner, false},
		{"a learner leaves", withLearner, []Change{{Remove: true, Member: Member{ID: 4}}}, false, three, false},
		{"a voter leaves", three, []Change{{Remove: true, Member: Member{ID: 3}}}, true, Voters(1, 2), false},
		{"a learner is promoted", withLearner, []Change{{Member: Member{ID: 4, Role: Voter, Incarnation: 9}}}, true, Membership{Members: append(Voters(1, 2, 3).Members, Member{ID: 4, Role: Voter, Incarnation: 9})}, false},
		{"a voter is demoted", three, []Change{{Member: learner(3, 0)}}, true, Membership{Members: append(Voters(1, 2).Members, learner(3, 0))}, false},
		{"all are replaced", three, []Change{{Remove: true, Member: Member{ID: 1}}, {Remove: true, Member: Member{ID: 2}}, {Remove: true, Member: Member{ID: 3}}, {Member: Member{ID: 5, Role: Voter}}}, true, Voters(5), false},
		{"nobody is left", Voters(1), []Change{{Remove: true, Member: Member{ID: 1}}}, false, Membership{}, true},
		{"a stranger leaves", three, []Change{{Remove: true, Member: Member{ID: 8}}}, false, Membership{}, true},
		{"nothing changes", three, []Change{{Member: Member{ID: 1, Role: Voter}}}, false, Membership{}, true},
		{"another incarnation keeps the vote", three, []Change{{Member: Member{ID: 1, Role: Voter, Incarnation: 4}}}, false, Membership{}, true},
		{"a role that is only passed through", three, []Change{{Member: Member{ID: 4, Role: Incoming}}}, false, Membership{}, true},
		{"no id", three, []Change{{Member: Member{Role: Voter}}}, false, Membership{}, true},
	} {
		next, err := c.from.after(c.changes)
		if (err != nil) != c.err {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.err || err != nil {
			continue
		}
		if next.Joint() != c.joint {
			t.Errorf("%s: joint %v: %+v", c.name, next.Joint(), next)
		}
		if next.Joint() {
			if _, err := next.after(c.changes); !errors.Is(err, ErrChanging) {
				t.Errorf("%s: changed again while joint: %v", c.name, err)
			}
			next = next.left()
		}
		if !reflect.DeepEqual(next, c.then) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, next, c.then)
		}
	}
}

// FuzzMembership: one membership, one encoding; what is read is sound.
func FuzzMembership(f *testing.F) {
	f.Add(AppendMembership(nil, Voters(1, 2, 3)))
	f.Add(AppendMembership(nil, Membership{Members: []Member{{ID: 1 << 60, Role: Voter, Promote: true, Priority: 3, Incarnation: 8, Address: "a:1"}}}))
	f.Add(AppendMembership(nil, Membership{Members: Voters(1).Members, Format: 300}))
	f.Add(AppendMembership(nil, Membership{Members: Voters(1).Members, Format: HistoryFormat, History: 1 << 63}))
	f.Add([]byte{plainMembership, 0})
	f.Add([]byte{historyMembership, 2, 9, 0}) // a format without names
	f.Add([]byte{historyMembership, 3, 0, 0}) // and no name
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMembership(b)
		if err != nil {
			return
		}
		if err := m.check(); err != nil {
			t.Fatal(err)
		}
		if again := AppendMembership(nil, m); string(again) != string(b) {
			t.Fatalf("% x is written % x", b, again)
		}
	})
}

// TestMembershipBytes: a change that would make a membership larger than nodes can keep is refused; as an entry of the log it would
// end all of them.
func TestMembershipBytes(t *testing.T) {
	m := Voters(1)
	address := strings.Repeat("a", MaxAddressBytes)
	for id := NodeID(2); ; id++ {
		next, err := m.after([]Change{{Member: Member{ID: id, Role: Learner, Incarnation: 1 << 63, Address: address}}})
		if err != nil {
			if !strings.Contains(err.Error(), "the limit is") || id < 200 {
				t.Fatal(id, err)
			}
			break
		}
		if m = next; len(m.Members) == MaxMembers {
			t.Fatalf("%d members take %d bytes", MaxMembers, len(AppendMembership(nil, m)))
		}
	}
	if got, err := ParseMembership(AppendMembership(nil, m)); err != nil || !reflect.DeepEqual(got, m) {
		t.Error(err)
	}
}

// TestOneChangeBehindADroppedFormat: the entry that raises the format alone may be followed by a change. When it was dropped, its
// index says that of another one no more.
func TestOneChangeBehindADroppedFormat(t *testing.T) {
	c := newReplicas(t, Voters(1, 2), map[NodeID]Formats{1: both, 2: first})
	leader := c.lead(1)
	if _, err := leader.Change(Change{Remove: true, Member: Member{ID: 2}}); err != nil {
		t.Fatal(err)
	}
	c.settle()
	c.full[1] = true
	last := leader.Last()
	for range 3 {
		leader.Tick()
	}
	if leader.Last() == last {
		t.Fatal("the format is not raised")
	}
	c.settle()
	if leader.Last() != last {
		t.Fatal("what was refused is not dropped")
	}
	if _, err := leader.Change(Change{Member: Member{ID: 3}}); err != nil {
		t.Fatal(err)
	}
	if _, err := leader.Change(Change{Member: Member{ID: 4}}); !errors.Is(err, ErrChanging) {
		t.Errorf("a second change: %v", err)
	}
}
