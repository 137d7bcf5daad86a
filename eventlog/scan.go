package eventlog

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path"

	"github.com/lithair/lithair-go/internal/disk"
)

// image is what a scan of the segments finds.
type image struct {
	segments []*segment
	places   []place
	roots    []root // of ranges that end in sealed segments, in order
	base     uint64 // index before the first record
	baseSum  Sum    // chain value there
	last     uint64
	chain    Sum
	frame    uint64 // number of the next frame
	marked   bool   // the last frame is a mark: nothing more is to be said about durability
	cut      int64  // bytes of a torn tail
	cutAt    int64  // its place in the last segment
	tail     int64  // where the last frame of the last segment stands; 0: it has none
	tailSize int64
	loose    bool     // there is no chain
	holes    []Damage // of a damaged log
	broken   bool     // damage comes before the next place
}

// scanner walks the segments of a directory.
type scanner struct {
	fs       FS
	dir      string
	keys     KeyProvider
	compress bool                    // sealed segments that were not tried are to be
	readAll  bool                    // do not believe index files
	deep     bool                    // check every record and the chain
	progress func(done, total int64) // may be nil
	im       image
	readOnly bool
	read     int64
	total    int64
	buf      []byte // the window's, handed from segment to segment
}

// scan reads all segments. With deep, it also checks every record and the whole chain.
func (s *scanner) scan() (*image, error) {
	names, _, err := listSegments(s.fs, s.dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		seg, err := s.open(path.Join(s.dir, n))
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.im.segments = append(s.im.segments, seg)
		s.total += seg.size
	}
	problems := make([]string, len(names))
	for i, seg := range s.im.segments {
		if problems[i], err = s.header(seg); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	s.im.frame = 1
	for i, seg := range s.im.segments {
		var next *segmentHeader
		if i+1 < len(names) && problems[i+1] == "" {
			next = &s.im.segments[i+1].header
		}
		if err := s.segment(seg, problems[i], i == 0, i == len(names)-1, next); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return &s.im, nil
}

func (s *scanner) close() (err error) {
	for _, seg := range s.im.segments {
		err = errors.Join(err, seg.file.Close())
	}
	return err
}

func (s *scanner) open(name string) (*segment, error) {
	how := disk.ReadWrite
	if s.readOnly {
		how = disk.ReadOnly
	}
	f, err := s.fs.Open(name, how)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segment{name: name, file: f, size: size, end: headerSize, low: math.MaxUint64}, nil
}

// header reads the header of a segment; problem says why it cannot be trusted.
func (s *scanner) header(seg *segment) (problem string, err error) {
	b := make([]byte, min(seg.size, headerSize))
	if n, err := seg.file.ReadAt(b, 0); err != nil && !(err == io.EOF && n == len(b)) {
		return "", err
	}
	h := &seg.header
	if problem = h.decode(b); problem != "" {
		return problem, nil
	}
	if seg.env, problem, err = h.unlock(s.keys); err != nil {
		return "", fmt.Errorf("%s: %w", seg.name, err)
	}
	if problem == "" && path.Base(seg.name) != segmentName(h.frame) {
		problem = "the header belongs to a segment of another name"
	}
	return problem, nil
}

// indexed takes what a sealed segment holds from its index file, if that fits the segment
// and the one behind.
func (s *scanner) indexed(seg *segment, next *segmentHeader) bool {
	if s.deep || s.readAll || next == nil {
		return false
	}
	sum, problem := readIndex(s.fs, seg, s.keys)
	if problem != "" || !sum.continuedBy(next) {
		return false
	}
	if s.im.apply(seg, sum); sum.noRoots || s.compress && !sum.tried {
		seg.summary = sum
	}
	s.advance(seg.size)
	return true
}

// closed takes what the last segment held when the log was closed, and returns where
// frames may follow. The index file says so, and a mark stands where it ends, with the
// frame number and the chain value that it ends with.
func (s *scanner) closed(w *window, seg *segment) (end int64, err error) {
	if s.deep || s.readAll {
		return headerSize, nil
	}
	sum, problem := readIndex(s.fs, seg, s.keys)
	size := seg.env.frameSize(0)
	if problem != "" || sum.end < headerSize+size {
		return headerSize, nil
	}
	f, problem, err := w.frame(sum.end-size, &seg.env)
	if err != nil {
		return 0, err
	}
	if problem != "" || f.kind != frameMark || f.size != size || f.number+1 != sum.frame || f.durable != sum.last || f.chain != sum.chain {
		return headerSize, nil
	}
	s.im.apply(seg, sum)
	s.im.marked, s.im.tail, s.im.tailSize = true, sum.end-size, size
	s.advance(sum.end - headerSize)
	return sum.end, nil
}

// segment checks one file and adds what it holds to the image. problem is its header's;
// next is the header of the segment behind, if there is a whole one.
func (s *scanner) segment(seg *segment, problem string, first, last bool, next *segmentHeader) error {
	im := &s.im
	bad := func(off int64, reason string) error {
		return &CorruptError{Segment: seg.name, Offset: off, Index: im.last + 1, Reason: reason}
	}
	if problem != "" {
		return bad(0, problem)
	}
	h := &seg.header
	if first {
		im.base, im.baseSum, im.last, im.chain, im.frame, im.loose = h.first-1, h.chain, h.first-1, h.chain, h.frame, h.loose
	}
	if h.loose != im.loose {
		return bad(0, "the segment has a chain and the one before has none, or the other way round")
	}
	if h.first == 0 || h.frame == 0 || h.first != im.last+1 || h.chain != im.chain || h.frame != im.frame {
		return bad(0, "the segment does not continue the one before; a segment is missing or foreign")
	}
	if s.indexed(seg, next) {
		return nil
	}
	w, err := newWindow(seg, s.buf)
	if err != nil {
		return err
	}
	defer func() { s.buf = w.buf }()
	im.tail, im.tailSize = 0, 0
	off := int64(headerSize)
	if last {
		var err error
		if off, err = s.closed(&w, seg); err != nil {
			return err
		}
	}
	for {
		f, problem, err := w.frame(off, &seg.env)
		if err != nil {
			return err
		}
		if problem != "" {
			return s.end(&w, seg, off, problem, last, bad)
		}
		if problem, err := s.frameOrPack(&w, seg, off, &f); problem != "" {
			return bad(off, problem)
		} else if err != nil {
			return err
		}
		im.tail, im.tailSize = off, f.size
		off += f.size
		seg.end = off
		s.advance(f.size)
	}
}

// end judges what lies behind the last valid frame of a segment: nothing, a torn tail,
// or damage.
func (s *scanner) end(w *window, seg *segment, off int64, problem string, last bool, bad func(int64, string) error) error {
	zero, err := w.zeroFrom(off)
	if err != nil {
		return err
	}
	if zero {
		s.advance(seg.size - off)
		if !last {
			seg.summary = s.im.summarize(seg)
		}
		return nil
	}
	if !last {
		return bad(off, problem+", and a later segment follows")
	}
	at, err := w.findFrame(off, &seg.env, s.im.frame)
	if err != nil {
		return err
	}
	if at >= 0 {
		return bad(off, problem+", and a later frame follows")
	}
	s.im.cut, s.im.cutAt = seg.size-off, off
	return nil
}

func (s *scanner) advance(n int64) {
	if s.read += n; s.progress != nil {
		s.progress(s.read, s.total)
	}
}

// frameOrPack adds a valid frame to the image, or those in it.
func (s *scanner) frameOrPack(w *window, seg *segment, off int64, f *frame) (problem string, err error) {
	if f.kind != framePack {
		return s.frame(seg, off, f)
	}
	return seg.env.eachPacked(f, &w.unpacker, func(inner *frame) (string, error) { return s.frame(seg, off, inner) })
}

// frame adds a valid frame to the image; problem says why it cannot stand here.
func (s *scanner) frame(seg *segment, off int64, f *frame) (problem string, err error) {
	im := &s.im
	if f.number != im.frame {
		return "frame numbers do not continue", nil
	}
	im.frame++
	im.marked = f.kind == frameMark
	switch f.kind {
	case frameMark:
		if f.durable != im.last || f.count != 0 {
			return "a mark does not fit what lies before it", nil
		}
		return "", nil
	case frameTruncate:
		if f.durable > im.last || f.count != 0 {
			return "a truncation does not fit what lies before it", nil
		}
		if s.deep && f.durable >= im.base {
			sum, err := im.chainAt(f.durable)
			if err != nil {
				return "", err
			}
			if sum != f.chain {
				return "the chain is broken at a truncation", nil
			}
		}
		im.truncate(seg, f.durable, f.chain)
		return "", nil
	case frameBatch:
	default:
		return "the kind of frame is unknown", nil
	}
	if f.first != im.last+1 || f.count == 0 {
		return "a batch does not continue the one before", nil
	}
	if s.deep {
		sum := im.chain
		if problem, err := f.eachWholeRecord(func(r Record) error { sum = sum.next(&r, im.loose); return nil }); problem != "" || err != nil {
			return problem, err
		}
		if sum != f.chain {
			return "the chain is broken: what was recorded is not what was written", nil
		}
	}
	im.last += uint64(f.count)
	im.chain = f.chain
	im.add(place{seg: seg, off: off, size: f.size, first: f.first, last: im.last, time: f.time(), chain: f.chain, packed: f.packed})
	return "", nil
}
