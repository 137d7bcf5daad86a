package eventlog

import (
	"errors"
	"sort"
)

// root is the Merkle root of a range whose last record is in a segment.
type root struct {
	n   uint64
	sum Sum
	seg *segment
}

// root returns the root of range n where it is known.
func (im *image) root(n uint64) (Sum, bool) {
	i := sort.Search(len(im.roots), func(i int) bool { return im.roots[i].n >= n })
	if i == len(im.roots) || im.roots[i].n != n {
		return Sum{}, false
	}
	return im.roots[i].sum, true
}

// addRoot takes note of a root, if range n still ends in the segment: no truncation came
// in between.
func (im *image) addRoot(r root) bool {
	p, _, err := im.find(rangeEnd(r.n))
	if err != nil || p.seg != r.seg {
		return false
	}
	i := sort.Search(len(im.roots), func(i int) bool { return im.roots[i].n >= r.n })
	if i < len(im.roots) && im.roots[i].n == r.n {
		im.roots[i] = r
		return true
	}
	im.roots = append(im.roots, root{})
	copy(im.roots[i+1:], im.roots[i:])
	im.roots[i] = r
	return true
}

// leaves reads the records of a range and returns their leaves.
//
// Errors: [ErrIncomplete], [ErrCompacted], [ErrClosed], [ErrNoChain], *[CorruptError].
func (l *Log) leaves(n uint64) ([]Sum, error) {
	return l.leavesWith(n, nil)
}

// leavesWith is leaves that reads no records of which the leaves are known.
func (l *Log) leavesWith(n uint64, known *leaves) ([]Sum, error) {
	if !l.Chained() {
		return nil, ErrNoChain
	}
	first := n*RangeSize + 1
	if sums := known.of(n); sums != nil {
		return sums, nil
	}
	leaves := make([]Sum, 0, RangeSize)
	err := l.eachFrom(first, func(r Record) (bool, error) {
		leaves = append(leaves, leafOf(&r))
		return len(leaves) < RangeSize, nil
	})
	if err == nil && len(leaves) < RangeSize {
		err = ErrIncomplete
	}
	return leaves, err
}

// Root returns the Merkle root of range n: of the durable records from n*RangeSize+1 on,
// RangeSize of them. It stands in an index file when its segment is sealed; else the
// records are read.
//
// Errors: [ErrIncomplete], [ErrCompacted], [ErrClosed], [ErrNoChain], *[CorruptError].
func (l *Log) Root(n uint64) (Sum, error) {
	l.mu.Lock()
	sum, known := l.im.root(n)
	l.mu.Unlock()
	if known {
		return sum, nil
	}
	leaves, err := l.leaves(n)
	if err != nil {
		return Sum{}, err
	}
	return fold(leaves, 0, nil), nil
}

// Proof returns the proof that the durable record at index is in the range
// RangeOf(index), and that range's root, which both do not change unless a truncation
// goes back behind the range's end. It reads the records of the range.
//
// Errors: as Root; *[CorruptError] when the root that was recorded is another.
func (l *Log) Proof(index uint64) (p Proof, sum Sum, err error) {
	if index == 0 {
		return p, sum, ErrOutOfRange
	}
	n := RangeOf(index)
	leaves, err := l.leaves(n)
	if err != nil {
		return p, sum, err
	}
	p.Index = index
	sum = fold(leaves, int((index-1)%RangeSize), p.Path[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.im.roots), func(i int) bool { return l.im.roots[i].n >= n })
	if i < len(l.im.roots) && l.im.roots[i].n == n && l.im.roots[i].sum != sum {
		return p, sum, wrongRoot(&l.im.roots[i])
	}
	return p, sum, nil
}

// wrongRoot is damage that only the root shows.
func wrongRoot(r *root) error {
	return &CorruptError{Segment: indexName(r.seg.name), Index: r.n*RangeSize + 1, Reason: "the Merkle root that was recorded is not that of the records"}
}

// rootsOf computes the roots of the ranges that end in a segment. A range whose beginning
// was compacted away has none.
func (l *Log) rootsOf(seg *segment) (roots []root, err error) {
	if seg.header.loose {
		return nil, nil
	}
	l.mu.Lock()
	first, last := l.im.span(seg)
	known := seg.leaves
	seg.leaves = leaves{}
	l.mu.Unlock()
	if last == 0 {
		return nil, nil
	}
	for n := RangeOf(first); rangeEnd(n) <= last; n++ {
		leaves, err := l.leavesWith(n, &known)
		if errors.Is(err, ErrCompacted) || errors.Is(err, ErrIncomplete) { // truncated meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		if l.stopping() {
			return nil, errStopping
		}
		roots = append(roots, root{n, fold(leaves, 0, nil), seg})
	}
	return roots, nil
}

// span returns the first and last index that are still in a segment; 0 and 0 for none.
func (im *image) span(seg *segment) (first, last uint64) {
	for i := range im.places {
		if p := &im.places[i]; p.seg == seg {
			if last = p.last; first == 0 {
				first = p.first
			}
		}
	}
	return first, last
}

// leaves are those of records that follow each other, kept from the append so that the roots
// of a segment can be made without reading its records back and hashing every payload again.
type leaves struct {
	first  uint64  // index of the first record
	count  int     // of records
	ranges [][]Sum // theirs, range by range; the first and the last need not be whole
	full   bool    // no more are kept: there were too many, or a truncation
}

// maxLeaves bounds the memory of a segment's leaves, to 8 MiB.
const maxLeaves = 8 << 20 / chainSize

// add keeps the leaves of a batch.
func (d *leaves) add(first uint64, sums []Sum) {
	if d.full || d.count+len(sums) > maxLeaves {
		d.full = true
		return
	}
	if d.count == 0 {
		d.first = first
	}
	for len(sums) > 0 {
		next := d.first + uint64(d.count)
		k := int(RangeOf(next) - RangeOf(d.first))
		switch {
		case k < len(d.ranges):
		case k == 0:
			d.ranges = append(d.ranges, nil) // a log may never have many records
		default:
			d.ranges = append(d.ranges, make([]Sum, 0, RangeSize))
		}
		n := min(len(sums), int(rangeEnd(RangeOf(next))+1-next))
		d.ranges[k] = append(d.ranges[k], sums[:n]...)
		d.count += n
		sums = sums[n:]
	}
}

// of returns the leaves of a range, whose memory is the caller's then; nil: not all of them
// are kept.
func (d *leaves) of(n uint64) []Sum {
	if d == nil || d.count == 0 || n < RangeOf(d.first) || n-RangeOf(d.first) >= uint64(len(d.ranges)) {
		return nil
	}
	if r := d.ranges[n-RangeOf(d.first)]; len(r) == RangeSize {
		return r
	}
	return nil
}

// open returns those of the range that is not complete, for the segment behind, which goes on
// with their memory.
func (d *leaves) open() leaves {
	if d.full || d.count == 0 {
		return leaves{}
	}
	last := d.ranges[len(d.ranges)-1]
	if next := d.first + uint64(d.count); (next-1)%RangeSize != 0 {
		return leaves{first: next - uint64(len(last)), count: len(last), ranges: [][]Sum{last}}
	}
	return leaves{}
}
