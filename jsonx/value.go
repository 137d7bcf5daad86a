package jsonx

import (
	"errors"
	"iter"
	"strconv"
)

// maxValueDepth is how deep a Value may nest, whatever MaxDepth says: its methods are recursive.
const maxValueDepth = 10_000

// Value is one JSON value that keeps the order of members and the text of numbers and strings. The zero Value is
// null. It takes 24 bytes, an array 32 and an object 80 bytes more; scalars are parts of one copy of the text, which
// lives as long as any of them. Copying a Value shares what an array or object holds; Clone does not.
//
// Reading from several goroutines at once is safe, changing needs exclusion. A pointer to a part is valid until the array
// or object around it changes.
type Value struct {
	text string // a scalar as it stands in the text; "" is null
	node *node  // an array or object
}

type node struct {
	elements []Value
	object   *object // nil in an array
}

// Member is a name and its value.
type Member struct {
	Name  string
	Value Value
}

var errNotNumber = errors.New("jsonx: not a JSON number")

// Parse reads one JSON text. Of the options the limits and AllowDuplicateNames count.
func Parse(data []byte, opts ...Option) (Value, error) {
	p := parser{data: data, opt: collect(opts)}
	if err := p.size(); err != nil {
		return Value{}, err
	}
	p.opt.maxDepth = min(p.opt.maxDepth, maxValueDepth)
	if err := p.skip(); err != nil {
		return Value{}, err
	}
	if err := p.end(); err != nil {
		return Value{}, err
	}
	b := builder{data: data, text: string(data)}
	return b.value(), nil
}

// builder makes Values of a checked text. What belongs to arrays and objects not yet closed waits on two stacks, so
// that each gets a slice of its size.
type builder struct {
	data     []byte
	text     string // the same bytes
	pos      int
	elements []Value
	members  []Member
}

func (b *builder) next() byte {
	b.pos = skipSpace(b.data, b.pos)
	return b.data[b.pos]
}

func (b *builder) value() Value {
	from := b.pos
	switch b.next() {
	case '{':
		return b.object()
	case '[':
		return b.array()
	case '"':
		from = b.pos
		b.pos, _, _ = scanString(b.data, from+1)
	case 't', 'n':
		from = b.pos
		b.pos += 4
	case 'f':
		from = b.pos
		b.pos += 5
	default:
		from = b.pos
		b.pos, _, _ = scanNumber(b.data, from)
	}
	return Value{text: b.text[from:b.pos]}
}

// more moves past the comma or closing bracket and says which it was.
func (b *builder) more() bool {
	c := b.next()
	b.pos++
	return c == ','
}

func (b *builder) array() Value {
	b.pos++
	if b.next() == ']' {
		b.pos++
		return Value{node: new(node)}
	}
	mark := len(b.elements)
	for more := true; more; more = b.more() {
		x := b.value()
		b.elements = append(b.elements, x)
	}
	n := &node{elements: append(make([]Value, 0, len(b.elements)-mark), b.elements[mark:]...)}
	clear(b.elements[mark:])
	b.elements = b.elements[:mark]
	return Value{node: n}
}

func (b *builder) object() Value {
	b.pos++
	if b.next() == '}' {
		b.pos++
		return Value{node: &node{object: new(object)}}
	}
	mark := len(b.members)
	for more := true; more; more = b.more() {
		b.next()
		from := b.pos + 1
		end, plain, _ := scanString(b.data, from)
		name := b.text[from : end-1]
		if !plain {
			name = stringOf(b.data[from:end-1], false)
		}
		b.pos = end
		b.next()
		b.pos++ // the colon
		x := b.value()
		b.members = append(b.members, Member{name, x})
	}
	o := newObject(b.members[mark:])
	clear(b.members[mark:])
	b.members = b.members[:mark]
	return Value{node: &node{object: o}}
}

// MakeString returns s as a Value; what is not UTF-8 becomes U+FFFD.
func MakeString(s string) Value { return Value{text: string(AppendString(nil, s))} }

// MakeInt returns i as a Value.
func MakeInt(i int64) Value { return Value{text: strconv.FormatInt(i, 10)} }

