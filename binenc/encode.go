package binenc

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

var errUTF8 = Error{Offset: -1, Reason: "text is not UTF-8", Err: ErrUTF8}

// encode appends the message of the struct at base.
func (p *program) encode(dst []byte, base place) ([]byte, error) {
	if p.unknown != nil {
		if unknown := getBytes(p.unknown.in(base)); len(unknown) > 0 {
			return p.encodeUnknown(dst, base, unknown)
		}
	}
	dst, i, last := p.encodeHot(dst, base, 0, 0)
	if i == len(p.ops) {
		return dst, nil
	}
	return p.encodeKnown(dst, base, i, last)
}

// encodeKnown appends the fields from ops[i] on; those that encodeHot leaves to it are
// written here, the less frequent kinds by encodeBytes.
func (p *program) encodeKnown(dst []byte, base place, i int, last uint32) (_ []byte, err error) {
	for ; i < len(p.ops); i++ {
		o := &p.ops[i]
		at := o.in(base)
		if o.optional {
			var ok bool
			if at, ok = pointee(at); !ok {
				continue
			}
		}
		start := len(dst)
		if o.number != last+1 {
			dst = appendGap(dst, o.number-last-1)
		}
		body := len(dst)
		switch o.code {
		case opString:
			if s := getString(at); s != "" || o.optional {
				dst, err = appendText(dst, s)
			}
		case opUint:
			if v := o.getUint(at); v != 0 || o.optional {
				dst = appendInt(dst, v)
			}
		case opInt:
			if v := o.getInt(at); v != 0 || o.optional {
				dst = appendInt(dst, zigzag(v))
			}
		case opBool:
			if getBool(at) {
				dst = append(dst, 1)
			} else if o.optional {
				dst = append(dst, 0)
			}
		case opFloat32:
			if u := float32Bits(getFloat32(at)); u != 0 || o.optional {
				dst = AppendFixed32(append(dst, headFixed32), u)
			}
		case opFloat64:
			if u := float64Bits(getFloat64(at)); u != 0 || o.optional {
				dst = AppendFixed64(append(dst, headFixed64), u)
			}
		case opMessage:
			if dst, err = o.msg.encode(append(dst, 0), at); err != nil {
				break
			}
			if dst = closeBytes(dst, body+1); len(dst) == body+1 && !o.optional {
				dst = dst[:body]
			}
		case opList:
			first, n, present := o.elements(at)
			if !present {
				break
			}
			if dst, err = o.elem.encodeElements(append(dst, 0), first, n); err == nil {
				dst = closeBytes(dst, body+1)
			}
		default:
			dst, err = o.encodeBytes(dst, at)
		}
		if err != nil {
			return nil, within(err, -1, o.number, o.name)
		}
		if len(dst) == body {
			dst = dst[:start] // without the gap that led to it
			continue
		}
		last = o.number
		if i+1 < len(p.ops) && !p.ops[i+1].cold {
			dst, i, last = p.encodeHot(dst, base, i+1, last)
			i--
		}
	}
	return dst, nil
}

