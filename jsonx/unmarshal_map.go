package jsonx

import (
	"encoding"
	"reflect"
	"strconv"
	"sync"
)

// mapPlan is how a map type is read.
type mapPlan struct {
	typ   reflect.Type
	dec   decFunc
	key   func(d *decodeState, name []byte, key reflect.Value) error
	exact bool // different names are different keys, so that the size of the map tells of repeated ones
	pool  sync.Pool
}

// entry is one key and value on the way into a map, which copies them.
type entry struct{ key, value reflect.Value }

func (c decCompiler) mapping(t reflect.Type) decFunc {
	m := &mapPlan{typ: t, dec: c.of(t.Elem())}
	m.key, m.exact = keyDec(t.Key())
	read := m.read
	if m.key == nil {
		read = func(d *decodeState, i int, _ loc) int {
			if d.pass(i) < 0 {
				return failed
			}
			return d.misfit(i, t, "object", errUnsupported)
		}
	}
	if t.Key().Kind() == reflect.String && m.exact && t.Elem() == anyType && byAddress {
		read = readAnyMap
	}
	return func(d *decodeState, i int, p loc) int {
		if i < len(d.data) && d.data[i] == '{' {
			return read(d, i, p)
		}
		if i < len(d.data) && d.data[i] == 'n' {
			if i = d.null(i); i >= 0 {
				valueAt(t, p).SetZero()
			}
			return i
		}
		return d.other(i, t)
	}
}

func readAnyMap(d *decodeState, i int, p loc) int {
	m := typedAt[map[string]any](p)
	x, end := d.membersAt(i, *m)
	if end >= 0 {
		*m = x
	}
	return end
}

func (m *mapPlan) read(d *decodeState, i int, p loc) int {
	v := valueAt(m.typ, p)
	if v.IsNil() {
		v.Set(reflect.MakeMap(m.typ))
	}
	if !d.down(i) {
		return failed
	}
	start, bySize := i, m.exact && v.Len() == 0 || d.opt.dups
	if i = afterSpace(d.data, i+1); i < len(d.data) && d.data[i] == '}' {
		d.depth--
		return i + 1
	}
	e, _ := m.pool.Get().(*entry)
	if e == nil {
		e = &entry{reflect.New(m.typ.Key()).Elem(), reflect.New(m.typ.Elem()).Elem()}
	}
	if !bySize {
		d.openNames()
	}
	n := 0
	for more := true; more; n++ {
		if i = m.member(d, i, n, bySize, v, e); i < 0 {
			return failed
		}
		if i, more = d.nextElement(i, '}', wantMemberEnd); i < 0 {
			return failed
		}
	}
	e.key.SetZero()
	e.value.SetZero()
	m.pool.Put(e)
	if !bySize {
		d.unknown.close()
	} else if v.Len() != n && !d.opt.dups && !d.distinct(start) {
		return failed
	}
	return i
}

// member reads the member at i into v. Unless the size of v will tell, it makes sure that its name is new.
func (m *mapPlan) member(d *decodeState, i, n int, bySize bool, v reflect.Value, e *entry) int {
	if i >= len(d.data) || d.data[i] != '"' {
		return d.bad(i, wantName)
	}
	if n >= d.opt.maxMembers {
		return d.bad(i, wantFewer)
	}
	name, end := d.charsAt(i)
	if end < 0 {
		return failed
	}
	if !bySize {
		if bad := d.unknown.name(name, true); bad != "" {
			return d.bad(i, bad)
		}
	}
	d.pos = end
	if err := m.key(d, name, e.key); err != nil {
		return d.misfit(i, m.typ.Key(), "name", err)
	}
	if i = d.colon(end); i < 0 {
		return failed
	}
	e.value.SetZero()
	if i = m.dec(d, i, locOf(e.value)); i >= 0 {
		v.SetMapIndex(e.key, e.value)
	}
	return i
}

// keyDec returns how a name becomes a key of type t, nil if it cannot, and whether no two names make the same key.
func keyDec(t reflect.Type) (set func(*decodeState, []byte, reflect.Value) error, exact bool) {
	if reflect.PointerTo(t).Implements(unTextType) {
		return func(_ *decodeState, name []byte, key reflect.Value) error {
			key.SetZero()
			return key.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(append([]byte(nil), name...))
		}, false
	}
	switch k := t.Kind(); {
	case k == reflect.String:
		return func(d *decodeState, name []byte, key reflect.Value) error {
			key.SetString(d.text(name, d.pos))
			return nil
		}, true
	case k >= reflect.Int && k <= reflect.Uintptr:
		return func(_ *decodeState, name []byte, key reflect.Value) error { return setWholeKey(key, string(name)) }, false
	}
	return nil, false
}

func setWholeKey(key reflect.Value, name string) error {
	if end, integer, bad := scanNumber([]byte(name), 0); bad != "" || end != len(name) || !integer {
		return strconv.ErrSyntax
	}
	if key.CanInt() {
		n, err := strconv.ParseInt(name, 10, key.Type().Bits())
		key.SetInt(n)
		return numberCause(err)
	}
	n, err := strconv.ParseUint(name, 10, key.Type().Bits())
	key.SetUint(n)
	return numberCause(err)
}
