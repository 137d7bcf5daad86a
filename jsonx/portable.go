//go:build purego

package jsonx

import (
	"encoding/binary"
	"reflect"
	"slices"
)

// This file is the twin of unsafe.go without package unsafe: the same names, done by reflection.

// loc is where a Go value lives: the value itself, addressable.
type loc = reflect.Value

const byAddress = false

func locOf(v reflect.Value) loc { return v }

func locAt[T any](v *T) loc { return reflect.ValueOf(v).Elem() }

func valueAt(_ reflect.Type, p loc) reflect.Value { return p }

func setBool(p loc, b bool)                    { p.SetBool(b) }
func setString(p loc, s string)                { p.SetString(s) }
func setFloat[T float32 | float64](p loc, f T) { p.SetFloat(float64(f)) }
func setInt[T signed](p loc, i T)              { p.SetInt(int64(i)) }
func setUint[T unsigned](p loc, u T)           { p.SetUint(uint64(u)) }
func setSlice[T any](p loc, s []T)             { p.Set(reflect.ValueOf(s).Convert(p.Type())) }
func setNil(p loc, _ reflect.Type)             { p.SetZero() }

func getBool(p loc) bool                    { return p.Bool() }
func getString(p loc) string                { return p.String() }
func getFloat[T float32 | float64](p loc) T { return T(p.Float()) }
func getInt[T signed](p loc) T              { return T(p.Int()) }
func getUint[T unsigned](p loc) T           { return T(p.Uint()) }
func getAny(p loc) any                      { return p.Interface() }

func target(p loc) (q loc, ok bool) {
	if p.IsNil() {
		return p, false
	}
	return p.Elem(), true
}

func sliceAt(p loc) (first loc, n int, null bool) { return p, p.Len(), p.IsNil() }

func bytesOf(s string) []byte { return []byte(s) }

func pointedTo(v any) (p loc, ok bool) {
	rv := reflect.ValueOf(v)
	return rv.Elem(), !rv.IsNil()
}

func inside(t reflect.Type, v any) loc {
	x := reflect.New(t).Elem()
	x.Set(reflect.ValueOf(v))
	return x
}

func store64(b []byte, i int, w uint64) { binary.LittleEndian.PutUint64(b[i:], w) }

func setAny(_ reflect.Type, p loc, x any) { p.Set(reflect.ValueOf(x)) }

func typedAt[T any](p loc) *T {
	return p.Addr().Convert(reflect.TypeFor[*T]()).Interface().(*T)
}

func pointee(p loc, elem reflect.Type) loc {
	if p.IsNil() {
		p.Set(reflect.New(elem).Convert(p.Type()))
	}
	return p.Elem()
}

type path struct {
	index []int
	hops  []int // how many steps lead to each embedded pointer
}

func pathOf(t reflect.Type, index []int) path {
	p := path{index: slices.Clone(index)}
	for n, i := range index {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer && n < len(index)-1 {
			t = t.Elem()
			p.hops = append(p.hops, n+1)
		}
	}
	return p
}

func (f *path) field(p loc) loc {
	for _, i := range f.index {
		p = p.Field(i)
	}
	return p
}

func (f *path) follow(p loc, make bool) (q loc, ok bool) {
	for n, i := range f.index {
		if n > 0 && p.Kind() == reflect.Pointer {
			if p.IsNil() {
				if !make || !p.CanSet() {
					return p, false
				}
				p.Set(reflect.New(p.Type().Elem()))
			}
			p = p.Elem()
		}
		p = p.Field(i)
	}
	return p, true
}

func element(p loc, i int, _ uintptr) loc { return p.Index(i) }

// growing is a slice while its elements are read.
type growing struct{ dst loc }

type scratches struct{}

func (g *growing) open(_ *decodeState, _ *slicePlan, p loc) {
	g.dst = p
	p.SetLen(0)
}

func (g *growing) at(n int) loc {
	if n >= g.dst.Cap() {
		g.dst.Grow(1)
	}
	g.dst.SetLen(n + 1)
	g.dst.Index(n).SetZero()
	return g.dst.Index(n)
}

func (g *growing) close(_ *decodeState, n int) {
	if n == 0 && g.dst.IsNil() {
		g.dst.Set(reflect.MakeSlice(g.dst.Type(), 0, 0))
	}
}

func (g *growing) release(*decodeState, int) {}

// shared is of no use here: each copy is one of its own.
type shared[T any] struct{}

func (d *decodeState) text(b []byte, _ int) string { return string(b) }

func (d *decodeState) boxFloat(f float64, _ int) any { return f }

func (d *decodeState) boxString(b []byte, _ int) any { return string(b) }

func wordsAs[T number](w []uint64) []T { return make([]T, cap(w)) }
