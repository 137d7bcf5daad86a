package binenc

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"
)

// Decoder walks over the fields of one message:
//
//	d := binenc.NewDecoder(msg)
//	for number, _, ok := d.Next(); ok; number, _, ok = d.Next() {
//		switch number {
//		case 1:
//			id = d.Uint()
//		case 2:
//			name = d.String()
//		}
//	}
//	return d.Err()
//
// A field whose value is not asked for is passed over. The first error is kept: after it
// Next says false and every method returns a zero value. A Decoder does not know the
// fields' types, so it cannot see a zero that should have been left out; [CheckMessage]
// and [Plan.Decode] do. It is a value; copying it copies the position. It is for one
// goroutine.
type Decoder struct {
	buf          []byte
	off          int // where the next field begins
	at, from, to int // head and payload of the field under the cursor
	number       uint32
	wire         Wire
	err          error
}

// NewDecoder returns a decoder at the start of msg. What its methods return aliases msg
// where they say so, and is valid until msg changes.
func NewDecoder(msg []byte) Decoder { return Decoder{buf: msg} }

// Err returns the first error, an [*Error], or nil at a clean end.
func (d *Decoder) Err() error { return d.err }

// Offset returns where the field under the cursor has its payload.
func (d *Decoder) Offset() int { return d.from }

// Next goes to the next field; ok is false at the end and on an error.
func (d *Decoder) Next() (number uint32, w Wire, ok bool) {
	if d.err != nil || d.off == len(d.buf) {
		return 0, 0, false
	}
	if h := d.buf[d.off]; h <= maxInlineInt && d.number < MaxNumber {
		d.number++
		d.wire, d.at, d.from, d.to = WireInt, d.off, d.off, d.off+1
		d.off++
		return d.number, WireInt, true
	}
	if d.err = d.next(); d.err != nil {
		return 0, 0, false
	}
	return d.number, d.wire, true
}

func (d *Decoder) next() (err error) {
	width, at, err := gap(d.buf, d.off)
	if err != nil {
		return err
	}
	if number := uint64(d.number) + uint64(width) + 1; number > MaxNumber {
		return &Error{Offset: d.off, Reason: "a field number is more than MaxNumber", Err: ErrLimit}
	}
	d.number += width + 1
	if d.wire, d.from, d.to, err = head(d.buf, at); err != nil {
		err.(*Error).Field = d.number
		return err
	}
	d.at, d.off = at, d.to
	return nil
}

// want is the payload of the field under the cursor, which must be of wire type w.
func (d *Decoder) want(w Wire) []byte {
	switch {
	case d.err != nil:
		return nil
	case d.wire != w:
		d.fail("want "+w.String()+", found "+d.wire.String(), ErrType)
		return nil
	}
	return d.buf[d.from:d.to:d.to]
}

func (d *Decoder) fail(reason string, err error) {
	if d.err == nil {
		d.err = &Error{Offset: d.from, Field: d.number, Reason: reason, Err: err}
	}
}

// failed takes over the error of a payload.
func (d *Decoder) failed(err error) bool {
	if err != nil && d.err == nil {
		d.err = within(shift(err, d.from), d.from, d.number, "")
	}
	return err != nil
}

// Uint returns an unsigned integer.
func (d *Decoder) Uint() uint64 { return loadLE(d.want(WireInt)) }

// Int returns a signed integer.
func (d *Decoder) Int() int64 { return unzigzag(d.Uint()) }

// Duration returns a number of nanoseconds.
func (d *Decoder) Duration() time.Duration { return time.Duration(d.Int()) }

// Bool returns a truth value; an integer above 1 is an error.
func (d *Decoder) Bool() bool {
	v := d.Uint()
	if v > 1 {
		d.fail("a bool is neither 0 nor 1", ErrMalformed)
	}
	return v == 1
}

// Float32 returns a float32; a NaN must be the canonical one.
func (d *Decoder) Float32() float32 {
	b := d.want(WireFixed32)
	if b == nil {
		return 0
	}
	v, err := readFloat32(binary.LittleEndian.Uint32(b))
	d.failed(err)
	return v
}

// Float64 returns a float64; a NaN must be the canonical one.
func (d *Decoder) Float64() float64 {
	b := d.want(WireFixed64)
	if b == nil {
		return 0
	}
	v, err := readFloat64(binary.LittleEndian.Uint64(b))
	d.failed(err)
	return v
}

// Bytes returns the payload of wire type bytes, whatever its kind; it aliases the
// message. [NewReader] reads the elements of a list or map in it, NewDecoder a message.
func (d *Decoder) Bytes() []byte { return d.want(WireBytes) }

// String returns text as a copy; what is not UTF-8 is an error.
func (d *Decoder) String() string {
	b := d.want(WireBytes)
	if !utf8.Valid(b) {
		d.fail("text is not UTF-8", ErrUTF8)
		return ""
	}
	return string(b)
}

// ID returns sixteen bytes.
func (d *Decoder) ID() (id [16]byte) {
	b := d.want(WireBytes)
	if d.err == nil && len(b) != len(id) {
		d.fail("an id is not of 16 bytes", ErrMalformed)
		return id
	}
	copy(id[:], b)
	return id
}

// Time returns a moment, in UTC.
func (d *Decoder) Time() time.Time {
	b := d.want(WireBytes)
	if d.err != nil {
		return time.Time{}
	}
	t, err := readTime(b)
	d.failed(err)
	return t
}

// Decimal returns a decimal number.
func (d *Decoder) Decimal() Decimal {
	b := d.want(WireBytes)
	if d.err != nil {
		return Decimal{}
	}
	v, err := readDecimal(b)
	d.failed(err)
	return v
}

// Payload returns the payload of any wire type as [Lookup] does; it aliases the message.
func (d *Decoder) Payload() []byte { return d.want(d.wire) }

// value is head and payload of the field under the cursor.
func (d *Decoder) value() []byte { return d.buf[d.at:d.to] }

// shift makes an error of a part one of the whole.
func shift(err error, base int) error {
	if e, ok := err.(*Error); ok {
		e.Offset += base
	}
	return err
}

func readFloat32(u uint32) (float32, error) {
	v := math.Float32frombits(u)
	if v != v && u != nan32 {
		return 0, notCanonical(0, "a NaN is not the canonical one")
	}
	return v, nil
}

func readFloat64(u uint64) (float64, error) {
	v := math.Float64frombits(u)
	if v != v && u != nan64 {
		return 0, notCanonical(0, "a NaN is not the canonical one")
	}
	return v, nil
}
