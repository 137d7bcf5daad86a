package consensus

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// cluster runs replicas over a network and disks that fail, all from one seed, and checks
// after each step what must always hold (Raft dissertation, Figure 3.2).
type cluster struct {
	t       testing.TB
	rng     *rand.Rand
	seed    uint64
	nodes   map[NodeID]*member
	ids     []NodeID
	net     []Message
	cut     map[[2]NodeID]bool
	faults  bool
	mood    mood
	steps   int
	log     []string // the story, when it is wanted
	verbose bool

	leaders   map[uint64]NodeID // by term
	committed []Entry           // everything that was ever released, by index-1
	since     []uint64          // in which term at the latest
	proposed  uint64
	reads     map[uint64]uint64 // id -> length of committed when it was asked
	nextRead  uint64
	nextID    NodeID
	stats     map[string]int
	tweak     func(*cluster, *Config)
	ledger    ledger
	directed  string // what this run looks at most
	lease     bool
	ticks     int            // of lease runs
	elections int            // ElectionTicks
	paused    map[NodeID]int // until that step
}

// member is a node: its disk outlives it.
type member struct {
	c           *cluster
	id          NodeID
	r           *Replica
	up          bool
	pending     []Ready // given to the disk, not yet durable
	toApply     []Ready
	incarnation uint64

	// Durable.
	hard     HardState
	before   Snapshot // what the log begins behind
	entries  []Entry
	snap     Snapshot
	snapData []byte
	commit   uint64

	// Being received.
	partial     []byte
	partialSnap Snapshot
	whole       map[[32]byte][]byte // received, and its sum is right
	arrived     []Snapshot          // received, which the replica does not know yet

	// In memory.
	applied   uint64
	state     [32]byte
	states    map[uint64][32]byte
	maxCommit uint64
	maxTerm   uint64

	// Clocks of runs with leases: local time, how fast it goes, and when messages left.
	clock, rate float64
	ticked      float64
	sent        map[uint64]float64
	sentTerm    uint64

	promised             float64 // lease runs: local time until which leases may rest on what it answered
	pledge               uint64  // lease runs: ticks, the most that it said so for
	wakes                int     // lease runs: at that tick
	counted, countedTerm uint64

	lost map[uint64][]Entry // disks that are gone, by incarnation

	newest uint64 // format that its release reads
	full   bool   // its disk takes no entries
	waits  bool   // for the next tick, behind a refused write
	fenced bool
}

func newCluster(t testing.TB, seed uint64, voters int, tweak func(*cluster, *Config)) *cluster {
	c := &cluster{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), seed: seed, nodes: map[NodeID]*member{}, cut: map[[2]NodeID]bool{},
		leaders: map[uint64]NodeID{}, reads: map[uint64]uint64{}, stats: map[string]int{}, faults: true,
		ledger: newLedger(), paused: map[NodeID]int{}, tweak: tweak,
	}
	c.directed = directed[seed%uint64(len(directed))]
	if c.directed == "shrinking" {
		voters = min(voters, 3)
	}
	var ids []NodeID
	for i := range voters {
		ids = append(ids, NodeID(i+1))
	}
	c.nextID = NodeID(voters + 1)
	c.elections = []int{10, 10, 2, 3, 5}[c.rng.IntN(5)]
	if c.directed == "lease" || c.directed == "mixed leases" {
		c.lease, c.elections = true, 10
	}
	c.drawMood()
	for _, id := range ids {
		m := c.add(id)
		m.before = Snapshot{Membership: Voters(ids...)}
		m.start()
	}
	return c
}

// lazy runs keep back word of commits.
func (c *cluster) lazy() bool { return c.seed%3 == 1 }

func (c *cluster) add(id NodeID) *member {
	m := &member{c: c, id: id, whole: map[[32]byte][]byte{}, lost: map[uint64][]Entry{}, rate: 1 + (c.rng.Float64()*2-1)*clockDrift, newest: c.drawRelease()}
	c.nodes[id] = m
	c.ids = append(c.ids, id)
	slices.Sort(c.ids)
	return m
}

func (c *cluster) tell(format string, args ...any) {
	if c.verbose {
		c.log = append(c.log, fmt.Sprintf("%6d ", c.steps)+fmt.Sprintf(format, args...))
	}
}

func (c *cluster) fail(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("seed %d, step %d: %s", c.seed, c.steps, fmt.Sprintf(format, args...))
}

func (m *member) last() uint64 { return m.before.Index + uint64(len(m.entries)) }

