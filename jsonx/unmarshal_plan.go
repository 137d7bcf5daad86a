package jsonx

import (
	"encoding"
	"reflect"
	"sync"
	"time"
)

// decFunc reads the value that begins at d.data[i], with no white space before it, into the Go value at p. It returns
// the offset after the value, or failed with d.err set.
type decFunc func(d *decodeState, i int, p loc) int

// decType is how one Go type is read. dec is set once the type has been compiled; plans of recursive types refer to
// each other by way of it.
type decType struct {
	dec decFunc
	// own is true if methods of the caller's see the address of a value of this type or of a part of it. Then the
	// value must be read where it is to stay.
	own bool
}

var (
	decTypes sync.Map   // reflect.Type -> *decType, complete ones only
	decMutex sync.Mutex // held while compiling
)

func decPlan(t reflect.Type) *decType {
	if plan, ok := decTypes.Load(t); ok {
		return plan.(*decType)
	}
	decMutex.Lock()
	defer decMutex.Unlock()
	c := decCompiler{}
	plan := c.plan(t)
	for t, plan := range c { // all or nothing: a plan seen by others has no unfinished parts
		decTypes.LoadOrStore(t, plan)
	}
	return plan
}

// decCompiler holds the plans made so far, among them those being made.
type decCompiler map[reflect.Type]*decType

func (c decCompiler) plan(t reflect.Type) *decType {
	if plan, ok := decTypes.Load(t); ok {
		return plan.(*decType)
	}
	if plan, ok := c[t]; ok {
		return plan
	}
	plan := &decType{own: true} // as long as it is not known
	c[t] = plan
	plan.dec, plan.own = c.compile(t)
	return plan
}

// of returns the function of t, or one that looks it up later if t is being compiled.
func (c decCompiler) of(t reflect.Type) decFunc {
	plan := c.plan(t)
	if plan.dec != nil {
		return plan.dec
	}
	return func(d *decodeState, i int, p loc) int { return plan.dec(d, i, p) }
}

type (
	unmarshalerX interface{ UnmarshalJSONX(*Decoder) error }
	unmarshaler  interface{ UnmarshalJSON([]byte) error }
)

var (
	rawType          = reflect.TypeFor[RawValue]()
	timeType         = reflect.TypeFor[time.Time]()
	unmarshalerXType = reflect.TypeFor[unmarshalerX]()
	unmarshalerType  = reflect.TypeFor[unmarshaler]()
	unTextType       = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (c decCompiler) compile(t reflect.Type) (dec decFunc, own bool) {
	pt := reflect.PointerTo(t)
	switch {
	case t == rawType:
		return decRaw, false
	case t == timeType:
		return decTime, false
	case t.Kind() == reflect.Pointer:
		return c.pointer(t), false
	case pt.Implements(unmarshalerXType):
		return decUnmarshalerX(t), true
	case pt.Implements(unmarshalerType):
		return decUnmarshaler(t), true
	case pt.Implements(unTextType):
		return decTextUnmarshaler(t), true
	}
	switch t.Kind() {
	case reflect.Bool:
		return decBool(t), false
	case reflect.String:
		if isNumber(t) {
			return decNumber(t), false
		}
		return decString(t), false
	case reflect.Interface:
		return decInterface(t), false
	case reflect.Slice:
		return c.slice(t), false
	case reflect.Array:
		return c.array(t)
	case reflect.Map:
		return c.mapping(t), false
	case reflect.Struct:
		return c.structure(t)
	}
	if dec := decNumeric(t); dec != nil {
		return dec, false
	}
	return func(d *decodeState, i int, _ loc) int {
		end := d.pass(i)
		if end < 0 || d.data[i] == 'n' {
			return end
		}
		return d.misfit(i, t, kindOf(d.data[i:end]), errUnsupported)
	}, false
}

func (c decCompiler) pointer(t reflect.Type) decFunc {
	elem := t.Elem()
	dec := c.of(elem)
	return func(d *decodeState, i int, p loc) int {
		if i < len(d.data) && d.data[i] == 'n' {
			if i = d.null(i); i >= 0 {
				setNil(p, t)
			}
			return i
		}
		return dec(d, i, pointee(p, elem))
	}
}
