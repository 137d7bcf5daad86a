package eventlog

import (
	"errors"
	"fmt"
	"slices"
)

// A payload is redacted by writing its segment once more, with the payload's digest in its
// place and a header of its own salt and key, and swapping names as for compression: a
// crash finds the old segment, whole, or the new one. The active segment is sealed
// first. Chain values, roots and proofs bind the digest, so they stay what they are.

// rotateSegment is no kind of frame: the work is to begin a new segment, with a mark.
const rotateSegment uint32 = 1<<31 + 3

// Redact replaces the payloads of durable records by their SHA-256 digests, for good: when
// it returns nil, no segment holds them any more, also not behind a truncation. Record.Redacted
// is set in what is read from then on. Records that are redacted already, or were compacted
// away, are passed over. It reads and writes 64 MiB for each segment that is concerned;
// appends go on meanwhile. After an error or a crash any of them may be redacted: repeat it.
//
// The file system frees the blocks of the old segment without wiping them; where the log is
// encrypted what stands in them cannot be read without the key. Segments that a repair put
// aside, and copies, are not looked at.
//
// Errors: [ErrOutOfRange], [ErrClosed], [ErrReadOnly], [ErrPoisoned], [ErrFull], [ErrNoKey];
// *[CorruptError]; those of the disk.
func (l *Log) Redact(indexes ...uint64) error {
	wanted := slices.Clone(indexes)
	slices.Sort(wanted)
	for {
		seg, err := l.unredacted(wanted)
		if err != nil || seg == nil {
			return err
		}
		if err = l.redactIn(seg, wanted); errors.Is(err, errReplaced) {
			err = nil // what took its place is looked at next
		}
		if err = errors.Join(err, l.release(seg)); err != nil {
			return err
		}
	}
}

// unredacted returns a segment, held, that has one of the payloads; nil when none has.
func (l *Log) unredacted(wanted []uint64) (*segment, error) {
	for _, index := range wanted {
		r, seg, err := l.lookup(index)
		if errors.Is(err, ErrCompacted) {
			continue
		}
		if err != nil || !r.Redacted {
			return seg, err
		}
		if err := l.release(seg); err != nil {
			return nil, err
		}
	}
	return l.deadHolder(wanted)
}

// lookup reads a record, whose payload is not kept, and holds its segment.
func (l *Log) lookup(index uint64) (r Record, seg *segment, err error) {
	p, err := l.find(index)
	if err != nil {
		return r, nil, err
	}
	err = p.each(new(memory), index, func(f *frame) (bool, error) {
		return false, p.records(f, func(found Record) error {
			if found.Index == index {
				r = found
			}
			return nil
		})
	})
	r.Payload = nil
	if err != nil {
		return r, nil, errors.Join(err, l.release(p.seg))
	}
	return r, p.seg, nil
}

// deadHolder returns a segment, held, in which a truncation took a record with one of the
// indexes back, whose payload still stands there.
func (l *Log) deadHolder(wanted []uint64) (found *segment, err error) {
	list, err := l.truncated(wanted)
	for _, seg := range list {
		has := false
		if err == nil && found == nil {
			has, err = l.holdsDead(seg, wanted)
		}
		if has && err == nil {
			found = seg
			continue
		}
		err = errors.Join(err, l.release(seg))
	}
	if err != nil && found != nil {
		found, err = nil, errors.Join(err, l.release(found))
	}
	return found, err
}

// holdsDead says whether a payload of one of the indexes stands in a segment.
func (l *Log) holdsDead(seg *segment, wanted []uint64) (has bool, err error) {
	err = l.eachFrame(seg, func(_ int64, f *frame) error {
		if f.kind != frameBatch || !overlaps(wanted, f.first, uint64(f.count)) {
			return nil
		}
		problem, err := f.eachRecord(func(r Record) error {
			_, is := slices.BinarySearch(wanted, r.Index)
			has = has || is && !r.Redacted
			return nil
		})
		if problem != "" {
			return &CorruptError{Segment: seg.name, Index: f.first, Reason: problem}
		}
		return err
	})
	return has, err
}

