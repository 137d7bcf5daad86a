package node

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
)

// Snapshots is what a [Sink] has besides that writes its state down now and then: members that
// need what the leader's log has no more are fed with such a snapshot, and it is fed with
// those of others (Raft dissertation §5). A sink without these methods feeds nobody.
//
// NewestSnapshot, Note and AdoptIncoming may be called with locks held, and must not wait for
// the node; AdoptIncoming and all others are called by one goroutine at a time, and take
// their time.
type Snapshots interface {
	// Note returns what [Node.Note] was written into the snapshot that Holds speaks of.
	Note() []byte

	// NewestSnapshot returns the log index of the newest snapshot; 0 when there is none.
	NewestSnapshot() uint64
	// OpenSnapshot finds the snapshot at an index whole, and keeps it until CloseSnapshot. It
	// returns where it stands, its note, how many bytes it has and their SHA-256.
	OpenSnapshot(index uint64) (at eventlog.Position, note []byte, size int64, sum [32]byte, err error)
	// ReadSnapshot fills p with the bytes at an offset of an open snapshot.
	ReadSnapshot(index uint64, p []byte, off int64) error
	CloseSnapshot(index uint64) error

	// WriteIncoming takes bytes of a snapshot that arrives, in order; offset 0 begins another
	// one.
	WriteIncoming(p []byte, off int64) error
	// CheckIncoming makes what arrived durable and checks all of it: its bytes, its sums and
	// the hash of its state. The state is kept for Installed.
	CheckIncoming(size int64, sum [32]byte) (at eventlog.Position, note []byte, err error)
	// AdoptIncoming makes it the newest snapshot, durably, by a rename: from then on a restart
	// finds it.
	AdoptIncoming() error
	// DropIncoming lets go of it.
	DropIncoming() error
	// Installed says that its state is the node's now. It comes in turn with Committed, once for
	// each AdoptIncoming and in their order; another may have been adopted meanwhile.
	Installed()
}

// arriving is a snapshot that was received whole.
type arriving struct {
	snapshot consensus.Snapshot
	at       eventlog.Position
}

// job queues work on snapshots, which is done without the lock, in order. n.mu is held.
func (n *Node) job(do func()) { n.jobs = append(n.jobs, do) }

// startJobs has somebody do what is queued. n.mu is held.
func (n *Node) startJobs() {
	if len(n.jobs) == 0 || n.working || n.closed {
		return
	}
	n.working = true
	if n.cfg.Manual {
		n.mu.Unlock()
		n.work()
		n.mu.Lock()
		return
	}
	n.workers.Go(n.work)
}

func (n *Node) work() {
	n.mu.Lock()
	for len(n.jobs) > 0 && !n.closed {
		do := n.jobs[0]
		n.jobs = n.jobs[1:]
		n.mu.Unlock()
		do()
		n.mu.Lock()
	}
	n.working = false
	n.mu.Unlock()
}

// alive locks the node, unless nothing is to be done any more. It is unlocked by leave.
func (n *Node) alive() bool {
	n.mu.Lock()
	if n.closed || n.dead != nil {
		n.mu.Unlock()
		return false
	}
	return true
}

// Snapshot implements consensus.Storage: the newest one, once it has been looked at.
func (n *Node) Snapshot() (consensus.Snapshot, bool) {
	if n.snaps == nil {
		return consensus.Snapshot{}, false
	}
	index := n.snaps.NewestSnapshot()
	if o := n.opened[index]; o != nil {
		o.idle = 0
		return o.Snapshot, true
	}
	if index > 0 && !n.preparing && n.preparePause == 0 {
		n.preparing = true
		n.job(func() { n.prepare(index) })
	}
	return consensus.Snapshot{}, false // the core asks again with the next heartbeat
}

// preparePause is the pause, in ticks, after a snapshot that could not be sent.
const preparePause = 20

