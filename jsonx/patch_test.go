package jsonx

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// patches are rows after RFC 6902: a target, a patch, and what comes out, or the error.
var patches = []struct {
	section, target, patch, want string
	err                          error
}{
	{"A.1", `{"title":"x"}`, `[{"op":"add","path":"/views","value":3}]`, `{"title":"x","views":3}`, nil},
	{"A.2", `{"tags":["red","blue"]}`, `[{"op":"add","path":"/tags/1","value":"green"}]`, `{"tags":["red","green","blue"]}`, nil},
	{"A.3", `{"draft":true,"title":"x"}`, `[{"op":"remove","path":"/draft"}]`, `{"title":"x"}`, nil},
	{"A.4", `{"tags":["red","green","blue"]}`, `[{"op":"remove","path":"/tags/1"}]`, `{"tags":["red","blue"]}`, nil},
	{"A.5", `{"draft":true,"title":"x"}`, `[{"op":"replace","path":"/draft","value":false}]`, `{"draft":false,"title":"x"}`, nil},
	{"A.6", `{"from":{"keep":1,"go":2},"to":{"own":3}}`, `[{"op":"move","from":"/from/go","path":"/to/come"}]`, `{"from":{"keep":1},"to":{"own":3,"come":2}}`, nil},
	{"A.7", `{"l":["a","d","b","c"]}`, `[{"op":"move","from":"/l/1","path":"/l/3"}]`, `{"l":["a","b","c","d"]}`, nil},
	{"A.8", `{"t":"x","l":["a",2,"c"]}`, `[{"op":"test","path":"/t","value":"x"},{"op":"test","path":"/l/1","value":2}]`, `{"t":"x","l":["a",2,"c"]}`, nil},
	{"A.9", `{"t":"x"}`, `[{"op":"test","path":"/t","value":"y"}]`, ``, ErrTest},
	{"A.10", `{"a":1}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"a":1,"child":{"grandchild":{}}}`, nil},
	{"A.11", `{"a":1}`, `[{"op":"add","path":"/b","value":2,"comment":"what nobody knows is left out"}]`, `{"a":1,"b":2}`, nil},
	{"A.12", `{"a":1}`, `[{"op":"add","path":"/no/where","value":2}]`, ``, ErrPointer},
	{"A.13", `{"a":1}`, `[{"op":"add","path":"/b","value":2,"op":"remove"}]`, ``, ErrDuplicateName},
	{"A.14", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`, nil},
	{"A.15", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ``, ErrTest},
	{"A.16", `{"l":["a"]}`, `[{"op":"add","path":"/l/-","value":["b","c"]}]`, `{"l":["a",["b","c"]]}`, nil},
	{"4.1 member there", `{"a":1,"b":2}`, `[{"op":"add","path":"/a","value":null}]`, `{"a":null,"b":2}`, nil},
	{"4.1 root", `{"a":1}`, `[{"op":"add","path":"","value":[1]}]`, `[1]`, nil},
	{"4.1 at the end", `[1]`, `[{"op":"add","path":"/1","value":2}]`, `[1,2]`, nil},
	{"4.1 past the end", `[1]`, `[{"op":"add","path":"/2","value":2}]`, ``, ErrPointer},
	{"4.1 into a scalar", `{"a":1}`, `[{"op":"add","path":"/a/b","value":2}]`, ``, ErrPointer},
	{"4.1 index with zero", `[1,2]`, `[{"op":"add","path":"/01","value":2}]`, ``, ErrPointer},
	{"4.2 nothing there", `{"a":1}`, `[{"op":"remove","path":"/b"}]`, ``, ErrPointer},
	{"4.2 after the last", `[1]`, `[{"op":"remove","path":"/-"}]`, ``, ErrPointer},
	{"4.2 root", `[1]`, `[{"op":"remove","path":""}]`, ``, ErrPointer},
	{"4.3 nothing there", `{"a":1}`, `[{"op":"replace","path":"/b","value":1}]`, ``, ErrPointer},
	{"4.3 root", `{"a":1}`, `[{"op":"replace","path":"","value":1}]`, `1`, nil},
	{"4.4 into itself", `{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a/b"}]`, ``, ErrPointer},
	{"4.4 name of one beginning", `{"a":1,"ab":2}`, `[{"op":"move","from":"/a","path":"/ac"}]`, `{"ab":2,"ac":1}`, nil},
	{"4.4 where it is", `{"a":1,"b":2}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":1,"b":2}`, nil},
	{"4.4 nothing there", `{}`, `[{"op":"move","from":"/a","path":"/a"}]`, ``, ErrPointer},
	{"4.5", `{"a":[1],"b":2}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"add","path":"/c/-","value":2}]`, `{"a":[1],"b":2,"c":[1,2]}`, nil},
	{"4.5 into itself", `{"a":[1]}`, `[{"op":"copy","from":"/a","path":"/a/0"}]`, `{"a":[[1],1]}`, nil},
	{"4.6 numbers by value", `[1.0,0,1e2]`, `[{"op":"test","path":"","value":[10e-1,-0,100]}]`, `[1.0,0,1e2]`, nil},
	{"4.6 members in any order", `{"a":1,"b":[2]}`, `[{"op":"test","path":"","value":{"b":[2],"a":1}}]`, `{"a":1,"b":[2]}`, nil},
	{"4.6 escapes", `"\u0061"`, `[{"op":"test","path":"","value":"a"}]`, `"\u0061"`, nil},
	{"4.6 one element more", `[1]`, `[{"op":"test","path":"","value":[1,2]}]`, ``, ErrTest},
	{"4.6 null is no absence", `{}`, `[{"op":"test","path":"/a","value":null}]`, ``, ErrPointer},
	{"5 all or nothing", `{"a":1}`, `[{"op":"remove","path":"/a"},{"op":"test","path":"/a","value":1}]`, ``, ErrPointer},
	{"3 empty", `{"a":1}`, `[]`, `{"a":1}`, nil},
	{"3 no array", `{"a":1}`, `{"op":"remove","path":"/a"}`, ``, ErrPatch},
	{"3 no object", `{"a":1}`, `[1]`, ``, ErrPatch},
	{"4 no op", `{"a":1}`, `[{"path":"/a"}]`, ``, ErrPatch},
	{"4 strange op", `{"a":1}`, `[{"op":"spam","path":"/a"}]`, ``, ErrPatch},
	{"4 no path", `{"a":1}`, `[{"op":"remove"}]`, ``, ErrPatch},
	{"4 path no text", `{"a":1}`, `[{"op":"remove","path":1}]`, ``, ErrPatch},
	{"4 no value", `{"a":1}`, `[{"op":"add","path":"/b"}]`, ``, ErrPatch},
	{"4 no from", `{"a":1}`, `[{"op":"move","path":"/b"}]`, ``, ErrPatch},
	{"4 bad pointer", `{"a":1}`, `[{"op":"remove","path":"a"}]`, ``, ErrPointer},
	{"4 bad escape", `{"a":1}`, `[{"op":"copy","from":"/a~","path":"/b"}]`, ``, ErrPointer},
}

func TestPatch(t *testing.T) {
	for _, c := range patches {
		target := []byte(c.target)
		got, err := Apply([]byte("dst"), target, []byte(c.patch))
		if !errors.Is(err, c.err) || string(got) != "dst"+c.want || string(target) != c.target {
			t.Errorf("%s: %s %v, want %s %v", c.section, got, err, c.want, c.err)
		}
		if pe, ok := errors.AsType[*PatchError](err); c.err == ErrTest && (!ok || pe.Index != 0 || pe.Op != "test") {
			t.Errorf("%s: %#v", c.section, err)
		}
		p, err := ParsePatch([]byte(c.patch))
		if err != nil {
			continue
		}
		// On a Value: all of it or nothing, and the patch can be used again.
		for range 2 {
			v := mustParse(t, c.target)
			before := v
			if err := p.Apply(&v); !errors.Is(err, c.err) || err == nil && v.String() != c.want || err != nil && v.String() != c.target || before.String() != c.target {
				t.Errorf("%s on a Value: %v, %v", c.section, v, err)
			}
		}
		text, err := p.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		var read Patch
		if err := Unmarshal(text, &read); err != nil || len(read) != len(p) {
			t.Errorf("%s as a Go value: %v", c.section, err)
		}
		if out, err := Marshal(read); err != nil || string(out) != string(text) {
			t.Errorf("%s as a Go value: %s %v", c.section, out, err)
		}
		if again, err := Apply([]byte("dst"), target, text); !errors.Is(err, c.err) || string(again) != string(got) {
			t.Errorf("%s written and read: %s %v", c.section, again, err)
		}
	}
}

func mustParse(t testing.TB, text string) Value {
	t.Helper()
	v, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%.100q: %v", text, err)
	}
	return v
}

func TestPatchLimits(t *testing.T) {
	// Forty operations that double a value each.
	double := "[" + strings.TrimSuffix(strings.Repeat(`{"op":"copy","from":"","path":"/-"},`, 40), ",") + "]"
	if _, err := Apply(nil, []byte(`["x"]`), []byte(double)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("doubled: %v", err)
	}
	if _, err := Apply(nil, []byte(`["0123456789"]`), []byte(`[{"op":"copy","from":"/0","path":"/-"}]`), MaxBytes(60)); err != nil {
		t.Errorf("small copy: %v", err)
	}
	// Nesting made by copies is refused before it can be written.
	var deeper strings.Builder
	at := ""
	for n := 1; n < 20_000; n *= 2 { // a copy of all of it at its innermost level
		at = strings.Repeat("/a", n)
		fmt.Fprintf(&deeper, `,{"op":"copy","from":"","path":"%s"}`, at)
	}
	for _, opts := range [][]Option{nil, {MaxBytes(0)}} {
		if _, err := Apply(nil, []byte(`{}`), []byte("["+deeper.String()[1:]+"]"), opts...); !errors.Is(err, ErrTooDeep) {
			t.Errorf("deeper: %v", err)
		}
	}
	a := applier{shifts: MaxPatchShifts}
	if a.shift(MaxPatchShifts) != nil || !errors.Is(a.shift(1), ErrTooCostly) {
		t.Error("shifts are not counted")
	}
}

// Patches of 10^5 operations on an object of 10^5 members take time in proportion.
func TestPatchManyMembers(t *testing.T) {
	const n = 100_000
	var target, remove strings.Builder
	for i := range n {
		fmt.Fprintf(&target, `,"name %d":%d`, i, i)
		fmt.Fprintf(&remove, `,{"op":"remove","path":"/name %d"},{"op":"add","path":"/new %d","value":0}`, i, i)
	}
	got, err := Apply(nil, []byte("{"+target.String()[1:]+"}"), []byte("["+remove.String()[1:]+"]"))
	if err != nil {
		t.Fatal(err)
	}
	if v := mustParse(t, string(got)); v.Len() != n || !strings.HasPrefix(string(got), `{"new 0":0,"new 1":0,`) {
		t.Errorf("%d members, %.40s", v.Len(), got)
	}
}

// RFC 7396 appendix A, all rows, then some of its prose.
func TestMergePatch(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`}, {`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`}, {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`}, {`{"a":"b"}`, `["c"]`, `["c"]`}, {`{"a":"foo"}`, `null`, `null`}, {`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`}, {`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"n":1.00}`, `{"m":1e400}`, `{"n":1.00,"m":1e400}`}, {`3`, `{"a":{"b":null,"c":[null]}}`, `{"a":{"c":[null]}}`},
	} {
		if got, err := MergePatch([]byte("dst"), []byte(c[0]), []byte(c[1])); err != nil || string(got) != "dst"+c[2] {
			t.Errorf("%v: %s %v", c, got, err)
		}
	}
	for _, c := range [][2]string{{`{`, `{}`}, {`{}`, `{"a":1,"a":2}`}, {``, ``}, {`{}`, `[1,]`}} {
		if got, err := MergePatch([]byte("dst"), []byte(c[0]), []byte(c[1])); err == nil || string(got) != "dst" {
			t.Errorf("%v: %s", c, got)
		}
	}
}

