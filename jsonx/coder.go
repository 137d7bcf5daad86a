package jsonx

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Coder is what generated code implements on a pointer to a struct type T, beside
//
//	func (v *T) GeneratedJSON() (*T, []string)
//
// which says what it was generated from: T, since a struct that embeds another one has the other
// one's methods too, and each member as [Members] describes it. Where that is not what T is
// by now, and where options ask for another text, T is written by its plan: code that is out
// of date costs time, and is never wrong.
type Coder interface {
	// AppendJSONX appends the value as [Append] does without options. It may open depth levels
	// of arrays and objects, see [TooDeep]. It is called on a value that is not nil; after an
	// error what it returns is not used.
	AppendJSONX(dst []byte, depth int) ([]byte, error)
}

// Members describes the members of a struct type for [Coder]: name, options, kind and type.
func Members(t reflect.Type) (list []string) {
	for _, f := range structFields(t) {
		var flags strings.Builder
		for _, x := range []struct {
			on   bool
			flag byte
		}{{f.omitEmpty, 'e'}, {f.omitZero, 'z'}, {f.quoted, 's'}, {f.sealed, 'u'}, {hasMethod(f.typ), 'm'}} {
			if x.on {
				flags.WriteByte(x.flag)
			}
		}
		list = append(list, fmt.Sprintf("%s|%s|%s|%s", f.name, &flags, f.typ.Kind(), f.typ))
	}
	return list
}

var coderType = reflect.TypeFor[Coder]()

// coded returns how a struct with generated code is written, or nil.
func coded(k encKey, plan encFunc) encFunc {
	ptr := reflect.PointerTo(k.t)
	if !k.addressable || !ptr.Implements(coderType) {
		return nil
	}
	m, ok := ptr.MethodByName("GeneratedJSON")
	if !ok || m.Type.NumIn() != 1 || m.Type.NumOut() != 2 || m.Type.Out(0) != ptr {
		return nil
	}
	made, ok := m.Func.Call([]reflect.Value{reflect.Zero(ptr)})[1].Interface().([]string)
	if !ok || !slices.Equal(made, Members(k.t)) {
		return nil
	}
	return func(e *encodeState, b []byte, p loc) ([]byte, error) {
		if e.opt.html {
			return plan(e, b, p)
		}
		return valueAt(k.t, p).Addr().Interface().(Coder).AppendJSONX(b, e.opt.maxDepth-e.depth)
	}
}

// The following are what generated code writes values with.

// TooDeep is the error of a value that opens more levels than it may; v is the value, or a
// pointer to what it is in.
func TooDeep(v any) error { return fmt.Errorf("jsonx: marshal %T: %w", v, ErrTooDeep) }

// AppendNested appends a value as [Append] does, with depth levels for arrays and objects.
func AppendNested(dst []byte, v any, depth int) ([]byte, error) {
	e := encodePool.Get().(*encodeState)
	e.depth = e.opt.maxDepth - depth
	b, err := e.value(dst, v)
	e.free()
	return b, err
}

// AppendInt appends an integer.
func AppendInt(dst []byte, i int64) []byte { return appendInt(dst, i) }

// AppendUint appends an integer.
func AppendUint(dst []byte, u uint64) []byte { return appendUint(dst, u) }

// AppendFloat64 appends a number; those that are none are [ErrNotFinite].
func AppendFloat64(dst []byte, f float64) ([]byte, error) { return appendFloat64(dst, f) }

// AppendFloat32 appends a number; those that are none are [ErrNotFinite].
func AppendFloat32(dst []byte, f float32) ([]byte, error) { return appendFloat(dst, float64(f), 32) }

// AppendTime appends a time as time.Time writes itself.
func AppendTime(dst []byte, t time.Time) ([]byte, error) { return appendTime(dst, t) }
