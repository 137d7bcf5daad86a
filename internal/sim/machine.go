package sim

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
)

// tick is the unit of Raft's time: elections begin after 10 to 20.
const tick = 50 * time.Millisecond

// register is the record that clients write and read.
type register struct {
	ID    string `json:"id" lithair:"primary_key"`
	Value int64  `json:"value" lithair:"indexed"`
	Pad   string `json:"pad"` // makes entries as long as this run wants them
}

var registers = func() *model.Model {
	m, err := model.Of(reflect.TypeFor[register]())
	if err != nil {
		panic(err)
	}
	return m
}()

// machine is a computer: its disk outlives the processes that run on it.
type machine struct {
	s         *simulation
	id        consensus.NodeID
	first     node.Identity // what an empty disk is given
	disk      *disk.Sim
	clock     clock
	proc      *process // nil: none runs
	retired   bool     // switched off for good
	replace   bool     // its disk is damaged: it stays down until it has another
	cut       bool     // a repair has cut its log, and it has not started since
	mending   *mending // its log is being repaired; nil: it is not
	mended    int      // repairs since it started last
	starts    int
	settings  bool   // it is to run without leases from now on
	leaseless bool   // it runs without leases, and with fast failover and a short election timeout, in a run that has leases
	newest    uint64 // format that its release reads
	waits     bool   // for a newer release, for its cluster does not feed it
	promised  bool   // to read a newer one than the older release does; its disk may know

	paused   time.Duration // until then the process does not run
	slow     time.Duration // until then the disk is slow
	full     bool
	room     int64 // capacity of a full disk
	failSync bool  // the next sync fails
	fuse     int   // so many writing calls until the power fails; 0: it does not
	dark     bool  // it has failed, in the middle of a call

	// Of each group:
	claimed      [maxGroups]uint64 // highest term that it has spoken of
	holds        [maxGroups]uint64 // highest committed entry that has been on its disk
	incarnations [maxGroups]uint64 // of its node, as its identity says
}

// begins says what the nodes of an empty disk are.
func (m *machine) begins(first node.Identity) {
	m.first = first
	for i := range m.incarnations {
		m.incarnations[i] = first.Incarnation
	}
}

// known notes who a node is: a repair may have made it another incarnation, for which nothing counts
// that was on this disk.
func (m *machine) known(p *part) {
	if now := p.n.Identity().Incarnation; now != m.incarnations[p.g.number] {
		m.incarnations[p.g.number], m.holds[p.g.number] = now, 0
	}
}

// process runs on a machine: a node of each group.
type process struct {
	m      *machine
	groups node.Groups
	parts  []*part
}

// part is a node of one group, that runs.
type part struct {
	*process
	g     *group
	log   *eventlog.Log
	n     *node.Node
	e     *engine.Engine
	table *engine.Table
	held  eventlog.Position // by the snapshot that it began with
	note  []byte            // of that

	work     *eventlog.Work // that the disk is busy with
	marks    bool           // which is a mark
	marked   bool           // the log ends with one: damage to it can be told from a torn tail
	idle     int            // counts the works, for marks
	stepping bool           // a pass of the engine is under way
	ill      bool           // a sync has failed: somebody will restart it
	calls    []pendingCall
	reads    []*pendingRead

	status    consensus.Status
	chain     eventlog.Sum // of the log, when it was last looked at
	published uint64       // sequence of the newest root that was looked at
}