func ExampleApply() {
	out, err := Apply(nil, []byte(`{"title":"Hello","tags":["a"]}`), []byte(`[
		{"op": "test", "path": "/title", "value": "Hello"},
		{"op": "add", "path": "/tags/-", "value": "b"}
	]`))
	fmt.Printf("%s %v\n", out, err)
	// Output: {"title":"Hello","tags":["a","b"]} <nil>
}

// A patch that is the target, or holds it, is read as it was before the merge.
func TestMergeOfItself(t *testing.T) {
	parse := func(text string) Value {
		v, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const text = `{"a":{"a":1,"b":[]},"n":2}`
	for _, c := range []struct {
		patch func(v Value) Value
		want  string
	}{
		{func(v Value) Value { return v }, text},
		{func(v Value) Value { return MakeObject(Member{"n", v}) }, `{"a":{"a":1,"b":[]},"n":` + text + `}`},
		{func(v Value) Value { return MakeObject(Member{"a", v}) }, `{"a":{"a":{"a":1,"b":[]},"b":[],"n":2},"n":2}`},
		{func(v Value) Value { return MakeObject(Member{"l", MakeArray(v, v)}) }, `{"a":{"a":1,"b":[]},"n":2,"l":[` + text + `,` + text + `]}`},
		{func(v Value) Value { x, _ := v.Get("a"); return MakeObject(Member{"n", *x}) }, `{"a":{"a":1,"b":[]},"n":{"a":1,"b":[]}}`},
	} {
		v := parse(text)
		patch := c.patch(v)
		want, err := MergePatch(nil, []byte(text), []byte(patch.String()))
		if v.Merge(patch); err != nil || v.String() != c.want || string(want) != c.want {
			t.Errorf("%s\nas text %s\nwant    %s %v", v, want, c.want, err)
		}
		if n, ok := v.Get("n"); ok && n.Kind() == Object { // nothing is shared
			n.Set("new", MakeBool(true))
			if a, _ := v.Get("a"); strings.Contains(a.String(), "new") {
				t.Errorf("a part of the patch is shared: %s", v)
			}
		}
	}
	round := MakeObject()
	round.Set("x", round)
	defer func() {
		if recover() == nil {
			t.Error("a patch that contains itself was merged")
		}
	}()
	new(Value).Merge(round)
}

func ExampleMergePatch() {
	out, err := MergePatch(nil, []byte(`{"title":"Hello","draft":true}`), []byte(`{"draft":null,"views":1}`))
	fmt.Printf("%s %v\n", out, err)
	// Output: {"title":"Hello","views":1} <nil>
}
