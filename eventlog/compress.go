package eventlog

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/lithair/lithair-go/internal/disk"
)

// With Config.Compress a sealed segment is written once more: the frames of each place as
// a pack, all others as they are, with a header of its own salt and key. The new file
// takes the name of the old one, in the turn of a work like any other, so that nobody
// else looks at the segment meanwhile. Frames keep their numbers and records their
// bytes: chain, roots and proofs do not change.

// swapSegment is no kind of frame: the work is to put a segment in place of another.
const swapSegment uint32 = 1<<31 + 1

// swap is a segment that was written anew, to take the place of the old one.
type swap struct {
	old, made *segment
	sum       *summary // of made
	moved     []moved  // ascending
	temp      string
	needed    bool // it is no success before the new name is durable
	tried     bool // the file has its name, or is gone: nobody else closes it
}

// moved says where what stood in the old segment stands in the new one: the beginnings of
// frames that a place may begin or end with.
type moved struct {
	from, to int64
	packed   bool // a pack stands there
}

func (s *swap) move(from, to int64, packed bool) {
	if n := len(s.moved); n > 0 && s.moved[n-1].from == from { // the end of what stood before
		s.moved = s.moved[:n-1]
	}
	s.moved = append(s.moved, moved{from, to, packed})
}

func (s *swap) to(from int64) moved {
	n := sort.Search(len(s.moved), func(i int) bool { return s.moved[i].from >= from })
	if n == len(s.moved) || s.moved[n].from != from {
		panic("eventlog: a place of a segment that was written anew is not known")
	}
	return s.moved[n]
}

// moved is the place in the new segment.
func (p place) moved(s *swap) place {
	begin, end := s.to(p.off), s.to(p.off+p.size)
	p.seg, p.off, p.size, p.packed = s.made, begin.to, end.to-begin.to, begin.packed
	return p
}

// compressDue says whether a sealed segment that is held is to be compressed.
func (l *Log) compressDue(seg *segment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg.Compress && !seg.summary.tried && !seg.header.packed && !seg.replaced && !l.closed
}

// compress writes a sealed segment anew and queues the swap. queued is false when there
// is nothing to be gained.
func (l *Log) compress(seg *segment) (queued bool, err error) {
	l.rewriting.Lock()
	defer l.rewriting.Unlock()
	s, err := l.beginSwap(seg, true)
	if err != nil {
		return false, err
	}
	if err = l.rewrite(s); err == nil && worthIt(s.made.end, seg.end) {
		s.summarize(seg.summary)
		if err = s.made.file.Sync(); err == nil {
			l.queueSwap(s, nil)
			return true, nil
		}
	}
	return false, errors.Join(err, s.drop(l))
}

// beginSwap makes an empty file for a segment that is written anew, under a name that no
// other swap has, since one may still wait for its turn. l.rewriting is held.
func (l *Log) beginSwap(seg *segment, packed bool) (*swap, error) {
	l.rewritten++
	s := &swap{old: seg, temp: fmt.Sprintf("%s-%d%s.tmp", strings.TrimSuffix(seg.name, segmentSuffix), l.rewritten, segmentSuffix)}
	h := segmentHeader{first: seg.header.first, frame: seg.header.frame, salt: l.cfg.Salt(), chain: seg.header.chain, packed: packed, loose: seg.header.loose}
	env, err := h.lock(l.cfg.Keys, l.cfg.Salt)
	if err != nil {
		return nil, err
	}
	f, err := l.cfg.FS.Open(s.temp, disk.Create)
	if err != nil {
		return nil, err
	}
	s.made = &segment{name: seg.name, file: f, header: h, env: env, low: seg.low, lowSum: seg.lowSum}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, s.drop(l))
	}
	return s, nil
}

// drop gives the new segment up.
func (s *swap) drop(l *Log) error {
	return errors.Join(s.made.file.Close(), l.cfg.FS.Remove(s.temp))
}

// summarize makes the summary of the new segment of that of the old one.
func (s *swap) summarize(old *summary) {
	sum := *old
	sum.end, sum.tried, sum.places = s.made.end, true, nil
	for _, p := range old.places {
		sum.places = append(sum.places, p.moved(s))
	}
	s.sum = &sum
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
	return out.end()
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

// here is where the next frame goes.
func (r *rewriter) here() int64 { return r.at + int64(len(r.buf)) }

// end writes what is left.
func (r *rewriter) end() error {
	r.swap.made.size, r.swap.made.end = r.here(), r.here()
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
	at := r.here()
	pack, body, ok, err := r.packer.pack(r.raw, &first, &last, count)
	if err == nil && ok {
		err = r.finish(body, &pack)
	} else if err == nil {
		err = r.plainAll()
	}
	r.swap.move(off, at, ok)
	r.swap.move(off+done, r.here(), false)
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

// queueSwap has the new segment take its place in the turn of a work. done, if not nil, is
// told how that went.
func (l *Log) queueSwap(s *swap, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	unused := func(err error) {
		if err != nil && !s.tried { // its turn did not come
			_ = s.drop(l) // if that fails the file goes when the log is opened again
		}
	}
	l.put(&pending{kind: swapSegment, swap: s, calls: []call{{done: unused}, {done: done}}})
	l.rouse()
}

// errReplaced: the segment is no longer what the new one was made of.
var errReplaced = errors.New("the segment was removed or replaced meanwhile")

// swapNames gives the new segment the name of the old one. Either of the two may be found
// after a crash; they hold the same. A failure before that is told where the swap is
// needed, costs room alone otherwise, and the log goes on. One behind it, of the directory's
// sync, poisons where the swap is needed: nobody knows which of the two is there to stay.
func (w *Work) swapNames() error {
	l, s := w.log, w.taken.swap
	s.tried = true
	err := errReplaced
	if slices.Contains(l.im.segments, s.old) {
		err = l.cfg.FS.Rename(s.temp, s.made.name)
	}
	if err != nil {
		if e := s.drop(l); errors.Is(e, disk.ErrPower) {
			return e
		}
		if s.needed {
			w.kept = fmt.Errorf("eventlog: %s could not be written anew: %w", s.made.name, err)
			return nil
		}
		l.cfg.Logger.Info("a segment was compressed for nothing", "segment", s.made.name, "error", err)
		return nil
	}
	w.swapped = true
	if err = l.cfg.FS.SyncDir(path.Dir(s.made.name)); err != nil && !s.needed {
		l.cfg.Logger.Info("the directory could not be synced after a segment was compressed", "segment", s.made.name, "error", err)
		err = nil
	}
	return err
}

// replace puts a segment that was written anew into the image. l.mu is held.
func (l *Log) replace(s *swap) error {
	for i := range l.im.segments {
		if l.im.segments[i] == s.old {
			l.im.segments[i] = s.made
		}
	}
	s.made.summary = s.sum
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
	s.made.leaves, s.old.removed = s.old.leaves, true
	if s.old.readers == 0 {
		return s.old.file.Close()
	}
	return nil
}
