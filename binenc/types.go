package binenc

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Kind is what a value is, independent of any programming language.
type Kind uint8

// The kinds. Their numbers are part of stored schemas and never change.
const (
	KindBool     Kind = 1
	KindInt      Kind = 2
	KindUint     Kind = 3
	KindFloat32  Kind = 4
	KindFloat64  Kind = 5
	KindString   Kind = 6
	KindBytes    Kind = 7
	KindTime     Kind = 8
	KindDuration Kind = 9
	KindID       Kind = 10
	KindList     Kind = 11
	KindMap      Kind = 12
	KindMessage  Kind = 13
	KindDecimal  Kind = 14
)

var kindNames = [...]string{"?", "bool", "int", "uint", "float32", "float64", "string", "bytes", "time", "duration", "id", "list", "map", "message", "decimal"}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Type describes the values of a field.
type Type struct {
	Kind     Kind    `json:"kind"`
	Optional bool    `json:"optional,omitempty"` // absent differs from the zero value
	Elem     *Type   `json:"elem,omitempty"`     // of a list or map
	Key      *Type   `json:"key,omitempty"`      // of a map
	Fields   []Field `json:"fields,omitempty"`   // of a message, by number
}

// Field is a field of a message.
type Field struct {
	Number uint32 `json:"number"`
	Name   string `json:"name"`
	Type   Type   `json:"type"`
}

// Equal says whether two types are the same, names and numbers included.
func (t *Type) Equal(u *Type) bool {
	if t == nil || u == nil {
		return t == u
	}
	return t.Kind == u.Kind && t.Optional == u.Optional && t.Elem.Equal(u.Elem) && t.Key.Equal(u.Key) &&
		slices.EqualFunc(t.Fields, u.Fields, func(a, b Field) bool {
			return a.Number == b.Number && a.Name == b.Name && a.Type.Equal(&b.Type)
		})
}

// String renders the type for messages: "list of string", "optional id".
func (t *Type) String() string {
	s := ""
	if t.Optional {
		s = "optional "
	}
	switch t.Kind {
	case KindList:
		return s + "list of " + t.Elem.String()
	case KindMap:
		return s + "map of " + t.Key.String() + " to " + t.Elem.String()
	}
	return s + t.Kind.String()
}

// wire is how values of the type are laid out.
func (t *Type) wire() Wire {
	switch t.Kind {
	case KindBool, KindInt, KindUint, KindDuration:
		return WireInt
	case KindFloat32:
		return WireFixed32
	case KindFloat64:
		return WireFixed64
	}
	return WireBytes
}

// Namer gives the stable name of a struct field, or false for one that is not stored.
type Namer func(reflect.StructField) (string, bool)

