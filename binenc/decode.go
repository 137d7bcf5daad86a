package binenc

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// Strings up to sharedString bytes are cut from copies of stretches of the message of at
// most sharedBlock bytes, so that a record of many short texts takes one allocation for
// all of them.
const (
	sharedString = 256
	sharedBlock  = 1024
)

// decoding is one call of Decode. Offsets count from the start of msg, at any depth.
type decoding struct {
	msg     []byte
	block   string // a copy of msg[blockAt:]
	blockAt int
	alias   bool
}

// message fills the struct at base, which is zero, from msg[off:end].
func (d *decoding) message(p *program, base place, off, end int) error {
	buf, number, i := d.msg[:end], uint32(0), 0
	var rest writer
	for {
		var err error
		if i < len(p.ops) && !p.ops[i].cold {
			off, i, number, err = d.messageHot(p, base, off, end, i, number)
		}
		if err != nil || off == end {
			return d.leave(p, base, rest.buf, err)
		}
		start := off
		if buf[off] >= headShortGap {
			width, next, err := gap(buf, off)
			if err == nil && uint64(number)+uint64(width) >= MaxNumber {
				err = &Error{Offset: off, Reason: "a field number is more than MaxNumber", Err: ErrLimit}
			}
			if err != nil {
				return err
			}
			number, off = number+width, next
		}
		if number++; number > MaxNumber {
			return &Error{Offset: start, Reason: "a field number is more than MaxNumber", Err: ErrLimit}
		}
		for i < len(p.ops) && p.ops[i].number < number {
			i++
		}
		w, from, to, err := fieldAt(buf, off)
		switch {
		case i < len(p.ops) && p.ops[i].number == number:
			o := &p.ops[i]
			if err == nil {
				err = d.field(o, o.in(base), w, from, to)
			}
			if err != nil {
				return within(err, from, number, o.name)
			}
		case err != nil:
			return within(err, off, number, "")
		case p.unknown != nil:
			rest.buf = append(appendGap(rest.buf, number-rest.last-1), buf[off:to]...)
			rest.last = number
		}
		off = to
		if i < len(p.ops) && p.ops[i].number == number {
			i++
		}
	}
}

// leave is the end of message: it sets the fields that the plan does not know.
func (d *decoding) leave(p *program, base place, unknown []byte, err error) error {
	if unknown != nil && err == nil {
		setBytes(p.unknown.in(base), unknown)
	}
	return err
}

// fieldAt is head with the two most frequent cases in front.
func fieldAt(buf []byte, off int) (w Wire, from, to int, err error) {
	h := buf[off]
	if h < headShortBytes {
		return WireInt, off, off + 1, nil
	}
	if to = off + 1 + int(h-headShortBytes); h < headInt && to <= len(buf) {
		return WireBytes, off + 1, to, nil
	}
	return head(buf, off)
}

// field sets the field at p from the payload msg[from:to].
func (d *decoding) field(o *op, p place, w Wire, from, to int) error {
	if w != o.wire {
		return mismatch(from, "want "+o.wire.String()+" for "+o.want+", found "+w.String())
	}
	if o.optional {
		p = o.alloc(p)
	}
	switch o.code {
	case opString:
		if from == to && !o.optional {
			return zeroWritten(from)
		}
		return d.text(p, from, to)
	case opBool, opInt, opUint:
		v := uint64(d.msg[from])
		if to-from > 1 {
			v = d.integer(from, to)
		}
		if v == 0 && !o.optional {
			return zeroWritten(from)
		}
		return o.setInteger(p, v, from)
	case opFloat32, opFloat64:
		if !o.optional && isDefault(d.msg[from:to], KindFloat64) {
			return zeroWritten(from)
		}
		return d.float(o, p, from)
	}
	if from == to && !o.optional && o.emptyIsZero() {
		return zeroWritten(from)
	}
	return d.value(o, p, from, to)
}

func zeroWritten(off int) error { return notCanonical(off, "a zero value is written") }

