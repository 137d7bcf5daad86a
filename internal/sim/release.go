package sim

import (
	"errors"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
)

// older is the newest format that a machine reads which runs the release before this one.
const older = consensus.NewestFormat - 1

// formats are what the release reads that is installed on a machine.
func (m *machine) formats() consensus.Formats {
	return consensus.Formats{Oldest: consensus.OldestFormat, Newest: m.newest}
}

// released says which release a new machine has.
func (s *simulation) released() uint64 {
	if s.mood.older > 0 && s.world.percent(s.mood.older) {
		return older
	}
	return consensus.NewestFormat
}

// install puts a release on a machine, which is restarted.
func (m *machine) install(newest uint64) {
	m.s.tell(m.id, "is to run a release that reads formats up to %d", newest)
	m.stop()
	if m.proc == nil {
		m.newest = newest
		m.s.world.after(m.s.world.about(m.s.mood.down/4), m.start)
	}
}

// upgrade installs the newer release on one machine after the other, from the n-th on.
func (s *simulation) upgrade(n int) {
	if n >= len(s.ids) || !s.faulty {
		return
	}
	if m := s.machines[s.ids[n]]; !m.retired && m.newest == older && m.paused <= s.world.now {
		s.stats["release installed"]++
		m.install(consensus.NewestFormat)
	}
	s.world.after(s.world.about(s.mood.down), func() { s.upgrade(n + 1) })
}

// downgrade goes back to the older release on a machine, which must do as long as it has promised nothing, and no longer.
func (s *simulation) downgrade() {
	if m := s.victim(); m != nil && m.proc != nil && m.newest > older {
		s.stats["older release installed"]++
		m.install(older)
	}
}

// tooOld judges that a release does not start, for it does not read what the disk holds.
func (m *machine) tooOld(err error) bool {
	if _, ok := errors.AsType[*consensus.FormatError](err); !ok {
		return false
	}
	if m.newest > older || !m.promised {
		violated("node %d, whose release reads formats up to %d, does not start, though it has promised nothing: %v", m.id, m.newest, err)
	}
	m.s.tell(m.id, "does not start, as it must not: %v", err)
	m.s.stats["older release refused"]++
	m.s.world.after(m.s.world.about(m.s.mood.down), func() {
		m.newest = consensus.NewestFormat
		m.start()
	})
	return true
}

// unfed judges that a node was taken in whose release is too old for its cluster; somebody installs a newer one.
func (p *part) unfed(err error) bool {
	if _, ok := errors.AsType[*consensus.FormatError](err); !ok {
		return false
	}
	m := p.m
	if m.newest > older || p.g.check.pledges[p.pledge()] > m.newest {
		violated("node %d says that it cannot be fed: %v", m.id, err)
	}
	if !m.waits {
		m.waits = true
		p.tell("is not fed, as it must not be: %v", err)
		m.s.stats["older release not fed"]++
		m.s.world.after(m.s.world.about(m.s.mood.down), func() {
			m.waits = false
			if m.newest == older { // else somebody has meanwhile
				m.install(consensus.NewestFormat)
			}
		})
	}
	return true
}

// pledge is who has promised to read something: a node that lost its disk is another.
type pledge struct {
	id          consensus.NodeID
	incarnation uint64
}

// startsOld is that nobody goes back behind what it has promised.
func (c *checker) startsOld(p *part) {
	if f := c.pledges[p.pledge()]; f > p.m.newest {
		violated("node %d has promised to read format %d, and starts with a release that reads up to %d", p.m.id, f, p.m.newest)
	}
	if p.m.newest == older {
		c.s.stats["older release started"]++
	}
}

func (p *part) pledge() pledge { return pledge{p.m.id, p.n.Identity().Incarnation} }

// says looks at what a node says of formats, and at whom it sends what its log holds.
func (c *checker) says(p *part, m *consensus.Message) {
	switch {
	case m.Kind == consensus.MsgAppendResp && m.Commit > 1:
		if f := p.n.Identity().Format; f < m.Commit {
			violated("node %d promises to read format %d, its disk knows of %d", p.m.id, m.Commit, f)
		}
		c.pledges[p.pledge()] = max(c.pledges[p.pledge()], m.Commit)
	case m.Kind == consensus.MsgSnapshot, m.Kind == consensus.MsgAppend && len(m.Entries) > 0:
		to, all := c.s.machines[m.To], p.n.Status().Membership
		x, in := all.Find(m.To)
		if to == nil || to.proc == nil || !in || x.Incarnation != to.incarnations[c.g.number] { // it lost its disk, and has not said so yet
			return
		}
		if active := all.ActiveFormat(); active > to.newest {
			violated("node %d sends %v of format %d to node %d, which runs a release that reads up to %d", p.m.id, m.Kind, active, m.To, to.newest)
		}
	}
}

// raises is that a leader raises the format when all members have promised to read it.
func (c *checker) raises(p *part, was, now *consensus.Status) {
	f := now.Membership.ActiveFormat()
	if f > p.m.newest {
		violated("node %d, whose release reads formats up to %d, is in a membership of format %d", p.m.id, p.m.newest, f)
	}
	p.m.promised = p.m.promised || now.Promised > older
	if was.State != consensus.Leader || now.State != consensus.Leader || was.Term != now.Term || f == was.Membership.ActiveFormat() {
		return
	}
	c.s.stats["format raised"]++
	for _, x := range now.Membership.Members {
		if x.ID != p.m.id && c.pledges[pledge{x.ID, x.Incarnation}] < f {
			violated("node %d raises the format to %d; node %d, a %v, has not promised to read it", p.m.id, f, x.ID, x.Role)
		}
	}
}

// formatOf is that what is new in a format is written where that is active, and that it never falls.
func (c *checker) formatOf(r *eventlog.Record) {
	switch {
	case r.Kind == consensus.KindNoop && len(r.Payload) > 0 && c.format < 2: // the one that brought it
		violated("entry %d names the leader of its term, in format %d", r.Index, c.format)
	case r.Kind == consensus.KindConfig:
		m, err := consensus.ParseMembership(r.Payload)
		if err != nil {
			violated("entry %d: %v", r.Index, err)
		}
		if m.ActiveFormat() < c.format {
			violated("the format falls from %d to %d in entry %d", c.format, m.ActiveFormat(), r.Index)
		}
		if named := m.History != 0; named != (m.Format >= consensus.HistoryFormat) || c.history != 0 && m.History != c.history {
			violated("the history is %x, and in entry %d, of format %d, %x", c.history, r.Index, m.Format, m.History)
		}
		c.format, c.history = m.ActiveFormat(), m.History
	}
}

// readable is that a release reports only what it reads.
func (c *checker) readable(p *part, r *eventlog.Record) {
	if p.m.newest > older {
		return
	}
	m := consensus.Membership{}
	if r.Kind == consensus.KindConfig {
		m, _ = consensus.ParseMembership(r.Payload) // add has read it
	}
	if m.ActiveFormat() > older || m.History != 0 {
		violated("node %d, whose release reads formats up to %d, takes entry %d of a newer one", p.m.id, p.m.newest, r.Index)
	}
}
