package eventlog

import (
	"errors"
	"fmt"
	"path"
)

// Damage is a range of a segment, or all of it, that does not hold what was written.
type Damage struct {
	Segment string // file
	Offset  int64  // of the first byte that cannot be trusted
	End     int64  // of the first byte behind that can be trusted again, or the file's size
	First   uint64 // index of the first record that is missing or may be
	Last    uint64 // index of the last one; 0 when unknown, since nothing readable follows
	Reason  string
}

// Survey is what stands in a log, damaged or not.
type Survey struct {
	Segments int
	Records  uint64   // readable, those included that a truncation took back later
	First    uint64   // index of the oldest record
	Last     uint64   // index at the end of what can be read
	Sound    uint64   // index up to which everything is whole
	Chain    Sum      // value at Sound
	Damaged  []Damage // in order
	Torn     *Damage  // a batch at the end that was never acknowledged, as a crash leaves it
	soundSeg int      // number of the segment in which the first damage is
}

// Salvage reads whatever can be read of a log that no process has open, and says which
// ranges are damaged, so that they can be fetched from elsewhere. It changes nothing. fn,
// if not nil, is called with the records in the order they were written: one with an
// index that was there before replaces that record and all behind it. Payloads are valid
// during the call only. Of cfg, Dir, FS and Keys are looked at.
//
// Errors: *disk.LockedError, those of fn, of the file system and of the keys; damage is
// none.
func Salvage(cfg Config, fn func(r Record) error) (Survey, error) {
	if err := cfg.defaults(); err != nil {
		return Survey{}, err
	}
	lock, err := cfg.FS.Lock(path.Join(cfg.Dir, "LOCK"))
	if err != nil {
		return Survey{}, fmt.Errorf("eventlog: %w", err)
	}
	s := &surveyor{scanner: scanner{fs: cfg.FS, dir: cfg.Dir, keys: cfg.Keys, readOnly: true}, fn: fn}
	err = s.survey()
	return s.found, errors.Join(err, s.close(), lock.Close())
}

// surveyor walks segments like a scanner, but goes on behind damage.
type surveyor struct {
	scanner
	fn      func(r Record) error
	found   Survey
	open    *Damage // the range that began last, while its end is not known
	openSeg int     // the segment it is in
	follows bool    // the head of a later frame stands behind: what is damaged was durable
	begun   bool    // a segment's header was readable
	frame   uint64  // number of the next frame
	last    uint64
	chain   Sum
	gap     gap   // of the open range
	gaps    []gap // of found.Damaged
}

func (s *surveyor) survey() error {
	names, _, err := listSegments(s.fs, s.dir)
	if err != nil {
		return err
	}
	s.found.Segments = len(names)
	for _, n := range names {
		seg, err := s.scanner.open(path.Join(s.dir, n))
		if err != nil {
			return err
		}
		s.im.segments = append(s.im.segments, seg)
		if err := s.segment(seg); err != nil {
			return err
		}
	}
	s.settleEnd()
	s.im.last, s.im.chain = s.last, s.chain
	if s.found.Last = s.last; len(s.found.Damaged) == 0 {
		s.found.Sound, s.found.Chain = s.last, s.chain
	}
	return nil
}

// settleEnd judges a range that reaches to the end of the log: a torn tail, if nothing
// else is damaged and it is in the last segment, behind a whole header, and no later frame
// was begun.
func (s *surveyor) settleEnd() {
	d := s.open
	if d == nil {
		return
	}
	if len(s.found.Damaged) == 0 && d.Offset >= headerSize && s.openSeg == len(s.im.segments)-1 && !s.follows {
		s.found.Torn = d
		return
	}
	s.damaged(d)
}

func (s *surveyor) damaged(d *Damage) {
	if len(s.found.Damaged) == 0 {
		s.found.soundSeg = s.openSeg
	}
	s.found.Damaged, s.gaps = append(s.found.Damaged, *d), append(s.gaps, s.gap)
	s.open = nil
}

// begin notes where damage begins; what is known to be whole ends there.
func (s *surveyor) begin(seg *segment, off int64, reason string) {
	if s.open != nil {
		return
	}
	if len(s.found.Damaged) == 0 {
		s.found.Sound, s.found.Chain = s.last, s.chain
	}
	s.im.breakOff()
	s.openSeg, s.follows = len(s.im.segments)-1, false
	s.beginGap(s.openSeg, off)
	s.open = &Damage{Segment: seg.name, Offset: off, End: seg.size, First: s.last + 1, Reason: reason}
}

