package binenc

import (
	"encoding/binary"
)

// Reader is a cursor over bytes. Its error is sticky: after the first one every method
// returns zero values, so that a caller checks Err once. It is a value; copying it
// copies the position.
type Reader struct {
	buf  []byte
	off  int
	last uint32 // number of the field before, for the ascending order
	err  error
}

// NewReader returns a cursor at the start of b. What it returns aliases b where its
// methods say so.
func NewReader(b []byte) Reader { return Reader{buf: b} }

// Len returns how many bytes are left; 0 after an error.
func (r *Reader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.buf) - r.off
}

// Err returns the first error, nil at a clean end.
func (r *Reader) Err() error { return r.err }

// Offset returns how many bytes were read.
func (r *Reader) Offset() int { return r.off }

func (r *Reader) fail(reason string) {
	if r.err == nil {
		r.err = &Error{Offset: r.off, Field: r.last, Reason: reason}
	}
}

// Uvarint reads a varint; one that is longer than need be or than ten bytes is an error.
func (r *Reader) Uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	if r.off < len(r.buf) && r.buf[r.off] < 0x80 {
		v := uint64(r.buf[r.off])
		r.off++
		return v
	}
	v, n := binary.Uvarint(r.buf[r.off:])
	switch {
	case n == 0:
		r.fail("input ends inside a varint")
		return 0
	case n < 0:
		r.fail("varint overflows 64 bits")
		return 0
	case n > 1 && r.buf[r.off+n-1] == 0:
		r.fail("varint is longer than need be")
		return 0
	}
	r.off += n
	return v
}

// Varint reads a zig-zag encoded varint.
func (r *Reader) Varint() int64 {
	v := r.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// Fixed32 reads four bytes, little-endian.
func (r *Reader) Fixed32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Fixed64 reads eight bytes, little-endian.
func (r *Reader) Fixed64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.buf)-r.off {
		r.fail("input ends inside a value")
		return nil
	}
	b := r.buf[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// Bytes reads a length and that many bytes, which alias the input.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if r.err == nil && n > uint64(len(r.buf)-r.off) {
		r.fail("length is more than what is left")
	}
	if r.err != nil {
		return nil
	}
	return r.take(int(n))
}

// String reads a length and that many bytes, as a copy.
func (r *Reader) String() string { return string(r.Bytes()) }

// Next reads the tag of the next field; ok is false at the end and on an error. Numbers
// must ascend: each field stands once.
func (r *Reader) Next() (number uint32, w Wire, ok bool) {
	if r.err != nil || r.off == len(r.buf) {
		return 0, 0, false
	}
	tag := r.Uvarint()
	if r.err != nil {
		return 0, 0, false
	}
	n := tag >> 3
	w = Wire(tag & 7)
	switch {
	case n == 0 || n > MaxNumber:
		r.fail("field number out of range")
		return 0, 0, false
	case uint32(n) <= r.last:
		r.fail("field numbers do not ascend")
		return 0, 0, false
	case w != WireVarint && w != WireBytes && w != WireFixed64 && w != WireFixed32:
		r.fail("unknown wire type")
		return 0, 0, false
	}
	r.last = uint32(n)
	return r.last, w, true
}

// Skip passes over a value.
func (r *Reader) Skip(w Wire) {
	switch w {
	case WireVarint:
		r.Uvarint()
	case WireFixed64:
		r.take(8)
	case WireFixed32:
		r.take(4)
	case WireBytes:
		r.Bytes()
	default:
		r.fail("unknown wire type")
	}
}

// Raw passes over a value and returns its bytes, the length included, aliasing the
// input.
func (r *Reader) Raw(w Wire) []byte {
	start := r.off
	r.Skip(w)
	if r.err != nil {
		return nil
	}
	return r.buf[start:r.off:r.off]
}
