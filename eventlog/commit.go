package eventlog

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
)

// pending is something the log was asked to do.
type pending struct {
	kind    uint32 // frameBatch, frameTruncate or dropSegments
	records []Record
	bytes   int
	index   uint64 // of a truncation
	err     error  // refused already: only done is to be called, in its turn
	done    func(error)
}

// Append adds records and returns when they are durable. Indexes must continue the log.
// Payloads must not be changed before it returns.
//
// Errors: [ErrOrder], [ErrTooLarge], [ErrFull], [ErrPoisoned], [ErrClosed].
func (l *Log) Append(recs ...Record) error {
	ch := make(chan error, 1)
	l.AppendAsync(recs, func(err error) { ch <- err })
	return <-ch
}

// AppendAsync is Append without waiting: done is called when the records are durable,
// or with why they are not, on the log's goroutine and in the order of the calls. It
// must be short. When an append fails, those queued behind it fail too, since their
// indexes no longer continue the log.
func (l *Log) AppendAsync(recs []Record, done func(error)) {
	p := pending{kind: frameBatch, records: recs, done: done}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.err = l.admit(&p)
	if p.err == nil {
		l.next += uint64(len(recs))
	}
	l.put(p)
}

// admit says why the records cannot be taken. l.mu is held.
func (l *Log) admit(p *pending) error {
	if err := l.usable(); err != nil {
		return err
	}
	if len(p.records) == 0 {
		return errors.New("eventlog: an append of no records")
	}
	for i := range p.records {
		r := &p.records[i]
		if want := l.next + uint64(i); r.Index != want {
			return fmt.Errorf("%w: got %d, want %d", ErrOrder, r.Index, want)
		}
		if len(r.Payload) > l.cfg.MaxRecordBytes {
			return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(r.Payload), l.cfg.MaxRecordBytes)
		}
		p.bytes += recordHead + len(r.Payload)
	}
	if p.bytes > math.MaxInt32-1<<20 {
		return fmt.Errorf("%w: %d bytes at once", ErrTooLarge, p.bytes)
	}
	return nil
}

func (l *Log) usable() error {
	if l.closed {
		return ErrClosed
	}
	return l.failed
}

// put queues; after Close nobody is left to call done but the caller's own goroutine.
func (l *Log) put(p pending) {
	if l.closed {
		go p.done(p.err)
		return
	}
	l.queue = append(l.queue, p)
	if len(l.queue) == 1 {
		l.wake.Signal()
	}
}

// Work is one step of I/O: a frame to be written and synced.
type Work struct {
	log    *Log
	taken  []pending
	frame  frame
	buf    []byte
	off    int64
	create *segmentHeader // the frame goes into a new segment
	size   int64          // of that segment
	made   *segment
	drop   int   // how many of the oldest segments were removed
	kept   error // why a segment could not be removed; the log goes on
}

// dropSegments is no kind of frame: the work is to remove segments.
const dropSegments uint32 = 1 << 31

// Begin takes the next work from the queue; ok is false when there is none, or one is
// under way. The owner calls Do, then End, before it calls Begin again.
func (l *Log) Begin() (w *Work, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy || len(l.queue) == 0 {
		return nil, false
	}
	n, bytes := 0, 0
	for n < len(l.queue) {
		p := &l.queue[n]
		if n > 0 && (p.kind != frameBatch || l.queue[0].kind != frameBatch || bytes+p.bytes > l.cfg.MaxBatchBytes) {
			break
		}
		bytes += p.bytes
		n++
	}
	w = &Work{log: l, taken: append([]pending(nil), l.queue[:n]...)}
	clear(l.queue[:n])
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	l.busy = true
	return w, true
}

// prepare encodes the frame. It needs no lock: the image changes only in End.
func (w *Work) prepare() error {
	l := w.log
	im := &l.im
	f := frame{kind: frameBatch, number: im.frame, durable: im.last, first: im.last + 1, chain: im.chain}
	b := append(l.buf[:0], make([]byte, frameHead)...)
	for i := range w.taken {
		p := &w.taken[i]
		if p.err != nil {
			continue
		}
		if p.kind != frameBatch {
			sum, err := im.chainAt(p.index)
			if err != nil {
				return err
			}
			f.kind, f.durable, f.chain = frameTruncate, p.index, sum
			break
		}
		for j := range p.records {
			r := &p.records[j]
			b = appendRecord(b, r)
			f.chain = f.chain.chain(r)
			f.count++
		}
	}
	if f.kind == frameBatch && f.count == 0 {
		l.buf = b
		return nil
	}
	w.seal(f, b)
	return nil
}

// mark makes the work a durable mark.
func (w *Work) mark() {
	im := &w.log.im
	w.seal(frame{kind: frameMark, number: im.frame, durable: im.last, first: im.last + 1, chain: im.chain}, append(w.log.buf[:0], make([]byte, frameHead)...))
}

// seal finishes the frame for the segment it goes to.
func (w *Work) seal(f frame, b []byte) {
	l := w.log
	seg := l.active()
	salt := seg.header.salt
	f.size = frameSize(int64(len(b) - frameHead))
	w.off = seg.end
	if seg.end+f.size > max(seg.size, l.cfg.SegmentBytes) {
		w.create = &segmentHeader{first: l.im.last + 1, frame: f.number, salt: l.cfg.Salt(), chain: l.im.chain}
		w.size = max(l.cfg.SegmentBytes, headerSize+f.size)
		w.off, salt = headerSize, w.create.salt
	}
	w.frame, w.buf = f, finishFrame(b, &f, salt)
	l.buf = w.buf
	if cap(l.buf) > 8<<20 {
		l.buf = nil // a rare large batch does not hold its memory for ever
	}
}

