package binenc

import (
	"bytes"
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
)

// maxDepth bounds how deep messages nest.
const maxDepth = 64

// Plan turns one Go type into messages and back. It is compiled once and safe for
// concurrent use.
type Plan struct {
	typ    reflect.Type
	fields []planField // by number
}

type planField struct {
	number uint32
	index  []int
	codec  codec
	typ    *Type
}

// codec handles the values of one field or element.
type codec struct {
	wire   Wire
	append func(dst []byte, v reflect.Value) ([]byte, error) // without a length prefix
	decode func(raw []byte, v reflect.Value) error           // without a length prefix
	absent func(v reflect.Value) bool                        // left out of a message
}

// Compile prepares a plan for struct type t after the message type ty, whose fields
// are matched by name.
func Compile(t reflect.Type, ty *Type, name func(reflect.StructField) (string, bool)) (*Plan, error) {
	if t.Kind() != reflect.Struct || ty.Kind != KindMessage {
		return nil, fmt.Errorf("binenc: a plan is made for a struct and a message, not for %s and %s", t, ty.Kind)
	}
	p := &Plan{typ: t}
	for _, g := range structFields(t, name) {
		i := slices.IndexFunc(ty.Fields, func(f Field) bool { return f.Name == g.name })
		if i < 0 {
			return nil, fmt.Errorf("binenc: %s.%s: the message type has no field %q", t, g.goName, g.name)
		}
		f := &ty.Fields[i]
		if f.Number == 0 || f.Number > MaxNumber {
			return nil, fmt.Errorf("binenc: %s.%s: field number %d is out of range", t, g.goName, f.Number)
		}
		c, err := codecOf(g.typ, &f.Type, name)
		if err != nil {
			return nil, fmt.Errorf("binenc: %s.%s: %w", t, g.goName, err)
		}
		p.fields = append(p.fields, planField{f.Number, g.index, c, &f.Type})
	}
	slices.SortFunc(p.fields, func(a, b planField) int { return int(a.number) - int(b.number) })
	return p, nil
}

// Append appends the message of *ptr.
func (p *Plan) Append(dst []byte, ptr any) ([]byte, error) {
	v := reflect.ValueOf(ptr)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != p.typ {
		return nil, fmt.Errorf("binenc: want a *%s, not %T", p.typ, ptr)
	}
	return p.append(dst, v.Elem())
}

func (p *Plan) append(dst []byte, v reflect.Value) ([]byte, error) {
	var err error
	for i := range p.fields {
		f := &p.fields[i]
		fv := v.FieldByIndex(f.index)
		if f.codec.absent(fv) {
			continue
		}
		start := len(dst)
		dst = AppendTag(dst, f.number, f.codec.wire)
		body := len(dst)
		if dst, err = f.codec.element(dst, fv); err != nil {
			return nil, fmt.Errorf("field %d: %w", f.number, err)
		}
		// A struct or text whose Go value is not zero can still have an empty encoding.
		if k := f.typ.Kind; !f.typ.Optional && (k == KindMessage || k == KindString) && len(dst) == body+1 {
			dst = dst[:start]
		}
	}
	return dst, nil
}

// element appends a value with its length prefix, where its wire type has one.
func (c *codec) element(dst []byte, v reflect.Value) ([]byte, error) {
	if c.wire != WireBytes {
		return c.append(dst, v)
	}
	start := len(dst)
	dst, err := c.append(append(dst, 0), v)
	if err != nil {
		return nil, err
	}
	n := len(dst) - start - 1
	if n < 0x80 {
		dst[start] = byte(n)
		return dst, nil
	}
	extra := uvarintLen(uint64(n)) - 1
	dst = append(dst, make([]byte, extra)...)
	copy(dst[start+1+extra:], dst[start+1:start+1+n])
	AppendUvarint(dst[start:start], uint64(n))
	return dst, nil
}

// read reads an element back into its raw bytes.
func (c *codec) read(r *Reader) []byte {
	if c.wire == WireBytes {
		return r.Bytes()
	}
	return r.Raw(c.wire)
}

// Decode fills *ptr from a message; everything is copied, unknown fields are passed
// over, fields that are absent get their zero value.
func (p *Plan) Decode(msg []byte, ptr any) error {
	v := reflect.ValueOf(ptr)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != p.typ {
		return fmt.Errorf("binenc: want a *%s, not %T", p.typ, ptr)
	}
	v.Elem().SetZero()
	return p.decode(msg, v.Elem())
}

func (p *Plan) decode(msg []byte, v reflect.Value) error {
	r := NewReader(msg)
	i := 0
	for {
		number, w, ok := r.Next()
		if !ok {
			return r.Err()
		}
		for i < len(p.fields) && p.fields[i].number < number {
			i++
		}
		if i == len(p.fields) || p.fields[i].number != number {
			r.Skip(w)
			continue
		}
		f := &p.fields[i]
		if w != f.codec.wire {
			return &Error{Offset: r.Offset(), Field: number, Reason: "wire type does not fit " + f.typ.String()}
		}
		raw := f.codec.read(&r)
		if r.Err() != nil {
			return r.Err()
		}
		if err := f.codec.decode(raw, v.FieldByIndex(f.index)); err != nil {
			return fmt.Errorf("binenc: field %d: %w", number, err)
		}
	}
}

