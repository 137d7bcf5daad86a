package jsonx

import (
	"bytes"
	"io"
	"math/bits"
)

// This file is the Decoder's window on the stream: what of it is in memory, where that is, and what is said of faults.

// space moves to the next byte that is no white space.
func (d *Decoder) space() (c byte, ok bool) {
	for {
		if d.pos < len(d.buf) && d.buf[d.pos] > ' ' {
			return d.buf[d.pos], true
		}
		if d.pos = skipSpace(d.buf, d.pos); d.pos < len(d.buf) {
			return d.buf[d.pos], true
		}
		if !d.fill() {
			return 0, false
		}
	}
}

// fill reads more, dropping what has been taken; false at the end.
func (d *Decoder) fill() bool {
	if d.eof = d.eof || d.r == nil; d.eof {
		return false
	}
	d.drop()
	if len(d.buf) == cap(d.buf) {
		d.buf = append(make([]byte, 0, max(bufferBytes, 2*cap(d.buf))), d.buf...)
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

// drop forgets buf[:pos], keeping count of lines, and gives back a buffer that one long value made large.
func (d *Decoder) drop() {
	if d.pos == 0 {
		return
	}
	gone := d.buf[:d.pos]
	d.base += int64(d.pos)
	if i := bytes.LastIndexByte(gone, '\n'); i >= 0 {
		d.line += bytes.Count(gone, []byte{'\n'})
		d.col, gone = 0, gone[i+1:]
	}
	d.col += characters(gone)
	rest := d.buf[d.pos:]
	if cap(d.buf) > 32*bufferBytes && len(rest) < cap(d.buf)/16 {
		d.buf = make([]byte, 0, cap(d.buf)/4)
	}
	d.buf = append(d.buf[:0], rest...)
	d.pos = 0
}

// characters counts the bytes of b that do not continue a UTF-8 character, a word at a time.
func characters(b []byte) (n int) {
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		w := load64(b, i)
		n += 8 - bits.OnesCount64(w&^(w<<1)&highs)
	}
	for ; i < len(b); i++ {
		if b[i]&0xC0 != 0x80 {
			n++
		}
	}
	return n
}

// end is the error where a text may begin and there is nothing more.
func (d *Decoder) end() error {
	d.err = io.EOF
	if d.rerr != nil {
		d.err = d.rerr
	}
	return d.err
}

func (d *Decoder) large() error { return d.failed(d.pos, "a shorter value", ErrTooLarge) }

// fault is the error at buf[off], for good.
func (d *Decoder) fault(off int, expected string) error {
	if off >= len(d.buf) && d.rerr != nil {
		d.err = d.rerr
		return d.err
	}
	return d.failed(off, expected, nil)
}

func (d *Decoder) failed(off int, expected string, err error) error {
	e := syntaxError(d.buf[d.pos:], off-d.pos, expected, err)
	e.Pointer = d.Pointer() + e.Pointer
	e.Offset = d.base + int64(off)
	line, col, excerpt := place(d.buf, off)
	if e.Line, e.Column, e.Excerpt = d.line+line, col, excerpt; line == 1 {
		e.Column += d.col
	}
	d.err = e
	return e
}

// boundary finds where an array or object ends without judging it.
type boundary struct {
	depth    int
	str, esc bool
}

// find looks at b from b[i]; it says where it stopped, and whether the value ended there.
func (s *boundary) find(b []byte, i int) (end int, whole bool) {
	for i < len(b) {
		if s.esc {
			s.esc = false
			i++
			continue
		}
		if s.str {
			if i = plainRun(b, i); i == len(b) {
				break
			}
			s.str, s.esc = b[i] != '"', b[i] == '\\'
			i++
			continue
		}
		c := b[i]
		i++
		switch c {
		case '"':
			s.str = true
		case '{', '[':
			s.depth++
		case '}', ']':
			if s.depth--; s.depth <= 0 {
				return i, true
			}
		}
	}
	return i, false
}
