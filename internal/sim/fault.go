package sim

import (
	"context"
	"errors"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// fault is something that goes wrong now and then.
type fault struct {
	name  string
	every time.Duration // about; 0: never in this run
	do    func(s *simulation)
}

// faults are all there are. A run has a random subset of them.
var faults = []fault{
	{"partition", 4 * time.Second, func(s *simulation) {
		if how := s.net.partition(); how != "" {
			s.tell(clients, "partition: %s", how)
			s.world.after(s.world.about(3*time.Second), func() {
				s.net.heal()
				s.tell(clients, "partitions heal")
			})
		}
	}},
	{"slow link", 5 * time.Second, func(s *simulation) {
		a, b := pick(s.world, s.ids...), pick(s.world, s.ids...)
		s.net.slow[link{a, b}] = s.world.between(20*time.Millisecond, 600*time.Millisecond)
		s.tell(clients, "the link from n%d to n%d is slow", a, b)
	}},
	{"power", 4 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil && m.proc != nil {
			s.tell(m.id, "loses power")
			m.crashed(true)
		}
	}},
	{"power in a call", 3 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil && m.proc != nil {
			m.fuse = 1 + s.world.rng.IntN(12)
		}
	}},
	{"power everywhere", 20 * time.Second, func(s *simulation) {
		s.tell(clients, "the power fails everywhere")
		for _, id := range s.ids {
			s.machines[id].crashed(true)
		}
	}},
	{"kill", 4 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil && m.proc != nil {
			s.tell(m.id, "killed")
			m.crashed(false)
		}
	}},
	{"restart", 6 * time.Second, func(s *simulation) { s.rolling(0) }},
	{"pause", 4 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil && m.proc != nil {
			d := s.world.between(50*time.Millisecond, 4*time.Second)
			m.pause(d)
			s.tell(m.id, "does not run for %v", d)
		}
	}},
	{"a leader is cut off, and does not run", 3 * time.Second, func(s *simulation) {
		if l := s.leader(s.some()); l != nil && s.mood.raft.LeaseReads { // others lead when it goes on
			d := s.world.between(700*time.Millisecond, 2*time.Second)
			if !s.world.oneIn(3) {
				l.m.pause(d)
			}
			s.world.after(s.world.between(0, 50*time.Millisecond), func() { s.net.isolate(l.m.id) }) // answers that are under way still come
			l.tell("is alone, and does not run for %v", d)
			s.world.after(d+s.world.between(100*time.Millisecond, time.Second), func() {
				s.net.heal()
				s.tell(clients, "partitions heal")
			})
		}
	}},
	{"clock", 6 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil {
			m.clock.skew += s.world.between(-30*time.Second, 30*time.Second)
			s.tell(m.id, "its clock jumps")
		}
	}},
	{"slow disk", 6 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil {
			m.slow = s.world.now + s.world.about(3*time.Second)
			s.tell(m.id, "its disk is slow")
		}
	}},
	{"full disk", 8 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil && m.proc != nil && !m.full {
			s.fill(m, int64(s.world.rng.IntN(20<<10)))
		}
	}},
	{"failed sync", 10 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil && m.proc != nil {
			m.failSync = true
			s.world.after(s.world.between(time.Second, 3*time.Second), func() {
				if m.proc != nil && m.proc.ill() {
					s.tell(m.id, "killed, for its disk failed")
					m.crashed(false)
				}
			})
		}
	}},
	{"snapshot", 2 * time.Second, func(s *simulation) {
		if m := s.victim(); m != nil && m.proc != nil && s.mood.snapshots {
			m.proc.snapshot()
		}
	}},
	{"transfer", 5 * time.Second, func(s *simulation) {
		if l := s.leader(s.some()); l != nil {
			to := pick(s.world, s.ids...)
			l.run(func() {
				if err := l.n.Transfer(to); err == nil {
					s.stats["transfer"]++
					l.tell("is to hand leadership to n%d", to)
				}
			})
		}
	}},
	{"membership", 4 * time.Second, func(s *simulation) { s.operator.change() }},
	{"upgrade", 6 * time.Second, func(s *simulation) { s.upgrade(0) }},
	{"downgrade", 5 * time.Second, func(s *simulation) {
		if s.mood.older > 0 {
			s.downgrade()
		}
	}},
	{"disk lost", 15 * time.Second, func(s *simulation) { s.operator.loseDisk(false, 20) }},
	{"rot", 12 * time.Second, func(s *simulation) { s.operator.loseDisk(true, 20) }},
}

