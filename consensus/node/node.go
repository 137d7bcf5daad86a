package node

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lithair/lithair-go/eventlog"
)

// KindNoop is the kind of the record with which a leader opens its term (Raft
// dissertation §6.4). Kinds below 16 belong to this package.
const KindNoop uint8 = 1

// firstKind is the first kind that Propose takes.
const firstKind uint8 = 16

// Errors of Propose: the entry was not taken and never will be.
var (
	ErrNotLeader = errors.New("node: not the leader of that epoch")
	ErrClosed    = errors.New("node: closed")
)

// Sink is told what becomes of the log. See the package doc for the order of calls.
type Sink interface {
	// Holds returns how far the sink has come without the log, by a snapshot: replay
	// begins behind it. It is called first. The zero position is the beginning.
	Holds() eventlog.Position
	// Replay reports durable records of earlier runs, before any other call. Payloads
	// are valid during the call only. An error ends Start.
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

// Config says what a node drives.
type Config struct {
	Log   *eventlog.Log    // required; the node closes it
	Sink  Sink             // required
	Clock func() time.Time // for the no-op's timestamp; default time.Now
}

// Node is a replica of a cluster with one voter.
type Node struct {
	log  *eventlog.Log
	sink Sink

	mu     sync.Mutex
	term   uint64
	epoch  uint64 // of the current stint; 0 when not leading
	epochs uint64 // stints so far
	next   uint64 // log index of the next proposal
	commit uint64 // log index up to which everything is final
	closed bool
	dead   error // the log takes nothing more
}

// Start replays the log into the sink, opens a term and leads. It returns when the
// log is replayed and the no-op is durable.
func Start(cfg Config) (*Node, error) {
	if cfg.Log == nil || cfg.Sink == nil {
		return nil, errors.New("node: Config.Log and Config.Sink are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	n := &Node{log: cfg.Log, sink: cfg.Sink}
	last, err := n.replay()
	if err != nil {
		return nil, err
	}
	n.term, n.next, n.commit = last.Term+1, last.Index+1, last.Index
	noop := eventlog.Record{Index: n.next, Term: n.term, Kind: KindNoop, Time: max(last.Time+1, cfg.Clock().UnixNano())}
	if err := n.log.Append(noop); err != nil {
		return nil, fmt.Errorf("node: opening term %d: %w", n.term, err)
	}
	n.commit, n.next = noop.Index, noop.Index+1
	n.epochs, n.epoch = 1, 1
	n.sink.Committed([]eventlog.Record{noop})
	n.sink.Leading(1)
	return n, nil
}

// replayChunk is how many records are handed to the sink at once.
const replayChunk = 512

// joins says whether the log continues what the sink holds.
func (n *Node) joins(at eventlog.Position) error {
	first, last := n.log.First(), n.log.Durable()
	switch {
	case at.Index+1 < first:
		return fmt.Errorf("node: the log begins at index %d, what is held ends at %d: the entries between are missing", first, at.Index)
	case at.Index > last:
		return fmt.Errorf("node: the log ends at index %d, before what a snapshot holds (%d): entries that were committed are missing", last, at.Index)
	}
	sum, err := n.log.ChainAt(at.Index)
	if err != nil {
		return fmt.Errorf("node: chain at index %d: %w", at.Index, err)
	}
	if sum != at.Chain {
		return fmt.Errorf("node: the snapshot at index %d is of another log: chain %x there, %x here", at.Index, at.Chain[:8], sum[:8])
	}
	return nil
}

// replay hands all records behind what the sink holds to it and returns the last one's
// header.
func (n *Node) replay() (last eventlog.Record, err error) {
	held := n.sink.Holds()
	if err := n.joins(held); err != nil {
		return last, err
	}
	last = eventlog.Record{Index: held.Index, Term: held.Term, Time: held.Time}
	var chunk []eventlog.Record
	var arena []byte
	flush := func() error {
		err := n.sink.Replay(chunk)
		chunk, arena = chunk[:0], arena[:0]
		return err
	}
	err = n.log.Replay(held.Index+1, func(r eventlog.Record) error {
		start := len(arena)
		arena = append(arena, r.Payload...) // when it moves, earlier payloads stay valid where they were
		r.Payload = arena[start:len(arena):len(arena)]
		chunk = append(chunk, r)
		last = r
		if len(chunk) == replayChunk || len(arena) > 1<<20 {
			return flush()
		}
		return nil
	})
	if err == nil && len(chunk) > 0 {
		err = flush()
	}
	last.Payload = nil
	return last, err
}

// Propose gives the entry the next place in the log and returns at once; the payload
// belongs to the node. The ticket is the log index it will have.
func (n *Node) Propose(epoch uint64, kind uint8, time int64, payload []byte) (ticket uint64, err error) {
	if kind < firstKind {
		return 0, fmt.Errorf("node: kinds below %d are the node's own, not %d", firstKind, kind)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closed:
		return 0, ErrClosed
	case n.dead != nil:
		return 0, fmt.Errorf("%w: %w", ErrNotLeader, n.dead)
	case n.epoch == 0 || n.epoch != epoch:
		return 0, ErrNotLeader
	}
	r := eventlog.Record{Index: n.next, Term: n.term, Time: time, Kind: kind, Payload: payload}
	n.next++
	recs := []eventlog.Record{r}
	n.log.AppendAsync(recs, func(err error) { n.appended(epoch, recs, err) })
	return r.Index, nil
}

// appended runs on the log's goroutine when an append has ended, in order.
func (n *Node) appended(epoch uint64, recs []eventlog.Record, err error) {
	if err == nil {
		n.mu.Lock()
		n.commit = recs[len(recs)-1].Index
		n.mu.Unlock()
		n.sink.Committed(recs)
		return
	}
	n.mu.Lock()
	if n.epoch != epoch {
		n.mu.Unlock()
		return // behind another failure of the same epoch
	}
	n.epoch = 0
	n.mu.Unlock()
	known := errors.Is(err, eventlog.ErrFull)
	n.sink.Lost(epoch, known, err)
	n.recover(known, err)
}

// recover begins a new epoch after a failed append, if the log goes on.
func (n *Node) recover(goesOn bool, cause error) {
	n.mu.Lock()
	if !goesOn || n.closed {
		n.dead = cause
		n.mu.Unlock()
		return
	}
	n.next = n.log.Last() + 1
	n.epochs++
	n.epoch = n.epochs
	epoch := n.epoch
	n.mu.Unlock()
	n.sink.Leading(epoch)
}

// Barrier answers through Sink.Barrier: with one voter, what is committed now is all
// that any reader may expect. level is the same as in the layer above: 0 and 1 promise
// nothing and are answered as well.
func (n *Node) Barrier(level uint8, ticket uint64) {
	n.mu.Lock()
	index, err := n.commit, error(nil)
	if n.closed {
		err = ErrClosed
	}
	n.mu.Unlock()
	n.sink.Barrier(ticket, index, err)
}

// Read returns committed records from an index on, about maxBytes of them; none past
// the end.
func (n *Node) Read(from uint64, maxBytes int) ([]eventlog.Record, error) {
	n.mu.Lock()
	commit := n.commit
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

// Position returns the position behind a committed entry, for a snapshot.
func (n *Node) Position(index uint64) (eventlog.Position, error) { return n.log.Position(index) }

// Compact lets go of entries as r says: whole segments of them, durably. The caller keeps a
// snapshot that holds what they did.
func (n *Node) Compact(r eventlog.Retention) (removed int, err error) { return n.log.Retain(r) }

// First returns the index of the oldest entry still in the log.
func (n *Node) First() uint64 { return n.log.First() }

// Commit returns the log index up to which everything is final, and the current term.
func (n *Node) Commit() (index, term uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.commit, n.term
}

// Close takes no more proposals, waits for those in the log's hands and closes the log.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	return n.log.Close()
}
