package binenc

import (
	"encoding/binary"
	"fmt"
	"time"
)

// AppendKeyRaw appends the key of a field's payload, as [Lookup] returns it. Where there
// is none, an optional field is null and any other has its zero value. Lists, maps and
// messages have no order.
func AppendKeyRaw(dst []byte, t *Type, payload []byte, present bool) ([]byte, error) {
	if !present {
		if t.Optional {
			return AppendKeyNull(dst), nil
		}
		return appendKeyZero(dst, t)
	}
	if len(payload) > 8 && t.wire() == WireInt {
		return nil, malformed(0, "an integer of more than eight bytes")
	}
	switch t.Kind {
	case KindBool:
		return AppendKeyBool(dst, loadLE(payload) != 0), nil
	case KindInt, KindDuration:
		return AppendKeyInt(dst, unzigzag(loadLE(payload))), nil
	case KindUint:
		return AppendKeyUint(dst, loadLE(payload)), nil
	case KindString, KindBytes:
		return AppendKeyBytes(dst, payload), nil
	case KindFloat32, KindFloat64:
		return appendKeyFloat(dst, payload)
	case KindTime:
		v, err := readTime(payload)
		return AppendKeyTime(dst, v), err
	case KindDecimal:
		v, err := readDecimal(payload)
		return AppendKeyDecimal(dst, v), err
	case KindID:
		if len(payload) != 16 {
			return nil, malformed(0, "an id is not of 16 bytes")
		}
		return AppendKeyID(dst, [16]byte(payload)), nil
	}
	return nil, fmt.Errorf("binenc: %s has no key order", t.Kind)
}

func appendKeyFloat(dst, payload []byte) ([]byte, error) {
	switch len(payload) {
	case 4:
		v, err := readFloat32(binary.LittleEndian.Uint32(payload))
		return AppendKeyFloat64(dst, float64(v)), err
	case 8:
		v, err := readFloat64(binary.LittleEndian.Uint64(payload))
		return AppendKeyFloat64(dst, v), err
	}
	return nil, malformed(0, "a float is of neither four nor eight bytes")
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
	case KindDecimal:
		return AppendKeyDecimal(dst, Decimal{}), nil
	case KindID:
		return AppendKeyID(dst, [16]byte{}), nil
	}
	return nil, fmt.Errorf("binenc: %s has no key order", t.Kind)
}
