package engine

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// waiter is somebody who waits for a sequence to be committed.
type waiter struct {
	seq  uint64
	done chan struct{}
}

// barrier is a read that waits to be told from which log index on it is right.
type barrier struct {
	ticket, index uint64
	round         uint64 // of the executor, which asks; 0: it is a read
	err           error
	told          bool
	done          chan struct{}
}

func (b *barrier) finish(index uint64, err error) {
	if !b.told {
		b.told, b.index, b.err = true, index, err
		close(b.done)
	}
}

// Follows says that this node is a member of a cluster that another one leads, or nobody:
// what it has may be older than what was acknowledged elsewhere.
func (e *Engine) Follows() bool { return e.member && !e.stats.leading.Load() }

// barrierRetry is the pause before a barrier is asked for again that nobody could answer,
// as while a leader is being elected.
const barrierRetry = 10 * time.Millisecond

// Barrier returns a root on which a read at that level may be served. None never waits, and
// Weak does not where this node leads, or no other can; a node that follows has to ask the
// leader for what that has. While there is no leader the call waits for one, as long as
// ctx lasts.
func (e *Engine) Barrier(ctx context.Context, level Level) (*state.Root, error) {
	if level == None || level == Weak && !e.Follows() {
		return e.Root(), nil
	}
	for {
		root, err := e.barrier(ctx, max(level, Linearizable))
		if err == nil || !e.member || errors.Is(err, ErrClosed) || e.Err() != nil {
			return root, err
		}
		if ctx.Err() != nil {
			return nil, errors.Join(ErrNoLeader, err)
		}
		t := time.NewTimer(barrierRetry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, errors.Join(ErrNoLeader, err, context.Cause(ctx))
		}
	}
}

func (e *Engine) barrier(ctx context.Context, level Level) (*state.Root, error) {
	b, err := e.askOrder(level)
	if err != nil {
		return nil, err
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		e.forgetBarrier(b)
		return nil, context.Cause(ctx)
	}
	if b.err != nil {
		return nil, b.err
	}
	return e.waitApplied(ctx, b.index)
}

// askOrder asks from where on a read is right.
func (e *Engine) askOrder(level Level) (*barrier, error) {
	b := &barrier{done: make(chan struct{})}
	e.mu.Lock()
	if e.failure != nil || e.closing || !e.started {
		err := e.failure
		e.mu.Unlock()
		if err == nil {
			err = ErrClosed
		}
		return nil, err
	}
	e.tickets++
	b.ticket = e.tickets
	e.barriers[b.ticket] = b
	e.mu.Unlock()
	e.order.Barrier(uint8(level), b.ticket)
	return b, nil
}

// forgetBarrier gives up waiting for an answer.
func (e *Engine) forgetBarrier(b *barrier) {
	e.mu.Lock()
	delete(e.barriers, b.ticket)
	e.mu.Unlock()
}

// barrierDone answers a ticket.
func (e *Engine) barrierDone(ticket, index uint64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.barriers[ticket]; b != nil {
		delete(e.barriers, ticket)
		b.finish(index, err)
		if b.round > 0 {
			e.events = append(e.events, event{round: b.round, cause: err})
			e.work.Signal()
		}
	}
}