// truncated lists the segments, all held, that may have records with one of the indexes which were
// taken back. They are held at once: one that is replaced meanwhile would be passed over,
// and what takes its place has the same payloads.
func (l *Log) truncated(wanted []uint64) (list []*segment, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	low := uint64(noTruncation)
	for _, seg := range slices.Backward(l.im.segments) {
		low = min(low, seg.low)
		from := min(seg.header.first, seg.low) // its records begin here or later
		if low != noTruncation && slices.ContainsFunc(wanted, func(i uint64) bool { return i > low && i >= from }) {
			if err := l.hold(seg); err != nil {
				return list, err
			}
			list = append(list, seg)
		}
	}
	return list, nil
}

// overlaps says whether one of the indexes, which ascend, is among count from first on.
func overlaps(wanted []uint64, first, count uint64) bool {
	i, _ := slices.BinarySearch(wanted, first)
	return i < len(wanted) && wanted[i]-first < count
}

// eachFrame calls fn with the frames of a segment that is held, and where they stand; those
// in packs are handed out one by one, all with the place of the pack.
func (l *Log) eachFrame(seg *segment, fn func(off int64, f *frame) error) error {
	l.mu.Lock()
	end := seg.end
	l.mu.Unlock()
	w := window{file: seg.file, size: end, written: end}
	for off := int64(headerSize); off < end; {
		f, problem, err := w.frame(off, &seg.env)
		size := f.size
		switch {
		case problem != "" || err != nil:
		case f.kind == framePack:
			problem, err = seg.env.eachPacked(&f, &w.unpacker, func(f *frame) (string, error) { return "", fn(off, f) })
		default:
			err = fn(off, &f)
		}
		if problem != "" {
			return &CorruptError{Segment: seg.name, Offset: off, Reason: problem}
		}
		if err != nil {
			return err
		}
		off += size
	}
	return nil
}

// redactIn writes a segment that is held anew, without the payloads of the indexes.
func (l *Log) redactIn(seg *segment, wanted []uint64) error {
	if err := l.seal(seg); err != nil {
		return err
	}
	done, err := l.queueRedacted(seg, wanted)
	if err != nil {
		return err
	}
	if err = l.await(done); err != nil {
		l.mu.Lock()
		seg.replaced = false
		l.mu.Unlock()
	}
	return err
}

// seal has a new segment begun if this one is the active one.
func (l *Log) seal(seg *segment) error {
	done := make(chan error, 1)
	l.mu.Lock()
	err := l.usable()
	active := l.active() == seg
	if err == nil && active {
		l.put(&pending{kind: rotateSegment, calls: []call{{done: func(err error) { done <- err }}}})
		l.rouse()
	}
	l.mu.Unlock()
	if err != nil || !active {
		return err
	}
	return l.await(done)
}

func (l *Log) queueRedacted(seg *segment, wanted []uint64) (<-chan error, error) {
	l.rewriting.Lock()
	defer l.rewriting.Unlock()
	s, err := l.beginSwap(seg, seg.header.packed)
	if err != nil {
		return nil, refused(err)
	}
	s.needed = true
	if err = l.redact(s, wanted); err == nil {
		err = s.check(l)
	}
	if err == nil {
		err = s.made.file.Sync()
	}
	l.mu.Lock()
	if err == nil {
		err = l.usable()
	}
	seg.replaced = err == nil
	l.mu.Unlock()
	if err != nil {
		return nil, refused(errors.Join(err, s.drop(l)))
	}
	done := make(chan error, 1)
	l.queueSwap(s, func(err error) { done <- err })
	return done, nil
}

