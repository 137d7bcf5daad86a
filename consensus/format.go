package consensus

import "fmt"

// A format is a number for all that members must be able to read of each other and find on their disks:
// entries, snapshots, and what they have promised. Each release reads a range of them. The cluster has one
// that is active, in its membership; the leader raises it when all members, learners as well, read a
// newer one, and it never falls. What is new in a format is written where that one is active, not before.
//
// So that no member goes back to an older release meanwhile, the leader asks for a promise first: a
// member that reads the format makes durable that it will, as it does with a vote, and a release that
// does not read it refuses to start there. The entry that raises the format is written when all have
// promised. A member that does not answer holds this up, until it is back or removed; what it promised to this
// leader before counts. A node that is taken in promises before it is sent anything.
//
//	1  all that was written before formats had numbers
//	2  a membership says which format is active; the entry that opens a term names the leader
//	3  a membership names the history that the log is, see Membership.History
const (
	OldestFormat uint64 = 1 // that this release reads
	NewestFormat uint64 = 3

	// formatNamed is since when the entry that opens a term names its leader.
	formatNamed = 2
	// HistoryFormat is since when a membership names the history that the log is.
	HistoryFormat uint64 = 3
)

// Formats is the range of formats that a release reads, both ends included.
type Formats struct{ Oldest, Newest uint64 }

// Reads says whether f is in the range; 0 stands for 1.
func (r Formats) Reads(f uint64) bool {
	f = max(1, f)
	return r.Oldest <= f && f <= r.Newest
}

// FormatError says that a release does not read what the cluster writes.
type FormatError struct {
	Node   NodeID  // whose release
	Reads  Formats // what it reads
	Format uint64  // what the cluster writes, or this node has promised to read
}

// Error names both, and says what to do.
func (e *FormatError) Error() string {
	advice := "start a newer release, such as the other members run"
	if e.Format < e.Reads.Oldest {
		advice = "start an older release, which reads both, on all members first; it raises the cluster's format"
	}
	return fmt.Sprintf("consensus: node %d runs a release that reads the formats %d to %d; the format of its cluster is %d: %s", e.Node, e.Reads.Oldest, e.Reads.Newest, e.Format, advice)
}

// ActiveFormat returns the format that may be written; at least 1.
func (m Membership) ActiveFormat() uint64 { return max(1, m.Format) }

// NoopLeader returns who opened a term with an entry of [KindNoop]; 0 when it does not say so, as in
// format 1, or the entry opens none.
func NoopLeader(data []byte) NodeID {
	id, fits := uint64(0), len(data) > 0 && len(data) <= 8
	for i := 0; fits && i < len(data); i++ {
		id |= uint64(data[i]) << (8 * i)
	}
	return NodeID(id)
}

// opening is what opens a term: a no-op that names the leader, where that may be written.
func (r *Replica) opening() []byte {
	if r.log.config().ActiveFormat() < formatNamed {
		return nil
	}
	var b []byte
	for id := uint64(r.cfg.ID); id > 0; id >>= 8 {
		b = append(b, byte(id))
	}
	return b
}

// unreadable returns a format, of those that a restart finds, that the replica does not read.
func (c *Config) unreadable(r *Restart) error {
	list := []uint64{r.HardState.Format}
	for i := range r.Configs {
		list = append(list, r.Configs[i].Membership.Format)
	}
	for _, f := range list {
		if f > c.Formats.Newest {
			return &FormatError{c.ID, c.Formats, f}
		}
	}
	if k := len(r.Configs); k > 0 && len(r.Configs[k-1].Membership.Members) > 0 && !c.Formats.Reads(r.Configs[k-1].Membership.Format) {
		return &FormatError{c.ID, c.Formats, r.Configs[k-1].Membership.ActiveFormat()}
	}
	return nil
}

// tellFormats adds to a message what is to be said of formats.
func (r *Replica) tellFormats(m *Message) {
	switch m.Kind {
	case MsgAppend, MsgSnapshot:
		m.Hint, m.HintTerm = r.log.config().Format, r.wanted
	case MsgAppendResp:
		m.LogTerm, m.Commit = r.cfg.Formats.Newest, r.format
	}
}

