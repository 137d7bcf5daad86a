package jsonx

import (
	"math"
	"math/bits"
	"slices"
)

// shortestDecimal returns the integer d and the power e so that d*10^e is the shortest decimal that reads back as f, and
// the one nearest to f among those; f is finite and positive. d may end in zeros. The method is Giulietti's ("The
// Schubfach way to render doubles", 2020): the interval that rounds to f is scaled by a power of ten so that it holds
// at least one and at most some ten integers, and only two candidates are left to try.
func shortestDecimal(f float64) (d uint64, e int) {
	u := math.Float64bits(f)
	c, biased := u&(1<<52-1), int(u>>52&0x7FF)
	q := -1074
	narrow := c == 0 && biased > 1 // the gap below a power of two is half the gap above
	if biased != 0 {
		c |= 1 << 52
		q = biased - 1075
	}
	k := q * 1262611 >> 22 // floor of q*log10(2)
	below := 4*c - 2
	if narrow {
		k = (q*1262611 - 524031) >> 22 // floor of log10(3/4 * 2^q)
		below = 4*c - 1
	}
	h := q + log2Pow10(-k) + 1
	power := ceilPow10(-k)
	lower, at, upper := scaleOdd(power, below<<h), scaleOdd(power, 4*c<<h), scaleOdd(power, (4*c+2)<<h)
	odd := c & 1 // an even significand owns the ends of its interval
	lower += odd
	upper -= odd
	s := at >> 2
	if s >= 10 {
		ten := s / 10
		down, up := lower <= 40*ten, 40*ten+40 <= upper
		if down != up {
			if up {
				ten++
			}
			return ten, k + 1
		}
	}
	down, up := lower <= 4*s, 4*s+4 <= upper
	if down != up {
		if up {
			s++
		}
		return s, k
	}
	if mid := 4*s + 2; at > mid || at == mid && s&1 == 1 {
		s++
	}
	return s, k
}

// ceilPow10 is pow10At rounded up; the powers from 0 to 55 are exact in 128 bits.
func ceilPow10(q int) wide {
	p := pow10At(q)
	if q < 0 || q > 55 {
		if p.lo++; p.lo == 0 {
			p.hi++
		}
	}
	return p
}

// scaleOdd returns the upper 64 bits of the product of p and c, with the last bit set if anything below is not 0.
func scaleOdd(p wide, c uint64) uint64 {
	carry, _ := bits.Mul64(p.lo, c)
	hi, lo := bits.Mul64(p.hi, c)
	lo, up := bits.Add64(lo, carry, 0)
	hi += up
	if lo > 1 {
		hi |= 1
	}
	return hi
}

// numberRoom is how many bytes every number fits in, and what the words beyond its end may touch.
const numberRoom = 48

// roomFor returns dst with space for a number at its end.
func roomFor(dst []byte) []byte {
	if cap(dst)-len(dst) < numberRoom {
		dst = slices.Grow(dst, numberRoom)
	}
	return dst[:len(dst)+numberRoom]
}

// appendFloat64 writes the shortest text that reads back as f, laid out as ECMAScript's Number.prototype.toString does
// (RFC 8785 §3.2.2.3), but keeps the sign of -0.
func appendFloat64(dst []byte, f float64) ([]byte, error) {
	at := len(dst)
	out := roomFor(dst)
	if math.Signbit(f) {
		out[at] = '-'
		at++
		f = -f
	}
	if f < 1<<53 {
		if n := uint64(f); float64(n) == f {
			return out[:putUint(out, at, n)], nil
		}
	} else if !(f <= math.MaxFloat64) {
		return dst, ErrNotFinite
	}
	d, e := shortestDecimal(f)
	if -16 <= e && e < 0 && f >= 1e-6 {
		return out[:putPlain(out, at, d, -e)], nil
	}
	return appendDecimal(out[:at], d, e), nil
}

// putPlain writes d, 0 < d < 10^17, with a point in front of the last places digits, 1 to 16 of them, to b[i:] and
// returns where it ends. Zeros at the end are left out.
func putPlain(b []byte, i int, d uint64, places int) int {
	whole, frac := splitAt(d, places)
	i = putUint(b, i, whole)
	if frac == 0 {
		return i
	}
	const zeros = lows * '0'
	high, low := eightDigitsText(frac/100000000), eightDigitsText(frac%100000000)
	b[i] = '.'
	store64(b, i+1, high)
	store64(b, i+9, low)
	if low != zeros {
		return i + 17 - bits.LeadingZeros64(low^zeros)>>3
	}
	return i + 9 - bits.LeadingZeros64(high^zeros)>>3
}

