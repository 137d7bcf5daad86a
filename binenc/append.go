package binenc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Wire says how a field's value is laid out, so that it can be passed over without
// knowing its type.
type Wire uint8

// The wire types; they take the low three bits of a tag.
const (
	WireVarint  Wire = 0 // one uvarint
	WireFixed64 Wire = 1 // eight bytes, little-endian
	WireBytes   Wire = 2 // a length as uvarint, then that many bytes
	WireFixed32 Wire = 5 // four bytes, little-endian
)

// MaxNumber is the largest field number.
const MaxNumber = 1<<29 - 1

// AppendUvarint appends v in base 128, low group first, in as few bytes as it takes.
func AppendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// AppendVarint appends v zig-zag encoded: 0, -1, 1, -2 become 0, 1, 2, 3.
func AppendVarint(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}

// AppendFixed32 appends four bytes, little-endian.
func AppendFixed32(dst []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(dst, v) }

// AppendFixed64 appends eight bytes, little-endian.
func AppendFixed64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

// AppendBytes appends b with its length in front.
func AppendBytes(dst, b []byte) []byte { return append(AppendUvarint(dst, uint64(len(b))), b...) }

// AppendString appends s with its length in front.
func AppendString(dst []byte, s string) []byte {
	return append(AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendTag appends what stands before each field's value.
func AppendTag(dst []byte, number uint32, w Wire) []byte {
	return AppendUvarint(dst, uint64(number)<<3|uint64(w))
}

// uvarintLen is the number of bytes AppendUvarint takes.
func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

var (
	// ErrShort: the input ends inside a value.
	ErrShort = errors.New("binenc: input ends inside a value")
)

// Error is a message that breaks the format.
type Error struct {
	Offset int    // in the input given, in bytes
	Field  uint32 // number of the field at fault; 0 when there is none
	Reason string
}

func (e *Error) Error() string {
	if e.Field != 0 {
		return fmt.Sprintf("binenc: offset %d, field %d: %s", e.Offset, e.Field, e.Reason)
	}
	return fmt.Sprintf("binenc: offset %d: %s", e.Offset, e.Reason)
}
