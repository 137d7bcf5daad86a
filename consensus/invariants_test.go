package consensus

import (
	"bytes"
	"slices"
)

// ledger is what a cluster remembers of all that happened, to hold each step against it.
type ledger struct {
	votes map[ballot]NodeID            // all that ever counted
	left  map[[2]uint64]map[uint64]int // leader's messages: (sender, term), seq -> step at which it left
	heard map[[2]uint64]int            // (node, term) -> newest of the term's leader that it took in, by step of sending
	asked map[uint64]question          // by read
	known []config                     // committed ones, in order

	entries map[[2]uint64]Entry // by index and term: what was sent, or reached a disk
	pledges map[pledge]uint64   // newest format that somebody has promised to read
}

// question is a read: when it was asked, in which term if its node led, and under which configuration.
type question struct {
	step         int
	term, config uint64
}

type ballot struct {
	node              NodeID
	incarnation, term uint64
}

func newLedger() ledger {
	return ledger{votes: map[ballot]NodeID{}, left: map[[2]uint64]map[uint64]int{}, heard: map[[2]uint64]int{}, asked: map[uint64]question{}, entries: map[[2]uint64]Entry{}, pledges: map[pledge]uint64{}}
}

// voted: term never falls and at most one vote for each term reaches a disk, over restarts too.
func (c *cluster) voted(m *member, h HardState) {
	if h.Term < m.hard.Term {
		c.fail("%d writes term %d, its disk has %d", m.id, h.Term, m.hard.Term)
	}
	c.vote(m, h.Term, h.Vote)
}

// vote: one for each term, on disk or, when a later term overtook it there, in an answer.
func (c *cluster) vote(m *member, term uint64, vote NodeID) {
	b := ballot{m.id, m.incarnation, term}
	if was, ok := c.ledger.votes[b]; ok && was != vote {
		c.fail("%d votes for %d and %d in term %d", m.id, was, vote, term)
	}
	if vote != 0 {
		c.ledger.votes[b] = vote
	}
}

// elected: a leader has durable votes of a quorum, of both halves of a joint configuration.
func (c *cluster) elected(m *member) {
	cf := m.r.log.config()
	if !c.quorum(cf, func(x Member) bool { return c.ledger.votes[ballot{x.ID, x.Incarnation, m.r.term}] == m.id }) {
		c.fail("%d leads term %d without the durable votes of a quorum of %+v", m.id, m.r.term, cf.Members)
	}
}

// quorum says whether enough voters of each half are in, by a count of its own.
func (c *cluster) quorum(cf *config, in func(Member) bool) bool {
	for _, roles := range [2][]Role{{Voter, Incoming}, {Voter, Outgoing, Demoted}} {
		all, yes := 0, 0
		for _, x := range cf.Members {
			if slices.Contains(roles, x.Role) {
				all++
				if in(x) {
					yes++
				}
			}
		}
		if 2*yes <= all && all > 0 {
			return false
		}
	}
	return true
}

// has says whether the disk of that incarnation holds, or held when it was lost, an entry.
func (c *cluster) has(x Member, index, term uint64) bool {
	m := c.nodes[x.ID]
	entries, ok := m.lost[x.Incarnation]
	if m.incarnation == x.Incarnation {
		if index <= m.before.Index {
			return true
		}
		entries, ok = m.entries, true
	}
	if !ok || len(entries) == 0 {
		return false
	}
	if index < entries[0].Index {
		return true // behind its snapshot
	}
	i := index - entries[0].Index
	return i < uint64(len(entries)) && entries[i].Term == term
}

