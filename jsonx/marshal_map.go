package jsonx

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"sync"
)

// cursor goes through maps of one type: the iterator and room for the key and value it is at.
type cursor struct {
	it         reflect.MapIter
	key, value reflect.Value
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
	var pool sync.Pool
	return func(e *encodeState, b []byte, p loc) (_ []byte, err error) {
		v := valueAt(t, p)
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		if err := e.down(t); err != nil {
			return b, err
		}
		c, _ := pool.Get().(*cursor)
		if c == nil {
			c = &cursor{key: reflect.New(t.Key()).Elem(), value: reflect.New(t.Elem()).Elem()}
		}
		c.it.Reset(v)
		first, start := len(e.members), len(b)
		for c.it.Next() {
			c.key.SetIterKey(&c.it)
			c.value.SetIterValue(&c.it)
			name, err := nameOf(c.key)
			if err != nil {
				return b, err
			}
			from := len(b)
			if b, err = appendQuote(b, name, e.opt.html); err != nil {
				return b, err
			}
			if b, err = enc(e, append(b, ':'), locOf(c.value)); err != nil {
				return b, err
			}
			e.members = append(e.members, newMember(name, from, len(b)))
		}
		c.it.Reset(reflect.Value{})
		c.key.SetZero()
		c.value.SetZero()
		pool.Put(c)
		e.up()
		return e.object(b, start, first, t)
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
