package wire

import "math"

// byteRange is a part of a representation: size bytes from offset from.
type byteRange struct{ from, size int64 }

// maxRanges bounds the parts of one response. A request for more of them, or for more
// bytes than there are, which takes overlapping ranges, is answered with the whole (RFC
// 9110 §14.2, §17.15).
const maxRanges = 16

// parseRange reads the value of a Range field for a representation of size bytes:
//
//	ranges-specifier = "bytes" "=" 1#( int-range / suffix-range )   (RFC 9110 §14.1)
//	int-range        = first-pos "-" [ last-pos ]
//	suffix-range     = "-" suffix-length
//
// No ranges and satisfiable means that the field is to be ignored: it is malformed, of
// another unit, asks for too much, or there is nothing to take a range of. Ranges that
// begin behind the end are left out; when that leaves none the field is not satisfiable.
func parseRange(dst []byteRange, v []byte, size int64) (ranges []byteRange, satisfiable bool) {
	const unit = "bytes="
	if len(v) < len(unit) || !equalFold(v[:len(unit)], unit) || size == 0 {
		return nil, true
	}
	ranges = dst[:0]
	count, total, wellFormed := 0, int64(0), true
	eachElement(v[len(unit):], func(e []byte) bool {
		r, ok, there := oneRange(e, size)
		count++
		if wellFormed = ok && count <= maxRanges; there && wellFormed {
			total += r.size // at most 16 times size: this does not overflow, files end at 2^59
			ranges = append(ranges, r)
		}
		return wellFormed
	})
	switch {
	case !wellFormed || count == 0 || total > size:
		return nil, true
	case len(ranges) == 0:
		return nil, false
	}
	return ranges, true
}

// oneRange reads one range; there is false when nothing of it exists.
func oneRange(e []byte, size int64) (r byteRange, ok, there bool) {
	dash := 0
	for dash < len(e) && e[dash] != '-' {
		dash++
	}
	if dash == len(e) {
		return r, false, false
	}
	first, hasFirst, ok1 := position(e[:dash])
	last, hasLast, ok2 := position(e[dash+1:])
	switch {
	case !ok1 || !ok2 || !hasFirst && !hasLast || hasFirst && hasLast && last < first:
		return r, false, false
	case !hasFirst:
		n := min(last, size)
		return byteRange{size - n, n}, true, n > 0
	case first >= size:
		return r, true, false
	case !hasLast || last >= size:
		last = size - 1
	}
	return byteRange{first, last - first + 1}, true, true
}

// position reads digits; those beyond 63 bits are as good as the largest number.
func position(b []byte) (n int64, has, ok bool) {
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 {
			return 0, true, false
		}
		if n > (math.MaxInt64-d)/10 {
			n = math.MaxInt64
		} else {
			n = n*10 + d
		}
	}
	return n, len(b) > 0, true
}