// integer reads the little-endian bytes of an integer field.
func (d *decoding) integer(from, to int) uint64 {
	if from+8 <= len(d.msg) {
		return binary.LittleEndian.Uint64(d.msg[from:]) << (64 - 8*(to-from)) >> (64 - 8*(to-from))
	}
	return loadLE(d.msg[from:to])
}

// setInteger puts v where its op says, un-zig-zagged where it is signed.
func (o *op) setInteger(p place, v uint64, off int) error {
	switch o.code {
	case opUint:
		if !o.setUint(p, v) {
			return mismatch(off, fmt.Sprintf("%d does not fit into %s", v, o.typ))
		}
	case opInt:
		if !o.setInt(p, unzigzag(v)) {
			return mismatch(off, fmt.Sprintf("%d does not fit into %s", unzigzag(v), o.typ))
		}
	default:
		if v > 1 {
			return malformed(off, "a bool is neither 0 nor 1")
		}
		setBool(p, v == 1)
	}
	return nil
}

// float reads the four or eight bytes at from, which are there.
func (d *decoding) float(o *op, p place, from int) error {
	if o.code == opFloat32 {
		v, err := readFloat32(binary.LittleEndian.Uint32(d.msg[from:]))
		setFloat32(p, v)
		return shift(err, from)
	}
	v, err := readFloat64(binary.LittleEndian.Uint64(d.msg[from:]))
	setFloat64(p, v)
	return shift(err, from)
}

// text sets the string at p.
func (d *decoding) text(p place, from, to int) error {
	s := d.string(from, to)
	if !d.ascii(from, to) && !utf8.ValidString(s) {
		return &Error{Offset: from, Reason: "text is not UTF-8", Err: ErrUTF8}
	}
	setString(p, s)
	return nil
}

// ascii says whether msg[from:to] is ASCII, and may say false where it cannot tell
// quickly: it looks at eight bytes at a time, also beyond to.
func (d *decoding) ascii(from, to int) bool {
	seen, n := uint64(0), to-from
	switch {
	case n >= 8:
		for i := from; i < to-8; i += 8 {
			seen |= binary.LittleEndian.Uint64(d.msg[i:])
		}
		seen |= binary.LittleEndian.Uint64(d.msg[to-8:])
	case from+8 <= len(d.msg):
		seen = binary.LittleEndian.Uint64(d.msg[from:]) << (64 - 8*n)
	default:
		return false
	}
	return seen&0x8080808080808080 == 0
}

func (d *decoding) string(from, to int) string {
	if to-from > sharedString && !d.alias {
		return string(d.msg[from:to])
	}
	if from < d.blockAt || to > d.blockAt+len(d.block) {
		d.fill(from)
	}
	return d.block[from-d.blockAt : to-d.blockAt]
}

// fill makes a block that begins at from; an aliasing decode has all of msg for one.
func (d *decoding) fill(from int) {
	if d.alias {
		d.block, d.blockAt = aliasString(d.msg), 0
		return
	}
	d.block, d.blockAt = string(d.msg[from:min(from+sharedBlock, len(d.msg))]), from
}

// value sets what has wire type bytes from its payload.
func (d *decoding) value(o *op, p place, from, to int) error {
	b := d.msg[from:to:to]
	switch o.code {
	case opString:
		return d.text(p, from, to)
	case opText:
		return d.unmarshalText(o, p, b, from)
	case opBytes:
		if !d.alias {
			b = append(make([]byte, 0, len(b)), b...)
		}
		setBytes(p, b)
	case opTime:
		t, err := readTime(b)
		if err == nil && t.IsZero() && !o.optional && o.number != 0 {
			err = zeroWritten(0)
		}
		setTime(p, t)
		return shift(err, from)
	case opID:
		if len(b) != 16 {
			return malformed(from, "an id is not of 16 bytes")
		}
		id := [16]byte(b)
		if id == [16]byte{} && !o.optional && o.number != 0 {
			return zeroWritten(from)
		}
		setID(p, id)
	case opDecimal:
		v, err := readDecimal(b)
		setDecimal(p, v)
		return shift(err, from)
	case opList:
		return d.list(o, p, from, to)
	case opMap:
		return d.mapping(o, p, from, to)
	case opCoder:
		return shift(o.value(p).Addr().Interface().(Coder).DecodeBinenc(b), from)
	default:
		return d.message(o.msg, p, from, to)
	}
	return nil
}

