package binenc

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Version is the version of the format, see SPEC.md. Messages do not carry it: what
// holds them (a log, a file, a protocol) says once which version it holds.
const Version = 1

// Wire says how a field's value is laid out, so that it can be passed over without
// knowing its type.
type Wire uint8

// The wire types.
const (
	WireInt     Wire = 1 // an integer of up to 64 bits
	WireBytes   Wire = 2 // a length and that many bytes
	WireFixed32 Wire = 3 // four bytes, little-endian
	WireFixed64 Wire = 4 // eight bytes, little-endian
)

// String returns the wire type's name.
func (w Wire) String() string {
	switch w {
	case WireInt:
		return "integer"
	case WireBytes:
		return "bytes"
	case WireFixed32:
		return "fixed32"
	case WireFixed64:
		return "fixed64"
	}
	return "no wire type"
}

// A field begins with its head, one byte:
//
//	00-7F  an integer from 0 to 127: the byte itself
//	80-BF  bytes, 0 to 63 of them, which follow
//	C0-C7  an integer of 1 to 8 bytes, which follow, little-endian
//	C8-CB  bytes whose length follows in 1 to 4 bytes, little-endian
//	CC     fixed32: four bytes follow
//	CD     fixed64: eight bytes follow
//	D0-EF  a gap: 1 to 32 field numbers are left out
//	F0-F3  a gap whose width follows in 1 to 4 bytes, little-endian
//
// CE, CF and F4 to FF are reserved. Everything is written in its shortest form.
const (
	headShortBytes = 0x80
	headInt        = 0xC0
	headLongBytes  = 0xC8
	headFixed32    = 0xCC
	headFixed64    = 0xCD
	headShortGap   = 0xD0
	headLongGap    = 0xF0
	headReserved   = 0xF4

	maxInlineInt   = 0x7F
	maxShortLength = headInt - headShortBytes - 1 // 63
	maxShortGap    = headLongGap - headShortGap   // 32
)

// Limits of the format. What passes one is refused with an [*Error] that wraps
// [ErrLimit].
const (
	// MaxNumber is the largest field number; the smallest is 1.
	MaxNumber = 1<<29 - 1
	// MaxLength bounds one value of wire type bytes, in bytes.
	MaxLength = 1<<32 - 1
	// MaxDepth bounds how deep messages, lists and maps nest, in levels below the
	// outermost message.
	MaxDepth = 64
)

// byteLen is the number of bytes that v takes without leading zero bytes; at least 1.
func byteLen(v uint64) int { return (bits.Len64(v|1) + 7) / 8 }

// appendLE appends the n low bytes of v.
func appendLE(dst []byte, v uint64, n int) []byte {
	at := len(dst)
	return binary.LittleEndian.AppendUint64(dst, v)[:at+n]
}

