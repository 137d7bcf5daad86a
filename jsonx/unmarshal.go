package jsonx

import (
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"sync"
)

type (
	unmarshalerX interface{ UnmarshalJSONX(*Decoder) error }
	unmarshaler  interface{ UnmarshalJSON([]byte) error }
)

type decFunc func(p *parser, v reflect.Value) error

var (
	decPlans         sync.Map // reflect.Type -> decFunc
	unmarshalerXType = reflect.TypeFor[unmarshalerX]()
	unmarshalerType  = reflect.TypeFor[unmarshaler]()
	unTextType       = reflect.TypeFor[encoding.TextUnmarshaler]()
	anyType          = reflect.TypeFor[any]()
)

// Unmarshal reads one JSON text into v, a non-nil pointer. On an error, a *SyntaxError or an *UnmarshalError, what came
// before it may already be stored.
func Unmarshal(data []byte, v any, opts ...Option) error {
	p := parser{data: data, opt: collect(opts)}
	if err := p.size(); err != nil {
		return err
	}
	if err := p.into(v); err != nil {
		return err
	}
	return p.end()
}

func (p *parser) into(v any) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("jsonx: unmarshal into %T: a non-nil pointer is needed", v)
	}
	p.space()
	return decPlan(rv.Type().Elem())(p, rv.Elem())
}

func decPlan(t reflect.Type) decFunc {
	if f, ok := decPlans.Load(t); ok {
		return f.(decFunc)
	}
	var (
		ready sync.WaitGroup
		plan  decFunc
	)
	ready.Add(1)
	f, loaded := decPlans.LoadOrStore(t, decFunc(func(p *parser, v reflect.Value) error {
		ready.Wait()
		return plan(p, v)
	}))
	if loaded {
		return f.(decFunc)
	}
	plan = methodDec(t)
	ready.Done()
	decPlans.Store(t, plan)
	return plan
}

func methodDec(t reflect.Type) decFunc {
	pt := reflect.PointerTo(t)
	switch {
	case t == rawType:
		return func(p *parser, v reflect.Value) error {
			raw, err := p.rawValue()
			v.SetBytes(append([]byte(nil), raw...))
			return err
		}
	case t.Kind() == reflect.Pointer:
		return pointerDec(t)
	case pt.Implements(unmarshalerXType):
		return decUnmarshalerX
	case pt.Implements(unmarshalerType):
		return decUnmarshaler
	case pt.Implements(unTextType):
		return decText
	}
	return kindDec(t)
}

func (p *parser) rawValue() ([]byte, error) {
	p.space()
	from := p.pos
	if err := p.skip(); err != nil {
		return nil, err
	}
	return p.data[from:p.pos], nil
}

func decUnmarshalerX(p *parser, v reflect.Value) error {
	at := p.pos
	raw, err := p.rawValue()
	if err != nil {
		return err
	}
	d := &Decoder{buf: raw, opt: p.opt, eof: true}
	if err = v.Addr().Interface().(unmarshalerX).UnmarshalJSONX(d); err == nil && d.More() {
		err = errors.New("UnmarshalJSONX left part of its value unread")
	}
	if err != nil {
		return p.mismatch(at, v.Type(), kindOf(raw), err)
	}
	return nil
}

func decUnmarshaler(p *parser, v reflect.Value) error {
	at := p.pos
	raw, err := p.rawValue()
	if err != nil {
		return err
	}
	if err := v.Addr().Interface().(unmarshaler).UnmarshalJSON(raw); err != nil {
		return p.mismatch(at, v.Type(), kindOf(raw), err)
	}
	return nil
}

func decText(p *parser, v reflect.Value) error {
	if p.space() == 'n' {
		return p.literal("null")
	}
	at := p.pos
	s, err := p.text(v.Type())
	if err != nil {
		return err
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		return p.mismatch(at, v.Type(), "string", err)
	}
	return nil
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
	return "number"
}

// wrong answers for a value of another kind: its own syntax error if it has one.
func (p *parser) wrong(t reflect.Type) error {
	at := p.pos
	raw, err := p.rawValue()
	if err != nil {
		return err
	}
	return p.mismatch(at, t, kindOf(raw), nil)
}

func (p *parser) text(t reflect.Type) (string, error) {
	if p.space() != '"' {
		return "", p.wrong(t)
	}
	raw, simple, err := p.quoted()
	if err != nil {
		return "", err
	}
	return stringOf(raw, simple), nil
}

// orNull leaves v alone when the value is null.
func orNull(dec decFunc) decFunc {
	return func(p *parser, v reflect.Value) error {
		if p.space() == 'n' {
			return p.literal("null")
		}
		return dec(p, v)
	}
}

