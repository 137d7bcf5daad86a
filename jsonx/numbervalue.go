package jsonx

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// ErrInexact is returned when a number, asked for exactly, would not keep its value.
var ErrInexact = errors.New("jsonx: number loses precision")

// maxExponentDigits is up to how many digits of an exponent numbers are compared by value; beyond, by text alone.
const maxExponentDigits = 1000

// ExactFloat64 is Float64 for those who cannot lose a digit: ErrInexact unless the shortest text of the float64 names
// the same decimal number, so 0.1 passes, and 9007199254740993 and 0.1000000000000000000001 do not.
func (n Number) ExactFloat64() (float64, error) {
	f, err := n.Float64()
	if err != nil {
		return f, err
	}
	text, err := appendFloat(nil, f, 64)
	if err == nil && !sameNumber(string(text), string(n)) {
		err = ErrInexact
	}
	return f, err
}

// sameNumber compares number texts by value: 1, 1.0 and 10e-1 are one number, and so are 0 and -0. It reads each
// text once, however large the exponents.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	x, y := normalNumber(a), normalNumber(b)
	return x.digits == y.digits && x.negative == y.negative && x.before == y.before && x.point == y.point
}

// decimal is a number as 0.digits times ten to the power of before + point, before being the exponent beyond 18 digits
// as a text and point zero then.
type decimal struct {
	negative bool
	digits   string // without zeros at either end; "" is zero
	point    int64
	before   string
}

func normalNumber(s string) (d decimal) {
	d.negative = s[0] == '-'
	s = strings.TrimPrefix(s, "-")
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := whole + fraction
	d.digits = strings.TrimLeft(all, "0")
	d.point = int64(len(whole) - (len(all) - len(d.digits)))
	if d.digits = strings.TrimRight(d.digits, "0"); d.digits == "" {
		return decimal{}
	}
	exponent, below := strings.TrimPrefix(exponent, "+"), strings.HasPrefix(exponent, "-")
	exponent = strings.TrimLeft(strings.TrimPrefix(exponent, "-"), "0")
	switch {
	case exponent == "":
	case len(exponent) <= 17:
		e, _ := strconv.ParseInt(exponent, 10, 64)
		if below {
			e = -e
		}
		d.point += e
	case len(exponent) <= maxExponentDigits:
		e, _ := new(big.Int).SetString(exponent, 10)
		if below {
			e.Neg(e)
		}
		d.before, d.point = e.Add(e, big.NewInt(d.point)).String(), 0
	default:
		d.before = s
	}
	return d
}
