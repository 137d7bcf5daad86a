package eventlog

import (
	"errors"
	"fmt"
	"math"
	"sync"
)

// pending is something the log was asked to do. A batch gathers the records of all who
// append while the work before it is under way: they are encoded as they come, so that
// nothing but the frame is left to be made when its turn comes.
type pending struct {
	kind    uint32   // frameBatch, frameTruncate, dropSegments, swapSegment, rotateSegment or resetLog
	buf     []byte   // of a batch: room for the frame's head, and the records
	digests []Sum    // of their payloads; once the work is prepared, the records' leaves
	index   uint64   // of a truncation or removal
	swap    *swap    // of a segment that was written anew
	begin   Position // of a reset
	calls   []call   // in order
	waiting *outcome
}

// call is what is to be called when a pending is done. One with an error was refused
// already and waits for its turn only.
type call struct {
	done func(error)
	err  error
}

// outcome is shared by those who wait for a pending.
type outcome struct {
	ended chan struct{} // closed when err is set
	err   error
}

// newBatch returns an empty batch, of memory used before where there is some. l.mu is
// held.
func (l *Log) newBatch() *pending {
	if n := len(l.free); n > 0 {
		p := l.free[n-1]
		l.free = l.free[:n-1]
		return p
	}
	return &pending{kind: frameBatch, buf: make([]byte, frameHead, 4<<10)}
}

// keptBatchBytes is the most memory of a batch that is kept for the next one: a rare
// large batch does not hold its memory for ever.
const keptBatchBytes = 8 << 20

// recycle keeps the memory of a batch that is done. l.mu is held.
func (l *Log) recycle(p *pending) {
	if p.kind != frameBatch || cap(p.buf) > keptBatchBytes || len(l.free) == 2 {
		return
	}
	clear(p.calls)
	p.buf, p.digests, p.calls, p.waiting = p.buf[:frameHead], p.digests[:0], p.calls[:0], nil
	l.free = append(l.free, p)
}

// Append adds records and returns when they are durable. Indexes must continue the log.
//
// Errors: [ErrOrder], [ErrTooLarge], [ErrFull], [ErrPoisoned], [ErrClosed].
func (l *Log) Append(recs ...Record) error {
	var few [4]Sum
	sums := l.digest(few[:0], recs)
	l.mu.Lock()
	if err := l.admit(recs, false); err != nil {
		l.mu.Unlock()
		return err
	}
	return l.wait(l.take(recs, sums))
}

// Add is Append with the indexes given by the log, in the order of the calls; those in
// recs are not looked at. It returns the index of the first record.
//
// Errors: as Append, without [ErrOrder].
func (l *Log) Add(recs ...Record) (first uint64, err error) {
	var few [4]Sum
	sums := l.digest(few[:0], recs)
	l.mu.Lock()
	if err := l.admit(recs, true); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	first = l.next
	return first, l.wait(l.take(recs, sums))
}

// AppendAsync is Append without waiting: done is called when the records are durable, or
// with why they are not, in the order of the calls. It must be short and must not wait
// for the log. When an append fails, those queued behind it fail too, since their indexes
// no longer continue the log. Payloads may be changed as soon as it returns.
//
// What waits is held in memory, without a bound: whoever does not wait for done has to
// know how much is under way.
func (l *Log) AppendAsync(recs []Record, done func(error)) { l.enqueue(recs, done, true) }

// Enqueue is AppendAsync for a caller that goes on with [Log.Step]: it wakes nobody.
func (l *Log) Enqueue(recs []Record, done func(error)) { l.enqueue(recs, done, false) }

func (l *Log) enqueue(recs []Record, done func(error), rouse bool) {
	var few [4]Sum
	sums := few[:0]
	if len(recs) > len(few) && len(recs) <= maxKeptSums {
		kept := keptSums.Get().(*[]Sum)
		defer keptSums.Put(kept)
		if cap(*kept) < len(recs) {
			*kept = make([]Sum, 0, maxKeptSums)
		}
		sums = (*kept)[:0]
	}
	sums = l.digest(sums, recs)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.admit(recs, false); err != nil {
		l.refuse(done, err)
		return
	}
	p := l.take(recs, sums)
	p.calls = append(p.calls, call{done: done})
	if rouse {
		l.rouse()
	}
}

