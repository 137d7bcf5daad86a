package sim

import (
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
)

// Config says which run is wanted.
type Config struct {
	Seed  uint64
	Trace func(line string) // is told the story, a line at a time; nil: nobody
	// Messages adds every message to the story.
	Messages bool
}

// Result is what became of a run.
type Result struct {
	Seed      uint64
	Failure   string // what was violated; "" when nothing was
	Stack     string // of a failure that is a panic of the code under test
	Simulated time.Duration
	Recovery  time.Duration // from the end of the faults until all was well
	Steps     uint64
	Voters    int
	Stats     map[string]int
}

// Failed says whether anything was violated.
func (r *Result) Failed() bool { return r.Failure != "" }

// Replay returns the command that runs it again.
func (r *Result) Replay() string {
	return fmt.Sprintf("go run ./cmd/lithair sim -seed %d", r.Seed)
}

// mood is what a run is like.
type mood struct {
	groups                int
	voters, learners      int
	clients, registers    int
	padding               int           // bytes in a record, about
	think                 time.Duration // between a client's operations, about
	sync, slowSync        time.Duration // of a disk, about
	apply                 time.Duration // until the engine makes a pass, about
	skew                  time.Duration // of clocks, about
	drift                 float64       // of clocks, at most
	segmentBytes          int64
	maxBatch, maxInflight int
	snapshots, compact    bool  // compact: they let go of the log before them
	keep                  int   // snapshots
	lag                   int64 // bytes of log that are kept for members that are behind
	checkpoint            int   // records between hashes that nodes compare
	hungry                bool  // most who were away need a snapshot
	down                  time.Duration
	older                 int  // of a hundred machines so many begin with the older release
	fickle                bool // members change all the time, the leader first, down to one and up again
	moments               int  // one of so many moments that matter is a bad one, see telling; 0: none
	raft                  consensus.Config
	faulty                time.Duration // how long things go wrong
}

func (m *mood) downtime(w *world) time.Duration { return 20*time.Millisecond + w.about(m.down) }

// simulation is a run.
type simulation struct {
	world         *world
	mood          mood
	net           *network
	groups        []*group
	operator      *operator
	machines      map[consensus.NodeID]*machine
	ids           []consensus.NodeID
	clients       []*client
	faulty        bool
	trace         func(string)
	traceMessages bool
	stats         map[string]int
}

// recoveryBound is within what time after the faults all must be well: writes are acknowledged, and all members
// have the same state. An election takes up to a second, an interrupted change of the
// membership or a lost disk several.
const recoveryBound = 10 * time.Second

// feedingBound is within what time a member that lost its disk must be well again: in some runs a message holds one entry, and
// each has a sync.
const feedingBound = time.Minute

// Run lets a cluster live through everything that goes wrong in the run of that seed.
func Run(cfg Config) *Result { return run(cfg, (*simulation).live) }

// run lets a cluster live as it is told, and then recover.
func run(cfg Config, live func(*simulation)) (r *Result) {
	w := newWorld(cfg.Seed)
	s := &simulation{world: w, machines: map[consensus.NodeID]*machine{}, trace: cfg.Trace, traceMessages: cfg.Messages && cfg.Trace != nil, stats: map[string]int{}}
	s.draw(cfg.Seed)
	for number := range s.mood.groups {
		s.groups = append(s.groups, newGroup(s, number))
	}
	s.operator = &operator{s: s, rotten: map[consensus.NodeID]string{}, changed: -time.Hour}
	r = &Result{Seed: cfg.Seed, Voters: s.mood.voters, Stats: s.stats}
	defer func() {
		r.Simulated, r.Steps = w.now, w.steps
		if e := recover(); e != nil {
			if v, ok := e.(violation); ok {
				r.Failure = string(v)
			} else {
				r.Failure, r.Stack = fmt.Sprintf("panic: %v", e), string(debug.Stack())
			}
			s.tell(clients, "FAILED: %s", r.Failure)
		}
	}()
	live(s)
	r.Recovery = s.recover()
	s.finish()
	return r
}