// resume notes that damage ends before something whole that follows index before: a frame, or
// a segment's header.
func (s *surveyor) resume(off int64, seg *segment, before uint64, f *frame, h *segmentHeader) {
	if s.open == nil {
		return
	}
	s.endGap(off, before, f, h)
	if s.open.Segment == seg.name {
		s.open.End = off
	}
	s.open.Last = before
	s.damaged(s.open)
}

func (s *surveyor) segment(seg *segment) error {
	w, err := newWindow(seg, s.buf)
	if err != nil {
		return err
	}
	defer func() { s.buf = w.buf }()
	b, err := w.bytes(0, headerSize)
	if err != nil {
		return err
	}
	h := &seg.header
	problem := h.decode(b)
	if problem == "" {
		if seg.env, problem, err = h.unlock(s.keys); err != nil {
			return fmt.Errorf("eventlog: %s: %w", seg.name, err)
		}
	}
	if problem == "" && path.Base(seg.name) != segmentName(h.frame) {
		problem = "the header belongs to a segment of another name"
	}
	if problem != "" { // without its salt nothing in it can be told from chance
		s.begin(seg, 0, problem)
		return nil
	}
	if !s.begun {
		s.begun = true
		s.frame, s.last, s.chain, s.found.First = h.frame, h.first-1, h.chain, h.first
		if s.open == nil {
			s.im.base, s.im.baseSum, s.im.last, s.im.chain = h.first-1, h.chain, h.first-1, h.chain
		}
	}
	if h.frame != s.frame || h.first != s.last+1 || h.chain != s.chain {
		s.begin(seg, 0, "the segment does not continue the one before; a segment is missing or foreign")
	}
	s.resume(0, seg, h.first-1, nil, h)
	s.frame, s.last, s.chain = h.frame, h.first-1, h.chain
	return s.frames(&w, seg)
}

// frames walks the frames of a segment, over damage to the next that is whole.
func (s *surveyor) frames(w *window, seg *segment) error {
	for off := int64(headerSize); ; {
		f, problem, err := w.frame(off, &seg.env)
		if err != nil {
			return err
		}
		if problem == "" && f.number >= s.frame {
			if f.kind == framePack {
				err = s.takePack(w, seg, off, &f)
			} else {
				err = s.take(seg, off, &f)
			}
			if err != nil {
				return err
			}
			off += f.size
			continue
		}
		if problem == "" {
			problem = "frame numbers do not continue"
		}
		zero, err := w.zeroFrom(off)
		if err != nil || zero {
			return err
		}
		s.begin(seg, off, problem)
		if off, err = w.findFrame(off, &seg.env, s.frame); err != nil || off < 0 {
			return err
		}
		s.follows = true // also where that frame turns out not to be whole
	}
}

// takePack notes the frames in a pack.
func (s *surveyor) takePack(w *window, seg *segment, off int64, pack *frame) error {
	problem, err := seg.env.eachPacked(pack, &w.unpacker, func(f *frame) (string, error) { return "", s.take(seg, off, f) })
	if problem != "" {
		s.begin(seg, off, problem)
	}
	return err
}

// take notes a whole frame.
func (s *surveyor) take(seg *segment, off int64, f *frame) error {
	before := f.first - 1
	if s.open == nil && (f.number != s.frame || before != s.last) {
		s.begin(seg, off, "frame numbers do not continue")
	}
	s.resume(off, seg, before, f, nil)
	s.frame = f.number + 1
	seg.end = off + f.size
	s.chain = f.chain
	if f.kind != frameBatch {
		if s.last = f.durable; f.kind == frameTruncate {
			s.im.truncate(seg, f.durable, f.chain)
		}
		return nil
	}
	s.last = before
	s.im.lostTruncation(before)
	problem, err := f.eachWholeRecord(func(r Record) error {
		s.found.Records++
		if s.fn == nil {
			return nil
		}
		return s.fn(r)
	})
	if problem != "" {
		s.begin(seg, off, problem)
		s.last += uint64(f.count)
		return err
	}
	s.last += uint64(f.count)
	s.im.add(place{seg: seg, off: off, size: f.size, first: f.first, last: s.last, time: f.time(), chain: f.chain, packed: f.packed})
	s.im.last, s.im.chain = s.last, s.chain
	return err
}
