package eventlog

import (
	"errors"
	"io"
	"sort"
)

// place is where a run of records stands: batches one after another in a segment, with
// nothing but marks between them. Small batches share a place, so that what is held in
// memory and in index files does not grow with the number of batches.
type place struct {
	seg         *segment
	off, size   int64
	first, last uint64 // last is lower than written when the tail was truncated
	time        int64  // of the first record
	chain       Sum    // after last
	closed      bool   // a truncation came behind it: later batches are no part of it
	packed      bool   // it is a pack, see pack.go
	adrift      bool   // of a damaged log: damage lies before it, so the chain value there is not that of the place before
	unsummed    bool   // of a damaged log: chain is not that after last
}

// placeBytes is the size up to which batches are gathered in a place: what a look for one
// record reads at most, when batches are small.
const placeBytes = 64 << 10

// add takes note of a batch.
func (im *image) add(p place) {
	p.adrift, im.broken = im.broken, false
	if n := len(im.places); n > 0 {
		q := &im.places[n-1]
		if q.packed && q.seg == p.seg && q.off == p.off {
			q.last, q.chain = p.last, p.chain
			return
		}
		if q.seg == p.seg && !q.closed && !q.packed && !p.packed && p.off+p.size-q.off <= placeBytes {
			q.size, q.last, q.chain = p.off+p.size-q.off, p.last, p.chain
			return
		}
	}
	im.places = append(im.places, p)
}

// truncate forgets what lies behind index, as a frame in seg says.
func (im *image) truncate(seg *segment, index uint64, chain Sum) {
	if index < seg.low {
		seg.low, seg.lowSum = index, chain
	}
	if index < im.base { // what it goes back to was in segments that are gone
		im.base, im.baseSum = index, chain
	}
	n := sort.Search(len(im.places), func(i int) bool { return im.places[i].first > index })
	im.places = im.places[:n]
	if n > 0 {
		p := &im.places[n-1]
		if p.closed = true; p.last >= index { // lower in a damaged log only
			p.last, p.chain = index, chain
		}
	}
	for n := len(im.roots); n > 0 && rangeEnd(im.roots[n-1].n) > index; n-- {
		im.roots = im.roots[:n-1]
	}
	im.last, im.chain = index, chain
}

// find returns the place that holds index, and the chain value before it.
func (im *image) find(index uint64) (p place, before Sum, err error) {
	switch {
	case index <= im.base:
		return p, before, ErrCompacted
	case index > im.last:
		return p, before, ErrOutOfRange
	}
	n := sort.Search(len(im.places), func(i int) bool { return im.places[i].last >= index })
	if n == len(im.places) || im.places[n].first > index {
		return p, before, im.hole(index)
	}
	before = im.baseSum
	if n > 0 {
		before = im.places[n-1].chain
	}
	return im.places[n], before, nil
}

// chainAt computes the chain value at an index, reading at most one place.
func (im *image) chainAt(index uint64) (Sum, error) {
	if index == im.base {
		return im.baseSum, nil
	}
	p, before, err := im.find(index)
	if err != nil {
		return Sum{}, err
	}
	return p.chainAt(before, index)
}

// chainAt computes the chain value at an index of this place.
func (p *place) chainAt(before Sum, index uint64) (Sum, error) {
	if index == p.last && !p.unsummed {
		return p.chain, nil
	}
	sum, adrift := before, p.adrift
	err := p.each(new(memory), p.first, func(f *frame) (bool, error) {
		if end := f.first + uint64(f.count) - 1; end < index {
			sum, adrift = f.chain, false
			return true, nil
		}
		if adrift {
			return false, p.corrupt(0, index, "the chain value before it is lost")
		}
		return false, p.records(f, func(r Record) error {
			if r.Index <= index {
				sum = sum.next(&r, p.seg.header.loose)
			}
			return nil
		})
	})
	return sum, err
}

// memory is what places are read into, one after another.
type memory struct {
	file, open []byte
	unpacker   unpacker
}