// prepare looks at a snapshot that is to be sent.
func (n *Node) prepare(index uint64) {
	at, note, size, sum, err := n.snaps.OpenSnapshot(index)
	s := consensus.Snapshot{Index: at.Index, Term: at.Term, Time: at.Time, Size: uint64(size), Sum: sum}
	if err == nil {
		if s.Membership, err = consensus.ParseMembership(note); err != nil {
			err = errors.Join(fmt.Errorf("it does not say who the members are; the next one does: %w", err), n.snaps.CloseSnapshot(index))
		}
	}
	n.mu.Lock()
	defer n.leave()
	n.preparing = false
	if err != nil {
		n.preparePause = preparePause
		n.cfg.Logger.Error("a snapshot cannot be sent to another node", "index", index, "error", err)
		return
	}
	n.opened[index] = &openSnapshot{Snapshot: s}
}

// openSnapshot can be offered and is kept for that.
type openSnapshot struct {
	consensus.Snapshot
	idle int // ticks since anybody was fed with it
}

// idleTicks is how long a snapshot is kept open for nobody.
const idleTicks = 100

// closeUnused closes snapshots that nobody is fed with. n.mu is held.
func (n *Node) closeUnused() {
	n.preparePause = max(0, n.preparePause-1)
	if len(n.opened) == 0 {
		return
	}
	fed := n.core.Offering()
	for index, s := range n.opened {
		s.idle++
		if slices.ContainsFunc(fed, func(o consensus.Snapshot) bool { return o.Sum == s.Sum }) || len(n.feeding) > 0 {
			s.idle = 0
		}
		if s.idle < idleTicks {
			continue
		}
		delete(n.opened, index)
		n.job(func() {
			if err := n.snaps.CloseSnapshot(index); err != nil {
				n.cfg.Logger.Warn("a snapshot could not be closed", "index", index, "error", err)
			}
		})
	}
}

// feed reads pieces of snapshots that members have asked for, one at a time for each: who
// asks again before it was sent is not sent it twice. n.mu is held.
func (n *Node) feed(chunks []consensus.ChunkRead) {
	for _, c := range chunks {
		if s := n.opened[c.Snapshot.Index]; s == nil || s.Sum != c.Snapshot.Sum {
			n.core.SnapshotGone(c.Snapshot)
			continue
		}
		if n.feeding[c.To] {
			continue
		}
		n.feeding[c.To] = true
		if c.Offset == 0 {
			n.cfg.Logger.Info("a member gets a snapshot, for the log has no more what it lacks", "peer", uint64(c.To), "index", c.Snapshot.Index, "bytes", c.Snapshot.Size)
		}
		n.job(func() { n.sendChunk(c) })
	}
}

func (n *Node) sendChunk(c consensus.ChunkRead) {
	data := make([]byte, c.Bytes)
	err := n.snaps.ReadSnapshot(c.Snapshot.Index, data, int64(c.Offset))
	n.mu.Lock()
	defer n.leave()
	delete(n.feeding, c.To)
	switch {
	case n.closed || n.dead != nil:
	case err != nil:
		n.cfg.Logger.Error("a snapshot that is being sent cannot be read", "index", c.Snapshot.Index, "to", uint64(c.To), "error", err)
		n.core.SnapshotGone(c.Snapshot)
		n.pump()
	case n.cfg.Transport != nil:
		n.cfg.Transport.Send([]consensus.Message{c.Message(data)})
	}
}

// receive hands pieces of a snapshot to the sink. n.mu is held.
func (n *Node) receive(writes []consensus.ChunkWrite) {
	for _, w := range writes {
		if n.arriving != nil {
			n.arriving = nil // another one has taken its place
		}
		n.unwritten++
		n.job(func() {
			n.takeChunk(w)
			n.tookChunk()
		})
	}
}

// maxUnwritten pieces of a snapshot wait for the disk at most before the next is asked for: a
// network that is faster than the disk must not fill the memory.
const maxUnwritten = 4

// holdWant takes the wish for the next piece out of messages while the disk is behind. n.mu is
// held.
func (n *Node) holdWant(messages []consensus.Message) []consensus.Message {
	if n.unwritten < maxUnwritten {
		return messages
	}
	return slices.DeleteFunc(messages, func(m consensus.Message) bool {
		if m.Kind != consensus.MsgChunkWant {
			return false
		}
		n.wanting = &m // a later wish takes the place of an earlier one
		return true
	})
}

