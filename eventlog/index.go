package eventlog

import (
	"math"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/internal/crypt"
)

// summary is what reading all of a sealed segment would tell: what it does to the image.
// It stands in the segment's index file. The segment is the truth: an index file that is
// missing, damaged or of another state is made anew.
//
//	0   magic "LITHIDX", version                 8 bytes
//	8   CRC-32C of all that follows              4
//	12  length of the body, in the clear         4
//	16  a crypt.Header, zeros: not encrypted    52
//	68  body, sealed and bound to bytes 0 to 7 where there is a key
//
// and the body:
//
//	0   salt of the segment      8
//	8   where its frames end     8
//	16  number of the next frame 8
//	24  last index               8
//	32  chain value there       32
//	64  lowest index that a truncation in it went back to, all ones: none  8
//	72  chain value there       32
//	104 number of places         4
//	108 number of roots          4, all ones: not computed yet
//	112 places: offset 8, size 8, first index 8, last index 8, time 8, chain value 32, flags 1 (1: closed, 2: a pack)
//	    one byte: 1 if compressing it was tried
//	    roots: number of the range 8, Merkle root 32
type summary struct {
	end     int64
	frame   uint64
	last    uint64
	chain   Sum
	low     uint64
	lowSum  Sum
	places  []place
	roots   []root
	noRoots bool // they were not computed yet
	tried   bool // to compress it: it is, or that was not worth it
}

var indexMagic = [8]byte{'L', 'I', 'T', 'H', 'I', 'D', 'X', 1}

const (
	indexSuffix  = ".idx"
	indexPurpose = "lithair log index"

	indexHead    = 16 + crypt.HeaderSize
	indexFixed   = 112
	indexPlace   = 73
	indexRoot    = 40
	placeClosed  = 1
	placePacked  = 2
	noTruncation = math.MaxUint64
	rootsToCome  = math.MaxUint32
)

// indexName names the index file of a segment.
func indexName(segment string) string {
	return strings.TrimSuffix(segment, segmentSuffix) + indexSuffix
}

// summarize describes the newest segment of the image, as a reader of it alone would.
func (im *image) summarize(seg *segment) *summary {
	n := len(im.places)
	for n > 0 && im.places[n-1].seg == seg {
		n--
	}
	own := make([]place, len(im.places)-n)
	copy(own, im.places[n:])
	return &summary{end: seg.end, frame: im.frame, last: im.last, chain: im.chain, low: seg.low, lowSum: seg.lowSum, places: own}
}

// apply makes the image what reading the segment would have made of it.
func (im *image) apply(seg *segment, s *summary) {
	if s.low < im.last {
		im.truncate(seg, s.low, s.lowSum)
	}
	seg.low, seg.lowSum, seg.end = s.low, s.lowSum, s.end
	for _, p := range s.places {
		p.seg = seg
		im.places = append(im.places, p)
	}
	for _, r := range s.roots {
		r.seg = seg
		im.roots = append(im.roots, r)
	}
	im.frame, im.last, im.chain, im.marked = s.frame, s.last, s.chain, false
}

// equal compares all but the roots with what a scan found.
func (s *summary) equal(o *summary) bool {
	return s.equalBut(o) && slices.EqualFunc(s.places, o.places, func(a, b place) bool {
		a.seg, b.seg = nil, nil
		return a == b
	})
}

// equalBut compares all but roots and places.
func (s *summary) equalBut(o *summary) bool {
	return o != nil && s.end == o.end && s.frame == o.frame && s.last == o.last && s.chain == o.chain && s.low == o.low && s.lowSum == o.lowSum
}

// continuedBy says whether the segment behind begins with what this one ends with. Since
// a chain value stands for all records before it, a summary of another state, from before
// a repair for instance, cannot pass.
func (s *summary) continuedBy(next *segmentHeader) bool {
	return next.frame == s.frame && next.first == s.last+1 && next.chain == s.chain
}

// encode returns the index file. s.places and s.roots are in order.
func (s *summary) encode(salt uint64, keys KeyProvider, random func() uint64) ([]byte, error) {
	body := make([]byte, 0, indexFixed+indexPlace*len(s.places)+1+indexRoot*len(s.roots))
	for _, n := range []uint64{salt, uint64(s.end), s.frame, s.last} {
		body = le.AppendUint64(body, n)
	}
	body = append(body, s.chain[:]...)
	body = le.AppendUint64(body, s.low)
	body = append(body, s.lowSum[:]...)
	body = le.AppendUint32(body, uint32(len(s.places)))
	if s.noRoots {
		body = le.AppendUint32(body, rootsToCome)
	} else {
		body = le.AppendUint32(body, uint32(len(s.roots)))
	}
	for i := range s.places {
		p := &s.places[i]
		for _, n := range []uint64{uint64(p.off), uint64(p.size), p.first, p.last, uint64(p.time)} {
			body = le.AppendUint64(body, n)
		}
		body = append(body, p.chain[:]...)
		flags := byte(0)
		if p.closed {
			flags = placeClosed
		}
		if p.packed {
			flags |= placePacked
		}
		body = append(body, flags)
	}
	tried := byte(0)
	if s.tried {
		tried = 1
	}
	body = append(body, tried)
	for i := range s.roots {
		body = le.AppendUint64(body, s.roots[i].n)
		body = append(body, s.roots[i].sum[:]...)
	}
	return wrapIndex(body, keys, random)
}