// Do carries the work out: encode, write, sync. It may run on any goroutine.
func (w *Work) Do() error {
	if len(w.taken) > 0 && w.taken[0].kind == dropSegments {
		return w.removeBefore(&w.taken[0])
	}
	if w.buf == nil {
		if err := w.prepare(); err != nil || w.buf == nil {
			return err
		}
	}
	seg := w.log.active()
	if w.create != nil {
		made, err := createSegment(w.log.cfg.FS, w.log.cfg.Dir, *w.create, w.size)
		if err != nil {
			return refused(err)
		}
		w.made, seg = made, made
	}
	if end := w.off + int64(len(w.buf)); end > seg.size { // cut short by a full disk
		if err := seg.file.Allocate(seg.size, end-seg.size); err != nil {
			return refused(err)
		}
		seg.size = end
	}
	n, err := seg.file.WriteAt(w.buf, w.off)
	if err == nil && n < len(w.buf) {
		err = fmt.Errorf("short write: %d of %d bytes", n, len(w.buf))
	}
	if err != nil {
		if !disk.IsFull(err) {
			return err
		}
		if wiped := wipe(seg, w.off); wiped != nil {
			return errors.Join(err, wiped)
		}
		return refused(err)
	}
	return seg.file.Sync()
}

// refused marks a failure that left nothing behind: a full disk before anything was
// written. Others poison; so does a full disk after a new segment got its name, since
// the segment would contradict whatever the log did next.
func refused(err error) error {
	var named *namedError
	if disk.IsFull(err) && !errors.As(err, &named) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// End takes note of how the work went and calls back.
func (l *Log) End(w *Work, err error) {
	l.mu.Lock()
	l.busy = false
	var behind []pending
	if w.made != nil {
		l.adopt(w.made)
	}
	if e := l.forget(w.drop); e != nil && w.kept == nil {
		w.kept = e
	}
	if err == nil && w.buf != nil {
		l.settle(w)
	}
	if w.kept != nil {
		w.taken[0].err = w.kept
	}
	if len(w.taken) == 0 && errors.Is(err, ErrFull) {
		l.im.marked = true // no room for a mark now: the next append brings one
	} else if err != nil {
		if !errors.Is(err, ErrFull) {
			err = fmt.Errorf("%w: %w", ErrPoisoned, err)
			l.failed = err
			l.cfg.Logger.Error("the log is poisoned: nothing more is acknowledged", "error", err)
		}
		behind, l.queue = l.queue, nil
		l.next = l.im.last + 1
	}
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	for _, p := range append(w.taken, behind...) {
		if p.done == nil {
			continue
		}
		if p.err == nil {
			p.err = err
		}
		p.done(p.err)
	}
}

// adopt makes a new segment the active one. Where the active one holds no frame yet, the
// new one bears its name and has taken its place on disk. l.mu is held.
func (l *Log) adopt(made *segment) {
	old := l.active()
	if old.name != made.name {
		l.im.segments = append(l.im.segments, made)
		return
	}
	l.im.segments[len(l.im.segments)-1] = made
	if err := old.file.Close(); err != nil {
		l.cfg.Logger.Warn("a replaced segment could not be closed", "segment", old.name, "error", err)
	}
}

// settle makes a durable frame part of the image. l.mu is held.
func (l *Log) settle(w *Work) {
	seg, f := l.active(), &w.frame
	l.im.frame++
	l.im.marked = f.kind == frameMark
	seg.end = w.off + f.size
	switch f.kind {
	case frameBatch:
		l.im.last += uint64(f.count)
		l.im.chain = f.chain
		l.im.places = append(l.im.places, place{seg, w.off, f.size, f.first, l.im.last, f.chain})
	case frameTruncate:
		l.im.truncate(seg, f.durable, f.chain)
	}
}

// run is the log's goroutine.
func (l *Log) run() {
	defer close(l.ended)
	idle := time.AfterFunc(time.Hour, func() {
		l.mu.Lock() // or the call could fall between the look at the queue and the wait
		defer l.mu.Unlock()
		l.wake.Broadcast()
	})
	idle.Stop()
	defer idle.Stop()
	for {
		l.mu.Lock()
		since := time.Now()
		for len(l.queue) == 0 && !l.wantEnd {
			if !l.im.marked && l.failed == nil && l.im.frame > 1 {
				left := l.cfg.MarkAfter - time.Since(since)
				if left <= 0 {
					break
				}
				idle.Reset(left)
			}
			l.wake.Wait()
			idle.Stop()
		}
		end := l.wantEnd && len(l.queue) == 0
		empty := len(l.queue) == 0
		l.mu.Unlock()
		if end {
			return
		}
		if empty {
			if err := l.mark(); err != nil {
				l.cfg.Logger.Warn("no durable mark could be written", "error", err)
			}
			continue
		}
		l.drain()
	}
}

// drain does what is queued.
func (l *Log) drain() {
	for {
		w, ok := l.Begin()
		if !ok {
			return
		}
		l.End(w, w.Do())
	}
}

// BeginMark is Begin for a durable mark, which lets damage to the last batch be told from
// a torn tail. ok is false when none is needed, or a work is under way. In Manual mode
// the owner calls it when the log has been idle for a while.
func (l *Log) BeginMark() (w *Work, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.im.marked || l.failed != nil || l.busy || l.im.frame == 1 {
		return nil, false
	}
	l.busy = true
	w = &Work{log: l}
	w.mark()
	return w, true
}

// mark writes a durable mark if the last frame is none.
func (l *Log) mark() error {
	w, ok := l.BeginMark()
	if !ok {
		return nil
	}
	err := w.Do()
	l.End(w, err)
	return err
}
