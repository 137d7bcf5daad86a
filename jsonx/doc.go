// Package jsonx reads and writes JSON (RFC 8259): exactly, safely, and without package encoding/json.
//
//	b, err := jsonx.Marshal(v)              // or jsonx.Append(buf, &v), which allocates nothing
//	err = jsonx.Unmarshal(b, &v)            // err says offset, line, column and the JSON pointer of the fault
//	d := jsonx.NewDecoder(r)                // a stream of values or tokens
//	for d.More() { err := d.Decode(&v) }
//
// The syntax half knows texts: Valid, Decoder and Encoder, Value with Pointer, Patch, MergePatch and Diff, Compact,
// Indent and Canonicalize. The meaning half knows Go types: Marshal, Append, Unmarshal. To encode and decode is syntax,
// to marshal and unmarshal gives Go meaning.
//
// # Go values
//
// Struct tags, embedded structs and their conflicts, omitempty, omitzero, string and "-" mean what they mean to
// encoding/json, and so do Marshaler, Unmarshaler, TextMarshaler, TextUnmarshaler, IsZero, []byte in base64, arrays,
// pointers, interfaces, sorted keys of maps and types like json.Number and json.RawMessage. All of these are known by
// their methods or their shape. Each difference has a test, a row of TestDifferences by the name in front:
//
//	duplicate names       refused with ErrDuplicateName, also in parts that are skipped; AllowDuplicateNames takes the last
//	case of names         a member is read into the field of exactly that name
//	invalid UTF-8         refused in texts, and with ErrInvalidUTF8 in Go strings; never replaced
//	lone surrogates       an escape like \ud800 without its other half is refused
//	HTML                  < > & U+2028 U+2029 are written as they are; EscapeHTML escapes them
//	nesting               DefaultMaxDepth levels, in texts and in Go values, where it also ends cycles; see MaxDepth
//	first error           the first value that does not fit its Go type ends the reading
//	reused slices         elements of a slice that had some are set to zero before they are read
//	quoted numbers        in strings (tag option string) and in keys of maps they follow RFC 8259 too: no 007
//	equal keys            two keys of a map that become the same name are refused when written
//	number types          a string read into a type like json.Number must hold a number, also with the tag option string
//
// # Methods
//
// A type may write itself with AppendJSON(dst []byte) ([]byte, error), which is preferred to MarshalJSON since it needs
// no copy; it appends one value, and what it appends is checked. A type may read itself with
// UnmarshalJSONX(d *Decoder) error, which is given a Decoder that holds just its value, checked already, and has to read
// all of it.
//
// # Memory
//
// What is read never refers to the text. Strings of up to 32 bytes are put into blocks of 128 bytes that strings of
// the same text and the next ones share, so one of them keeps at most 128 bytes; in an interface at most 600; a float64
// in an interface keeps at most 128. Up to 256 names of members of maps read into interfaces, of up to 32 bytes each,
// stay known between calls. Slices are as long as they must be. Buffers that are used again are bounded: 1 MiB for
// writing, 64 KiB each and 256 KiB per slice type for reading; the garbage collector takes them when they are idle.
//
// All functions may be called by any number of goroutines; a Decoder or Encoder belongs to one.
//
// # Limits
//
//	MaxDepth        levels of arrays and objects, default 1000                         ErrTooDeep
//	MaxBytes        bytes of a text, default none; of a Decoder's value, 64 MiB        ErrTooLarge
//	MaxMembers      members of one object, default 1048576                             ErrTooManyMembers
//	MaxStringBytes  bytes of a string or name as it stands in the text, default none   ErrStringTooLong
//
// Memory for a text is at most a small multiple of its length times the size of the Go types it is read into.
//
// # Build tags
//
// Plans hold addresses of Go values by way of package unsafe, in unsafe.go and load_unsafe.go alone. With the build tag
// purego their twins by reflection, portable.go and load_portable.go, take their place; they pass the same tests.
package jsonx