// encodeUnknown merges the fields that the plan does not know.
func (p *program) encodeUnknown(dst []byte, base place, unknown []byte) ([]byte, error) {
	known, err := p.encodeKnown(nil, base, 0, 0)
	if err != nil {
		return nil, err
	}
	var rest writer
	d, i := NewDecoder(unknown), 0
	for number, _, ok := d.Next(); ok; number, _, ok = d.Next() {
		for i < len(p.ops) && p.ops[i].number < number {
			i++
		}
		if i == len(p.ops) || p.ops[i].number != number {
			rest.put(&d)
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	return Merge(dst, known, rest.buf, nil)
}

// encodeBytes appends head and payload of a field of wire type bytes; nothing for one
// that is left out.
func (o *op) encodeBytes(dst []byte, at place) ([]byte, error) {
	if o.absent(at) {
		return dst, nil
	}
	start := len(dst)
	dst, err := o.payload(append(dst, 0), at)
	switch {
	case err != nil:
		return nil, err
	case len(dst) == start+1 && !o.optional && o.emptyIsZero():
		return dst[:start], nil
	}
	return closeBytes(dst, start+1), nil
}

// absent says whether a value is left out, as far as that can be seen before it is
// encoded.
func (o *op) absent(at place) bool {
	switch o.code {
	case opBytes:
		return getBytes(at) == nil
	case opMap:
		return o.value(at).IsNil()
	case opTime:
		return !o.optional && getTime(at).IsZero()
	case opID:
		return !o.optional && getID(at) == [16]byte{}
	}
	return false
}

// emptyIsZero says that an empty payload means the zero value, not an empty one.
func (o *op) emptyIsZero() bool {
	switch o.code {
	case opText, opDecimal, opMessage, opCoder:
		return true
	}
	return false
}

// payload appends a payload of wire type bytes, without its length.
func (o *op) payload(dst []byte, at place) ([]byte, error) {
	switch o.code {
	case opString:
		s := getString(at)
		if !utf8.ValidString(s) {
			e := errUTF8
			return nil, &e
		}
		return append(dst, s...), nil
	case opText:
		return o.marshalText(dst, at)
	case opBytes:
		return append(dst, getBytes(at)...), nil
	case opTime:
		t := getTime(at)
		if !inRange(t) {
			return nil, &Error{Offset: -1, Reason: timeRange, Err: ErrRange}
		}
		return appendTime(dst, t), nil
	case opID:
		id := getID(at)
		return append(dst, id[:]...), nil
	case opDecimal:
		return appendDecimal(dst, getDecimal(at)), nil
	case opList:
		first, n, _ := o.elements(at)
		return o.elem.encodeElements(dst, first, n)
	case opMap:
		return o.encodeMap(dst, at)
	case opCoder:
		return o.value(at).Addr().Interface().(Coder).AppendBinenc(dst)
	}
	return o.msg.encode(dst, at)
}

func (o *op) marshalText(dst []byte, at place) ([]byte, error) {
	text, err := o.value(at).Addr().Interface().(encoding.TextMarshaler).MarshalText()
	switch {
	case err != nil:
		return nil, err
	case !utf8.Valid(text):
		e := errUTF8
		return nil, &e
	}
	return append(dst, text...), nil
}

// encodeElements appends n elements, the first of which lies at first.
func (o *op) encodeElements(dst []byte, first place, n int) (_ []byte, err error) {
	dst, i := o.encodeElementsHot(dst, first, n)
	for ; i < n; i++ {
		if dst, err = o.encodeElement(dst, o.at(first, i)); err != nil {
			return nil, element(err, -1, i, KindList)
		}
	}
	return dst, nil
}

// encodeElement appends an element of a list or map.
func (o *op) encodeElement(dst []byte, at place) (_ []byte, err error) {
	switch o.code {
	case opString:
		return appendElementText(dst, getString(at))
	case opUint:
		return AppendUvarint(dst, o.getUint(at)), nil
	case opInt:
		return AppendVarint(dst, o.getInt(at)), nil
	case opBool:
		if getBool(at) {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case opFloat32:
		return AppendFixed32(dst, float32Bits(getFloat32(at))), nil
	case opFloat64:
		return AppendFixed64(dst, float64Bits(getFloat64(at))), nil
	}
	body := len(dst) + 1
	if dst, err = o.payload(append(dst, 0), at); err != nil {
		return nil, err
	}
	return closePrefixed(dst, body), nil
}

// entry is where a map's key and value lie among those appended so far.
type entry struct{ key, value, end int }

// encodeMap appends the entries as the map yields them, and then puts them in order.
func (o *op) encodeMap(dst []byte, at place) ([]byte, error) {
	m := o.value(at)
	key, elem := newValue(o.key), newValue(o.elem)
	entries := make([]entry, 0, m.Len())
	start := len(dst)
	for it := m.MapRange(); it.Next(); {
		key.SetIterKey(it)
		elem.SetIterValue(it)
		e := entry{key: len(dst)}
		var err error
		if dst, err = o.key.encodeElement(dst, placeOf(key.Addr())); err == nil {
			e.value = len(dst)
			dst, err = o.elem.encodeElement(dst, placeOf(elem.Addr()))
		}
		if err != nil {
			return nil, element(err, -1, len(entries), KindMap)
		}
		e.end = len(dst)
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return bytes.Compare(dst[a.key:a.value], dst[b.key:b.value])
	})
	for i, e := range entries {
		if i > 0 && bytes.Equal(dst[entries[i-1].key:entries[i-1].value], dst[e.key:e.value]) {
			return nil, &Error{Offset: -1, Reason: "two keys of a map have the same text", Err: ErrNotCanonical}
		}
	}
	sorted := make([]byte, 0, len(dst)-start)
	for _, e := range entries {
		sorted = append(sorted, dst[e.key:e.end]...)
	}
	return append(dst[:start], sorted...), nil
}

// appendElementText appends text with its length as a varint in front.
func appendElementText(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		e := errUTF8
		return nil, &e
	}
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...), nil
}

// appendText appends a text field's head and bytes.
func appendText(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		e := errUTF8
		return nil, &e
	}
	return append(appendLength(dst, len(s)), s...), nil
}
