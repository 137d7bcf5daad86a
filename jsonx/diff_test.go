package jsonx

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	for _, c := range [][3]string{
		{`1`, `1`, `[]`}, {`{"a":[1,{"b":2}]}`, `{"a":[1,{"b":2}]}`, `[]`}, {`{"a":1,"b":2}`, `{"b":2,"a":1}`, `[]`}, {`"\u0061"`, `"a"`, `[]`},
		{`1`, `"1"`, `[{"op":"replace","path":"","value":"1"}]`},
		{`1`, `1.0`, `[{"op":"replace","path":"","value":1.0}]`},
		{`{"a":1,"b":2,"c":3}`, `{"a":1,"b":5,"d":4}`, `[{"op":"replace","path":"","value":{"a":1,"b":5,"d":4}}]`},
		{`{"keep":"something long enough to stay as it is, so that going inside is worth it, and yet more","b":2,"c":3}`,
			`{"b":5,"d":4,"keep":"something long enough to stay as it is, so that going inside is worth it, and yet more"}`, `[{"op":"replace","path":"/b","value":5},{"op":"remove","path":"/c"},{"op":"add","path":"/d","value":4}]`},
		{`{"x/y":{"m~n":"long enough to go inside","k":0}}`, `{"x/y":{"m~n":"long enough to go inside","k":1}}`, `[{"op":"replace","path":"/x~1y/k","value":1}]`},
		{`["a","b","c","d"]`, `["a","c","d"]`, `[{"op":"remove","path":"/1"}]`},
		{`["a","c","d"]`, `["a","b","c","d"]`, `[{"op":"add","path":"/1","value":"b"}]`},
		{`["a","bbbbbbbbbbbbbbbbbbbb","cccccccccccccccccccc","dddddddddddddddddddd","e"]`, `["bbbbbbbbbbbbbbbbbbbb","cccccccccccccccccccc","x","dddddddddddddddddddd","ee"]`,
			`[{"op":"remove","path":"/0"},{"op":"add","path":"/2","value":"x"},{"op":"replace","path":"/4","value":"ee"}]`},
		{`[{"id":1,"text":"something long enough","n":0},{"id":2}]`, `[{"id":1,"text":"something long enough","n":7},{"id":2}]`, `[{"op":"replace","path":"/0/n","value":7}]`},
		{`[1,2,3,4,5,6,7,8,9]`, `[]`, `[{"op":"replace","path":"","value":[]}]`},
		{`{"a":[1,2,3]}`, `{"a":{"b":1}}`, `[{"op":"replace","path":"/a","value":{"b":1}}]`},
		{`{"a":null}`, `{}`, `[{"op":"remove","path":"/a"}]`},
	} {
		got, err := Diff(mustParse(t, c[0]), mustParse(t, c[1])).AppendJSON(nil)
		if err != nil || string(got) != c[2] {
			t.Errorf("%s to %s:\n%s %v\nwant %s", c[0], c[1], got, err, c[2])
		}
	}
}

// checkDiff holds Diff to its promise: applied to a the patch gives b, number texts included.
func checkDiff(t *testing.T, a, b Value) Patch {
	t.Helper()
	textA, textB := a.String(), b.String()
	p := Diff(a, b)
	text, err := p.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Apply(nil, []byte(textA), text)
	if err != nil {
		t.Fatalf("%s\nto %s\nby %s: %v", textA, textB, text, err)
	}
	if v := mustParse(t, string(got)); !v.Equal(b) || len(Diff(v, b)) != 0 {
		t.Fatalf("%s\nto %s\nby %s\ngives %s", textA, textB, text, got)
	}
	if whole := len(textB) + 40; len(text) > 2*whole+40 {
		t.Fatalf("%s\nto %s: a patch of %d bytes", textA, textB, len(text))
	}
	if a.String() != textA || b.String() != textB {
		t.Fatal("Diff changed its arguments")
	}
	return p
}

// randomValue makes values that have much in common.
func randomValue(r *rand.Rand, depth int) Value {
	switch n := r.IntN(10); {
	case n < 3 && depth > 0:
		v := MakeArray()
		for range r.IntN(6) {
			v.Insert(r.IntN(v.Len()+1), randomValue(r, depth-1))
		}
		return v
	case n < 6 && depth > 0:
		v := MakeObject()
		for range r.IntN(6) {
			v.Set([]string{"a", "b", "c/d", "~", "", "é"}[r.IntN(6)], randomValue(r, depth-1))
		}
		return v
	case n < 8:
		return MakeInt(int64(r.IntN(4)))
	case n < 9:
		return MakeString(strings.Repeat("xy", r.IntN(3)))
	}
	return []Value{{}, MakeBool(true), MakeBool(false)}[r.IntN(3)]
}

func TestDiffRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		checkDiff(t, randomValue(r, 4), randomValue(r, 4))
	}
}

