package binenc

import "encoding/binary"

// These append the elements of lists and maps, which have no head: their type says how
// each is laid out. [Reader] reads them back. [Encoder] writes the fields of messages.

// AppendUvarint appends v in base 128, low group first, in as few bytes as it takes.
func AppendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// AppendVarint appends v zig-zag encoded: 0, -1, 1, -2 become 0, 1, 2, 3.
func AppendVarint(dst []byte, v int64) []byte { return binary.AppendUvarint(dst, zigzag(v)) }

// AppendFixed32 appends four bytes, little-endian.
func AppendFixed32(dst []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(dst, v) }

// AppendFixed64 appends eight bytes, little-endian.
func AppendFixed64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

// AppendBytes appends b with its length as a varint in front.
func AppendBytes(dst, b []byte) []byte { return append(AppendUvarint(dst, uint64(len(b))), b...) }

// AppendString appends s with its length in bytes as a varint in front.
func AppendString(dst []byte, s string) []byte {
	return append(AppendUvarint(dst, uint64(len(s))), s...)
}

func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
