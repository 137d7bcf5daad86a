package consensus

import (
	"errors"
	"reflect"
	"testing"
)

// lead returns a leader of term 2 with the given members, whose no-op node 2 has; the
// driver calls are done at once.
func lead(t *testing.T, cfg Config, m Membership) *Replica {
	t.Helper()
	cfg.ID, cfg.Storage = 1, noStorage{}
	r, err := New(cfg, Restart{HardState: HardState{Term: 1}, Configs: []ConfigAt{{0, m}}})
	if err != nil {
		t.Fatal(err)
	}
	for r.promise > 0 {
		r.Tick()
	}
	r.Campaign()
	settleDisk(t, r)
	for _, kind := range []MessageKind{MsgPreVoteResp, MsgVoteResp} {
		step(t, r, Message{Kind: kind, From: 2, To: 1, Term: 2})
		settleDisk(t, r)
	}
	if r.role != Leader {
		t.Fatalf("%v in term %d", r.role, r.term)
	}
	x, _ := m.Find(2)
	step(t, r, Message{Kind: MsgAppendResp, From: 2, To: 1, Term: 2, Index: 1, Match: 1, Seq: r.seq, Incarnation: x.Incarnation})
	settleDisk(t, r)
	if r.log.commit != 1 {
		t.Fatalf("commit %d", r.log.commit)
	}
	return r
}

// TestLogHoldsBootstrap: the first leader puts the membership into the log, for those who
// join later and for snapshots; the next one finds it there.
func TestLogHoldsBootstrap(t *testing.T) {
	m := Voters(1, 2, 3)
	r := lead(t, Config{}, m)
	if c := r.log.config(); c.index != 1 || !reflect.DeepEqual(c.Membership, m) {
		t.Fatalf("configuration at %d: %+v", c.index, c.Membership)
	}
	step(t, r, Message{Kind: MsgAppend, From: 3, To: 1, Term: 3, Index: 1, LogTerm: 2, Seq: r.seq + 1})
	settleDisk(t, r)
	r.Campaign()
	settleDisk(t, r)
	for _, kind := range []MessageKind{MsgPreVoteResp, MsgVoteResp} {
		step(t, r, Message{Kind: kind, From: 2, To: 1, Term: 4})
		settleDisk(t, r)
	}
	if r.role != Leader || r.log.last != 2 || r.log.config().index != 1 {
		t.Fatalf("%v, last %d, configuration at %d", r.role, r.log.last, r.log.config().index)
	}
}

