package node

import (
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"path"
	"slices"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// Start reads identity and log, replays into the sink what is known to be committed, and
// takes part in the cluster. A node that is the only voter leads when Start returns.
func Start(cfg Config) (*Node, error) {
	if cfg.Log == nil || cfg.Sink == nil {
		return nil, errors.New("node: Config.Log and Config.Sink are required")
	}
	if cfg.Transport != nil && !cfg.Log.Chained() {
		return nil, fmt.Errorf("node: %w: a node of a cluster needs one, to tell where logs part and what a damaged record was", eventlog.ErrNoChain)
	}
	if cfg.File == "" && cfg.Transport != nil {
		return nil, errors.New("node: Config.File is required by a node of a cluster: it keeps term and vote")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Raft.LeaseReads && cfg.Uptime == nil {
		if cfg.Uptime = uptime; uptime == nil {
			return nil, errors.New("node: Config.Raft.LeaseReads needs Config.Uptime: on this system no clock is known that goes on while the machine sleeps")
		}
	}
	if cfg.Raft.ElectionTicks == 0 {
		cfg.Raft.ElectionTicks = defaultElectionTicks
	}
	if cfg.Tick == 0 {
		cfg.Tick = 50 * time.Millisecond
	}
	if cfg.FS == nil {
		cfg.FS = disk.Real()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Formats == (consensus.Formats{}) {
		cfg.Formats = consensus.Formats{Oldest: consensus.OldestFormat, Newest: consensus.NewestFormat}
	}
	if cfg.MaxLagBytes == 0 {
		cfg.MaxLagBytes = 1 << 30
	}
	n := &Node{cfg: cfg, log: cfg.Log, sink: cfg.Sink, stop: make(chan struct{}), opened: map[uint64]*openSnapshot{}, feeding: map[consensus.NodeID]bool{}}
	n.snaps, _ = cfg.Sink.(Snapshots)
	if cfg.Transport != nil { // without one nothing ticks, and all that is reported is what the sink itself has proposed
		n.applier, _ = cfg.Sink.(Applier)
	}
	n.marks.own, n.marks.heard = map[uint64][16]byte{}, map[uint64]map[consensus.NodeID][16]byte{}
	n.marks.disks = map[consensus.NodeID]uint64{}
	n.changed.L = &n.mu
	n.teller = time.AfterFunc(time.Hour, n.tellLate)
	n.teller.Stop()
	if err := n.begin(); err != nil {
		n.abandon(err)
		if n.file != nil {
			err = errors.Join(err, n.file.close())
		}
		return nil, err
	}
	return n, nil
}

// abandon ends what a start that failed has begun. The log stays open; what it still has to say goes to nobody.
func (n *Node) abandon(cause error) {
	n.mu.Lock()
	n.awaitKept()
	n.closed, n.ended, n.dead = true, true, cause
	n.mu.Unlock()
	n.teller.Stop()
	close(n.stop)
	n.ticking.Wait()
	n.workers.Wait()
}

func (n *Node) begin() error {
	found, err := n.identify()
	if err != nil {
		return err
	}
	known := n.identity.MembershipIndex
	re, err := n.replay(found)
	if err == nil && n.identity.MembershipIndex != known {
		err = n.file.write(n.identity)
	}
	if err != nil {
		return err
	}
	if !found && re.LastIndex > 0 && n.file != nil && !n.alone() {
		return fmt.Errorf("node: the log holds entries up to %d but %s is not there: what this node has promised is lost; it must join again as a learner, with an empty log", re.LastIndex, n.cfg.File)
	}
	if k := len(re.Runs); !found && k > 0 {
		re.HardState.Term = re.Runs[k-1].Term // it was alone, and kept no file: nobody else was ever voted for
	}
	if m := re.Configs[len(re.Configs)-1].Membership; !found && n.alone() {
		if _, ok := m.Find(n.identity.ID); !ok {
			err := fmt.Errorf("node: the log is that of node %d, not of node %d; a node keeps its number", m.Members[0].ID, n.identity.ID)
			return errors.Join(err, n.cfg.FS.Remove(path.Join(n.cfg.Dir, n.cfg.File))) // it holds no promise yet
		}
	}
	if m := re.Configs[len(re.Configs)-1].Membership; n.cfg.Transport == nil && n.cfg.File == "" && len(m.Members) > 1 {
		return fmt.Errorf("%w: it is that of a member of a cluster of %d nodes, without which it can do nothing", ErrOtherDirectory, len(m.Members))
	}
	rc := n.cfg.Raft
	rc.ID, rc.Group, rc.Incarnation, rc.Storage = n.identity.ID, n.cfg.Group, n.identity.Incarnation, n
	rc.TickTime = uint64(n.cfg.Tick)
	rc.Formats = n.cfg.Formats
	if err := n.readPromise(); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	rc.Promised = uint64(n.promised)
	rc.Now = func() int64 { return n.cfg.Clock().UnixNano() }
	if !n.cfg.Manual {
		rc.LazyCommit = true
	}
	if rc.Seed == 0 {
		rc.Seed = maphash.Comparable(maphash.MakeSeed(), n.identity.ID)
	}
	if n.core, err = consensus.New(rc, re); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if n.cfg.Transport != nil {
		e, err := readFence(n.cfg.FS, n.cfg.Dir, n.cfg.File)
		if err != nil {
			return fmt.Errorf("node: %w", err)
		}
		if e != nil {
			n.fenced.Store(e)
			n.core.Fence()
			n.cfg.Logger.Error("this node is fenced since an earlier run", "error", e)
		}
	}
	n.tail, n.reported, n.applied = re.LastIndex, re.Applied, re.Applied
	n.look()
	if n.cfg.Transport != nil {
		n.cfg.Transport.Members(n.core.Around())
	}
	return n.run(n.alone() && n.core.Status().Membership.IsOnly(n.identity.ID))
}

// run starts the clock; a lone voter stands at once, and is waited for.
func (n *Node) run(alone bool) error {
	if !n.cfg.Manual && n.cfg.Transport != nil {
		n.ticking.Add(1)
		go n.tick()
	}
	if !alone {
		return nil
	}
	n.mu.Lock()
	n.core.Campaign()
	n.pump()
	for n.epoch == 0 && n.dead == nil && !n.waiting && !n.cfg.Manual {
		n.changed.Wait()
	}
	err := n.dead
	if n.waiting {
		err = eventlog.ErrFull
	}
	term := n.core.Status().Term
	n.leave()
	if err != nil {
		return fmt.Errorf("node: opening term %d: %w", term, err)
	}
	return nil
}

// alone says whether this node is the whole cluster.
func (n *Node) alone() bool {
	return n.identity.Membership.IsOnly(n.identity.ID)
}

// ErrOtherDirectory: the directory is that of another node than the one that is to start in it.
var ErrOtherDirectory = errors.New("node: the directory is not this node's")

// identify finds out who this node is.
func (n *Node) identify() (found bool, err error) {
	first := n.cfg.First
	first.Group = n.cfg.Group
	if first.ID == 0 {
		first.ID = 1
	}
	if len(first.Membership.Members) == 0 && first.Incarnation == 0 {
		first.Membership = consensus.Voters(first.ID)
	}
	if n.cfg.File == "" {
		n.identity = first
		return false, nil
	}
	var id Identity
	n.file, id, found, err = openIdentity(n.cfg.FS, n.cfg.Dir, path.Join(n.cfg.Dir, n.cfg.File))
	switch {
	case err != nil:
		return false, err
	case !found:
		n.identity = first
		return false, n.file.write(first)
	case id.Group != first.Group:
		return false, fmt.Errorf("%w: it is that of group %d, not of group %d", ErrOtherDirectory, id.Group, first.Group)
	case first.Cluster != 0 && id.Cluster != first.Cluster:
		return false, fmt.Errorf("%w: it belongs to a cluster of another name", ErrOtherDirectory)
	case n.cfg.First.ID != 0 && id.ID != first.ID:
		return false, fmt.Errorf("%w: it is node %d's, not node %d's", ErrOtherDirectory, id.ID, first.ID)
	}
	n.identity = id
	return true, n.readable(max(id.Format, id.Membership.Format))
}

// readable returns an error unless this release reads format f. It is asked before anything is made of what is stored.
func (n *Node) readable(f uint64) error {
	if f <= n.cfg.Formats.Newest {
		return nil
	}
	return &consensus.FormatError{Node: n.identity.ID, Reads: n.cfg.Formats, Format: f}
}

// defaultElectionTicks is that of consensus, since leases are measured by it.
const defaultElectionTicks = 10

// replayChunk is how many records are handed to the sink at once.
const replayChunk = 512

// ErrMissing: log and snapshots on this disk do not make the whole. A member of a cluster can be
// fed anew, see [Renew].
var ErrMissing = errors.New("node: log and snapshots do not fit together")

// ErrForeign is an ErrMissing: a snapshot stands in another log than this one.
var ErrForeign = fmt.Errorf("%w: they are of different logs", ErrMissing)

// joins says whether the log continues what the sink holds.
func (n *Node) joins(at eventlog.Position) error {
	first, last := n.log.First(), n.log.Durable()
	switch {
	case at.Index+1 < first:
		return fmt.Errorf("%w: the log begins at index %d, what is held ends at %d: the entries between are missing", ErrMissing, first, at.Index)
	case at.Index > last:
		return fmt.Errorf("%w: the log ends at index %d, before what a snapshot holds (%d): entries that were committed are missing", ErrMissing, last, at.Index)
	}
	sum, err := n.log.ChainAt(at.Index)
	if err != nil {
		return fmt.Errorf("node: chain at index %d: %w", at.Index, err)
	}
	if sum != at.Chain {
		return fmt.Errorf("%w: the snapshot at index %d has chain %x, the log %x", ErrForeign, at.Index, at.Chain[:8], sum[:8])
	}
	return nil
}

// replay hands to the sink what is known to be committed behind what it holds, and returns
// what the core must know of the log. A lone voter's whole log is committed, but for a
// membership that others must agree to, and what is behind it.
func (n *Node) replay(found bool) (re consensus.Restart, err error) {
	held := n.sink.Holds()
	if err := n.finishInstall(held); err != nil {
		return re, err
	}
	if err := errors.Join(n.joins(held), n.firstConfig(held)); err != nil {
		return re, &UnreadError{err}
	}
	// What was known to be committed was durable. A log that ends before has lost its end, however
	// whole it looks, and with it what this node has acknowledged.
	if last := n.log.Durable(); n.identity.Commit > last && !n.alone() {
		return re, fmt.Errorf("%w: the log ends at index %d, entries up to %d were committed: what was acknowledged here is lost", ErrMissing, last, n.identity.Commit)
	}
	n.base = held
	known := max(held.Index, min(n.identity.Commit, n.log.Durable()))
	commit := known
	if n.alone() {
		commit = n.log.Durable()
	}
	re = consensus.Restart{
		HardState: consensus.HardState{Term: n.identity.Term, Vote: n.identity.Vote, Format: n.identity.Format},
		LastIndex: held.Index, LastTime: held.Time,
		Configs: []consensus.ConfigAt{{Index: n.identity.MembershipIndex, Membership: n.identity.Membership}},
	}
	if err := n.older(held, &re); err != nil {
		return re, &UnreadError{err}
	}
	c := chunk{sink: n.sink}
	err = n.log.Replay(held.Index+1, func(r eventlog.Record) error {
		if k := len(re.Runs); k == 0 || re.Runs[k-1].Term != r.Term {
			re.Runs = append(re.Runs, consensus.TermRun{First: r.Index, Term: r.Term})
		}
		re.LastIndex, re.LastTime = r.Index, r.Time
		if r.Kind == consensus.KindConfig {
			m, err := consensus.ParseMembership(r.Payload)
			if err != nil {
				return fmt.Errorf("node: entry %d: %w", r.Index, err)
			}
			if err := n.readable(m.Format); err != nil {
				return fmt.Errorf("node: entry %d: %w", r.Index, err)
			}
			if r.Index > n.identity.MembershipIndex {
				re.Configs = append(re.Configs, consensus.ConfigAt{Index: r.Index, Membership: m})
				if len(m.Members) > 1 {
					commit = min(commit, max(known, r.Index-1))
				}
				if found && r.Index <= commit { // it will not be committed again: a snapshot may pass over it from now on
					n.identity.Membership, n.identity.MembershipIndex = m, r.Index
				}
			}
			if r.Index <= max(commit, n.identity.MembershipIndex) {
				n.noteConfig(r.Index, m)
			}
		}
		if r.Index > commit {
			return nil
		}
		return c.add(r)
	})
	if k := len(n.configs); k > 0 && n.identity.MembershipIndex >= n.configs[k-1].Index {
		n.noteConfig(n.identity.MembershipIndex, n.identity.Membership) // where Recover was cut off, the log has it in no entry
	}
	if err == nil {
		err = c.flush()
	}
	re.Commit, re.Applied = commit, commit
	if n.file == nil || re.HardState.Term == 0 {
		re.HardState.Term = held.Term
	}
	return re, err
}

// maxOldTerms bounds how many terms are looked for behind what the sink holds.
const maxOldTerms = 64

// UnreadError is damage that was found before anything was handed to the sink: Start may be tried again.
type UnreadError struct{ Err error }

// Error returns what the damage says.
func (e *UnreadError) Error() string { return e.Err.Error() }

// Unwrap returns the damage.
func (e *UnreadError) Unwrap() error { return e.Err }

// older tells the core of entries that are in the log and in what the sink holds as well: members
// that are behind still need them. Terms only rise, so that where each begins is found without
// reading all.
func (n *Node) older(held eventlog.Position, re *consensus.Restart) error {
	re.BeforeIndex, re.BeforeTerm = held.Index, held.Term
	first := n.log.First()
	for at, term := held.Index, held.Term; at >= first && len(re.Runs) < maxOldTerms; {
		begin, err := n.beginning(first, at, term)
		if err != nil {
			return err
		}
		re.Runs = append(re.Runs, consensus.TermRun{First: begin, Term: term})
		if at = begin - 1; at >= first {
			if term, err = n.termAt(at); err != nil {
				return err
			}
		}
	}
	slices.Reverse(re.Runs)
	switch k := len(re.Runs); {
	case k == 0:
	case re.Runs[0].First == 1:
		re.BeforeIndex, re.BeforeTerm = 0, 0
	default: // the oldest entry stands before those that can be sent
		r := &re.Runs[0]
		re.BeforeIndex, re.BeforeTerm = r.First, r.Term
		if r.First++; k > 1 && r.First == re.Runs[1].First || r.First > held.Index {
			re.Runs = re.Runs[1:]
		}
	}
	return nil
}

// beginning returns the lowest index from first on whose term is that of the entry at index at.
func (n *Node) beginning(first, at, term uint64) (uint64, error) {
	for lo := first; lo < at; {
		mid := lo + (at-lo)/2
		t, err := n.termAt(mid)
		if err != nil {
			return 0, err
		}
		if t == term {
			at = mid
		} else {
			lo = mid + 1
		}
	}
	return at, nil
}

func (n *Node) termAt(index uint64) (uint64, error) {
	recs, err := n.log.Read(index, 1)
	if err != nil {
		return 0, fmt.Errorf("node: term of entry %d: %w", index, err)
	}
	return recs[0].Term, nil
}

// chunk gathers records for the sink.
type chunk struct {
	sink  Sink
	recs  []eventlog.Record
	arena []byte
}

func (c *chunk) add(r eventlog.Record) error {
	start := len(c.arena)
	c.arena = append(c.arena, r.Payload...) // when it moves, earlier payloads stay valid where they were
	r.Payload = c.arena[start:len(c.arena):len(c.arena)]
	c.recs = append(c.recs, r)
	if len(c.recs) == replayChunk || len(c.arena) > 1<<20 {
		return c.flush()
	}
	return nil
}

func (c *chunk) flush() error {
	if len(c.recs) == 0 {
		return nil
	}
	err := c.sink.Replay(c.recs)
	c.recs, c.arena = c.recs[:0], c.arena[:0]
	return err
}
