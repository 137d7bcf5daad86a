package jsonx

import (
	"math"
	"math/bits"
)

// eightDigitsValue adds up the eight digits of w, the first in the lowest byte: pairs, then fours, then all of them.
func eightDigitsValue(w uint64) uint64 {
	w -= lows * '0'
	w = w*10 + w>>8
	const mask = 0x000000FF000000FF
	return ((w&mask)*(100+1000000<<32) + (w>>16&mask)*(1+10000<<32)) >> 32
}

// addDigits reads digits onto u, which wraps around after nineteen or so; the caller counts them. Up to seven digits in
// front of something else are moved to the end of a word and read as eight with zeros in front.
func addDigits(b []byte, i int, u uint64) (uint64, int) {
	for len(b)-i >= 8 {
		w := load64(b, i)
		other := (w^lows*'0')&(lows*0xF0) | ((w+lows*6)^lows*'0')&(lows*0xF0)
		if other == 0 {
			u = u*100000000 + eightDigitsValue(w)
			i += 8
			continue
		}
		n := bits.TrailingZeros64(other) >> 3
		if n == 0 {
			return u, i
		}
		w = w<<(64-8*n) | lows*'0'>>(8*n)
		return u*pow10Whole[n&7] + eightDigitsValue(w), i + n
	}
	for i < len(b) {
		c := b[i] - '0'
		if c > 9 {
			break
		}
		u = u*10 + uint64(c)
		i++
	}
	return u, i
}

var pow10Whole = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// parseDecimal reads the number that begins at i (RFC 8259 §6) and returns its digits as an integer, its power of ten
// and the offset after it; end is -1 if the grammar is broken. exact is false when there are more than nineteen
// significant digits, or when the exponent is past counting.
func parseDecimal(b []byte, i int) (mantissa uint64, exp10 int, exact bool, end int) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	mantissa, i = addDigits(b, i, 0)
	digits := i - first
	if digits == 0 || digits > 1 && b[first] == '0' {
		return 0, 0, false, -1
	}
	if i < len(b) && b[i] == '.' {
		point := i + 1
		mantissa, i = addDigits(b, point, mantissa)
		if i == point {
			return 0, 0, false, -1
		}
		exp10 = point - i
		digits += i - point
		if digits > 19 && b[first] == '0' { // zeros in front are not significant
			for first = point; first < i && b[first] == '0'; first++ {
			}
			digits = i - first
		}
	}
	exact = digits <= 19
	if i < len(b) && b[i]|0x20 == 'e' {
		e, j := parseExponent(b, i+1)
		if j < 0 {
			return 0, 0, false, -1
		}
		exp10, i = exp10+e, j
	}
	return mantissa, exp10, exact, i
}

// parseExponent reads what follows the letter e. Exponents stop counting at a million.
func parseExponent(b []byte, i int) (e, end int) {
	negative := i < len(b) && b[i] == '-'
	if negative || i < len(b) && b[i] == '+' {
		i++
	}
	from := i
	for ; i < len(b) && b[i]-'0' < 10; i++ {
		if e < 1000000 {
			e = e*10 + int(b[i]-'0')
		}
	}
	if i == from {
		return 0, -1
	}
	if negative {
		e = -e
	}
	return e, i
}

// parseFloat64 reads the number that begins at i. end is -1 if the grammar is broken; ok is false if the number is too
// large for a float64.
func parseFloat64(b []byte, i int) (f float64, end int, ok bool) {
	mantissa, exp10, exact, end := parseDecimal(b, i)
	if end < 0 {
		return 0, end, false
	}
	if exact {
		if f, ok = nearestFloat64(mantissa, exp10); ok {
			if b[i] == '-' {
				f = -f
			}
			return f, end, true
		}
	}
	f, err := parseLongFloat(string(b[i:end]), 64)
	return f, end, err == nil
}

// parseFloat32 is parseFloat64 for float32. Rounding twice goes wrong only where the float64 is half way between two
// float32, and at the ends of the range; strconv decides there.
func parseFloat32(b []byte, i int) (f float32, end int, ok bool) {
	d, end, ok := parseFloat64(b, i)
	if !ok {
		return 0, end, false
	}
	const half, low = 1 << 28, 1<<29 - 1
	if a := math.Abs(d); a == 0 || a >= 0x1p-126 && a < 0x1p127 && math.Float64bits(d)&low != half {
		if a != 0 {
			return float32(d), end, true
		}
	}
	d, err := parseLongFloat(string(b[i:end]), 32)
	return float32(d), end, err == nil
}

var pow10Exact = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// nearestFloat64 returns the float64 nearest to mantissa * 10^exp10, ties to even; ok is false where 128 bits do not
// settle it, or the result is subnormal or too large. A small mantissa and power are one exact operation (Clinger);
// the rest is one product with the power's first 64 bits, or 128 if those leave doubt (Lemire, "Number Parsing at a
// Gigabyte per Second", 2021).
func nearestFloat64(mantissa uint64, exp10 int) (f float64, ok bool) {
	if mantissa < 1<<53 && -22 <= exp10 && exp10 <= 22 {
		if exp10 < 0 {
			return float64(mantissa) / pow10Exact[-exp10], true
		}
		return float64(mantissa) * pow10Exact[exp10], true
	}
	if mantissa == 0 {
		return 0, true
	}
	if exp10 < minPow10 || exp10 > 308 {
		return 0, false
	}
	lead := bits.LeadingZeros64(mantissa)
	w, power := mantissa<<lead, pow10At(exp10)
	hi, lo := bits.Mul64(w, power.hi)
	if hi&0x1FF == 0x1FF && lo+w < lo { // the bits cut off from the power could still carry up to the rounded ones
		hi2, lo2 := bits.Mul64(w, power.lo)
		var carry uint64
		lo, carry = bits.Add64(lo, hi2, 0)
		hi += carry
		if hi&0x1FF == 0x1FF && lo == math.MaxUint64 && lo2+w < lo2 {
			return 0, false
		}
	}
	top := int(hi >> 63)
	m := hi >> (9 + top) // 53 bits and the one that rounds
	if lo == 0 && hi&(1<<(9+top)-1) == 0 && m&3 == 1 {
		return 0, false // maybe exactly half way to an even neighbour
	}
	m = (m + m&1) >> 1
	exp := log2Pow10(exp10) + 63 - lead + top + 1023
	if m == 1<<53 {
		m, exp = m>>1, exp+1
	}
	if exp < 1 || exp > 2046 {
		return 0, false
	}
	return math.Float64frombits(uint64(exp)<<52 | m&(1<<52-1)), true
}
