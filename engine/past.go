package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// ErrFuture: the sequence or time asked for has not come yet.
var ErrFuture = errors.New("engine: that has not happened yet")

// GoneError says that the past asked for can no longer be read: the log before Oldest was
// let go of.
type GoneError struct {
	Oldest uint64 // the oldest sequence that can be read
}

// Error names the oldest sequence.
func (e *GoneError) Error() string {
	return fmt.Sprintf("engine: the log before sequence %d is gone", e.Oldest)
}

const (
	recentRoots = 256      // how many published roots are held
	recentBytes = 32 << 20 // and how much they may hold that the newest does not
	madeRoots   = 4        // how many roots of the further past are held
	pastReaders = 2        // how many replays may run at once; others wait
	pastChunk   = 1 << 20
	pastFirst   = 32 << 10 // is read first: often no more is needed
)

// past is what is held of earlier states.
type past struct {
	turn chan struct{}

	mu     sync.Mutex
	recent []recentPoint // ascending
	made   []point       // the one used last at the end
}

// recentPoint is a published root. replaced is what was logged until then, less what is
// still there: the bytes of records that were replaced or deleted, about. The difference
// to a later root's is what holding this one costs.
type recentPoint struct {
	point
	replaced int64
}

// hold keeps a root that was just published, and lets go of older ones. logged is how
// many bytes the log has taken since the start; with short, only the root itself is kept.
func (p *past) hold(pt point, logged int64, short bool) {
	replaced := logged - pt.root.Size()
	p.mu.Lock()
	defer p.mu.Unlock()
	drop := 0
	for drop < len(p.recent) && (short || len(p.recent)-drop >= recentRoots || replaced-p.recent[drop].replaced > recentBytes) {
		drop++
	}
	clear(p.recent[:drop]) // what stays in front of the slice is not to hold roots
	p.recent = append(p.recent[drop:], recentPoint{pt, replaced})
	if short {
		p.made = nil
	}
}

// nearest returns the newest root held at or before a sequence that is that of the
// sequence or can be replayed from: first is the oldest log index there is.
func (p *past) nearest(seq, first uint64) (best point, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	serves := func(pt point) bool { return pt.root.Seq() == seq || pt.index+1 >= first }
	if n := sort.Search(len(p.recent), func(i int) bool { return p.recent[i].root.Seq() > seq }); n > 0 && serves(p.recent[n-1].point) {
		best, ok = p.recent[n-1].point, true
	}
	for i, m := range p.made {
		if s := m.root.Seq(); s <= seq && (!ok || s > best.root.Seq()) && serves(m) {
			best, ok = m, true
			if s == seq {
				p.made = append(slices.Delete(p.made, i, i+1), m)
				break
			}
		}
	}
	return best, ok
}

// keep holds a root that was made by replay.
func (p *past) keep(pt point) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.made) == madeRoots {
		p.made = slices.Delete(p.made, 0, 1)
	}
	p.made = append(p.made, pt)
}

// enter waits for a turn to replay.
func (p *past) enter(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *past) leave() { <-p.turn }

// At returns the state as it was when the transaction with that sequence was the newest;
// 0 is the state before everything. What is recent is held, anything else is replayed from
// the nearest snapshot, in time proportional to the log between.
//
// Errors: [ErrFuture], *[GoneError], ctx's, those of the log.
func (e *Engine) At(ctx context.Context, seq uint64) (*state.Root, error) {
	head := e.Root()
	switch {
	case seq == head.Seq():
		return head, nil
	case seq > head.Seq():
		return nil, ErrFuture
	}
	if p, ok := e.past.nearest(seq, e.order.First()); ok && p.root.Seq() == seq {
		return p.root, nil
	}
	if err := e.past.enter(ctx); err != nil {
		return nil, err
	}
	defer e.past.leave()
	base, err := e.before(seq)
	if err != nil || base.root.Seq() == seq {
		return base.root, err
	}
	made, err := e.replayTo(ctx, base, seq)
	if err != nil {
		return nil, err
	}
	e.past.keep(made)
	return made.root, nil
}

// forget lets go of all roots: the log has begun anew, so that nothing can be replayed behind
// them, and the newest shares no memory with them.
func (p *past) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent, p.made = nil, nil
}

