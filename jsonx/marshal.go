package jsonx

import (
	"cmp"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Marshal returns v as JSON. See the package comment for what differs from encoding/json. Any number of goroutines may
// call it, also with values that share parts, as long as nobody changes them.
func Marshal(v any, opts ...Option) ([]byte, error) {
	e := encodePool.Get().(*encodeState)
	if len(opts) > 0 {
		e.opt, e.custom = apply(opts), true
	}
	b, err := e.value(e.whole[:0], v)
	var out []byte
	if err == nil {
		out = make([]byte, len(b))
		copy(out, b)
	}
	e.whole = b
	e.free()
	return out, err
}

// Append appends v as JSON to dst; on an error dst comes back as it was. Given a pointer it allocates nothing, but for
// what methods of v allocate and for dst when it is short of room.
func Append(dst []byte, v any, opts ...Option) ([]byte, error) {
	e := encodePool.Get().(*encodeState)
	if len(opts) > 0 {
		e.opt, e.custom = apply(opts), true
	}
	b, err := e.value(dst, v)
	e.free()
	if err != nil {
		return dst, err
	}
	return b, nil
}

// encodeState is one call of Marshal or Append, with buffers that are used again by later calls.
type encodeState struct {
	opt      options
	custom   bool // opt is not the default
	depth    int
	whole    []byte   // the text, if the caller gave no room for it
	members  []member // of the maps now open, each as yet unsorted
	orders   []order  // and how they are sorted
	cursors  cursors
	root     reflect.Type // what the last pointer was
	rootPlan *encType     // of what it points to
}

// member is one member of a map that waits to be written.
type member struct {
	name  string
	value any // not of a map with a cursor, which has it
}

// order is what is sorted: it moves more easily than a member. prefix is the beginning of the name, so that most
// comparisons are of two words.
type order struct {
	prefix uint64
	index  int // in encodeState.members
}

func orderOf(name string, index int) order {
	b := bytesOf(name)
	if len(b) >= 8 {
		return order{bits.ReverseBytes64(load64(b, 0)), index}
	}
	o := order{index: index}
	for i, c := range b {
		o.prefix |= uint64(c) << (56 - 8*i)
	}
	return o
}

// sort brings the orders from first on into the order of the bytes of their names, as encoding/json does, and fails if
// there are two of a name.
func (e *encodeState) sort(first int, t reflect.Type) error {
	members, orders := e.members, e.orders[first:]
	slices.SortFunc(orders, func(x, y order) int {
		if x.prefix != y.prefix {
			return cmp.Compare(x.prefix, y.prefix)
		}
		return strings.Compare(members[x.index].name, members[y.index].name)
	})
	for i := 1; i < len(orders); i++ {
		if x, y := orders[i-1], orders[i]; x.prefix == y.prefix && members[x.index].name == members[y.index].name {
			return fmt.Errorf("jsonx: marshal %v: %w: %q", t, ErrDuplicateName, inShort(members[x.index].name))
		}
	}
	return nil
}

var encodePool = sync.Pool{New: func() any { return &encodeState{opt: defaults()} }}

// maxPooledText is how large a buffer for a whole text is kept from one call to the next.
const maxPooledText = 1 << 20

func (e *encodeState) free() {
	e.depth = 0
	if e.custom {
		e.opt, e.custom = defaults(), false
	}
	if cap(e.whole) > maxPooledText {
		e.whole = nil
	}
	e.members, e.orders = emptied(e.members), emptied(e.orders)
	encodePool.Put(e)
}

// value writes any Go value, the common kinds without a plan.
func (e *encodeState) value(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendQuote(b, v, e.opt.html)
	case float64:
		return appendFloat64(b, v)
	case bool:
		return appendBool(b, v), nil
	case int:
		return appendInt(b, int64(v)), nil
	case int64:
		return appendInt(b, v), nil
	case map[string]any:
		return e.anyMap(b, v)
	case []any:
		return e.anyList(b, v)
	}
	t := reflect.TypeOf(v)
	if t.Kind() != reflect.Pointer {
		return encPlan(t, false).enc(e, b, inside(t, v))
	}
	p, ok := pointedTo(v)
	if !ok {
		return append(b, "null"...), nil
	}
	elem := t.Elem()
	if k := elem.Kind(); k == reflect.Pointer || k == reflect.Interface {
		if err := e.down(t); err != nil {
			return b, err
		}
		defer e.up()
	}
	if t != e.root {
		e.root, e.rootPlan = t, encPlan(elem, true)
	}
	return e.rootPlan.enc(e, b, p)
}

// down enters an array, an object or a pointer to a pointer, all of which can lead in a circle.
func (e *encodeState) down(t reflect.Type) error {
	if e.depth >= e.opt.maxDepth {
		return fmt.Errorf("jsonx: marshal %v: %w", t, ErrTooDeep)
	}
	e.depth++
	return nil
}

func (e *encodeState) up() { e.depth-- }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, "true"...)
	}
	return append(b, "false"...)
}

func (e *encodeState) anyList(b []byte, list []any) (_ []byte, err error) {
	if list == nil {
		return append(b, "null"...), nil
	}
	if err := e.down(anyListType); err != nil {
		return b, err
	}
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = e.value(b, v); err != nil {
			return b, err
		}
	}
	e.up()
	return append(b, ']'), nil
}

func (e *encodeState) anyMap(b []byte, m map[string]any) (_ []byte, err error) {
	if m == nil {
		return append(b, "null"...), nil
	}
	if err := e.down(anyMapType); err != nil {
		return b, err
	}
	first := len(e.members)
	e.room(len(m))
	for name, v := range m {
		e.orders = append(e.orders, orderOf(name, len(e.members)))
		e.members = append(e.members, member{name, v})
	}
	if err := e.sort(first, anyMapType); err != nil {
		return b, err
	}
	b = append(b, '{')
	for i, n := first, len(e.members); i < n; i++ {
		if i > first {
			b = append(b, ',')
		}
		m := &e.members[e.orders[i].index]
		v := m.value
		if b, err = appendQuote(b, m.name, e.opt.html); err != nil {
			return b, err
		}
		if b, err = e.value(append(b, ':'), v); err != nil {
			return b, err
		}
	}
	e.closeMap(first)
	return append(b, '}'), nil
}

// room makes it for n members more.
func (e *encodeState) room(n int) {
	e.members, e.orders = slices.Grow(e.members, n), slices.Grow(e.orders, n)
}

// closeMap forgets the members from first on.
func (e *encodeState) closeMap(first int) {
	clear(e.members[first:])
	e.members, e.orders = e.members[:first], e.orders[:first]
	e.up()
}

var (
	anyListType = reflect.TypeFor[[]any]()
	anyMapType  = reflect.TypeFor[map[string]any]()
)