func isZero(v reflect.Value) bool { return v.IsZero() }

func codecOf(t reflect.Type, ty *Type, name Namer) (codec, error) {
	if t.Kind() == reflect.Pointer {
		if !ty.Optional {
			return codec{}, fmt.Errorf("a pointer is stored as an optional %s", ty.Kind)
		}
		plain := *ty
		plain.Optional = false
		c, err := codecOf(t.Elem(), &plain, name)
		if err != nil {
			return codec{}, err
		}
		inner := c
		c.append = func(dst []byte, v reflect.Value) ([]byte, error) { return inner.append(dst, v.Elem()) }
		c.decode = func(raw []byte, v reflect.Value) error {
			v.Set(reflect.New(t.Elem()))
			return inner.decode(raw, v.Elem())
		}
		c.absent = reflect.Value.IsNil
		return c, nil
	}
	switch ty.Kind {
	case KindBool:
		return codec{WireVarint, func(dst []byte, v reflect.Value) ([]byte, error) {
			if v.Bool() {
				return append(dst, 1), nil
			}
			return append(dst, 0), nil
		}, func(raw []byte, v reflect.Value) error {
			if raw[0] > 1 {
				return fmt.Errorf("a bool of value %d", raw[0])
			}
			v.SetBool(raw[0] == 1)
			return nil
		}, isZero}, nil
	case KindInt, KindDuration:
		return codec{WireVarint, func(dst []byte, v reflect.Value) ([]byte, error) {
			return AppendVarint(dst, v.Int()), nil
		}, func(raw []byte, v reflect.Value) error {
			r := NewReader(raw)
			n := r.Varint()
			if v.OverflowInt(n) {
				return fmt.Errorf("%d does not fit into %s", n, v.Type())
			}
			v.SetInt(n)
			return nil
		}, isZero}, nil
	case KindUint:
		return codec{WireVarint, func(dst []byte, v reflect.Value) ([]byte, error) {
			return AppendUvarint(dst, v.Uint()), nil
		}, func(raw []byte, v reflect.Value) error {
			r := NewReader(raw)
			n := r.Uvarint()
			if v.OverflowUint(n) {
				return fmt.Errorf("%d does not fit into %s", n, v.Type())
			}
			v.SetUint(n)
			return nil
		}, isZero}, nil
	case KindFloat32:
		return codec{WireFixed32, func(dst []byte, v reflect.Value) ([]byte, error) {
			f := float32(v.Float())
			if f != f {
				return AppendFixed32(dst, 0x7FC00000), nil
			}
			return AppendFixed32(dst, math.Float32bits(f)), nil
		}, func(raw []byte, v reflect.Value) error {
			r := NewReader(raw)
			v.SetFloat(float64(math.Float32frombits(r.Fixed32())))
			return nil
		}, func(v reflect.Value) bool { return math.Float64bits(v.Float()) == 0 }}, nil
	case KindFloat64:
		return codec{WireFixed64, func(dst []byte, v reflect.Value) ([]byte, error) {
			f := v.Float()
			if f != f {
				return AppendFixed64(dst, 0x7FF8000000000000), nil
			}
			return AppendFixed64(dst, math.Float64bits(f)), nil
		}, func(raw []byte, v reflect.Value) error {
			r := NewReader(raw)
			v.SetFloat(math.Float64frombits(r.Fixed64()))
			return nil
		}, func(v reflect.Value) bool { return math.Float64bits(v.Float()) == 0 }}, nil
	case KindString:
		if t.Kind() != reflect.String {
			return textCodec(t)
		}
		return codec{WireBytes, func(dst []byte, v reflect.Value) ([]byte, error) { return append(dst, v.String()...), nil },
			func(raw []byte, v reflect.Value) error { v.SetString(string(raw)); return nil }, isZero}, nil
	case KindBytes:
		return codec{WireBytes, func(dst []byte, v reflect.Value) ([]byte, error) { return append(dst, v.Bytes()...), nil },
			func(raw []byte, v reflect.Value) error {
				v.SetBytes(append(make([]byte, 0, len(raw)), raw...))
				return nil
			}, isZero}, nil
	case KindTime:
		return timeCodec(), nil
	case KindID:
		return codec{WireBytes, func(dst []byte, v reflect.Value) ([]byte, error) {
			var id [16]byte
			reflect.Copy(reflect.ValueOf(&id).Elem(), v)
			return append(dst, id[:]...), nil
		}, func(raw []byte, v reflect.Value) error {
			if len(raw) != 16 {
				return fmt.Errorf("an id of %d bytes", len(raw))
			}
			reflect.Copy(v, reflect.ValueOf(raw))
			return nil
		}, isZero}, nil
	case KindList:
		return listCodec(t, ty, name)
	case KindMap:
		return mapCodec(t, ty, name)
	case KindMessage:
		p, err := Compile(t, ty, name)
		if err != nil {
			return codec{}, err
		}
		return codec{WireBytes, p.append, p.decode, isZero}, nil
	}
	return codec{}, fmt.Errorf("unknown %s", ty.Kind)
}

