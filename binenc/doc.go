// Package binenc is a canonical binary codec: typed values to bytes and back, each value
// in exactly one form, so that equal bytes are equal values and a hash of the bytes is a
// hash of the value. SPEC.md is the format, byte by byte.
//
// # Calls in order
//
// A struct type is described once, its fields get the numbers under which they are
// stored for ever, and a plan is compiled:
//
//	ty, err := binenc.TypeOf(t, name)        // kinds and names; numbers are the caller's
//	plan, err := binenc.Compile(t, &ty, name)
//	for {
//		msg, err = plan.Append(msg[:0], &v)  // value to message
//		err = plan.Decode(msg, &w)           // message to value, checked in full
//	}
//
// Without a struct, [Encoder] writes and [Decoder] reads a message field by field;
// AppendUvarint and its siblings write the elements of lists and maps, and [Reader] reads
// them. [Lookup], [Diff] and [Merge] work on messages without decoding them, and keep
// fields they do not know. [CheckMessage] holds bytes of unknown origin against a type.
// [Evolve] says whether a type may take the place of another. AppendKeyInt and its
// siblings make keys that sort as their values do; [KeyReader] reads them.
//
// # Layout
//
// A message is its fields in order of their numbers. The first byte of each says what it
// is: a small integer itself, the length of bytes that follow, an integer or float of so
// many bytes, or a gap over numbers that are left out. Zero values are left out:
//
//	ID 300, Name "ab", Tags absent, Score 1.5 (fields 1, 2, 3, 4)
//
//	C1 2C 01   82 61 62   D0   CD 00 00 00 00 00 00 F8 3F
//	└ 300      └ "ab"     │    └ 1.5
//	                      └ one number is left out
//
// # Lifetimes
//
// Append functions return dst, grown where it was too small. What Decoder.Bytes,
// Decoder.Payload, Reader.Bytes, Lookup and [Plan.DecodeAlias] return aliases the input
// and is valid until the input changes. Everything else is a copy; strings that
// [Plan.Decode] makes may share memory with each other, see there.
//
// # Hostile input
//
// Decoding never panics and never recurses deeper than [MaxDepth]. Lengths are held
// against what remains before anything is allocated, so memory is at most the input
// times what one byte of it can stand for in the Go type (an empty message in a list is
// one byte, and its struct in Go). An [*Error] tells truncated ([ErrShort]), malformed,
// not canonical, of the wrong type, not UTF-8, out of range and beyond a limit apart, and
// has the offset, the field's number and its path.
//
// # Limits
//
// [MaxNumber], [MaxLength], [MaxDepth]; times from [MinTime] to [MaxTime]; decimals of
// [MaxDecimalDigits] digits.
//
// # Concurrency
//
// Functions and [Plan] are safe for concurrent use; Encoder, Decoder, Reader and
// KeyReader are values for one goroutine.
//
// # Building without unsafe
//
// Plans reach fields by their address, in unsafe.go, where the processor is one that keeps
// numbers little-endian and loads them from any address. Elsewhere, and with the build tag
// purego, portable.go takes its place: it uses reflection and passes the same tests, slower.
package binenc
