package jsonx

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestValueReads(t *testing.T) {
	v := mustParse(t, ` { "s" : "a\u00e9" , "n" : -1.50 , "t" : true , "f":false, "z" : null , "l" : [ 1 , [ ] , { } ] , "\u006f" : { "x" : 1 } } `)
	get := func(p string) Value {
		t.Helper()
		x, err := v.Pointer(p)
		if err != nil {
			t.Fatal(err)
		}
		return *x
	}
	for p, k := range map[string]Kind{"": Object, "/s": String, "/n": Num, "/t": Bool, "/f": Bool, "/z": Null, "/l": Array, "/o": Object, "/l/1": Array, "/l/2": Object} {
		if got := get(p).Kind(); got != k {
			t.Errorf("%s: %v", p, got)
		}
	}
	if get("/s").Text() != "aé" || get("/n").Text() != "" || get("/n").Number() != "-1.50" || get("/s").Number() != "" || !get("/t").Bool() || get("/f").Bool() || get("/z").Bool() {
		t.Error("scalars")
	}
	if v.Len() != 7 || get("/l").Len() != 3 || get("/s").Len() != 0 || get("/l").At(3) != nil || get("/l").At(-1) != nil || get("/s").At(0) != nil {
		t.Error("lengths")
	}
	var names []string
	for name := range v.Members() {
		names = append(names, name)
	}
	if fmt.Sprint(names) != "[s n t f z l o]" {
		t.Error(names)
	}
	if got := v.String(); got != `{"s":"a\u00e9","n":-1.50,"t":true,"f":false,"z":null,"l":[1,[],{}],"o":{"x":1}}` {
		t.Error(got)
	}
	if (Value{}).String() != "null" || (Value{}).Kind() != Null || !(Value{}).Equal(mustParse(t, "null")) {
		t.Error("the zero Value is not null")
	}
	if _, ok := get("/l").Get("x"); ok {
		t.Error("a member of an array")
	}
}

func TestValueMakes(t *testing.T) {
	number, err := MakeNumber("1e400")
	if err != nil {
		t.Fatal(err)
	}
	float, err := MakeFloat(0.5)
	if err != nil {
		t.Fatal(err)
	}
	v := MakeObject(Member{"a", MakeArray(MakeString("x\n\"é"), MakeInt(math.MinInt64), number, float, MakeBool(true), Value{})}, Member{"b", MakeObject()}, Member{"a", MakeInt(1)})
	if got := v.String(); got != `{"a":1,"b":{}}` {
		t.Error(got)
	}
	v.Set("a", MakeArray(MakeString("\xffx\n"), number, float, MakeBool(false)))
	if got := v.String(); got != `{"a":["`+"\uFFFD"+`x\n",1e400,0.5,false],"b":{}}` {
		t.Error(got)
	}
	for _, bad := range []Number{"", "01", "1 ", "NaN", "1,2", "\"1\"", "-"} {
		if _, err := MakeNumber(bad); err == nil {
			t.Errorf("MakeNumber(%q)", bad)
		}
	}
	if _, err := MakeFloat(math.NaN()); !errors.Is(err, ErrNotFinite) {
		t.Error(err)
	}
	a := mustParse(t, `[1,2]`)
	for _, ok := range []bool{a.Insert(3, Value{}), a.Insert(-1, Value{}), a.Remove(2), a.Remove(-1), a.Delete("x"), v.Insert(0, Value{}), v.Remove(0), v.Delete("none")} {
		if ok {
			t.Error("changed what is not there")
		}
	}
}

// An object behaves as a slice of members would, small and large, with members deleted and added in any order.
func TestObjectAgainstSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		v, slow := MakeObject(), []Member{}
		for range r.IntN(200) {
			name := fmt.Sprint("n", r.IntN(40))
			at := -1
			for i := range slow {
				if slow[i].Name == name {
					at = i
				}
			}
			if r.IntN(3) == 0 {
				if v.Delete(name) != (at >= 0) {
					t.Fatal("Delete")
				}
				if at >= 0 {
					slow = append(slow[:at], slow[at+1:]...)
				}
				continue
			}
			x := MakeInt(r.Int64())
			if v.Set(name, x); at >= 0 {
				slow[at].Value = x
			} else {
				slow = append(slow, Member{name, x})
			}
		}
		if v.Len() != len(slow) {
			t.Fatalf("%d members, want %d", v.Len(), len(slow))
		}
		i := 0
		for name, x := range v.Members() {
			if got, ok := v.Get(name); name != slow[i].Name || !x.Equal(slow[i].Value) || !ok || got != x {
				t.Fatalf("%v at %d, want %v", name, i, slow[i])
			}
			i++
		}
		if clone := v.Clone(); !clone.Equal(v) || clone.String() != v.String() {
			t.Fatal("Clone")
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	v := mustParse(t, `{"a":[1,{"b":2}]}`)
	shared, own := v, v.Clone()
	x, err := v.Pointer("/a/1")
	if err != nil {
		t.Fatal(err)
	}
	x.Set("c", MakeInt(3))
	if shared.String() != v.String() || own.String() != `{"a":[1,{"b":2}]}` {
		t.Error(shared, own)
	}
}

// RELIABILITY of cycles: a Value that contains itself is refused, not followed for ever.
func TestValueInItself(t *testing.T) {
	v := MakeObject()
	v.Set("x", v)
	v.Set("y", v)
	if _, err := v.AppendJSON(nil); !errors.Is(err, ErrTooDeep) {
		t.Error(err)
	}
	if _, err := Marshal(v); !errors.Is(err, ErrTooDeep) {
		t.Error(err)
	}
	if v.Equal(v) {
		t.Error("equal to itself")
	}
	defer func() {
		if recover() == nil {
			t.Error("Clone went on")
		}
	}()
	v.Clone()
}

