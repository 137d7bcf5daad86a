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

// loaded is a place that was read into m, with its segment held; or why there is none.
type loaded struct {
	p   place
	m   *memory
	err error
}

// load reads the place that holds index.
func (l *Log) load(index uint64, m *memory) loaded {
	p, err := l.find(index)
	if err == nil {
		if err = p.load(m); err != nil {
			err = errors.Join(err, l.release(p.seg))
		}
	}
	return loaded{p, m, err}
}

// eachFrom calls fn with durable records from an index on, until it returns false or an
// error, or the end is reached. Payloads are valid during the call only.
func (l *Log) eachFrom(from uint64, fn func(r Record) (more bool, err error)) error {
	var m memory
	return l.eachOf(from, func(index uint64) loaded { return l.load(index, &m) }, fn)
}

// eachOf is eachFrom over places that next reads.
func (l *Log) eachOf(from uint64, next func(index uint64) loaded, fn func(r Record) (more bool, err error)) error {
	for more := true; more; {
		at := next(from)
		if errors.Is(at.err, ErrOutOfRange) {
			return nil
		}
		if at.err != nil {
			return at.err
		}
		p := &at.p
		err := p.eachLoaded(at.m, from, func(f *frame) (bool, error) {
			err := p.records(f, func(r Record) (err error) {
				if more && r.Index >= from && r.Index <= p.last {
					more, err = fn(r)
				}
				return err
			})
			return more, err
		})
		if err = errors.Join(err, l.release(p.seg)); err != nil {
			return err
		}
		from = p.last + 1
	}
	return nil
}

// eachAhead is eachFrom for whoever is going to read on: the next place is read while fn is
// called with the records of one.
func (l *Log) eachAhead(from uint64, fn func(r Record) (more bool, err error)) (err error) {
	places, stop := make(chan loaded), make(chan struct{})
	go func() {
		defer close(places)
		var m [2]memory // one is read into, one is in use: places is not buffered
		for i, at := 0, from; ; i ^= 1 {
			select {
			case <-stop:
				return
			default:
			}
			next := l.load(at, &m[i])
			if places <- next; next.err != nil {
				return
			}
			at = next.p.last + 1
		}
	}()
	defer func() {
		close(stop)
		for left := range places { // until it has ended
			if left.err == nil {
				err = errors.Join(err, l.release(left.p.seg))
			}
		}
	}()
	return l.eachOf(from, func(uint64) loaded { return <-places }, fn)
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
// returned. Unless the log is Manual, a goroutine reads ahead meanwhile.
func (l *Log) Replay(from uint64, fn func(r Record) error) error {
	each := l.eachAhead
	if l.cfg.Manual {
		each = l.eachFrom
	}
	return each(from, func(r Record) (bool, error) { return true, fn(r) })
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
