package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/internal/disk"
)

// cluster is the cluster's number.
const cluster = 7

// operator adds, removes and replaces nodes.
type operator struct {
	s       *simulation
	rotten  map[consensus.NodeID]string // files that were damaged
	changed time.Duration               // when it last wished for another membership
}

// add sets a machine up.
func (s *simulation) add(id consensus.NodeID, first node.Identity) *machine {
	w := s.world
	m := &machine{s: s, id: id, disk: disk.NewSim(w.rng.Uint64()), newest: s.released()}
	m.begins(first)
	m.clock = clock{w: w, skew: time.Duration(w.rng.NormFloat64() * float64(s.mood.skew)), drift: (w.rng.Float64()*2 - 1) * s.mood.drift}
	s.machines[id] = m
	s.ids = append(s.ids, id)
	slices.Sort(s.ids)
	return m
}

// newcomer sets a machine up that waits to be taken in.
func (s *simulation) newcomer() *machine {
	id := s.ids[len(s.ids)-1] + 1
	return s.add(id, s.identity(id))
}

func (s *simulation) identity(id consensus.NodeID) node.Identity {
	return node.Identity{Cluster: cluster, ID: id, Incarnation: s.world.rng.Uint64()>>1 + 1}
}

// leader returns the node that leads the newest term of a group; nil when none does.
func (s *simulation) leader(g *group) (best *part) {
	for _, id := range s.ids {
		p := s.part(id, g)
		if p != nil && p.status.State == consensus.Leader && (best == nil || p.status.Term > best.status.Term) {
			best = p
		}
	}
	return best
}

// running returns the machines that are not switched off for good.
func (s *simulation) running() (ids []consensus.NodeID) {
	for _, id := range s.ids {
		if !s.machines[id].retired {
			ids = append(ids, id)
		}
	}
	return ids
}

// replacing says whether a machine that lost its disk is still to be taken in again, or one is
// about to lose it when it finds the damage.
func (o *operator) replacing() bool {
	if len(o.rotten) > 0 {
		return true
	}
	for _, id := range o.s.ids {
		if m := o.s.machines[id]; m.replace || m.mending != nil {
			return true
		}
	}
	for _, g := range o.s.groups {
		l := o.s.leader(g)
		if l == nil {
			return true
		}
		for _, x := range l.status.Membership.Members {
			if x.Incarnation != o.s.machines[x.ID].incarnations[g.number] {
				return true
			}
		}
	}
	return false
}

// change wishes for some other membership.
func (o *operator) change() {
	s, w := o.s, o.s.world
	g := s.some()
	l := s.leader(g)
	if l == nil || o.replacing() {
		return // a lost disk and a change at once are two failures
	}
	have := l.status.Membership
	voters := 0
	for _, x := range have.Members {
		if x.Role == consensus.Voter {
			voters++
		}
	}
	var list []consensus.Change
	for range 1 + w.rng.IntN(2) {
		id := pick(w, s.ids...)
		if s.mood.fickle && w.oneIn(3) {
			id = l.m.id
		}
		x, in := have.Find(id)
		m := s.machines[id]
		if m.retired || slices.ContainsFunc(list, func(c consensus.Change) bool { return c.Member.ID == id }) {
			continue
		}
		member := consensus.Member{ID: id, Incarnation: m.incarnations[g.number], Priority: uint8(w.rng.IntN(2))}
		switch {
		case w.oneIn(4) && len(s.ids) < s.mood.voters+4:
			m = s.newcomer()
			m.start()
			for _, other := range s.groups {
				if other != g {
					s.joinGroup(m, other)
				}
			}
			list = append(list, consensus.Change{Member: consensus.Member{ID: m.id, Promote: true, Incarnation: m.incarnations[g.number]}})
		case in && voters > 1 && (w.oneIn(3) || s.mood.fickle && w.oneIn(2)):
			list = append(list, consensus.Change{Remove: true, Member: member})
			voters--
		case in && x.Role == consensus.Learner, in && w.oneIn(3):
			member.Role = consensus.Voter
			list = append(list, consensus.Change{Member: member})
		case in && voters > 1, !in:
			member.Promote = w.oneIn(2)
			list = append(list, consensus.Change{Member: member})
			if in {
				voters--
			}
		}
	}
	if len(list) == 0 {
		return
	}
	l.run(func() {
		if o.replacing() {
			return // the leader slept, and a disk was lost meanwhile
		}
		if err := l.n.Change(list...); err == nil {
			o.changed = w.now
			s.stats["membership changed"]++
			l.tell("membership: is to change %v", list)
			s.snapshotSoon()
		}
	})
}