// redact copies all frames of the old segment into the new one.
func (l *Log) redact(s *swap, wanted []uint64) error {
	out := &rewriter{swap: s, file: s.made.file}
	if err := out.put(s.made.header.encode()); err != nil {
		return err
	}
	w := window{file: s.old.file, size: s.old.end, written: s.old.end}
	for off := int64(headerSize); off < s.old.end; {
		if l.stopping() {
			return ErrClosed
		}
		f, problem, err := w.frame(off, &s.old.env)
		size, at, packed := f.size, out.here(), false
		switch {
		case problem != "" || err != nil:
		case f.kind == framePack:
			packed, problem, err = out.redactPack(&w, &f, wanted)
		default:
			err = out.finish(redacted(&f, wanted), &f)
		}
		if problem != "" {
			return &CorruptError{Segment: s.old.name, Offset: off, Reason: problem}
		}
		if err != nil {
			return err
		}
		s.move(off, at, packed)
		off += size
	}
	s.move(s.old.end, out.here(), false)
	return out.end()
}

// redacted returns the records of a frame behind room for its head, those of the indexes
// with their digests. A frame of another kind than a batch is returned as it is.
func redacted(f *frame, wanted []uint64) []byte {
	b := make([]byte, frameHead, frameHead+len(f.records)+chainSize)
	if f.kind != frameBatch || !overlaps(wanted, f.first, uint64(f.count)) {
		return append(b, f.records...)
	}
	for rest := f.records; len(rest) > 0; {
		var r Record
		size, problem := r.parse(rest)
		if problem != "" {
			return append(b, rest...) // check finds it
		}
		if _, is := slices.BinarySearch(wanted, r.Index); is && !r.Redacted {
			sum := r.digest()
			r.Payload, r.Redacted = sum[:], true
			b = appendRecord(b, r.Index, &r)
		} else {
			b = append(b, rest[:size]...)
		}
		rest = rest[size:]
	}
	return b
}

// redactPack makes a pack of the frames in another one, as they are without the payloads;
// packed is false when that is no longer worth it.
func (r *rewriter) redactPack(w *window, f *frame, wanted []uint64) (packed bool, problem string, err error) {
	inner := r.swap.made.env.inside()
	var first, last frame
	count := uint32(0)
	r.raw = r.raw[:0]
	problem, err = r.swap.old.env.eachPacked(f, &w.unpacker, func(f *frame) (string, error) {
		_, b, err := inner.finish(redacted(f, wanted), f, nil)
		if r.raw = append(r.raw, b...); count == 0 {
			first = *f
		}
		last, count = *f, count+1
		return "", err
	})
	if problem != "" || err != nil {
		return false, problem, err
	}
	pack, body, packed, err := r.packer.pack(r.raw, &first, &last, count)
	switch {
	case err != nil:
	case packed:
		err = r.finish(body, &pack)
	default:
		err = r.plainAll()
	}
	return packed, "", err
}

// check reads the new segment, every record and chain value of it, before it may take the
// place of the old one, and makes its summary.
func (s *swap) check(l *Log) error {
	l.mu.Lock()
	i := slices.Index(l.im.segments, s.old)
	var next *segmentHeader
	if i >= 0 && i+1 < len(l.im.segments) {
		next = &l.im.segments[i+1].header
	}
	l.mu.Unlock()
	if next == nil {
		return errReplaced
	}
	made := &segment{name: s.made.name, file: s.made.file, header: s.made.header, env: s.made.env, size: s.made.end, end: headerSize, low: noTruncation}
	r := &scanner{fs: l.cfg.FS, dir: l.cfg.Dir, keys: l.cfg.Keys, deep: true}
	if err := r.segment(made, "", true, false, nil); err != nil {
		return fmt.Errorf("eventlog: a segment that was just written anew: %w", err)
	}
	s.sum = made.summary
	if !s.sum.continuedBy(next) {
		return fmt.Errorf("eventlog: %s was written anew and does not lead to the segment behind it", s.made.name)
	}
	s.sum.tried = s.made.header.packed
	return nil
}
