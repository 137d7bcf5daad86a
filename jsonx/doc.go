// Package jsonx reads, writes, checks and changes JSON (RFC 8259): exactly, safely and fast, with the standard library
// alone. It has two halves. The syntax half knows texts and never looks at a Go type; the meaning half gives Go values
// to texts and back.
//
// # Calls
//
// Go values, a text at a time:
//
//	text, err := jsonx.Marshal(v)      // or jsonx.Append(dst, v)
//	err = jsonx.Unmarshal(text, &v)    // err says offset, line, column and the JSON Pointer of a fault
//
// Streams, in the memory of the longest value asked for:
//
//	d := jsonx.NewDecoder(r)
//	for d.More() {                     // one text after the other, NDJSON among them
//		if err := d.Decode(&v); err != nil { … }
//	}
//
//	d.ReadToken()                      // [ of one long array
//	for d.More() {
//		raw, err := d.ReadValue()      // each element; or ReadToken, SkipValue, Decode
//	}
//	d.ReadToken()                      // ]
//
// An [Encoder] writes the same way: whole values by Encode, or BeginObject, Name, Int, EndObject and the like.
//
// Texts without Go types: [Valid] judges, [Compact] and [Indent] lay out, [Canonicalize] makes the one form to hash or
// sign, [Standardize] takes comments out of configuration files. [Parse] gives a [Value] that keeps the order of members
// and the text of numbers, to look into ([Value.Pointer]), change and write again. [Apply], [MergePatch] and [Diff]
// work with patches.
//
// # Words
//
// A text is one JSON value with white space around it. A value is an object, array, string, number or literal; an object
// has members, each a name and a value; an array has elements. A token is a bracket, a name or a scalar value. A pointer
// names a value within a text, as in /items/3/price. To encode and decode is syntax, to marshal and unmarshal gives a Go
// meaning. Truncated is a text that could go on ([io.ErrUnexpectedEOF]), malformed one that could not.
//
// # What is implemented, and where
//
//	RFC 8259  §2 grammar, white space     grammar.go
//	          §4 objects, §5 arrays       grammar.go, names.go (names are unique)
//	          §6 numbers                  number.go, floatparse.go, floatprint.go, numbervalue.go
//	          §7 strings                  string.go (reading), quote.go (writing)
//	          §8.1 encoding: UTF-8, no byte order mark, no lone surrogates (§8.2)
//	          §9 parsers: limits          options.go
//	RFC 3629  §4 UTF-8                    string.go
//	RFC 6901  JSON Pointer §3–§5          pointer.go; the URI fragment form (§6) is not read
//	RFC 6902  JSON Patch                  patch.go, diff.go
//	RFC 7396  Merge Patch                 mergepatch.go
//	RFC 8785  canonical form              canonical.go
//	NDJSON    one text a line             decoder.go, window.go, encoder.go
//
// # Errors
//
// A fault in a text is a *[SyntaxError]: offset, line, column, pointer, what was expected, a short excerpt, and behind it
// io.ErrUnexpectedEOF when truncated or the error of a limit or rule. A well-formed value that does not fit its Go type is
// an *[UnmarshalError] with the same positions. A patch that cannot be applied is a *[PatchError] with the number of the
// operation. A [Decoder] counts positions from the start of its stream.
//
// # Limits
//
//	what                  set by            unit      default                         error
//	nesting               MaxDepth          levels    DefaultMaxDepth 1000            ErrTooDeep
//	text in memory        MaxBytes          bytes     none                            ErrTooLarge
//	token or value of
//	a Decoder             MaxBytes          bytes     DefaultMaxValueBytes 64 MiB     ErrTooLarge
//	members of an object  MaxMembers        members   DefaultMaxMembers 1048576       ErrTooManyMembers
//	string or name        MaxStringBytes    bytes     none but that of the text       ErrStringTooLong
//	nesting of a Value    –                 levels    10000                           ErrTooDeep
//	copies of a Patch     MaxBytes          bytes     DefaultMaxPatchBytes 8 MiB      ErrTooLarge
//	shifts of a Patch     –                 elements  MaxPatchShifts 2^28             ErrTooCostly
//	search of a Diff      –                 compares  2^24, 2^11 edits of an array    none: a longer patch
//
// Whatever a text says, reading it takes time proportional to its length and memory bounded by a small factor of it.
// Names are found again by tables with a seeded hash, so nobody can choose names that collide.
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
//	texts that touch      a number or literal in a stream is followed by white space, a bracket or a quote: no 12true
//	                      (TestTextsThatTouch)
//	escapes in times      the string of a time is read without its escapes
//	number types          a string read into a type like json.Number must hold a number, also with the tag option string
//
// # Methods
//
// A type may write itself with AppendJSON(dst []byte) ([]byte, error), which is preferred to MarshalJSON since it needs
// no copy; it appends one value, and what it appends is checked. A type may read itself with
// UnmarshalJSONX(d *Decoder) error, which is given a Decoder that holds just its value, checked already, and has to read
// all of it.
//
// Code that lithair gen has written for a struct is used in place of its plan, see [Coder]. It writes the same text, and is
// trusted to.
//
// # Memory
//
// What is read never refers to the text. Strings of up to 32 bytes are put into blocks of 128 bytes that strings of
// the same text and the next ones share, so one of them keeps at most 128 bytes; in an interface at most 600; a float64
// in an interface keeps at most 128. Up to 256 names of members of maps read into interfaces, of up to 32 bytes each,
// stay known between calls. Slices are as long as they must be. Buffers that are used again are bounded: 1 MiB for
// writing, 64 KiB each and 256 KiB per slice type for reading; the garbage collector takes them when they are idle.
//
// # Concurrency
//
// Functions may be called from several goroutines at once. Encoders and Decoders belong to one goroutine at a time. A Value
// may be read by many, or changed by one. Plans for Go types are made once per type and shared.
//
// # Build tags
//
// Plans hold addresses of Go values by way of package unsafe, in unsafe.go and load_unsafe.go alone. With the build tag
// purego their twins by reflection, portable.go and load_portable.go, take their place; they pass the same tests.
package jsonx
