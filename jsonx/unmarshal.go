package jsonx

import (
	"fmt"
	"reflect"
	"sync"
)

// Unmarshal reads one JSON text into v, a non-nil pointer. On an error, a *SyntaxError or an *UnmarshalError, what came
// before it may already be stored. Nothing stored refers to data, which may be used again at once. Any number of
// goroutines may call it.
func Unmarshal(data []byte, v any, opts ...Option) error {
	d := decodePool.Get().(*decodeState)
	d.data = data
	if len(opts) > 0 {
		d.opt, d.custom = apply(opts), true
	}
	err := d.text8259(v)
	d.free()
	return err
}

// decodeState is one call of Unmarshal: the text, with the limits and the cursor of the syntax half, and buffers that
// are used again by later calls.
type decodeState struct {
	parser
	err    error
	texts  shared[byte]    // short strings, see text
	floats shared[float64] // numbers in interfaces, see boxFloat
	boxes  shared[string]  // short strings in interfaces, see boxString

	unknown rules    // names of members without a field or a map that tells them apart, of all objects now open
	chars   []byte   // a string without its escapes
	keys    []string // names of the members of objects that are read into maps
	values  []any    // and their values, and the elements of arrays
	words   []uint64 // elements of a slice of numbers
	names   *nameCache

	scratches scratches
	custom    bool         // opt is not the default
	root      reflect.Type // what the last call read into
	rootPlan  *decType
}

// failed is what plans return instead of an offset when d.err says why.
const failed = -1

// decodePool keeps states between calls: the buffers of a state would be a dozen allocations.
var decodePool = sync.Pool{New: func() any { return &decodeState{parser: parser{opt: defaults()}, names: new(nameCache)} }}

// maxPooledBytes is how large a buffer is kept from one call to the next.
const maxPooledBytes = 64 << 10

// free puts the state back with everything gone that belongs to the caller.
func (d *decodeState) free() {
	d.data, d.err, d.pos, d.depth = nil, nil, 0, 0
	if d.custom {
		d.opt, d.custom = defaults(), false
	}
	d.unknown.reset()
	d.keys, d.values = emptied(d.keys), emptied(d.values)
	if cap(d.words) > maxPooledBytes/8 {
		d.words = nil
	}
	if cap(d.chars) > maxPooledBytes {
		d.chars = nil
	}
	decodePool.Put(d)
}

// emptied returns s without elements, or nil if it is too large to keep. What was used of it is zero already, except
// after an error.
func emptied[T any](s []T) []T {
	if cap(s) > maxPooledBytes/16 {
		return nil
	}
	clear(s)
	return s[:0]
}

// text8259 reads the whole text (RFC 8259 §2: ws value ws) into v.
func (d *decodeState) text8259(v any) error {
	if err := d.size(); err != nil {
		return err
	}
	if err := d.into(v); err != nil {
		return err
	}
	return d.end()
}

// into reads the value at p.pos into v and moves past it, for those who have a text and options already.
func (p *parser) into(v any) error {
	d := decodePool.Get().(*decodeState)
	d.parser, d.custom = *p, true
	err := d.into(v)
	p.pos = d.pos
	d.free()
	return err
}

// into reads the value at d.pos into v and moves past it.
func (d *decodeState) into(v any) error {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer || reflect.ValueOf(v).IsNil() {
		return fmt.Errorf("jsonx: unmarshal into %T: a non-nil pointer is needed", v)
	}
	if t != d.root {
		d.root, d.rootPlan = t, decPlan(t.Elem())
	}
	p, _ := pointedTo(v)
	i := d.rootPlan.dec(d, afterSpace(d.data, d.pos), p)
	if i < 0 {
		return d.err
	}
	d.pos = i
	return nil
}

// bad stops the reading: the text is wrong at i, where want was expected.
func (d *decodeState) bad(i int, want string) int {
	d.err = d.fail(i, want, nil)
	return failed
}

// misfit stops the reading: the value at i is well formed but has no place in a t.
func (d *decodeState) misfit(i int, t reflect.Type, got string, err error) int {
	d.err = d.mismatch(i, t, got, err)
	return failed
}

// other answers for a value of another kind than t takes: null is passed over, anything else an error, its own syntax
// error if it has one.
func (d *decodeState) other(i int, t reflect.Type) int {
	if i < len(d.data) && d.data[i] == 'n' {
		return d.null(i)
	}
	end := d.pass(i)
	if end < 0 {
		return failed
	}
	return d.misfit(i, t, kindOf(d.data[i:end]), nil)
}

func (d *decodeState) null(i int) int {
	end, bad := scanLiteral(d.data, i, "null")
	if bad != "" {
		return d.bad(end, bad)
	}
	return end
}

// pass checks the value at i and moves past it.
func (d *decodeState) pass(i int) int {
	d.pos = i
	if err := d.skip(); err != nil {
		d.err = err
		return failed
	}
	return d.pos
}

// down enters an array or object.
func (d *decodeState) down(i int) bool {
	if d.depth >= d.opt.maxDepth {
		d.bad(i, wantShallow)
		return false
	}
	d.depth++
	return true
}

// quotedAt reads the string whose quote is at i and returns its contents as in the text, whether they are plain, and
// the offset after it.
func (d *decodeState) quotedAt(i int) (raw []byte, plain bool, end int) {
	b := d.data
	if end = plainRun(b, i+1); end < len(b) && b[end] == '"' {
		raw, plain, end = b[i+1:end], true, end+1
	} else {
		var bad string
		if end, plain, bad = scanString(b, end); bad != "" {
			return nil, false, d.bad(end, bad)
		}
		raw = b[i+1 : end-1]
	}
	if len(raw) > d.opt.maxString {
		return nil, false, d.bad(i, wantShorter)
	}
	return raw, plain, end
}

// charsAt is quotedAt without the escapes; the characters are good until the next call.
func (d *decodeState) charsAt(i int) (chars []byte, end int) {
	raw, plain, end := d.quotedAt(i)
	if end >= 0 && !plain {
		d.chars = unescape(d.chars[:0], raw)
		raw = d.chars
	}
	return raw, end
}

// afterSpace returns the offset of the first byte from i that is no white space, often i itself.
func afterSpace(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return skipSpace(b, i)
}

// nextElement looks behind an element or member at i: more is true after a comma, then i is where the next one begins;
// else the closing byte was there.
func (d *decodeState) nextElement(i int, closing byte, want string) (next int, more bool) {
	b := d.data
	if i < len(b) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	if i >= len(b) {
		return d.bad(i, want), false
	}
	switch b[i] {
	case ',':
		return afterSpace(b, i+1), true
	case closing:
		d.depth--
		return i + 1, false
	}
	return d.bad(i, want), false
}

// colon moves from behind a name to its value.
func (d *decodeState) colon(i int) int {
	b := d.data
	if i >= len(b) || b[i] != ':' {
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return d.bad(i, wantColon)
		}
	}
	return afterSpace(b, i+1)
}

func kindOf(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number " + string(raw[:min(len(raw), 40)])
}

var anyType = reflect.TypeFor[any]()