// wrapIndex puts the head before a body, and seals it where there are keys.
func wrapIndex(body []byte, keys KeyProvider, random func() uint64) ([]byte, error) {
	b := make([]byte, indexHead, indexHead+len(body)+crypt.Overhead)
	copy(b, indexMagic[:])
	le.PutUint32(b[12:], uint32(len(body)))
	if keys == nil {
		b = append(b, body...)
	} else {
		sealer, err := crypt.NewSealer(keys, indexPurpose, saltReader(random))
		if err != nil {
			return nil, err
		}
		sealer.Header().Append(b[16:16])
		if b, err = sealer.Seal(b, body, indexMagic[:]); err != nil {
			return nil, err
		}
	}
	le.PutUint32(b[8:], checksum(b[12:]))
	return b, nil
}

// unwrapIndex returns the body of an index file, or why there is none.
func unwrapIndex(b []byte, keys KeyProvider) (body []byte, problem string) {
	switch {
	case len(b) < indexHead || string(b[:8]) != string(indexMagic[:]):
		return nil, "it is no index file of this version"
	case le.Uint32(b[8:]) != checksum(b[12:]):
		return nil, "its checksum does not fit"
	}
	body = b[indexHead:]
	if !allZero(b[16:indexHead]) {
		h, err := crypt.ParseHeader(b[16:indexHead])
		if err != nil {
			return nil, err.Error()
		}
		o, err := crypt.NewOpener(keys, indexPurpose, h)
		if err != nil {
			return nil, err.Error()
		}
		if body, err = o.Open(nil, body, indexMagic[:]); err != nil {
			return nil, err.Error()
		}
	}
	if uint64(le.Uint32(b[12:])) != uint64(len(body)) {
		return nil, "its length does not fit"
	}
	return body, ""
}

// decodeIndex reads an index file. What it returns has been checked to be of the segment
// with a salt and a first index, and to be consistent in itself.
func decodeIndex(b []byte, h *segmentHeader, keys KeyProvider) (s *summary, problem string) {
	body, problem := unwrapIndex(b, keys)
	if problem != "" {
		return nil, problem
	}
	if len(body) < indexFixed || le.Uint64(body) != h.salt {
		return nil, "it belongs to another segment"
	}
	s = &summary{end: int64(le.Uint64(body[8:])), frame: le.Uint64(body[16:]), last: le.Uint64(body[24:]), chain: Sum(body[32:64]),
		low: le.Uint64(body[64:]), lowSum: Sum(body[72:104])}
	places, roots := uint64(le.Uint32(body[104:])), uint64(le.Uint32(body[108:]))
	if s.noRoots = roots == rootsToCome; s.noRoots {
		roots = 0
	}
	if body = body[indexFixed:]; uint64(len(body)) != places*indexPlace+1+roots*indexRoot {
		return nil, "its length does not fit what it lists"
	}
	s.places = make([]place, places)
	for i := range s.places {
		b := body[i*indexPlace:]
		s.places[i] = place{off: int64(le.Uint64(b)), size: int64(le.Uint64(b[8:])), first: le.Uint64(b[16:]), last: le.Uint64(b[24:]),
			time: int64(le.Uint64(b[32:])), chain: Sum(b[40:72]), closed: b[72]&placeClosed != 0, packed: b[72]&placePacked != 0}
	}
	body = body[places*indexPlace:]
	s.tried, body = body[0] == 1, body[1:]
	s.roots = make([]root, roots) // as many as the body has bytes for
	for i := range s.roots {
		b := body[i*indexRoot:]
		s.roots[i] = root{n: le.Uint64(b), sum: Sum(b[8:40])}
	}
	return s, s.consistent(h)
}

// consistent says what cannot be in a summary of a segment; "" if nothing. Its records
// begin where the header says, or where the lowest truncation went back to.
func (s *summary) consistent(h *segmentHeader) string {
	next, off := min(s.low, h.first-1)+1, int64(headerSize)
	if s.end < headerSize || s.frame < h.frame {
		return "it ends before it begins"
	}
	for i := range s.places {
		p := &s.places[i]
		if p.off < off || p.size < frameHead || p.size > s.end-p.off || p.first != next || p.last < p.first || p.last > s.last {
			return "its places do not continue one another"
		}
		off, next = p.off+p.size, p.last+1
	}
	if next != s.last+1 {
		return "its places do not reach its end"
	}
	for i := range s.roots {
		if n := s.roots[i].n; n > math.MaxUint64/RangeSize-1 || rangeEnd(n) > s.last || i > 0 && n <= s.roots[i-1].n {
			return "its roots are not of its records"
		}
	}
	return ""
}