func TestParseLimits(t *testing.T) {
	for _, c := range []struct {
		text string
		opt  Option
		want error
	}{
		{`[[1]]`, MaxDepth(2), nil}, {`[[1]]`, MaxDepth(1), ErrTooDeep}, {`{"a":1,"b":2}`, MaxMembers(1), ErrTooManyMembers}, {`["123"]`, MaxStringBytes(2), ErrStringTooLong},
		{`[1]`, MaxBytes(2), ErrTooLarge}, {`{"a":1,"a":2}`, AllowDuplicateNames(), nil}, {`{"a":1,"a":2}`, MaxDepth(9), ErrDuplicateName},
		{strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), MaxDepth(30_000), ErrTooDeep},
		{strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), MaxDepth(30_000), nil},
	} {
		v, err := Parse([]byte(c.text), c.opt)
		if bad := check(err, c.want); bad != "" {
			t.Errorf("%.40s: %s", c.text, bad)
		}
		if _, again := v.AppendJSON(nil); again != nil {
			t.Errorf("%.40s: cannot be written: %v", c.text, again)
		}
	}
}

// A Value reads itself wherever it stands in Go values, by this package and by encoding/json.
func TestValueWithinGoValues(t *testing.T) {
	type holder struct {
		V Value            `json:"v"`
		M map[string]Value `json:"m"`
		L []*Value         `json:"l"`
	}
	const text = `{"v":{"b":1.0,"a":[null]},"m":{"x":"\u0041"},"l":[true,2]}`
	for name, read := range map[string]func([]byte, any) error{
		"jsonx": func(b []byte, v any) error { return Unmarshal(b, v) }, "encoding/json": json.Unmarshal, "deep": func(b []byte, v any) error { return Unmarshal(b, v, MaxDepth(1<<20)) },
	} {
		var h holder
		if err := read([]byte(text), &h); err != nil {
			t.Fatal(name, err)
		}
		if out, err := Marshal(h); err != nil || string(out) != text {
			t.Errorf("%s: %s %v", name, out, err)
		}
		if out, err := json.Marshal(h); err != nil || string(out) != text {
			t.Errorf("%s, written by encoding/json: %s %v", name, out, err)
		}
	}
	deep := []byte(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000))
	if err := Unmarshal(deep, new(Value), MaxDepth(30_000)); !errors.Is(err, ErrTooDeep) {
		t.Error(err)
	}
}

// Parse allocates a bounded multiple of its text, whatever that is made of.
func TestParseAllocatesInProportion(t *testing.T) {
	for _, unit := range []string{"1,", "[],", "{},", `"",`, "[[1]],", `{"":1},`, `"\u0041",`, "[1,2,3],", `{"a":{},"b":[],"c":1},`, "null,"} {
		text := []byte("[" + strings.Repeat(unit, 300_000/len(unit)) + "1]")
		n := allocated(func() {
			if _, err := Parse(text); err != nil {
				t.Error(err)
			}
		})
		if factor := n / uint64(len(text)); factor > 120 {
			t.Errorf("%q: %d times the text", unit, factor)
		}
	}
}

// A Value holds what encoding/json reads, and is written so that encoding/json reads the same.
func FuzzValue(f *testing.F) {
	for _, c := range texts {
		if len(c.text) < 100 {
			f.Add([]byte(c.text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Parse(b)
		if (err == nil) != (Unmarshal(b, new(RawValue)) == nil) {
			t.Fatalf("%q: %v", b, err)
		}
		if err != nil {
			return
		}
		decode := func(b []byte) (x any) {
			d := json.NewDecoder(strings.NewReader(string(b)))
			d.UseNumber()
			if err := d.Decode(&x); err != nil {
				t.Fatalf("%q: %v", b, err)
			}
			return x
		}
		text, err := v.AppendJSON(nil)
		if err != nil || !reflect.DeepEqual(decode(b), decode(text)) || !reflect.DeepEqual(decode(b), plain(v)) {
			t.Fatalf("%q: %s %v", b, text, err)
		}
		clone := v.Clone()
		if compact, err := Compact(nil, text); err != nil || string(compact) != string(text) || !clone.Equal(v) || clone.String() != string(text) {
			t.Fatalf("%q: %s %v", text, compact, err)
		}
		indented, err := Indent(nil, b, "", "\t")
		if err != nil || !reflect.DeepEqual(decode(b), decode(indented)) {
			t.Fatalf("%q: %s %v", b, indented, err)
		}
	})
}

// plain is v as encoding/json would have it, by the methods that read.
func plain(v Value) any {
	switch v.Kind() {
	case Bool:
		return v.Bool()
	case Num:
		return json.Number(v.Number())
	case String:
		return v.Text()
	case Array:
		list := []any{}
		for _, x := range v.Elements() {
			list = append(list, plain(*x))
		}
		return list
	case Object:
		m := map[string]any{}
		for name, x := range v.Members() {
			m[name] = plain(*x)
		}
		return m
	}
	return nil
}

func ExampleValue() {
	v, err := Parse([]byte(`{"name":"Ada","langs":["en"],"score":1.50}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if langs, ok := v.Get("langs"); ok {
		langs.Insert(langs.Len(), MakeString("fr"))
	}
	v.Set("admin", MakeBool(true))
	fmt.Println(v)
	// Output: {"name":"Ada","langs":["en","fr"],"score":1.50,"admin":true}
}
