package binenc

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"
)

// Key encodings, SPEC.md section 7: a sorts before b exactly when their encodings do, byte by byte, and no
// encoding is a prefix of another of its kind, so that tuples are written one behind
// the other. Each begins with a byte that says whether a value is there.
const (
	keyNull    = 0x00
	keyPresent = 0x01

	keyEscape  = 0x00 // in strings and bytes: what follows is one of
	keyEscaped = 0xFF // a zero byte that belongs to them
	keyEnd     = 0x01 // their end

	keyNegative = 0x01 // the sign of a decimal
	keyZero     = 0x02
	keyPositive = 0x03

	keyExponentBias = 1 << 10
)

// AppendKeyNull appends the absent value, which sorts before every other.
func AppendKeyNull(dst []byte) []byte { return append(dst, keyNull) }

// AppendKeyBool appends false before true.
func AppendKeyBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, keyPresent, 1)
	}
	return append(dst, keyPresent, 0)
}

// AppendKeyInt appends an int64: eight bytes, big-endian, sign bit inverted.
func AppendKeyInt(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyPresent), uint64(v)^1<<63)
}

// AppendKeyUint appends a uint64: eight bytes, big-endian.
func AppendKeyUint(dst []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyPresent), v)
}

// AppendKeyFloat64 appends a float64 in numeric order. -0 is 0 here, since they compare
// equal; every NaN is one value behind all others.
func AppendKeyFloat64(dst []byte, v float64) []byte {
	u := float64Bits(v)
	switch {
	case v == 0:
		u = 1 << 63
	case u>>63 != 0:
		u = ^u
	default:
		u |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(append(dst, keyPresent), u)
}

// AppendKeyString appends a string in byte order: 0x00 becomes 0x00 0xFF, and 0x00 0x01
// ends it.
func AppendKeyString(dst []byte, s string) []byte {
	dst = append(dst, keyPresent)
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			return append(append(dst, s...), keyEscape, keyEnd)
		}
		dst = append(append(dst, s[:i]...), keyEscape, keyEscaped)
		s = s[i+1:]
	}
}

// AppendKeyStringPrefix appends what the keys of all strings that begin with s begin with.
func AppendKeyStringPrefix(dst []byte, s string) []byte {
	dst = AppendKeyString(dst, s)
	return dst[:len(dst)-2]
}

// AppendKeyBytes appends bytes as AppendKeyString does.
func AppendKeyBytes(dst, b []byte) []byte {
	dst = append(dst, keyPresent)
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return append(append(dst, b...), keyEscape, keyEnd)
		}
		dst = append(append(dst, b[:i]...), keyEscape, keyEscaped)
		b = b[i+1:]
	}
}

// AppendKeyTime appends a moment: seconds as AppendKeyInt writes them, then nanoseconds
// in four bytes.
func AppendKeyTime(dst []byte, t time.Time) []byte {
	dst = AppendKeyInt(dst, t.Unix())
	return binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond()))
}

// AppendKeyDuration appends a duration as its nanoseconds.
func AppendKeyDuration(dst []byte, d time.Duration) []byte { return AppendKeyInt(dst, int64(d)) }

// AppendKeyID appends sixteen bytes.
func AppendKeyID(dst []byte, id [16]byte) []byte { return append(append(dst, keyPresent), id[:]...) }

// AppendKeyDecimal appends a decimal: its sign, how many digits stand before the point
// plus 1024 in two bytes, its digits two by two plus one in a byte each, and 0. All but
// the sign is inverted where it is negative.
func AppendKeyDecimal(dst []byte, d Decimal) []byte {
	dst = append(dst, keyPresent)
	if d.IsZero() {
		return append(dst, keyZero)
	}
	sign := byte(keyPositive)
	if d.neg {
		sign = keyNegative
	}
	dst = append(dst, sign)
	from, digits := len(dst), d.digits()
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(digits)+int(d.exp)+keyExponentBias))
	for i := 0; i < len(digits); i += 2 {
		pair := (digits[i] - '0') * 10
		if i+1 < len(digits) {
			pair += digits[i+1] - '0'
		}
		dst = append(dst, pair+1)
	}
	dst = append(dst, 0)
	if d.neg {
		AppendKeyDesc(dst, from)
	}
	return dst
}

// AppendKeyDesc turns the order of what was appended since from around, in place: what
// sorted before now sorts behind. [KeyReader.Desc] reads such a part.
func AppendKeyDesc(dst []byte, from int) []byte {
	for i := from; i < len(dst); i++ {
		dst[i] ^= 0xFF
	}
	return dst
}
