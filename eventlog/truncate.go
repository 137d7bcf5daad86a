package eventlog

import (
	"fmt"
)

// TruncateAfter removes all records behind an index, durably. It is written as a frame
// of its own and nothing is overwritten, so a crash leaves the tail whole or gone.
func (l *Log) TruncateAfter(index uint64) error {
	ch := make(chan error, 1)
	l.TruncateAfterAsync(index, func(err error) { ch <- err })
	return <-ch
}

// TruncateAfterAsync is TruncateAfter without waiting; it takes its turn among the
// appends.
func (l *Log) TruncateAfterAsync(index uint64, done func(error)) {
	p := pending{kind: frameTruncate, index: index, done: done}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch err := l.usable(); {
	case err != nil:
		p.err = err
	case index <= l.im.base && l.im.base > 0:
		p.err = fmt.Errorf("%w: the log begins at %d", ErrCompacted, l.im.base+1)
	case index >= l.next:
		p.err = fmt.Errorf("%w: the log ends at %d", ErrOutOfRange, l.next-1)
	default:
		l.next = index + 1
	}
	l.put(p)
}

// TruncateBefore removes whole segments that hold nothing but records before an index.
// Records before it may stay, as many as share a segment with later ones. Durable on
// return.
func (l *Log) TruncateBefore(index uint64) error {
	for {
		seg, err := l.dropOldest(index)
		if err != nil || seg == nil {
			return err
		}
		if err := l.cfg.FS.Remove(seg.name); err != nil {
			return fmt.Errorf("eventlog: %w", err)
		}
		if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
			return fmt.Errorf("eventlog: %w", err)
		}
	}
}

// dropOldest takes the oldest segment out of the image if nothing at or behind index,
// and nothing that a later segment needs, is in it.
func (l *Log) dropOldest(index uint64) (*segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	if len(l.im.segments) < 2 || l.busy {
		return nil, nil
	}
	next := &l.im.segments[1].header
	n := 0
	for n < len(l.im.places) && l.im.places[n].seg == l.im.segments[0] {
		n++
	}
	if next.first > index || n > 0 && l.im.places[n-1].last+1 != next.first {
		return nil, nil // a truncation reached back into it
	}
	seg := l.im.segments[0]
	l.im.places, l.im.segments = l.im.places[n:], l.im.segments[1:]
	l.im.base, l.im.baseSum = next.first-1, next.chain
	if seg.removed = true; seg.readers == 0 {
		return seg, seg.file.Close()
	}
	return seg, nil
}
