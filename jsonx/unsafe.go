//go:build !purego

package jsonx

import (
	"encoding/binary"
	"reflect"
	"unsafe"
)

// This file is all that plans need of package unsafe: a Go value is known by its address, and its type by the plan that
// was compiled for it. portable.go does the same by reflection, for the build tag purego, and passes the same tests.

// loc is where a Go value lives.
type loc = unsafe.Pointer

// byAddress says that plans may use the fast ways that need the layout of slices and maps.
const byAddress = true

func locOf(v reflect.Value) loc { return v.Addr().UnsafePointer() }

// locAt is locOf for a variable of the caller.
func locAt[T any](v *T) loc { return unsafe.Pointer(v) }

func valueAt(t reflect.Type, p loc) reflect.Value { return reflect.NewAt(t, p).Elem() }

func setBool(p loc, b bool)                    { *(*bool)(p) = b }
func setString(p loc, s string)                { *(*string)(p) = s }
func setFloat[T float32 | float64](p loc, f T) { *(*T)(p) = f }
func setInt[T signed](p loc, i T)              { *(*T)(p) = i }
func setUint[T unsigned](p loc, u T)           { *(*T)(p) = u }
func setSlice[T any](p loc, s []T)             { *(*[]T)(p) = s }
func setNil(p loc, _ reflect.Type)             { *(*unsafe.Pointer)(p) = nil }

func getBool(p loc) bool                    { return *(*bool)(p) }
func getString(p loc) string                { return *(*string)(p) }
func getFloat[T float32 | float64](p loc) T { return *(*T)(p) }
func getInt[T signed](p loc) T              { return *(*T)(p) }
func getUint[T unsigned](p loc) T           { return *(*T)(p) }
func getAny(p loc) any                      { return *(*any)(p) }

// target returns where the pointer at p points; ok is false if it is nil.
func target(p loc) (q loc, ok bool) {
	q = *(*unsafe.Pointer)(p)
	return q, q != nil
}

// sliceAt returns the length of the slice at p and where its elements begin; null is true if it is nil.
func sliceAt(p loc) (first loc, n int, null bool) {
	h := (*sliceHeader)(p)
	return h.data, h.len, h.data == nil
}

// bytesOf returns the bytes of s, which must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// pointedTo returns where the pointer in v points; ok is false if it is nil.
func pointedTo(v any) (p loc, ok bool) {
	p = (*iface)(unsafe.Pointer(&v)).data
	return p, p != nil
}

// inside returns where the value in v, of type t, lives; it must not be changed there. An interface holds the address
// of its value, except for what is itself one pointer; that is copied.
func inside(t reflect.Type, v any) loc {
	switch k := t.Kind(); {
	case k == reflect.Map, k == reflect.Chan, k == reflect.Func, k == reflect.UnsafePointer,
		(k == reflect.Struct || k == reflect.Array) && t.Size() <= unsafe.Sizeof(uintptr(0)):
		x := reflect.New(t)
		x.Elem().Set(reflect.ValueOf(v))
		return x.UnsafePointer()
	}
	return (*iface)(unsafe.Pointer(&v)).data
}

// store64 writes w to b[i:], little-endian. The caller has made sure that there are eight bytes: len(b)-i >= 8.
func store64(b []byte, i int, w uint64) {
	binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))[:], w)
}

// setAny stores x in the empty interface at p.
func setAny(_ reflect.Type, p loc, x any) { *(*any)(p) = x }

// typedAt returns the value at p as a T, whose memory is laid out as that of the type of p.
func typedAt[T any](p loc) *T { return (*T)(p) }

// pointee returns where the pointer at p points, to a new value if it is nil.
func pointee(p loc, elem reflect.Type) loc {
	q := (*unsafe.Pointer)(p)
	if *q == nil {
		*q = reflect.New(elem).UnsafePointer()
	}
	return *q
}

// path leads from a struct to a field, through embedded structs and pointers to them.
type path struct {
	offset uintptr
	hops   []hop // the embedded pointers on the way
}

// hop is an embedded pointer: its offset from where the hop before it led, and its element type.
type hop struct {
	offset uintptr
	elem   reflect.Type
	sealed bool // the pointer is in an unexported field, so that only its owner may set it
}

func pathOf(t reflect.Type, index []int) (p path) {
	for n, i := range index {
		f := t.Field(i)
		p.offset += f.Offset
		if t = f.Type; t.Kind() == reflect.Pointer && n < len(index)-1 {
			t = t.Elem()
			p.hops = append(p.hops, hop{p.offset, t, !f.IsExported()})
			p.offset = 0
		}
	}
	return p
}

// field returns where the field is. The path must have no hops.
func (f *path) field(p loc) loc { return unsafe.Add(p, f.offset) }