// The alignment is a longest one: as long as the table of all prefixes has it.
func TestAlignIsLongest(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	list := func() (v []Value) {
		for range r.IntN(20) {
			v = append(v, MakeInt(int64(r.IntN(4))))
		}
		return v
	}
	for range 5000 {
		a, b := list(), list()
		table := make([][]int, len(a)+1)
		table[0] = make([]int, len(b)+1)
		for i := range a {
			table[i+1] = make([]int, len(b)+1)
			for j := range b {
				if table[i+1][j+1] = max(table[i][j+1], table[i+1][j]); a[i].Equal(b[j]) {
					table[i+1][j+1] = table[i][j] + 1
				}
			}
		}
		d := differ{sums: map[*node]sum{}, steps: maxDiffSteps}
		d.seeds[0], d.seeds[1] = nameSeed, nameSeed
		n, x, y := 0, 0, 0
		for _, m := range d.align(a, b) {
			if m.a < x || m.b < y {
				t.Fatalf("%v %v: out of order", a, b)
			}
			for k := range m.n {
				if !a[m.a+k].Equal(b[m.b+k]) {
					t.Fatalf("%v %v: no match", a, b)
				}
			}
			n, x, y = n+m.n, m.a+m.n, m.b+m.n
		}
		if n != table[len(a)][len(b)] {
			t.Fatalf("%v %v: %d elements kept of %d", a, b, n, table[len(a)][len(b)])
		}
	}
}

// Large arrays: a few edits far apart are found; all different stops at the bound and still gives a right patch.
func TestDiffLargeArrays(t *testing.T) {
	const n = 50_000
	a, b, other := MakeArray(), MakeArray(), MakeArray()
	for i := range n {
		x := MakeString("element " + strconv.Itoa(i))
		a.Insert(i, x)
		b.Insert(i, x)
		other.Insert(i, MakeInt(int64(i)))
	}
	for i := range 10 {
		b.Remove(i * 4000)
		b.Insert(i*4000+2000, MakeInt(int64(i)))
	}
	if p := checkDiff(t, a, b); len(p) != 20 {
		t.Errorf("%d operations for 20 edits", len(p))
	}
	checkDiff(t, a, other)
	// Two letters in random order: the search is cut off.
	r := rand.New(rand.NewPCG(5, 6))
	x, y := MakeArray(), MakeArray()
	for i := range 20_000 {
		x.Insert(i, MakeInt(int64(r.IntN(2))))
		y.Insert(i, MakeInt(int64(r.IntN(2))))
	}
	checkDiff(t, x, y)
}

func FuzzDiff(f *testing.F) {
	for _, c := range patches {
		f.Add([]byte(c.target), []byte(c.patch))
	}
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, errA := Parse(x)
		b, errB := Parse(y)
		if errA == nil && errB == nil {
			checkDiff(t, a, b)
			checkDiff(t, b, a)
		}
		// A patch that fails leaves its target alone; one that works gives JSON.
		if p, err := ParsePatch(y); err == nil && errA == nil {
			before := a.String()
			if err := p.Apply(&a); err != nil && a.String() != before {
				t.Fatalf("%s changed by a failing patch to %v", before, a)
			}
			if !Valid([]byte(a.String())) {
				t.Fatalf("%v", a)
			}
		}
	})
}

func ExampleDiff() {
	a, _ := Parse([]byte(`{"title":"Hello","tags":["a","c"]}`))
	b, _ := Parse([]byte(`{"title":"Hello","tags":["a","b","c"]}`))
	text, _ := Diff(a, b).AppendJSON(nil)
	fmt.Printf("%s\n", text)
	// Output: [{"op":"add","path":"/tags/1","value":"b"}]
}

// Diff of texts made to be hard takes memory, and so time, in proportion to them: the search is bounded for all arrays
// together, and pointers are written for the operations that stay only.
func TestDiffIsBounded(t *testing.T) {
	deep := func(x string) string {
		return strings.Repeat(`{"k":`+x+`,"`+strings.Repeat("n", 2000)+`":`, 999) + x + strings.Repeat("}", 999)
	}
	arrays := func(seed uint64) string {
		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		for range 100 {
			for i := range 1000 {
				fmt.Fprintf(&b, "%s%d", map[bool]string{true: "],[", false: ","}[i == 0], r.IntN(1000))
			}
		}
		return "[[]" + b.String()[1:] + "]]"
	}
	for _, x := range []struct {
		name, a, b string
		limit      uint64
	}{
		{"long pointers", deep("1"), deep("2"), 20 << 20},
		{"many arrays", arrays(1), arrays(2), 300 << 20},
	} {
		a, b := mustParse(t, x.a), mustParse(t, x.b)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		patch := Diff(a, b)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > x.limit {
			t.Errorf("%s: %d bytes for texts of %d", x.name, n, len(x.a)+len(x.b))
		}
		if err := patch.Apply(&a); err != nil || !a.Equal(b) {
			t.Errorf("%s: the patch does not lead to b: %v", x.name, err)
		}
	}
}
