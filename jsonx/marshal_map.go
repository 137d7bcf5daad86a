package jsonx

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"sync/atomic"
)

// cursor goes through a map: the iterator, room for the key it is at and for the values of all members, which wait for
// their turn in the order of the names.
type cursor struct {
	it          reflect.MapIter
	key, values reflect.Value
	below       *cursor // of the same plan, for maps in maps
	height      int     // how many are below
}

// cursors are the idle ones of a state by the number of the plan.
type cursors []*cursor

// maxCursors is how many are kept of a plan.
const maxCursors = 8

// mapPlans counts the plans of maps that are written.
var mapPlans atomic.Int64

func (c *cursors) take(plan int, t reflect.Type) *cursor {
	if plan < len(*c) && (*c)[plan] != nil {
		x := (*c)[plan]
		(*c)[plan] = x.below
		return x
	}
	return &cursor{key: reflect.New(t.Key()).Elem(), values: reflect.New(reflect.SliceOf(t.Elem())).Elem()}
}

// put takes x back without what it holds of the map, unless that was a large one.
func (c *cursors) put(plan int, x *cursor) {
	x.it.Reset(reflect.Value{})
	x.key.SetZero()
	x.values.Clear()
	if x.values.Cap()*int(x.values.Type().Elem().Size()) > maxPooledBytes {
		return
	}
	for len(*c) <= plan {
		*c = append(*c, nil)
	}
	x.below, x.height = (*c)[plan], 0
	if x.below != nil {
		x.height = x.below.height + 1
	}
	if x.height < maxCursors {
		(*c)[plan] = x
	}
}

// read puts the members of v on the stacks of e, and their values into c.
func (c *cursor) read(e *encodeState, v reflect.Value) error {
	c.it.Reset(v)
	if n := v.Len(); n > c.values.Cap() {
		c.values.Set(reflect.MakeSlice(c.values.Type(), n, n))
	}
	c.values.SetLen(v.Len())
	e.room(v.Len())
	for i := 0; c.it.Next(); i++ {
		c.key.SetIterKey(&c.it)
		name, err := nameOf(c.key)
		if err != nil {
			return err
		}
		c.values.Index(i).SetIterValue(&c.it)
		e.orders = append(e.orders, orderOf(name, len(e.members)))
		e.members = append(e.members, member{name: name})
	}
	return nil
}

func (c encCompiler) mapping(t reflect.Type) encFunc {
	if t == anyMapType {
		return func(e *encodeState, b []byte, p loc) ([]byte, error) { return e.anyMap(b, *typedAt[map[string]any](p)) }
	}
	if k := t.Key(); !isName(k) {
		return func(_ *encodeState, b []byte, _ loc) ([]byte, error) {
			return b, fmt.Errorf("jsonx: marshal %v: map key of type %v: %w", t, k, errUnsupported)
		}
	}
	enc := c.of(t.Elem(), false)
	plan := int(mapPlans.Add(1) - 1)
	return func(e *encodeState, b []byte, p loc) (_ []byte, err error) {
		v := valueAt(t, p)
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		if err := e.down(t); err != nil {
			return b, err
		}
		c := e.cursors.take(plan, t)
		first := len(e.members)
		if err := c.read(e, v); err != nil {
			return b, err
		}
		if err := e.sort(first, t); err != nil {
			return b, err
		}
		b = append(b, '{')
		for i, n := first, len(e.members); i < n; i++ {
			if i > first {
				b = append(b, ',')
			}
			k := e.orders[i].index
			if b, err = appendQuote(b, e.members[k].name, e.opt.html); err != nil {
				return b, err
			}
			if b, err = enc(e, append(b, ':'), locOf(c.values.Index(k-first))); err != nil {
				return b, err
			}
		}
		e.cursors.put(plan, c)
		e.closeMap(first)
		return append(b, '}'), nil
	}
}

// isName reports whether keys of type t have names.
func isName(t reflect.Type) bool {
	k := t.Kind()
	return k == reflect.String || k >= reflect.Int && k <= reflect.Uintptr || t.Implements(textType)
}

// nameOf returns the name that a map key becomes: a string as it is, then a TextMarshaler, then an integer in decimal.
func nameOf(key reflect.Value) (string, error) {
	if key.Kind() == reflect.String {
		return key.String(), nil
	}
	if key.Type().Implements(textType) {
		switch {
		case key.Kind() == reflect.Pointer && key.IsNil():
			return "", nil
		case key.Kind() == reflect.Interface && key.IsNil():
			return "", fmt.Errorf("jsonx: marshal: map key of type %v is nil", key.Type())
		}
		b, err := key.Interface().(encoding.TextMarshaler).MarshalText()
		return string(b), err
	}
	if key.CanInt() {
		return strconv.FormatInt(key.Int(), 10), nil
	}
	return strconv.FormatUint(key.Uint(), 10), nil
}
