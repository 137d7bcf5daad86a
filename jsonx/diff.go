package jsonx

import (
	"hash/maphash"
	"strconv"
)

// maxDiffSteps bounds the search for the best alignment of arrays, in comparisons, all arrays of one Diff together;
// beyond it elements are paired by position. It is about a tenth of a second.
const maxDiffSteps = 1 << 24

// maxDiffEdits bounds how many elements may differ for the search to go on; its memory is 4 bytes times the square.
const maxDiffEdits = 1 << 11

// Diff returns a Patch of add, remove and replace operations that makes a into b: applied to a it gives a value Equal
// to b, number texts included; members that are new come last. It goes into what both have in common, replaces a value
// as a whole where that is shorter, and keeps in each array a longest common subsequence of elements, as long as that is
// found within maxDiffSteps comparisons in all and maxDiffEdits differences. It finds no moves. The patch holds parts of b.
//
// Values are told apart by 128 bits of a seeded hash. The time is proportional to both sizes and the search.
func Diff(a, b Value) Patch {
	d := differ{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, sums: make(map[*node]sum), steps: maxDiffSteps}
	d.hash(a, 0)
	d.hash(b, 0)
	d.value(nil, a, b)
	for i, at := range d.places {
		d.patch[i].Path = at.pointer()
	}
	return d.patch
}

// spot is where in the text a value is: under which token of what is around it. Pointers are written in the end, for
// the operations that stay, as in a deep text they are long.
type spot struct {
	around *spot
	token  string // with its slash, escaped
	size   int    // of the pointer
}

// under returns the spot of a part.
func (s *spot) under(token string) *spot { return &spot{s, token, s.len() + len(token)} }

func (s *spot) len() int {
	if s == nil {
		return 0
	}
	return s.size
}

func (s *spot) pointer() string {
	b := make([]byte, s.len())
	for end := len(b); s != nil; s = s.around {
		end -= copy(b[end-len(s.token):], s.token)
	}
	return string(b)
}

// sum is what a value is known by: two hashes, and about the length of its text.
type sum struct {
	hash [2]uint64
	size int
}

type differ struct {
	seeds [2]maphash.Seed
	sums  map[*node]sum // of arrays and objects
	steps int           // left of maxDiffSteps

	patch  Patch
	places []*spot // of its operations
	size   int     // about the length of patch as text
	buf    []byte
}

// hash returns the sum of v. Numbers count by text, strings by characters, members in any order.
func (d *differ) hash(v Value, depth int) (s sum) {
	if depth > maxValueDepth {
		panic("jsonx: Diff of a Value deeper than 10000 levels, or one that contains itself")
	}
	switch v.Kind() {
	case Null:
		return d.scalar('n', "")
	case String:
		return d.scalar('s', v.Text())
	case Array:
		s = d.scalar('a', "")
		for _, x := range v.Elements() {
			s = d.mix('e', s, d.hash(*x, depth+1))
		}
	case Object:
		s = d.scalar('o', "")
		for name, x := range v.Members() {
			m := d.mix('m', d.scalar('s', name), d.hash(*x, depth+1))
			s = sum{[2]uint64{s.hash[0] + m.hash[0], s.hash[1] + m.hash[1]}, s.size + m.size}
		}
	default:
		return d.scalar('t', v.text)
	}
	d.sums[v.node] = s
	return s
}

func (d *differ) scalar(kind byte, text string) sum {
	d.buf = append(append(d.buf[:0], kind), text...)
	return d.seal(len(text) + 3)
}

func (d *differ) mix(kind byte, x, y sum) sum {
	d.buf = append(d.buf[:0], kind)
	for _, h := range [...]uint64{x.hash[0], x.hash[1], y.hash[0], y.hash[1]} {
		d.buf = append(d.buf, byte(h), byte(h>>8), byte(h>>16), byte(h>>24), byte(h>>32), byte(h>>40), byte(h>>48), byte(h>>56))
	}
	return d.seal(x.size + y.size)
}

func (d *differ) seal(size int) sum {
	return sum{[2]uint64{maphash.Bytes(d.seeds[0], d.buf), maphash.Bytes(d.seeds[1], d.buf)}, size}
}

// sum returns the sum of v, which has been hashed.
func (d *differ) sum(v Value) sum {
	if v.node != nil {
		return d.sums[v.node]
	}
	return d.hash(v, 0)
}

func (d *differ) same(a, b Value) bool { return d.sum(a).hash == d.sum(b).hash }

func (d *differ) emit(op string, at *spot, v Value) {
	d.patch, d.places = append(d.patch, Operation{Op: op, Value: v}), append(d.places, at)
	d.size += len(op) + at.len() + 20
	if op != "remove" {
		d.size += d.sum(v).size + 10
	}
}

