package eventlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
)

// Work is one step of I/O: a frame to be written and synced, or segments to be removed.
// It is the log's again after End.
type Work struct {
	log     *Log
	taken   *pending // nil for a mark
	frame   frame
	buf     []byte
	off     int64
	time    int64          // of a batch's first record
	create  *segmentHeader // the frame goes into a new segment
	env     envelope       // of that segment
	size    int64          // of that segment
	made    *segment
	swapped bool     // the segment that was written anew has taken its place
	begun   *segment // the first one of a log that begins anew
	drop    int      // how many of the oldest segments were removed
	kept    error    // why a segment could not be removed; the log goes on
}

// dropSegments is no kind of frame: the work is to remove segments.
const dropSegments uint32 = 1 << 31

// Begin takes the next work from the queue; ok is false when there is none, or one is
// under way. The owner calls Do, then End, before it calls Begin again.
func (l *Log) Begin() (w *Work, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begin()
}

func (l *Log) begin() (w *Work, ok bool) {
	if l.busy || len(l.queue) == 0 {
		return nil, false
	}
	l.busy = true
	l.work = Work{log: l, taken: l.queue[0]}
	n := copy(l.queue, l.queue[1:]) // short: a batch holds all that gathered
	l.queue[n] = nil
	l.queue = l.queue[:n]
	return &l.work, true
}

// prepare makes the frame. It needs no lock: the image changes only in End.
func (w *Work) prepare() error {
	im, p := &w.log.im, w.taken
	if p.kind == rotateSegment {
		return w.mark()
	}
	f := frame{kind: p.kind, number: im.frame, durable: im.last, first: im.last + 1, chain: im.chain}
	if p.kind == frameTruncate {
		sum, err := im.chainAt(p.index)
		if err != nil {
			return err
		}
		f.durable, f.chain = p.index, sum
		return w.seal(f, append(p.buf[:0], make([]byte, frameHead)...))
	}
	if f.count = uint32(len(p.digests)); f.count == 0 {
		return nil
	}
	w.time = int64(le.Uint64(p.buf[frameHead+24:]))
	at := frameHead
	for i := range p.digests {
		if im.loose {
			break
		}
		head, sum := p.buf[at+8:at+recordHead], &p.digests[i]
		f.chain = f.chain.link(head, sum)
		at += recordSize(p.buf[at:])
		*sum = leaf(head, sum) // nobody needs the digest any more
	}
	return w.seal(f, p.buf)
}

// mark makes the work a durable mark.
func (w *Work) mark() error {
	im := &w.log.im
	return w.seal(frame{kind: frameMark, number: im.frame, durable: im.last, first: im.last + 1, chain: im.chain}, make([]byte, frameHead, 2*frameHead+chainSize))
}

// seal finishes the frame for the segment it goes to. b holds its records, and its memory
// stays that of the work taken.
func (w *Work) seal(f frame, b []byte) (err error) {
	l := w.log
	seg := l.active()
	env := &seg.env
	f.size = env.frameSize(int64(len(b) - frameHead))
	w.off = seg.end
	rotate := w.taken != nil && w.taken.kind == rotateSegment
	if rotate || seg.end+f.size > max(seg.size, l.cfg.SegmentBytes) || !l.mayContinue(seg) {
		w.create = &segmentHeader{first: l.im.last + 1, frame: f.number, salt: l.cfg.Salt(), chain: l.im.chain, loose: l.im.loose}
		if w.env, err = w.create.lock(l.cfg.Keys, l.cfg.Salt); err != nil {
			return err
		}
		env = &w.env
		f.size = env.frameSize(int64(len(b) - frameHead))
		w.size = max(l.cfg.SegmentBytes, headerSize+f.size)
		w.off = headerSize
	}
	w.frame = f
	b, w.buf, err = env.finish(b, &f, l.sealed)
	if env.sealer != nil {
		l.sealed = w.buf
	}
	if w.taken != nil {
		w.taken.buf = b
	}
	return err
}

// mayContinue says whether frames may be added to a segment: it is not encrypted and is
// not to be, or it was begun by this process.
func (l *Log) mayContinue(seg *segment) bool {
	return seg.env.sealer != nil || l.cfg.Keys == nil
}

