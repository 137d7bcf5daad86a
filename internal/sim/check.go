package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// checker knows what has ever been said to be committed in a group, and holds everything against it.
type checker struct {
	s       *simulation
	g       *group
	log     []eventlog.Record // committed, by index-1
	configs []uint64          // indexes of the memberships among them
	time    int64             // of the newest batch
	terms   []uint64          // by index-1: in which term, at the latest, it was committed
	replay  *engine.Replay    // applies it, beside all nodes
	roots   map[uint64]*state.Root
	made    map[string]uint64 // sequence of the transaction of each request, by operation
	never   map[string]bool   // attempts that failed for certain
	leaders map[uint64]consensus.NodeID
	votes   map[ballot]consensus.NodeID
	chains  map[place]eventlog.Sum
	pledges map[pledge]uint64 // formats that nodes have promised to read
	format  uint64            // active behind what is committed
	history uint64            // named there
}

// ballot is the one vote of a node in a term. A node that lost its disk is another.
type ballot struct {
	id          consensus.NodeID
	incarnation uint64
	term        uint64
}

// place is an entry: no two differ in anything else (log matching).
type place struct{ index, term uint64 }

func newChecker(s *simulation, g *group) *checker {
	return &checker{
		s: s, g: g, replay: engine.NewReplay(state.Empty(), 0), roots: map[uint64]*state.Root{0: state.Empty()}, made: map[string]uint64{}, never: map[string]bool{},
		leaders: map[uint64]consensus.NodeID{}, votes: map[ballot]consensus.NodeID{}, chains: map[place]eventlog.Sum{}, pledges: map[pledge]uint64{},
	}
}

// tap stands between a node and its engine, and hears all.
type tap struct {
	engine.Sink
	p *part
}

// Replay implements node.Sink.
func (t tap) Replay(records []eventlog.Record) error {
	t.p.g.check.committed(t.p, records, true)
	return t.Sink.Replay(records)
}

// Committed implements node.Sink.
func (t tap) Committed(records []eventlog.Record) {
	if t.p.m.dark {
		return
	}
	t.p.g.check.committed(t.p, records, false)
	t.Sink.Committed(records)
}

// Installed implements node.Snapshots.
func (t tap) Installed() {
	if t.p.m.dark {
		return
	}
	t.p.g.check.installed(t.p)
	t.Sink.Installed()
}

// Leading implements node.Sink.
func (t tap) Leading(epoch uint64) {
	t.p.tell("takes writes")
	t.Sink.Leading(epoch)
}

// Lost implements node.Sink.
func (t tap) Lost(epoch uint64, known bool, cause error) {
	t.p.tell("takes no writes any more: %v", cause)
	t.Sink.Lost(epoch, known, cause)
}

// committed takes note of what a node says is final: state machine safety.
func (c *checker) committed(p *part, records []eventlog.Record, passing bool) {
	for i := range records {
		r := &records[i]
		c.readable(p, r)
		n := uint64(len(c.log))
		switch {
		case r.Index > n+1:
			violated("node %d reports entry %d while %d are known to be committed", p.m.id, r.Index, n)
		case r.Index == n+1:
			c.add(p, *r, passing)
		default:
			k := &c.log[r.Index-1]
			if k.Term != r.Term || k.Kind != r.Kind || k.Time != r.Time || !bytes.Equal(k.Payload, r.Payload) {
				violated("state machine safety: node %d has at index %d an entry of term %d and kind %d, elsewhere it is of term %d and kind %d", p.m.id, r.Index, r.Term, r.Kind, k.Term, k.Kind)
			}
		}
	}
}

// installed is that a snapshot stands for what is committed, with the membership in force there.
func (c *checker) installed(p *part) {
	st := p.n.Status()
	c.s.stats["snapshot installed"]++
	p.tell("a snapshot takes the place of log and state; the log begins at %d", p.log.First())
	if last := p.log.First() - 1; last > uint64(len(c.log)) || last > st.Commit {
		violated("node %d installs a snapshot of entries up to %d, %d are known to be committed", p.m.id, last, len(c.log))
	}
	at := p.log.First() - 1
	var m consensus.Membership
	for _, index := range c.configs {
		if index <= at {
			var err error
			if m, err = consensus.ParseMembership(c.log[index-1].Payload); err != nil {
				violated("entry %d: %v", index, err)
			}
		}
	}
	if got := p.n.Identity().Membership; p.n.Identity().MembershipIndex == at && (!slices.Equal(got.Members, m.Members) || got.ActiveFormat() != m.ActiveFormat()) {
		violated("node %d installs a snapshot at %d with the membership %s; in force there was %s", p.m.id, at, describe(got), describe(m))
	}
}