// value makes a, which is there, into b.
func (d *differ) value(there *spot, a, b Value) {
	if d.same(a, b) {
		return
	}
	mark, size := len(d.patch), d.size
	switch k := a.Kind(); {
	case k != b.Kind() || k != Object && k != Array:
		d.emit("replace", there, b)
		return
	case k == Object:
		d.members(there, a, b)
	default:
		d.elements(there, a.node.elements, b.node.elements)
	}
	if whole := there.len() + 37 + d.sum(b).size; d.size-size > whole {
		clear(d.patch[mark:])
		d.patch, d.places, d.size = d.patch[:mark], d.places[:mark], size
		d.emit("replace", there, b)
	}
}

func (d *differ) members(there *spot, a, b Value) {
	for name, x := range a.Members() {
		if y, ok := b.Get(name); ok {
			if !d.same(*x, *y) {
				d.value(there.under(AppendPointer("", name)), *x, *y)
			}
		} else {
			d.emit("remove", there.under(AppendPointer("", name)), Value{})
		}
	}
	for name, y := range b.Members() {
		if _, ok := a.Get(name); !ok {
			d.emit("add", there.under(AppendPointer("", name)), *y)
		}
	}
}

func (d *differ) elements(there *spot, a, b []Value) {
	at := 0
	for len(a) > 0 && len(b) > 0 && d.same(a[0], b[0]) {
		a, b, at = a[1:], b[1:], at+1
	}
	for len(a) > 0 && len(b) > 0 && d.same(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	x, y := 0, 0
	for _, m := range append(d.align(a, b), match{len(a), len(b), 0}) {
		at = d.run(there, at, a[x:m.a], b[y:m.b]) + m.n
		x, y = m.a+m.n, m.b+m.n
	}
}

// run makes a, which begins at index at of the array, into b, where no element stays, and returns the index after it.
func (d *differ) run(there *spot, at int, a, b []Value) int {
	element := func(i int) *spot { return there.under("/" + strconv.Itoa(i)) }
	both := min(len(a), len(b))
	for i := range both {
		d.value(element(at+i), a[i], b[i])
	}
	for range a[both:] {
		d.emit("remove", element(at+both), Value{})
	}
	for i, y := range b[both:] {
		d.emit("add", element(at+both+i), y)
	}
	return at + len(b)
}

// match is a run of n equal elements.
type match struct{ a, b, n int }

// align returns the runs of a longest common subsequence, in order, by the greedy search of Myers ("An O(ND) Difference
// Algorithm and Its Variations", 1986, §4): furthest[k] is how far into a one gets on diagonal k = x - y with so many
// edits. Nil when the search would take too long.
func (d *differ) align(a, b []Value) []match {
	if len(a) == 0 || len(b) == 0 || d.steps < 0 {
		return nil
	}
	ha, hb := d.hashes(a), d.hashes(b)
	var trace [][]int32 // trace[e] is furthest of -e..e
	for edits := 0; edits <= min(len(a)+len(b), maxDiffEdits); edits++ {
		furthest := make([]int32, 2*edits+1)
		for k := -edits; k <= edits; k += 2 {
			x := fromPrevious(trace, edits, k)
			if x > len(a) || x-k > len(b) || x-k < 0 { // outside of the grid
				furthest[k+edits] = int32(x)
				continue
			}
			for x < len(a) && x-k < len(b) && ha[x] == hb[x-k] {
				x++
				d.steps--
			}
			if furthest[k+edits] = int32(x); d.steps < 0 {
				return nil
			}
			if x >= len(a) && x-k >= len(b) {
				return backtrack(append(trace, furthest), len(a), len(b))
			}
		}
		trace = append(trace, furthest)
		d.steps -= edits
	}
	return nil
}

func (d *differ) hashes(list []Value) [][2]uint64 {
	out := make([][2]uint64, len(list))
	for i, v := range list {
		out[i] = d.sum(v).hash
	}
	return out
}

// fromPrevious is where diagonal k begins with so many edits: below an element taken out of a, or beside one put in.
func fromPrevious(trace [][]int32, edits, k int) int {
	if edits == 0 {
		return 0
	}
	last := trace[edits-1]
	at := func(k int) int { return int(last[k+edits-1]) }
	if k == -edits || k != edits && at(k-1) < at(k+1) {
		return at(k + 1)
	}
	return at(k-1) + 1
}

func backtrack(trace [][]int32, x, y int) (matches []match) {
	for edits := len(trace) - 1; edits >= 0; edits-- {
		k := x - y
		from := fromPrevious(trace, edits, k)
		if n := x - from; n > 0 {
			matches = append(matches, match{from, from - k, n})
		}
		x, y = from, from-k
		if edits > 0 {
			if down := k == -edits || k != edits && trace[edits-1][k-1+edits-1] < trace[edits-1][k+1+edits-1]; down {
				y--
			} else {
				x--
			}
		}
	}
	for i, j := 0, len(matches)-1; i < j; i, j = i+1, j-1 {
		matches[i], matches[j] = matches[j], matches[i]
	}
	return matches
}