func kindDec(t reflect.Type) decFunc {
	switch t.Kind() {
	case reflect.Bool:
		return orNull(decBool)
	case reflect.String:
		if isNumber(t) {
			return orNull(decNumber)
		}
		return orNull(func(p *parser, v reflect.Value) error {
			s, err := p.text(t)
			if err == nil {
				v.SetString(s)
			}
			return err
		})
	case reflect.Interface:
		return decInterface
	case reflect.Slice:
		return sliceDec(t)
	case reflect.Array:
		return arrayDec(t)
	case reflect.Map:
		return mapDec(t)
	case reflect.Struct:
		return structDec(t)
	}
	if k := t.Kind(); k >= reflect.Int && k <= reflect.Float64 {
		return orNull(decNumeric)
	}
	return func(p *parser, v reflect.Value) error { return p.wrong(t) }
}

func decBool(p *parser, v reflect.Value) error {
	switch p.space() {
	case 't':
		v.SetBool(true)
		return p.literal("true")
	case 'f':
		v.SetBool(false)
		return p.literal("false")
	}
	return p.wrong(v.Type())
}

func (p *parser) numeric(t reflect.Type) (at int, text []byte, integer bool, err error) {
	if c := p.space(); c != '-' && c-'0' > 9 {
		return 0, nil, false, p.wrong(t)
	}
	at = p.pos
	text, integer, err = p.number()
	return at, text, integer, err
}

func decNumber(p *parser, v reflect.Value) error {
	_, text, _, err := p.numeric(v.Type())
	if err == nil {
		v.SetString(string(text))
	}
	return err
}

func decNumeric(p *parser, v reflect.Value) error {
	at, text, integer, err := p.numeric(v.Type())
	if err != nil {
		return err
	}
	if !setNumber(v, text, integer) {
		return p.mismatch(at, v.Type(), "number "+string(text[:min(len(text), 40)]), strconv.ErrRange)
	}
	return nil
}

// setNumber stores number text in v; false when it does not fit. 1.0 and 1e3 are no integers, as in encoding/json.
func setNumber(v reflect.Value, text []byte, integer bool) bool {
	if v.CanFloat() {
		f, _, ok := parseFloat64(text, 0)
		if v.Kind() == reflect.Float32 {
			var short float32
			short, _, ok = parseFloat32(text, 0)
			f = float64(short)
		}
		if ok {
			v.SetFloat(f)
		}
		return ok
	}
	neg := text[0] == '-'
	if !integer || neg && v.CanUint() {
		return false
	}
	if neg {
		text = text[1:]
	}
	u, ok := parseUint(text)
	if v.CanUint() {
		if !ok || v.OverflowUint(u) {
			return false
		}
		v.SetUint(u)
		return true
	}
	i := int64(u)
	if neg {
		i = -i
	}
	if !ok || neg && u > 1<<63 || !neg && u > math.MaxInt64 || v.OverflowInt(i) {
		return false
	}
	v.SetInt(i)
	return true
}

func decInterface(p *parser, v reflect.Value) error {
	if p.space() == 'n' {
		v.SetZero()
		return p.literal("null")
	}
	if !v.IsNil() && v.Elem().Kind() == reflect.Pointer && !v.Elem().IsNil() {
		return decPlan(v.Elem().Type().Elem())(p, v.Elem().Elem())
	}
	if v.NumMethod() > 0 {
		return p.wrong(v.Type())
	}
	x, err := p.any()
	if err == nil {
		v.Set(reflect.ValueOf(x))
	}
	return err
}

// any reads a value as map[string]any, []any, string, float64 (or Number), bool or nil.
func (p *parser) any() (any, error) {
	switch p.space() {
	case '{':
		m := map[string]any{}
		return m, p.object(func(at int, raw []byte, simple bool) error {
			name := stringOf(raw, simple)
			if _, dup := m[name]; dup && !p.opt.dups {
				return p.fail(at, "a name not used before", ErrDuplicateName)
			}
			x, err := p.any()
			m[name] = x
			return err
		})
	case '[':
		list := []any{}
		err := p.array(func(int) error {
			x, err := p.any()
			list = append(list, x)
			return err
		})
		return list, err
	case '"':
		return p.text(nil)
	case 't':
		return true, p.literal("true")
	case 'f':
		return false, p.literal("false")
	case 'n':
		return nil, p.literal("null")
	}
	at := p.pos
	if at < len(p.data) && p.data[at] != '-' && p.data[at]-'0' > 9 {
		return nil, p.fail(at, "value", nil)
	}
	text, _, err := p.number()
	if err != nil {
		return nil, err
	}
	if p.opt.numberInAny {
		return Number(text), nil
	}
	f, _, ok := parseFloat64(text, 0)
	if !ok {
		return nil, p.mismatch(at, reflect.TypeFor[float64](), "number", strconv.ErrRange)
	}
	return f, nil
}

func pointerDec(t reflect.Type) decFunc {
	elem := decPlan(t.Elem())
	return func(p *parser, v reflect.Value) error {
		if p.space() == 'n' {
			v.SetZero()
			return p.literal("null")
		}
		if v.IsNil() {
			v.Set(reflect.New(t.Elem()))
		}
		return elem(p, v.Elem())
	}
}

