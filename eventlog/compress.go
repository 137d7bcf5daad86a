package eventlog

import (
	"errors"
	"path"

	"github.com/lithair/lithair-go/internal/disk"
)

// With Config.Compress a sealed segment is written once more: the frames of each place as
// a pack, all others as they are, with a header of its own salt and key. The new file
// takes the name of the old one, in the turn of a work like any other, so that nobody
// else looks at the segment meanwhile. Frames keep their numbers and records their
// bytes: chain, roots and proofs do not change.

// swapSegment is no kind of frame: the work is to put a segment in place of another.
const swapSegment uint32 = 1<<31 + 1

// swap is a segment that was written anew.
type swap struct {
	old, made *segment
	places    map[int64]place // of made, by their offset in old
	temp      string
}

// compressDue says whether a sealed segment that is held is to be compressed.
func (l *Log) compressDue(seg *segment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg.Compress && !seg.summary.tried && !seg.header.packed && !l.closed
}

// compress writes a sealed segment anew and queues the swap. queued is false when there
// is nothing to be gained.
func (l *Log) compress(seg *segment) (queued bool, err error) {
	s := &swap{old: seg, places: map[int64]place{}, temp: seg.name + ".tmp"}
	h := segmentHeader{first: seg.header.first, frame: seg.header.frame, salt: l.cfg.Salt(), chain: seg.header.chain, packed: true}
	env, err := h.lock(l.cfg.Keys, l.cfg.Salt)
	if err != nil {
		return false, err
	}
	f, err := l.cfg.FS.Open(s.temp, disk.Create)
	if err != nil {
		return false, err
	}
	s.made = &segment{name: seg.name, file: f, header: h, env: env, low: seg.low, lowSum: seg.lowSum}
	if err = f.Truncate(0); err == nil {
		err = l.rewrite(s)
	}
	if err == nil && worthIt(s.made.end, seg.end) {
		if err = f.Sync(); err == nil {
			l.queueSwap(s)
			return true, nil
		}
	}
	return false, errors.Join(err, f.Close(), l.cfg.FS.Remove(s.temp))
}

// rewrite copies all frames of the old segment into the new one.
func (l *Log) rewrite(s *swap) error {
	out := &rewriter{swap: s, file: s.made.file}
	if err := out.put(s.made.header.encode()); err != nil {
		return err
	}
	w := window{file: s.old.file, size: s.old.end, written: s.old.end}
	places := s.old.summary.places
	for off := int64(headerSize); off < s.old.end; {
		if l.stopping() {
			return errStopping
		}
		for len(places) > 0 && places[0].off < off {
			places = places[1:]
		}
		end := int64(0)
		if len(places) > 0 && places[0].off == off {
			end = off + places[0].size
		}
		n, err := out.frames(&w, off, end)
		if err != nil {
			return err
		}
		off += n
	}
	s.made.size, s.made.end = out.at+int64(len(out.buf)), out.at+int64(len(out.buf))
	return out.flush()
}

// rewriter writes a segment anew.
type rewriter struct {
	swap   *swap
	file   File
	at     int64  // offset of buf
	buf    []byte // to be written
	raw    []byte // frames of a place
	packer packer
	sealed []byte
}

func (r *rewriter) put(b []byte) error {
	r.buf = append(r.buf, b...)
	if len(r.buf) < windowBytes {
		return nil
	}
	return r.flush()
}

func (r *rewriter) flush() error {
	_, err := r.file.WriteAt(r.buf, r.at)
	r.at, r.buf = r.at+int64(len(r.buf)), r.buf[:0]
	return err
}

