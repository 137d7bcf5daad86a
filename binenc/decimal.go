package binenc

import (
	"cmp"
	"fmt"
	"math/bits"
	"strings"
)

// Decimal is an exact decimal number: up to 38 significant digits times a power of ten
// from 10^-128 to 10^127. The zero value is 0. Equal numbers are equal by ==, since
// trailing zeros are not kept: 1.50 is 1.5. Values are safe for concurrent use.
type Decimal struct {
	hi, lo uint64 // magnitude, below 10^38, no multiple of ten
	exp    int16  // minExponent <= exp <= maxExponent; 0 for zero
	neg    bool   // false for zero
}

// Limits of a Decimal.
const (
	MaxDecimalDigits = 38
	minExponent      = -128
	maxExponent      = 127
)

// tenTo38 is 10^38, the first magnitude that is too large.
const (
	tenTo38Hi = 0x4B3B4CA85A86C47A
	tenTo38Lo = 0x098A224000000000
)

// NewDecimal returns coefficient times ten to the exponent, or an error that wraps
// [ErrRange].
func NewDecimal(coefficient int64, exponent int) (Decimal, error) {
	neg, lo := coefficient < 0, uint64(coefficient)
	if neg {
		lo = -lo
	}
	return makeDecimal(neg, 0, lo, exponent)
}

func makeDecimal(neg bool, hi, lo uint64, exp int) (Decimal, error) {
	if hi|lo == 0 {
		return Decimal{}, nil
	}
	for {
		qhi, qlo, rem := div10(hi, lo)
		if rem != 0 {
			break
		}
		hi, lo, exp = qhi, qlo, exp+1
	}
	if exp < minExponent || exp > maxExponent || !below10To38(hi, lo) {
		return Decimal{}, &Error{Offset: -1, Reason: "a decimal has more than 38 digits or an exponent outside of -128 to 127", Err: ErrRange}
	}
	return Decimal{hi: hi, lo: lo, exp: int16(exp), neg: neg}, nil
}

func below10To38(hi, lo uint64) bool {
	return hi < tenTo38Hi || hi == tenTo38Hi && lo < tenTo38Lo
}

func div10(hi, lo uint64) (qhi, qlo, rem uint64) {
	qhi, rem = hi/10, hi%10
	qlo, rem = bits.Div64(rem, lo, 10)
	return qhi, qlo, rem
}

// ParseDecimal reads [+-]digits[.digits][e[+-]digits]; there must be a digit before the
// exponent. Errors wrap [ErrMalformed] or [ErrRange].
func ParseDecimal(s string) (Decimal, error) {
	rest, neg := s, false
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		neg, rest = rest[0] == '-', rest[1:]
	}
	mantissa, exponent, hasExp := strings.Cut(strings.Replace(rest, "E", "e", 1), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	exp := 0
	if hasExp {
		var ok bool
		if exp, ok = parseExponent(exponent); !ok {
			return Decimal{}, badDecimal(s)
		}
	}
	if !allDigits(whole) || !allDigits(fraction) || whole+fraction == "" {
		return Decimal{}, badDecimal(s)
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	exp -= len(fraction)
	if trimmed := strings.TrimRight(digits, "0"); trimmed != digits {
		exp += len(digits) - len(trimmed)
		digits = trimmed
	}
	if len(digits) > MaxDecimalDigits {
		return makeDecimal(neg, tenTo38Hi, tenTo38Lo|1, exp)
	}
	var hi, lo uint64
	for i := range len(digits) {
		var carry uint64
		over, low := bits.Mul64(lo, 10)
		lo, carry = bits.Add64(low, uint64(digits[i]-'0'), 0)
		hi = hi*10 + over + carry
	}
	return makeDecimal(neg, hi, lo, exp)
}

func badDecimal(s string) error {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return &Error{Offset: -1, Reason: fmt.Sprintf("%q is no decimal number", s), Err: ErrMalformed}
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// parseExponent reads an exponent; those beyond six digits come back as too large.
func parseExponent(s string) (exp int, ok bool) {
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if s == "" || !allDigits(s) {
		return 0, false
	}
	for i := range len(s) {
		exp = min(exp*10+int(s[i]-'0'), 1_000_000)
	}
	if neg {
		exp = -exp
	}
	return exp, true
}

// IsZero says whether d is 0.
func (d Decimal) IsZero() bool { return d.hi|d.lo == 0 }

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case d.IsZero():
		return 0
	case d.neg:
		return -1
	}
	return 1
}