// start builds the replica from the disk.
func (m *member) start() {
	re := Restart{HardState: m.hard, BeforeIndex: m.before.Index, BeforeTerm: m.before.Term, LastIndex: m.last(), LastTime: m.before.Time}
	re.Configs = []ConfigAt{{m.before.Index, m.before.Membership}}
	for i, e := range m.entries {
		if i == 0 || m.entries[i-1].Term != e.Term {
			re.Runs = append(re.Runs, TermRun{e.Index, e.Term})
		}
		if e.Kind == KindConfig {
			mb, err := ParseMembership(e.Data)
			if err != nil {
				m.c.fail("config at %d: %v", e.Index, err)
			}
			re.Configs = append(re.Configs, ConfigAt{e.Index, mb})
		}
		re.LastTime = e.Time
	}
	re.Commit = max(min(m.commit, m.last()), m.snap.Index, m.before.Index)
	re.Applied = max(m.snap.Index, m.before.Index)
	m.applied, m.state = 0, [32]byte{}
	if m.snap.Index > 0 {
		m.applied = m.snap.Index
		copy(m.state[:], m.snapData)
	}
	cfg := Config{
		ID: m.id, Storage: m, Seed: m.c.rng.Uint64(), MaxMessageBytes: 200, MaxInflight: 4, MaxTailBytes: 400, MaxChunkBytes: 16, Incarnation: m.incarnation,
		ElectionTicks: m.c.elections, LazyCommit: m.c.lazy(), Formats: Formats{OldestFormat, m.newest}, Group: m.c.seed % 2,
	}
	if cfg.LeaseReads = m.c.lease; m.c.directed == "mixed leases" { // some restart without leases, or with a longer timeout
		cfg.LeaseReads, cfg.Promised = m.c.rng.IntN(3) > 0, m.pledge
		cfg.ElectionTicks += m.c.rng.IntN(2) * m.c.rng.IntN(6)
	}
	if m.c.tweak != nil {
		m.c.tweak(m.c, &cfg)
	}
	r, err := New(cfg, re)
	if m.tooOld(err) {
		m.start()
		return
	}
	if err != nil {
		m.c.fail("restart of %d: %v", m.id, err)
	}
	m.r, m.up, m.waits, m.pending, m.toApply = r, true, false, nil, nil
	if m.fenced {
		r.Fence()
	}
	m.states = map[uint64][32]byte{m.applied: m.state}
	if m.partial != nil {
		r.Resume(m.partialSnap, uint64(len(m.partial)))
	}
	st := r.Status()
	if st.Term != m.hard.Term || st.Vote != m.hard.Vote {
		m.c.fail("%d starts with term %d and vote %d, its disk holds %+v", m.id, st.Term, st.Vote, m.hard)
	}
	m.maxTerm, m.maxCommit, m.sent = st.Term, st.Commit, nil
}

// Entries and Snapshot are the member's Storage.
func (m *member) Entries(lo, hi uint64, maxBytes int) ([]Entry, error) {
	if lo <= m.before.Index {
		return nil, ErrCompacted
	}
	if hi > m.last()+1 {
		m.c.fail("%d reads entries %d..%d, durable are %d", m.id, lo, hi-1, m.last())
	}
	list := m.entries[lo-m.before.Index-1 : hi-m.before.Index-1]
	return list[:min(len(list), 3)], nil
}

func (m *member) Snapshot() (Snapshot, bool) {
	return m.snap, m.snap.Index > 0 && (!m.c.faults || m.c.rng.IntN(10) > 0)
}

// crash loses what was not synced: of the writes under way, some of the first may have
// reached the disk.
func (m *member) crash() {
	n := 0
	if len(m.pending) > 0 {
		n = m.c.rng.IntN(len(m.pending) + 1)
	}
	for _, rd := range m.pending[:n] {
		if m.full && len(rd.Entries) > 0 {
			break
		}
		m.write(rd)
	}
	m.up, m.r, m.pending, m.toApply, m.arrived = false, nil, nil, nil, nil
	switch m.c.rng.IntN(4) {
	case 0:
		m.partial = nil
	case 1:
		if len(m.partial) > 0 {
			m.partial[m.c.rng.IntN(len(m.partial))] ^= 4 // rot: the sum must tell
		}
	}
	m.c.stats["crash"]++
}

// forget is the loss of a whole disk: the node comes back as another incarnation.
func (m *member) forget() {
	m.lost[m.incarnation] = m.entries
	m.hard, m.before, m.entries, m.snap, m.snapData, m.commit = HardState{}, Snapshot{}, nil, Snapshot{}, nil, 0
	m.partial, m.whole, m.incarnation = nil, map[[32]byte][]byte{}, m.c.rng.Uint64()>>1
	m.c.stats["disk lost"]++
}

// spare says whether a disk may be lost: one at a time, of clusters that outlive it. All know
// one membership of three voters or more, and nobody in it is still to be taken in again.
func (c *cluster) spare(m *member) bool {
	for _, x := range c.net {
		for _, e := range x.Entries {
			if e.Kind == KindConfig && e.Index > m.commit {
				return false // a membership that only the lost disk may stand behind
			}
		}
	}
	var known *Status
	for _, id := range c.ids {
		o := c.nodes[id]
		if o == m {
			continue
		}
		if !o.up {
			return false
		}
		s := o.r.Status()
		if known == nil {
			known = &s
		}
		if s.MembershipIndex != known.MembershipIndex || !s.MembershipCommitted || s.Membership.Joint() {
			return false
		}
		for _, x := range s.Membership.Members {
			if x.Incarnation != c.nodes[x.ID].incarnation {
				return false
			}
		}
	}
	if known == nil {
		return false
	}
	cf := newConfig(0, known.Membership)
	return len(cf.voters) >= 3
}