// follow is field for any path. Nil pointers on the way are set if make is true; ok is false at one that stays nil.
func (f *path) follow(p loc, make bool) (q loc, ok bool) {
	for i := range f.hops {
		h := &f.hops[i]
		at := (*unsafe.Pointer)(unsafe.Add(p, h.offset))
		if *at == nil {
			if !make || h.sealed {
				return nil, false
			}
			*at = reflect.New(h.elem).UnsafePointer()
		}
		p = *at
	}
	return unsafe.Add(p, f.offset), true
}

// element returns element i of an array of elements of that size.
func element(p loc, i int, size uintptr) loc { return unsafe.Add(p, uintptr(i)*size) }

// sliceHeader is how a slice lies in memory.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

// growing is a slice while its elements are read: in place if the slice has capacity or its elements must not move, else
// in a scratch buffer of the state, from which a slice of just the right size is copied in the end.
type growing struct {
	base    unsafe.Pointer
	cap     int
	plan    *slicePlan
	dst     *sliceHeader
	scratch *scratch // nil when in place
}

// scratch is a slice kept for reading; its elements are zero when not in use. out is where slices are made.
type scratch struct {
	v, out reflect.Value // addressable, v as long as its capacity
	h, o   *sliceHeader  // the same
}

// scratches are the scratch buffers of a state by the number of the plan; a plan that is in use has taken its own out.
type scratches []*scratch

// maxScratchBytes is up to which size a scratch buffer is kept.
const maxScratchBytes = 256 << 10

func newScratch(t reflect.Type) *scratch {
	v, out := reflect.New(t).Elem(), reflect.New(t).Elem()
	v.Grow(max(4, 512/max(1, int(t.Elem().Size()))))
	v.SetLen(v.Cap())
	return &scratch{v, out, (*sliceHeader)(v.Addr().UnsafePointer()), (*sliceHeader)(out.Addr().UnsafePointer())}
}

func (g *growing) open(d *decodeState, s *slicePlan, p loc) {
	h := (*sliceHeader)(p)
	g.plan, g.dst = s, h
	if h.cap > 0 || s.own {
		h.len = 0
		g.base, g.cap = h.data, h.cap
		return
	}
	if s.number < len(d.scratches) {
		g.scratch, d.scratches[s.number] = d.scratches[s.number], nil
	}
	if g.scratch == nil {
		g.scratch = newScratch(s.typ)
	}
	g.base, g.cap = g.scratch.h.data, g.scratch.h.cap
}

// at returns where element n, the next one, is to be read, zeroed.
func (g *growing) at(n int) loc {
	if n >= g.cap || g.scratch == nil {
		g.prepare(n)
	}
	return unsafe.Add(g.base, uintptr(n)*g.plan.size)
}

func (g *growing) prepare(n int) {
	if s := g.scratch; s != nil {
		s.v.Grow(n)
		s.h.len = s.h.cap
		g.base, g.cap = s.h.data, s.h.cap
		return
	}
	if n >= g.cap {
		v := reflect.NewAt(g.plan.typ, unsafe.Pointer(g.dst)).Elem()
		v.SetLen(n)
		v.Grow(max(n, 4))
		g.base, g.cap = g.dst.data, g.dst.cap
	}
	reflect.NewAt(g.plan.elemType, unsafe.Add(g.base, uintptr(n)*g.plan.size)).Elem().SetZero()
}

// close makes a slice of the first n elements.
func (g *growing) close(d *decodeState, n int) {
	s := g.scratch
	switch {
	case s == nil && g.dst.data != nil:
		g.dst.len = n
		return
	case n == 0:
		*g.dst = sliceHeader{data: unsafe.Pointer(&zeroSized)}
	case g.plan.flat: // without pointers it is but words
		words := (uintptr(n)*g.plan.size + 7) / 8
		*g.dst = sliceHeader{unsafe.Pointer(unsafe.SliceData(make([]uint64, words))), n, n}
		copy(unsafe.Slice((*byte)(g.dst.data), uintptr(n)*g.plan.size), unsafe.Slice((*byte)(g.base), uintptr(n)*g.plan.size))
	case g.plan.texts > 0: // looks to the collector as so many strings do
		texts := g.strings(n)
		list := make([]string, len(texts))
		copy(list, texts)
		*g.dst = sliceHeader{unsafe.Pointer(unsafe.SliceData(list)), n, n}
	default:
		s.out.Grow(n)
		s.o.len = n
		reflect.Copy(s.out, s.v)
		*g.dst, *s.o = *s.o, sliceHeader{}
	}
	if s != nil {
		g.release(d, n)
	}
}