func (d *decoding) unmarshalText(o *op, p place, b []byte, from int) error {
	if !utf8.Valid(b) {
		return &Error{Offset: from, Reason: "text is not UTF-8", Err: ErrUTF8}
	}
	return o.value(p).Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(bytes.Clone(b))
}

// list makes a slice of as many elements as there are and fills it.
func (d *decoding) list(o *op, p place, from, to int) error {
	n := d.count(o.elem, from, to)
	first, e := o.makeSlice(p, n), o.elem
	from, i := d.elementsHot(e, first, n, from, to)
	for ; i < n; i++ {
		at, next := e.at(first, i), 0
		var err error
		if size := int(d.msg[from]); size < 0x80 && size < to-from && e.wire == WireBytes {
			next = from + 1 + size
			switch e.code {
			case opString:
				err = d.text(at, from+1, next)
			case opMessage:
				err = d.message(e.msg, at, from+1, next)
			default:
				err = d.value(e, at, from+1, next)
			}
		} else {
			next, err = d.element(e, at, from, to)
		}
		if err != nil {
			return element(err, from, i, KindList)
		}
		from = next
	}
	return nil
}

// count says how many elements lie in msg[from:to], without looking into them.
func (d *decoding) count(o *op, from, to int) (n int) {
	switch o.wire {
	case WireInt:
		for _, c := range d.msg[from:to] {
			n += int(^c >> 7)
		}
		if to > from && d.msg[to-1] >= 0x80 {
			n++ // cut short; reading it says so
		}
	case WireFixed32:
		n = (to - from + 3) / 4
	case WireFixed64:
		n = (to - from + 7) / 8
	default:
		for ; from < to; n++ {
			if c := d.msg[from]; c < 0x80 && int(c) < to-from {
				from += 1 + int(c)
				continue
			}
			_, next, err := prefixed(d.msg[:to], from)
			if err != nil {
				return n + 1 // reading it says what is wrong, after what comes before
			}
			from = next
		}
	}
	return n
}

// element sets the element at p from msg[off:end] and returns where the next begins.
func (d *decoding) element(o *op, p place, off, end int) (next int, err error) {
	switch o.wire {
	case WireInt:
		v, next, err := uvarint(d.msg[:end], off)
		if err != nil {
			return 0, err
		}
		return next, o.setInteger(p, v, off)
	case WireFixed32, WireFixed64:
		next = off + 4
		if o.wire == WireFixed64 {
			next = off + 8
		}
		if next > end {
			return 0, short(off, next-end)
		}
		return next, d.float(o, p, off)
	}
	from := off + 1
	if c := d.msg[off]; c < 0x80 && int(c) < end-off {
		next = from + int(c)
	} else if from, next, err = prefixed(d.msg[:end], off); err != nil {
		return 0, err
	}
	if o.code == opString {
		return next, d.text(p, from, next)
	}
	return next, d.value(o, p, from, next)
}

// mapping makes a map and fills it.
func (d *decoding) mapping(o *op, p place, from, to int) error {
	m := reflect.MakeMap(o.typ)
	o.value(p).Set(m)
	key, elem := newValue(o.key), newValue(o.elem)
	var last []byte
	for i := 0; from < to; i++ {
		key.SetZero()
		elem.SetZero()
		mid, err := d.element(o.key, placeOf(key.Addr()), from, to)
		if err == nil && last != nil && bytes.Compare(d.msg[from:mid], last) <= 0 {
			err = notCanonical(from, "map keys do not ascend")
		}
		if err == nil && mid == to {
			err = short(mid, 1)
		}
		next := mid
		if err == nil {
			next, err = d.element(o.elem, placeOf(elem.Addr()), mid, to)
		}
		if err != nil {
			return element(err, from, i, KindMap)
		}
		m.SetMapIndex(key, elem)
		last, from = d.msg[from:mid], next
	}
	return nil
}

// newValue is a zero value that can be set.
func newValue(o *op) reflect.Value { return reflect.New(o.typ).Elem() }
