package eventlog

// gap is what a damaged range needs to be filled again: the frames on either side of it.
type gap struct {
	seg   int    // segment in which the frames before it end; -1: the log begins with it
	off   int64  // there
	frame uint64 // number of the first frame that is lost
	last  uint64 // index before it
	chain Sum    // value there

	toSeg    int // segment in which what is whole goes on; -1: nothing does
	toOff    int64
	toFrame  uint64 // number of the frame there
	toHeader bool   // it is a segment's beginning
	before   uint64 // index before what is whole
	sum      Sum    // chain value that must be reached: there, or behind next
	next     *frame // batch or truncation, with its records; nil: sum is that at before
}

// wants returns the indexes that are missing; none where first is above last.
func (g *gap) wants() (first, last uint64) {
	last = g.before
	if g.next != nil && g.next.kind == frameTruncate {
		last = min(last, g.next.durable) // the rest was taken back
	}
	return g.last + 1, last
}

// fits says whether the chain value at the end of what is wanted leads to what follows.
func (g *gap) fits(sum Sum) bool {
	if g.next == nil || g.next.kind != frameBatch {
		first, last := g.wants()
		return first > last && g.next != nil || sum == g.sum
	}
	problem, err := g.next.eachRecord(func(r Record) error { sum = sum.chain(&r); return nil })
	return problem == "" && err == nil && sum == g.sum
}

// backwards says whether what follows stands at an index that was there before: a truncation
// is lost, and nobody can tell which records it took back.
func (g *gap) backwards() bool { return g.toSeg >= 0 && g.before < g.last }

// beginGap notes where the frames before damage end. at is the segment it was found in, and off
// the place there.
func (s *surveyor) beginGap(at int, off int64) {
	s.gap = gap{seg: at, off: off, frame: s.frame, last: s.last, chain: s.chain, toSeg: -1}
	if off < headerSize {
		s.gap.seg = at - 1
		if at > 0 {
			s.gap.off = s.im.segments[at-1].end
		}
	}
}

// endGap notes what follows damage: the frame f, or a segment's header.
func (s *surveyor) endGap(off int64, before uint64, f *frame, h *segmentHeader) {
	g := &s.gap
	g.toSeg, g.toOff, g.before = len(s.im.segments)-1, off, before
	if h != nil {
		g.toHeader, g.toFrame, g.sum = true, h.frame, h.chain
		return
	}
	g.toFrame, g.sum = f.number, f.chain
	if f.kind != frameMark {
		next := *f
		next.records = append([]byte(nil), f.records...)
		g.next = &next
	}
}