// splitAt returns what of d, d < 2^57, is in front of its last places digits, and these, followed by zeros up to sixteen.
func splitAt(d uint64, places int) (whole, frac uint64) {
	r := &reciprocals[places]
	whole, _ = bits.Mul64(d, r.factor)
	whole >>= r.shift & 63
	return whole, (d - whole*r.unit) * r.rest
}

// reciprocals has for each power of ten, unit, what divides by it: the upper half of a product with factor, shifted, as
// the division itself takes several times as long. factor is 2^(64+shift)/unit rounded up, 2^shift < unit <= 2^(shift+1),
// so that factor*unit exceeds 2^(64+shift) by less than unit <= 2^(shift+1): exact for d < 2^57, and up to 2^63 (Granlund
// and Montgomery, "Division by Invariant Integers using Multiplication", 1994, theorem 4.2).
var reciprocals = func() (t [17]struct {
	factor, unit, rest uint64
	shift              int
}) {
	for places := range t {
		unit, shift := pow10Whole[places], 0
		if places > 0 {
			shift = bits.Len64(unit-1) - 1
			t[places].factor, _ = bits.Div64(1<<shift, 0, unit)
			t[places].factor++
		}
		t[places].unit, t[places].rest, t[places].shift = unit, pow10Whole[16-places], shift
	}
	return t
}()

// appendDecimal writes d*10^e, d > 0, in ECMAScript's layout: plain from 1e-6 to below 1e21, else with an exponent.
func appendDecimal(dst []byte, d uint64, e int) []byte {
	for d%10 == 0 {
		d, e = d/10, e+1
	}
	var text [numberRoom]byte
	digits := text[:putUint(text[:], 0, d)]
	switch point := len(digits) + e; { // where the decimal point stands, from the first digit
	case point > 21 || point < -5:
		return appendScientific(dst, digits, point-1)
	case e >= 0:
		dst = append(dst, digits...)
		return append(dst, "000000000000000000000"[:e]...)
	case point > 0:
		dst = append(append(dst, digits[:point]...), '.')
		return append(dst, digits[point:]...)
	default:
		dst = append(dst, "0.00000"[:2-point]...)
		return append(dst, digits...)
	}
}

func appendScientific(dst, digits []byte, exp int) []byte {
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	sign := byte('+')
	if exp < 0 {
		sign, exp = '-', -exp
	}
	return appendUint(append(dst, 'e', sign), uint64(exp))
}

// appendUint writes u in decimal.
func appendUint(dst []byte, u uint64) []byte {
	at := len(dst)
	out := roomFor(dst)
	return out[:putUint(out, at, u)]
}

// appendInt writes i in decimal.
func appendInt(dst []byte, i int64) []byte {
	at := len(dst)
	out := roomFor(dst)
	if i < 0 {
		out[at] = '-'
		return out[:putUint(out, at+1, -uint64(i))]
	}
	return out[:putUint(out, at, uint64(i))]
}

const ten8 = 100000000

// putUint writes u in decimal to b[i:], which has 24 bytes of room, and returns where it ends.
func putUint(b []byte, i int, u uint64) int {
	switch {
	case u < 100:
		if u < 10 {
			b[i] = byte('0' + u)
			return i + 1
		}
		b[i], b[i+1] = byte('0'+u/10), byte('0'+u%10)
		return i + 2
	case u < ten8:
		return putLeading(b, i, u)
	case u < 10*ten8:
		b[i] = byte('0' + u/ten8)
		i++
	case u < ten8*ten8:
		i = putLeading(b, i, u/ten8)
	default:
		i = putLeading(b, i, u/(ten8*ten8))
		store64(b, i, eightDigitsText(u/ten8%ten8))
		i += 8
	}
	store64(b, i, eightDigitsText(u%ten8))
	return i + 8
}

// putLeading writes 0 < u < 10^8 to b[i:] as a word, shifted so that the zeros in front are gone. It counts digits by
// way of the binary length, so that whoever writes next need not wait for the text.
func putLeading(b []byte, i int, u uint64) int {
	n := bits.Len64(u) * 1233 >> 12 // at most one too few
	_, less := bits.Sub64(u, pow10Whole[n&15], 0)
	n += 1 - int(less)
	store64(b, i, eightDigitsText(u)>>(64-8*n))
	return i + n
}

// eightDigitsText is the inverse of eightDigitsValue: halves, then quarters, then digits, each division by a constant
// done on all lanes by one multiplication.
func eightDigitsText(u uint64) uint64 {
	w := u/10000 | u%10000<<32                      // two lanes of four digits
	high := (w * 10486) >> 20 & 0x0000007F_0000007F // each over 100
	w = high | (w-high*100)<<16                     // four lanes of two digits
	high = (w * 103) >> 10 & 0x000F_000F_000F_000F  // each over 10
	return high | (w-high*10)<<8 | lows*'0'
}