// chance returns a source that is drawn from the run's.
func (m *machine) chance() func() uint64 {
	x := m.s.world.rng.Uint64()
	return func() uint64 { // SplitMix64
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
}

// start runs a process on what the disk holds.
func (m *machine) start() {
	if m.proc != nil || m.retired || m.replace || m.mending != nil {
		return
	}
	m.starts++
	m.leaseless = m.s.mood.raft.LeaseReads && (m.settings || m.s.faulty && m.starts > 1 && m.s.world.oneIn(4))
	m.disk.Hook(m.hook)
	m.disk.SetCapacity(m.room)
	p := &process{m: m}
	m.proc = p
	err := p.open()
	switch {
	case m.dark:
		m.s.tell(m.id, "loses power while starting")
		m.lose()
		m.s.world.after(m.s.world.about(time.Second), m.start)
		return
	case err != nil:
		m.proc = nil
		m.disk = m.disk.Kill()
		if m.tooOld(err) {
			return
		}
		if m.s.operator.rotten[m.id] == "" && !m.cut || !m.mend(err, p.parts[len(p.parts)-1]) {
			m.refused(err)
		}
		return
	}
	for _, x := range p.parts {
		x.tell("started: term %d, log to %d, %d of it committed, snapshot at sequence %d", x.n.Status().Term, x.log.Durable(), x.n.Status().Commit, x.e.Stats().RestoredSeq)
		m.known(x)
		x.g.check.started(x)
	}
	m.cut, m.mended = false, 0
	if m.scrubs() {
		delete(m.s.operator.rotten, m.id) // what flipped means nothing
	}
	p.tick()
	for _, x := range p.parts {
		x.tend()
	}
	p.settle()
}

// scrubs says whether this start reads every byte of the log, as some do where a bit has flipped: else that may
// be found later. A snapshot is read when it is needed.
func (m *machine) scrubs() bool {
	name := m.s.operator.rotten[m.id]
	return name != "" && m.starts%2 == 0 && !strings.Contains(name, "snapshots")
}

// refused judges why a process did not start.
func (m *machine) refused(err error) {
	switch {
	case m.s.operator.rotten[m.id] != "":
		m.s.tell(m.id, "does not open, as it must not: %v", err)
		m.s.stats["rot found"]++
		m.replace = true
		m.s.operator.replaceLater(m)
	case disk.IsFull(err) && m.full, m.failedSync(err):
		m.s.tell(m.id, "does not start: %v", err)
		m.s.world.after(m.s.world.about(time.Second), m.start)
	default:
		violated("node %d does not start again: %v", m.id, err)
	}
}

var errSync = errors.New("input/output error")

func (m *machine) failedSync(err error) bool { return errors.Is(err, errSync) }

func (p *process) open() error {
	for _, g := range p.m.s.groups {
		x := &part{process: p, g: g}
		p.parts = append(p.parts, x)
		if err := x.open(); err != nil {
			return err
		}
		if err := p.groups.Join(uint64(g.number), x.n.Receive); err != nil {
			return err
		}
	}
	return nil
}

func (p *part) open() (err error) {
	m, s, dir := p.m, p.m.s, p.g.dir()
	chance := m.chance()
	logger := s.logger(m.id, p.g)
	p.e, err = engine.New(engine.Config{
		ExecutorConfig: engine.ExecutorConfig{Entropy: chance, CheckpointEvery: s.mood.checkpoint, MaxBatch: s.mood.maxBatch, MaxInflight: s.mood.maxInflight},
		Manual:         true, Logger: logger, Clock: m.clock.read,
		Open: func(sink engine.Sink) (engine.Order, error) {
			if err := m.disk.MkdirAll(dir + "/log"); err != nil {
				return nil, err
			}
			p.held = sink.Holds()
			p.note = sink.Note()
			if p.log, err = eventlog.Open(m.logConfig(p.g, chance)); err != nil {
				return nil, err
			}
			if err := p.log.CheckFrom(p.held.Index + 1); err != nil {
				return nil, errors.Join(err, p.log.Suspect(err))
			}
			raft := s.mood.raft
			if m.leaseless {
				raft.LeaseReads, raft.FastFailover, raft.ElectionTicks = false, true, 2
			}
			raft.Seed = chance()
			p.n, err = node.Start(node.Config{
				Log: p.log, Sink: tap{sink, p}, Clock: m.clock.read, FS: m.disk, Group: uint64(p.g.number), Dir: dir, File: "node", First: m.first,
				Transport: p, Formats: m.formats(), Tick: tick, Raft: raft, Uptime: m.clock.uptime, Manual: true, Logger: logger, MaxLagBytes: s.mood.lag,
			})
			return p.n, err
		},
	})
	if err != nil {
		return err
	}
	if p.table, err = p.e.Register(registers); err != nil {
		return err
	}
	if err := p.e.KeepSnapshots(engine.SnapshotConfig{Dir: dir + "/snapshots", FS: m.disk, Keep: s.mood.keep, Compact: s.mood.compact}); err != nil {
		return err
	}
	p.e.InCluster()
	return p.e.Start(context.Background())
}

// Send implements node.Transport.
func (p *part) Send(messages []consensus.Message) {
	m, s := p.m, p.m.s
	for i := range messages {
		if m.dark || m.proc != p.process {
			return
		}
		msg := &messages[i]
		p.g.check.sent(p, msg)
		b, kind := consensus.AppendMessage(nil, msg), msg.Kind
		if s.traceMessages {
			p.tell("-> %d %v term %d index %d/%d entries %d commit %d match %d reject %v", msg.To, kind, msg.Term, msg.Index, msg.LogTerm, len(msg.Entries), msg.Commit, msg.Match, msg.Reject)
		}
		to := s.machines[msg.To]
		if to == nil {
			continue
		}
		s.net.carry(m.id, to.id, func() { to.receive(b) })
	}
}

// Members implements node.Transport.
func (p *part) Members(consensus.Membership) {}

// receive hands a message to the process that runs, if one does.
func (m *machine) receive(b []byte) {
	p := m.proc
	if p == nil {
		return
	}
	p.run(func() {
		msg, err := consensus.ParseMessage(b)
		if err != nil {
			violated("a message does not survive its encoding: %v", err)
		}
		if w := p.m.s.world; msg.Last && p.m.s.faulty && p.m.fuse == 0 && w.oneIn(3) {
			p.m.fuse = 1 + w.rng.IntN(40) // amid what makes of a snapshot the state
		}
		if unknown := p.groups.Receive(msg); len(unknown) > 0 {
			violated("node %d has no group %d", m.id, unknown[0])
		}
	})
}

// run lets the process do something: now, or when it is no longer paused.
func (p *process) run(do func()) {
	m := p.m
	if m.proc != p {
		return
	}
	if m.paused > m.s.world.now {
		m.s.world.at(m.paused, func() { p.run(do) })
		return
	}
	do()
	p.settle()
}

// later lets the process do something after a time.
func (p *process) later(d time.Duration, do func()) { p.m.s.world.after(d, func() { p.run(do) }) }

func (p *process) tick() {
	p.later(p.m.clock.span(tick), func() {
		for _, x := range p.parts {
			x.n.Tick()
		}
		p.tick()
	})
}

// settle looks at what a call has brought about, and lets disk and engine go on.
func (p *process) settle() {
	m := p.m
	if m.dark {
		m.s.tell(m.id, "loses power in the middle of a call")
		m.crashed(true)
		return
	}
	for _, x := range p.parts {
		if m.proc != p {
			return
		}
		x.settle()
	}
}

func (p *part) settle() {
	if err := p.n.Err(); err != nil && !p.ill && !p.unfed(err) {
		p.died(err)
		return
	}
	p.g.check.observe(p)
	p.write()
	p.step()
	p.poll()
}

// ill says whether a sync of some group has failed.
func (p *process) ill() bool {
	for _, x := range p.parts {
		if x.ill {
			return true
		}
	}
	return false
}

// died judges why a node takes no part any more.
func (p *part) died(err error) {
	m := p.m
	if m.s.operator.rotten[m.id] == "" {
		violated("node %d has given up: %v", m.id, err)
	}
	p.tell("gives up, as it must: %v", err)
	m.s.stats["rot found"]++
	m.crashed(false)
}

// step lets the engine make a pass, a little later, if there is something to do.
func (p *part) step() {
	if p.stepping || !p.e.Due() {
		return
	}
	p.stepping = true
	p.later(p.m.s.world.about(p.m.s.mood.apply), func() {
		p.stepping = false
		if !p.e.Step() && !p.ill && !p.m.dark {
			violated("the engine of node %d has stopped: %v", p.m.id, p.e.Err())
		}
		p.g.check.published(p)
	})
}

// crashed ends the process, as the loss of power does, or as SIGKILL does.
func (m *machine) crashed(power bool) {
	p := m.proc
	if p == nil {
		return
	}
	for _, x := range p.parts {
		m.breakWork(x)
		x.reset()
	}
	if power {
		m.lose()
	} else {
		m.proc = nil
		m.disk = m.disk.Kill()
	}
	m.fuse, m.dark, m.failSync = 0, false, false
	m.s.stats["crash"]++
	m.s.world.after(m.s.mood.downtime(m.s.world), m.start)
	if !power {
		m.s.refusedDials(m)
	}
}

// lose is what the disk holds after a loss of power.
func (m *machine) lose() {
	m.proc = nil
	m.disk.PowerOff()
	m.disk = m.disk.Crash(m.s.world.rng.Uint64())
	m.dark, m.fuse = false, 0
}

// stop ends the process in good order.
func (m *machine) stop() (orderly bool) {
	p := m.proc
	if p == nil {
		return false
	}
	for _, x := range p.parts {
		if x.work != nil {
			x.finish()
		}
		if m.proc != p || m.dark {
			p.settle()
			return false
		}
	}
	for _, x := range p.parts {
		err := x.e.Close(context.Background())
		x.tell("stopped")
		x.reset()
		if m.dark {
			m.crashed(true)
			return false
		}
		if err != nil && !x.ill && !m.full {
			violated("node %d does not close: %v", m.id, err)
		}
	}
	m.proc = nil
	m.disk = m.disk.Kill()
	m.s.refusedDials(m)
	return true
}

// tell adds a line about a node to the story.
func (p *part) tell(format string, args ...any) {
	if p.m.s.trace != nil {
		p.m.s.tell(p.m.id, "%s"+format, append([]any{p.g.prefix()}, args...)...)
	}
}

// logger returns what the log of a group's node goes to: the story, when it is told.
func (s *simulation) logger(id consensus.NodeID, g *group) *slog.Logger {
	if s.trace == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&storyHandler{s: s, id: id, prefix: g.prefix()})
}