// MakeNumber returns n as a Value; an error if it is not the text of a JSON number.
func MakeNumber(n Number) (Value, error) {
	if end, _, bad := scanNumber([]byte(n), 0); bad != "" || end != len(n) {
		return Value{}, errNotNumber
	}
	return Value{text: string(n)}, nil
}

// MakeFloat returns the shortest number that reads back as f; ErrNotFinite for NaN and the infinities.
func MakeFloat(f float64) (Value, error) {
	text, err := appendFloat(nil, f, 64)
	return Value{text: string(text)}, err
}

// MakeBool returns a literal.
func MakeBool(b bool) Value { return Value{text: strconv.FormatBool(b)} }

// MakeArray returns an array of these elements.
func MakeArray(elements ...Value) Value {
	return Value{node: &node{elements: append([]Value(nil), elements...)}}
}

// MakeObject returns an object of these members; of one name the last counts.
func MakeObject(members ...Member) Value { return Value{node: &node{object: newObject(members)}} }

// Kind returns what v is.
func (v Value) Kind() Kind {
	switch {
	case v.node == nil && v.text == "":
		return Null
	case v.node == nil:
		k, _ := kindOfByte(v.text[0])
		return k
	case v.node.object != nil:
		return Object
	}
	return Array
}

// Bool reports whether v is the literal true.
func (v Value) Bool() bool { return v.text == "true" }

// Text returns the characters of a string, and "" of all else.
func (v Value) Text() string {
	if v.Kind() != String {
		return ""
	}
	inside := v.text[1 : len(v.text)-1]
	for i := range len(inside) {
		if inside[i] == '\\' {
			return stringOf([]byte(inside), false)
		}
	}
	return inside
}

// Number returns the text of a number, and "" of all else.
func (v Value) Number() Number {
	if v.Kind() != Num {
		return ""
	}
	return Number(v.text)
}

// Len returns how many elements or members v has, 0 when it is a scalar.
func (v Value) Len() int {
	switch v.Kind() {
	case Array:
		return len(v.node.elements)
	case Object:
		return v.node.object.len()
	}
	return 0
}

// At returns element i of an array, nil if there is none.
func (v Value) At(i int) *Value {
	if v.node == nil || i < 0 || i >= len(v.node.elements) {
		return nil
	}
	return &v.node.elements[i]
}

// Get returns the member of an object, and whether there is one.
func (v Value) Get(name string) (*Value, bool) {
	if v.node == nil || v.node.object == nil {
		return nil, false
	}
	if i := v.node.object.find(name); i >= 0 {
		return &v.node.object.members[i].Value, true
	}
	return nil, false
}

// Elements iterates over the elements of an array; what is not one has none.
func (v Value) Elements() iter.Seq2[int, *Value] {
	return func(yield func(int, *Value) bool) {
		if v.node == nil {
			return
		}
		for i := range v.node.elements {
			if !yield(i, &v.node.elements[i]) {
				return
			}
		}
	}
}

// Members iterates over the members of an object in their order; what is not one has none.
func (v Value) Members() iter.Seq2[string, *Value] {
	return func(yield func(string, *Value) bool) {
		if v.node == nil || v.node.object == nil {
			return
		}
		members := v.node.object.members
		for i := range members {
			if !gone(&members[i]) && !yield(members[i].Name, &members[i].Value) {
				return
			}
		}
	}
}

// Set replaces the member of that name or adds it at the end; what is no object becomes one first.
func (v *Value) Set(name string, x Value) {
	if v.Kind() != Object {
		*v = Value{node: &node{object: new(object)}}
	}
	v.node.object.set(name, x)
}

// Delete removes the member of that name and reports whether there was one.
func (v *Value) Delete(name string) bool {
	return v.Kind() == Object && v.node.object.delete(name)
}

// Insert puts x before element i of an array, at its end when i is Len, and reports whether it could.
func (v *Value) Insert(i int, x Value) bool {
	if v.Kind() != Array || i < 0 || i > len(v.node.elements) {
		return false
	}
	v.node.elements = append(v.node.elements, Value{})
	copy(v.node.elements[i+1:], v.node.elements[i:])
	v.node.elements[i] = x
	return true
}

