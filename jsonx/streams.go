package jsonx

// Encode writes v, as Append does: outside of arrays and objects as a text of its own, followed by a line feed, in one
// call of Write (NDJSON); inside as the next element, or as the value of the name written last.
func (e *Encoder) Encode(v any) error {
	return e.value(func(dst []byte) ([]byte, error) {
		s := encodePool.Get().(*encodeState)
		s.opt, s.custom, s.depth = e.opt, true, len(e.levels)
		out, err := s.value(dst, v)
		s.free()
		return out, err
	})
}

// Decode reads the next value into v, as Unmarshal does; io.EOF and ErrNoValue as for ReadValue. A value that is well
// formed but does not fit v, an *UnmarshalError with positions in the stream, has been taken, and reading may go on after
// it.
func (d *Decoder) Decode(v any) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	p := parser{data: raw, opt: d.opt}
	if err = p.into(v); err == nil {
		err = p.end()
	}
	if e, ok := err.(*UnmarshalError); ok {
		d.relocate(e, d.pos-len(raw))
	}
	return err
}

// relocate turns positions within the value at buf[off] into positions in the stream.
func (d *Decoder) relocate(e *UnmarshalError, off int) {
	line, col, _ := place(d.buf, off)
	if line == 1 {
		col += d.col
	}
	if e.Line == 1 {
		e.Column += col - 1
	}
	e.Line += d.line + line - 1
	e.Offset += d.base + int64(off)
	e.Pointer = d.Pointer() + e.Pointer
}
