package binenc

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Encoder writes one message field by field, in ascending order of their numbers. Zero
// values are left out, as the format asks of fields that are not optional; Present
// before a call has it written all the same:
//
//	e := binenc.NewEncoder(dst)
//	e.Uint(1, id)
//	e.String(2, name)
//	if due != nil {
//		e.Present().Time(5, *due)
//	}
//	dst, err := e.Message()
//
// The first error is kept and later calls do nothing. A number that does not ascend is a
// mistake in the program and panics. An Encoder is for one goroutine.
type Encoder struct {
	buf     []byte
	last    uint32
	present bool
	err     error
}

// NewEncoder returns an encoder that appends to dst.
func NewEncoder(dst []byte) Encoder { return Encoder{buf: dst} }

// Message returns dst with the message behind it, or the first error: [ErrUTF8],
// [ErrRange] or [ErrLimit] in an [*Error].
func (e *Encoder) Message() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	return e.buf, nil
}

// Present makes the next call write its value even where it is zero: an optional field
// that is set.
func (e *Encoder) Present() *Encoder {
	e.present = true
	return e
}

// begin says whether a value is to be written, and writes what leads to it.
func (e *Encoder) begin(number uint32, zero bool) bool {
	if number <= e.last || number > MaxNumber {
		panic(fmt.Sprintf("binenc: field %d after field %d", number, e.last))
	}
	write := e.err == nil && (e.present || !zero)
	e.present = false
	if write {
		e.buf = appendGap(e.buf, number-e.last-1)
		e.last = number
	}
	return write
}

func (e *Encoder) fail(number uint32, reason string, err error) {
	e.err = &Error{Offset: -1, Field: number, Reason: reason, Err: err}
}

// Uint writes an unsigned integer.
func (e *Encoder) Uint(number uint32, v uint64) {
	if e.begin(number, v == 0) {
		e.buf = appendInt(e.buf, v)
	}
}

// Int writes a signed integer.
func (e *Encoder) Int(number uint32, v int64) { e.Uint(number, zigzag(v)) }

// Duration writes a number of nanoseconds.
func (e *Encoder) Duration(number uint32, v time.Duration) { e.Int(number, int64(v)) }

// Bool writes a truth value.
func (e *Encoder) Bool(number uint32, v bool) {
	u := uint64(0)
	if v {
		u = 1
	}
	e.Uint(number, u)
}

// Float32 writes a float32. Every NaN becomes the canonical one; -0 is not zero.
func (e *Encoder) Float32(number uint32, v float32) {
	u := float32Bits(v)
	if e.begin(number, u == 0) {
		e.buf = AppendFixed32(append(e.buf, headFixed32), u)
	}
}

// Float64 writes a float64. Every NaN becomes the canonical one; -0 is not zero.
func (e *Encoder) Float64(number uint32, v float64) {
	u := float64Bits(v)
	if e.begin(number, u == 0) {
		e.buf = AppendFixed64(append(e.buf, headFixed64), u)
	}
}

// String writes text, which must be UTF-8.
func (e *Encoder) String(number uint32, s string) {
	if !e.begin(number, s == "") {
		return
	}
	if !utf8.ValidString(s) {
		e.fail(number, "text is not UTF-8", ErrUTF8)
		return
	}
	if e.length(number, len(s)) {
		e.buf = append(e.buf, s...)
	}
}

// Bytes writes bytes; nil is absent, empty ones are written. The payload of a list or
// map is written this way too.
func (e *Encoder) Bytes(number uint32, b []byte) {
	if e.begin(number, b == nil) && e.length(number, len(b)) {
		e.buf = append(e.buf, b...)
	}
}

// StringBytes writes the bytes of s as Bytes does, whatever they are; "" is absent.
func (e *Encoder) StringBytes(number uint32, s string) {
	if e.begin(number, s == "") && e.length(number, len(s)) {
		e.buf = append(e.buf, s...)
	}
}

func (e *Encoder) length(number uint32, n int) bool {
	if uint64(n) > MaxLength {
		e.fail(number, "a value is longer than MaxLength", ErrLimit)
		return false
	}
	e.buf = appendLength(e.buf, n)
	return true
}

// ID writes sixteen bytes.
func (e *Encoder) ID(number uint32, id [16]byte) {
	if e.begin(number, id == [16]byte{}) {
		e.buf = append(appendLength(e.buf, 16), id[:]...)
	}
}

// Time writes a moment from MinTime to MaxTime; its zone is not kept.
func (e *Encoder) Time(number uint32, t time.Time) {
	if !e.begin(number, t.IsZero()) {
		return
	}
	if !inRange(t) {
		e.fail(number, timeRange, ErrRange)
		return
	}
	e.buf = append(e.buf, 0)
	body := len(e.buf)
	e.buf = closeBytes(appendTime(e.buf, t), body)
}

// Decimal writes a decimal number.
func (e *Encoder) Decimal(number uint32, d Decimal) {
	if e.begin(number, d.IsZero()) {
		e.buf = append(e.buf, 0)
		body := len(e.buf)
		e.buf = closeBytes(appendDecimal(e.buf, d), body)
	}
}

// Mark is a message inside a message that was begun.
type Mark struct {
	start, body  int
	number, last uint32
	present      bool
}

// Begin begins a message as the value of a field; the calls up to End write its fields,
// whose numbers begin at 1 again.
func (e *Encoder) Begin(number uint32) Mark {
	m := Mark{start: len(e.buf), number: number, last: e.last, present: e.present}
	e.begin(number, false)
	e.buf = append(e.buf, 0)
	m.body = len(e.buf)
	e.last = 0
	return m
}

// End ends what Begin began. A message without fields is left out, unless Present was
// called before Begin.
func (e *Encoder) End(m Mark) {
	if e.err != nil {
		e.last = m.number
		return
	}
	if len(e.buf) == m.body && !m.present {
		e.buf, e.last = e.buf[:m.start], m.last
		return
	}
	e.last = m.number
	if uint64(len(e.buf)-m.body) > MaxLength {
		e.fail(m.number, "a value is longer than MaxLength", ErrLimit)
		return
	}
	e.buf = closeBytes(e.buf, m.body)
}

// float32Bits are v's bits, the same for every NaN.
func float32Bits(v float32) uint32 {
	if v != v {
		return nan32
	}
	return math.Float32bits(v)
}

func float64Bits(v float64) uint64 {
	if v != v {
		return nan64
	}
	return math.Float64bits(v)
}

// The one NaN of each width: quiet, positive, no payload.
const (
	nan32 = 0x7FC00000
	nan64 = 0x7FF8000000000000
)