// write makes a Ready durable.
func (m *member) write(rd Ready) {
	if rd.HardState != nil {
		m.c.voted(m, *rd.HardState)
		m.hard = *rd.HardState
	}
	if rd.Install != nil {
		m.before, m.snap, m.entries = *rd.Install, *rd.Install, nil
		m.snapData = append([]byte(nil), m.installing(*rd.Install)...)
	}
	if len(rd.Entries) > 0 {
		at := rd.Entries[0].Index - 1
		if at > m.last() {
			m.c.fail("%d: write of %d leaves a gap behind %d", m.id, at+1, m.last())
		}
		m.entries = append(slices.Clone(m.entries[:at-m.before.Index]), rd.Entries...)
		m.c.same(m, rd.Entries)
	}
	m.commit = max(m.commit, min(rd.Commit, m.last()))
}

func (m *member) installing(s Snapshot) []byte {
	data, ok := m.whole[s.Sum]
	if !ok {
		m.c.fail("%d installs a snapshot that it does not have", m.id)
	}
	return data
}

// ready takes one Ready.
func (m *member) ready() {
	rd, err := m.r.Ready()
	if err != nil {
		m.c.fail("%d: %v", m.id, err)
	}
	for _, msg := range rd.Messages {
		m.c.leaves(m, msg)
		m.c.send(msg)
	}
	for _, w := range rd.Writes {
		if w.Offset == 0 {
			m.partial, m.partialSnap = nil, w.Snapshot
		}
		if m.partialSnap.Sum != w.Snapshot.Sum || uint64(len(m.partial)) != w.Offset {
			m.c.fail("%d: chunk at %d of another snapshot or place (%d)", m.id, w.Offset, len(m.partial))
		}
		m.partial = append(m.partial, w.Data...)
		if w.Last {
			if sha256.Sum256(m.partial) == w.Snapshot.Sum {
				m.whole[w.Snapshot.Sum] = m.partial
			}
			m.arrived, m.partial = append(m.arrived, w.Snapshot), nil
			if !m.c.faults {
				m.arrive()
			}
		}
	}
	for _, q := range rd.Chunks {
		if m.snap.Sum != q.Snapshot.Sum {
			m.r.SnapshotGone(q.Snapshot)
			continue
		}
		m.c.send(q.Message(m.snapData[q.Offset : q.Offset+uint64(q.Bytes)]))
	}
	for _, s := range rd.Reads {
		m.c.answered(m, s)
	}
	m.pending = append(m.pending, rd)
	if rd.Install != nil || len(rd.Committed) > 0 {
		m.toApply = append(m.toApply, rd)
	}
	m.c.release(m, rd.Committed)
}

// arrive says that all bytes of a snapshot are there, and whether they can be used.
func (m *member) arrive() {
	s := m.arrived[0]
	m.arrived = m.arrived[1:]
	_, ok := m.whole[s.Sum]
	m.r.SnapshotReceived(s, ok && (!m.c.faults || m.c.rng.IntN(10) > 0))
	m.c.stats["snapshot received"]++
}

// persist lets the disk finish its oldest write, or some at once.
func (m *member) persist() {
	if m.full && m.refuses() {
		m.refuse()
		return
	}
	n := 1
	for m.write(m.pending[0]); n < len(m.pending) && m.c.faults && !m.full && m.c.rng.IntN(4) == 0; n++ {
		m.write(m.pending[n])
	}
	number := m.pending[n-1].Number
	m.pending = m.pending[n:]
	m.r.Persisted(number)
}

// apply brings the state on.
func (m *member) apply() {
	rd := m.toApply[0]
	m.toApply = m.toApply[1:]
	if rd.Install != nil {
		m.applied = rd.Install.Index
		copy(m.state[:], m.installing(*rd.Install))
		m.states = map[uint64][32]byte{}
	}
	for _, e := range rd.Committed {
		if e.Index != m.applied+1 {
			m.c.fail("%d applies %d behind %d", m.id, e.Index, m.applied)
		}
		m.state = sha256.Sum256(append(m.state[:], e.Data...))
		m.applied = e.Index
		m.states[m.applied] = m.state
	}
	if n := len(rd.Committed); n > 0 {
		m.r.Applied(rd.Committed[n-1].Index)
	}
}