// counted: what a leader has committed by counting is of its term and on the disks of a quorum of
// the newest configuration in its log.
func (c *cluster) counted(m *member, s Status) {
	l := m.r.log
	was, first := m.counted, m.countedTerm != s.Term
	m.counted, m.countedTerm = s.Commit, s.Term
	if s.Commit == was && !first || s.Commit < m.r.termStart && first {
		return
	}
	term, ok := l.term(s.Commit)
	if !ok || term != s.Term {
		c.fail("%d commits %d of term %d by counting in term %d", m.id, s.Commit, term, s.Term)
	}
	has := func(x Member) bool { return c.has(x, s.Commit, term) }
	if c.quorum(l.config(), has) {
		return
	}
	// The commit of a joint configuration has just put its successor into the log.
	if n := len(l.configs); n == 2 && l.configs[0].Joint() && c.quorum(&l.configs[0], has) {
		return
	}
	c.fail("%d commits %d without a quorum of %+v", m.id, s.Commit, l.config().Members)
}

// compared: whoever gets a vote has a log that is not behind the voter's.
func (c *cluster) compared(to *member, before HardState, m *Message) {
	if m.Kind != MsgVote || to.r.term != m.Term || to.r.vote != m.From || before == to.hardState() {
		return
	}
	if c.lease && !m.Transfer && to.clock < to.promised {
		c.fail("%d votes for %d though a lease may rest on what it answered for %.2f ticks more", to.id, m.From, to.promised-to.clock)
	}
	index, term := to.r.log.last, to.r.log.lastTerm()
	if m.LogTerm < term || m.LogTerm == term && m.Index < index {
		c.fail("%d votes for %d, whose log ends at %d of term %d, its own at %d of term %d", to.id, m.From, m.Index, m.LogTerm, index, term)
	}
}

// configs: those that count are those in the log: in order, each from its entry, at most one not
// committed beside the joint one's successor.
func (c *cluster) configs(m *member) {
	l := m.r.log
	for i := range l.configs {
		cf := &l.configs[i]
		if cf.index > l.last || i > 0 && cf.index <= l.configs[i-1].index {
			c.fail("%d: a configuration of entry %d counts, the log ends at %d", m.id, cf.index, l.last)
		}
		if first := l.tailFirst(); cf.index >= first && cf.index > l.before {
			e := &l.tail[cf.index-first]
			if e.Kind != KindConfig || !bytes.Equal(e.Data, AppendMembership(nil, cf.Membership)) {
				c.fail("%d: the configuration of entry %d is not what that entry says", m.id, cf.index)
			}
		}
	}
	if l.commit <= uint64(len(c.committed)) {
		for i := len(c.ledger.known) - 1; i >= 0; i-- {
			if k := &c.ledger.known[i]; k.index <= l.commit {
				if !slices.Equal(k.Members, l.configs[0].Members) || k.Format != l.configs[0].Format {
					c.fail("%d: at its commit %d the configuration of entry %d is in force, not %+v", m.id, l.commit, k.index, l.configs[0].Members)
				}
				break
			}
		}
	}
	if cf := l.config(); m.r.role == Leader && cf.index <= l.commit && !cf.Joint() && !cf.votes(m.id) {
		c.fail("%d leads on though the configuration at %d, without it, is committed", m.id, cf.index)
	}
	// A restart may have forgotten what is committed; what a leader adds waits for that.
	// One that changes the format alone has the quorums of the one before.
	open := len(l.configs)
	for i := 1; i < len(l.configs); i++ {
		if slices.Equal(l.configs[i].Members, l.configs[i-1].Members) && l.configs[i].Format > l.configs[i-1].Format {
			open--
		}
	}
	if n := open; n > 2 && m.r.role == Leader && l.config().index >= m.r.termStart {
		c.fail("%d: %d configurations are not committed", m.id, n-1)
	} else if l.configs[0].index > l.commit {
		c.fail("%d: no committed configuration is in force: %d, commit %d", m.id, l.configs[0].index, l.commit)
	}
	for i := range l.tail {
		if e := &l.tail[i]; e.Kind == KindConfig && e.Index > l.configs[0].index && !slices.ContainsFunc(l.configs, func(cf config) bool { return cf.index == e.Index }) {
			c.fail("%d: the configuration at %d does not count", m.id, e.Index)
		}
	}
	if last := m.last(); l.durable > last {
		c.fail("%d: durable is held to be %d, the disk has %d", m.id, l.durable, last)
	}
}