// Do carries the work out: write and sync. It may run on any goroutine.
func (w *Work) Do() error {
	if w.taken != nil {
		if w.taken.kind == dropSegments {
			return w.removeBefore(w.taken.index)
		}
		if w.taken.kind == swapSegment {
			return w.swapNames()
		}
		if w.taken.kind == resetLog {
			return w.beginAnew()
		}
		if err := w.prepare(); err != nil || w.buf == nil {
			return err
		}
	} else if err := w.mark(); err != nil {
		return err
	}
	seg := w.log.active()
	if w.create != nil {
		made, err := w.log.createSegment(*w.create, w.env, w.size)
		if err != nil {
			return refused(err)
		}
		w.made, seg = made, made
	}
	end := w.off + int64(len(w.buf))
	if end > seg.size { // cut by Close, or short by a full disk
		if err := w.log.reserve(seg, end); err != nil {
			return refused(err)
		}
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
	if err := seg.zeroAhead(w.off, end); err != nil {
		return err
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

// goesOn says whether a failure left nothing behind, so that the log can go on.
func goesOn(err error) bool { return errors.Is(err, ErrFull) || errors.Is(err, ErrNoKey) }

// End takes note of how the work went and calls back. The next work begins after that,
// so calls come in order.
func (l *Log) End(w *Work, err error) { _ = l.end(w, err) }

// end is End that returns what became of the work, for a caller that waits for no other
// word of it.
func (l *Log) end(w *Work, err error) error {
	l.mu.Lock()
	if w.made != nil {
		l.adopt(w.made)
	}
	if w.swapped {
		if e := l.replace(w.taken.swap); e != nil {
			l.cfg.Logger.Warn("a replaced segment could not be closed", "segment", w.taken.swap.old.name, "error", e)
		}
	}
	if w.begun != nil && err == nil {
		if e := l.restart(w.begun, w.taken.begin); e != nil {
			l.cfg.Logger.Warn("a segment of the log before could not be closed", "error", e)
		}
	}
	if e := l.forget(w.drop); e != nil && w.kept == nil {
		w.kept = e
	}
	if err == nil && w.buf != nil {
		l.settle(w)
	}
	l.note(w, err)
	var behind []*pending
	switch p := w.taken; {
	case p == nil && err != nil && goesOn(err):
		l.im.marked = true // no room or key for a mark now: the next append brings one
	case p != nil && p.kind == rotateSegment && goesOn(err): // the active segment stays
	case err != nil:
		if !goesOn(err) {
			err = fmt.Errorf("%w: %w", ErrPoisoned, err)
			l.failed = err
			l.cfg.Logger.Error("the log is poisoned: nothing more is acknowledged", "error", err)
		}
		behind, l.queue = l.queue, nil
		l.next = l.im.last + 1
	case w.kept != nil:
		err = w.kept
	}
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	l.worked = time.Now()
	l.mu.Unlock()
	w.taken.answer(err)
	for _, p := range behind {
		p.answer(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.taken != nil {
		l.recycle(w.taken)
	}
	if cap(l.sealed) > keptBatchBytes {
		l.sealed = nil
	}
	*w = Work{}
	l.busy = false
	l.signal()
	return err
}

// note keeps whether the newest append found room. l.mu is held.
func (l *Log) note(w *Work, err error) {
	switch {
	case w.taken == nil || w.taken.kind != frameBatch || w.buf == nil: // a mark is not asked for
	case err == nil:
		l.refused, l.wanted = nil, 0
	case errors.Is(err, ErrFull):
		l.refused, l.wanted = err, max(int64(len(w.buf)), w.size)
	}
}

// answer tells everyone who waits for p.
func (p *pending) answer(err error) {
	if p == nil {
		return
	}
	if p.waiting != nil {
		p.waiting.err = err
		close(p.waiting.ended)
	}
	for _, c := range p.calls {
		switch {
		case c.done == nil:
		case c.err != nil:
			c.done(c.err)
		default:
			c.done(err)
		}
	}
}

// adopt makes a new segment the active one. Where the active one holds no frame yet, the
// new one bears its name and has taken its place on disk. l.mu is held.
func (l *Log) adopt(made *segment) {
	old := l.active()
	if old.name != made.name {
		old.summary = l.im.summarize(old)
		made.leaves = old.leaves.open()
		l.sealedNew++
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
		if !l.im.loose {
			seg.leaves.add(f.first, w.taken.digests)
		}
		l.im.add(place{seg: seg, off: w.off, size: f.size, first: f.first, last: l.im.last, time: w.time, chain: f.chain})
	case frameTruncate:
		l.im.truncate(seg, f.durable, f.chain)
		seg.leaves = leaves{full: true}
	}
}

// BeginMark is Begin for a durable mark, which lets damage to the last batch be told from
// a torn tail. ok is false when none is needed, or a work is under way. In Manual mode
// the owner calls it when the log has been idle for a while.
func (l *Log) BeginMark() (w *Work, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy || !l.unmarked() {
		return nil, false
	}
	l.busy = true
	l.work = Work{log: l}
	return &l.work, true
}

// unmarked says whether the last frame is none that says that all is durable. l.mu is
// held.
func (l *Log) unmarked() bool { return !l.im.marked && l.failed == nil && l.im.frame > 1 }

// mark writes a durable mark if the last frame is none.
func (l *Log) mark() error {
	w, ok := l.BeginMark()
	if !ok {
		return nil
	}
	return l.end(w, w.Do())
}
