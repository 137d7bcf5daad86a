package node

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// Errors of Propose: the entry was not taken and never will be.
var (
	ErrNotLeader = errors.New("node: not the leader of that epoch")
	ErrClosed    = errors.New("node: closed")
)

// ErrDeposed is why an epoch is lost when another node leads, or none: what was proposed
// may yet be committed.
var ErrDeposed = errors.New("node: leadership was lost")

// ErrNoLeader answers a barrier when nobody can be asked; the caller may try again.
var ErrNoLeader = errors.New("node: no leader is known")

// Sink is told what becomes of the log. See the package doc for the order of calls.
type Sink interface {
	// Holds returns how far the sink has come without the log, by a snapshot: replay
	// begins behind it. It is called first. The zero position is the beginning.
	Holds() eventlog.Position
	// Replay reports records of earlier runs that are known to be committed, before any
	// other call. Payloads are valid during the call only. An error ends Start.
	Replay(records []eventlog.Record) error
	// Committed reports records that are final. The sink may keep them.
	Committed(records []eventlog.Record)
	// Leading says that Propose takes entries for that epoch.
	Leading(epoch uint64)
	// Lost ends the epoch; known says that its open proposals are certainly not in
	// the log.
	Lost(epoch uint64, known bool, cause error)
	// Barrier answers a ticket: a read is right once index is applied.
	Barrier(ticket, index uint64, err error)
}

// Applier is what a [Sink] of a member has besides that does what is reported at its own pace: no more than Raft.MaxUnappliedBytes is reported
// before it is done, so that what a slow one, or one that has failed, has before it does not fill the memory. It may be called with
// locks held.
type Applier interface {
	Applied() uint64 // log index up to which all that was reported is done
}

// Transport carries messages to other nodes.
type Transport interface {
	// Send hands over messages, in order, and never blocks; what it cannot carry is lost,
	// which the protocol makes up for. Slices in them stay as they are.
	Send(messages []consensus.Message)
	// Members says who is in the cluster, or leaves it, whenever that changes.
	Members(consensus.Membership)
}

// Config says what a node drives. Log and Sink are required; the rest is needed by clusters
// of more than one node.
type Config struct {
	Log   *eventlog.Log    // the node closes it
	Sink  Sink             //
	Clock func() time.Time // for the times of entries of this package; default time.Now

	// File is where the node's [Identity] is kept, in Dir on FS (default: the real
	// disk). Without one the node is the only voter for ever.
	FS        disk.FS
	Dir, File string
	// First is the identity of a node whose File does not exist yet: its cluster, its id
	// and either the membership of the bootstrap, the same on all its nodes, or none and an
	// Incarnation, for a node that waits to be taken in.
	First Identity

	Transport Transport
	// Group is which of several groups of a cluster the node is a replica of; default 0. Each has
	// its own log, directory and identity; a transport may be shared, see [TCP.Group].
	Group uint64
	// Tick is the unit of Raft's time; default 50 ms. Elections begin after 10 to 20.
	Tick time.Duration
	// Formats are those that the node is to read, see consensus.OldestFormat; default: all that this release does.
	// With a lower Newest it is like an older release: as long as there is such a member, the cluster's
	// format is not raised, and all can go back to that release.
	Formats consensus.Formats
	// Raft holds limits and choices; ID, Group, Incarnation, Formats, Storage, Seed and Now are set here.
	Raft consensus.Config
	// Uptime measures leases, where Raft.LeaseReads is set. It must go on while the machine sleeps; default: that of
	// the system, which is known on Linux alone.
	Uptime func() time.Duration
	Manual bool // no ticker: the owner calls Tick
	// MaxLagBytes is how large the log may be while it is kept for members that are behind;
	// beyond, they get a snapshot. Default 1 GiB.
	MaxLagBytes int64
	Logger      *slog.Logger
}