// before returns the nearest state at or before a sequence from which the log can be
// replayed: held, of a snapshot, or the empty one.
func (e *Engine) before(seq uint64) (point, error) {
	best, ok := e.past.nearest(seq, e.order.First())
	if ok && best.root.Seq() == seq {
		return best, nil
	}
	if f, found := e.snapshotBefore(seq); found && (!ok || f.seq > best.root.Seq()) {
		root, at, _, err := readSnapshotFile(&e.snaps.cfg, f)
		if err == nil {
			return point{root, at.Index}, nil
		}
		e.log.Warn("a snapshot cannot be read for a look at the past", "snapshot", f.name, "error", err)
	}
	if ok {
		return best, nil
	}
	if e.order.First() > 1 {
		return point{}, &GoneError{Oldest: e.Oldest()}
	}
	return point{root: state.Empty()}, nil
}

// Oldest returns the oldest sequence from which on At can return every one.
func (e *Engine) Oldest() uint64 {
	first := e.order.First()
	if first <= 1 {
		return 0
	}
	oldest := e.Root().Seq()
	e.past.mu.Lock()
	for _, p := range e.past.recent {
		if p.index+1 >= first {
			oldest = min(oldest, p.root.Seq())
			break
		}
	}
	e.past.mu.Unlock()
	if e.snaps != nil {
		for _, f := range e.snaps.kept() {
			oldest = min(oldest, f.seq)
		}
	}
	return oldest
}

func (e *Engine) snapshotBefore(seq uint64) (best snapshotFile, ok bool) {
	if e.snaps == nil {
		return best, false
	}
	for _, f := range e.snaps.kept() {
		if f.seq <= seq && (!ok || f.seq > best.seq) {
			best, ok = f, true
		}
	}
	return best, ok
}

// replayTo applies the log behind base until the transaction with that sequence.
func (e *Engine) replayTo(ctx context.Context, base point, seq uint64) (point, error) {
	p := NewReplay(base.root, base.index)
	err := e.eachRecord(ctx, base.index+1, func(r eventlog.Record) (bool, error) {
		err := p.Apply(r, seq)
		return p.Seq() < seq, err
	})
	if err == nil && p.Seq() != seq {
		err = fmt.Errorf("engine: the log ends at sequence %d on the way to %d", p.Seq(), seq)
	}
	if err != nil {
		return point{}, err
	}
	return point{p.Root(), p.Index()}, nil
}

// eachRecord calls fn with committed records from a log index on until it says no.
func (e *Engine) eachRecord(ctx context.Context, from uint64, fn func(eventlog.Record) (more bool, err error)) error {
	for chunk := pastFirst; ; chunk = min(2*chunk, pastChunk) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		records, err := e.order.Read(from, chunk)
		if err != nil {
			if errors.Is(err, eventlog.ErrCompacted) {
				return &GoneError{Oldest: e.Oldest()}
			}
			return err
		}
		if len(records) == 0 {
			return nil
		}
		for _, r := range records {
			if more, err := fn(r); err != nil || !more {
				return err
			}
		}
		from = records[len(records)-1].Index + 1
	}
}

// SeqAt returns the sequence of the newest transaction at a time of the log.
//
// Errors: [ErrFuture] for a time that has not come, *[GoneError], those of the log.
func (e *Engine) SeqAt(ctx context.Context, when time.Time) (uint64, error) {
	head := e.point.Load()
	newest := time.Unix(0, head.root.Time())
	switch {
	case when.Before(newest):
	case when.After(e.cfg.Clock()) && !when.Equal(newest):
		return 0, ErrFuture
	default:
		return head.root.Seq(), nil
	}
	first := e.order.First()
	var failed error
	after := func(i int) bool { // the record at first+i is later than that time
		if failed == nil {
			failed = context.Cause(ctx)
		}
		if failed != nil {
			return true
		}
		records, err := e.order.Read(first+uint64(i), 1)
		if err != nil || len(records) == 0 {
			failed = errors.Join(err, failed)
			return true
		}
		return time.Unix(0, records[0].Time).After(when)
	}
	index := first + uint64(sort.Search(int(head.index-first+1), after)) - 1
	if failed != nil {
		return 0, failed
	}
	for ; index >= first; index-- {
		records, err := e.order.Read(index, 1)
		if err != nil {
			return 0, err
		}
		if len(records) > 0 && records[0].Kind == KindBatch {
			h, err := decodeEntryHead(records[0].Payload)
			return h.first + h.count - 1, err
		}
	}
	if first <= 1 {
		return 0, nil
	}
	oldest := e.Oldest()
	if base, err := e.before(oldest); err != nil || !time.Unix(0, base.root.Time()).After(when) {
		return oldest, err
	}
	return 0, &GoneError{Oldest: oldest}
}
