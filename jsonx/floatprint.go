package jsonx

import (
	"encoding/binary"
	"math"
	"math/bits"
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

// appendFloat64 writes the shortest text that reads back as f, laid out as ECMAScript's Number.prototype.toString does
// (RFC 8785 §3.2.2.3), but keeps the sign of -0.
func appendFloat64(dst []byte, f float64) ([]byte, error) {
	u := math.Float64bits(f)
	if u>>63 != 0 {
		dst = append(dst, '-')
		f = -f
	}
	if f < 1<<53 {
		if n := uint64(f); float64(n) == f {
			return appendUint(dst, n), nil
		}
	} else if !(f <= math.MaxFloat64) {
		if u>>63 != 0 {
			dst = dst[:len(dst)-1]
		}
		return dst, ErrNotFinite
	}
	d, e := shortestDecimal(f)
	return appendDecimal(dst, d, e), nil
}

// appendDecimal writes d*10^e, d > 0, in ECMAScript's layout: plain from 1e-6 to below 1e21, else with an exponent.
func appendDecimal(dst []byte, d uint64, e int) []byte {
	for d%100000000 == 0 {
		d, e = d/100000000, e+8
	}
	for d%10 == 0 {
		d, e = d/10, e+1
	}
	var text [24]byte
	from := putDigits(&text, d)
	digits := text[from:20]
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
	if u < 10 {
		return append(dst, byte('0'+u))
	}
	var text [24]byte
	from := putDigits(&text, u)
	return append(dst, text[from:20]...)
}

// appendInt writes i in decimal.
func appendInt(dst []byte, i int64) []byte {
	if i < 0 {
		return appendUint(append(dst, '-'), -uint64(i))
	}
	return appendUint(dst, uint64(i))
}

const twoDigits = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// putDigits writes u so that it ends before text[20], and returns where it begins.
func putDigits(text *[24]byte, u uint64) int {
	i := 20
	for u >= 100000000 {
		i -= 8
		binary.LittleEndian.PutUint64(text[i:], eightDigitsText(u%100000000))
		u /= 100000000
	}
	v := uint32(u)
	for v >= 100 {
		i -= 2
		pair := v % 100 * 2
		v /= 100
		text[i], text[i+1] = twoDigits[pair], twoDigits[pair+1]
	}
	if v >= 10 {
		text[i-2], text[i-1] = twoDigits[v*2], twoDigits[v*2+1]
		return i - 2
	}
	text[i-1] = byte('0' + v)
	return i - 1
}

// eightDigitsText is the inverse of eightDigitsValue: halves, then quarters, then digits, each division by a constant
// done on all lanes by one multiplication.
func eightDigitsText(u uint64) uint64 {
	w := u/10000 | u%10000<<32                      // two lanes of four digits
	high := (w * 10486) >> 20 & 0x0000007F_0000007F // each over 100
	w = high | (w-high*100)<<16                     // four lanes of two digits
	high = (w * 103) >> 10 & 0x000F_000F_000F_000F  // each over 10
	return high | (w-high*10)<<8 | 0x30303030_30303030
}