// TestMoreThanConfirmed: a member that has confirmed less than where the leader's log begins may
// hold the rest all the same, from before its restart. With no snapshot to offer it is asked.
func TestMoreThanConfirmed(t *testing.T) {
	r, err := New(Config{ID: 1, Storage: shortStorage{}}, Restart{
		HardState: HardState{Term: 1}, Configs: []ConfigAt{{1, Voters(1, 2, 3)}},
		BeforeIndex: 10, BeforeTerm: 1, LastIndex: 12, Runs: []TermRun{{11, 1}}, Commit: 12, Applied: 12,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Campaign()
	settleDisk(t, r)
	for _, kind := range []MessageKind{MsgPreVoteResp, MsgVoteResp} {
		step(t, r, Message{Kind: kind, From: 2, To: 1, Term: 2})
		settleDisk(t, r)
	}
	step(t, r, Message{Kind: MsgAppendResp, From: 3, To: 1, Term: 2, Index: 5, Match: 5, Seq: r.seq})
	out, _ := settleDisk(t, r)
	for range 2 { // the next heartbeat
		r.Tick()
		more, _ := settleDisk(t, r)
		out = append(out, more...)
	}
	for _, m := range out {
		if m.To == 3 && m.Kind == MsgAppend && m.Index == 10 && m.LogTerm == 1 && len(m.Entries) > 0 {
			return
		}
	}
	t.Fatalf("nobody has asked whether 3 holds entry 10: %+v", out)
}

// shortStorage has the entries 11 and 12 and no snapshot.
type shortStorage struct{ noStorage }

func (shortStorage) Entries(lo, hi uint64, _ int) (list []Entry, err error) {
	if lo <= 10 {
		return nil, ErrCompacted
	}
	for i := lo; i < hi; i++ {
		list = append(list, Entry{Index: i, Term: 1, Time: int64(i), Kind: FirstKind})
	}
	return list, nil
}

type noStorage struct{}

func (noStorage) Entries(uint64, uint64, int) ([]Entry, error) { return nil, ErrCompacted }
func (noStorage) Snapshot() (Snapshot, bool)                   { return Snapshot{}, false }

func step(t *testing.T, r *Replica, m Message) {
	t.Helper()
	if err := r.Step(m); err != nil {
		t.Fatal(err)
	}
}

// settleDisk takes each Ready and makes it durable and applied; it returns messages and reads.
func settleDisk(t *testing.T, r *Replica) (out []Message, reads []ReadState) {
	t.Helper()
	for r.HasReady() {
		rd, err := r.Ready()
		if err != nil {
			t.Fatal(err)
		}
		out, reads = append(out, rd.Messages...), append(reads, rd.Reads...)
		r.Persisted(rd.Number)
		if n := len(rd.Committed); n > 0 {
			r.Applied(rd.Committed[n-1].Index)
		}
	}
	return out, reads
}

// late returns what node 2, in term 2, answers to a message of term 1 with a high number, which
// node 1 sent when it led that term.
func late(t *testing.T, m Membership) Message {
	t.Helper()
	x, _ := m.Find(2)
	two, err := New(Config{ID: 2, Storage: noStorage{}, Incarnation: x.Incarnation}, Restart{HardState: HardState{Term: 2, Vote: 1}, Configs: []ConfigAt{{0, m}}})
	if err != nil {
		t.Fatal(err)
	}
	step(t, two, Message{Kind: MsgAppend, From: 1, To: 2, Term: 1, Seq: 1000})
	out, _ := settleDisk(t, two)
	if len(out) != 1 || out[0].Kind != MsgAppendResp || out[0].Term != 2 {
		t.Fatalf("%+v", out)
	}
	return out[0]
}

// A leader of term 2 is confirmed by nothing that it sent in term 1 (§6.4).
func TestEarlierTermsConfirmNoRead(t *testing.T) {
	m := Voters(1, 2, 3)
	r := lead(t, Config{}, m)
	step(t, r, late(t, m))
	if err := r.Read(7); err != nil {
		t.Fatal(err)
	}
	// Nobody has heard of the leader since the read began, though an older answer comes once more.
	step(t, r, Message{Kind: MsgAppendResp, From: 2, To: 1, Term: 2, Index: 1, Match: 1, Seq: 1})
	if _, reads := settleDisk(t, r); len(reads) > 0 {
		t.Fatalf("a read is answered without a quorum's word: %+v", reads)
	}
	// With the word of another voter it is answered.
	step(t, r, Message{Kind: MsgAppendResp, From: 2, To: 1, Term: 2, Index: 1, Match: 1, Seq: r.seq})
	if _, reads := settleDisk(t, r); len(reads) != 1 || reads[0].Failed || reads[0].Index != 1 {
		t.Fatalf("%+v", reads)
	}
}

// A refusal of an earlier term's message does not pass for the loss of a disk.
func TestARefusalIsNoLostDisk(t *testing.T) {
	m := Membership{Members: []Member{{ID: 1, Role: Voter}, {ID: 2, Role: Voter, Incarnation: 9}, {ID: 3, Role: Voter}}}
	r := lead(t, Config{}, m)
	step(t, r, late(t, m))
	r.Tick()
	s := r.Status()
	if x, _ := s.Membership.Find(2); x.Role != Voter || x.Incarnation != 9 {
		t.Fatalf("node 2 is taken for one that lost its disk: %+v", x)
	}
	if s.Peers[0].Incarnation != 9 || s.Peers[0].Match != 1 {
		t.Fatalf("what is known of node 2 is gone: %+v", s.Peers[0])
	}
}

// A node that answered a leader under leases votes for nobody within an election timeout, though it
// restarts or comes to a later term meanwhile (§6.4.1).
func TestALeasePromiseIsKept(t *testing.T) {
	vote := Message{Kind: MsgVote, From: 3, To: 2, Term: 3, Index: 1, LogTerm: 1}
	pre := vote
	pre.Kind = MsgPreVote
	granted := func(r *Replica, m Message) bool {
		step(t, r, m)
		out, _ := settleDisk(t, r)
		for _, o := range out {
			if (o.Kind == MsgVoteResp || o.Kind == MsgPreVoteResp) && !o.Reject {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		name  string
		lease bool
		event func(*Replica) *Replica
		keeps bool
	}{
		{"nothing", true, func(r *Replica) *Replica { return r }, true},
		{"a restart", true, func(r *Replica) *Replica { return follower(t, true, r.term) }, true},
		{"a later term", true, func(r *Replica) *Replica {
			step(t, r, Message{Kind: MsgPreVoteResp, From: 3, To: 2, Term: 3, Reject: true})
			return r
		}, true},
		{"an election timeout, the first tick of which had begun", true, func(r *Replica) *Replica {
			for range r.cfg.ElectionTicks {
				r.Tick()
			}
			r.Campaign()
			if r.role != Follower {
				t.Error("it stands while a lease may rest on its vote")
			}
			return r
		}, true},
		{"an election timeout and a tick", true, func(r *Replica) *Replica {
			for range r.cfg.ElectionTicks + 1 {
				r.Tick()
			}
			return r
		}, false},
		{"a restart without leases", false, func(r *Replica) *Replica { return follower(t, false, r.term) }, false},
	} {
		for _, ask := range []Message{pre, vote} {
			r := follower(t, c.lease, 2)
			step(t, r, Message{Kind: MsgAppend, From: 1, To: 2, Term: 2, Seq: 1})
			settleDisk(t, r)
			r = c.event(r)
			if got := granted(r, ask); got == c.keeps {
				t.Errorf("%s: %v granted %v", c.name, ask.Kind, got)
			}
		}
	}
}

func follower(t *testing.T, lease bool, term uint64) *Replica {
	t.Helper()
	r, err := New(Config{ID: 2, Storage: noStorage{}, LeaseReads: lease}, Restart{HardState: HardState{Term: term}, Configs: []ConfigAt{{0, Voters(1, 2, 3)}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A transfer that came to nothing leaves a message behind that may still start an election which
// voters do not wait with: no lease in that term any more (§3.10, §6.4.1).
func TestNoLeaseBehindATransfer(t *testing.T) {
	r := lead(t, Config{LeaseReads: true}, Voters(1, 2, 3))
	if _, _, ok := r.Lease(); !ok {
		t.Fatal("no lease before")
	}
	if err := r.Transfer(2); err != nil {
		t.Fatal(err)
	}
	for range r.cfg.ElectionTicks {
		step(t, r, Message{Kind: MsgAppendResp, From: 3, To: 1, Term: 2, Seq: r.seq})
		r.Tick()
		settleDisk(t, r)
	}
	if s := r.Status(); s.State != Leader || s.Transferee != 0 {
		t.Fatalf("%+v", s)
	}
	if _, _, ok := r.Lease(); ok {
		t.Fatal("a lease, while the target may still stand and win at any time")
	}
}

// Reads that waited for a voter which has left are answered, whoever finishes the change: here the
// leader's own disk does (§4.3, §6.4).
func TestReadsOutliveAVoter(t *testing.T) {
	r := lead(t, Config{}, Voters(1, 2))
	if _, err := r.Change(Change{Remove: true, Member: Member{ID: 2}}); err != nil {
		t.Fatal(err)
	}
	rd, err := r.Ready() // the joint configuration: on its way to disk and to node 2
	if err != nil {
		t.Fatal(err)
	}
	step(t, r, Message{Kind: MsgAppendResp, From: 2, To: 1, Term: 2, Index: 2, Match: 2, Seq: r.seq})
	if err := r.Read(7); err != nil {
		t.Fatal(err)
	}
	r.Persisted(rd.Number)
	_, reads := settleDisk(t, r)
	if len(r.Status().Membership.Members) != 1 || len(reads) != 1 || reads[0].Failed {
		t.Fatalf("%+v: %+v", r.Status(), reads)
	}
}

// A forwarded read whose answer is lost fails within an election timeout.
func TestForwardedReadsEnd(t *testing.T) {
	r := follower(t, false, 2)
	step(t, r, Message{Kind: MsgAppend, From: 1, To: 2, Term: 2, Seq: 1})
	settleDisk(t, r)
	if err := r.Read(7); err != nil {
		t.Fatal(err)
	}
	var reads []ReadState
	for i := range 2 * r.cfg.ElectionTicks {
		step(t, r, Message{Kind: MsgAppend, From: 1, To: 2, Term: 2, Seq: uint64(i + 2)})
		r.Tick()
		_, more := settleDisk(t, r)
		reads = append(reads, more...)
	}
	if len(reads) != 1 || !reads[0].Failed || r.Status().Reads != 0 {
		t.Fatalf("%+v, %d wait", reads, r.Status().Reads)
	}
}

// Entries without meaning are bounded like others.
func TestNoopsAreBounded(t *testing.T) {
	r := lead(t, Config{MaxUncommittedBytes: 10 * entryOverhead}, Voters(1, 2, 3))
	n := 0
	for ; n < 100; n++ {
		if _, err := r.ProposeNoop(); err == ErrBusy {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n < 9 || n > 11 {
		t.Fatalf("%d no-ops wait where 10 may", n)
	}
}

// A replica whose caller has made something else of the log than others leads no more and never
// stands, not even when it is told to; its log is sound, so it acknowledges and votes.
func TestFenced(t *testing.T) {
	r := lead(t, Config{}, Voters(1, 2, 3))
	r.Fence()
	stands := func(when string) {
		t.Helper()
		for range 5 * r.cfg.ElectionTicks {
			r.Tick()
		}
		r.Campaign()
		if s := r.Status(); s.State != Follower {
			t.Fatalf("%s: it is %v", when, s.State)
		}
	}
	stands("fenced")
	term := r.term + 1
	step(t, r, Message{Kind: MsgVote, From: 2, To: 1, Term: term, Index: r.log.last, LogTerm: r.log.lastTerm(), Transfer: true})
	settleDisk(t, r)
	if r.vote != 2 {
		t.Error("it does not vote for another")
	}
	step(t, r, Message{Kind: MsgAppend, From: 2, To: 1, Term: term, Index: r.log.last, LogTerm: r.log.lastTerm(), Seq: 1,
		Entries: []Entry{{Index: r.log.last + 1, Term: term, Kind: KindNoop}}})
	settleDisk(t, r)
	if r.log.durable != r.log.last || r.verified != r.log.last {
		t.Error("it takes no entries")
	}
	step(t, r, Message{Kind: MsgTimeoutNow, From: 2, To: 1, Term: term})
	stands("told to stand")
}

// TestALeaseCountsNobodyWithoutAPromise: members that were started without leases, or with a shorter election timeout, may have
// elected another leader while a lease of this one would last.
func TestALeaseCountsNobodyWithoutAPromise(t *testing.T) {
	for _, c := range []struct {
		pledge uint64
		lease  bool
	}{{0, false}, {1, false}, {99, false}, {100, true}, {1000, true}} {
		r := lead(t, Config{LeaseReads: true, ElectionTicks: 10, TickTime: 10}, Voters(1, 2, 3))
		for range 2 { // the last word counts
			step(t, r, Message{Kind: MsgAppendResp, From: 2, To: 1, Term: r.term, Index: r.log.last, Match: r.log.last, Seq: r.seq, Offset: c.pledge})
		}
		if answered, sent, ok := r.Lease(); !ok || (answered == sent) != c.lease {
			t.Errorf("a promise of %d: %d of %d messages are answered, %v", c.pledge, answered, sent, ok)
		}
	}
	for _, lease := range []bool{false, true} {
		r, err := New(Config{ID: 2, Storage: noStorage{}, LeaseReads: lease, TickTime: 7}, Restart{Configs: []ConfigAt{{0, Voters(1, 2, 3)}}})
		if err != nil {
			t.Fatal(err)
		}
		want := uint64(0)
		if lease {
			want = 70
		}
		if got := r.pledge(); got != want {
			t.Errorf("leases %v: it promises %d, want %d", lease, got, want)
		}
	}
}

// TestAFencedNodeOfTheHighestPriority is handed the lead now and then, not all the time: nothing can be written meanwhile.
func TestAFencedNodeOfTheHighestPriority(t *testing.T) {
	all := Voters(1, 2, 3)
	all.Members[2].Priority = 1
	c := newReplicas(t, all, map[NodeID]Formats{1: first, 2: first, 3: first})
	c.list[3].Fence()
	leader, refused := c.lead(1), 0
	for i := range 1000 {
		if _, err := leader.Propose(FirstKind, int64(i), nil); errors.Is(err, ErrTransferring) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
		c.pass(1)
	}
	if refused == 0 || refused > 100 {
		t.Errorf("of 1,000 proposals %d were refused", refused)
	}
}