// follows: voters change through a joint configuration only.
func (c *cluster) follows(e Entry) {
	if e.Kind != KindConfig {
		return
	}
	mb, err := ParseMembership(e.Data)
	if err != nil {
		c.fail("committed configuration at %d: %v", e.Index, err)
	}
	next := newConfig(e.Index, mb)
	if n := len(c.ledger.known); n > 0 {
		was := &c.ledger.known[n-1]
		from, to := was.voters, next.voters
		if next.Joint() {
			to = next.outgoing
		}
		if next.ActiveFormat() < was.ActiveFormat() || was.History != 0 && next.History != was.History {
			c.fail("the configuration at %d is of format %d and history %x, the one before of %d and %x", e.Index, next.Format, next.History, was.Format, was.History)
		}
		if was.Joint() && next.Joint() || !slices.Equal(from, to) {
			c.fail("the configuration at %d (voters %v, outgoing %v) follows the one at %d (%v, %v)", e.Index, next.voters, next.outgoing, was.index, was.voters, was.outgoing)
		}
	}
	c.ledger.known = append(c.ledger.known, next)
}

// leaves notes when a leader's message was sent.
func (c *cluster) leaves(m *member, msg Message) {
	c.same(m, msg.Entries)
	c.says(m, &msg)
	if msg.Seq == 0 || !msg.Kind.fromLeader() {
		return
	}
	k := [2]uint64{uint64(m.id), msg.Term}
	if c.ledger.left[k] == nil {
		c.ledger.left[k] = map[uint64]int{}
	}
	c.ledger.left[k][msg.Seq] = c.steps
	if m.sent == nil || m.sentTerm != msg.Term {
		m.sent, m.sentTerm = map[uint64]float64{}, msg.Term
	}
	m.sent[msg.Seq] = m.clock
}

// heard notes how new the news is that a node has of a term's leader.
func (c *cluster) heard(to *member, m Message) {
	if m.Seq == 0 || !m.Kind.fromLeader() {
		return
	}
	if pledge := to.r.pledge(); m.Term == to.r.term && pledge > 0 {
		to.promised, to.pledge = max(to.promised, to.clock+float64(pledge)), max(to.pledge, pledge)
	}
	k := [2]uint64{uint64(to.id), m.Term}
	c.ledger.heard[k] = max(c.ledger.heard[k], c.ledger.left[[2]uint64{uint64(m.From), m.Term}][m.Seq])
}

// confirmed: a leader answers a read after a quorum took in what it sent after the read began.
func (c *cluster) confirmed(m *member, id uint64) {
	q, cf := c.ledger.asked[id], m.r.log.config()
	if m.r.role != Leader || q.term != m.r.term || q.config != cf.index {
		return // forwarded, or the leader or the quorum is another one by now
	}
	if !c.quorum(cf, func(x Member) bool {
		return x.ID == m.id || c.ledger.heard[[2]uint64{uint64(x.ID), m.r.term}] >= q.step
	}) {
		c.fail("read %d is answered by %d without the word of a quorum", id, m.id)
	}
}

// Leases: true time passes for all, each clock goes a little wrong, and the reader leaves that much
// and no more.
const clockDrift = 0.05

func (c *cluster) pass() {
	c.ticks++
	if c.rng.IntN(10) > 0 {
		c.hurry(12)
	}
	for _, id := range c.ids {
		m := c.nodes[id]
		m.clock += m.rate
		for m.clock-m.ticked >= 1 {
			m.ticked++
			if m.up && !c.sleeps(id) {
				m.tick()
				c.check(m)
			}
		}
		c.leaseRead(m)
	}
}

