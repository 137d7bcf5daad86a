package jsonx

import (
	"bytes"
	"io"
)

// Encoder writes JSON values, each followed by a line feed (NDJSON), to a writer.
type Encoder struct {
	w    io.Writer
	opts []Option
	buf  []byte
}

// NewEncoder returns an Encoder that writes to w.
func NewEncoder(w io.Writer, opts ...Option) *Encoder { return &Encoder{w: w, opts: opts} }

// Encode writes v and a line feed in one call of Write.
func (e *Encoder) Encode(v any) (err error) {
	if e.buf, err = Append(e.buf[:0], v, e.opts...); err != nil {
		return err
	}
	e.buf = append(e.buf, '\n')
	_, err = e.w.Write(e.buf)
	return err
}

// Decoder reads a sequence of JSON values, with or without white space between them. It buffers one value at a time;
// positions in its errors count from the start of that value.
type Decoder struct {
	r    io.Reader
	buf  []byte // buf[pos:] is unread
	pos  int
	opt  options
	eof  bool
	rerr error
}

// NewDecoder returns a Decoder that reads from r. MaxBytes limits each value.
func NewDecoder(r io.Reader, opts ...Option) *Decoder { return &Decoder{r: r, opt: collect(opts)} }

// More reports whether another value (or garbage) follows.
func (d *Decoder) More() bool {
	for {
		rest := bytes.TrimLeft(d.buf[d.pos:], " \t\r\n")
		d.pos = len(d.buf) - len(rest)
		if len(rest) > 0 {
			return true
		}
		if !d.fill() {
			return false
		}
	}
}

// Decode reads the next value into v; io.EOF when there is none.
func (d *Decoder) Decode(v any) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	p := parser{data: raw, opt: d.opt}
	if err := p.into(v); err != nil {
		return err
	}
	return p.end()
}

// ReadValue returns the text of the next value, checked, valid until the next call; io.EOF when there is none.
func (d *Decoder) ReadValue() (RawValue, error) {
	if !d.More() {
		if d.rerr != nil {
			return nil, d.rerr
		}
		return nil, io.EOF
	}
	var b boundary
	for n := 0; ; {
		end, done := b.find(d.buf[d.pos:], n)
		if done || d.opt.maxBytes > 0 && end > d.opt.maxBytes {
			return d.take(end)
		}
		n = end
		if !d.fill() {
			if d.rerr != nil {
				return nil, d.rerr
			}
			return d.take(end)
		}
	}
}

func (d *Decoder) take(n int) (RawValue, error) {
	raw := d.buf[d.pos : d.pos+n : d.pos+n]
	p := parser{data: raw, opt: d.opt}
	err := p.size()
	if err == nil {
		err = p.skip()
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, err
	}
	d.pos += n
	return raw, nil
}

// fill reads more, dropping what has been taken; false at the end.
func (d *Decoder) fill() bool {
	if d.eof {
		return false
	}
	if d.pos > 0 {
		d.buf = d.buf[:copy(d.buf, d.buf[d.pos:])]
		d.pos = 0
	}
	if len(d.buf) == cap(d.buf) {
		d.buf = append(make([]byte, 0, max(4096, 2*cap(d.buf))), d.buf...)
	}
	for range 100 {
		n, err := d.r.Read(d.buf[len(d.buf):cap(d.buf)])
		d.buf = d.buf[:len(d.buf)+n]
		if err != nil {
			d.eof = true
			if err != io.EOF {
				d.rerr = err
			}
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
	d.eof, d.rerr = true, io.ErrNoProgress
	return false
}

// boundary finds where a value ends without judging it, and goes on where it stopped when more bytes come.
type boundary struct {
	depth           int
	str, esc, plain bool
}

func (s *boundary) find(b []byte, i int) (end int, done bool) {
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case s.str:
			if s.esc {
				s.esc = false
			} else if c == '\\' {
				s.esc = true
			} else if c == '"' {
				if s.str = false; s.depth == 0 {
					return i + 1, true
				}
			}
		case s.plain && bytes.IndexByte([]byte(" \t\r\n,:[]{}\""), c) >= 0:
			return i, true
		case s.plain:
		case c == '"':
			s.str = true
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			if s.depth--; s.depth <= 0 {
				return i + 1, true
			}
		case s.depth == 0 && bytes.IndexByte([]byte(",:"), c) >= 0:
			return i + 1, true
		case s.depth == 0:
			s.plain = true
		}
	}
	return i, false
}