// Node is a replica of a cluster.
type Node struct {
	cfg  Config
	log  *eventlog.Log
	sink Sink
	file *identityFile // nil: the only voter

	mu       sync.Mutex
	core     *consensus.Replica
	identity Identity
	writes   []write // given to the log, oldest first
	unread   error   // the leader's log has a format that this release does not read
	refused  error   // an append was refused; nothing is written until those behind it have ended
	waiting  bool    // there was no room: the next tick tries again
	tail     uint64  // last index given to the log
	epoch    uint64  // of the current stint; 0 when not leading
	term     uint64  // of that stint
	epochs   uint64  // stints so far
	reported uint64  // last index given to the sink
	applier  Applier // nil: the sink is done with what it was given
	applied  uint64  // how far it is, when it was last asked
	strong   []strongRead
	closed   bool
	ended    bool  // log and identity are closed as well
	dead     error // the log takes nothing more
	changed  sync.Cond

	history   atomic.Uint64 // named by the newest membership that is known to be committed
	seen      atomic.Pointer[view]
	sinkEpoch uint64 // the epoch that the sink knows of; 0: none

	keeping bool              // whoever pumps writes the file, without n.mu
	pumping bool              // somebody does what the core wants
	records []eventlog.Record // memory for entries on their way to the log, of whoever pumps

	writesHere bool // who pumps writes to the disk itself, when it has pumped
	enqueued   bool // and has something to write

	teller   *time.Timer // calls tellLate
	telling  bool        // it runs
	toldThen uint64      // how far all followers knew of the commit when it was started

	committed int  // entries that were reported together last
	gathering bool // pumping waits for others to propose
	gathered  int  // so many have

	out      []call // for the sink, in order
	draining bool

	base    eventlog.Position    // the log begins behind it, where a snapshot was installed or held at the start
	configs []consensus.ConfigAt // memberships that were committed, for notes

	snaps        Snapshots // nil: the sink has none
	jobs         []func()
	working      bool
	workers      sync.WaitGroup
	opened       map[uint64]*openSnapshot // that can be offered, by index
	preparing    bool
	preparePause int                       // ticks
	feeding      map[consensus.NodeID]bool // a piece is being read for that one
	arriving     *arriving                 // has arrived whole, and is not installed yet
	installs     uint64
	unwritten    int                // pieces of a snapshot that wait for the disk
	wanting      *consensus.Message // asks for the next one, and waits for them

	promised   time.Duration // by an earlier run, longer than this one's or as long; see promise.go
	sinceStart int           // ticks, as long as that is of interest

	rounds     []round // that leases are measured by, of that term
	roundsTerm uint64
	leases     uint64 // reads that were right by a lease

	marks  marks
	fenced atomic.Pointer[FencedError]

	stop    chan struct{}
	ticking sync.WaitGroup
}

// write is a Ready that the log has; done once it is durable or refused.
type write struct {
	number uint64
	done   bool
}

// strongRead is answered once the no-op at index is reported, while this node leads that term.
type strongRead struct{ index, term, ticket uint64 }

// call is something to tell the sink.
type call struct {
	records        []eventlog.Record
	leading, lost  bool
	barrier, known bool
	installed      bool
	number, ticket uint64
	cause          error
}

// Propose gives the entry the next place in the log and returns at once; the payload
// belongs to the node. The ticket is the log index it will have.
func (n *Node) Propose(epoch uint64, kind uint8, time int64, payload []byte) (ticket uint64, err error) {
	if kind < consensus.FirstKind {
		return 0, fmt.Errorf("node: kinds below %d are the node's own, not %d", consensus.FirstKind, kind)
	}
	n.mu.Lock()
	switch {
	case n.closed:
		err = ErrClosed
	case n.dead != nil:
		err = fmt.Errorf("%w: %w", ErrNotLeader, n.dead)
	case n.epoch == 0 || n.epoch != epoch:
		err = ErrNotLeader
	default:
		if ticket, err = n.core.Propose(kind, time, payload); err != nil {
			err = fmt.Errorf("node: %w", err)
		}
		n.gather()
		n.pump()
	}
	n.leave()
	return ticket, err
}

// Receive takes in messages of other nodes. Those that are not for this node are logged. A
// follower's disk may be waited for: whoever has more messages then brings them by another
// goroutine.
func (n *Node) Receive(messages ...consensus.Message) {
	if n.take(messages) {
		n.log.Step()
	}
}

// take takes in messages; write says that entries were put into the log's queue, and nobody
// was woken for them.
func (n *Node) take(messages []consensus.Message) (write bool) {
	n.mu.Lock()
	defer n.leave()
	if n.closed || n.dead != nil {
		return false
	}
	for i := range messages {
		n.detach(&messages[i])
		if err := n.core.Step(messages[i]); err != nil {
			n.cfg.Logger.Warn("a message of another node was refused", "from", messages[i].From, "kind", messages[i].Kind.String(), "error", err)
		}
	}
	n.watchFormat()
	if n.pumping {
		return false
	}
	leads, _, _, _ := n.core.Leadership()
	n.writesHere = !leads && !n.cfg.Manual // a leader's disk must not keep answers waiting
	n.pump()
	write, n.writesHere, n.enqueued = n.enqueued, false, false
	return write
}