// add is the first word of an entry being committed.
func (c *checker) add(p *part, r eventlog.Record, passing bool) {
	if passing {
		r.Payload = bytes.Clone(r.Payload)
	}
	c.formatOf(&r)
	c.log = append(c.log, r)
	term := ^uint64(0) // of a replay: nobody knows
	if !passing {
		_, term = p.n.Commit()
	}
	c.terms = append(c.terms, term)
	if err := c.replay.Apply(r, ^uint64(0)); err != nil {
		violated("entry %d, which node %d reports as committed, cannot be applied: %v", r.Index, p.m.id, err)
	}
	if r.Kind == consensus.KindConfig {
		c.configs = append(c.configs, r.Index)
	}
	if r.Kind != engine.KindBatch {
		return
	}
	e, err := engine.DecodeEntry(r.Payload)
	if err != nil {
		violated("entry %d: %v", r.Index, err)
	}
	if r.Time <= c.time {
		violated("the time of entry %d is not behind that of the batch before it", r.Index)
	}
	c.time = r.Time
	for i := range e.Txs {
		c.once(&e.Txs[i])
	}
	root := c.replay.Root()
	c.roots[root.Seq()] = root
}

// once is that no operation takes effect twice, however often it is tried.
func (c *checker) once(t *engine.Transaction) {
	if t.RequestID == "" {
		return
	}
	op, _, _ := strings.Cut(t.RequestID, "/")
	if was, ok := c.made[op]; ok {
		violated("exactly once: operation %s was made at sequence %d and again at %d", op, was, t.Seq)
	}
	c.made[op] = t.Seq
	if c.never[t.RequestID] {
		violated("request %s failed for certain, yet it is committed at sequence %d", t.RequestID, t.Seq)
	}
}

// answered is what a client is told of a write.
func (c *checker) answered(p *part, request string, res engine.Result) {
	op, _, _ := strings.Cut(request, "/")
	if seq, ok := c.made[op]; !ok || seq != res.Seq {
		violated("node %d acknowledges %s at sequence %d; committed it is at %d (%v)", p.m.id, request, res.Seq, seq, ok)
	}
}

// fresh is that an answer without a write shows a state that was not past when it was asked for,
// and that is final.
func (c *checker) fresh(p *part, call *pendingCall) {
	if seq := call.call.Result.Seq; seq > c.committedSeq() {
		violated("node %d answers %s from the state of sequence %d, which is not committed", p.m.id, call.request, seq)
	}
	if call.call.Result.Seq < call.asked {
		violated("node %d answers %s from the state of sequence %d; when it came, %d was committed", p.m.id, call.request, call.call.Result.Seq, call.asked)
	}
}

// failed is that a client was told that an attempt has had no effect and will have none.
func (c *checker) failed(p *part, request string, err error) {
	op, _, _ := strings.Cut(request, "/")
	c.never[request] = true
	if seq, ok := c.made[op]; ok && c.g.history.only(op, request) {
		violated("node %d says of %s that it has failed (%v), but it is committed at sequence %d", p.m.id, request, err, seq)
	}
}

// sent looks at what a node says to another.
func (c *checker) sent(p *part, m *consensus.Message) {
	mc := p.m
	if m.Kind != consensus.MsgPreVote && m.Kind != consensus.MsgPreVoteResp {
		mc.claimed[c.g.number] = max(mc.claimed[c.g.number], m.Term)
	}
	c.says(p, m)
	switch {
	case m.Kind == consensus.MsgVote:
		c.vote(p, m.Term, mc.id)
	case m.Kind == consensus.MsgVoteResp && !m.Reject:
		c.vote(p, m.Term, m.To)
	case m.Kind == consensus.MsgAppendResp && !m.Reject && m.Match > p.log.Durable():
		violated("node %d acknowledges entries up to %d, its disk has them up to %d", mc.id, m.Match, p.log.Durable())
	}
}

func (c *checker) vote(p *part, term uint64, to consensus.NodeID) {
	b := ballot{p.m.id, p.n.Identity().Incarnation, term}
	if was, ok := c.votes[b]; ok && was != to {
		violated("node %d votes twice in term %d: for %d and for %d", p.m.id, term, was, to)
	}
	c.votes[b] = to
}

// started looks at what a process found.
func (c *checker) started(p *part) {
	p.status = p.n.Status()
	c.startsOld(p)
	if p.status.Term < p.m.claimed[c.g.number] {
		violated("node %d starts in term %d, it has spoken of term %d", p.m.id, p.status.Term, p.m.claimed[c.g.number])
	}
	if p.status.Last < p.m.holds[c.g.number] {
		violated("node %d has had entry %d, which is committed, on its disk, and starts with %d", p.m.id, p.m.holds[c.g.number], p.status.Last)
	}
	if p.log.Recovery().CutBytes > 0 {
		c.s.stats["torn tail"]++
	}
	c.observe(p)
	c.published(p)
}