// snapshot writes the state down and drops the log before it, or some of it.
func (m *member) snapshot() {
	at := min(m.applied, m.last())
	if at <= m.snap.Index || at <= m.before.Index || m.states[at] == [32]byte{} {
		return
	}
	state := m.states[at]
	data := binary.BigEndian.AppendUint64(bytes.Clone(state[:]), uint64(m.c.rng.IntN(3)))
	e := m.entries[at-m.before.Index-1]
	mb := m.before.Membership
	for _, x := range m.entries[:at-m.before.Index] {
		if x.Kind == KindConfig {
			mb, _ = ParseMembership(x.Data)
		}
	}
	if len(mb.Members) == 0 {
		m.c.fail("node %d has applied %d entries, none of which says who the members are", m.id, at)
	}
	m.snap = Snapshot{Index: at, Term: e.Term, Time: e.Time, Membership: mb, Size: uint64(len(data)), Sum: sha256.Sum256(data)}
	m.snapData = data
	keep := at - min(at-m.before.Index-1, uint64(m.c.rng.IntN(4)))
	// The log now begins behind keep.
	if keep > m.before.Index {
		b := m.entries[keep-m.before.Index-1]
		mb := m.before.Membership
		for _, x := range m.entries[:keep-m.before.Index] {
			if x.Kind == KindConfig {
				mb, _ = ParseMembership(x.Data)
			}
		}
		m.entries = slices.Clone(m.entries[keep-m.before.Index:])
		m.before = Snapshot{Index: keep, Term: b.Term, Time: b.Time, Membership: mb}
		if !m.c.faults || m.c.rng.IntN(4) > 0 { // else it finds out
			m.r.Compacted(keep)
		}
	}
	m.c.stats["snapshot"]++
}

func (c *cluster) send(m Message) {
	if m.Kind == MsgAppendResp && !m.Reject {
		if from := c.nodes[m.From]; from.hard.Term < m.Term {
			c.fail("%d answers in term %d, which is not durable (%d)", m.From, m.Term, from.hard.Term)
		}
	}
	if m.Kind == MsgVoteResp && !m.Reject {
		if h := c.nodes[m.From].hard; h.Term < m.Term || h.Term == m.Term && h.Vote != m.To {
			c.fail("%d grants a vote in term %d that is not durable", m.From, m.Term)
		}
		c.vote(c.nodes[m.From], m.Term, m.To)
	}
	if !c.faults {
		c.net = append(c.net, m)
		return
	}
	if c.cut[[2]NodeID{m.From, m.To}] || c.rng.IntN(100) < c.mood.drop {
		return
	}
	c.net = append(c.net, m)
	if c.rng.IntN(100) < c.mood.repeat {
		c.net = append(c.net, m)
	}
}

// deliver hands over a message: mostly the oldest, sometimes any.
func (c *cluster) deliver() {
	i := 0
	if c.faults && c.rng.IntN(100) < c.mood.overtake {
		i = c.rng.IntN(len(c.net))
	}
	m := c.net[i]
	if c.faults && (c.sleeps(m.To) || c.rng.IntN(100) < c.mood.late) {
		if len(c.net) < 2000 {
			c.net = append(slices.Delete(c.net, i, i+1), m) // comes later
		}
		return
	}
	c.net = slices.Delete(c.net, i, i+1)
	to := c.nodes[m.To]
	if to == nil || !to.up || c.cut[[2]NodeID{m.From, m.To}] {
		return
	}
	// Over the wire and back: nothing may hang on shared memory.
	b := AppendMessage(nil, &m)
	back, err := ParseMessage(b)
	if err != nil {
		c.fail("message does not survive its encoding: %v: %+v", err, m)
	}
	c.tell("%d -> %d %v t%d i%d/%d n%d c%d seq%d m%d rej%v hint%d", m.From, m.To, m.Kind, m.Term, m.Index, m.LogTerm, len(m.Entries), m.Commit, m.Seq, m.Match, m.Reject, m.Hint)
	voted := to.hardState()
	if err := to.r.Step(back); err != nil {
		c.fail("step: %v: %+v", err, m)
	}
	c.compared(to, voted, &m)
	c.heard(to, back)
	c.leaseRead(to)
	c.check(to)
}

// release takes note of entries that a node says are committed.
func (c *cluster) release(m *member, list []Entry) {
	for _, e := range list {
		if e.Index > m.durableLast() {
			c.fail("%d releases %d, which it has not made durable (%d)", m.id, e.Index, m.durableLast())
		}
		if n := uint64(len(c.committed)); e.Index == n+1 {
			c.committed, c.since = append(c.committed, e), append(c.since, m.r.term)
			c.follows(e)
		} else if e.Index > n {
			c.fail("%d releases %d while %d are known", m.id, e.Index, n)
		}
		if k := c.committed[e.Index-1]; k.Term != e.Term || !bytes.Equal(k.Data, e.Data) {
			c.fail("state machine safety: %d has at %d term %d %q, elsewhere term %d %q", m.id, e.Index, e.Term, e.Data, k.Term, k.Data)
		}
	}
}

func (m *member) durableLast() uint64 { return m.last() }