// draw decides what the run is like.
func (s *simulation) draw(seed uint64) {
	w := s.world
	m := &s.mood
	if m.groups = 1; seed%5 == 3 {
		m.groups = 2
	}
	m.voters = []int{3, 3, 5, 3, 1, 3, 7, 3, 5, 3, 3, 11}[seed%12]
	m.learners = pick(w, 0, 0, 1, 2)
	m.clients, m.registers = 2+w.rng.IntN(4), 1+w.rng.IntN(4)
	m.padding = pick(w, 0, 300, 1200, 2400)
	m.think = pick(w, 20*time.Millisecond, 60*time.Millisecond, 150*time.Millisecond)
	m.sync, m.slowSync = pick(w, 200*time.Microsecond, time.Millisecond, 8*time.Millisecond), pick(w, 50*time.Millisecond, 800*time.Millisecond)
	m.apply = pick(w, 20*time.Microsecond, 300*time.Microsecond, 5*time.Millisecond)
	m.skew, m.drift = pick(w, 0, 20*time.Millisecond, 5*time.Second), pick(w, 0, 0.001, 0.1)
	m.segmentBytes = pick(w, int64(8<<10), 8<<10, 16<<10, 64<<10)
	m.maxBatch, m.maxInflight = pick(w, 1, 3, 100), pick(w, 1, 2, 4)
	m.snapshots, m.compact, m.keep = !w.oneIn(4), !w.oneIn(3), 1+w.rng.IntN(2)
	m.lag = pick(w, int64(1), 1, 32<<10, 1<<30)
	m.checkpoint = pick(w, 1, 7, 32)
	m.hungry = m.snapshots && m.compact && w.oneIn(2)
	if m.hungry {
		m.segmentBytes, m.lag, m.think = 8<<10, 1, min(m.think, 60*time.Millisecond)
	}
	m.down = pick(w, 100*time.Millisecond, time.Second, 4*time.Second)
	m.raft = consensus.Config{
		MaxMessageBytes: pick(w, 300, 4<<10, 1<<20), MaxInflight: pick(w, 2, 16, 256), MaxTailBytes: pick(w, 1<<10, 1<<20),
		MaxChunkBytes: pick(w, 512, 8<<10), MaxUnappliedBytes: pick(w, 1<<10, 1<<20), MaxUncommittedBytes: pick(w, 300, 1<<20, 1<<20), FastFailover: w.oneIn(2), LazyCommit: w.oneIn(2),
	}
	m.raft.LeaseReads = !m.raft.FastFailover && w.oneIn(2)
	m.moments = pick(w, 0, 4, 20)
	m.older = pick(w, 0, 0, 30, 70, 100)
	if m.fickle = w.oneIn(4); m.fickle {
		m.moments, m.segmentBytes = pick(w, 0, 8), 8<<10 // a full disk refuses what needs another segment
	}
	m.faulty = 20*time.Second + w.between(0, 20*time.Second)
	s.net = &network{s: s, delay: pick(w, 200*time.Microsecond, 2*time.Millisecond, 15*time.Millisecond), drop: pick(w, 0, 0, 1, 5, 15), repeat: pick(w, 0, 2, 10), reorder: w.oneIn(2),
		cut: map[link]bool{}, slow: map[link]time.Duration{}, last: map[link]time.Duration{}}
}

// live sets the cluster up and lets it live while things go wrong.
func (s *simulation) live() {
	s.setUp()
	for i := range faults {
		f, w := &faults[i], s.world
		every := pick(w, 0, f.every, f.every, f.every/4)
		if on := w.oneIn(2); f.name == "snapshot" && s.mood.hungry {
			every = f.every / 8
		} else if f.name == "membership" && s.mood.fickle {
			every = f.every / 16
		} else if !on {
			every = 0
		}
		if every > 0 {
			s.tell(clients, "fault of this run: %s, every %v", f.name, every)
			f.begin(s, every)
		}
	}
	for s.world.step(s.mood.faulty) {
	}
}

// setUp makes machines and clients.
func (s *simulation) setUp() {
	w := s.world
	var ids []consensus.NodeID
	for i := range s.mood.voters {
		ids = append(ids, consensus.NodeID(i+1))
	}
	for _, id := range ids {
		s.add(id, node.Identity{Cluster: cluster, ID: id, Membership: consensus.Voters(ids...)})
	}
	s.faulty = true
	s.tell(clients, "%d groups, %d voters, %d learners, %d clients: %+v", s.mood.groups, s.mood.voters, s.mood.learners, s.mood.clients, s.mood)
	for _, id := range ids {
		m := s.machines[id]
		w.after(w.about(20*time.Millisecond), m.start)
	}
	for range s.mood.learners {
		s.join(s.newcomer())
	}
	for _, g := range s.groups {
		for i := range s.mood.clients {
			c := &client{s: s, g: g, id: 100*g.number + i + 1}
			s.clients = append(s.clients, c)
			c.next()
		}
	}
}

