package jsonx

import (
	"encoding"
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"sync"
)

// encFunc appends the Go value at p to b.
type encFunc func(e *encodeState, b []byte, p loc) ([]byte, error)

// encType is how one Go type is written. enc is set once the type has been compiled; plans of recursive types refer to
// each other by way of it.
type encType struct{ enc encFunc }

// encKey is what a plan is made for. A value that is not addressable, one held by a map or an interface, has only the
// methods with a value receiver, as for encoding/json.
type encKey struct {
	t           reflect.Type
	addressable bool
}

var (
	encTypes [2]sync.Map // by addressable: reflect.Type -> *encType, complete ones only
	encMutex sync.Mutex  // held while compiling
)

func (k encKey) plans() *sync.Map {
	if k.addressable {
		return &encTypes[1]
	}
	return &encTypes[0]
}

func encPlan(t reflect.Type, addressable bool) *encType {
	k := encKey{t, addressable}
	if plan, ok := k.plans().Load(t); ok {
		return plan.(*encType)
	}
	encMutex.Lock()
	defer encMutex.Unlock()
	c := encCompiler{}
	plan := c.plan(k)
	for k, plan := range c { // all or nothing: a plan seen by others has no unfinished parts
		k.plans().LoadOrStore(k.t, plan)
	}
	return plan
}

// encCompiler holds the plans made so far, among them those being made.
type encCompiler map[encKey]*encType

func (c encCompiler) plan(k encKey) *encType {
	if plan, ok := k.plans().Load(k.t); ok {
		return plan.(*encType)
	}
	if plan, ok := c[k]; ok {
		return plan
	}
	plan := &encType{}
	c[k] = plan
	plan.enc = c.compile(k)
	return plan
}

// of returns the function of a type, or one that looks it up later if the type is being compiled.
func (c encCompiler) of(t reflect.Type, addressable bool) encFunc {
	plan := c.plan(encKey{t, addressable})
	if plan.enc != nil {
		return plan.enc
	}
	return func(e *encodeState, b []byte, p loc) ([]byte, error) { return plan.enc(e, b, p) }
}

type (
	appender  interface{ AppendJSON([]byte) ([]byte, error) }
	marshaler interface{ MarshalJSON() ([]byte, error) }
)