// Remove takes element i out of an array and reports whether it could.
func (v *Value) Remove(i int) bool {
	if v.Kind() != Array || i < 0 || i >= len(v.node.elements) {
		return false
	}
	list := v.node.elements
	copy(list[i:], list[i+1:])
	list[len(list)-1] = Value{}
	v.node.elements = list[:len(list)-1]
	return true
}

// Clone returns a copy that shares nothing which can change. It panics when v contains itself.
func (v Value) Clone() Value { return v.clone(0) }

func (v Value) clone(depth int) Value {
	if v.node == nil {
		return v
	}
	if depth > maxValueDepth {
		panic("jsonx: Clone of a Value deeper than 10000 levels, or one that contains itself")
	}
	n := &node{elements: append([]Value(nil), v.node.elements...)}
	for i := range n.elements {
		n.elements[i] = n.elements[i].clone(depth + 1)
	}
	if v.node.object != nil {
		members := make([]Member, 0, v.node.object.len())
		for name, x := range v.Members() {
			members = append(members, Member{name, x.clone(depth + 1)})
		}
		n.object = newObject(members)
	}
	return Value{node: n}
}

// Equal reports whether v and w are the same value as RFC 6902 §4.6 has it: strings by characters, numbers by value,
// arrays in order, objects in any order. What nests too deep for a Value is equal to nothing.
func (v Value) Equal(w Value) bool { return v.equal(w, 0) }

func (v Value) equal(w Value, depth int) bool {
	k := v.Kind()
	if k != w.Kind() || v.Len() != w.Len() || depth > maxValueDepth {
		return false
	}
	switch k {
	case Num:
		return sameNumber(v.text, w.text)
	case String:
		return v.text == w.text || v.Text() == w.Text()
	case Bool:
		return v.text == w.text
	case Array:
		for i := range v.node.elements {
			if !v.node.elements[i].equal(w.node.elements[i], depth+1) {
				return false
			}
		}
	case Object:
		for name, x := range v.Members() {
			if y, ok := w.Get(name); !ok || !x.equal(*y, depth+1) {
				return false
			}
		}
	}
	return true
}

// AppendJSON appends the value as compact JSON; ErrTooDeep when it nests more than 10000 levels, or contains itself.
func (v Value) AppendJSON(dst []byte) ([]byte, error) {
	out, ok := v.append(dst, maxValueDepth)
	if !ok {
		return dst, ErrTooDeep
	}
	return out, nil
}

func (v Value) append(dst []byte, depth int) (_ []byte, ok bool) {
	switch v.Kind() {
	case Null:
		return append(dst, "null"...), true
	case Array:
		if depth == 0 {
			return dst, false
		}
		dst = append(dst, '[')
		for i := range v.node.elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, ok = v.node.elements[i].append(dst, depth-1); !ok {
				return dst, false
			}
		}
		return append(dst, ']'), true
	case Object:
		if depth == 0 {
			return dst, false
		}
		dst = append(dst, '{')
		first := true
		for name, x := range v.Members() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if dst, ok = x.append(append(AppendString(dst, name), ':'), depth-1); !ok {
				return dst, false
			}
		}
		return append(dst, '}'), true
	}
	return append(dst, v.text...), true
}

// String returns the value as compact JSON.
func (v Value) String() string {
	b, err := v.AppendJSON(nil)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// UnmarshalJSONX reads the next value of d into v, held to the limits of d.
func (v *Value) UnmarshalJSONX(d *Decoder) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	if d.opt.maxDepth > maxValueDepth {
		*v, err = Parse(raw, MaxDepth(maxValueDepth), MaxMembers(0), AllowDuplicateNames())
		return err
	}
	b := builder{data: raw, text: string(raw)}
	*v = b.value()
	return nil
}

// MarshalJSON returns what AppendJSON appends; it is for encoding/json.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil) }

// UnmarshalJSON reads data into v; it is for encoding/json.
func (v *Value) UnmarshalJSON(data []byte) (err error) {
	*v, err = Parse(data)
	return err
}
