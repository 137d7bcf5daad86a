package binenc

import (
	"fmt"
	"reflect"
	"slices"
)

// program is what a plan does for one struct: its fields in ascending order of numbers.
type program struct {
	ops     []op
	unknown *op     // the field of type Unknown; nil when there is none
	hot     []hotOp // the ops once more, for encodeHot
	texts   int     // how many fields there are, where all are texts that can be encoded in one go
	first   uintptr // where in the struct the first of those texts is
}

// opcode says how a value lies in memory and on the wire.
type opcode uint8

const (
	opBool opcode = iota
	opInt
	opUint
	opFloat32
	opFloat64
	opString
	opText // TextMarshaler and TextUnmarshaler
	opBytes
	opTime
	opID
	opDecimal
	opList
	opMap
	opMessage
	opCoder // a message with generated code
)

// op is a field, an element or a key.
type op struct {
	code     opcode
	wire     Wire
	size     uint8   // of an integer, in bytes
	stride   uintptr // size in memory, in bytes
	optional bool    // the field is a pointer
	cold     bool    // the hot loops leave the field to others
	number   uint32
	step     // from the struct to the field
	typ      reflect.Type
	key      *op      // of a map
	elem     *op      // of a list or map
	msg      *program // of a message
	name     string
	want     string // the type, for errors
}

// compiler makes programs.
type compiler struct{ name Namer }

func (c *compiler) program(t reflect.Type, ty *Type, depth int) (*program, error) {
	p := &program{}
	for _, g := range structFields(t, c.name) {
		i := slices.IndexFunc(ty.Fields, func(f Field) bool { return f.Name == g.name })
		if i < 0 {
			return nil, fmt.Errorf("binenc: %s.%s: the message type has no field %q", t, g.goName, g.name)
		}
		f := &ty.Fields[i]
		if f.Number == 0 || f.Number > MaxNumber {
			return nil, fmt.Errorf("binenc: %s.%s: field number %d is not from 1 to %d", t, g.goName, f.Number, MaxNumber)
		}
		o, err := c.field(g.typ, &f.Type, depth)
		if err != nil {
			return nil, fmt.Errorf("binenc: %s.%s: %w", t, g.goName, err)
		}
		o.number, o.name, o.step = f.Number, f.Name, stepTo(t, g.index)
		p.ops = append(p.ops, o)
	}
	slices.SortFunc(p.ops, func(a, b op) int { return int(a.number) - int(b.number) })
	for i := 1; i < len(p.ops); i++ {
		if p.ops[i].number == p.ops[i-1].number {
			return nil, fmt.Errorf("binenc: %s: fields %s and %s have number %d", t, p.ops[i-1].name, p.ops[i].name, p.ops[i].number)
		}
	}
	if err := p.findUnknown(t); err != nil {
		return nil, err
	}
	p.heat()
	return p, nil
}

func (p *program) findUnknown(t reflect.Type) error {
	for i := range t.NumField() {
		if f := t.Field(i); f.Type == unknownType && f.IsExported() {
			if p.unknown != nil {
				return fmt.Errorf("binenc: %s: two fields of type Unknown", t)
			}
			p.unknown = &op{code: opBytes, typ: f.Type, step: stepTo(t, f.Index)}
		}
	}
	return nil
}

// field makes the op of a field, which may be a pointer.
func (c *compiler) field(t reflect.Type, ty *Type, depth int) (op, error) {
	if (t.Kind() == reflect.Pointer) != ty.Optional {
		return op{}, fmt.Errorf("a pointer is an optional value and nothing else is: %s is no %s", t, ty)
	}
	if !ty.Optional {
		return c.value(t, ty, depth)
	}
	plain := *ty
	plain.Optional = false
	o, err := c.value(t.Elem(), &plain, depth)
	o.optional = true
	return o, err
}

// value makes the op of a value of Go type t and type ty, which is not optional.
func (c *compiler) value(t reflect.Type, ty *Type, depth int) (op, error) {
	o := op{typ: t, stride: t.Size(), wire: ty.wire(), want: ty.String()}
	kind, code := goKind(t)
	if kind != ty.Kind || ty.Optional {
		return o, fmt.Errorf("%s is no %s", t, ty)
	}
	o.code = code
	var err error
	switch kind {
	case KindInt, KindUint, KindDuration:
		o.size = uint8(t.Size())
	case KindList, KindMap, KindMessage:
		if depth == MaxDepth {
			return o, tooDeep(-1)
		}
		err = c.inside(&o, t, ty, depth+1)
	}
	return o, err
}

// inside fills in what a list, map or message holds.
func (c *compiler) inside(o *op, t reflect.Type, ty *Type, depth int) (err error) {
	if ty.Kind == KindMessage {
		if hasCoder(t, ty) {
			o.code = opCoder
			return nil
		}
		o.msg, err = c.program(t, ty, depth)
		return err
	}
	elem, err := c.value(t.Elem(), ty.Elem, depth)
	if err != nil {
		return err
	}
	o.elem = &elem
	if ty.Kind == KindMap {
		key, err := c.value(t.Key(), ty.Key, depth)
		if err != nil {
			return err
		}
		o.key = &key
	}
	return nil
}

// goKind is the kind of a Go type that is no pointer, and the opcode for it; 0 where it
// cannot be stored.
func goKind(t reflect.Type) (Kind, opcode) {
	switch {
	case t == decimalType:
		return KindDecimal, opDecimal
	case t == timeType:
		return KindTime, opTime
	case t == durationType:
		return KindDuration, opInt
	case t.Kind() == reflect.Array && t.Len() == 16 && t.Elem().Kind() == reflect.Uint8:
		return KindID, opID
	}
	switch t.Kind() {
	case reflect.Bool:
		return KindBool, opBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return KindInt, opInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return KindUint, opUint
	case reflect.Float32:
		return KindFloat32, opFloat32
	case reflect.Float64:
		return KindFloat64, opFloat64
	case reflect.String:
		return KindString, opString
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return KindBytes, opBytes
		}
		return KindList, opList
	case reflect.Map:
		return KindMap, opMap
	}
	switch {
	case isText(t):
		return KindString, opText
	case t.Kind() == reflect.Struct:
		return KindMessage, opMessage
	}
	return 0, 0
}

var coderType = reflect.TypeFor[Coder]()

// hasCoder says whether generated code of t writes messages of type ty.
func hasCoder(t reflect.Type, ty *Type) bool {
	ptr := reflect.PointerTo(t)
	return ptr.Implements(coderType) && reflect.Zero(ptr).Interface().(Coder).BinencType().Equal(ty)
}
