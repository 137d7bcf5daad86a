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
		if d.before = exponent; below {
			d.before = "-" + exponent
		}
		d.before += " " + strconv.FormatInt(d.point, 10)
		d.point = 0
	}
	return d
}

// longNumber is from how many bytes on a number is shortened before strconv reads it.
const longNumber = 10_000

// parseLongFloat is strconv.ParseFloat for a number text of any length. strconv stops counting an exponent at 100000,
// and so misreads a mantissa of as many digits. A text that long is cut to 800 digits first, a 1 standing for what
// else there was: no float64 and nothing half-way between two has more than 770.
func parseLongFloat(s string, bits int) (float64, error) {
	if len(s) < longNumber {
		return strconv.ParseFloat(s, bits)
	}
	d := normalNumber(s)
	digits := d.digits
	if len(digits) > 800 {
		digits = digits[:800] + "1"
	}
	point := max(-99_999, min(d.point, 99_999))
	switch {
	case digits == "":
		digits, point = "0", 0
	case strings.HasPrefix(d.before, "-"):
		point = -99_999
	case d.before != "":
		point = 99_999
	}
	short := "0." + digits + "e" + strconv.FormatInt(point, 10)
	if s[0] == '-' {
		short = "-" + short
	}
	return strconv.ParseFloat(short, bits)
}