// Tick tells that one tick has passed.
func (n *Node) Tick() {
	n.mu.Lock()
	defer n.leave()
	if n.closed || n.dead != nil {
		return
	}
	if n.waiting && len(n.writes) == 0 {
		n.waiting = false
	}
	if leads, _ := n.core.Leading(); n.keeping && !leads {
		return // while its vote is on the way to a slow disk a node does not stand again, nor grow impatient with whom it voted for
	}
	n.core.Tick()
	n.outlived()
	n.closeUnused()
	n.pump()
}

// LeaderLost says that the process of a node is gone, see consensus.Replica.LeaderLost.
func (n *Node) LeaderLost(id consensus.NodeID) {
	n.mu.Lock()
	defer n.leave()
	if !n.closed && n.dead == nil {
		n.core.LeaderLost(id)
		n.pump()
	}
}

// TellCommit has followers told at once of what is committed, where this node leads: otherwise word
// of it goes with the next entries, or half a millisecond later. It is for whoever knows that
// a follower waits for it.
func (n *Node) TellCommit() {
	n.mu.Lock()
	defer n.leave()
	if _, untold := n.core.Untold(); untold && !n.closed && n.dead == nil {
		n.core.TellCommit()
		n.pump()
	}
}

// Change proposes another membership, see consensus.Replica.Change.
func (n *Node) Change(changes ...consensus.Change) error {
	return n.wish(func() error {
		_, err := n.core.Change(changes...)
		return err
	})
}

// Transfer hands leadership to another voter, see consensus.Replica.Transfer.
func (n *Node) Transfer(to consensus.NodeID) error {
	return n.wish(func() error { return n.core.Transfer(to) })
}

func (n *Node) wish(do func() error) (err error) {
	n.mu.Lock()
	defer n.leave()
	switch {
	case n.closed:
		return ErrClosed
	case n.dead != nil:
		return n.dead
	}
	err = do()
	n.pump()
	return err
}

// Status returns how the core sees things.
func (n *Node) Status() consensus.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.core.Status()
}

// Err returns why the node takes no part in the cluster any more: a failed or damaged disk, or, as long as it is so, that
// it does not read what the leader writes ([consensus.FormatError]); nil while it does.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead == nil {
		return n.unread
	}
	return n.dead
}

// Format returns the active format: what is new in a later one must not be proposed.
func (n *Node) Format() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.core.Format()
}

// History names what is in the log, see [consensus.Membership]: it is that of the newest membership which is known here to be
// committed, and so at least as new as anything that the sink was told; 0 as long as none has one. It waits for nobody.
func (n *Node) History() uint64 { return n.history.Load() }

// watchFormat notes whether this release reads what the leader writes. n.mu is held.
func (n *Node) watchFormat() {
	f := n.core.Unread()
	switch {
	case f == 0:
		n.unread = nil
	case n.unread == nil:
		n.unread = &consensus.FormatError{Node: n.identity.ID, Reads: n.cfg.Formats, Format: f}
		n.cfg.Logger.Error("this node is not fed: it cannot read what the leader writes", "error", n.unread)
	}
}

// Term returns the term of the entry at index, committed or not; false when the log has no
// such entry, or no longer.
func (n *Node) Term(index uint64) (uint64, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.core.Term(index)
}

// Identity returns what the node's file holds.
func (n *Node) Identity() Identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity
}

// Levels of a barrier, as in the layer above.
const (
	levelLinearizable = 2
	levelStrong       = 3
)

// Barrier answers through Sink.Barrier from which index on a read at that level is right:
// none (0) and weak (1) take what this node knows to be committed, linearizable (2) asks the
// leader, which asks a quorum (§6.4), strong (3) goes through the log where this node leads.
func (n *Node) Barrier(level uint8, ticket uint64) {
	n.mu.Lock()
	defer n.leave()
	answer := func(index uint64, err error) {
		n.out = append(n.out, call{barrier: true, number: index, ticket: ticket, cause: err})
	}
	switch {
	case n.closed:
		answer(0, ErrClosed)
	case n.dead != nil:
		answer(0, n.dead)
	case level < levelLinearizable:
		answer(n.core.Committed(), nil)
	default:
		if level == levelLinearizable && n.cfg.Raft.LeaseReads {
			if index, ok := n.leased(); ok {
				n.leases++
				answer(index, nil)
				return
			}
		}
		if level >= levelStrong {
			if index, err := n.core.ProposeNoop(); err == nil {
				_, _, term, _ := n.core.Leadership()
				n.strong = append(n.strong, strongRead{index, term, ticket})
				n.pump()
				return
			}
		}
		if err := n.core.Read(ticket); err != nil {
			answer(0, ErrNoLeader)
		}
		n.pump()
	}
}

