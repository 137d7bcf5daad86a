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
		return d.boxString(chars, end), end
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
	var few [8]any // as long as the list is short, so that it is written but once to the heap
	base, n := len(d.values), 0
	for more := true; more; n++ {
		if n == len(few) {
			d.values, n = append(d.values, few[:]...), 0
		}
		if few[n], i = d.anyAt(i); i < 0 {
			return nil, failed
		}
		if i, more = d.nextElement(i, ']', wantElementEnd); i < 0 {
			return nil, failed
		}
	}
	list := append(append(make([]any, 0, len(d.values)-base+n), d.values[base:]...), few[:n]...)
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
	var names [8]string // as in arrayAt
	var values [8]any
	base, n := len(d.keys), 0
	for more := true; more; n++ {
		if n == len(names) {
			d.keys, d.values, n = append(d.keys, names[:]...), append(d.values, values[:]...), 0
		}
		if names[n], i = d.nameAt(i, len(d.keys)-base+n); i < 0 {
			return nil, failed
		}
		if values[n], i = d.anyAt(i); i < 0 {
			return nil, failed
		}
		if i, more = d.nextElement(i, '}', wantMemberEnd); i < 0 {
			return nil, failed
		}
	}
	keys := d.keys[base:]
	vals := d.values[len(d.values)-len(keys):]
	fresh, size := len(m) == 0, len(keys)+n
	if m == nil {
		m = make(map[string]any, size)
	}
	for k, name := range keys {
		m[name] = vals[k]
	}
	for k, name := range names[:n] {
		m[name] = values[k]
	}
	clear(keys)
	clear(vals)
	d.keys, d.values = d.keys[:base], d.values[:len(d.values)-len(keys)]
	if !d.opt.dups && (!fresh || len(m) != size) && !d.distinct(start) {
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
