package eventlog

import (
	"bytes"
	"context"
	"errors"
)

// hold keeps a segment open until release. l.mu is held.
func (l *Log) hold(seg *segment) error {
	if seg.removed {
		return ErrClosed
	}
	seg.readers++
	return nil
}

func (l *Log) release(seg *segment) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seg.readers--; seg.readers == 0 && seg.removed {
		err = seg.file.Close()
	}
	return err
}

// find returns the place that holds index, with its segment kept open until release.
func (l *Log) find(index uint64) (p place, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, _, err = l.im.find(index); err == nil {
		err = l.hold(p.seg)
	}
	return p, err
}

// eachFrom calls fn with durable records from an index on, until it returns false or an
// error, or the end is reached. Payloads are valid during the call only.
func (l *Log) eachFrom(from uint64, fn func(r Record) (more bool, err error)) error {
	var m memory
	for more := true; more; {
		p, err := l.find(from)
		if errors.Is(err, ErrOutOfRange) {
			return nil
		}
		if err != nil {
			return err
		}
		err = p.each(&m, from, func(f *frame) (bool, error) {
			var err error
			more, err = p.recordsFrom(f, from, fn)
			return more, err
		})
		if err = errors.Join(err, l.release(p.seg)); err != nil {
			return err
		}
		from = p.last + 1
	}
	return nil
}

// Read returns durable records from an index on, at least one and about maxBytes of
// payload at most; none when from is one past the end. Payloads are copies.
//
// Errors: [ErrCompacted], [ErrOutOfRange] (more than one past the end), *[CorruptError].
func (l *Log) Read(from uint64, maxBytes int) (recs []Record, err error) {
	if from > l.Durable()+1 {
		return nil, ErrOutOfRange
	}
	n := 0
	err = l.eachFrom(from, func(r Record) (bool, error) {
		r.Payload = bytes.Clone(r.Payload)
		recs = append(recs, r)
		n += len(r.Payload) + recordHead
		return n < maxBytes, nil
	})
	return recs, err
}

// Replay calls fn with all records from an index on that are durable when it is called, and
// maybe later ones. Payloads are valid during the call only. An error of fn ends it and is
// returned.
func (l *Log) Replay(from uint64, fn func(r Record) error) error {
	return l.eachFrom(from, func(r Record) (bool, error) { return true, fn(r) })
}

// Reader follows a log.
type Reader struct {
	log   *Log
	next  uint64
	ahead []Record
}

// Reader returns a reader that begins at an index. It belongs to one goroutine.
func (l *Log) Reader(from uint64) *Reader { return &Reader{log: l, next: from} }

// watch returns a channel that is closed when the log has changed from the state that is
// returned with it.
func (l *Log) watch() (changed <-chan struct{}, closed bool, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil && !l.closed {
		l.changed = make(chan struct{})
	}
	return l.changed, l.closed, l.im.last
}

// readAhead is how many bytes a Reader fetches at once.
const readAhead = 256 << 10

// Next returns the next durable record, waiting for it at the end of the log. When the
// tail is truncated behind what was read already, reading goes on at the new records.
//
// Errors: ctx's, [ErrClosed], [ErrCompacted], *[CorruptError].
func (r *Reader) Next(ctx context.Context) (Record, error) {
	for len(r.ahead) == 0 {
		changed, closed, last := r.log.watch()
		if r.next <= last {
			recs, err := r.log.Read(r.next, readAhead)
			if err != nil {
				return Record{}, err
			}
			r.ahead = recs
			continue
		}
		if closed {
			return Record{}, ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Record{}, context.Cause(ctx)
		}
	}
	rec := r.ahead[0]
	r.ahead = r.ahead[1:]
	r.next = rec.Index + 1
	return rec, nil
}