var (
	timeType        = reflect.TypeFor[time.Time]()
	durationType    = reflect.TypeFor[time.Duration]()
	decimalType     = reflect.TypeFor[Decimal]()
	unknownType     = reflect.TypeFor[Unknown]()
	marshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// TypeOf describes a Go type; field numbers are left 0, to be given by the caller. name
// gives the stable name of each struct field. Types that contain themselves, pointers to
// pointers, interfaces, channels and functions cannot be stored; nor can types that nest
// more than MaxDepth deep. Pointers in lists and maps are described, but have no plan.
//
//	Go                                      kind
//	bool                                    bool
//	int, int8 ... int64                     int
//	uint, uint8 ... uint64                  uint
//	float32, float64                        the same
//	string, TextMarshaler + TextUnmarshaler string
//	[]byte, time.Time, time.Duration        bytes, time, duration
//	[16]byte                                id
//	Decimal                                 decimal
//	*T                                      optional T
//	[]T, map[K]V, struct                    list, map, message
//
// An enum is a Go integer type of its own: an int or uint.
func TypeOf(t reflect.Type, name func(reflect.StructField) (string, bool)) (Type, error) {
	return typeOf(t, name, t.String(), nil)
}

func typeOf(t reflect.Type, name Namer, path string, above []reflect.Type) (Type, error) {
	if len(above) > MaxDepth {
		return Type{}, &Error{Offset: -1, Path: path, Reason: "the type nests too deep", Err: ErrLimit}
	}
	if slices.Contains(above, t) {
		return Type{}, fmt.Errorf("binenc: %s: type %s contains itself", path, t)
	}
	above = append(above, t)
	switch {
	case t == unknownType:
		return Type{}, fmt.Errorf("binenc: %s: Unknown is a field of a struct that has a plan, not a value", path)
	case t == decimalType:
		return Type{Kind: KindDecimal}, nil
	case t == timeType:
		return Type{Kind: KindTime}, nil
	case t == durationType:
		return Type{Kind: KindDuration}, nil
	case t.Kind() == reflect.Array && t.Len() == 16 && t.Elem().Kind() == reflect.Uint8:
		return Type{Kind: KindID}, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return Type{Kind: KindBool}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Type{Kind: KindInt}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Type{Kind: KindUint}, nil
	case reflect.Float32:
		return Type{Kind: KindFloat32}, nil
	case reflect.Float64:
		return Type{Kind: KindFloat64}, nil
	case reflect.String:
		return Type{Kind: KindString}, nil
	case reflect.Pointer:
		e, err := typeOf(t.Elem(), name, path, above)
		if err == nil && e.Optional {
			err = fmt.Errorf("binenc: %s: a pointer to a pointer", path)
		}
		e.Optional = true
		return e, err
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return Type{Kind: KindBytes}, nil
		}
		e, err := typeOf(t.Elem(), name, path+"[]", above)
		return Type{Kind: KindList, Elem: &e}, err
	case reflect.Map:
		k, err := typeOf(t.Key(), name, path+"[key]", above)
		if err != nil {
			return Type{}, err
		}
		switch k.Kind {
		case KindString, KindInt, KindUint, KindID, KindBool:
		default:
			return Type{}, fmt.Errorf("binenc: %s: maps cannot be keyed by %s", path, k.Kind)
		}
		e, err := typeOf(t.Elem(), name, path+"[]", above)
		return Type{Kind: KindMap, Key: &k, Elem: &e}, err
	}
	if isText(t) {
		return Type{Kind: KindString}, nil
	}
	if t.Kind() == reflect.Struct {
		out := Type{Kind: KindMessage}
		for _, f := range structFields(t, name) {
			ft, err := typeOf(f.typ, name, path+"."+f.goName, above)
			if err != nil {
				return Type{}, err
			}
			out.Fields = append(out.Fields, Field{Name: f.name, Type: ft})
		}
		return out, nil
	}
	return Type{}, fmt.Errorf("binenc: %s: values of type %s cannot be stored", path, t)
}

// isText says that a type is stored by its text.
func isText(t reflect.Type) bool {
	return (t.Implements(marshalerType) || reflect.PointerTo(t).Implements(marshalerType)) && reflect.PointerTo(t).Implements(unmarshalerType)
}

// goField is a stored field of a struct, embedded ones flattened.
type goField struct {
	name, goName string
	index        []int
	typ          reflect.Type
}

// structFields lists a struct's stored fields in order. Embedded structs without a name
// of their own are flattened; an outer field hides an inner one of the same name.
func structFields(t reflect.Type, name Namer) []goField {
	var out []goField
	seen := map[string]int{}
	var walk func(t reflect.Type, index []int)
	walk = func(t reflect.Type, index []int) {
		for i := range t.NumField() {
			f := t.Field(i)
			n, ok := name(f)
			if !ok || !f.IsExported() && !f.Anonymous {
				continue
			}
			at := append(slices.Clone(index), i)
			if f.Anonymous && f.Type.Kind() == reflect.Struct && n == f.Name && f.Type != timeType && !isText(f.Type) {
				walk(f.Type, at)
				continue
			}
			if !f.IsExported() || f.Type == unknownType {
				continue
			}
			g := goField{name: n, goName: f.Name, index: at, typ: f.Type}
			if j, dup := seen[n]; dup {
				if len(out[j].index) > len(at) {
					out[j] = g
				}
				continue
			}
			seen[n] = len(out)
			out = append(out, g)
		}
	}
	walk(t, nil)
	return out
}
