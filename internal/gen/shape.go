package gen

import (
	"errors"
	"fmt"
	"go/types"
	"reflect"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// textual stands for a type that is stored by its text.
type textual struct{}

// MarshalText implements encoding.TextMarshaler; it is never called.
func (textual) MarshalText() ([]byte, error) { return nil, errors.ErrUnsupported }

// UnmarshalText implements encoding.TextUnmarshaler; it is never called.
func (*textual) UnmarshalText([]byte) error { return errors.ErrUnsupported }

// errUnknown is a type that was not found.
var errUnknown = errors.New("its type was not found")

// named are types that package model knows as they are.
var named = map[string]reflect.Type{
	"time.Time": reflect.TypeFor[time.Time](), "time.Duration": reflect.TypeFor[time.Duration](),
	framework + ".ID": reflect.TypeFor[model.ID](), framework + "/model.ID": reflect.TypeFor[model.ID](),
	framework + ".Blob": reflect.TypeFor[model.Blob](), framework + "/model.Blob": reflect.TypeFor[model.Blob](),
	framework + "/binenc.Decimal": reflect.TypeFor[binenc.Decimal](),
}

// shaper makes reflect types of the checker's types: with the same kinds, fields and tags,
// but without names and methods.
type shaper struct {
	structs map[reflect.Type]*types.Struct // what each came from
	inside  []*types.Named
}

func (s *shaper) of(t types.Type) (reflect.Type, error) {
	switch t := types.Unalias(t).(type) {
	case *types.Basic:
		if k, ok := basics[t.Kind()]; ok {
			return k, nil
		}
	case *types.Named:
		return s.named(t)
	case *types.Pointer:
		return s.elem(t.Elem(), reflect.PointerTo)
	case *types.Slice:
		return s.elem(t.Elem(), reflect.SliceOf)
	case *types.Array:
		return s.elem(t.Elem(), func(e reflect.Type) reflect.Type { return reflect.ArrayOf(int(t.Len()), e) })
	case *types.Map:
		k, err := s.of(t.Key())
		if err != nil {
			return nil, err
		}
		if !k.Comparable() {
			return nil, fmt.Errorf("%s cannot be the key of a map", t.Key())
		}
		return s.elem(t.Elem(), func(e reflect.Type) reflect.Type { return reflect.MapOf(k, e) })
	case *types.Struct:
		return s.structure(t)
	case *types.Interface:
		return reflect.TypeFor[any](), nil
	case *types.Chan:
		return reflect.TypeFor[chan int](), nil
	case *types.Signature:
		return reflect.TypeFor[func()](), nil
	}
	return nil, errUnknown
}

func (s *shaper) elem(t types.Type, of func(reflect.Type) reflect.Type) (reflect.Type, error) {
	e, err := s.of(t)
	if err != nil {
		return nil, err
	}
	return of(e), nil
}

func (s *shaper) named(t *types.Named) (reflect.Type, error) {
	if pkg := t.Obj().Pkg(); pkg != nil {
		if k := named[pkg.Path()+"."+t.Obj().Name()]; k != nil {
			return k, nil
		}
	}
	for _, outer := range s.inside {
		if outer == t {
			return nil, fmt.Errorf("type %s contains itself, and cannot be stored", t.Obj().Name())
		}
	}
	s.inside = append(s.inside, t)
	defer func() { s.inside = s.inside[:len(s.inside)-1] }()
	switch u := t.Underlying().(type) {
	case *types.Struct:
		if isTextual(t) {
			return reflect.TypeFor[textual](), nil
		}
	case *types.Array:
		if b, ok := u.Elem().Underlying().(*types.Basic); isTextual(t) && !(ok && b.Kind() == types.Uint8 && u.Len() == 16) {
			return reflect.TypeFor[textual](), nil
		}
	}
	return s.of(t.Underlying())
}

// isTextual says that a type has MarshalText and UnmarshalText.
func isTextual(t types.Type) bool {
	set := types.NewMethodSet(types.NewPointer(t))
	return set.Lookup(nil, "MarshalText") != nil && set.Lookup(nil, "UnmarshalText") != nil
}

// structure makes a struct type. What reflect cannot make is an error.
func (s *shaper) structure(t *types.Struct) (made reflect.Type, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errUnknown, r)
		}
	}()
	fields := make([]reflect.StructField, t.NumFields())
	for i := range fields {
		v := t.Field(i)
		f := reflect.StructField{Name: v.Name(), Tag: reflect.StructTag(t.Tag(i)), Anonymous: v.Embedded()}
		if f.Type, err = s.of(v.Type()); err != nil {
			return nil, fmt.Errorf("field %s: %w", v.Name(), err)
		}
		switch {
		case v.Exported():
		case v.Embedded() && f.Type.Kind() == reflect.Struct:
			f.Name = "Embedded_" + f.Name // the name is of no matter, and reflect wants it exported
		default:
			f.PkgPath, f.Anonymous = "p", false
		}
		fields[i] = f
	}
	made = reflect.StructOf(fields)
	s.structs[made] = t
	return made, nil
}

var basics = map[types.BasicKind]reflect.Type{
	types.Bool: reflect.TypeFor[bool](), types.String: reflect.TypeFor[string](),
	types.Int: reflect.TypeFor[int](), types.Int8: reflect.TypeFor[int8](), types.Int16: reflect.TypeFor[int16](),
	types.Int32: reflect.TypeFor[int32](), types.Int64: reflect.TypeFor[int64](),
	types.Uint: reflect.TypeFor[uint](), types.Uint8: reflect.TypeFor[uint8](), types.Uint16: reflect.TypeFor[uint16](),
	types.Uint32: reflect.TypeFor[uint32](), types.Uint64: reflect.TypeFor[uint64](), types.Uintptr: reflect.TypeFor[uintptr](),
	types.Float32: reflect.TypeFor[float32](), types.Float64: reflect.TypeFor[float64](),
	types.Complex64: reflect.TypeFor[complex64](), types.Complex128: reflect.TypeFor[complex128](),
}
