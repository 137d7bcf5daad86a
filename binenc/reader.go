package binenc

import (
	"encoding/binary"
	"math"
)

// Reader reads the elements of a list or map, as AppendUvarint and its siblings wrote
// them. Its error is sticky: after the first one every method returns zero values, so
// that a caller checks Err once. It is a value; copying it copies the position. It is
// for one goroutine.
type Reader struct {
	buf []byte
	off int
	err error
}

// NewReader returns a reader at the start of b. What its methods return aliases b where
// they say so, and is valid until b changes.
func NewReader(b []byte) Reader { return Reader{buf: b} }

// Len returns how many bytes are left; 0 after an error.
func (r *Reader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.buf) - r.off
}

// Err returns the first error, an [*Error], or nil.
func (r *Reader) Err() error { return r.err }

// Offset returns how many bytes were read.
func (r *Reader) Offset() int { return r.off }

// Uvarint reads a varint; one that is longer than need be or than 64 bits is an error.
func (r *Reader) Uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, next, err := uvarint(r.buf, r.off)
	r.off, r.err = next, err
	return v
}

// uvarint reads the varint at buf[off:]. On an error next is off.
func uvarint(buf []byte, off int) (v uint64, next int, err error) {
	if off < len(buf) && buf[off] < 0x80 {
		return uint64(buf[off]), off + 1, nil
	}
	v, n := binary.Uvarint(buf[off:])
	switch {
	case n == 0:
		return 0, off, short(off, 1)
	case n < 0:
		return 0, off, malformed(off, "a varint overflows 64 bits")
	case buf[off+n-1] == 0:
		return 0, off, notCanonical(off, "a varint is longer than need be")
	}
	return v, off + n, nil
}

// Varint reads a zig-zag encoded varint.
func (r *Reader) Varint() int64 { return unzigzag(r.Uvarint()) }

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
	switch {
	case r.err != nil:
		return nil
	case n > len(r.buf)-r.off:
		r.err = short(r.off, n-(len(r.buf)-r.off))
		return nil
	}
	b := r.buf[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// Bytes reads a length and that many bytes, which alias the input.
func (r *Reader) Bytes() []byte {
	if r.err != nil {
		return nil
	}
	from, to, err := prefixed(r.buf, r.off)
	if err != nil {
		r.err = err
		return nil
	}
	r.off = to
	return r.buf[from:to:to]
}

// prefixed finds the bytes behind the length at buf[off:].
func prefixed(buf []byte, off int) (from, to int, err error) {
	n, from, err := uvarint(buf, off)
	switch {
	case err != nil:
		return 0, 0, err
	case n > MaxLength:
		return 0, 0, &Error{Offset: off, Reason: "a length is more than MaxLength", Err: ErrLimit}
	case n > uint64(len(buf)-from):
		return 0, 0, short(off, int(min(n-uint64(len(buf)-from), math.MaxInt32)))
	}
	return from, from + int(n), nil
}

// String reads a length and that many bytes, as a copy. It does not look whether they
// are UTF-8.
func (r *Reader) String() string { return string(r.Bytes()) }