// tookChunk asks for the next piece, if that has been waiting for the disk.
func (n *Node) tookChunk() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.unwritten--
	if n.wanting == nil || n.unwritten >= maxUnwritten || n.closed || n.dead != nil || n.cfg.Transport == nil {
		return
	}
	n.cfg.Transport.Send([]consensus.Message{*n.wanting})
	n.wanting = nil
}

func (n *Node) takeChunk(w consensus.ChunkWrite) {
	s := w.Snapshot
	switch end := w.Offset + uint64(len(w.Data)); {
	case w.Offset == 0:
		n.cfg.Logger.Info("a snapshot of the leader arrives, for its log has no more what this node lacks", "index", s.Index, "bytes", s.Size)
	case s.Size >= minProgress && end/(s.Size/10) > w.Offset/(s.Size/10):
		n.cfg.Logger.Info("a snapshot of the leader arrives", "index", s.Index, "bytes", end, "of", s.Size)
	}
	var at eventlog.Position
	err := errNoSnapshots
	if n.snaps != nil {
		err = n.snaps.WriteIncoming(w.Data, int64(w.Offset))
	}
	if err == nil && w.Last {
		at, err = n.checkIncoming(s)
	}
	if err == nil && !w.Last || !n.alive() {
		return
	}
	defer n.leave()
	if err != nil {
		n.cfg.Logger.Error("a snapshot of the leader is not taken; it is asked for again", "index", s.Index, "error", err)
		n.core.SnapshotReceived(s, false)
		n.dropIncoming()
		return
	}
	n.arriving = &arriving{s, at}
	n.pump()
}

// minProgress is the size from which on every tenth of a snapshot that arrives is worth a word.
const minProgress = 64 << 20

// errNoSnapshots: the sink cannot be fed.
var errNoSnapshots = errors.New("node: this node keeps no snapshots")

// checkIncoming says whether what has arrived is what was announced, whole.
func (n *Node) checkIncoming(s consensus.Snapshot) (eventlog.Position, error) {
	at, note, err := n.snaps.CheckIncoming(int64(s.Size), s.Sum)
	if err != nil {
		return at, err
	}
	m, err := consensus.ParseMembership(note)
	switch {
	case err != nil:
		return at, fmt.Errorf("it does not say who the members are: %w", err)
	case at.Index != s.Index || at.Term != s.Term || at.Time != s.Time:
		return at, fmt.Errorf("it is the one at index %d of term %d", at.Index, at.Term)
	case !slices.Equal(m.Members, s.Membership.Members):
		return at, errors.New("other members are named in it than were announced")
	}
	return at, nil
}

// offerArrived tells the core of a snapshot that has arrived, when the log is at rest: what is
// on its way there belongs to what the snapshot replaces. n.mu is held.
func (n *Node) offerArrived() {
	if n.arriving == nil || len(n.writes) > 0 || n.waiting || n.refused != nil {
		return
	}
	if !n.core.SnapshotReceived(n.arriving.snapshot, true) {
		n.arriving = nil // the log has come so far by itself, or another leader offers another
		n.dropIncoming()
	}
}

func (n *Node) dropIncoming() {
	if _, bytes, ok := n.core.Incoming(); n.snaps == nil || ok && bytes > 0 {
		return // another one arrives, and takes its place
	}
	n.job(func() {
		if err := n.snaps.DropIncoming(); err != nil {
			n.cfg.Logger.Warn("what arrived of a snapshot could not be removed", "error", err)
		}
	})
}

// Progress is how far a snapshot has come that this node receives.
type Progress struct {
	Index       uint64 // of the snapshot; 0: none is being received
	Bytes, Size uint64
	Installed   uint64 // how many have been installed since the start
}

// Incoming returns how far a snapshot has come.
func (n *Node) Incoming() (p Progress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p.Installed = n.installs
	if s, bytes, ok := n.core.Incoming(); ok {
		p.Index, p.Bytes, p.Size = s.Index, bytes, s.Size
	}
	return p
}