// Read returns committed records from an index on, about maxBytes of them; none past
// the end.
func (n *Node) Read(from uint64, maxBytes int) ([]eventlog.Record, error) {
	n.mu.Lock()
	commit := n.reported
	n.mu.Unlock()
	if from > commit {
		return nil, nil
	}
	recs, err := n.log.Read(from, maxBytes)
	for len(recs) > 0 && recs[len(recs)-1].Index > commit {
		recs = recs[:len(recs)-1]
	}
	return recs, err
}

// Redact takes the payloads of entries out of the log for good, see eventlog.Log.Redact. Each
// node does so for itself.
func (n *Node) Redact(indexes ...uint64) error { return n.log.Redact(indexes...) }

// First returns the index of the oldest entry still in the log.
func (n *Node) First() uint64 { return n.log.First() }

// Commit returns the log index up to which everything is final and reported, and the
// current term.
func (n *Node) Commit() (index, term uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reported, n.core.Status().Term
}

// Close takes no more proposals, waits for those in the log's hands and closes the log.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.teller.Stop()
	close(n.stop)
	n.mu.Unlock()
	n.ticking.Wait()
	n.workers.Wait()
	if e := n.fenced.Load(); e != nil {
		n.rememberFence(e) // whose turn it was to do so may not have come
	}
	err := n.log.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.awaitKept()
	n.ended = true
	if n.file == nil {
		return err
	}
	n.identity.Commit = n.reported
	if n.dead == nil {
		err = errors.Join(err, n.file.write(n.identity))
	}
	return errors.Join(err, n.file.close())
}

// leave ends a call: it tells the sink, without the lock, what there is to tell. One
// goroutine does so at a time; what others add meanwhile it tells as well.
func (n *Node) leave() {
	n.look()
	n.startJobs()
	if n.draining {
		n.mu.Unlock()
		return
	}
	n.draining = true
	for len(n.out) > 0 {
		calls := n.out
		n.out = nil
		n.mu.Unlock()
		for i := range calls {
			n.tell(&calls[i])
		}
		n.mu.Lock()
		for i := range calls {
			n.noteTold(&calls[i])
		}
	}
	n.draining = false
	n.look()
	n.mu.Unlock()
}

func (n *Node) tell(c *call) {
	switch {
	case c.leading:
		n.sink.Leading(c.number)
	case c.lost:
		n.sink.Lost(c.number, c.known, c.cause)
	case c.barrier:
		n.sink.Barrier(c.ticket, c.number, c.cause)
	case c.installed:
		n.snaps.Installed()
	default:
		n.sink.Committed(c.records)
	}
}

// inStep is what a transport says whose nodes tick together, so that what they have to say
// then goes out together: how long it is until the next tick.
type inStep interface {
	untilTick(every time.Duration) time.Duration
}

// tick runs the clock until the node is closed.
func (n *Node) tick() {
	defer n.ticking.Done()
	if s, ok := n.cfg.Transport.(inStep); ok {
		select {
		case <-n.stop:
			return
		case <-time.After(s.untilTick(n.cfg.Tick)):
		}
	}
	t := time.NewTicker(n.cfg.Tick)
	defer t.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-t.C:
			n.Tick()
		}
	}
}

// Entries implements consensus.Storage.
func (n *Node) Entries(lo, hi uint64, maxBytes int) ([]consensus.Entry, error) {
	recs, err := n.log.Read(lo, maxBytes)
	if errors.Is(err, eventlog.ErrCompacted) {
		return nil, consensus.ErrCompacted
	}
	if err != nil {
		return nil, err
	}
	list := make([]consensus.Entry, 0, len(recs))
	for i := range recs {
		if r := &recs[i]; r.Index < hi {
			list = append(list, consensus.Entry{Index: r.Index, Term: r.Term, Time: r.Time, Kind: r.Kind, Data: r.Payload, Redacted: r.Redacted})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("node: the log has no entry %d", lo)
	}
	return slices.Clip(list), nil
}