// hurry lets disks and network be quick for a while.
func (c *cluster) hurry(rounds int) {
	for range rounds {
		for _, id := range c.ids {
			m := c.nodes[id]
			if !m.up || c.sleeps(id) {
				continue
			}
			for n := 0; m.wants(); n++ {
				if m.ready(); n > 1000 {
					c.fail("%d has work without end", id)
				}
			}
			for len(m.pending) > 0 {
				m.persist()
			}
			for len(m.toApply) > 0 {
				m.apply()
			}
			c.check(m)
		}
		for range len(c.net) {
			c.deliver()
		}
	}
}

// hears: a leader has heard of a quorum within an election timeout.
func (c *cluster) hears(m *member) {
	if m.r.role == Leader && m.r.quorum(m.r.log.config()) != nil {
		c.fail("%d leads on though no quorum answers", m.id)
	}
}

// leaseRead reads through the lease as a driver would: from the sending of what a quorum has
// answered, for an election timeout less what two clocks may differ.
func (c *cluster) leaseRead(m *member) {
	if !c.lease || !m.up || c.sleeps(m.id) {
		return
	}
	answered, _, ok := m.r.Lease()
	if !ok || m.sentTerm != m.r.term {
		return
	}
	since, known := m.sent[answered]
	if cf := m.r.log.config(); len(cf.voters) == 1 && len(cf.outgoing) == 0 && cf.votes(m.id) {
		since, known = m.clock, true
	}
	if !known || m.clock-since >= float64(m.r.cfg.ElectionTicks)*(1-clockDrift)/(1+clockDrift) {
		return
	}
	c.stats["lease read"]++
	if index := m.r.Committed(); index < uint64(len(c.committed)) {
		c.fail("%d reads up to %d through its lease, %d are committed", m.id, index, len(c.committed))
	}
}

// sleeps says whether a node is paused: it does nothing, and what is sent to it waits.
func (c *cluster) sleeps(id NodeID) bool {
	return c.faults && (c.steps < c.paused[id] || c.ticks < c.nodes[id].wakes)
}

// same is log matching: what has an index and a term is one entry, wherever it is.
func (c *cluster) same(m *member, list []Entry) {
	for _, e := range list {
		k := [2]uint64{e.Index, e.Term}
		was, known := c.ledger.entries[k]
		if known && (was.Kind != e.Kind || was.Time != e.Time || !bytes.Equal(was.Data, e.Data)) {
			c.fail("log matching: %d has at %d of term %d %q, elsewhere it is %q", m.id, e.Index, e.Term, e.Data, was.Data)
		}
		if !known {
			c.ledger.entries[k] = e
		}
	}
}

// views is that all that a replica says of itself agrees.
func (c *cluster) views(m *member, s Status) {
	leads, ready, term, start := m.r.Leadership()
	l, y := m.r.Leading()
	if leads != (s.State == Leader) || l != leads || y != ready || term != s.Term || ready != (leads && s.Commit >= start) {
		c.fail("%d leads: %v %v %v %v, ready: %v %v, in term %d from %d on: %+v", m.id, leads, l, s.State, s.Lead, ready, y, term, start, s)
	}
	if lead := m.r.Lead(); lead != s.Lead && (lead != 0 || leads) {
		c.fail("%d says that %d leads, and %d", m.id, lead, s.Lead)
	}
	if told, untold := m.r.Untold(); untold && (!leads || told >= s.Commit) {
		c.fail("%d has told of the commit %d, which is %d", m.id, told, s.Commit)
	}
	if in, bytes, ok := m.r.Incoming(); ok && (bytes > in.Size || in.Index == 0) {
		c.fail("%d has %d bytes of %+v", m.id, bytes, in)
	}
	for _, out := range m.r.Offering() {
		if out.Index == 0 || !leads {
			c.fail("%d offers %+v", m.id, out)
		}
	}
}
