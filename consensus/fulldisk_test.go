package consensus

import "slices"

// tick is one, behind which a write that was refused is tried again.
func (m *member) tick() {
	m.waits = false
	m.r.Tick()
	m.c.hears(m)
}

// wants says whether a driver would take a Ready now.
func (m *member) wants() bool { return !m.waits && m.r.HasReady() }

// refuses says whether a full disk refuses what it is to write next. Drivers begin to install a snapshot when nothing is
// being written.
func (m *member) refuses() bool {
	installs := func(rd Ready) bool { return rd.Install != nil }
	return len(m.pending[0].Entries) > 0 && m.r.install == nil && m.r.log.durable >= m.r.log.before && !slices.ContainsFunc(m.pending, installs)
}

// refuse is what a driver does when its disk has no room for entries: term and vote have their place. A lone leader
// stands again if nothing of its term is left, others wait and let somebody else lead.
func (m *member) refuse() {
	for _, rd := range m.pending {
		if rd.HardState != nil {
			m.c.voted(m, *rd.HardState)
			m.hard = *rd.HardState
		}
	}
	m.pending = nil
	m.c.stats["refused"]++
	m.c.tell("%d has no room for entries behind %d", m.id, m.r.log.durable)
	if m.r.Refused() {
		m.c.stats["dropped"]++
		if m.r.Status().State != Leader {
			m.waits = true
			m.r.Campaign()
		}
		return
	}
	m.waits = true
	if m.c.rng.IntN(2) == 0 {
		m.r.HandOver()
	}
	for _, p := range m.r.Status().Peers {
		if p.Active && m.c.rng.IntN(2) == 0 && m.r.Transfer(p.ID) == nil {
			return
		}
	}
}