// observe looks at a node after each call.
func (c *checker) observe(p *part) {
	was, now := &p.status, p.n.Status()
	if now.Term < was.Term || now.Commit < was.Commit || now.Applied < was.Applied {
		violated("node %d goes back: term %d to %d, commit %d to %d, applied %d to %d", p.m.id, was.Term, now.Term, was.Commit, now.Commit, was.Applied, now.Applied)
	}
	if now.Applied > now.Released || now.Released > now.Commit || now.Commit > now.Last || now.Durable > now.Last {
		violated("node %d: the order of its indexes is broken: %+v", p.m.id, now)
	}
	for i := len(c.configs) - 1; i >= 0 && c.configs[i] > now.MembershipIndex; i-- {
		if c.configs[i] <= now.Commit {
			violated("node %d is in the membership of entry %d, while that of entry %d is committed there", p.m.id, now.MembershipIndex, c.configs[i])
		}
	}
	c.raises(p, was, &now)
	if now.State == consensus.Leader && (was.State != consensus.Leader || was.Term != now.Term) {
		c.leads(p, &now)
	}
	if c.s.trace != nil && (was.State != now.State || was.Term != now.Term) {
		p.tell("%v in term %d", now.State, now.Term)
	}
	if c.s.trace != nil && (was.MembershipIndex != now.MembershipIndex || was.MembershipCommitted != now.MembershipCommitted) {
		p.tell("membership of entry %d, committed %v: %s", now.MembershipIndex, now.MembershipCommitted, describe(now.Membership))
	}
	telling := was.Term != now.Term || was.State != now.State || was.Vote != now.Vote || was.MembershipIndex != now.MembershipIndex || was.MembershipCommitted != now.MembershipCommitted
	p.status = now
	if err := p.n.Fenced(); err != nil {
		violated("node %d is fenced, and no state was altered: %v", p.m.id, err)
	}
	if p.n.Differs() > 0 {
		violated("node %d takes states for different at index %d", p.m.id, p.n.Differs())
	}
	c.durable(p)
	if telling {
		c.s.telling(p)
	}
}

// leads is election safety and leader completeness.
func (c *checker) leads(p *part, st *consensus.Status) {
	if was, ok := c.leaders[st.Term]; ok && was != p.m.id {
		violated("election safety: term %d is led by node %d and by node %d", st.Term, was, p.m.id)
	}
	c.leaders[st.Term] = p.m.id
	c.s.stats["leader"]++
	c.s.snapshotSoon()
	n := len(c.log)
	for i := max(0, n-100); i < n; i++ {
		r := &c.log[i]
		if c.terms[i] >= st.Term {
			break // a leader of the past need not have it
		}
		if term, ok := p.n.Term(r.Index); ok && term != r.Term || !ok && r.Index >= st.First {
			violated("leader completeness: node %d leads term %d and has at index %d term %d (%v), committed is term %d", p.m.id, st.Term, r.Index, term, ok, r.Term)
		}
	}
}

// durable is log matching: what has been made durable, by the chain over all of it.
func (c *checker) durable(p *part) {
	if i := min(p.status.Durable, uint64(len(c.log))); i > p.m.holds[c.g.number] {
		if term, ok := p.n.Term(i); ok && term == c.log[i-1].Term {
			p.m.holds[c.g.number] = i
		}
	}
	last, sum := p.log.Chain()
	if last != p.status.Durable || last == 0 || sum == p.chain {
		return // an older log is still in the place of what the core has
	}
	p.chain = sum
	term, ok := p.n.Term(last)
	if !ok {
		return
	}
	k := place{last, term}
	if known, ok := c.chains[k]; ok && known != sum {
		violated("log matching: node %d has entry %d of term %d behind another log than others", p.m.id, last, term)
	}
	c.chains[k] = sum
}

// published is that equal sequences have equal states.
func (c *checker) published(p *part) {
	root := p.e.Root()
	if root.Seq() == p.published || p.m.dark || p.m.proc != p.process {
		return
	}
	if root.Seq() < p.published {
		violated("the state of node %d goes back from sequence %d to %d", p.m.id, p.published, root.Seq())
	}
	p.published = root.Seq()
	known := c.roots[root.Seq()]
	if known == nil {
		violated("node %d shows a state at sequence %d, where no committed entry ends", p.m.id, root.Seq())
	}
	if known.Hash() != root.Hash() {
		violated("the state of node %d at sequence %d has hash %x, a replay of the log %x", p.m.id, root.Seq(), root.Hash(), known.Hash())
	}
}

// committedSeq is the sequence up to which it is known that all is committed.
func (c *checker) committedSeq() uint64 { return c.replay.Seq() }

func describe(m consensus.Membership) string {
	var b strings.Builder
	for i, x := range m.Members {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "n%d %v", x.ID, x.Role)
	}
	if m.Format > 1 {
		fmt.Fprintf(&b, ", format %d", m.Format)
	}
	return b.String()
}