// waitApplied waits until the record at index is applied and published.
func (e *Engine) waitApplied(ctx context.Context, index uint64) (*state.Root, error) {
	if e.stats.applied.Load() >= index {
		return e.Root(), nil
	}
	e.behind.Add(1)
	defer e.behind.Add(-1)
	for {
		changed := *e.changed.Load()
		if e.isApplied(index) {
			return e.Root(), nil
		}
		select {
		case <-changed:
		case <-e.idle:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// isApplied says whether the published root holds what stands in the log up to index.
func (e *Engine) isApplied(index uint64) bool { return e.stats.applied.Load() >= index }

// Wait returns a root that holds at least the given sequence, waiting for it if need
// be. It is how a client reads what it has written, on any node.
func (e *Engine) Wait(ctx context.Context, seq uint64) (*state.Root, error) {
	if root := e.Root(); root.Seq() >= seq {
		return root, nil
	}
	w := &waiter{seq: seq, done: make(chan struct{})}
	e.mu.Lock()
	if root := e.Root(); root.Seq() >= seq || e.closing {
		e.mu.Unlock()
		if root.Seq() >= seq {
			return root, nil
		}
		return nil, ErrClosed
	}
	e.waiters = append(e.waiters, w)
	e.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		e.mu.Lock()
		e.waiters = slices.DeleteFunc(e.waiters, func(o *waiter) bool { return o == w })
		e.mu.Unlock()
		return nil, context.Cause(ctx)
	}
	if root := e.Root(); root.Seq() >= seq {
		return root, nil
	}
	return nil, ErrClosed
}

// wakeWaiters wakes those whose sequence is published. e.mu is held.
func (e *Engine) wakeWaiters(root *state.Root) {
	if len(e.waiters) == 0 {
		return
	}
	e.waiters = slices.DeleteFunc(e.waiters, func(w *waiter) bool {
		if w.seq > root.Seq() {
			return false
		}
		close(w.done)
		return true
	})
}

// counters are what Stats reports.
type counters struct {
	transactions, entries, refused, panics, busy, replayed, applied atomic.Uint64
	restoredSeq, snapshotSeq, snapshotErrors                        atomic.Uint64
	inflight                                                        atomic.Int64
	gathered                                                        atomic.Int64 // bytes of log since the newest snapshot, about
	leading                                                         atomic.Bool
	logged                                                          int64 // bytes of log since the start, about; the loop's own
}

// gather counts records as log that no snapshot holds.
func (c *counters) gather(records []eventlog.Record) {
	n := int64(0)
	for i := range records {
		n += int64(len(records[i].Payload)) + recordOverhead
	}
	c.gathered.Add(n)
	c.logged += n
}

// recordOverhead is about what a record takes in the log beside its payload.
const recordOverhead = 64

func (e *Engine) count(c *Call) {
	if c.Err == nil {
		return
	}
	e.stats.refused.Add(1)
	if _, ok := c.Err.(*PanicError); ok {
		e.stats.panics.Add(1)
	}
}

// Stats are figures of the write path since the start.
type Stats struct {
	Transactions uint64 // committed since the start, those of the replay left out
	Publications uint64 // roots published; one may hold several entries
	Refused      uint64 // commands that ended with an error
	Panics       uint64 // of these, by a panic
	Busy         uint64 // commands turned away because the queue was full
	Replayed     uint64 // log records replayed at the start
	Applied      uint64 // log index of the newest record applied
	Queued       int    // commands waiting or in flight
	Inflight     int    // entries in flight
	Leading      bool   // this node takes writes

	RestoredSeq    uint64 // sequence of the snapshot that the start read; 0 without one
	SnapshotSeq    uint64 // sequence of the newest snapshot; 0 without any
	SnapshotErrors uint64 // snapshots that could not be written
}

// Stats returns the current figures.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	queued := e.queued
	e.mu.Unlock()
	return Stats{
		Transactions: e.stats.transactions.Load(), Publications: e.stats.entries.Load(), Refused: e.stats.refused.Load(),
		Panics: e.stats.panics.Load(), Busy: e.stats.busy.Load(), Replayed: e.stats.replayed.Load(),
		Applied: e.stats.applied.Load(), Queued: queued, Inflight: int(e.stats.inflight.Load()), Leading: e.stats.leading.Load(),
		RestoredSeq: e.stats.restoredSeq.Load(),
		SnapshotSeq: e.stats.snapshotSeq.Load(), SnapshotErrors: e.stats.snapshotErrors.Load(),
	}
}

// taken takes bytes of log that a snapshot holds off what has gathered, which an installed one may have set to nothing meanwhile.
func (c *counters) taken(bytes int64) {
	for {
		have := c.gathered.Load()
		if c.gathered.CompareAndSwap(have, max(0, have-bytes)) {
			return
		}
	}
}
