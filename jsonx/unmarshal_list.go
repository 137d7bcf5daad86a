package jsonx

import (
	"reflect"
	"sync/atomic"
)

// slicePlan is how a slice type is read.
type slicePlan struct {
	typ, elemType reflect.Type
	size          uintptr
	dec           decFunc
	own           bool // elements must be read where they are to stay
	flat          bool // elements have no pointers
	texts         int  // of how many strings, and nothing else, an element is made; 0 if of others
	number        int  // of the plan, see scratches
}

// slicePlans counts the plans.
var slicePlans atomic.Int64

func (c decCompiler) slice(t reflect.Type) decFunc {
	elem := t.Elem()
	dec, own := c.of(elem), c.plan(elem).own
	list := c.special(t)
	if list == nil {
		s := &slicePlan{typ: t, elemType: elem, size: elem.Size(), dec: dec, own: own, flat: isFlat(elem), texts: textsIn(elem), number: int(slicePlans.Add(1) - 1)}
		list = s.reader()
	}
	if !byteSlice(t) {
		return list
	}
	return func(d *decodeState, i int, p loc) int {
		if i >= len(d.data) || d.data[i] != '"' {
			return list(d, i, p)
		}
		b, end := d.bytesAt(i, t)
		if end >= 0 {
			valueAt(t, p).SetBytes(b)
		}
		return end
	}
}

// noList answers for what is no array: null makes a slice nil, the rest does not fit.
func (d *decodeState) noList(i int, t reflect.Type, p loc) int {
	null := i < len(d.data) && d.data[i] == 'n'
	if i = d.other(i, t); i >= 0 && null {
		valueAt(t, p).SetZero()
	}
	return i
}

