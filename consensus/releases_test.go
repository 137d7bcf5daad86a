package consensus

import "errors"

// pledge is who has promised to read a format: a node that lost its disk is another.
type pledge struct {
	id          NodeID
	incarnation uint64
}

func (m *member) pledged() pledge { return pledge{m.id, m.incarnation} }

// drawRelease draws the newest format that a node's release reads: in some runs all have the oldest or the newest one.
func (c *cluster) drawRelease() uint64 {
	switch mixed := c.directed == "shrinking" || c.seed%4 > 1; {
	case !mixed && c.seed%4 == 0:
		return OldestFormat
	case !mixed:
		return NewestFormat
	}
	return OldestFormat + c.rng.Uint64N(NewestFormat-OldestFormat+1)
}

// install puts another release on a node, newer or older, and restarts it.
func (m *member) install() {
	if m.up {
		m.crash()
	}
	if m.newest = m.c.drawRelease(); m.newest < NewestFormat {
		m.c.stats["older release"]++
	}
	m.start()
}

// tooOld judges that a release does not start, for it does not read what the disk holds or has promised to; a newer one
// is installed.
func (m *member) tooOld(err error) bool {
	holds := max(m.hard.Format, m.before.Membership.Format)
	for _, e := range m.entries {
		if e.Kind == KindConfig {
			mb, _ := ParseMembership(e.Data)
			holds = max(holds, mb.Format)
		}
	}
	_, refused := errors.AsType[*FormatError](err)
	if refused != (holds > m.newest) {
		m.c.fail("a release that reads up to %d starts %d, whose disk holds format %d: %v", m.newest, m.id, holds, err)
	}
	if f := m.c.ledger.pledges[m.pledged()]; f > m.newest && !refused {
		m.c.fail("%d has promised to read format %d and starts with a release that reads up to %d", m.id, f, m.newest)
	}
	if refused {
		m.c.stats["older release refused"]++
		m.newest = NewestFormat
	}
	return refused
}

// unfed has a newer release installed on a node whose own reads nothing of its leader's log.
func (m *member) unfed() {
	if m.r.Unread() != 0 {
		m.newest = NewestFormat
		m.crash()
		m.start()
	}
}

// says looks at what a node says of formats, and at whom it sends what its log holds.
func (c *cluster) says(m *member, msg *Message) {
	switch {
	case msg.Kind == MsgAppendResp && msg.Commit > 1:
		if msg.Commit > m.hard.Format {
			c.fail("%d promises to read format %d, its disk knows of %d", m.id, msg.Commit, m.hard.Format)
		}
		c.ledger.pledges[m.pledged()] = max(c.ledger.pledges[m.pledged()], msg.Commit)
	case msg.Kind == MsgSnapshot, msg.Kind == MsgAppend && len(msg.Entries) > 0:
		to, cf := c.nodes[msg.To], m.r.log.config()
		if x, in := cf.Find(msg.To); in && x.Incarnation == to.incarnation && cf.ActiveFormat() > to.newest {
			c.fail("%d sends %v of format %d to %d, whose release reads up to %d", m.id, msg.Kind, cf.ActiveFormat(), msg.To, to.newest)
		}
	}
}

// readable is that a release has nothing in its log that it does not read, and says so of that alone.
func (c *cluster) readable(m *member) {
	if f := m.r.Format(); f > m.newest {
		c.fail("%d, whose release reads up to %d, is in a membership of format %d", m.id, m.newest, f)
	}
	if f := m.r.Unread(); f != 0 && f <= m.newest {
		c.fail("%d, whose release reads up to %d, says that it does not read format %d", m.id, m.newest, f)
	}
	if m.fenced && m.r.role != Follower {
		c.fail("%d, which is fenced, is a %v", m.id, m.r.role)
	}
}

// raises is that a leader raises the format when all others have promised to read it.
func (c *cluster) raises(m *member) {
	list := m.r.log.configs
	for i := len(list) - 1; i > 0 && list[i].index >= m.r.termStart; i-- {
		f := list[i].ActiveFormat()
		if f == list[i-1].ActiveFormat() {
			continue
		}
		c.stats["format raised"]++
		for _, x := range list[i].Members {
			if p := (pledge{x.ID, x.Incarnation}); x.ID != m.id && c.ledger.pledges[p] < f {
				c.fail("%d raises the format to %d; %d, a %v, has not promised to read it", m.id, f, x.ID, x.Role)
			}
		}
	}
}

// done says whether a leader has brought its membership where it is to be: no change is under way, who is to be promoted
// is, and the format is the newest that all members read.
func (c *cluster) done(m *member) bool {
	cf, f := m.r.log.config(), uint64(NewestFormat)
	for _, x := range cf.Members {
		if o := c.nodes[x.ID]; !o.up || o.full {
			return !cf.Joint() // it may be waited for
		}
		if x.Promote || x.Role > Voter || x.Incarnation != c.nodes[x.ID].incarnation {
			return false
		}
		f = min(f, c.nodes[x.ID].newest)
	}
	return cf.ActiveFormat() >= f
}
