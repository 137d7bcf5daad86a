package binenc

import (
	"bytes"
	"errors"
	"math"
	"time"
)

// CheckMessage says whether msg is a canonical message of type t: numbers ascend, known
// fields have their wire type and a value of their kind, and no value is written that
// would be left out. Unknown fields pass. The error is an *[Error] whose offset counts
// from the start of msg.
func CheckMessage(msg []byte, t *Type) error { return checkMessage(msg, t, 0, 0) }

func checkMessage(msg []byte, t *Type, base, depth int) error {
	if depth > maxDepth {
		return &Error{Offset: base, Reason: "messages nest too deep"}
	}
	r := NewReader(msg)
	for {
		number, w, ok := r.Next()
		if !ok {
			return shift(r.err, base)
		}
		f := t.byNumber(number)
		if f == nil {
			r.Skip(w)
			continue
		}
		if w != f.Type.wire() {
			return &Error{Offset: base + r.Offset(), Field: number, Reason: "wire type does not fit " + f.Type.String()}
		}
		raw := r.payload(w)
		if r.err != nil {
			return shift(r.err, base)
		}
		at := base + r.Offset() - len(raw)
		if !f.Type.Optional && isDefault(raw, f.Type.Kind) {
			return &Error{Offset: at, Field: number, Reason: "a zero value is written"}
		}
		if err := checkValue(raw, &f.Type, number, at, depth); err != nil {
			return err
		}
	}
}

// shift makes an error of a part one of the whole.
func shift(err error, base int) error {
	var e *Error
	if base > 0 && errors.As(err, &e) {
		return &Error{Offset: e.Offset + base, Field: e.Field, Reason: e.Reason}
	}
	return err
}

func (t *Type) byNumber(number uint32) *Field {
	for i := range t.Fields {
		if t.Fields[i].Number == number {
			return &t.Fields[i]
		}
	}
	return nil
}

// payload reads a value without its length prefix; it aliases the input.
func (r *Reader) payload(w Wire) []byte {
	if w == WireBytes {
		return r.Bytes()
	}
	return r.Raw(w)
}

var zeroTime = AppendUvarint(AppendVarint(nil, time.Time{}.Unix()), 0)

// isDefault says that a value that is not optional is left out of a message. Empty
// bytes, lists and maps are not: they differ from absent ones.
func isDefault(raw []byte, k Kind) bool {
	switch k {
	case KindBool, KindInt, KindUint, KindDuration, KindFloat32, KindFloat64, KindID:
		for _, b := range raw {
			if b != 0 {
				return false
			}
		}
		return true
	case KindString, KindMessage:
		return len(raw) == 0
	case KindTime:
		return bytes.Equal(raw, zeroTime)
	}
	return false
}

func checkValue(raw []byte, t *Type, number uint32, at, depth int) error {
	bad := func(reason string) error { return &Error{Offset: at, Field: number, Reason: reason} }
	r := NewReader(raw)
	switch t.Kind {
	case KindBool:
		if r.Uvarint() > 1 {
			return bad("a bool is neither 0 nor 1")
		}
	case KindFloat32:
		if u := r.Fixed32(); u != 0x7FC00000 && math.Float32frombits(u) != math.Float32frombits(u) {
			return bad("a NaN is not the canonical one")
		}
	case KindFloat64:
		if u := r.Fixed64(); u != 0x7FF8000000000000 && math.Float64frombits(u) != math.Float64frombits(u) {
			return bad("a NaN is not the canonical one")
		}
	case KindID:
		if len(raw) != 16 {
			return bad("an id is not of 16 bytes")
		}
	case KindTime:
		r.Varint()
		if nsec := r.Uvarint(); r.err == nil && (nsec > 999_999_999 || r.Len() > 0) {
			return bad("a time has too many nanoseconds or bytes")
		}
	case KindMessage:
		return checkMessage(raw, t, at, depth+1)
	case KindList, KindMap:
		return checkElements(raw, t, number, at, depth+1)
	}
	return shift(r.err, at)
}

func checkElements(raw []byte, t *Type, number uint32, base, depth int) error {
	if depth > maxDepth {
		return &Error{Offset: base, Field: number, Reason: "values nest too deep"}
	}
	r := NewReader(raw)
	part := func(t *Type) error {
		v := r.payload(t.wire())
		if r.err != nil {
			return shift(r.err, base)
		}
		return checkValue(v, t, number, base+r.Offset()-len(v), depth)
	}
	var last []byte
	for r.Len() > 0 {
		if t.Kind == KindMap {
			start := r.Offset()
			if err := part(t.Key); err != nil {
				return err
			}
			key := raw[start:r.Offset()]
			if last != nil && bytes.Compare(key, last) <= 0 {
				return &Error{Offset: base + start, Field: number, Reason: "map keys do not ascend"}
			}
			last = key
		}
		if err := part(t.Elem); err != nil {
			return err
		}
	}
	return nil
}
