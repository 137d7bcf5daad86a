package jsonx

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// shortestDecimal returns the integer d and the power e so that d*10^e is the shortest decimal that reads back as the
// float64 of these bits, finite and positive, and the one nearest to it among those. d may end in zeros; it has 16 or
// 17 digits, but for subnormal numbers.
//
// What rounds to c*2^q is within half of 2^q. In units of 10^k, the highest power of ten that is no more than 2^q, this
// is an interval one to ten units wide around v = c*2^q/10^k (Giulietti, "The Schubfach way to render doubles", 2020).
// It holds at most one multiple of ten; if it does, that is the shortest, or the shortest with zeros. If not, the
// integer nearest to v is inside. Nothing here needs to be exact: v and the width are a little too small, by less than
// two of the last bit, and what is nearer to a bound than that is left to strconv. So are powers of two without a short
// text, as half as much rounds to them from below.
func shortestDecimal(float uint64) (d uint64, e int) {
	c, biased := float&(1<<52-1), int(float>>52)
	power := c == 0
	q := -1074
	if biased != 0 {
		c |= 1 << 52
		q = biased - 1075
	}
	k := q * 1262611 >> 22            // floor of q*log10(2)
	h := uint(q+log2Pow10(-k)+1) & 63 // 1 to 4
	scale := pow10At(-k)              // v is its product with c<<h, over 2^128
	carry, _ := bits.Mul64(scale.lo, c<<h)
	whole, frac := bits.Mul64(scale.hi, c<<h)
	frac, up := bits.Add64(frac, carry, 0)
	whole += up

	const unit = 1 << 59
	digit := whole % 10
	above := digit*unit + frac>>5      // how far v is above a multiple of ten
	half := scale.hi >> ((6 - h) & 63) // of the width of the interval
	if power {
		half /= 2
	}
	switch out := int64(min(above, 10*unit-above) - half); {
	case out < -2:
		if above > 5*unit {
			digit -= 10
		}
		return whole - digit, k
	case out > 2 && frac-(1<<63-2) > 4 && !power:
		return whole + frac>>63, k
	}
	return shortestByStrconv(float)
}

// shortestByStrconv is shortestDecimal, always with 17 digits and never in doubt, and slower.
func shortestByStrconv(float uint64) (d uint64, e int) {
	var room [32]byte
	text := strconv.AppendFloat(room[:0], math.Float64frombits(float), 'e', -1, 64)
	d, e, _, _ = parseDecimal(text, 0)
	for d < ten8*ten8 {
		d, e = d*10, e-1
	}
	return d, e
}

// numberRoom is how many bytes every number fits in, and what the words beyond its end may touch.
const numberRoom = 48

// roomFor returns dst with space for a number at its end.
func roomFor(dst []byte) []byte {
	if cap(dst)-len(dst) < numberRoom {
		dst = grown(dst)
	}
	return dst[:cap(dst)]
}

// grown is a function of its own so that those who mostly have room do not make it for its variables.
//
//go:noinline
func grown(dst []byte) []byte { return slices.Grow(dst, numberRoom) }

// appendFloat64 writes the shortest text that reads back as f, laid out as ECMAScript's Number.prototype.toString does
// (RFC 8785 §3.2.2.3), but keeps the sign of -0.
func appendFloat64(dst []byte, f float64) ([]byte, error) {
	at := len(dst)
	out := roomFor(dst)
	u := math.Float64bits(f)
	out[at] = '-'
	at += int(u >> 63)
	u &= 1<<63 - 1
	f = math.Float64frombits(u)
	if f < 1<<53 {
		if n := int64(f); float64(n) == f {
			return out[:putUint(out, at, uint64(n))], nil
		}
		if f >= 1e-6 {
			d, e := shortestDecimal(u)
			return out[:putPlain(out, at, d, e)], nil
		}
	} else if !(f <= math.MaxFloat64) {
		return dst, ErrNotFinite
	}
	d, e := shortestDecimal(u)
	return appendDecimal(out[:at], d, e), nil
}

// putPlain writes d*10^e, of 16 or 17 digits, from 1e-6 to below 2^53 and no integer, to b[i:] and returns where it
// ends. Zeros at the end are left out. Words are written over the ends of others, so that nothing is moved.
func putPlain(b []byte, i int, d uint64, e int) int {
	if d < ten8*ten8 {
		d, e = d*10, e-1
	}
	top := d / ten8
	first := top / ten8
	high, low := eightDigitsText(top-first*ten8), eightDigitsText(d-top*ten8)
	first += '0'
	switch point := 17 + e; { // how many digits are in front of the point
	case point <= 0:
		store64(b, i, zeros&^0xFF00|'.'<<8)
		i += 1 - point
		store64(b, i+1, first)
		store64(b, i+2, high)
		store64(b, i+10, low)
	case point <= 8:
		store64(b, i+2, high)
		store64(b, i, first|high<<8)
		store64(b, i+point, high>>((8*point-8)&63)<<8|'.')
		store64(b, i+10, low)
	default:
		store64(b, i, first)
		store64(b, i+1, high)
		store64(b, i+10, low)
		store64(b, i+9, low)
		store64(b, i+point, low>>((8*point-72)&63)<<8|'.')
	}
	if low>>48 != '0'<<8|'0' { // one zero at most
		return i + 17 + int((low>>56&15+15)>>4)
	}
	if low != zeros {
		return i + 18 - bits.LeadingZeros64(low^zeros)>>3
	}
	return i + 10 - bits.LeadingZeros64(high^zeros)>>3
}

const zeros = lows * '0'

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
// done on all lanes by one multiplication. Of u = n*high + low, u<<s - high*(n<<s-1) is high and, s bits above it, low.
func eightDigitsText(u uint64) uint64 {
	high := u * 109951163 >> 40                  // over 10000
	w := u<<32 - high*(10000<<32-1)              // two lanes of four digits
	high = w * 10486 >> 20 & 0x0000007F_0000007F // each over 100
	w = w<<16 - high*(100<<16-1)                 // four lanes of two digits
	high = w * 103 >> 10 & 0x000F_000F_000F_000F // each over 10
	return w<<8 - high*(10<<8-1) | zeros
}
