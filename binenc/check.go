package binenc

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// CheckMessage says whether msg is a canonical message of type t: known fields have
// their wire type and a value of their kind, every value is in its one form, and no
// value is written that would be left out. Unknown fields pass. The error is an
// *[Error] whose offset counts from the start of msg.
func CheckMessage(msg []byte, t *Type) error { return checkMessage(msg, t, 0, 0) }

// checkMessage checks the message at buf, which lies at base in the whole.
func checkMessage(msg []byte, t *Type, base, depth int) error {
	if depth > MaxDepth {
		return tooDeep(base)
	}
	d := NewDecoder(msg)
	for {
		number, w, ok := d.Next()
		if !ok {
			return t.named(shift(d.err, base))
		}
		f := t.byNumber(number)
		if f == nil {
			continue
		}
		if err := checkField(d.Payload(), w, &f.Type, base+d.from, depth); err != nil {
			return within(err, base+d.from, number, f.Name)
		}
	}
}

func checkField(payload []byte, w Wire, t *Type, at, depth int) error {
	switch {
	case w != t.wire():
		return mismatch(at, "want "+t.wire().String()+" for "+t.String()+", found "+w.String())
	case !t.Optional && isDefault(payload, t.Kind):
		return notCanonical(at, "a zero value is written")
	case w == WireInt:
		return checkInt(loadLE(payload), t.Kind, at)
	}
	return checkValue(payload, t, at, depth)
}

// named gives an error of a Decoder the name of its field, where the type has one.
func (t *Type) named(err error) error {
	if e, ok := err.(*Error); ok && e.Field != 0 {
		if f := t.byNumber(e.Field); f != nil {
			e.Path = f.Name
		}
	}
	return err
}

func (t *Type) byNumber(number uint32) *Field {
	if i := int(number) - 1; i < len(t.Fields) && t.Fields[i].Number == number {
		return &t.Fields[i]
	}
	for i := range t.Fields {
		if t.Fields[i].Number == number {
			return &t.Fields[i]
		}
	}
	return nil
}

// isDefault says that a value that is not optional is left out of a message. Empty
// bytes, lists and maps are not: they differ from absent ones.
func isDefault(payload []byte, k Kind) bool {
	switch k {
	case KindID:
		return len(payload) == 16 && [16]byte(payload) == [16]byte{}
	case KindBool, KindInt, KindUint, KindDuration, KindFloat32, KindFloat64:
		for _, b := range payload {
			if b != 0 {
				return false
			}
		}
		return true
	case KindString, KindMessage, KindDecimal:
		return len(payload) == 0
	case KindTime:
		t, err := readTime(payload)
		return err == nil && t.IsZero()
	}
	return false
}

func checkInt(v uint64, k Kind, at int) error {
	if k == KindBool && v > 1 {
		return malformed(at, "a bool is neither 0 nor 1")
	}
	return nil
}

// checkValue checks the payload of a value that is no integer.
func checkValue(payload []byte, t *Type, at, depth int) (err error) {
	switch t.Kind {
	case KindFloat32:
		_, err = readFloat32(binary.LittleEndian.Uint32(payload))
	case KindFloat64:
		_, err = readFloat64(binary.LittleEndian.Uint64(payload))
	case KindString:
		if !utf8.Valid(payload) {
			err = &Error{Reason: "text is not UTF-8", Err: ErrUTF8}
		}
	case KindID:
		if len(payload) != 16 {
			err = malformed(0, "an id is not of 16 bytes")
		}
	case KindTime:
		_, err = readTime(payload)
	case KindDecimal:
		_, err = readDecimal(payload)
	case KindMessage:
		return checkMessage(payload, t, at, depth+1)
	case KindList, KindMap:
		return checkElements(payload, t, at, depth+1)
	}
	return shift(err, at)
}

func checkElements(payload []byte, t *Type, base, depth int) error {
	if depth > MaxDepth {
		return tooDeep(base)
	}
	r := NewReader(payload)
	var last []byte
	for i := 0; r.Len() > 0; i++ {
		start := r.off
		if t.Kind == KindMap {
			if err := checkElement(&r, t.Key, base, depth); err != nil {
				return element(err, base+start, i, KindMap)
			}
			key := payload[start:r.off]
			if last != nil && bytes.Compare(key, last) <= 0 {
				return element(notCanonical(base+start, "map keys do not ascend"), base+start, i, KindMap)
			}
			last = key
		}
		if err := checkElement(&r, t.Elem, base, depth); err != nil {
			return element(err, base+start, i, t.Kind)
		}
	}
	return nil
}

// checkElement checks one element and moves past it.
func checkElement(r *Reader, t *Type, base, depth int) error {
	switch t.wire() {
	case WireInt:
		at := r.off
		v := r.Uvarint()
		if r.err != nil {
			return shift(r.err, base)
		}
		return checkInt(v, t.Kind, base+at)
	case WireFixed32, WireFixed64:
		n := 4
		if t.wire() == WireFixed64 {
			n = 8
		}
		b := r.take(n)
		if r.err != nil {
			return shift(r.err, base)
		}
		return checkValue(b, t, base+r.off-n, depth)
	}
	b := r.Bytes()
	if r.err != nil {
		return shift(r.err, base)
	}
	return checkValue(b, t, base+r.off-len(b), depth)
}
