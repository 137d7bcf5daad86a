package jsonx

import (
	"encoding"
	"encoding/base64"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"sync"
)

// RawValue is one JSON value as text: checked and compacted when written, copied as it stands when read.
type RawValue []byte

type (
	appender  interface{ AppendJSON([]byte) ([]byte, error) }
	marshaler interface{ MarshalJSON() ([]byte, error) }
	zeroer    interface{ IsZero() bool }
)

type encoder struct {
	buf   []byte
	opt   options
	depth int
}

type encFunc func(e *encoder, v reflect.Value) error

var (
	encPlans      sync.Map // reflect.Type -> encFunc
	numberType    = reflect.TypeFor[Number]()
	appenderType  = reflect.TypeFor[appender]()
	marshalerType = reflect.TypeFor[marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
	zeroerType    = reflect.TypeFor[zeroer]()
)

// Marshal returns v as JSON. See the package comment for what differs from encoding/json.
func Marshal(v any, opts ...Option) ([]byte, error) { return Append(nil, v, opts...) }

// Append appends v as JSON to dst; on an error dst comes back as it was.
func Append(dst []byte, v any, opts ...Option) ([]byte, error) {
	e := encoder{buf: dst, opt: collect(opts)}
	if err := e.any(reflect.ValueOf(v)); err != nil {
		return dst, err
	}
	return e.buf, nil
}

func (e *encoder) any(v reflect.Value) error {
	if !v.IsValid() {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	return encPlan(v.Type())(e, v)
}

// encPlan returns the plan of t. A recursive type meets a stand-in that waits for the plan under construction.
func encPlan(t reflect.Type) encFunc {
	if f, ok := encPlans.Load(t); ok {
		return f.(encFunc)
	}
	var (
		ready sync.WaitGroup
		plan  encFunc
	)
	ready.Add(1)
	f, loaded := encPlans.LoadOrStore(t, encFunc(func(e *encoder, v reflect.Value) error {
		ready.Wait()
		return plan(e, v)
	}))
	if loaded {
		return f.(encFunc)
	}
	plan = methodEnc(t)
	ready.Done()
	encPlans.Store(t, plan)
	return plan
}

func methodEnc(t reflect.Type) encFunc {
	if t == rawType {
		return encRaw
	}
	for _, m := range []struct {
		t reflect.Type
		f encFunc
	}{{appenderType, encAppender}, {marshalerType, encMarshaler}, {textType, encText}} {
		if t.Implements(m.t) {
			return m.f
		}
		if t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(m.t) {
			plain := kindEnc(t)
			return func(e *encoder, v reflect.Value) error {
				if v.CanAddr() {
					return m.f(e, v.Addr())
				}
				return plain(e, v)
			}
		}
	}
	return kindEnc(t)
}

func isNil(v reflect.Value) bool {
	return (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil()
}

func (e *encoder) raw(b []byte, err error, t reflect.Type) error {
	if err == nil {
		var out []byte
		if out, err = Compact(e.buf, b); err == nil {
			e.buf = out
			return nil
		}
	}
	return fmt.Errorf("jsonx: marshal %v: %w", t, err)
}

func encRaw(e *encoder, v reflect.Value) error {
	if v.IsNil() {
		return encNull(e, v)
	}
	return e.raw(v.Bytes(), nil, v.Type())
}

func encNull(e *encoder, _ reflect.Value) error {
	e.buf = append(e.buf, "null"...)
	return nil
}

func encAppender(e *encoder, v reflect.Value) error {
	if isNil(v) {
		return encNull(e, v)
	}
	b, err := v.Interface().(appender).AppendJSON(nil)
	return e.raw(b, err, v.Type())
}

func encMarshaler(e *encoder, v reflect.Value) error {
	if isNil(v) {
		return encNull(e, v)
	}
	b, err := v.Interface().(marshaler).MarshalJSON()
	return e.raw(b, err, v.Type())
}

func encText(e *encoder, v reflect.Value) error {
	if isNil(v) {
		return encNull(e, v)
	}
	b, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return fmt.Errorf("jsonx: marshal %v: %w", v.Type(), err)
	}
	return e.string(string(b))
}

func (e *encoder) string(s string) (err error) {
	e.buf, err = appendQuote(e.buf, s, e.opt.html)
	return err
}

func (e *encoder) enter(t reflect.Type) error {
	if e.depth++; e.depth > e.opt.maxDepth {
		return fmt.Errorf("jsonx: marshal %v: %w", t, ErrTooDeep)
	}
	return nil
}

func kindEnc(t reflect.Type) encFunc {
	switch t.Kind() {
	case reflect.Bool:
		return func(e *encoder, v reflect.Value) error { e.buf = strconv.AppendBool(e.buf, v.Bool()); return nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(e *encoder, v reflect.Value) error { e.buf = strconv.AppendInt(e.buf, v.Int(), 10); return nil }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return func(e *encoder, v reflect.Value) error { e.buf = strconv.AppendUint(e.buf, v.Uint(), 10); return nil }
	case reflect.Float32, reflect.Float64:
		bits := t.Bits()
		return func(e *encoder, v reflect.Value) (err error) {
			e.buf, err = appendFloat(e.buf, v.Float(), bits)
			return err
		}
	case reflect.String:
		if isNumber(t) {
			return encNumber
		}
		return func(e *encoder, v reflect.Value) error { return e.string(v.String()) }
	case reflect.Interface:
		return func(e *encoder, v reflect.Value) error { return e.any(v.Elem()) }
	case reflect.Pointer:
		return pointerEnc(t)
	case reflect.Slice, reflect.Array:
		return listEnc(t)
	case reflect.Map:
		return mapEnc(t)
	case reflect.Struct:
		return structEnc(t)
	}
	return func(*encoder, reflect.Value) error { return fmt.Errorf("jsonx: marshal: unsupported type %v", t) }
}

func isNumber(t reflect.Type) bool {
	return t == numberType || t.Name() == "Number" && t.PkgPath() == "encoding/json"
}

func encNumber(e *encoder, v reflect.Value) error {
	s := v.String()
	if s == "" {
		s = "0"
	}
	if end, _, bad := scanNumber([]byte(s), 0); bad != "" || end != len(s) {
		return fmt.Errorf("jsonx: marshal %v: %q is no number", v.Type(), s)
	}
	e.buf = append(e.buf, s...)
	return nil
}

func pointerEnc(t reflect.Type) encFunc {
	elem := encPlan(t.Elem())
	return func(e *encoder, v reflect.Value) error {
		if v.IsNil() {
			return encNull(e, v)
		}
		if err := e.enter(t); err != nil {
			return err
		}
		defer func() { e.depth-- }()
		return elem(e, v.Elem())
	}
}

// byteSlice reports whether t is written as base64: bytes that have no methods of their own.
func byteSlice(t reflect.Type) bool {
	p := reflect.PointerTo(t.Elem())
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !p.Implements(appenderType) &&
		!p.Implements(marshalerType) && !p.Implements(textType)
}

func listEnc(t reflect.Type) encFunc {
	if byteSlice(t) {
		return func(e *encoder, v reflect.Value) error {
			if v.IsNil() {
				return encNull(e, v)
			}
			e.buf = append(base64.StdEncoding.AppendEncode(append(e.buf, '"'), v.Bytes()), '"')
			return nil
		}
	}
	elem := encPlan(t.Elem())
	return func(e *encoder, v reflect.Value) error {
		if t.Kind() == reflect.Slice && v.IsNil() {
			return encNull(e, v)
		}
		if err := e.enter(t); err != nil {
			return err
		}
		e.buf = append(e.buf, '[')
		for i := range v.Len() {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			if err := elem(e, v.Index(i)); err != nil {
				return err
			}
		}
		e.buf = append(e.buf, ']')
		e.depth--
		return nil
	}
}

func keyText(v reflect.Value) (string, error) {
	if v.Kind() == reflect.String {
		return v.String(), nil
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if isNil(v) {
			return "", nil
		}
		b, err := m.MarshalText()
		return string(b), err
	}
	switch {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), nil
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), nil
	}
	return "", fmt.Errorf("jsonx: marshal: unsupported map key type %v", v.Type())
}

func mapEnc(t reflect.Type) encFunc {
	elem := encPlan(t.Elem())
	type pair struct {
		name string
		v    reflect.Value
	}
	return func(e *encoder, v reflect.Value) error {
		if v.IsNil() {
			return encNull(e, v)
		}
		if err := e.enter(t); err != nil {
			return err
		}
		pairs := make([]pair, 0, v.Len())
		for it := v.MapRange(); it.Next(); {
			name, err := keyText(it.Key())
			if err != nil {
				return err
			}
			pairs = append(pairs, pair{name, it.Value()})
		}
		sort.Slice(pairs, func(i, j int) bool { return pairs[i].name < pairs[j].name })
		e.buf = append(e.buf, '{')
		for i, p := range pairs {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			if err := e.string(p.name); err != nil {
				return err
			}
			e.buf = append(e.buf, ':')
			if err := elem(e, p.v); err != nil {
				return err
			}
		}
		e.buf = append(e.buf, '}')
		e.depth--
		return nil
	}
}

func structEnc(t reflect.Type) encFunc {
	fields := structFields(t)
	for i := range fields {
		f := &fields[i]
		f.enc = encPlan(f.typ)
		if f.quoted {
			f.enc = quotedEnc(f.enc)
		}
		f.key = append(AppendString(nil, f.name), ':')
	}
	return func(e *encoder, v reflect.Value) error {
		if err := e.enter(t); err != nil {
			return err
		}
		e.buf = append(e.buf, '{')
		first := true
		for i := range fields {
			f := &fields[i]
			fv, ok := fieldValue(v, f.index)
			if !ok || f.omitEmpty && empty(fv) || f.omitZero && zero(fv) {
				continue
			}
			if !first {
				e.buf = append(e.buf, ',')
			}
			first = false
			if e.opt.html {
				if err := e.string(f.name); err != nil {
					return err
				}
				e.buf = append(e.buf, ':')
			} else {
				e.buf = append(e.buf, f.key...)
			}
			if err := f.enc(e, fv); err != nil {
				return err
			}
		}
		e.buf = append(e.buf, '}')
		e.depth--
		return nil
	}
}

// quotedEnc is the tag option string: the value's text inside a string.
func quotedEnc(enc encFunc) encFunc {
	return func(e *encoder, v reflect.Value) error {
		n := len(e.buf)
		if err := enc(e, v); err != nil {
			return err
		}
		if text := string(e.buf[n:]); text != "null" {
			e.buf = e.buf[:n]
			return e.string(text)
		}
		return nil
	}
}

func fieldValue(v reflect.Value, index []int) (reflect.Value, bool) {
	for i, x := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v, true
}

func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func zero(v reflect.Value) bool {
	if v.Type().Implements(zeroerType) && !isNil(v) {
		return v.Interface().(zeroer).IsZero()
	}
	if v.CanAddr() && v.Addr().Type().Implements(zeroerType) {
		return v.Addr().Interface().(zeroer).IsZero()
	}
	return v.IsZero()
}
