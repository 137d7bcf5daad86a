//go:build !purego && (386 || amd64 || arm64 || loong64 || ppc64le || wasm)

package binenc

import (
	"reflect"
	"time"
	"unsafe"
)

// Plans read and write values where they lie. Every place was found by way of the type's
// own layout (reflect.StructField.Offset), is kept alive by the pointer the caller gave,
// and is only looked at as what its type says it is. portable.go does the same by
// reflection; the build tag purego chooses it.
type place = unsafe.Pointer

// step leads from a struct to one of its fields.
type step struct{ offset uintptr }

func stepTo(t reflect.Type, index []int) (s step) {
	for _, i := range index {
		f := t.Field(i)
		s.offset += f.Offset
		t = f.Type
	}
	return s
}

func (s step) in(base place) place { return unsafe.Add(base, s.offset) }

// placeOf is where a pointer points to.
func placeOf(ptr reflect.Value) place { return ptr.UnsafePointer() }

// placeIn is where ptr points to, if it is a pointer of type t and not nil. An interface
// is two words, the second of which is the pointer; reflect.Value.UnsafePointer, which
// says the same, is a call that took a twentieth of an Append.
func placeIn(ptr any, t reflect.Type) (p place, ok bool) {
	if reflect.TypeOf(ptr) != t {
		return nil, false
	}
	p = (*[2]unsafe.Pointer)(unsafe.Pointer(&ptr))[1]
	return p, p != nil
}

// value is the value at p as reflection sees it.
func (o *op) value(p place) reflect.Value { return reflect.NewAt(o.typ, p).Elem() }

// pointee is where the pointer at p leads; ok is false for nil.
func pointee(p place) (q place, ok bool) {
	q = *(*unsafe.Pointer)(p)
	return q, q != nil
}

// alloc makes the pointer at p point to a new value.
func (o *op) alloc(p place) place {
	q := reflect.New(o.typ).UnsafePointer()
	*(*unsafe.Pointer)(p) = q
	return q
}

func (o *op) getUint(p place) uint64 {
	switch o.size {
	case 8:
		return *(*uint64)(p)
	case 4:
		return uint64(*(*uint32)(p))
	case 2:
		return uint64(*(*uint16)(p))
	}
	return uint64(*(*uint8)(p))
}

func (o *op) getInt(p place) int64 {
	switch o.size {
	case 8:
		return *(*int64)(p)
	case 4:
		return int64(*(*int32)(p))
	case 2:
		return int64(*(*int16)(p))
	}
	return int64(*(*int8)(p))
}

// setUint says whether v fits.
func (o *op) setUint(p place, v uint64) bool {
	switch o.size {
	case 8:
		*(*uint64)(p) = v
		return true
	case 4:
		*(*uint32)(p) = uint32(v)
		return v>>32 == 0
	case 2:
		*(*uint16)(p) = uint16(v)
		return v>>16 == 0
	}
	*(*uint8)(p) = uint8(v)
	return v>>8 == 0
}

// setInt says whether v fits.
func (o *op) setInt(p place, v int64) bool {
	switch o.size {
	case 8:
		*(*int64)(p) = v
		return true
	case 4:
		*(*int32)(p) = int32(v)
		return int64(int32(v)) == v
	case 2:
		*(*int16)(p) = int16(v)
		return int64(int16(v)) == v
	}
	*(*int8)(p) = int8(v)
	return int64(int8(v)) == v
}

func getBool(p place) bool          { return *(*bool)(p) }
func setBool(p place, v bool)       { *(*bool)(p) = v }
func getFloat32(p place) float32    { return *(*float32)(p) }
func setFloat32(p place, v float32) { *(*float32)(p) = v }
func getFloat64(p place) float64    { return *(*float64)(p) }
func setFloat64(p place, v float64) { *(*float64)(p) = v }
func getString(p place) string      { return *(*string)(p) }
func setString(p place, v string)   { *(*string)(p) = v }
func getBytes(p place) []byte       { return *(*[]byte)(p) }
func setBytes(p place, v []byte)    { *(*[]byte)(p) = v }
func getTime(p place) time.Time     { return *(*time.Time)(p) }
func setTime(p place, v time.Time)  { *(*time.Time)(p) = v }
func getID(p place) [16]byte        { return *(*[16]byte)(p) }
func setID(p place, v [16]byte)     { *(*[16]byte)(p) = v }
func getDecimal(p place) Decimal    { return *(*Decimal)(p) }
func setDecimal(p place, v Decimal) { *(*Decimal)(p) = v }

// elements are those of a slice: the first one's place and how many there are.
func (o *op) elements(p place) (first place, n int, present bool) {
	s := *(*[]byte)(p) // of any slice, only the address and the length are used
	return unsafe.Pointer(unsafe.SliceData(s)), len(s), s != nil
}

// at is the place of element i, which is less than their number.
func (o *op) at(first place, i int) place { return unsafe.Add(first, uintptr(i)*o.stride) }

// makeSlice puts a slice of n zero elements at p.
func (o *op) makeSlice(p place, n int) (first place) {
	switch o.elem.code {
	case opString:
		s := make([]string, n)
		*(*[]string)(p) = s
		return unsafe.Pointer(unsafe.SliceData(s))
	case opMessage:
		// A struct of nothing but texts looks to the collector as so many texts do.
		if texts := o.elem.msg.texts; texts > 0 && o.elem.stride == uintptr(texts)*unsafe.Sizeof("") {
			s := make([]string, n*texts)
			first = unsafe.Pointer(unsafe.SliceData(s))
			*(*[]struct{})(p) = unsafe.Slice((*struct{})(first), n)
			return first
		}
	case opInt, opUint, opFloat64:
		if o.elem.stride == 8 {
			s := make([]uint64, n)
			*(*[]uint64)(p) = s
			return unsafe.Pointer(unsafe.SliceData(s))
		}
	}
	v := o.value(p)
	if n == 0 {
		v.Set(reflect.MakeSlice(o.typ, 0, 0))
		return nil
	}
	v.Grow(n)
	v.SetLen(n)
	return v.UnsafePointer()
}

// aliasString is b as a string, valid until b changes.
func aliasString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
