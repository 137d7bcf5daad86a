package model

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/binenc"
)

// Operand turns the text of a value, as queries and tags have it, into the key encoding
// of a field of type t. Errors say what the text should be, without a prefix.
func Operand(t *binenc.Type, text string) ([]byte, error) {
	bad := func(want string) error { return fmt.Errorf("wants %s, not %s", want, quoteShort(text)) }
	switch t.Kind {
	case binenc.KindBool:
		switch text {
		case "true":
			return binenc.AppendKeyBool(nil, true), nil
		case "false":
			return binenc.AppendKeyBool(nil, false), nil
		}
		return nil, bad("true or false")
	case binenc.KindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, bad("a whole number")
		}
		return binenc.AppendKeyInt(nil, n), nil
	case binenc.KindUint:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, bad("a whole number from 0")
		}
		return binenc.AppendKeyUint(nil, n), nil
	case binenc.KindFloat32, binenc.KindFloat64:
		x, err := strconv.ParseFloat(text, floatBits(t.Kind))
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, bad("a number")
		}
		return binenc.AppendKeyFloat64(nil, x), nil
	case binenc.KindString:
		return binenc.AppendKeyString(nil, text), nil
	case binenc.KindTime:
		when, err := parseTime(text)
		if err != nil {
			return nil, bad("a time such as 2006-01-02T15:04:05Z, or a date")
		}
		return binenc.AppendKeyTime(nil, when), nil
	case binenc.KindDuration:
		d, err := parseDuration(text)
		if err != nil {
			return nil, bad("a duration such as 1h30m, or nanoseconds")
		}
		return binenc.AppendKeyDuration(nil, d), nil
	case binenc.KindDecimal:
		d, err := binenc.ParseDecimal(text)
		if err != nil {
			return nil, bad("a decimal number such as 12.50")
		}
		return binenc.AppendKeyDecimal(nil, d), nil
	case binenc.KindID:
		id, err := ParseID(text)
		if err != nil {
			return nil, bad("an id such as " + ID{}.String())
		}
		return binenc.AppendKeyID(nil, id), nil
	}
	return nil, fmt.Errorf("cannot be compared")
}

func floatBits(k binenc.Kind) int {
	if k == binenc.KindFloat32 {
		return 32
	}
	return 64
}

// parseTime reads RFC 3339, or a date, which is its first moment in UTC.
func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

func parseDuration(text string) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(n), nil
	}
	return time.ParseDuration(text)
}

// quoteShort quotes at most 60 bytes.
func quoteShort(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return strconv.Quote(s)
}