// loadLE reads up to eight bytes as a little-endian number.
func loadLE(b []byte) (v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// appendInt appends an integer field's head and bytes.
func appendInt(dst []byte, v uint64) []byte {
	if v <= maxInlineInt {
		return append(dst, byte(v))
	}
	n := byteLen(v)
	return appendLE(append(dst, headInt+byte(n-1)), v, n)
}

// appendLength appends the head of n bytes. The caller has held n against MaxLength.
func appendLength(dst []byte, n int) []byte {
	if n <= maxShortLength {
		return append(dst, headShortBytes+byte(n))
	}
	w := byteLen(uint64(n))
	return appendLE(append(dst, headLongBytes+byte(w-1)), uint64(n), w)
}

// appendGap appends what leads from one field to the next when width numbers between
// them are left out.
func appendGap(dst []byte, width uint32) []byte {
	switch {
	case width == 0:
		return dst
	case width <= maxShortGap:
		return append(dst, headShortGap+byte(width-1))
	}
	w := byteLen(uint64(width))
	return appendLE(append(dst, headLongGap+byte(w-1)), uint64(width), w)
}

// closeBytes puts the head of what was appended since body in front of it. One byte for
// a short head was left free at body-1; a longer one moves the bytes.
func closeBytes(dst []byte, body int) []byte {
	if n := len(dst) - body; n <= maxShortLength {
		dst[body-1] = headShortBytes + byte(n)
		return dst
	}
	return closeLong(dst, body)
}

func closeLong(dst []byte, body int) []byte {
	n := len(dst) - body
	var head [5]byte
	h := appendLength(head[:0], n)
	dst = append(dst, h[1:]...)
	copy(dst[body-1+len(h):], dst[body:body+n])
	copy(dst[body-1:], h)
	return dst
}

// closePrefixed is closeBytes for the bytes of an element, whose length is a varint.
func closePrefixed(dst []byte, body int) []byte {
	if n := len(dst) - body; n < 0x80 {
		dst[body-1] = byte(n)
		return dst
	}
	return closeLongPrefixed(dst, body)
}

func closeLongPrefixed(dst []byte, body int) []byte {
	n := len(dst) - body
	var head [binary.MaxVarintLen64]byte
	h := binary.AppendUvarint(head[:0], uint64(n))
	dst = append(dst, h[1:]...)
	copy(dst[body-1+len(h):], dst[body:body+n])
	copy(dst[body-1:], h)
	return dst
}

// head reads the head of the value that begins at buf[off]: its wire type, and where its
// payload lies. The payload of an inline integer is the head itself. It refuses gaps.
func head(buf []byte, off int) (w Wire, from, to int, err error) {
	if off >= len(buf) {
		return 0, off, off, short(off, 1)
	}
	switch h := buf[off]; {
	case h < headShortBytes:
		return WireInt, off, off + 1, nil
	case h < headInt:
		w, from, to = WireBytes, off+1, off+1+int(h-headShortBytes)
	case h < headLongBytes:
		w, from, to = WireInt, off+1, off+2+int(h-headInt)
	case h < headFixed32:
		return longBytes(buf, off)
	case h == headFixed32:
		w, from, to = WireFixed32, off+1, off+5
	case h == headFixed64:
		w, from, to = WireFixed64, off+1, off+9
	default:
		return 0, off, off, malformed(off, "a head byte that means no value")
	}
	if to > len(buf) {
		return 0, off, off, short(off, to-len(buf))
	}
	if w == WireInt && (buf[to-1] == 0 || to == from+1 && buf[from] <= maxInlineInt) {
		return 0, off, off, notCanonical(off, "an integer is longer than need be")
	}
	return w, from, to, nil
}

// longBytes reads a head whose length follows in bytes of its own.
func longBytes(buf []byte, off int) (w Wire, from, to int, err error) {
	from = off + 2 + int(buf[off]-headLongBytes)
	if from > len(buf) {
		return 0, off, off, short(off, from-len(buf))
	}
	n := loadLE(buf[off+1 : from])
	switch {
	case buf[from-1] == 0 || n <= maxShortLength:
		return 0, off, off, notCanonical(off, "a length is longer than need be")
	case n > uint64(len(buf)-from):
		return 0, off, off, short(off, int(min(n-uint64(len(buf)-from), math.MaxInt32)))
	}
	return WireBytes, from, from + int(n), nil
}

// gap reads the gap at buf[off], if there is one, and returns where the value begins.
func gap(buf []byte, off int) (width uint32, next int, err error) {
	h := buf[off]
	switch {
	case h < headShortGap:
		return 0, off, nil
	case h < headLongGap:
		width, next = uint32(h-headShortGap)+1, off+1
	case h < headReserved:
		next = off + 2 + int(h-headLongGap)
		if next > len(buf) {
			return 0, off, short(off, next-len(buf))
		}
		n := loadLE(buf[off+1 : next])
		if buf[next-1] == 0 || n <= maxShortGap {
			return 0, off, notCanonical(off, "a gap is longer than need be")
		}
		width = uint32(n)
	default:
		return 0, off, malformed(off, "a reserved head byte")
	}
	switch {
	case next == len(buf):
		return 0, off, malformed(off, "a gap before the end")
	case buf[next] >= headShortGap:
		return 0, off, notCanonical(off, "a gap after a gap")
	}
	return width, next, nil
}