// digits are the magnitude's digits, without zeros at either end; "" for zero.
func (d Decimal) digits() string {
	var buf [MaxDecimalDigits]byte
	i, hi, lo := len(buf), d.hi, d.lo
	for hi|lo != 0 {
		var rem uint64
		hi, lo, rem = div10(hi, lo)
		i--
		buf[i] = '0' + byte(rem)
	}
	return string(buf[i:])
}

// Cmp returns -1, 0 or 1 as d is less than, equal to or greater than e.
func (d Decimal) Cmp(e Decimal) int {
	if c := cmp.Compare(d.Sign(), e.Sign()); c != 0 || d.IsZero() {
		return c
	}
	a, b := d.digits(), e.digits()
	c := cmp.Or(cmp.Compare(len(a)+int(d.exp), len(b)+int(e.exp)), cmp.Compare(a, b))
	if d.neg {
		return -c
	}
	return c
}

// String returns plain notation without an exponent: "-0.05", "1200".
func (d Decimal) String() string {
	digits, sign := d.digits(), ""
	if d.neg {
		sign = "-"
	}
	point := len(digits) + int(d.exp) // digits before the decimal point
	switch {
	case d.IsZero():
		return "0"
	case d.exp >= 0:
		return sign + digits + strings.Repeat("0", int(d.exp))
	case point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	}
	return sign + digits[:point] + "." + digits[point:]
}

// MarshalText returns String.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDecimal does.
func (d *Decimal) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDecimal(string(text))
	return err
}

// appendDecimal appends a decimal's payload: nothing for zero, else a varint of the
// zig-zag exponent, twice, plus one for a negative number, then the magnitude in as few
// little-endian bytes as it takes.
func appendDecimal(dst []byte, d Decimal) []byte {
	if d.IsZero() {
		return dst
	}
	u := zigzag(int64(d.exp)) << 1
	if d.neg {
		u |= 1
	}
	dst = AppendUvarint(dst, u)
	if d.hi == 0 {
		return appendLE(dst, d.lo, byteLen(d.lo))
	}
	return appendLE(AppendFixed64(dst, d.lo), d.hi, byteLen(d.hi))
}

// readDecimal reads a decimal's payload; error offsets count from its start.
func readDecimal(b []byte) (Decimal, error) {
	if len(b) == 0 {
		return Decimal{}, nil
	}
	u, off, err := uvarint(b, 0)
	if err != nil {
		return Decimal{}, err
	}
	m, exp := b[off:], unzigzag(u>>1)
	switch {
	case len(m) == 0:
		return Decimal{}, malformed(off, "a decimal without digits")
	case len(m) > 16 || exp < minExponent || exp > maxExponent:
		return Decimal{}, &Error{Reason: "a decimal has more than 38 digits or an exponent outside of -128 to 127", Err: ErrRange}
	case m[len(m)-1] == 0:
		return Decimal{}, notCanonical(off, "a decimal's magnitude is longer than need be")
	}
	d := Decimal{lo: loadLE(m[:min(len(m), 8)]), exp: int16(exp), neg: u&1 == 1}
	if len(m) > 8 {
		d.hi = loadLE(m[8:])
	}
	if _, _, rem := div10(d.hi, d.lo); rem == 0 {
		return Decimal{}, notCanonical(off, "a decimal's magnitude is a multiple of ten")
	}
	if !below10To38(d.hi, d.lo) {
		return Decimal{}, &Error{Offset: off, Reason: "a decimal has more than 38 digits or an exponent outside of -128 to 127", Err: ErrRange}
	}
	return d, nil
}