// check asserts what holds at each step.
func (c *cluster) check(m *member) {
	if !m.up {
		return
	}
	s := m.r.Status()
	if s.Term < m.maxTerm || s.Commit < m.maxCommit {
		c.fail("%d: term %d -> %d, commit %d -> %d", m.id, m.maxTerm, s.Term, m.maxCommit, s.Commit)
	}
	m.maxTerm, m.maxCommit = s.Term, s.Commit
	if s.Applied > s.Released || s.Released > s.Commit || s.Commit > s.Last || s.Durable > s.Last {
		c.fail("%d: order of %+v", m.id, s)
	}
	c.configs(m)
	c.readable(m)
	c.views(m, s)
	if s.State != Leader {
		return
	}
	c.raises(m)
	c.counted(m, s)
	if was, ok := c.leaders[s.Term]; ok && was != m.id {
		c.fail("election safety: term %d is led by %d and %d", s.Term, was, m.id)
	} else if !ok {
		c.leaders[s.Term] = m.id
		c.stats["leader"]++
		c.elected(m)
		c.complete(m)
	}
	for _, p := range s.Peers {
		if o := c.nodes[p.ID]; o != nil && p.Incarnation == o.incarnation && o.hard.Term <= s.Term && p.Match > o.last() {
			c.fail("%d believes that %d has %d, its disk has %d", m.id, p.ID, p.Match, o.last())
		}
	}
}

// complete is leader completeness: all that was committed in earlier terms is in a new leader's log. A late vote may elect
// one of a term that is over.
func (c *cluster) complete(m *member) {
	for i := range c.committed {
		e := &c.committed[i]
		if c.since[i] >= m.r.term {
			break // so were those that follow
		}
		if t, ok := m.r.Term(e.Index); ok && t != e.Term || !ok && e.Index > m.before.Index {
			c.fail("leader completeness: %d leads term %d and has term %d (%v) at %d, committed was term %d", m.id, m.r.term, t, ok, e.Index, e.Term)
		}
	}
}

func (c *cluster) answered(m *member, s ReadState) {
	asked, ok := c.reads[s.ID]
	if !ok || s.Failed {
		return
	}
	delete(c.reads, s.ID)
	c.stats["read"]++
	c.confirmed(m, s.ID)
	if s.Index < asked {
		c.fail("read %d through %d is right from %d on, but %d were committed when it was asked", s.ID, m.id, s.Index, asked)
	}
}

func (c *cluster) someone() *member { return c.nodes[c.ids[c.rng.IntN(len(c.ids))]] }

// fault is one kind of thing that happens, and how often in this run.
type fault struct {
	name   string
	weight int
	do     func(*cluster, *member)
}

// mood is what a run is like: which faults come, and how often.
type mood struct {
	faults                 []fault
	total                  int
	drop, repeat, overtake int // of a hundred messages
	late                   int // so often it is put behind all others
	halves                 bool
	uncommitted, unapplied int // limits; 0: the defaults
	beat                   int // ticks between heartbeats; 0: the default
}

// directed names what runs look at, by seed; half of them at everything.
var directed = []string{"", "membership", "", "lease", "shrinking", "reads", "", "disks", "snapshots", "transfers", "full", "", "mixed leases"}

// emphasis is how often things happen in a directed run, in place of the mood's draw.
var emphasis = map[string]map[string]int{
	"membership":   {"hurry": 20, "change": 25, "crash": 6, "restart": 30, "cut": 2, "heal": 15, "snapshot": 0, "transfer": 2, "read": 0, "sleep": 1, "lose disk": 0, "tick": 120},
	"lease":        {"hurry": 0, "lease": 0, "tick": 60, "deliver": 450, "ready": 200, "persist": 200, "cut": 5, "heal": 6, "doze": 4, "bounce": 6, "crash": 0, "change": 0, "resize": 0, "campaign": 0, "fill": 0, "release": 0, "fence": 0, "transfer": 5, "propose": 60, "sleep": 0, "lose disk": 0},
	"mixed leases": {"hurry": 0, "lease": 0, "tick": 60, "deliver": 450, "ready": 200, "persist": 200, "cut": 5, "heal": 6, "doze": 4, "bounce": 10, "crash": 0, "change": 2, "resize": 2, "campaign": 10, "fill": 0, "lost": 20, "transfer": 5, "propose": 60, "sleep": 0, "lose disk": 0},
	"shrinking":    {"hurry": 40, "stumble": 60, "resize": 60, "change": 2, "crash": 3, "restart": 60, "release": 1, "fill": 10, "drain": 30, "cut": 2, "heal": 20, "transfer": 2, "campaign": 10, "sleep": 1, "lose disk": 0, "tick": 120},
	"full":         {"hurry": 20, "fill": 15, "drain": 20, "propose": 100, "resize": 6, "crash": 4, "restart": 30, "tick": 120, "cut": 1, "heal": 15, "lose disk": 0, "sleep": 0},
	"reads":        {"read": 80, "tick": 100, "cut": 4, "heal": 8, "sleep": 3, "change": 0, "snapshot": 0, "crash": 1},
	"disks":        {"hurry": 10, "lose disk": 40, "crash": 2, "heal": 40, "cut": 1, "restart": 40, "change": 1, "tick": 120, "sleep": 0},
	"snapshots":    {"snapshot": 40, "propose": 120, "change": 6, "cut": 3, "heal": 8, "crash": 4, "restart": 20, "tick": 100, "read": 0, "lose disk": 0, "sleep": 1},
	"transfers":    {"transfer": 20, "propose": 80, "change": 4, "cut": 2, "heal": 15, "sleep": 2, "crash": 2},
}