// begin lets a fault happen again and again while faults last.
func (f *fault) begin(s *simulation, every time.Duration) {
	s.world.after(s.world.about(every), func() {
		if !s.faulty {
			return
		}
		s.stats[f.name]++
		f.do(s)
		f.begin(s, every)
	})
}

// telling is called when a node's term, role, vote or membership has changed: much hangs on
// what is durable just then, and on who hears of it, so that many a run lets something go wrong.
func (s *simulation) telling(p *part) {
	w, m := s.world, p.m
	if !s.faulty || s.mood.moments == 0 || m.dark || m.proc != p.process || !w.oneIn(s.mood.moments) {
		return
	}
	s.stats["telling moment"]++
	soon := func(do func()) {
		w.after(w.about(2*s.mood.sync), func() {
			if m.proc == p.process && s.faulty {
				do()
			}
		})
	}
	what := w.rng.IntN(8)
	if p.status.State == consensus.Leader && w.oneIn(2) {
		what = 6 + w.rng.IntN(2)
	}
	switch what {
	case 0, 1:
		if m.fuse == 0 {
			m.fuse = 1 + w.rng.IntN(8)
		}
	case 2:
		soon(func() {
			s.tell(m.id, "loses power")
			m.crashed(true)
		})
	case 3:
		soon(func() {
			s.tell(m.id, "killed, and a bit of its identity flips")
			m.crashed(false)
			m.flipIdentity()
		})
	case 4:
		m.slow = max(m.slow, w.now+w.about(time.Second))
		s.tell(m.id, "its disk is slow")
	case 5:
		m.pause(w.about(time.Second))
		s.tell(m.id, "does not run for a while")
	case 6:
		s.net.isolate(m.id)
		s.tell(m.id, "is alone")
		if w.oneIn(2) { // when it goes on, the others have gone their way
			m.pause(w.between(500*time.Millisecond, 2*time.Second))
		}
		w.after(w.between(500*time.Millisecond, 4*time.Second), func() {
			s.net.heal()
			s.tell(clients, "partitions heal")
		})
	case 7:
		if !m.full {
			s.fill(m, int64(w.rng.IntN(1<<10)))
		}
	}
}

// pause has the process not run for a time; sometimes since the whole machine sleeps, and clocks with it.
func (m *machine) pause(d time.Duration) {
	w := m.s.world
	until := max(m.paused, w.now+d)
	m.s.stats["pause"]++
	if w.oneIn(2) {
		m.clock.slept += until - max(m.paused, w.now)
		m.s.stats["suspension"]++
	}
	m.paused = until
}

// flipIdentity damages one of the two copies of what a machine that is down has promised.
func (m *machine) flipIdentity() {
	slot, bit, name := m.s.world.rng.Int64N(2), m.s.world.rng.Int64N(100*8), m.s.some().identity()
	f, err := m.disk.Open(name, disk.ReadOnly)
	if err != nil {
		violated("opening %s: %v", name, err)
	}
	size, err := f.Size()
	if err != nil {
		violated("size of %s: %v", name, err)
	}
	if m.s.operator.rotten[m.id] != "" {
		return // one damage at a time
	}
	if err := m.disk.Flip(name, slot*size*4+bit); err != nil {
		violated("%v", err)
	}
	m.s.stats["bit of an identity flipped"]++
}