// strings are those of the first n elements, which are made of nothing else.
func (g *growing) strings(n int) []string {
	return unsafe.Slice((*string)(g.base), n*g.plan.texts)
}

// release gives the scratch buffer back after n elements of it were used.
func (g *growing) release(d *decodeState, n int) {
	s := g.scratch
	if s == nil || uintptr(s.h.cap)*g.plan.size > maxScratchBytes {
		return
	}
	if g.plan.flat {
		clear(unsafe.Slice((*byte)(g.base), uintptr(n)*g.plan.size))
	} else if g.plan.texts > 0 {
		clear(g.strings(n))
	} else {
		s.h.len = n
		s.v.Clear()
		s.h.len = s.h.cap
	}
	for len(d.scratches) <= g.plan.number {
		d.scratches = append(d.scratches, nil)
	}
	d.scratches[g.plan.number] = s
}

// zeroSized is what empty slices point to.
var zeroSized struct{}

// wordsAs returns a buffer of words as one of numbers.
func wordsAs[T number](w []uint64) []T {
	var t T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(w))), cap(w)*8/int(unsafe.Sizeof(t)))
}

// shareBytes is how large a block is in which short strings are put one after the other, and maxShared how long a
// string may be to go there: as long as one string of a block is in use, at most shareBytes stay.
const (
	shareBytes = 128
	maxShared  = 32
)

// shared is a block in which copies lie one after the other: used counts them.
type shared[T any] struct {
	block []T
	used  int
}

// text returns a copy of b, which ends about i. Words are moved here, the last over the one before, as a call for so few
// bytes takes about as long again.
func (d *decodeState) text(b []byte, i int) string {
	n := len(b)
	if n == 0 || n > maxShared {
		return string(b)
	}
	if n > len(d.texts.block)-d.texts.used {
		d.texts = shared[byte]{block: make([]byte, min(shareBytes, max(n, n+len(d.data)-i)))}
	}
	to, from := unsafe.Add(unsafe.Pointer(unsafe.SliceData(d.texts.block)), d.texts.used), unsafe.Pointer(unsafe.SliceData(b))
	switch {
	case n > 16:
		*(*[16]byte)(to) = *(*[16]byte)(from)
		*(*[16]byte)(unsafe.Add(to, n-16)) = *(*[16]byte)(unsafe.Add(from, n-16))
	case n >= 8:
		*(*[8]byte)(to) = *(*[8]byte)(from)
		*(*[8]byte)(unsafe.Add(to, n-8)) = *(*[8]byte)(unsafe.Add(from, n-8))
	case n >= 4:
		*(*[4]byte)(to) = *(*[4]byte)(from)
		*(*[4]byte)(unsafe.Add(to, n-4)) = *(*[4]byte)(unsafe.Add(from, n-4))
	default:
		*(*byte)(to) = *(*byte)(from)
		*(*byte)(unsafe.Add(to, n>>1)) = *(*byte)(unsafe.Add(from, n>>1))
		*(*byte)(unsafe.Add(to, n-1)) = *(*byte)(unsafe.Add(from, n-1))
	}
	d.texts.used += n
	return unsafe.String((*byte)(to), n)
}

// iface is how an empty interface lies in memory.
type iface struct {
	typ  unsafe.Pointer
	data unsafe.Pointer
}

func typeWord(v any) unsafe.Pointer { return (*iface)(unsafe.Pointer(&v)).typ }

var (
	float64Word = typeWord(float64(0))
	stringWord  = typeWord("")
)

// boxFloat returns f, which ends at i, as an interface. Sixteen of them share a block of 128 bytes.
func (d *decodeState) boxFloat(f float64, i int) (v any) {
	if d.floats.used == len(d.floats.block) {
		d.floats = shared[float64]{block: make([]float64, min(16, 1+(len(d.data)-i)/2))}
	}
	p := &d.floats.block[d.floats.used]
	*p = f
	d.floats.used++
	*(*iface)(unsafe.Pointer(&v)) = iface{float64Word, unsafe.Pointer(p)}
	return v
}

// boxString returns a copy of b, which ends about i, as an interface. Short strings share blocks, four of them one for
// what an interface points to: as long as one is in use, at most that block and four of text stay.
func (d *decodeState) boxString(b []byte, i int) (v any) {
	if len(b) > maxShared {
		return string(b)
	}
	if d.boxes.used == len(d.boxes.block) {
		d.boxes = shared[string]{block: make([]string, min(4, 1+(len(d.data)-i)/4))}
	}
	p := &d.boxes.block[d.boxes.used]
	*p = d.text(b, i)
	d.boxes.used++
	*(*iface)(unsafe.Pointer(&v)) = iface{stringWord, unsafe.Pointer(p)}
	return v
}
