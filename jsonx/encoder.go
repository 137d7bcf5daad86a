package jsonx

import (
	"errors"
	"io"
	"math"
	"strconv"
)

// ErrMisplaced is returned when an Encoder is asked for what cannot stand where it is: a value without a name in an
// object, a name outside of one, an end without a beginning.
var ErrMisplaced = errors.New("jsonx: misplaced token")

// Encoder writes a stream of JSON texts, each followed by a line feed (NDJSON), as whole values and as tokens. It
// writes when a text is complete and whenever its buffer is full, so the memory it needs is bounded by the longest
// value passed in one call, plus the names of the open objects, which it refuses to repeat unless AllowDuplicateNames
// is given.
//
// An error leaves the Encoder as it was, so another call may follow, unless the writer failed: that error is returned
// by every later call. One goroutine at a time.
type Encoder struct {
	w   io.Writer
	opt options
	buf []byte
	err error // of w

	levels []level
	names  rules
}

// NewEncoder returns an Encoder that writes to w. MaxDepth limits the whole nesting, that of values
// written as a whole included; MaxMembers each object that is
// written by tokens.
func NewEncoder(w io.Writer, opts ...Option) *Encoder {
	return &Encoder{w: w, opt: collect(opts)}
}

// Depth returns how many arrays and objects are open.
func (e *Encoder) Depth() int { return len(e.levels) }

// BeginObject opens an object: names and values follow by turns, then EndObject.
func (e *Encoder) BeginObject() error { return e.begin('{') }

// BeginArray opens an array: values follow, then EndArray.
func (e *Encoder) BeginArray() error { return e.begin('[') }

// EndObject closes the object opened last.
func (e *Encoder) EndObject() error { return e.end('}') }

// EndArray closes the array opened last.
func (e *Encoder) EndArray() error { return e.end(']') }

// Name writes the name of the member whose value is written next; ErrDuplicateName if the object has it already.
func (e *Encoder) Name(s string) error {
	top := len(e.levels) - 1
	if e.err != nil {
		return e.err
	}
	if top < 0 || !e.levels[top].object || e.levels[top].value {
		return ErrMisplaced
	}
	n := len(e.buf)
	if e.levels[top].n > 0 {
		e.buf = append(e.buf, ',')
	}
	buf, err := appendQuote(e.buf, s, e.opt.html)
	if err == nil {
		err = cause(e.names.name([]byte(s), true))
	}
	if err != nil {
		e.buf = e.buf[:n]
		return err
	}
	e.buf = append(buf, ':')
	e.levels[top].value = true
	return nil
}

// String writes s; ErrInvalidUTF8 if it is not UTF-8.
func (e *Encoder) String(s string) error {
	return e.value(func(dst []byte) ([]byte, error) { return appendQuote(dst, s, e.opt.html) })
}

// Int writes i.
func (e *Encoder) Int(i int64) error {
	return e.value(func(dst []byte) ([]byte, error) { return strconv.AppendInt(dst, i, 10), nil })
}

// Uint writes u.
func (e *Encoder) Uint(u uint64) error {
	return e.value(func(dst []byte) ([]byte, error) { return strconv.AppendUint(dst, u, 10), nil })
}

// Float writes the shortest number that reads back as f; ErrNotFinite for NaN and the infinities.
func (e *Encoder) Float(f float64) error {
	return e.value(func(dst []byte) ([]byte, error) { return appendFloat(dst, f, 64) })
}

// Bool writes a literal.
func (e *Encoder) Bool(b bool) error {
	return e.value(func(dst []byte) ([]byte, error) { return strconv.AppendBool(dst, b), nil })
}

// Null writes a literal.
func (e *Encoder) Null() error {
	return e.value(func(dst []byte) ([]byte, error) { return append(dst, "null"...), nil })
}

// Raw writes one JSON value given as text, without its white space; a *SyntaxError if it is none.
func (e *Encoder) Raw(text RawValue) error {
	return e.value(func(dst []byte) ([]byte, error) { return compact(dst, text, e.opt.maxDepth-len(e.levels)) })
}

// Flush writes what is buffered of a text that is not complete.
func (e *Encoder) Flush() error {
	if e.err == nil && len(e.buf) > 0 {
		_, e.err = e.w.Write(e.buf)
		if e.buf = e.buf[:0]; cap(e.buf) > 32*bufferBytes {
			e.buf = nil // one long value made it large
		}
	}
	return e.err
}

// place writes the comma before the next value; the error says why none may follow.
func (e *Encoder) place() error {
	if e.err != nil {
		return e.err
	}
	if top := len(e.levels) - 1; top >= 0 {
		l := &e.levels[top]
		if l.object && !l.value {
			return ErrMisplaced
		}
		if !l.object && l.n > 0 {
			e.buf = append(e.buf, ',')
		}
	}
	return nil
}

func (e *Encoder) value(add func([]byte) ([]byte, error)) error {
	n := len(e.buf)
	if err := e.place(); err != nil {
		return err
	}
	buf, err := add(e.buf)
	if err != nil {
		e.buf = e.buf[:n]
		return err
	}
	e.buf = buf
	return e.finish()
}

// finish notes that a value is complete.
func (e *Encoder) finish() error {
	if top := len(e.levels) - 1; top >= 0 {
		e.levels[top].n++
		e.levels[top].value = false
		if len(e.buf) < bufferBytes {
			return nil
		}
	} else {
		e.buf = append(e.buf, '\n')
	}
	return e.Flush()
}

func (e *Encoder) begin(c byte) error {
	if len(e.levels) >= e.opt.maxDepth {
		return ErrTooDeep
	}
	if err := e.place(); err != nil {
		return err
	}
	e.buf = append(e.buf, c)
	e.levels = append(e.levels, level{object: c == '{'})
	if c == '{' {
		e.names.dups, e.names.maxString, e.names.maxMembers = e.opt.dups, math.MaxInt, e.opt.maxMembers
		e.names.open()
	}
	return nil
}

func (e *Encoder) end(c byte) error {
	top := len(e.levels) - 1
	if e.err != nil {
		return e.err
	}
	if top < 0 || e.levels[top].closing() != c || e.levels[top].value {
		return ErrMisplaced
	}
	if c == '}' {
		e.names.close()
	}
	e.levels = e.levels[:top]
	e.buf = append(e.buf, c)
	return e.finish()
}
