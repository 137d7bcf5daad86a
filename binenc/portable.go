//go:build purego || !(386 || amd64 || arm64 || loong64 || ppc64le || wasm)

package binenc

import (
	"reflect"
	"time"
)

// The twin of unsafe.go: a place is a value that can be set.
type place = reflect.Value

// step leads from a struct to one of its fields.
type step struct{ index []int }

func stepTo(_ reflect.Type, index []int) step { return step{index} }

func (s step) in(base place) place { return base.FieldByIndex(s.index) }

// placeOf is where a pointer points to.
func placeOf(ptr reflect.Value) place { return ptr.Elem() }

// placeIn is where ptr points to, if it is a pointer of type t and not nil.
func placeIn(ptr any, t reflect.Type) (p place, ok bool) {
	v := reflect.ValueOf(ptr)
	if !v.IsValid() || v.Type() != t || v.IsNil() {
		return place{}, false
	}
	return v.Elem(), true
}

// value is the value at p as reflection sees it.
func (o *op) value(p place) reflect.Value { return p }

// pointee is where the pointer at p leads; ok is false for nil.
func pointee(p place) (q place, ok bool) { return p.Elem(), !p.IsNil() }

// alloc makes the pointer at p point to a new value.
func (o *op) alloc(p place) place {
	p.Set(reflect.New(o.typ))
	return p.Elem()
}

func (o *op) getUint(p place) uint64 { return p.Uint() }
func (o *op) getInt(p place) int64   { return p.Int() }

// setUint says whether v fits.
func (o *op) setUint(p place, v uint64) bool {
	p.SetUint(v)
	return !p.OverflowUint(v)
}

// setInt says whether v fits.
func (o *op) setInt(p place, v int64) bool {
	p.SetInt(v)
	return !p.OverflowInt(v)
}

func getBool(p place) bool          { return p.Bool() }
func setBool(p place, v bool)       { p.SetBool(v) }
func getFloat32(p place) float32    { return float32(p.Float()) }
func setFloat32(p place, v float32) { p.SetFloat(float64(v)) }
func getFloat64(p place) float64    { return p.Float() }
func setFloat64(p place, v float64) { p.SetFloat(v) }
func getString(p place) string      { return p.String() }
func setString(p place, v string)   { p.SetString(v) }
func getBytes(p place) []byte       { return p.Bytes() }
func setBytes(p place, v []byte)    { p.SetBytes(v) }
func getTime(p place) time.Time     { return *p.Addr().Interface().(*time.Time) }
func setTime(p place, v time.Time)  { *p.Addr().Interface().(*time.Time) = v }
func getDecimal(p place) Decimal    { return *p.Addr().Interface().(*Decimal) }
func setDecimal(p place, v Decimal) { *p.Addr().Interface().(*Decimal) = v }

func getID(p place) (v [16]byte) {
	copy(v[:], p.Slice(0, len(v)).Bytes())
	return v
}

func setID(p place, v [16]byte) { copy(p.Slice(0, len(v)).Bytes(), v[:]) }

// elements are those of a slice: the slice and how many there are.
func (o *op) elements(p place) (first place, n int, present bool) { return p, p.Len(), !p.IsNil() }

// at is the place of element i, which is less than their number.
func (o *op) at(first place, i int) place { return first.Index(i) }

// makeSlice puts a slice of n zero elements at p.
func (o *op) makeSlice(p place, n int) (first place) {
	p.Set(reflect.MakeSlice(o.typ, n, n))
	return p
}

// aliasString would alias b; without unsafe it is a copy.
func aliasString(b []byte) string { return string(b) }

// The short ways of encode_unsafe.go and decode_unsafe.go: here they do none of the fields and elements.
type hotOp struct{}

func (p *program) heat() {}

func (p *program) encodeHot(dst []byte, _ place, i int, last uint32) (_ []byte, next int, _ uint32) {
	return dst, i, last
}

func (o *op) encodeElementsHot(dst []byte, _ place, _ int) (_ []byte, done int) { return dst, 0 }

func (d *decoding) messageHot(_ *program, _ place, off, _, i int, number uint32) (int, int, uint32, error) {
	return off, i, number, nil
}

func (d *decoding) elementsHot(_ *op, _ place, _, off, _ int) (_, done int) { return off, 0 }