func timeCodec() codec {
	return codec{WireBytes, func(dst []byte, v reflect.Value) ([]byte, error) {
		t := v.Interface().(time.Time)
		return AppendUvarint(AppendVarint(dst, t.Unix()), uint64(t.Nanosecond())), nil
	}, func(raw []byte, v reflect.Value) error {
		r := NewReader(raw)
		sec, nsec := r.Varint(), r.Uvarint()
		if r.Err() == nil && (r.Len() > 0 || nsec > 999_999_999) {
			return fmt.Errorf("a time of %d nanoseconds", nsec)
		}
		v.Set(reflect.ValueOf(time.Unix(sec, int64(nsec)).UTC()))
		return r.Err()
	}, func(v reflect.Value) bool { return v.Interface().(time.Time).IsZero() }}
}

func textCodec(t reflect.Type) (codec, error) {
	if !isText(t) {
		return codec{}, fmt.Errorf("%s has no text form", t)
	}
	return codec{WireBytes, func(dst []byte, v reflect.Value) ([]byte, error) {
		m, ok := v.Interface().(encoding.TextMarshaler)
		if !ok {
			p := reflect.New(t)
			p.Elem().Set(v)
			m = p.Interface().(encoding.TextMarshaler)
		}
		text, err := m.MarshalText()
		return append(dst, text...), err
	}, func(raw []byte, v reflect.Value) error {
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(bytes.Clone(raw))
	}, isZero}, nil
}

func listCodec(t reflect.Type, ty *Type, name Namer) (codec, error) {
	if t.Kind() != reflect.Slice {
		return codec{}, fmt.Errorf("%s is no slice", t)
	}
	e, err := codecOf(t.Elem(), ty.Elem, name)
	if err != nil {
		return codec{}, err
	}
	if ty.Elem.Optional {
		return codec{}, fmt.Errorf("elements of a list cannot be pointers (%s)", t)
	}
	return codec{WireBytes, func(dst []byte, v reflect.Value) ([]byte, error) {
		var err error
		for i := range v.Len() {
			if dst, err = e.element(dst, v.Index(i)); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}, func(raw []byte, v reflect.Value) error {
		v.Set(reflect.MakeSlice(t, 0, 0))
		r := NewReader(raw)
		for r.Len() > 0 {
			item := e.read(&r)
			if r.Err() != nil {
				return r.Err()
			}
			v.Grow(1)
			v.SetLen(v.Len() + 1)
			v.Index(v.Len() - 1).SetZero()
			if err := e.decode(item, v.Index(v.Len()-1)); err != nil {
				return err
			}
		}
		return r.Err()
	}, reflect.Value.IsNil}, nil
}

func mapCodec(t reflect.Type, ty *Type, name Namer) (codec, error) {
	if t.Kind() != reflect.Map {
		return codec{}, fmt.Errorf("%s is no map", t)
	}
	k, err := codecOf(t.Key(), ty.Key, name)
	if err != nil {
		return codec{}, err
	}
	e, err := codecOf(t.Elem(), ty.Elem, name)
	if err != nil {
		return codec{}, err
	}
	if ty.Elem.Optional {
		return codec{}, fmt.Errorf("values of a map cannot be pointers (%s)", t)
	}
	type pair struct {
		key []byte
		val reflect.Value
	}
	return codec{WireBytes, func(dst []byte, v reflect.Value) ([]byte, error) {
		pairs := make([]pair, 0, v.Len())
		for it := v.MapRange(); it.Next(); {
			key, err := k.element(nil, it.Key())
			if err != nil {
				return nil, err
			}
			pairs = append(pairs, pair{key, it.Value()})
		}
		slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
		var err error
		for _, p := range pairs {
			if dst, err = e.element(append(dst, p.key...), p.val); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}, func(raw []byte, v reflect.Value) error {
		v.Set(reflect.MakeMap(t))
		r := NewReader(raw)
		var last []byte
		for r.Len() > 0 {
			start := r.Offset()
			kr := k.read(&r)
			if r.Err() != nil {
				return r.Err()
			}
			if whole := raw[start:r.Offset()]; last != nil && bytes.Compare(whole, last) <= 0 {
				return fmt.Errorf("map keys do not ascend")
			} else {
				last = whole
			}
			er := e.read(&r)
			if r.Err() != nil {
				return r.Err()
			}
			key, val := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			if err := k.decode(kr, key); err != nil {
				return err
			}
			if err := e.decode(er, val); err != nil {
				return err
			}
			v.SetMapIndex(key, val)
		}
		return r.Err()
	}, reflect.Value.IsNil}, nil
}