// frames copies the frames of the place from off to end, as a pack if that is worth it,
// or one frame where no place begins (end is 0). It returns how many bytes of the old
// segment are done.
func (r *rewriter) frames(w *window, off, end int64) (done int64, err error) {
	inner := r.swap.made.env.inside()
	var first, last frame
	count := uint32(0)
	r.raw = r.raw[:0]
	for done = 0; done == 0 || off+done < end; count++ {
		f, problem, err := w.frame(off+done, &r.swap.old.env)
		if err != nil {
			return 0, err
		}
		if problem != "" {
			return 0, &CorruptError{Segment: r.swap.old.name, Offset: off + done, Reason: problem}
		}
		if done += f.size; end == 0 {
			return done, r.plain(&f)
		}
		b := append(make([]byte, frameHead), f.records...)
		if _, b, err = inner.finish(b, &f, nil); err != nil {
			return 0, err
		}
		if r.raw = append(r.raw, b...); count == 0 {
			first = f
		}
		last = f
	}
	at := r.at + int64(len(r.buf))
	pack, body, ok, err := r.packer.pack(r.raw, &first, &last, count)
	if err == nil && ok {
		err = r.finish(body, &pack)
	} else if err == nil {
		err = r.plainAll()
	}
	r.swap.places[off] = place{seg: r.swap.made, off: at, size: r.at + int64(len(r.buf)) - at, packed: ok}
	return done, err
}

// plain writes a frame as it was, for its new segment.
func (r *rewriter) plain(f *frame) error {
	return r.finish(append(make([]byte, frameHead), f.records...), f)
}

func (r *rewriter) finish(b []byte, f *frame) error {
	_, file, err := r.swap.made.env.finish(b, f, r.sealed)
	if err != nil {
		return err
	}
	if r.swap.made.env.sealer != nil {
		r.sealed = file
	}
	return r.put(file)
}

// plainAll writes the frames in raw one by one.
func (r *rewriter) plainAll() error {
	inner := r.swap.made.env.inside()
	for b := r.raw; len(b) > 0; {
		f, problem := inner.parse(b, nil)
		if problem != "" {
			return errors.New("eventlog: a frame that was just made cannot be read: " + problem)
		}
		if err := r.plain(&f); err != nil {
			return err
		}
		b = b[f.size:]
	}
	return nil
}

// queueSwap has the new segment take its place in the turn of a work.
func (l *Log) queueSwap(s *swap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	unused := func(err error) {
		if err != nil { // the log is poisoned; the file goes when it is opened again
			_ = s.made.file.Close() // nothing of it is needed
		}
	}
	l.put(&pending{kind: swapSegment, swap: s, calls: []call{{done: unused}}})
	l.rouse()
}

// swapNames gives the new segment the name of the old one. Either of the two may be found
// after a crash; they hold the same. A failure to do so costs room alone, and is no reason
// to stop.
func (w *Work) swapNames() error {
	l, s := w.log, w.taken.swap
	gone := true
	for _, seg := range l.im.segments {
		gone = gone && seg != s.old
	}
	err := errors.New("the segment was removed meanwhile")
	if !gone {
		err = l.cfg.FS.Rename(s.temp, s.made.name)
	}
	if err != nil {
		l.cfg.Logger.Info("a segment was compressed for nothing", "segment", s.made.name, "error", err)
		if e := errors.Join(s.made.file.Close(), l.cfg.FS.Remove(s.temp)); errors.Is(e, disk.ErrPower) {
			return e
		}
		return nil
	}
	w.swapped = true
	if err := l.cfg.FS.SyncDir(path.Dir(s.made.name)); err != nil {
		l.cfg.Logger.Info("the directory could not be synced after a segment was compressed", "segment", s.made.name, "error", err)
	}
	return nil
}

// replace puts a segment that was written anew into the image. l.mu is held.
func (l *Log) replace(s *swap) error {
	for i := range l.im.segments {
		if l.im.segments[i] == s.old {
			l.im.segments[i] = s.made
		}
	}
	sum := *s.old.packing
	sum.end, sum.tried, sum.places = s.made.end, true, nil
	for _, p := range s.old.packing.places {
		sum.places = append(sum.places, p.moved(s))
	}
	s.made.summary = &sum
	l.sealedNew++
	for i := range l.im.places {
		if p := &l.im.places[i]; p.seg == s.old {
			*p = p.moved(s)
		}
	}
	for i := range l.im.roots {
		if r := &l.im.roots[i]; r.seg == s.old {
			r.seg = s.made
		}
	}
	s.made.digests, s.old.removed = s.old.digests, true
	if s.old.readers == 0 {
		return s.old.file.Close()
	}
	return nil
}

// moved is the place in the new segment.
func (p place) moved(s *swap) place {
	q := s.places[p.off]
	p.seg, p.off, p.size, p.packed = q.seg, q.off, q.size, q.packed
	return p
}
