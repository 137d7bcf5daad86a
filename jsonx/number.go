package jsonx

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// ErrNotFinite is returned when NaN or an infinity is to be written.
var ErrNotFinite = errors.New("jsonx: number is not finite")

// Number is the text of a JSON number, kept exactly.
type Number string

// String returns the text.
func (n Number) String() string { return string(n) }

// Int64 returns the number if it is an integer of that range.
func (n Number) Int64() (int64, error) { return strconv.ParseInt(string(n), 10, 64) }

// Uint64 returns the number if it is an integer of that range, without a sign.
func (n Number) Uint64() (uint64, error) { return strconv.ParseUint(string(n), 10, 64) }

// Float64 returns the nearest float64.
func (n Number) Float64() (float64, error) { return parseLongFloat(string(n), 64) }

// scanNumber reads RFC 8259 §6 and returns the offset after it, and whether there is neither fraction nor exponent;
// bad names what was expected at end.
//
//	number = [ "-" ] int [ frac ] [ exp ]     int = "0" / digit1-9 *DIGIT
//	frac = "." 1*DIGIT                        exp = ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT
func scanNumber(b []byte, i int) (end int, integer bool, bad string) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i >= len(b) || b[i]-'0' > 9 {
		return i, false, "digit"
	}
	if i++; b[i-1] != '0' {
		for i < len(b) && b[i]-'0' < 10 {
			i++
		}
	}
	if i >= len(b) {
		return i, true, ""
	}
	integer = true
	if b[i] == '.' {
		integer = false
		j := i + 1
		if i = digits(b, j); i == j {
			return i, false, "digit after the decimal point"
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		integer = false
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := i
		if i = digits(b, j); i == j {
			return i, false, "digit of the exponent"
		}
	}
	return i, integer, ""
}

// digits returns the offset of the first byte from b[i] that is no digit. Xor makes digits 0 to 9; adding 0x76 then
// sets the high bit of all that is more, exactly so up to the first of them.
func digits(b []byte, i int) int {
	for len(b)-i >= 8 {
		t := load64(b, i) ^ lows*'0'
		if m := (t + lows*0x76 | t) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	return i
}

// parseUint reads digits; ok is false on overflow.
func parseUint(b []byte) (u uint64, ok bool) {
	for _, c := range b {
		d := uint64(c - '0')
		if u > (math.MaxUint64-d)/10 {
			return 0, false
		}
		u = u*10 + d
	}
	return u, true
}

// appendFloat writes the shortest text that reads back as f, laid out as ECMAScript does.
func appendFloat(dst []byte, f float64, bits int) ([]byte, error) {
	if bits == 64 {
		return appendFloat64(dst, f)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, ErrNotFinite
	}
	form := byte('f')
	if abs := float32(math.Abs(f)); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		form = 'e'
	}
	dst = strconv.AppendFloat(dst, f, form, -1, bits)
	if n := len(dst); form == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 to e-9
		dst = dst[:n-1]
	}
	return dst, nil
}