// drawMood takes a random subset of the faults, some of them often.
func (c *cluster) drawMood() {
	pick := func(list ...int) int { return list[c.rng.IntN(len(list))] }
	often := func() int { return pick(0, 1, 1, 6) }
	c.mood = mood{drop: pick(0, 2, 5, 20), repeat: pick(0, 5), overtake: pick(0, 25, 100), late: pick(0, 0, 0, 10, 30), halves: c.rng.IntN(2) == 0,
		uncommitted: pick(0, 0, 300), unapplied: pick(0, 0, 100), beat: pick(0, 0, c.elections/2)}
	c.mood.faults = []fault{
		{"deliver", pick(200, 450, 450, 900), func(c *cluster, m *member) {
			if len(c.net) > 0 {
				c.deliver()
			}
		}},
		{"ready", 150, func(c *cluster, m *member) {
			if m.up && c.lazy() && c.steps%16 == 0 {
				m.r.TellCommit()
			}
			if m.up && m.wants() {
				m.ready()
			}
		}},
		{"persist", pick(30, 120, 200), func(c *cluster, m *member) {
			if m.up && len(m.pending) > 0 {
				m.persist()
			}
		}},
		{"apply", pick(10, 60), func(c *cluster, m *member) {
			if m.up && len(m.toApply) > 0 {
				m.apply()
			}
		}},
		{"arrive", pick(20, 100), func(c *cluster, m *member) {
			if m.up && len(m.arrived) > 0 {
				m.arrive()
			}
		}},
		{"tick", pick(40, 80, 160), func(c *cluster, m *member) {
			if c.lease {
				c.pass()
			} else if m.up {
				m.tick()
			}
		}},
		{"sleep", often(), func(c *cluster, m *member) {
			c.paused[m.id] = c.steps + c.rng.IntN(300)
			c.stats["sleep"]++
		}},
		{"doze", 0, func(c *cluster, m *member) { // a leader that is paused wakes to old answers
			if m.up && m.r.role == Leader {
				m.wakes = c.ticks + 1 + c.rng.IntN(20)
				c.stats["sleep"]++
			}
		}},
		{"bounce", 0, func(c *cluster, m *member) {
			if m.up {
				m.crash()
				m.start()
			}
		}},
		{"stumble", 0, func(c *cluster, m *member) { // a leader that leaves, before it is gone
			if m.up && m.r.role == Leader && !m.r.log.config().votes(m.id) {
				m.crash()
				m.start()
				c.stats["stumble"]++
			}
		}},
		{"lose disk", pick(0, 0, 0, 3, 30), func(c *cluster, m *member) {
			if c.spare(m) {
				if m.up {
					m.crash()
				}
				m.forget()
				m.start()
			}
		}},
		{"hurry", pick(0, 5, 20), func(c *cluster, m *member) { c.hurry(1 + c.rng.IntN(3)) }},
		{"lease", pick(0, 60), func(c *cluster, m *member) { c.leaseRead(m) }},
		{"propose", pick(10, 50, 100), func(c *cluster, m *member) { c.propose(m) }},
		{"read", pick(0, 30), func(c *cluster, m *member) { c.read(m) }},
		{"crash", 2 * often(), func(c *cluster, m *member) {
			if m.up {
				m.crash()
				if c.rng.IntN(20) == 0 && c.spare(m) {
					m.forget()
				}
			}
		}},
		{"restart", pick(10, 40), func(c *cluster, m *member) {
			if !m.up {
				m.start()
			}
		}},
		{"cut", 2 * often(), func(c *cluster, m *member) { c.partition() }},
		{"heal", pick(5, 20, 60), func(c *cluster, m *member) { clear(c.cut) }},
		{"snapshot", 5 * often(), func(c *cluster, m *member) {
			if m.up {
				m.snapshot()
			}
		}},
		{"transfer", 4 * often(), func(c *cluster, m *member) {
			if m.up && m.r.Transfer(c.someone().id) == nil {
				c.stats["transfer"]++
			}
		}},
		{"lost", 4 * often(), func(c *cluster, m *member) {
			switch id := c.someone().id; {
			case m.up && c.lease:
				m.r.LeaderLost(m.r.lead) // which lives on, and reads
			case m.up:
				m.r.LeaderLost(id)
			}
		}},
		{"change", 6 * often(), func(c *cluster, m *member) { c.change(m) }},
		{"resize", often(), func(c *cluster, m *member) { c.resize(m) }},
		{"fill", often(), func(c *cluster, m *member) { m.full = true }},
		{"drain", pick(10, 40), func(c *cluster, m *member) { m.full = false }},
		{"release", pick(0, 0, 1), func(c *cluster, m *member) { m.install() }},
		{"campaign", 2 * often(), func(c *cluster, m *member) {
			if m.up {
				m.r.Campaign()
			}
		}},
		{"fence", pick(0, 0, 0, 1), func(c *cluster, m *member) { c.fence(m) }},
		{"noop", often(), func(c *cluster, m *member) {
			if m.up {
				_, _ = m.r.ProposeNoop()
			}
		}},
	}
	for i := range c.mood.faults {
		f := &c.mood.faults[i]
		if w, ok := emphasis[c.directed][f.name]; ok {
			f.weight = w
		}
		c.mood.total += f.weight
	}
}

