package jsonx

import "reflect"

// decInterface reads into an interface: into what it holds if that is a non-nil pointer, else as one of the types of
// anyAt if it is an empty interface.
func decInterface(t reflect.Type) decFunc {
	return func(d *decodeState, i int, p loc) int {
		null := i < len(d.data) && d.data[i] == 'n'
		if byAddress && t == anyType && !null && getAny(p) == nil {
			x, end := d.anyAt(i)
			if end >= 0 {
				setAny(t, p, x)
			}
			return end
		}
		v := valueAt(t, p)
		if e := v.Elem(); e.Kind() == reflect.Pointer && !e.IsNil() && (!null || e.Type().Elem().Kind() == reflect.Pointer) {
			if !d.down(i) { // pointers may lead in a circle
				return failed
			}
			end := decPlan(e.Type().Elem()).dec(d, i, locOf(e.Elem()))
			d.depth--
			return end
		}
		if null {
			if i = d.null(i); i >= 0 {
				v.SetZero()
			}
			return i
		}
		if t.NumMethod() > 0 {
			return d.other(i, t)
		}
		x, end := d.anyAt(i)
		if end >= 0 {
			setAny(t, p, x)
		}
		return end
	}
}

// anyAt reads a value as map[string]any, []any, string, float64 (or Number), bool or nil.
func (d *decodeState) anyAt(i int) (v any, end int) {
	b := d.data
	if i >= len(b) {
		return nil, d.bad(i, wantValue)
	}
	switch b[i] {
	case '{':
		return d.objectAt(i)
	case '[':
		return d.arrayAt(i)
	case '"':
		chars, end := d.charsAt(i)
		if end < 0 {
			return nil, end
		}
		return d.boxString(chars), end
	case 't':
		end, bad := scanLiteral(b, i, "true")
		if bad != "" {
			return nil, d.bad(end, bad)
		}
		return true, end
	case 'f':
		end, bad := scanLiteral(b, i, "false")
		if bad != "" {
			return nil, d.bad(end, bad)
		}
		return false, end
	case 'n':
		return nil, d.null(i)
	}
	if !d.numberAt(i) {
		return nil, d.bad(i, wantValue)
	}
	if d.opt.numberInAny {
		end, _, bad := scanNumber(b, i)
		if bad != "" {
			return nil, d.bad(end, bad)
		}
		return Number(b[i:end]), end
	}
	f, end := floatAt[float64](d, i, float64Type)
	if end < 0 {
		return nil, end
	}
	return d.boxFloat(f, end), end
}

var float64Type = reflect.TypeFor[float64]()

// arrayAt collects the elements on a stack, then makes the slice just as long as it must be.
func (d *decodeState) arrayAt(i int) (any, int) {
	if !d.down(i) {
		return nil, failed
	}
	if i = afterSpace(d.data, i+1); i < len(d.data) && d.data[i] == ']' {
		d.depth--
		return []any{}, i + 1
	}
	base := len(d.values)
	for more := true; more; {
		var v any
		if v, i = d.anyAt(i); i < 0 {
			return nil, failed
		}
		d.values = append(d.values, v)
		if i, more = d.nextElement(i, ']', wantElementEnd); i < 0 {
			return nil, failed
		}
	}
	list := append(make([]any, 0, len(d.values)-base), d.values[base:]...)
	clear(d.values[base:])
	d.values = d.values[:base]
	return list, i
}

func (d *decodeState) objectAt(i int) (any, int) {
	m, i := d.membersAt(i, nil)
	if i < 0 {
		return nil, failed
	}
	return m, i
}

// membersAt reads an object into m, or a new map if that is nil. It collects the members on stacks to make the map
// large enough at once.
func (d *decodeState) membersAt(i int, m map[string]any) (map[string]any, int) {
	if !d.down(i) {
		return nil, failed
	}
	start := i
	if i = afterSpace(d.data, i+1); i < len(d.data) && d.data[i] == '}' {
		d.depth--
		if m == nil {
			m = make(map[string]any)
		}
		return m, i + 1
	}
	keys, values := len(d.keys), len(d.values)
	for more := true; more; {
		var name string
		if name, i = d.nameAt(i, len(d.keys)-keys); i < 0 {
			return nil, failed
		}
		d.keys = append(d.keys, name)
		var v any
		if v, i = d.anyAt(i); i < 0 {
			return nil, failed
		}
		d.values = append(d.values, v)
		if i, more = d.nextElement(i, '}', wantMemberEnd); i < 0 {
			return nil, failed
		}
	}
	n := len(d.keys) - keys
	fresh := len(m) == 0
	if m == nil {
		m = make(map[string]any, n)
	}
	for k, name := range d.keys[keys:] {
		m[name] = d.values[values+k]
	}
	clear(d.keys[keys:])
	clear(d.values[values:])
	d.keys, d.values = d.keys[:keys], d.values[:values]
	if !d.opt.dups && (!fresh || len(m) != n) && !d.distinct(start) {
		return nil, failed
	}
	return m, i
}

// distinct checks the object at i once more for names that repeat, which the size of a map has put in doubt.
func (d *decodeState) distinct(i int) bool { return d.pass(i) >= 0 }

// nameAt reads the name of member number n of an object, and the colon.
func (d *decodeState) nameAt(i, n int) (name string, value int) {
	if i >= len(d.data) || d.data[i] != '"' {
		return "", d.bad(i, wantName)
	}
	if n >= d.opt.maxMembers {
		return "", d.bad(i, wantFewer)
	}
	chars, end := d.charsAt(i)
	if end < 0 {
		return "", failed
	}
	name = d.names.get(chars)
	return name, d.colon(end)
}

// nameCache keeps names of members read into maps, as the same few are used again and again. A name that hashes to the
// same place replaces another; at most 256 names of 32 bytes stay, from one call to the next.
type nameCache [256]string

func (c *nameCache) get(name []byte) string {
	if len(name) > 32 {
		return string(name)
	}
	s := &c[hashName(name)>>56]
	if *s != string(name) {
		*s = string(name)
	}
	return *s
}