// victim chooses a machine, often the leader's.
func (s *simulation) victim() *machine {
	if l := s.leader(s.some()); l != nil && s.world.oneIn(3) {
		return l.m
	}
	return s.machines[pick(s.world, s.ids...)]
}

// rolling restarts one machine after the other.
func (s *simulation) rolling(n int) {
	if n == len(s.ids) || !s.faulty {
		return
	}
	m := s.machines[s.ids[n]]
	if m.proc != nil && m.paused <= s.world.now {
		m.stop()
		s.world.after(s.world.about(100*time.Millisecond), m.start)
	}
	s.world.after(s.world.about(700*time.Millisecond), func() { s.rolling(n + 1) })
}

// fill leaves a disk with so little room, for a while.
func (s *simulation) fill(m *machine, room int64) {
	m.full = true
	m.room = m.disk.Used() + room
	m.disk.SetCapacity(m.room)
	s.tell(m.id, "its disk is full")
	s.world.after(s.world.about(3*time.Second), func() { m.empty() })
}

// empty makes room again.
func (m *machine) empty() {
	if m.full {
		m.full, m.room = false, 0
		m.disk.SetCapacity(0)
		m.s.tell(m.id, "its disk has room again")
	}
}

// snapshotSoon has some machine write a snapshot amid what has just begun: another membership or another
// leader.
func (s *simulation) snapshotSoon() {
	if !s.mood.hungry || !s.faulty || s.world.oneIn(2) {
		return
	}
	s.world.after(s.world.about(10*time.Millisecond), func() {
		if m := s.victim(); m.proc != nil {
			m.proc.snapshot()
		}
	})
}

// snapshot has one of the nodes write a snapshot.
func (p *process) snapshot() { p.parts[p.m.s.some().number].snapshot() }

// snapshot writes the state down and lets go of what lies before, if the log is not busy.
func (p *part) snapshot() {
	p.run(func() {
		if p.work != nil {
			p.finish()
		}
		if p.m.dark || p.m.proc != p.process {
			return
		}
		armed := p.m.s.faulty && p.m.fuse == 0 && p.m.s.world.oneIn(4)
		if armed {
			p.m.fuse = 1 + p.m.s.world.rng.IntN(15)
		}
		before, newest := p.log.First(), p.e.Stats().SnapshotSeq
		err := p.e.Snapshot(context.Background())
		if armed && !p.m.dark {
			p.m.fuse = 0
		}
		if _, damaged := errors.AsType[*eventlog.CorruptError](err); damaged && !p.m.dark {
			p.tell("the log is damaged where a snapshot needs it: %v", err)
			p.m.s.stats["damage found by a snapshot"]++
			p.ill = true // somebody restarts it, and the start repairs the log
			return
		}
		if err != nil && !p.m.dark && !p.m.full && !p.ill && p.log.Err() == nil {
			violated("node %d cannot write a snapshot: %v", p.m.id, err)
		}
		if err == nil && !p.m.dark && p.e.Stats().SnapshotSeq > newest {
			p.m.s.stats["snapshot written"]++
			if p.log.First() > before {
				p.m.s.stats["log compacted"]++
			}
			p.tell("snapshot; the log begins at %d", p.log.First())
		}
	})
}

// refusedDials tells peers of a machine whose process has ended, while the machine runs, that it is gone.
func (s *simulation) refusedDials(m *machine) {
	if !s.mood.raft.FastFailover {
		return
	}
	for _, id := range s.ids {
		if o := s.machines[id]; o != m && o.proc != nil && !s.net.cut[link{id, m.id}] && !s.net.cut[link{m.id, id}] {
			o.proc.later(s.world.about(2*time.Millisecond), func() {
				if m.proc != nil || o.proc == nil {
					return
				}
				for _, p := range o.proc.parts {
					p.n.LeaderLost(consensus.NodeID(m.id))
				}
			})
		}
	}
}