// spare says whether the disk of a machine may be lost: all know one membership, with three
// voters or more, and nobody is still to be taken in again. A cluster outlives one such loss at a time.
func (o *operator) spare(m *machine) bool {
	s := o.s
	if m.proc == nil || m.paused > s.world.now || o.replacing() || s.world.now < o.changed+5*time.Second {
		return false
	}
	for _, g := range s.groups {
		if !o.spareIn(g) {
			return false
		}
	}
	return true
}

// spareIn is spare as far as one group is concerned.
func (o *operator) spareIn(g *group) bool {
	s := o.s
	var known *consensus.Status
	for _, id := range s.ids {
		other := s.machines[id]
		if other.retired {
			continue
		}
		p := s.part(id, g)
		if p == nil || p.ill {
			return false
		}
		st := &p.status
		if known == nil {
			known = st
		}
		if st.MembershipIndex != known.MembershipIndex || st.Term != known.Term || !st.MembershipCommitted || st.Membership.Joint() {
			return false
		}
	}
	voters := 0
	for _, x := range known.Membership.Members {
		if x.Incarnation != s.machines[x.ID].incarnations[g.number] {
			return false
		}
		if x.Role == consensus.Voter {
			voters++
		}
	}
	return voters >= 3
}

// loseDisk takes a machine's disk away, or damages one bit of it, as soon as one can be spared.
func (o *operator) loseDisk(rot bool, tries int) {
	s := o.s
	m := s.victim()
	if !o.spare(m) {
		if tries > 0 && s.faulty {
			s.world.after(s.world.about(200*time.Millisecond), func() { o.loseDisk(rot, tries-1) })
		}
		return
	}
	marked := map[*group]bool{}
	for _, p := range m.proc.parts {
		marked[p.g] = p.marked
	}
	if s.world.oneIn(2) {
		orderly := m.stop() // else power may have failed before the mark of the end
		for _, g := range s.groups {
			marked[g] = marked[g] || orderly
		}
	} else {
		m.crashed(false)
	}
	if m.proc != nil {
		return
	}
	if !rot {
		s.stats["disk replaced"]++
		s.tell(m.id, "its disk is lost")
		m.replace = true
		o.replaceLater(m)
		return
	}
	o.damage(m, marked)
	s.world.after(s.world.about(500*time.Millisecond), m.start)
}

// damage flips a bit in a file. In the last batch of a log that does not end with a mark it would
// look like a torn tail, see eventlog: so such logs are left alone.
func (o *operator) damage(m *machine, marked map[*group]bool) {
	s := o.s
	var names []string
	for _, name := range m.disk.Files() {
		if !strings.HasSuffix(name, "LOCK") && !strings.HasSuffix(name, ".tmp") && (marked[s.owner(name)] || !strings.HasSuffix(name, ".seg")) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	name := pick(s.world, names...)
	switch segs := segments(names); {
	case s.world.oneIn(4):
		name = s.some().identity()
	case len(segs) > 0 && s.world.oneIn(2):
		name = pick(s.world, segs...)
	}
	f, err := m.disk.Open(name, disk.ReadOnly)
	if err != nil {
		violated("opening %s: %v", name, err)
	}
	size, err := f.Size()
	if err != nil || size == 0 {
		return
	}
	bit := s.world.rng.Int64N(size * 8)
	if strings.HasSuffix(name, "/node") { // where it says something, in either half
		bit = s.world.rng.Int64N(100*8) + s.world.rng.Int64N(2)*size*4
	}
	for i := range 1 + s.world.rng.Int64N(3) { // a bit, or a few far apart
		if err := m.disk.Flip(name, bit); err != nil {
			violated("%v", err)
		}
		if bit += (i + 1) * 8 * 700; strings.HasSuffix(name, "/node") || bit >= size*8 {
			break
		}
	}
	o.rotten[m.id] = name
	s.stats["bit flipped"]++
	s.tell(m.id, "bit %d of %s flips", bit, name)
}

// segments are those of the files that are parts of a log.
func segments(names []string) (list []string) {
	for _, name := range names {
		if strings.HasSuffix(name, ".seg") {
			list = append(list, name)
		}
	}
	return list
}

// replaceLater gives a machine another disk.
func (o *operator) replaceLater(m *machine) {
	o.s.world.after(o.s.world.about(time.Second), func() { o.replaceNow(m) })
}

func (o *operator) replaceNow(m *machine) {
	if !m.replace {
		return
	}
	delete(o.rotten, m.id)
	m.promised = false
	m.replace, m.claimed, m.holds = false, [maxGroups]uint64{}, [maxGroups]uint64{}
	m.disk = disk.NewSim(o.s.world.rng.Uint64())
	m.begins(o.s.identity(m.id))
	o.s.tell(m.id, "has an empty disk, and is incarnation %x", m.first.Incarnation)
	m.start()
}
