package binenc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Key encodings: a sorts before b exactly when their encodings do, byte by byte, and no
// encoding is a prefix of another of its kind, so that tuples are written one behind
// the other. Each begins with a byte that says whether a value is there.
const (
	keyNull    = 0x00
	keyPresent = 0x01
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

// AppendKeyFloat64 appends a float64 in numeric order; NaN sorts last, -0 before 0.
func AppendKeyFloat64(dst []byte, v float64) []byte {
	u := math.Float64bits(v)
	if v != v {
		u = 0x7FF8000000000001
	}
	if u>>63 != 0 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(append(dst, keyPresent), u)
}

// AppendKeyString appends a string in byte order: 0x00 becomes 0x00 0xFF, and 0x00 0x01
// ends it.
func AppendKeyString(dst []byte, s string) []byte {
	dst = append(dst, keyPresent)
	for {
		i := indexByteString(s, 0)
		if i < 0 {
			dst = append(dst, s...)
			return append(dst, 0, 1)
		}
		dst = append(append(dst, s[:i]...), 0, 0xFF)
		s = s[i+1:]
	}
}

func indexByteString(s string, c byte) int {
	for i := 0; i < len(s); i++ {
		if s[i] == c {
			return i
		}
	}
	return -1
}

// AppendKeyBytes appends bytes as AppendKeyString does.
func AppendKeyBytes(dst, b []byte) []byte { return AppendKeyString(dst, string(b)) }

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

// AppendKeyDesc turns the order of what was appended since from around.
func AppendKeyDesc(dst []byte, from int) []byte {
	for i := from; i < len(dst); i++ {
		dst[i] ^= 0xFF
	}
	return dst
}

// AppendKeyRaw appends the key of a stored field value, as Lookup returns it. Where
// there is none, an optional field is null and any other has its zero value.
func AppendKeyRaw(dst []byte, t *Type, raw []byte, present bool) ([]byte, error) {
	if !present {
		if t.Optional {
			return AppendKeyNull(dst), nil
		}
		return appendKeyZero(dst, t)
	}
	r := NewReader(raw)
	switch t.Kind {
	case KindBool:
		dst = AppendKeyBool(dst, r.Uvarint() != 0)
	case KindInt:
		dst = AppendKeyInt(dst, r.Varint())
	case KindDuration:
		dst = AppendKeyInt(dst, r.Varint())
	case KindUint:
		dst = AppendKeyUint(dst, r.Uvarint())
	case KindFloat32:
		dst = AppendKeyFloat64(dst, float64(math.Float32frombits(r.Fixed32())))
	case KindFloat64:
		dst = AppendKeyFloat64(dst, math.Float64frombits(r.Fixed64()))
	case KindString:
		return AppendKeyString(dst, string(raw)), nil
	case KindBytes:
		return AppendKeyBytes(dst, raw), nil
	case KindTime:
		sec, nsec := r.Varint(), r.Uvarint()
		dst = AppendKeyTime(dst, time.Unix(sec, int64(nsec)))
	case KindID:
		if len(raw) != 16 {
			return nil, fmt.Errorf("binenc: an id of %d bytes", len(raw))
		}
		return AppendKeyID(dst, [16]byte(raw)), nil
	default:
		return nil, fmt.Errorf("binenc: %s has no key order", t.Kind)
	}
	return dst, r.Err()
}

func appendKeyZero(dst []byte, t *Type) ([]byte, error) {
	switch t.Kind {
	case KindBool:
		return AppendKeyBool(dst, false), nil
	case KindInt, KindDuration:
		return AppendKeyInt(dst, 0), nil
	case KindUint:
		return AppendKeyUint(dst, 0), nil
	case KindFloat32, KindFloat64:
		return AppendKeyFloat64(dst, 0), nil
	case KindString, KindBytes:
		return AppendKeyString(dst, ""), nil
	case KindTime:
		return AppendKeyTime(dst, time.Time{}), nil
	case KindID:
		return AppendKeyID(dst, [16]byte{}), nil
	}
	return nil, fmt.Errorf("binenc: %s has no key order", t.Kind)
}

// DecodeKeyInt reads what AppendKeyInt wrote and returns the rest.
func DecodeKeyInt(key []byte) (v int64, rest []byte, err error) {
	u, rest, err := DecodeKeyUint(key)
	return int64(u ^ 1<<63), rest, err
}

// DecodeKeyUint reads what AppendKeyUint wrote and returns the rest.
func DecodeKeyUint(key []byte) (v uint64, rest []byte, err error) {
	if len(key) < 9 || key[0] != keyPresent {
		return 0, nil, ErrShort
	}
	return binary.BigEndian.Uint64(key[1:]), key[9:], nil
}

// DecodeKeyID reads what AppendKeyID wrote and returns the rest.
func DecodeKeyID(key []byte) (id [16]byte, rest []byte, err error) {
	if len(key) < 17 || key[0] != keyPresent {
		return id, nil, ErrShort
	}
	return [16]byte(key[1:17]), key[17:], nil
}

// DecodeKeyString reads what AppendKeyString wrote and returns the rest.
func DecodeKeyString(key []byte) (s string, rest []byte, err error) {
	if len(key) == 0 || key[0] != keyPresent {
		return "", nil, ErrShort
	}
	key = key[1:]
	var out []byte
	for {
		i := bytes.IndexByte(key, 0)
		if i < 0 || i+1 >= len(key) {
			return "", nil, ErrShort
		}
		out = append(out, key[:i]...)
		switch key[i+1] {
		case 1:
			return string(out), key[i+2:], nil
		case 0xFF:
			out = append(out, 0)
			key = key[i+2:]
		default:
			return "", nil, &Error{Offset: i + 1, Reason: "a zero byte in a key is followed by neither 0x01 nor 0xFF"}
		}
	}
}
