package jsonx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDifferences has a row for each line of the package documentation: what encoding/json does and what we do.
func TestDifferences(t *testing.T) {
	type person struct {
		Name string
		Age  int64
	}
	type quoted struct {
		N int         `json:",string"`
		J json.Number `json:",string"`
	}
	refused := func(name, text string, v any, want error, opts ...Option) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Errorf("%s: encoding/json refuses too: %v", name, err)
		}
		err := Unmarshal([]byte(text), v, opts...)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	refused("duplicate names", `{"Name":"a","Name":"b"}`, new(person), ErrDuplicateName)
	refused("duplicate names", `{"Name":"a","x":{"y":1,"\u0079":2}}`, new(person), ErrDuplicateName)
	refused("duplicate names", `{"x":1,"Name":"a","x":1}`, new(person), ErrDuplicateName)
	refused("duplicate names", `{"a":1,"a":1}`, new(any), ErrDuplicateName)
	refused("duplicate names", `{"a":1,"a":1}`, new(map[string]int), ErrDuplicateName)
	refused("duplicate names", `{"1":1,"1":1}`, new(map[int]int), ErrDuplicateName)
	refused("invalid UTF-8", "\"\xff\"", new(string), nil)
	refused("invalid UTF-8", "{\"x\xc0\x80\":1}", new(person), nil)
	refused("lone surrogates", `"\ud800"`, new(string), nil)
	refused("lone surrogates", `["\udc00\ud800"]`, new(any), nil)
	refused("nesting", strings.Repeat("[", 1001)+strings.Repeat("]", 1001), new(any), ErrTooDeep)
	refused("nesting", strings.Repeat("[", 1001)+strings.Repeat("]", 1001), new(json.RawMessage), ErrTooDeep)
	refused("quoted numbers", `{"N":"007"}`, new(quoted), nil)
	refused("quoted numbers", `{"007":1}`, new(map[int]int), nil)
	refused("number types", `{"J":"1x"}`, new(quoted), nil)

	var p person
	if err := Unmarshal([]byte(`{"name":"a","AGE":1,"Name":"b"}`), &p); err != nil || p != (person{Name: "b"}) {
		t.Errorf("case of names: %+v %v", p, err)
	}
	var at time.Time
	if err := Unmarshal([]byte(`"2026\u002d11-25T01:02:03Z"`), &at); err != nil || at.Year() != 2026 || json.Unmarshal([]byte(`"2026\u002d11-25T01:02:03Z"`), &at) == nil {
		t.Errorf("escapes in times: %v %v", at, err)
	}
	if err := Unmarshal([]byte(`{"Name":"a","Name":"b"}`), &p, AllowDuplicateNames()); err != nil || p.Name != "b" {
		t.Errorf("duplicate names allowed: %+v %v", p, err)
	}
	if _, err := Marshal([]string{"\xff"}); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("invalid UTF-8: %v", err)
	}
	const hot = "<script>&\u2028\u2029"
	if b, err := Marshal(map[string]any{hot: RawValue(`"` + hot + `"`)}); err != nil || string(b) != `{"`+hot+`":"`+hot+`"}` {
		t.Errorf("HTML: %s %v", b, err)
	}
	want, _ := json.Marshal(map[string]any{hot: json.RawMessage(`"` + hot + `"`)})
	if b, err := Marshal(map[string]any{hot: RawValue(`"` + hot + `"`)}, EscapeHTML()); err != nil || string(b) != string(want) {
		t.Errorf("HTML: %s %v, want %s", b, err, want)
	}
	p = person{}
	err := Unmarshal([]byte(`{"Age":"x","Name":"b"}`), &p)
	if ue, ok := errors.AsType[*UnmarshalError](err); !ok || ue.Pointer != "/Age" || p.Name != "" {
		t.Errorf("first error: %v %+v", err, p)
	}
	people := []person{{"old", 1}, {"old", 2}}
	if err := Unmarshal([]byte(`[{"Name":"new"}]`), &people); err != nil || !reflect.DeepEqual(people, []person{{Name: "new"}}) || people[:2][1].Age != 2 {
		t.Errorf("reused slices: %+v %v", people, err)
	}
	if _, err := Marshal(map[textAny]int{{1}: 1, {2}: 2}); !errors.Is(err, ErrDuplicateName) {
		t.Errorf("equal keys: %v", err)
	}
}