// keptSums is memory for the digests of an append until its batch has them. Without it, that is a tenth of
// what a busy cluster allocates.
var keptSums = sync.Pool{New: func() any { return new([]Sum) }}

// maxKeptSums bounds that memory, to 16 KiB.
const maxKeptSums = 512

// Step does what is queued, up to one batch, on the caller's goroutine, which spares two
// switches to another one. Where somebody is at it, and for what is left then, that is the
// log's. It does nothing in Manual mode.
func (l *Log) Step() {
	if l.cfg.Manual {
		return
	}
	if w, ok := l.Begin(); ok {
		l.End(w, w.Do())
	}
}

// digest appends the digests of the payloads, zeros where there is no chain; they need no
// lock.
func (l *Log) digest(dst []Sum, recs []Record) []Sum {
	if l.cfg.NoChain {
		return append(dst, make([]Sum, len(recs))...)
	}
	for i := range recs {
		dst = append(dst, recs[i].digest())
	}
	return dst
}

// admit says why the records cannot be taken. l.mu is held.
func (l *Log) admit(recs []Record, numbered bool) error {
	if err := l.usable(); err != nil {
		return err
	}
	if len(recs) == 0 {
		return errors.New("eventlog: an append of no records")
	}
	bytes := 0
	for i := range recs {
		r := &recs[i]
		if want := l.next + uint64(i); !numbered && r.Index != want {
			return fmt.Errorf("%w: got %d, want %d", ErrOrder, r.Index, want)
		}
		if len(r.Payload) > l.cfg.MaxRecordBytes {
			return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(r.Payload), l.cfg.MaxRecordBytes)
		}
		if r.Redacted && len(r.Payload) != chainSize {
			return fmt.Errorf("eventlog: record %d is redacted and has %d bytes, not a digest of %d", r.Index, len(r.Payload), chainSize)
		}
		bytes += recordHead + len(r.Payload)
	}
	if bytes > maxAppendBytes {
		return fmt.Errorf("%w: %d bytes at once", ErrTooLarge, bytes)
	}
	return nil
}

// maxAppendBytes is the most that one append may hold, so that a frame's length fits.
const maxAppendBytes = math.MaxInt32 - 1<<20

func (l *Log) usable() error {
	if l.closed {
		return ErrClosed
	}
	return l.failed
}

// take encodes records into the batch that gathers. l.mu is held.
func (l *Log) take(recs []Record, sums []Sum) *pending {
	bytes := 0
	for i := range recs {
		bytes += recordHead + len(recs[i].Payload)
	}
	p := l.gathering(bytes)
	for i := range recs {
		p.buf = appendRecord(p.buf, l.next, &recs[i])
		l.next++
	}
	p.digests = append(p.digests, sums...)
	return p
}

// gathering returns the batch at the end of the queue, or a new one where that has no
// room for so many bytes. l.mu is held.
func (l *Log) gathering(bytes int) *pending {
	if n := len(l.queue); n > 0 {
		p := l.queue[n-1]
		if held := len(p.buf) - frameHead; p.kind == frameBatch && (held == 0 || held+bytes <= l.cfg.MaxBatchBytes) {
			return p
		}
	}
	p := l.newBatch()
	l.put(p)
	return p
}

// refuse has done called with err in its turn. l.mu is held.
func (l *Log) refuse(done func(error), err error) {
	if done == nil {
		return
	}
	if l.closed || l.failed == ErrReadOnly { // nobody is there to call but a goroutine of its own
		go done(err)
		return
	}
	p := l.gathering(0)
	p.calls = append(p.calls, call{done, err})
	l.rouse()
}

// put queues. Whoever does not do the work at once calls rouse. l.mu is held.
func (l *Log) put(p *pending) { l.queue = append(l.queue, p) }

// rouse wakes the log's goroutine, if it does not come by anyway when the work under way
// is done. l.mu is held.
func (l *Log) rouse() {
	if !l.busy {
		l.wake.Signal()
	}
}