// promiseFormat makes durable, before anything else is said, that this node reads format f.
func (r *Replica) promiseFormat(f uint64) {
	if f > r.format && f > 1 {
		r.format, r.hardNumber = f, r.number+1
	}
}

// readsLeader says whether this replica reads what the leader's log holds, and promises to do so. If it does
// not, the leader is told, and nothing is taken.
func (r *Replica) readsLeader(m Message) bool {
	active := max(1, m.Hint)
	if !r.cfg.Formats.Reads(active) {
		r.unread = active
		r.refuse(Message{Kind: MsgAppend, From: m.From, Index: m.Index, LogTerm: m.LogTerm})
		return false
	}
	r.unread = 0
	r.promiseFormat(active)
	if r.cfg.Formats.Reads(m.HintTerm) {
		r.promiseFormat(m.HintTerm)
	}
	return true
}

// heardFormats notes what a peer reads and has promised; m.Seq says that nothing newer was heard.
func (p *progress) heardFormats(m Message) { p.newest, p.promised = max(1, m.LogTerm), m.Commit }

// reads says whether a peer may be sent what the log holds. Voters have all promised to read it, by the time
// that the format was raised or they had caught up; a learner that has not answered this leader may be new.
func (r *Replica) readsLog(id NodeID, p *progress) bool {
	f := r.log.config().ActiveFormat()
	if f == 1 || p.promised >= f {
		return true
	}
	x, _ := r.log.config().Find(id)
	return p.newest == 0 && x.Role != Learner
}

// raiseFormat asks for the promises that a newer format needs, and raises it when all are there.
func (r *Replica) raiseFormat() {
	c := r.log.config()
	r.wanted = 0
	f, promised := r.cfg.Formats.Newest, r.format
	for _, x := range c.Members {
		if x.ID == r.cfg.ID {
			continue
		}
		p := r.peers[x.ID]
		if p.incarnation != x.Incarnation {
			return // it is about to be taken in again
		}
		f, promised = min(f, p.newest), min(promised, p.promised)
	}
	if f <= c.ActiveFormat() {
		return
	}
	r.wanted = f
	r.promiseFormat(f)
	if promised < f || c.Joint() || c.index > r.log.commit || r.log.commit < r.termStart || r.transferee != 0 {
		return
	}
	next := c.Membership
	next.Format = f
	r.nameHistory(&next)
	r.appendOwn(KindConfig, AppendMembership(nil, next))
	r.raisedAt = r.log.last
}

// raisedAlone returns the membership with the newest format, and whether that is news, where nobody else is to be asked.
func (r *Replica) raisedAlone(m Membership) (Membership, bool) {
	f := r.cfg.Formats.Newest
	if !m.IsOnly(r.cfg.ID) || f <= m.ActiveFormat() {
		return m, false
	}
	r.promiseFormat(f)
	m.Format = f
	r.nameHistory(&m)
	return m, true
}

// nameHistory gives a membership of a format that has one the name of its history, unless it has one.
func (r *Replica) nameHistory(m *Membership) {
	for m.Format >= HistoryFormat && m.History == 0 {
		m.History = r.chance.next()
	}
}

// unpromised returns an error when a member that is to get a vote has not promised to read what the log holds: of voters
// that is taken for granted.
func (r *Replica) unpromised(next *config) error {
	c := r.log.config()
	f := c.ActiveFormat()
	for _, id := range next.voters {
		if x, _ := c.Find(id); f == 1 || x.Role != Learner || id == r.cfg.ID {
			continue // Find's zero Member, of one that is none yet, is a learner
		}
		switch p := r.peers[id]; {
		case p == nil || p.newest == 0:
			return ErrUnheard
		case p.promised < f:
			return &FormatError{id, Formats{OldestFormat, p.newest}, f}
		}
	}
	return nil
}