var (
	numberType    = reflect.TypeFor[Number]()
	appenderType  = reflect.TypeFor[appender]()
	marshalerType = reflect.TypeFor[marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
)

func (c encCompiler) compile(k encKey) encFunc {
	t := k.t
	switch {
	case t == rawType:
		return encRaw
	case t == timeType:
		return encTime
	}
	if enc := methodEnc(k); enc != nil {
		return enc
	}
	switch t.Kind() {
	case reflect.Bool:
		return func(_ *encodeState, b []byte, p loc) ([]byte, error) { return appendBool(b, getBool(p)), nil }
	case reflect.Int8:
		return encInt[int8]
	case reflect.Int16:
		return encInt[int16]
	case reflect.Int32:
		return encInt[int32]
	case reflect.Int64:
		return encInt[int64]
	case reflect.Uint8:
		return encUint[uint8]
	case reflect.Uint16:
		return encUint[uint16]
	case reflect.Uint32:
		return encUint[uint32]
	case reflect.Uint64:
		return encUint[uint64]
	case reflect.Int:
		if strconv.IntSize == 32 {
			return encInt[int32]
		}
		return encInt[int64]
	case reflect.Uint, reflect.Uintptr:
		if t.Bits() == 32 {
			return encUint[uint32]
		}
		return encUint[uint64]
	case reflect.Float32:
		return func(_ *encodeState, b []byte, p loc) ([]byte, error) {
			return appendFloat(b, float64(getFloat[float32](p)), 32)
		}
	case reflect.Float64:
		return encFloat64
	case reflect.String:
		if isNumber(t) {
			return encNumber(t)
		}
		return encString
	case reflect.Interface:
		return encInterface(t)
	case reflect.Pointer:
		return c.pointer(t)
	case reflect.Slice:
		return c.slice(t)
	case reflect.Array:
		return c.array(k)
	case reflect.Map:
		return c.mapping(t)
	case reflect.Struct:
		return c.structure(k)
	}
	return func(_ *encodeState, b []byte, _ loc) ([]byte, error) {
		return b, fmt.Errorf("jsonx: marshal %v: %w", t, errUnsupported)
	}
}

func encInt[T signed](_ *encodeState, b []byte, p loc) ([]byte, error) {
	return appendInt(b, int64(getInt[T](p))), nil
}

func encUint[T unsigned](_ *encodeState, b []byte, p loc) ([]byte, error) {
	return appendUint(b, uint64(getUint[T](p))), nil
}

func encFloat64(_ *encodeState, b []byte, p loc) ([]byte, error) {
	return appendFloat64(b, getFloat[float64](p))
}

func encString(e *encodeState, b []byte, p loc) ([]byte, error) {
	return appendQuote(b, getString(p), e.opt.html)
}

// isNumber reports whether t keeps numbers as text: Number, or a string type with the methods of encoding/json's.
func isNumber(t reflect.Type) bool {
	return t == numberType || t.Kind() == reflect.String && t.Implements(numberLikeType)
}

var numberLikeType = reflect.TypeFor[interface {
	Float64() (float64, error)
	Int64() (int64, error)
	String() string
}]()

func encNumber(t reflect.Type) encFunc {
	return func(_ *encodeState, b []byte, p loc) ([]byte, error) {
		s := getString(p)
		if s == "" {
			s = "0"
		}
		if end, _, bad := scanNumber(bytesOf(s), 0); bad != "" || end != len(s) {
			return b, fmt.Errorf("jsonx: marshal %v: %q is no number", t, inShort(s))
		}
		return append(b, s...), nil
	}
}

func encInterface(t reflect.Type) encFunc {
	if t.NumMethod() == 0 {
		return func(e *encodeState, b []byte, p loc) ([]byte, error) { return e.value(b, getAny(p)) }
	}
	return func(e *encodeState, b []byte, p loc) ([]byte, error) { return e.value(b, valueAt(t, p).Interface()) }
}

func (c encCompiler) pointer(t reflect.Type) encFunc {
	enc := c.of(t.Elem(), true)
	round := t.Elem().Kind() == reflect.Pointer || t.Elem().Kind() == reflect.Interface
	return func(e *encodeState, b []byte, p loc) ([]byte, error) {
		q, ok := target(p)
		if !ok {
			return append(b, "null"...), nil
		}
		if !round {
			return enc(e, b, q)
		}
		if err := e.down(t); err != nil {
			return b, err
		}
		b, err := enc(e, b, q)
		e.up()
		return b, err
	}
}

// byteSlice reports whether t is written as base64: bytes that have no methods of their own.
func byteSlice(t reflect.Type) bool {
	p := reflect.PointerTo(t.Elem())
	return t.Elem().Kind() == reflect.Uint8 && !p.Implements(appenderType) && !p.Implements(marshalerType) && !p.Implements(textType)
}

func (c encCompiler) slice(t reflect.Type) encFunc {
	if byteSlice(t) {
		return func(_ *encodeState, b []byte, p loc) ([]byte, error) {
			v := valueAt(t, p)
			if v.IsNil() {
				return append(b, "null"...), nil
			}
			return append(base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes()), '"'), nil
		}
	}
	elem := t.Elem()
	enc, op := c.of(elem, true), opOf(elem)
	return func(e *encodeState, b []byte, p loc) ([]byte, error) {
		first, n, null := sliceAt(p)
		if null {
			return append(b, "null"...), nil
		}
		if op != opFloat64 && op != opInt64 {
			return e.list(b, t, first, n, elem.Size(), enc)
		}
		if e.depth >= e.opt.maxDepth {
			return b, e.down(t)
		}
		if op == opInt64 {
			return e.integers(b, first, n), nil
		}
		return e.floats(b, first, n)
	}
}

func (e *encodeState) floats(b []byte, first loc, n int) (_ []byte, err error) {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendFloat64(b, getFloat[float64](element(first, i, 8))); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func (e *encodeState) integers(b []byte, first loc, n int) []byte {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendInt(b, getInt[int64](element(first, i, 8)))
	}
	return append(b, ']')
}

func (c encCompiler) array(k encKey) encFunc {
	elem := k.t.Elem()
	enc := c.of(elem, k.addressable)
	return func(e *encodeState, b []byte, p loc) ([]byte, error) {
		return e.list(b, k.t, p, k.t.Len(), elem.Size(), enc)
	}
}

func (e *encodeState) list(b []byte, t reflect.Type, first loc, n int, size uintptr, enc encFunc) (_ []byte, err error) {
	if e.depth >= e.opt.maxDepth {
		return b, e.down(t)
	}
	e.depth++
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = enc(e, b, element(first, i, size)); err != nil {
			return b, err
		}
	}
	e.depth--
	return append(b, ']'), nil
}