func sliceDec(t reflect.Type) decFunc {
	bytes, elem := byteSlice(t), decPlan(t.Elem())
	return func(p *parser, v reflect.Value) error {
		c := p.space()
		if c == 'n' {
			v.SetZero()
			return p.literal("null")
		}
		if bytes && c == '"' {
			return decBytes(p, v)
		}
		if c != '[' {
			return p.wrong(t)
		}
		if v.SetLen(0); v.IsNil() {
			v.Set(reflect.MakeSlice(t, 0, 0))
		}
		return p.array(func(i int) error {
			if i >= v.Cap() {
				v.Grow(1)
			}
			v.SetLen(i + 1)
			v.Index(i).SetZero()
			return elem(p, v.Index(i))
		})
	}
}

func decBytes(p *parser, v reflect.Value) error {
	at := p.pos
	s, err := p.text(v.Type())
	if err != nil {
		return err
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return p.mismatch(at, v.Type(), "string", err)
	}
	v.SetBytes(b)
	return nil
}

func arrayDec(t reflect.Type) decFunc {
	elem := decPlan(t.Elem())
	return orNull(func(p *parser, v reflect.Value) error {
		if p.space() != '[' {
			return p.wrong(t)
		}
		n := 0
		err := p.array(func(i int) error {
			if i >= t.Len() {
				return p.skip()
			}
			n = i + 1
			v.Index(i).SetZero()
			return elem(p, v.Index(i))
		})
		for ; err == nil && n < t.Len(); n++ {
			v.Index(n).SetZero()
		}
		return err
	})
}

func mapDec(t reflect.Type) decFunc {
	elem := decPlan(t.Elem())
	return func(p *parser, v reflect.Value) error {
		c := p.space()
		if c == 'n' {
			v.SetZero()
			return p.literal("null")
		}
		if c != '{' {
			return p.wrong(t)
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(t))
		}
		var names nameSet
		return p.object(func(at int, raw []byte, simple bool) error {
			if !p.opt.dups && !names.add(raw, simple) {
				return p.fail(at, "a name not used before", ErrDuplicateName)
			}
			key := reflect.New(t.Key()).Elem()
			if err := setKey(key, stringOf(raw, simple)); err != nil {
				return p.mismatch(at, t.Key(), "name", err)
			}
			x := reflect.New(t.Elem()).Elem()
			if err := elem(p, x); err != nil {
				return err
			}
			v.SetMapIndex(key, x)
			return nil
		})
	}
}

func setKey(key reflect.Value, name string) error {
	if u, ok := key.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(name))
	}
	if key.Kind() == reflect.String {
		key.SetString(name)
		return nil
	}
	end, integer, bad := scanNumber([]byte(name), 0)
	if !key.CanInt() && !key.CanUint() {
		return fmt.Errorf("unsupported map key type")
	}
	if bad != "" || end != len(name) || !setNumber(key, []byte(name), integer) {
		return strconv.ErrSyntax
	}
	return nil
}

func structDec(t reflect.Type) decFunc {
	fields := structFields(t)
	byName := make(map[string]int, len(fields))
	for i := range fields {
		fields[i].dec = decPlan(fields[i].typ)
		if fields[i].quoted {
			fields[i].dec = quotedDec(fields[i].dec)
		}
		byName[fields[i].name] = i
	}
	return orNull(func(p *parser, v reflect.Value) error {
		if p.space() != '{' {
			return p.wrong(t)
		}
		var names nameSet
		var small uint64
		return p.object(func(at int, raw []byte, simple bool) error {
			i, known := byName[string(raw)]
			if !simple {
				i, known = byName[stringOf(raw, simple)]
			}
			fresh := true
			if known && i < 64 {
				fresh = small&(1<<i) == 0
				small |= 1 << i
			} else if !p.opt.dups {
				fresh = names.add(raw, simple)
			}
			if !fresh && !p.opt.dups {
				return p.fail(at, "a name not used before", ErrDuplicateName)
			}
			if !known {
				return p.unknown(at, t, stringOf(raw, simple))
			}
			fv, err := settable(v, fields[i].index)
			if err != nil {
				return p.mismatch(at, t, "member", err)
			}
			return fields[i].dec(p, fv)
		})
	})
}

func (p *parser) unknown(at int, t reflect.Type, name string) error {
	if !p.opt.unknown {
		return p.skip()
	}
	err := p.mismatch(at, t, "member", nil).(*UnmarshalError)
	err.Unknown = name
	return err
}

func settable(v reflect.Value, index []int) (reflect.Value, error) {
	for i, x := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !v.CanSet() {
					return v, fmt.Errorf("embedded pointer to unexported %v is nil", v.Type())
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v, nil
}

// quotedDec is the tag option string.
func quotedDec(dec decFunc) decFunc {
	return func(p *parser, v reflect.Value) error {
		at := p.pos
		if p.space() == 'n' {
			return dec(p, v)
		}
		s, err := p.text(v.Type())
		if err != nil {
			return err
		}
		q := parser{data: []byte(s), opt: p.opt}
		if err = dec(&q, v); err == nil && q.pos != len(s) {
			err = strconv.ErrSyntax
		}
		if err != nil {
			return p.mismatch(at, v.Type(), "string", err)
		}
		return nil
	}
}