// step does one thing.
func (c *cluster) step() {
	c.steps++
	m := c.someone()
	if c.sleeps(m.id) {
		return
	}
	k := c.rng.IntN(c.mood.total)
	for _, f := range c.mood.faults {
		if k -= f.weight; k < 0 {
			f.do(c, m)
			break
		}
	}
	c.check(m)
}

func (c *cluster) propose(m *member) {
	if !m.up {
		return
	}
	c.proposed++
	if _, err := m.r.Propose(FirstKind, int64(c.proposed), fmt.Appendf(nil, "p%d", c.proposed)); err == nil {
		c.stats["proposal"]++
	}
}

func (c *cluster) read(m *member) {
	if !m.up {
		return
	}
	c.nextRead++
	c.reads[c.nextRead] = uint64(len(c.committed))
	q := question{step: c.steps, config: m.r.log.config().index}
	if m.r.role == Leader {
		q.term = m.r.term
	}
	c.ledger.asked[c.nextRead] = q
	if m.r.Read(c.nextRead) != nil {
		delete(c.reads, c.nextRead)
	}
}

// partition cuts one direction between two, or the cluster into two halves.
func (c *cluster) partition() {
	c.stats["cut"]++
	if !c.mood.halves {
		c.cut[[2]NodeID{c.someone().id, c.someone().id}] = true
		return
	}
	clear(c.cut)
	side := map[NodeID]bool{}
	for _, id := range c.ids {
		side[id] = c.rng.IntN(2) == 0
	}
	for _, a := range c.ids {
		for _, b := range c.ids {
			if side[a] != side[b] {
				c.cut[[2]NodeID{a, b}] = true
			}
		}
	}
}

// change wishes for some other membership.
func (c *cluster) change(m *member) {
	if !m.up {
		return
	}
	if leads, _ := m.r.Leading(); !leads {
		return
	}
	have := m.r.Status().Membership
	for _, x := range have.Members {
		if x.Incarnation != c.nodes[x.ID].incarnation {
			return // a lost disk and a change at once are two failures
		}
	}
	var changes []Change
	for range 1 + c.rng.IntN(3) {
		x := c.someone().id
		mem, in := have.Find(x)
		if slices.ContainsFunc(changes, func(o Change) bool { return o.Member.ID == x }) {
			continue
		}
		switch {
		case c.rng.IntN(6) == 0 && len(c.ids) < 9:
			x = c.nextID
			c.nextID++
			n := c.add(x)
			n.incarnation = c.rng.Uint64() >> 1
			n.start()
			changes = append(changes, Change{Member: Member{ID: x, Role: Learner, Promote: c.rng.IntN(2) == 0, Incarnation: n.incarnation}})
		case in && c.rng.IntN(3) == 0:
			changes = append(changes, Change{Remove: true, Member: Member{ID: x}})
		case in && mem.Role == Learner:
			changes = append(changes, Change{Member: Member{ID: x, Role: Voter, Priority: uint8(c.rng.IntN(2)), Incarnation: mem.Incarnation}})
		default:
			changes = append(changes, Change{Member: Member{ID: x, Role: Learner, Promote: c.rng.IntN(2) == 0, Incarnation: c.nodes[x].incarnation}})
		}
	}
	if _, err := m.r.Change(changes...); err == nil {
		c.stats["change"]++
	}
}

// fence has one node at a time know that its state is wrong.
func (c *cluster) fence(m *member) {
	for _, id := range c.ids {
		if c.nodes[id].fenced {
			return
		}
	}
	if m.up {
		m.fenced = true
		m.r.Fence()
		c.stats["fenced"]++
	}
}

