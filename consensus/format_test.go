package consensus

import (
	"errors"
	"strings"
	"testing"
)

// both reads all formats, first the older one alone.
var (
	both  = Formats{OldestFormat, NewestFormat}
	first = Formats{OldestFormat, OldestFormat}
)

// replicas are connected without a network: what one says the others hear at once, but for those that are down.
type replicas struct {
	t    *testing.T
	list map[NodeID]*Replica
	down map[NodeID]bool
	hard map[NodeID]HardState
	logs map[NodeID]*memoryLog
	full map[NodeID]bool // their disks take no entries, which is tried once in a tick
	held map[NodeID]bool // until the next tick
}

// memoryLog is a Storage of all that was written.
type memoryLog struct {
	entries  []Entry
	snapshot Snapshot
}

func (l *memoryLog) Entries(lo, hi uint64, _ int) ([]Entry, error) {
	return l.entries[lo-1 : hi-1], nil
}

func (l *memoryLog) Snapshot() (Snapshot, bool) { return l.snapshot, l.snapshot.Index > 0 }

func newReplicas(t *testing.T, m Membership, reads map[NodeID]Formats) *replicas {
	c := &replicas{t: t, list: map[NodeID]*Replica{}, down: map[NodeID]bool{}, hard: map[NodeID]HardState{}, logs: map[NodeID]*memoryLog{}, full: map[NodeID]bool{}, held: map[NodeID]bool{}}
	for id := range reads {
		c.logs[id] = &memoryLog{}
		first := m
		if x, in := m.Find(id); !in || x.Incarnation != 0 {
			first = Membership{}
		}
		if err := c.start(id, reads[id], first); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// start makes a replica of what its disk holds.
func (c *replicas) start(id NodeID, reads Formats, first Membership) error {
	l := c.logs[id]
	re := Restart{HardState: c.hard[id], Configs: []ConfigAt{{0, first}}, LastIndex: uint64(len(l.entries))}
	for _, e := range l.entries {
		if k := len(re.Runs); k == 0 || re.Runs[k-1].Term != e.Term {
			re.Runs = append(re.Runs, TermRun{e.Index, e.Term})
		}
		if m, err := ParseMembership(e.Data); err == nil && e.Kind == KindConfig {
			re.Configs = append(re.Configs, ConfigAt{e.Index, m})
		}
	}
	r, err := New(Config{ID: id, Storage: l, Seed: uint64(id), Formats: reads}, re)
	if err == nil {
		c.list[id] = r
	}
	return err
}

// settle has all do what they want to, and hear what others say, until nobody wants anything.
func (c *replicas) settle() {
	for busy := true; busy; {
		busy = false
		for id := NodeID(1); id <= NodeID(len(c.list)); id++ {
			r := c.list[id]
			if c.down[id] || c.held[id] || !r.HasReady() {
				continue
			}
			busy = true
			rd, err := r.Ready()
			if err != nil {
				c.t.Fatal(err)
			}
			if rd.HardState != nil {
				c.hard[id] = *rd.HardState
			}
			k := len(rd.Entries)
			c.held[id] = k > 0 && c.full[id]
			switch {
			case c.held[id]:
				r.Refused()
			case k > 0:
				c.logs[id].entries = append(c.logs[id].entries[:rd.Entries[0].Index-1:rd.Entries[0].Index-1], rd.Entries...)
				fallthrough
			default:
				r.Persisted(rd.Number)
			}
			if k := len(rd.Committed); k > 0 {
				r.Applied(rd.Committed[k-1].Index)
			}
			for _, m := range rd.Messages {
				if to := c.list[m.To]; to != nil && !c.down[m.To] {
					if err := to.Step(m); err != nil {
						c.t.Fatalf("%v from %d to %d: %v", m.Kind, m.From, m.To, err)
					}
				}
			}
		}
	}
}

// pass lets time pass.
func (c *replicas) pass(ticks int) {
	for range ticks {
		clear(c.held)
		for id, r := range c.list {
			if !c.down[id] {
				r.Tick()
			}
		}
		c.settle()
	}
}

func (c *replicas) lead(id NodeID) *Replica {
	c.list[id].Campaign()
	c.pass(3)
	if leads, ready := c.list[id].Leading(); !leads || !ready {
		c.t.Fatalf("%d does not lead", id)
	}
	return c.list[id]
}

func (c *replicas) formats(want uint64) {
	c.t.Helper()
	for id, r := range c.list {
		if got := r.Format(); got != want && !c.down[id] {
			c.t.Errorf("replica %d is in format %d, want %d", id, got, want)
		}
	}
}

func learning(ids ...NodeID) (m Membership) {
	m = Voters(ids[:len(ids)-1]...)
	m.Members = append(m.Members, Member{ID: ids[len(ids)-1], Role: Learner})
	return m
}

// TestFormatWaitsForAll: voters and learners, those that are down as well.
func TestFormatWaitsForAll(t *testing.T) {
	for name, reads := range map[string]map[NodeID]Formats{
		"a voter is older":   {1: both, 2: both, 3: first, 4: both},
		"a learner is older": {1: both, 2: both, 3: both, 4: first},
		"the leader is":      {1: first, 2: both, 3: both, 4: both},
	} {
		t.Run(name, func(t *testing.T) {
			c := newReplicas(t, learning(1, 2, 3, 4), reads)
			c.lead(1)
			c.pass(30)
			c.formats(1)
			for id := range reads {
				if c.hard[id].Format != 0 {
					t.Errorf("replica %d has promised format %d", id, c.hard[id].Format)
				}
			}
		})
	}
	c := newReplicas(t, learning(1, 2, 3, 4), map[NodeID]Formats{1: both, 2: both, 3: both, 4: both})
	c.down[4] = true
	c.lead(1)
	c.pass(30)
	c.formats(1)
	c.down[4] = false
	c.pass(5)
	c.formats(NewestFormat)
	for id := range c.list {
		if c.hard[id].Format != NewestFormat {
			t.Errorf("replica %d has promised format %d", id, c.hard[id].Format)
		}
	}
	if data := c.logs[1].entries[0].Data; data[0] != plainMembership {
		t.Errorf("the first membership is % x: releases of format 1 do not read it", data)
	}
}

// TestFormatOfALoneVoter is the newest at once: there is nobody to be asked.
func TestFormatOfALoneVoter(t *testing.T) {
	c := newReplicas(t, Voters(1), map[NodeID]Formats{1: first})
	c.lead(1)
	c.formats(1)
	if err := c.start(1, both, Voters(1)); err != nil { // existing data
		t.Fatal(err)
	}
	c.lead(1)
	c.formats(NewestFormat)
	if err := c.start(1, both, Voters(1)); err != nil {
		t.Fatal(err)
	}
	c.lead(1)
	l := c.logs[1].entries
	if e := l[len(l)-1]; e.Kind != KindNoop || NoopLeader(e.Data) != 1 {
		t.Errorf("the third term is opened by %+v", e)
	}
	if e := l[0]; e.Kind != KindConfig || NoopLeader(nil) != 0 {
		t.Errorf("the first term is opened by %+v", e)
	}
}

// TestFormatOfALeaderThatLeaves: one member is left in the log of a leader, and it is another one, which is to be asked.
func TestFormatOfALeaderThatLeaves(t *testing.T) {
	c := newReplicas(t, Voters(1, 2), map[NodeID]Formats{1: both, 2: first})
	joint := Membership{Members: []Member{{ID: 1, Role: Outgoing}, {ID: 2, Role: Voter}}}
	left := Membership{Members: []Member{{ID: 2, Role: Voter}}}
	entries := []Entry{
		{Index: 1, Term: 1, Kind: KindConfig, Data: AppendMembership(nil, Voters(1, 2))},
		{Index: 2, Term: 1, Kind: KindConfig, Data: AppendMembership(nil, joint)},
		{Index: 3, Term: 1, Kind: KindConfig, Data: AppendMembership(nil, left)},
	}
	for id, n := range map[NodeID]int{1: 3, 2: 2} { // the other has not heard of the end of the change
		c.logs[id].entries, c.hard[id] = entries[:n:n], HardState{Term: 1, Vote: 1}
		if err := c.start(id, c.list[id].cfg.Formats, Voters(1, 2)); err != nil {
			t.Fatal(err)
		}
	}
	c.list[1].Campaign()
	c.pass(30)
	if leads, ready := c.list[2].Leading(); !leads || !ready {
		t.Error("who is left does not lead")
	}
	c.formats(1)
	if m := c.list[2].Status().Membership; !m.IsOnly(2) {
		t.Errorf("left are %v", m.Members)
	}
}

// TestOlderReleaseIsRefused names both formats, and what to do, behind the promise; before it starts.
func TestOlderReleaseIsRefused(t *testing.T) {
	c := newReplicas(t, Voters(1, 2, 3), map[NodeID]Formats{1: both, 2: both, 3: first})
	c.lead(1)
	c.pass(10)
	if err := c.start(2, first, Voters(1, 2, 3)); err != nil {
		t.Fatalf("before the promise: %v", err)
	}
	for _, id := range []NodeID{2, 3} {
		if err := c.start(id, both, Voters(1, 2, 3)); err != nil {
			t.Fatal(err)
		}
	}
	c.pass(40)
	c.formats(NewestFormat)
	err := c.start(3, first, Voters(1, 2, 3))
	if e, ok := errors.AsType[*FormatError](err); !ok || e.Format != NewestFormat || e.Reads != first || !strings.Contains(err.Error(), "start a newer release") {
		t.Errorf("behind the promise: %v", err)
	}
	if err := c.start(3, Formats{NewestFormat + 1, NewestFormat + 2}, Voters(1, 2, 3)); err == nil || !strings.Contains(err.Error(), "start an older release") {
		t.Errorf("a release that reads newer ones alone: %v", err)
	}
}

// TestNewcomerReadsFirst: a node that is taken in is sent nothing before it has promised to read it, and one
// whose release is too old says so and takes nothing, were it sent.
func TestNewcomerReadsFirst(t *testing.T) {
	c := newReplicas(t, Voters(1, 2), map[NodeID]Formats{1: both, 2: both, 3: first})
	l := c.lead(1)
	c.pass(10)
	c.down[3] = true
	c.formats(NewestFormat)
	c.down[3] = false
	if _, err := l.Change(Change{Member: Member{ID: 3, Role: Voter}}); err != ErrUnheard {
		t.Errorf("a node that nobody has heard of is to get a vote: %v", err)
	}
	if _, err := l.Change(Change{Member: Member{ID: 3, Role: Learner, Promote: true}}); err != nil {
		t.Fatal(err)
	}
	c.pass(30)
	r := c.list[3]
	if r.Unread() != NewestFormat || r.Status().Last != 0 {
		t.Errorf("an older newcomer: unread %d, log to %d", r.Unread(), r.Status().Last)
	}
	if _, err := l.Change(Change{Member: Member{ID: 3, Role: Voter}}); err == nil || !errors.As(err, new(*FormatError)) {
		t.Errorf("it is to get a vote: %v", err)
	}
	s := Snapshot{Index: 2, Term: 1, Size: 1, Membership: Membership{Members: Voters(1, 2).Members, Format: 2}}
	for _, m := range []Message{
		{Kind: MsgSnapshot, From: 1, To: 3, Term: l.term, Seq: 99, Hint: 2, Snapshot: &s},
		{Kind: MsgAppend, From: 1, To: 3, Term: l.term, Seq: 99, Hint: 2, Entries: c.logs[1].entries[:1]},
	} {
		if err := r.Step(m); err != nil {
			t.Fatal(err)
		}
		if r.incoming != nil || r.log.last > 0 {
			t.Fatalf("an older replica takes %v of format 2", m.Kind)
		}
	}
	for _, m := range []Message{ // of a leader that lies about its format
		{Kind: MsgSnapshot, From: 1, To: 3, Term: l.term, Seq: 99, Snapshot: &s},
		{Kind: MsgAppend, From: 1, To: 3, Term: l.term, Seq: 99, Entries: []Entry{{Index: 1, Term: 1, Kind: KindConfig, Data: AppendMembership(nil, s.Membership)}}},
	} {
		if err := r.Step(m); err != ErrMalformed {
			t.Errorf("%v that does not say its format: %v", m.Kind, err)
		}
	}
	if err := c.start(3, both, Membership{}); err != nil {
		t.Fatal(err)
	}
	c.pass(30)
	c.formats(NewestFormat)
	if st := l.Status(); st.Membership.Members[2].Role != Voter {
		t.Errorf("upgraded, it is a %v", st.Membership.Members[2].Role)
	}
}

// TestChangeBesideARaise: an entry that changes the format alone does not hold up a change of the members.
func TestChangeBesideARaise(t *testing.T) {
	c := newReplicas(t, Voters(1, 2, 3), map[NodeID]Formats{1: both, 2: both, 3: both})
	l := c.lead(1)
	for l.raisedAt == 0 {
		c.pass(1)
	}
	if _, err := l.Change(Change{Remove: true, Member: Member{ID: 3}}); err != nil {
		t.Fatal(err)
	}
	c.pass(5)
	if st := l.Status(); len(st.Membership.Members) != 2 || st.Membership.Format != NewestFormat || !st.MembershipCommitted {
		t.Errorf("%+v", st.Membership)
	}
}

// TestHistoryIsNamedOnce: in the format that has names, by the leader that raises it or that opens the log of a lone voter, and it stays
// whoever leads, whoever is a member, and over restarts. Nothing older is written with one.
func TestHistoryIsNamedOnce(t *testing.T) {
	old := Formats{OldestFormat, HistoryFormat - 1}
	c := newReplicas(t, Voters(1, 2, 3), map[NodeID]Formats{1: old, 2: old, 3: both})
	c.lead(1)
	c.pass(30)
	c.formats(HistoryFormat - 1)
	for id, l := range c.logs {
		for _, e := range l.entries {
			if e.Kind == KindConfig && e.Data[0] == historyMembership {
				t.Errorf("replica %d is sent a history that its cluster does not read", id)
			}
		}
	}
	for _, id := range []NodeID{1, 2} {
		if err := c.start(id, both, Voters(1, 2, 3)); err != nil {
			t.Fatal(err)
		}
	}
	c.lead(2)
	c.pass(30)
	c.formats(NewestFormat)
	name := c.list[2].Status().Membership.History
	same := func(when string) {
		t.Helper()
		for id, r := range c.list {
			if h := r.Status().Membership.History; h != name || h == 0 {
				t.Errorf("%s, replica %d has history %x, want %x", when, id, h, name)
			}
		}
	}
	same("raised")
	if err := c.list[2].Transfer(3); err != nil {
		t.Fatal(err)
	}
	c.pass(5)
	l := c.list[3]
	if leads, _ := l.Leading(); !leads {
		t.Fatal("3 does not lead")
	}
	for _, role := range []Role{Learner, Voter} {
		if _, err := l.Change(Change{Member: Member{ID: 1, Role: role}}); err != nil {
			t.Fatal(err)
		}
		c.pass(10)
		same("with 1 as " + role.String())
	}
	for id := range c.list {
		if err := c.start(id, both, Voters(1, 2, 3)); err != nil {
			t.Fatal(err)
		}
	}
	c.pass(60)
	same("restarted")

	lone := newReplicas(t, Voters(1), map[NodeID]Formats{1: both})
	if h := lone.lead(1).Status().Membership.History; h == 0 || h == name {
		t.Errorf("a lone voter begins history %x; another cluster has %x", h, name)
	}
}

// TestNothingIsToldBehindACompaction: who came back with an older release, and is sent nothing, is not told of a commit in a place
// that the log has no more; else there would be something to do for ever.
func TestNothingIsToldBehindACompaction(t *testing.T) {
	c := newReplicas(t, Voters(1, 2), map[NodeID]Formats{1: both, 2: first})
	leader := c.lead(1)
	late := Message{Kind: MsgAppendResp, From: 2, To: 1, Term: leader.term, Index: 1, Match: 1, Seq: 1, LogTerm: OldestFormat}
	change := func(ch Change) {
		t.Helper()
		if _, err := leader.Change(ch); err != nil {
			t.Fatal(err)
		}
		c.settle()
	}
	change(Change{Remove: true, Member: Member{ID: 2}})
	c.down[2] = true
	c.pass(3)
	c.formats(NewestFormat)
	leader.Compacted(leader.Committed())
	change(Change{Member: Member{ID: 2, Role: Learner}})
	if err := leader.Step(late); err != nil {
		t.Fatal(err)
	}
	for n := 0; leader.HasReady(); n++ {
		if n == 100 {
			t.Fatal("there is always something to do")
		}
		if _, err := leader.Ready(); err != nil {
			t.Fatal(err)
		}
	}
	if told, untold := leader.Untold(); untold {
		t.Errorf("node 2 is to be told more than %d", told)
	}
}