// grown returns n bytes. It begins small: most reads are of a few records near the end.
func (m *memory) grown(n int64) []byte {
	if int64(cap(m.file)) < n {
		m.file = make([]byte, max(n, min(placeBytes, 2*int64(cap(m.file)))))
	}
	return m.file[:n]
}

// each reads the place into m and calls fn with its batches from the one on that holds
// index from, checked, until fn returns false or an error.
func (p *place) each(m *memory, from uint64, fn func(f *frame) (more bool, err error)) error {
	b := m.grown(p.size)
	if n, err := p.seg.file.ReadAt(b, p.off); err != nil && !(err == io.EOF && n == len(b)) {
		return err
	}
	env := &p.seg.env
	if p.packed {
		pack, problem := env.parse(b, &m.open)
		if problem == "" && pack.kind != framePack {
			problem = "another frame stands here than was written"
		}
		if problem == "" {
			b, problem = m.unpacker.unpack(&pack)
		}
		if problem != "" {
			return p.corrupt(0, p.first, problem)
		}
		inner := env.inside()
		env = &inner
	}
	size := int64(len(b))
	for next := p.first; next <= p.last; {
		at := size - int64(len(b))
		f, problem := env.parseHead(b, int64(len(b)))
		if problem == "" && f.kind == frameMark {
			b = b[f.size:]
			continue
		}
		past := problem == "" && f.first+uint64(f.count) <= from
		if problem == "" && !past {
			f, problem = env.parse(b, &m.open)
		}
		if problem == "" && (f.kind != frameBatch || f.first != next || f.count == 0) {
			problem = "another frame stands here than was written"
		}
		if problem != "" {
			return p.corrupt(at, next, problem)
		}
		b, next = b[f.size:], next+uint64(f.count)
		if past {
			continue
		}
		if more, err := fn(&f); err != nil || !more {
			return err
		}
	}
	return nil
}

func (p *place) corrupt(at int64, index uint64, problem string) error {
	if p.packed {
		at = 0
	}
	return &CorruptError{Segment: p.seg.name, Offset: p.off + at, Index: index, Reason: problem}
}

// records calls fn with the records of a batch of this place.
func (p *place) records(f *frame, fn func(r Record) error) error {
	problem, err := f.eachRecord(fn)
	if problem != "" {
		err = errors.Join(p.corrupt(0, f.first, problem), err)
	}
	return err
}

// recordsFrom calls fn with the records of a batch of this place from an index on, until it
// returns false or an error.
func (p *place) recordsFrom(f *frame, from uint64, fn func(r Record) (more bool, err error)) (more bool, err error) {
	it := f.iterate()
	for it.next() {
		if it.rec.Index < from || it.rec.Index > p.last {
			continue
		}
		if more, err := fn(it.rec); err != nil || !more {
			return false, err
		}
	}
	if it.problem != "" {
		return false, p.corrupt(0, f.first, it.problem)
	}
	return true, nil
}

// SeekTime returns the index of the first durable record whose time is t or later, one
// more than Last when there is none. It takes times not to go back along the log, and
// reads one place.
//
// Errors: [ErrClosed], *[CorruptError].
func (l *Log) SeekTime(t int64) (index uint64, err error) {
	l.mu.Lock()
	n := sort.Search(len(l.im.places), func(i int) bool { return l.im.places[i].time >= t })
	index = l.im.last + 1
	if n < len(l.im.places) {
		index = l.im.places[n].first
	}
	if n == 0 {
		l.mu.Unlock()
		return index, nil
	}
	p := l.im.places[n-1]
	err = l.hold(p.seg)
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	err = p.each(new(memory), p.first, func(f *frame) (more bool, err error) {
		more = true
		err = p.records(f, func(r Record) error {
			if more && r.Time >= t && r.Index <= p.last {
				index, more = r.Index, false
			}
			return nil
		})
		return more, err
	})
	return index, errors.Join(err, l.release(p.seg))
}