// isFlat reports whether values of type t have no pointers.
func isFlat(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Complex128:
		return true
	case k == reflect.Array:
		return isFlat(t.Elem())
	case k == reflect.Struct:
		for i := range t.NumField() {
			if !isFlat(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

// textsIn returns of how many strings a t is made, 0 if there is anything else in it.
func textsIn(t reflect.Type) (n int) {
	switch t.Kind() {
	case reflect.String:
		return 1
	case reflect.Array:
		return t.Len() * textsIn(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			m := textsIn(t.Field(i).Type)
			if m == 0 {
				return 0
			}
			n += m
		}
	}
	return n
}

// special returns the quicker way for slices of numbers and strings without methods, or nil.
func (c decCompiler) special(t reflect.Type) decFunc {
	elem := t.Elem()
	if !byAddress || c.plan(elem).own || isNumber(elem) {
		return nil
	}
	switch elem.Kind() {
	case reflect.Int, reflect.Int64:
		if elem.Size() == 8 {
			return decNumbers(t, intAt[int64])
		}
	case reflect.Int32:
		return decNumbers(t, intAt[int32])
	case reflect.Uint, reflect.Uint64:
		if elem.Size() == 8 {
			return decNumbers(t, uintAt[uint64])
		}
	case reflect.Uint32:
		return decNumbers(t, uintAt[uint32])
	case reflect.Float32:
		return decNumbers(t, floatAt[float32])
	case reflect.Float64:
		return decNumbers(t, floatAt[float64])
	case reflect.String:
		return decStrings(t)
	}
	return nil
}

// decNumbers reads into a buffer that all calls share, then makes the slice just as long as it must be.
func decNumbers[T number](t reflect.Type, at func(*decodeState, int, reflect.Type) (T, int)) decFunc {
	elem := t.Elem()
	return func(d *decodeState, i int, p loc) int {
		if i >= len(d.data) || d.data[i] != '[' {
			return d.noList(i, t, p)
		}
		if !d.down(i) {
			return failed
		}
		dst := typedAt[[]T](p)
		buf, shared := (*dst)[:0], false
		if cap(buf) == 0 {
			if d.words == nil {
				d.words = make([]uint64, 64)
			}
			buf, shared = wordsAs[T](d.words)[:0], true
		}
		if i = afterSpace(d.data, i+1); i < len(d.data) && d.data[i] == ']' {
			d.depth--
			*dst = orEmpty((*dst)[:0])
			return i + 1
		}
		b := d.data
		for more := true; more; {
			var v T
			if d.numberAt(i) {
				v, i = at(d, i, elem)
			} else {
				i = d.other(i, elem)
			}
			if i < 0 {
				return failed
			}
			if buf = append(buf, v); shared && len(buf) == cap(buf) {
				d.words = append(d.words, d.words...)
				buf = append(wordsAs[T](d.words)[:0], buf...)
			}
			if i < len(b)-1 && b[i] == ',' && b[i+1] > ' ' {
				i++
			} else if i, more = d.nextElement(i, ']', wantElementEnd); i < 0 {
				return failed
			}
		}
		if *dst = buf; shared {
			*dst = append(make([]T, 0, len(buf)), buf...)
		}
		return i
	}
}

// orEmpty returns s, not nil.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// decStrings is decNumbers for strings, the first of which wait on the stack.
func decStrings(t reflect.Type) decFunc {
	elem := t.Elem()
	return func(d *decodeState, i int, p loc) int {
		if i >= len(d.data) || d.data[i] != '[' {
			return d.noList(i, t, p)
		}
		if !d.down(i) {
			return failed
		}
		dst := typedAt[[]string](p)
		if i = afterSpace(d.data, i+1); i < len(d.data) && d.data[i] == ']' {
			d.depth--
			*dst = orEmpty((*dst)[:0])
			return i + 1
		}
		b := d.data
		var few [8]string
		n, list := 0, (*dst)[:0]
		for more := true; more; n++ {
			if n == len(few) {
				list = append(list, few[:]...)
				n = 0
			}
			if few[n], i = d.stringAt(i, elem); i < 0 {
				return failed
			}
			if i < len(b)-1 && b[i] == ',' && b[i+1] > ' ' {
				i++
			} else if i, more = d.nextElement(i, ']', wantElementEnd); i < 0 {
				return failed
			}
		}
		if list == nil {
			list = make([]string, 0, n)
		}
		*dst = append(list, few[:n]...)
		return i
	}
}

func (s *slicePlan) reader() decFunc {
	return func(d *decodeState, i int, p loc) int {
		if i >= len(d.data) || d.data[i] != '[' {
			return d.noList(i, s.typ, p)
		}
		if !d.down(i) {
			return failed
		}
		var g growing
		b := d.data
		g.open(d, s, p)
		if i = afterSpace(d.data, i+1); i < len(d.data) && d.data[i] == ']' {
			d.depth--
			g.close(d, 0)
			return i + 1
		}
		for n, more := 0, true; more; n++ {
			if i = s.dec(d, i, g.at(n)); uint(i) < uint(len(b)-1) && b[i] == ',' {
				if i++; b[i] <= ' ' {
					i = skipSpace(b, i)
				}
			} else if i >= 0 {
				i, more = d.nextElement(i, ']', wantElementEnd)
			}
			if i < 0 {
				g.release(d, n+1)
				return failed
			}
			if !more {
				g.close(d, n+1)
			}
		}
		return i
	}
}

// array reads an array: elements that are not there become zero, those beyond its end are checked and dropped.
func (c decCompiler) array(t reflect.Type) (dec decFunc, own bool) {
	elem := t.Elem()
	read, n, size := c.of(elem), t.Len(), elem.Size()
	return func(d *decodeState, i int, p loc) int {
		if i >= len(d.data) || d.data[i] != '[' {
			return d.other(i, t)
		}
		if !d.down(i) {
			return failed
		}
		k := 0
		if i = afterSpace(d.data, i+1); i < len(d.data) && d.data[i] == ']' {
			d.depth--
			i++
		} else {
			for more := true; more; k++ {
				if k < n {
					i = read(d, i, element(p, k, size))
				} else {
					i = d.pass(i)
				}
				if i < 0 {
					return failed
				}
				if i, more = d.nextElement(i, ']', wantElementEnd); i < 0 {
					return failed
				}
			}
		}
		for ; k < n; k++ {
			valueAt(elem, element(p, k, size)).SetZero()
		}
		return i
	}, c.plan(elem).own
}
