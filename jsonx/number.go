package jsonx

import (
	"errors"
	"math"
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

// Float64 returns the nearest float64.
func (n Number) Float64() (float64, error) { return strconv.ParseFloat(string(n), 64) }

// scanNumber reads RFC 8259 §6: [ "-" ] int [ frac ] [ exp ].
func scanNumber(b []byte, i int) (end int, integer bool, bad string) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i >= len(b) || b[i] < '0' || b[i] > '9' {
		return i, false, "digit"
	}
	if b[i] == '0' {
		i++
	} else {
		i = digits(b, i)
	}
	integer = true
	if i < len(b) && b[i] == '.' {
		integer = false
		j := digits(b, i+1)
		if j == i+1 {
			return j, false, "digit after the decimal point"
		}
		i = j
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		integer = false
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := digits(b, i)
		if j == i {
			return j, false, "digit of the exponent"
		}
		i = j
	}
	return i, integer, ""
}

func digits(b []byte, i int) int {
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
