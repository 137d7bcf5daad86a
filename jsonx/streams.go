package jsonx

// Encode writes v, as Append does: outside of arrays and objects as a text of its own, followed by a line feed, in one
// call of Write (NDJSON); inside as the next element, or as the value of the name written last.
func (e *Encoder) Encode(v any) error {
	return e.value(func(dst []byte) ([]byte, error) { return Append(dst, v, e.opts...) })
}

// Decode reads the next value into v, as Unmarshal does; io.EOF and ErrNoValue as for ReadValue. A value that is well
// formed but does not fit v has been taken, and reading may go on after it.
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
