package eventlog

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// TruncateAfter removes all records behind an index, durably. It is written as a frame
// of its own and nothing is overwritten, so a crash leaves the tail whole or gone.
func (l *Log) TruncateAfter(index uint64) error {
	ch := make(chan error, 1)
	l.TruncateAfterAsync(index, func(err error) { ch <- err })
	return l.await(ch)
}

// TruncateAfterAsync is TruncateAfter without waiting; it takes its turn among the
// appends.
func (l *Log) TruncateAfterAsync(index uint64, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch err := l.usable(); {
	case err != nil:
		l.refuse(done, err)
	case index < l.im.base:
		l.refuse(done, fmt.Errorf("%w: the log begins at %d", ErrCompacted, l.im.base+1))
	case index >= l.next:
		l.refuse(done, fmt.Errorf("%w: the log ends at %d", ErrOutOfRange, l.next-1))
	default:
		l.next = index + 1
		l.put(&pending{kind: frameTruncate, index: index, calls: []call{{done: done}}})
		l.rouse()
	}
}

// TruncateBefore removes whole segments that hold nothing but records before an index.
// Records before it may stay, as many as share a segment with later ones. Durable on
// return. A segment that cannot be removed stays, and the error says so; the log goes on.
func (l *Log) TruncateBefore(index uint64) error {
	ch := make(chan error, 1)
	l.TruncateBeforeAsync(index, func(err error) { ch <- err })
	return l.await(ch)
}

// await waits for an answer. A Manual log does what is queued here and now: its owner is
// the one who waits.
func (l *Log) await(ch <-chan error) error {
	if !l.cfg.Manual {
		return <-ch
	}
	l.drain()
	select {
	case err := <-ch:
		return err
	default:
		return errors.New("eventlog: a Manual log cannot be waited for while a work is out")
	}
}

// TruncateBeforeAsync is TruncateBefore without waiting; it takes its turn among the
// appends.
func (l *Log) TruncateBeforeAsync(index uint64, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		l.refuse(done, err)
		return
	}
	l.put(&pending{kind: dropSegments, index: index, calls: []call{{done: done}}})
	l.rouse()
}

// removeBefore removes the segments that are not needed, oldest first, each durably
// before the next, so that after a crash none is missing in the middle. It needs no lock:
// the image changes only in End.
func (w *Work) removeBefore(index uint64) error {
	l := w.log
	for l.im.droppable(w.drop, index) {
		err := l.cfg.FS.Remove(l.im.segments[w.drop].name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			w.kept = fmt.Errorf("eventlog: %w", err)
			return nil
		}
		w.drop++
		if err := l.cfg.FS.Remove(indexName(l.im.segments[w.drop-1].name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.cfg.Logger.Info("an index file without a segment stays until the next start", "error", err)
		}
		if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
			// The name may come back after a crash, behind a gap that later removals leave.
			return fmt.Errorf("the directory could not be synced: %w", err)
		}
	}
	return nil
}

// droppable says whether segment n holds nothing at or behind index.
func (im *image) droppable(n int, index uint64) bool {
	return n+1 < len(im.segments) && im.segments[n+1].header.first <= index
}

// forget takes the n oldest segments out of the image. l.mu is held.
func (l *Log) forget(n int) (err error) {
	for _, seg := range l.im.segments[:n] {
		k := 0
		for k < len(l.im.places) && l.im.places[k].seg == seg {
			k++
		}
		l.im.places, l.im.segments = l.im.places[k:], l.im.segments[1:]
		l.im.roots = slices.DeleteFunc(l.im.roots, func(r root) bool { return r.seg == seg })
		if seg.removed = true; seg.readers == 0 {
			err = errors.Join(err, seg.file.Close())
		}
	}
	if n > 0 {
		l.im.rebase()
	}
	return err
}

// rebase finds where the log begins: at the oldest segment, or lower where a truncation
// in a later one reached back behind that.
func (im *image) rebase() {
	h := &im.segments[0].header
	im.base, im.baseSum = h.first-1, h.chain
	for _, seg := range im.segments {
		if seg.low < im.base {
			im.base, im.baseSum = seg.low, seg.lowSum
		}
	}
}