// join starts a machine and has it taken in as a learner, as soon as there is a leader.
func (s *simulation) join(m *machine) {
	s.world.after(s.world.about(100*time.Millisecond), m.start)
	for _, g := range s.groups {
		s.joinGroup(m, g)
	}
}

// joinGroup has a machine taken in by one group.
func (s *simulation) joinGroup(m *machine, g *group) {
	w := s.world
	var ask func()
	ask = func() {
		l := s.leader(g)
		if l == nil {
			w.after(200*time.Millisecond, ask)
			return
		}
		if _, in := l.status.Membership.Find(m.id); in || m.retired {
			return
		}
		l.run(func() {
			if err := l.n.Change(consensus.Change{Member: consensus.Member{ID: m.id, Incarnation: m.incarnations[g.number]}}); err == nil {
				s.operator.changed = w.now
			}
		})
		w.after(300*time.Millisecond, ask)
	}
	w.after(300*time.Millisecond, ask)
}

// recover ends all faults and returns how long it takes until all is well.
func (s *simulation) recover() time.Duration {
	s.faulty = false
	s.tell(clients, "the faults stop")
	s.net.calm()
	for _, id := range s.ids {
		m := s.machines[id]
		m.paused, m.slow, m.fuse, m.failSync = 0, 0, 0, false
		m.empty()
		if m.newest == older {
			m.install(consensus.NewestFormat)
		}
		if m.proc != nil && m.proc.ill() {
			m.crashed(false)
		}
		s.operator.replaceNow(m)
		m.start()
	}
	begun := s.world.now
	for _, g := range s.groups {
		g.written = 0
	}
	slowest := s.slowest()
	for end := begun + recoveryBound; s.world.now < end; {
		switch at := s.slowest(); {
		case at > slowest: // it is being fed, entry by entry where messages are small: that may take its time
			slowest, end = at, min(s.world.now+recoveryBound, begun+feedingBound)
		case at < slowest: // a lost disk was replaced: it is fed from the first entry
			slowest = at
		}
		next := s.world.now + 100*time.Millisecond
		for s.world.step(next) {
		}
		if s.unwell() == "" {
			return s.world.now - begun
		}
	}
	for _, id := range s.ids {
		for _, g := range s.groups {
			if p := s.part(id, g); p != nil {
				p.tell("%+v", p.status)
			}
		}
	}
	violated("no recovery, and no progress of who is behind, within %v after the faults have stopped: %s", recoveryBound, s.unwell())
	return 0
}

// unwell says what is not as it should be.
func (s *simulation) unwell() string {
	for _, g := range s.groups {
		if why := s.unwellIn(g); why != "" {
			return g.prefix() + why
		}
	}
	return ""
}

// slowest is how far the member is that has applied the least.
func (s *simulation) slowest() uint64 {
	least := uint64(math.MaxUint64)
	for _, g := range s.groups {
		for _, id := range s.ids {
			if p := s.part(id, g); p != nil {
				least = min(least, p.status.Applied)
			}
		}
	}
	return least
}

func (s *simulation) unwellIn(g *group) string {
	l := s.leader(g)
	if l == nil {
		return "nobody leads"
	}
	st := &l.status
	if !l.e.Stats().Leading {
		return fmt.Sprintf("node %d leads term %d and takes no writes", l.m.id, st.Term)
	}
	if st.Membership.Joint() || !st.MembershipCommitted {
		return "the membership is being changed"
	}
	for _, x := range st.Membership.Members {
		p := s.part(x.ID, g)
		switch {
		case p == nil:
			return fmt.Sprintf("node %d does not run", x.ID)
		case x.Incarnation != p.m.incarnations[g.number]:
			return fmt.Sprintf("node %d was not taken in again", x.ID)
		case p.status.Term != st.Term:
			return fmt.Sprintf("node %d is in term %d, the leader in %d", x.ID, p.status.Term, st.Term)
		case p.status.Applied+20 < st.Applied:
			return fmt.Sprintf("node %d has applied %d of %d", x.ID, p.status.Applied, st.Applied)
		}
	}
	if st.Membership.ActiveFormat() != consensus.NewestFormat {
		return "the format is not raised, though all run the newest release"
	}
	if g.written == 0 {
		return "no write is acknowledged"
	}
	return ""
}

// finish lets clients end, and judges what they saw and what all nodes have.
func (s *simulation) finish() {
	for _, c := range s.clients {
		c.stop = true
	}
	end := s.world.now + 10*time.Second
	for s.world.step(end) {
	}
	for _, g := range s.groups {
		g.finish()
	}
	s.stats["message"] += int(s.net.carried)
}