// resize has a leader leave few members, not always itself among them, or take many in.
func (c *cluster) resize(m *member) {
	if !m.up || m.r.role != Leader {
		return
	}
	have := m.r.Status().Membership
	for _, x := range have.Members {
		if x.Incarnation != c.nodes[x.ID].incarnation {
			return
		}
	}
	var changes []Change
	if voters := m.r.log.config().voters; len(have.Members) > 1 && c.rng.IntN(4) > 0 {
		stays := voters[c.rng.IntN(len(voters))]
		if stays == m.id {
			stays = voters[c.rng.IntN(len(voters))]
		}
		for _, x := range have.Members {
			if x.ID != stays && c.rng.IntN(8) > 0 {
				changes = append(changes, Change{Remove: true, Member: Member{ID: x.ID}})
			}
		}
	} else {
		for _, id := range c.ids {
			if x, in := have.Find(id); (!in || x.Role == Learner && !x.Promote) && len(have.Members)+len(changes) < 4 {
				changes = append(changes, Change{Member: Member{ID: id, Role: Learner, Promote: true, Incarnation: c.nodes[id].incarnation}})
			}
		}
	}
	if len(changes) == 0 {
		return
	}
	if _, err := m.r.Change(changes...); err == nil {
		c.stats["resize"]++
	}
}

// settle ends the faults; then there must be a leader, and something new must be committed and
// reach everybody in the membership.
func (c *cluster) settle() {
	c.faults = false
	clear(c.cut)
	for _, id := range c.ids {
		m := c.nodes[id]
		if m.up && m.fenced {
			m.crash() // a leader may be needed that nobody else can be
		}
		m.fenced, m.full, m.waits = false, false, false
		if !m.up {
			m.start()
		}
	}
	c.spend()
	clear(c.paused)
	before, budget := len(c.committed), 2_000_000
	for round := range 4000 {
		for _, id := range c.ids {
			m := c.nodes[id]
			if !m.up {
				continue
			}
			m.clock++
			m.waits = false
			m.r.Tick()
			m.unfed()
			for len(m.arrived) > 0 {
				m.arrive()
			}
			for range 30 {
				for len(c.net) > 0 {
					c.deliver()
					if budget--; budget < 0 {
						c.fail("messages without end after the faults have stopped")
					}
				}
				for m.wants() {
					m.ready()
					if budget--; budget < 0 {
						c.fail("work without end after the faults have stopped")
					}
				}
				for len(m.pending) > 0 {
					m.persist()
				}
				for len(m.toApply) > 0 {
					m.apply()
				}
				if !m.wants() && len(c.net) == 0 {
					break
				}
			}
			c.check(m)
			if leads, ready := m.r.Leading(); leads && ready && round%10 == 0 {
				c.proposed++
				_, _ = m.r.Propose(FirstKind, 0, fmt.Appendf(nil, "end%d", c.proposed))
			}
		}
		if len(c.committed) > before+5 && c.equal() {
			return
		}
	}
	for _, id := range c.ids {
		if m := c.nodes[id]; m.up {
			c.t.Logf("full: %v %+v", m.full, m.r.Status())
		}
	}
	c.fail("no progress after the faults have stopped: %d committed, %d before", len(c.committed), before)
}

// spend leaves some nodes down, or their disks full, as far as every configuration that may be in force has a quorum without
// them: a leader must come all the same, and what is written be committed.
func (c *cluster) spend() {
	if c.seed%2 == 0 {
		return
	}
	for range 3 {
		m := c.someone()
		if !c.dispensable(m) {
			continue
		}
		if m.full = c.rng.IntN(2) == 0; !m.full {
			m.crash()
		}
		c.stats["spent"]++
	}
}

// dispensable says whether all configurations have quorums without a node, and those that are lost already.
func (c *cluster) dispensable(m *member) bool {
	for _, id := range c.ids {
		o := c.nodes[id]
		if !o.up {
			continue
		}
		for i := range o.r.log.configs {
			if x, in := o.r.log.configs[i].Find(m.id); in && x.Role == Learner {
				return false // it may be about to get a vote, which is needed then
			}
			if !c.quorum(&o.r.log.configs[i], func(x Member) bool {
				y := c.nodes[x.ID]
				return y != m && y.up && !y.full && y.incarnation == x.Incarnation
			}) {
				return false
			}
		}
	}
	return m.up && !m.full
}

// equal says whether all members of the newest membership have applied the same.
func (c *cluster) equal() bool {
	for _, id := range c.ids {
		m := c.nodes[id]
		if !m.up {
			continue
		}
		if leads, ready := m.r.Leading(); leads && ready {
			for _, x := range m.r.Status().Membership.Members {
				o := c.nodes[x.ID]
				if !o.up || o.full {
					continue
				}
				if o.applied != m.applied {
					return false
				}
				if o.state != m.state {
					c.fail("states of %d and %d differ at %d", id, x.ID, m.applied)
				}
			}
			return c.done(m)
		}
	}
	return false
}

// hardState is what the member's disk must hold.
func (m *member) hardState() HardState { return HardState{m.r.term, m.r.vote, m.r.format} }