type textAny struct{ N int }

func (textAny) MarshalText() ([]byte, error) { return []byte("any"), nil }

// TestCycles: pointers, maps, slices and interfaces that lead back to themselves end at MaxDepth.
func TestCycles(t *testing.T) {
	type node struct{ Next *node }
	n := &node{}
	n.Next = n
	m := map[string]any{}
	m["m"] = m
	l := []any{nil}
	l[0] = l
	type ring []ring
	r := ring{nil}
	r[0] = r
	type maps map[string]maps
	mm := maps{}
	mm["m"] = mm
	var x any
	x = &x
	type pointer *pointer
	var p pointer
	p = &p
	for _, v := range []any{n, m, l, r, mm, x, p, &p} {
		if _, err := Marshal(v); !errors.Is(err, ErrTooDeep) {
			t.Errorf("%T: %v", v, err)
		}
	}
	if err := Unmarshal([]byte("1"), &x); !errors.Is(err, ErrTooDeep) {
		t.Errorf("reading into a ring of pointers: %v", err)
	}
}

// TestLimitsOfValues: each limit lets its own value pass and refuses one more, wherever the value goes.
func TestLimitsOfValues(t *testing.T) {
	type record struct{ A, B, C any }
	for _, c := range []struct {
		good, bad string
		opt       Option
		want      error
	}{
		{`{"A":[[1]]}`, `{"A":[[[1]]]}`, MaxDepth(3), ErrTooDeep},
		{`{"z":[[1]]}`, `{"z":[[[1]]]}`, MaxDepth(3), ErrTooDeep},
		{`{"A":"123456"}`, `{"A":"1234567"}`, MaxBytes(14), ErrTooLarge},
		{`{"A":1,"B":2}`, `{"A":1,"B":2,"C":3}`, MaxMembers(2), ErrTooManyMembers},
		{`{"x":1,"y":2}`, `{"x":1,"y":2,"z":3}`, MaxMembers(2), ErrTooManyMembers},
		{`{"A":{"x":1,"y":2}}`, `{"A":{"x":1,"y":2,"z":3}}`, MaxMembers(2), ErrTooManyMembers},
		{`{"A":"123"}`, `{"A":"1234"}`, MaxStringBytes(3), ErrStringTooLong},
		{`{"A":"\n1"}`, `{"A":"\n12"}`, MaxStringBytes(3), ErrStringTooLong},
		{`{"xyz":"123"}`, `{"wxyz":"1"}`, MaxStringBytes(3), ErrStringTooLong},
		{`{"A":["123"]}`, `{"z":["1234"]}`, MaxStringBytes(3), ErrStringTooLong},
	} {
		for _, v := range []any{new(record), new(any), new(map[string]any), new(map[string]RawValue), new(RawValue)} {
			if err := Unmarshal([]byte(c.good), v, c.opt); err != nil {
				t.Errorf("%s into %T: %v", c.good, v, err)
			}
			if err := Unmarshal([]byte(c.bad), v, c.opt); !errors.Is(err, c.want) {
				t.Errorf("%s into %T: %v, want %v", c.bad, v, err, c.want)
			}
		}
	}
	type named struct {
		Known int `json:"known_name"`
		K     int
	}
	for text, want := range map[string]error{`{"K":1}`: nil, `{"known_name":1}`: ErrStringTooLong, `{"K":2,"known_name":1}`: ErrStringTooLong, `{"unknown":1}`: ErrStringTooLong} {
		if err := Unmarshal([]byte(text), new(named), MaxStringBytes(6)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
		if err := Unmarshal([]byte(text), new(named), MaxStringBytes(10)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Marshal([][]float64{{1}}, MaxDepth(1)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("writing: %v", err)
	}
	if _, err := Marshal([][]float64{{1}}, MaxDepth(2)); err != nil {
		t.Errorf("writing: %v", err)
	}
}

// TestNothingRefersToTheText overwrites the text after reading.
func TestNothingRefersToTheText(t *testing.T) {
	type all struct {
		S  string
		L  []string
		N  Number
		J  json.Number
		R  RawValue
		M  json.RawMessage
		A  any
		K  map[string]string
		KA map[string]any
		V  byValue
		B  []byte
		P  *string
		T  textKey
	}
	text := `{"S":"short","L":["a","` + strings.Repeat("long", 30) + `","\u00e9"],"N":1.25,"J":"12","R":{"a":"b"},"M":[1,"x"],"A":{"k":["v",1.5,"` +
		strings.Repeat("w", 100) + `"]},"K":{"key":"value"},"KA":{"name":"text"},"V":{"n":[1]},"B":"AAEC","P":"pointed","T":"1/2"}`
	var got, want all
	buf := []byte(text)
	if err := Unmarshal(buf, &got); err != nil {
		t.Fatal(err)
	}
	for i := range buf {
		buf[i] = '#'
	}
	if err := Unmarshal([]byte(text), &want); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

// TestStatesAreClean: what one call left behind, in success or failure, does not show in the next.
func TestStatesAreClean(t *testing.T) {
	type item struct {
		A *int
		B []int
		C string
		D any
	}
	texts := []string{`[{"A":1,"B":[1,2,3],"C":"x","D":{"a":[1,2,{"b":3}]}},{"A":2}]`, `[{},{"C":"only"}]`, `[{"A":1,"B":[1,"x"]}]`,
		`[{"D":{"a":1,"b":[1,2,`, `[{"x":1,"y":2,"x":3}]`, `[{"x":1,"C":"y"}]`, `[]`, `[{"D":[1,2,3]},{},{},{},{},{},{},{},{},{"B":[9]}]`, `[null,{"B":null}]`}
	for round := range 200 {
		text := []byte(texts[(round*7+round/9)%len(texts)])
		var got, want []item
		err, werr := Unmarshal(text, &got), json.Unmarshal(text, &want)
		if err == nil && (werr != nil || !reflect.DeepEqual(got, want)) {
			t.Fatalf("%s: got %+v, want %+v %v", text, got, want, werr)
		}
		if err != nil && werr == nil && !errors.Is(err, ErrDuplicateName) {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// selfish keeps its own address, as a list that registers its elements might.
type selfish struct {
	N    int
	self *selfish
}

func (s *selfish) UnmarshalJSON(b []byte) error {
	s.self = s
	return Unmarshal(b, &s.N)
}

// TestAddressesStay: a method is never given an address that another text will be read into.
func TestAddressesStay(t *testing.T) {
	var lists [][]struct{ S selfish }
	if err := Unmarshal([]byte(`[[{"S":1},{"S":2}],[{"S":3}]]`), &lists); err != nil {
		t.Fatal(err)
	}
	keep := lists[0][0].S.self
	if err := Unmarshal([]byte(`[[{"S":7},{"S":8}],[{"S":9}]]`), new([][]struct{ S selfish })); err != nil || keep.N != 1 {
		t.Errorf("the first element became %d, %v", keep.N, err)
	}
}

// streamed reads itself from tokens and writes itself by appending.
type streamed struct{ sum, n int }

func (s *streamed) UnmarshalJSONX(d *Decoder) error {
	var list []int
	if err := d.Decode(&list); err != nil {
		return err
	}
	for _, x := range list {
		s.sum, s.n = s.sum+x, s.n+1
	}
	return nil
}

func (s streamed) AppendJSON(b []byte) ([]byte, error) {
	if s.n < 0 {
		return append(b, "[1"...), nil
	}
	return fmt.Appendf(b, "[\n%d ]", s.sum), nil
}

type lazy struct{}

func (*lazy) UnmarshalJSONX(d *Decoder) error { return nil }

func TestHooks(t *testing.T) {
	var v map[string]streamed
	if err := Unmarshal([]byte(`{"a":[1,2,3],"b": [ ] }`), &v); err != nil || v["a"] != (streamed{6, 3}) || v["b"].n != 0 {
		t.Errorf("%v %v", v, err)
	}
	if b, err := Marshal([]streamed{{6, 3}}); err != nil || string(b) != "[[6]]" {
		t.Errorf("%s %v", b, err)
	}
	if _, err := Marshal(streamed{n: -1}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a value from AppendJSON: %v", err)
	}
	if err := Unmarshal([]byte(`["x"]`), new(streamed)); err == nil {
		t.Error("error of the method lost")
	}
	if err := Unmarshal([]byte(`1`), new(lazy)); err == nil {
		t.Error("a value left unread is not noticed")
	}
}

// TestMisfits: what does not fit says where, what was found and what was wanted.
func TestMisfits(t *testing.T) {
	type target struct {
		I8   int8
		U    uint
		F32  float32
		S    string
		B    []byte
		L    []struct{ X bool }
		M    map[int8]int
		T    time.Time
		A    [2]int
		C    chan int
		Face io.Reader
		Q    int `json:"q,string"`
	}
	for text, want := range map[string]string{
		`{"I8":128}`: "/I8 number 128", `{"I8":-129}`: "/I8 number -129", `{"I8":1.0}`: "/I8 number 1.0", `{"U":-1}`: "/U number -1",
		`{"U":18446744073709551616}`: "/U number 18446744073709551616", `{"F32":1e39}`: "/F32 number 1e39", `{"S":1}`: "/S number 1", `{"S":{}}`: "/S object",
		`{"B":"?"}`: "/B string", `{"L":[{},{"X":"x"}]}`: "/L/1/X string", `{"M":{"300":1}}`: "/M name", `{"M":{"x":1}}`: "/M name",
		`{"T":"yesterday"}`: "/T string", `{"A":true}`: "/A boolean", `{"C":1}`: "/C number 1", `{"Face":"x"}`: "/Face string", `{"q":1}`: "/q number 1", `{"q":"x"}`: "/q string",
	} {
		err := Unmarshal([]byte(text), new(target))
		ue, ok := errors.AsType[*UnmarshalError](err)
		if !ok || !strings.HasPrefix(ue.Pointer+" "+ue.Got, want) || ue.GoType == nil || ue.Excerpt == "" || ue.Line != 1 {
			t.Errorf("%s: %v %+v, want %s", text, err, ue, want)
		}
	}
	for _, v := range []any{nil, 1, target{}, (*target)(nil)} {
		if err := Unmarshal([]byte("{}"), v); err == nil {
			t.Errorf("read into %T", v)
		}
	}
	for _, v := range []any{make(chan int), func() {}, map[bool]int{true: 1}, math.NaN(), []float64{math.Inf(1)}, float32(math.Inf(-1)), complex(1, 1), Number("x"), RawValue("{"), json.RawMessage("1 2"), time.Unix(1e15, 0)} {
		if b, err := Append([]byte("kept"), v); err == nil || string(b) != "kept" {
			t.Errorf("%T written: %s %v", v, b, err)
		}
	}
}

// TestEveryCut: each beginning of a text is truncated, not malformed, whatever it is read into.
func TestEveryCut(t *testing.T) {
	for _, typ := range shapes {
		v := reflect.New(typ)
		text, err := Marshal(v.Interface())
		if err != nil {
			t.Fatal(err)
		}
		for i := range text {
			if n := text[i-min(i, 1)]; i > 0 && len(text) < 12 && (n >= '0' && n <= '9') {
				continue // half a number is a number
			}
			if err := Unmarshal(text[:i], reflect.New(typ).Interface()); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v, %q: %v", typ, text[:i], err)
			}
		}
	}
}

// TestHostileMemory: what a text makes us allocate is bounded by its length.
func TestHostileMemory(t *testing.T) {
	const n = 100_000
	for name, text := range map[string]string{
		"brackets": strings.Repeat("[", n), "objects": strings.Repeat(`{"a":`, n/5), "empty arrays": "[" + strings.Repeat("[],", n/3) + "[]]",
		"numbers": "[" + strings.Repeat("1,", n/2) + "1]", "strings": "[" + strings.Repeat(`"",`, n/3) + `""]`, "one string": `"` + strings.Repeat("x", n) + `"`,
		"digits": strings.Repeat("9", n), "exponent": "1e" + strings.Repeat("9", n), "escapes": `"` + strings.Repeat(`\n`, n/2) + `"`,
	} {
		for _, v := range []any{new(any), new([]any), new([]int), new([]string), new([][]int), new(string), new(float64), new(RawValue), new(shapeTree)} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := Unmarshal([]byte(text), v)
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 64*n {
				t.Errorf("%s into %T: %d bytes for %d, %v", name, v, got, n, err)
			}
		}
	}
}

// TestDuplicateKeys: repeated names are found in maps of every kind of key, new or with members of their own, nested in
// themselves, and where different names are one key.
func TestDuplicateKeys(t *testing.T) {
	type tree map[int]tree
	type texts map[textKey]texts
	for _, c := range []struct {
		text string
		into func() any
		at   string // pointer of the repeated name, "" if there is none
	}{
		{`{"1":{"1":{},"2":{"1":{}}},"2":{}}`, func() any { return new(tree) }, ""},
		{`{"1":{"1":{},"2":{},"1":{}}}`, func() any { return new(tree) }, "/1/1"},
		{`{"1":{"1":{},"2":{}},"\u0031":{}}`, func() any { return new(tree) }, "/1"},
		{`{"0":{},"-0":{}}`, func() any { return new(tree) }, ""}, // two names, one key: the last counts
		{`{"1/2":{"1/2":{"3/4":{}}},"1/3":{}}`, func() any { return new(texts) }, ""},
		{`{"1/2":{"1/2":{"3/4":{},"3/4":{}}}}`, func() any { return new(texts) }, "/1~12/1~12/3~14"},
		{`{"a":1,"b":2}`, func() any { return &map[string]int{"a": 7} }, ""},
		{`{"a":1,"b":2,"a":3}`, func() any { return &map[string]int{"a": 7} }, "/a"},
		{`{"a":1,"b":2,"a":3}`, func() any { return &map[string]any{"a": 7} }, "/a"},
		{`{"a":1,"b":2,"a":3}`, func() any { return new(map[string]int) }, "/a"},
	} {
		err := Unmarshal([]byte(c.text), c.into())
		se, _ := errors.AsType[*SyntaxError](err)
		if c.at == "" && err != nil || c.at != "" && (se == nil || !errors.Is(err, ErrDuplicateName) || se.Pointer != c.at) {
			t.Errorf("%s: %v, want one at %q", c.text, err, c.at)
		}
		if err := Unmarshal([]byte(c.text), c.into(), AllowDuplicateNames()); err != nil {
			t.Errorf("%s, allowed: %v", c.text, err)
		}
	}
}

// TestMessagesStayShort: an error of a hostile text quotes no more than its ends, the fields of the error have all of it.
func TestMessagesStayShort(t *testing.T) {
	long := strings.Repeat("n", 1<<20)
	deep := strings.Repeat("[", 1000)
	patch, err := ParsePatch([]byte(`[{"op":"remove","path":"/` + long + `"}]`))
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"syntax":   Unmarshal([]byte(`{"`+long+`":[1,x]}`), new(any)),
		"cut":      Unmarshal([]byte(`{"`+long+`":[1,`), new(any)),
		"nesting":  Unmarshal([]byte(deep+"[1]"), new(any)),
		"twice":    Unmarshal([]byte(`{"`+long+`":1,"`+long+`":2}`), new(any)),
		"misfit":   Unmarshal([]byte(`{"`+long+`":"x"}`), new(map[string]int)),
		"unknown":  Unmarshal([]byte(`{"`+long+`":1}`), new(struct{ A int }), RejectUnknownMembers()),
		"number":   Unmarshal([]byte(strings.Repeat("9", 1<<20)), new(int)),
		"stream":   NewDecoder(strings.NewReader(`{"` + long + `":`)).SkipValue(),
		"patch":    patch.Apply(new(Value)),
		"marshal":  second(Marshal(Number(long))),
		"pointer":  second(new(Value).Pointer("/" + long)),
		"no slash": second(new(Value).Pointer(long)),
	} {
		if err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: %d bytes: %.200v", what, len(err.Error()), err)
		}
	}
	err = Unmarshal([]byte(`{"`+long+`":[1,x]}`), new(any))
	if se, _ := errors.AsType[*SyntaxError](err); se == nil || se.Pointer != "/"+long+"/1" {
		t.Error("the pointer of the error is not whole")
	}
}

func second[T any](_ T, err error) error { return err }

// embedding makes a struct type of fields and embedded structs, pointers among them, whose names clash at every depth.
func embedding(f *filler, depth int) reflect.Type {
	types := []reflect.Type{reflect.TypeFor[int](), reflect.TypeFor[string](), reflect.TypeFor[*bool](), reflect.TypeFor[[]int]()}
	tags := []string{"", "a", "b,omitempty", "A", "B,string", "-", ",omitzero"}
	var fields []reflect.StructField
	used := map[string]bool{}
	for i := range 1 + f.IntN(5) {
		x := reflect.StructField{Name: string(rune('A' + f.IntN(4))), Type: types[f.IntN(len(types))], Tag: reflect.StructTag(`json:"` + tags[f.IntN(len(tags))] + `"`)}
		if depth > 0 && f.IntN(2) == 0 {
			x = reflect.StructField{Name: fmt.Sprint("E", i), Type: embedding(f, depth-1), Anonymous: true}
			if f.IntN(3) == 0 {
				x.Type = reflect.PointerTo(x.Type)
			}
			if f.IntN(6) == 0 {
				x.Tag = `json:"a"`
			}
		}
		if !used[x.Name] {
			used[x.Name] = true
			fields = append(fields, x)
		}
	}
	return reflect.StructOf(fields)
}

// TestEmbeddings writes and reads structs in structs whose names clash, beside encoding/json.
func TestEmbeddings(t *testing.T) {
	f := &filler{Rand: rand.New(rand.NewPCG(21, 22))}
	n := 300
	if os.Getenv("LITHAIR_LONG") != "" {
		n = 20_000
	}
	values, texts := 0, 0
	for range n {
		typ := embedding(f, 3)
		for range 3 {
			v := reflect.New(typ)
			f.fill(v.Elem())
			want, werr := json.Marshal(v.Interface())
			got, err := Marshal(v.Interface(), EscapeHTML())
			if (err == nil) != (werr == nil) || string(got) != string(want) {
				t.Fatalf("%v\n got %s %v\nwant %s %v", typ, got, err, want, werr)
			}
			values++
			some := map[string]any{}
			for _, name := range []string{"A", "B", "C", "D", "a", "b"} {
				if f.IntN(2) == 0 {
					some[name] = []any{1.0, "x", true, []any{1.0}, nil, "7"}[f.IntN(6)]
				}
			}
			other, err := json.Marshal(some)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range [][]byte{want, f.damage(want), f.damage(want), other} {
				compareRead(t, typ, text)
				texts++
			}
		}
	}
	t.Logf("%d types, %d values written, %d texts read, all as encoding/json does", n, values, texts)
}
