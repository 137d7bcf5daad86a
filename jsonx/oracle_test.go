package jsonx

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// shapes are types of every kind that plans treat apart. Each is filled at random, written, read and damaged, always
// beside encoding/json.
var shapes = []reflect.Type{
	reflect.TypeFor[shapeScalars](), reflect.TypeFor[shapeTags](), reflect.TypeFor[shapeEmbedded](), reflect.TypeFor[shapeLists](),
	reflect.TypeFor[shapeMaps](), reflect.TypeFor[shapeMethods](), reflect.TypeFor[shapeTree](), reflect.TypeFor[shapeWide](),
	reflect.TypeFor[shapeGeneric[int16, string]](), reflect.TypeFor[shapePointers](), reflect.TypeFor[any](), reflect.TypeFor[[]any](),
	reflect.TypeFor[map[string]any](), reflect.TypeFor[[][]float64](), reflect.TypeFor[[3]shapeScalars](), reflect.TypeFor[string](),
	reflect.TypeFor[float64](), reflect.TypeFor[float32](), reflect.TypeFor[int8](), reflect.TypeFor[uint64](),
}

type (
	shapeScalars struct {
		Bool bool
		I    int
		I8   int8
		I16  int16
		I32  int32
		I64  int64
		U    uint
		U8   uint8
		U16  uint16
		U32  uint32
		U64  uint64
		F32  float32
		F64  float64
		S    string
		Any  any
	}
	shapeTags struct {
		A  string         `json:"a,omitempty"`
		B  int            `json:"b,omitempty"`
		C  *int           `json:"c,omitempty"`
		D  []int          `json:"d,omitempty"`
		E  map[string]int `json:"e,omitempty"`
		F  [2]int         `json:"f,omitempty"`
		G  any            `json:"g,omitempty"`
		H  shapeEmpty     `json:"h,omitempty"`
		I  shapeEmpty     `json:"i,omitzero"`
		J  time.Time      `json:"j,omitzero"`
		K  *time.Time     `json:"k,omitzero"`
		L  int64          `json:",string"`
		M  float64        `json:"m,string"`
		N  bool           `json:"n,string"`
		O  string         `json:"o,string"`
		P  *uint          `json:"p,string"`
		Q  int            `json:"-"`
		R  int            `json:"-,"`
		S  string         `json:"<&>"`
		T  string         `json:"bad\"name"`
		U  string         `json:"long_name_beyond_two_words_of_eight"`
		V  zeroAtOne      `json:"v,omitzero"`
		W  *zeroAtOne     `json:"w,omitzero"`
		X  float64        `json:"x,omitempty"`
		Y  bool           `json:"y,omitempty"`
		Z  [0]int         `json:"z,omitempty"`
		AA json.Number    `json:"aa,omitempty"`
	}
	shapeEmpty    struct{ X int }
	zeroAtOne     int
	shapeEmbedded struct {
		inner
		*Ptr
		Deep
		Level1
		Named `json:"named"`
		A     string // hides inner's only where names are the same
		X     int    `json:"x"`
	}
	Deep   struct{ Deeper }
	Deeper struct {
		Bottom string
		Clash  int
	}
	Level1 struct {
		Level2
		Clash string `json:"Clash"`
		Twice int
	}
	Level2 struct {
		Twice  string
		Bottom float64 `json:"bottom"`
	}
	Named      struct{ V []string }
	shapeLists struct {
		Bytes  []byte
		Named  []namedByte
		Ints   []int
		I64    []int64
		I32    []int32
		I8     []int8
		U64    []uint64
		U32    []uint32
		F64    []float64
		F32    []float32
		S      []string
		Bools  []bool
		Any    []any
		Lists  [][]int64
		Arr    [3]string
		Arr2   [2][2]float64
		Struct []inner
		Ptrs   []*inner
		Maps   []map[string]string
		Times  []time.Time
		Raw    []json.RawMessage
		Nums   []json.Number
		Defs   []namedString
	}
	namedByte   byte
	namedString string
	shapeMaps   struct {
		S  map[string]string
		A  map[string]any
		I  map[int]string
		U8 map[uint8]bool
		N  map[namedString][]int
		T  map[textKey]int
		P  map[string]*inner
		V  map[string]inner
		M  map[string]map[string]float64
		NA map[namedString]any
	}
	textKey      struct{ A, B int8 }
	shapeMethods struct {
		Time   time.Time
		TimeP  *time.Time
		Raw    json.RawMessage
		RawP   *json.RawMessage
		Num    json.Number
		Val    byValue
		ValP   *byValue
		Ref    byPointer
		RefP   *byPointer
		Text   textKey
		TextP  *textKey
		InMap  map[string]byPointer
		InList []byPointer
		InAny  any
	}
	byValue   struct{ N int }
	byPointer struct{ N int }
	shapeTree struct {
		Name     string       `json:"name"`
		Left     *shapeTree   `json:"left,omitempty"`
		Children []shapeTree  `json:"children"`
		Index    shapeTreeMap `json:"index,omitempty"`
	}
	shapeTreeMap           map[string]shapeTree
	shapeGeneric[A, B any] struct {
		First  A
		Second B
		Both   []pairOf[A, B]
	}
	pairOf[A, B any] struct {
		A A `json:"a"`
		B B `json:"b"`
	}
	shapePointers struct {
		A ***int
		B **string
		C *[]int
		D *map[string]int
		E *any
		F []**float64
	}
	// shapeWide has more fields than one word has bits, and names of all lengths.
	shapeWide struct {
		A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z                     int
		AB, AC, ABC, ABD, ABCD, ABCE, ABCDE, ABCDF, ABCDEF, ABCDEG, ABCDEFG, ABCDEFH, ABCDEFGH, ABCDEFGI int
		ABCDEFGHI, ABCDEFGHJ, ABCDEFGHIJKLMNO, ABCDEFGHIJKLMNP, ABCDEFGHIJKLMNOP, ABCDEFGHIJKLMNOQ       int
		ABCDEFGHIJKLMNOPQ, ABCDEFGHIJKLMNOPR, ABCDEFGHIXXLMNOPQR, ABCDEFGHIYYLMNOPQR                     int
		A1, A2, A3, A4, A5, A6, A7, A8, A9, B1, B2, B3, B4, B5, B6, B7, B8, B9, Ä, Ö, Ü, Straße, Name世界  *int `json:",omitempty"`
	}
)

func (z zeroAtOne) IsZero() bool { return z == 1 }

func (v byValue) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, ` {"n" : [ %d ] } `, v.N), nil
}

func (v *byValue) UnmarshalJSON(b []byte) error {
	var x struct{ N []int }
	err := json.Unmarshal(b, &x)
	if err == nil && len(x.N) == 1 {
		v.N = x.N[0]
	}
	return err
}

func (v *byPointer) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"#%d"`, v.N), nil }

func (v *byPointer) UnmarshalJSON(b []byte) error {
	if _, err := fmt.Sscanf(string(b), `"#%d"`, &v.N); err != nil && len(b) > 0 && b[0] == '"' {
		return err
	}
	return nil
}

func (k textKey) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d/%d", k.A, k.B), nil }

func (k *textKey) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "%d/%d", &k.A, &k.B)
	return err
}

// filler makes random values.
type filler struct {
	*rand.Rand
	depth int
}

var someStrings = []string{"", "a", "é", "世界 and more", "line\nfeed", `quote " and \ backslash`, "\x00\x1f\x7f", "<script>&</script>",
	"😀", "exactly8", "exactly16 chars.", "a longer string of only ASCII characters, without anything to escape in it",
	"padding padding padding\tand a tab", "0", "-1.5e3", "null", "2026-11-25T01:02:03Z"}

func (f *filler) string() string {
	s := someStrings[f.IntN(len(someStrings))]
	if f.IntN(3) == 0 {
		s += strings.Repeat(string(rune('a'+f.IntN(26))), f.IntN(40))
	}
	return s
}

func (f *filler) float() float64 {
	for {
		x := math.Float64frombits(f.Uint64())
		switch f.IntN(4) {
		case 0:
			x = float64(f.IntN(2000) - 1000)
		case 1:
			x = float64(f.IntN(1000000)) / 1000
		}
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			return x
		}
	}
}

func (f *filler) any() any {
	if f.depth++; f.depth > 6 {
		f.depth--
		return nil
	}
	defer func() { f.depth-- }()
	switch f.IntN(8) {
	case 0:
		return nil
	case 1:
		return f.IntN(2) == 0
	case 2, 3:
		return f.float()
	case 4, 5:
		return f.string()
	case 6:
		list := make([]any, f.IntN(5))
		for i := range list {
			list[i] = f.any()
		}
		return list
	}
	m := make(map[string]any)
	for range f.IntN(12) {
		m[f.string()] = f.any()
	}
	return m
}

// fill sets v to something that encoding/json reads back as it was, mostly.
func (f *filler) fill(v reflect.Value) {
	if f.depth++; f.depth > 9 {
		f.depth--
		return
	}
	defer func() { f.depth-- }()
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(f.Int64N(4e9), f.Int64N(2)*f.Int64N(1e9)).In(time.FixedZone("", 60*(f.IntN(1400)-700)))
		return
	case *json.RawMessage:
		*p, _ = json.Marshal(f.any())
		return
	case *json.Number:
		*p = json.Number(fmt.Sprint(f.IntN(1e6), ".5"))
		*p = json.Number(strings.ReplaceAll(string(*p), " ", ""))
		return
	}
	switch k := v.Kind(); {
	case k == reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case v.CanInt():
		v.SetInt(int64(f.Uint64()) >> f.IntN(64))
	case v.CanUint():
		v.SetUint(f.Uint64() >> f.IntN(64))
	case k == reflect.Float32:
		v.SetFloat(float64(float32(f.IntN(1e6)) / 64))
	case k == reflect.Float64:
		v.SetFloat(f.float())
	case k == reflect.String:
		v.SetString(f.string())
	case k == reflect.Interface:
		if x := f.any(); x != nil {
			v.Set(reflect.ValueOf(x))
		}
	case k == reflect.Pointer:
		if f.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem())
		}
	case k == reflect.Slice:
		if f.IntN(5) > 0 {
			n := f.IntN(4)
			if f.IntN(20) == 0 {
				n = f.IntN(200)
			}
			if f.depth > 3 {
				n = min(n, 2)
			}
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		fallthrough
	case k == reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case k == reflect.Map:
		if f.IntN(5) > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range f.IntN(6) {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				f.fill(key)
				f.fill(value)
				v.SetMapIndex(key, value)
			}
		}
	case k == reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() || v.Type().Field(i).Anonymous && v.Field(i).Kind() == reflect.Struct {
				f.fillField(v.Field(i))
			}
		}
	}
}

// fillField goes into embedded structs of unexported type, whose exported fields can be set all the same.
func (f *filler) fillField(v reflect.Value) {
	if v.CanSet() {
		f.fill(v)
		return
	}
	for i := range v.NumField() {
		if v.Field(i).CanSet() {
			f.fill(v.Field(i))
		}
	}
}

// randomStruct is a struct type nobody wrote.
func randomStruct(f *filler) reflect.Type {
	kinds := []reflect.Type{reflect.TypeFor[int](), reflect.TypeFor[string](), reflect.TypeFor[bool](), reflect.TypeFor[float64](), reflect.TypeFor[*int](),
		reflect.TypeFor[[]string](), reflect.TypeFor[map[string]int](), reflect.TypeFor[any](), reflect.TypeFor[inner](), reflect.TypeFor[[]inner](), reflect.TypeFor[[2]uint8](),
		reflect.TypeFor[json.RawMessage](), reflect.TypeFor[*inner](), reflect.TypeFor[[]byte](), reflect.TypeFor[time.Time](), reflect.TypeFor[uint32](), reflect.TypeFor[byValue]()}
	var fields []reflect.StructField
	for i := range f.IntN(20) {
		name := fmt.Sprintf("F%d%s", i, strings.Repeat("x", f.IntN(20)))
		tag := []string{"", ",omitempty", ",omitzero", ",string", "-", "n" + name, "n" + name + ",omitempty"}[f.IntN(7)]
		fields = append(fields, reflect.StructField{Name: name, Type: kinds[f.IntN(len(kinds))], Tag: reflect.StructTag(`json:"` + tag + `"`)})
	}
	return reflect.StructOf(fields)
}

// damage changes a text a little: most of the time it is no JSON any more, or does not fit.
func (f *filler) damage(b []byte) []byte {
	b = append([]byte(nil), b...)
	for range 1 + f.IntN(2) {
		i := f.IntN(len(b) + 1)
		switch f.IntN(5) {
		case 0:
			b = b[:i]
		case 1:
			b = append(b[:i:i], b[min(i+1, len(b)):]...)
		case 2:
			b = append(append(b[:i:i], `{}[]",:0123456789.eE+-\ntrufalsnul `[f.IntN(35)]), b[i:]...)
		case 3:
			if i < len(b) {
				b[i] = `{}[]",:0123456789.eE+-\ntrufalsnul `[f.IntN(35)]
			}
		case 4:
			words := []string{"null", "true", `"x"`, "1.5", "-1", "[]", "{}", "[1,2]", `{"zz":1}`, "1e400", "300", "  \n\t", `"\u00e9\ud83d\ude00"`, `"\ud800"`, "\xff", "18446744073709551616"}
			b = append(append(b[:i:i], words[f.IntN(len(words))]...), b[i:]...)
		}
	}
	return b
}

// named says why we may refuse what encoding/json takes: the rows of the package documentation.
func named(err error, text []byte) bool {
	if errors.Is(err, ErrDuplicateName) || !utf8.Valid(text) {
		return true
	}
	u, quoted := errors.AsType[*UnmarshalError](err)
	s, ok := errors.AsType[*SyntaxError](err)
	return ok && s.Expected == "no lone surrogate" || quoted && (u.Got == "string" || u.Got == "name") && (ok || errors.Is(err, strconv.ErrSyntax))
}

// folded reports whether text has a name that is a field's only without regard to case: encoding/json takes it for the
// field, we do not.
func folded(typ reflect.Type, text []byte) bool {
	names := map[string]bool{}
	var walk func(t reflect.Type)
	seen := map[reflect.Type]bool{}
	walk = func(t reflect.Type) {
		switch k := t.Kind(); {
		case seen[t]:
			return
		case k == reflect.Struct:
			seen[t] = true
			for _, f := range structFields(t) {
				names[f.name] = true
				walk(f.typ)
			}
		case k == reflect.Pointer || k == reflect.Slice || k == reflect.Array || k == reflect.Map:
			seen[t] = true
			walk(t.Elem())
		}
	}
	walk(typ)
	for _, word := range regexp.MustCompile(`[\pL\d_]+`).FindAllString(string(text), -1) {
		for name := range names {
			if word != name && strings.EqualFold(word, name) {
				return true
			}
		}
	}
	return false
}

// FuzzShapes reads any text into a value of each shape, beside encoding/json, and writes what it gave.
func FuzzShapes(f *testing.F) {
	fill := &filler{Rand: rand.New(rand.NewPCG(1, 1))}
	for n, typ := range shapes {
		v := reflect.New(typ)
		fill.fill(v.Elem())
		text, err := json.Marshal(v.Interface())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(n), text)
		f.Add(uint8(n), fill.damage(text))
	}
	f.Fuzz(func(t *testing.T, n uint8, text []byte) {
		typ := shapes[int(n)%len(shapes)]
		if !compareRead(t, typ, text) {
			return
		}
		v := reflect.New(typ)
		if err := Unmarshal(text, v.Interface()); err != nil {
			t.Fatal(err)
		}
		got, err := Marshal(v.Interface(), EscapeHTML())
		want, werr := json.Marshal(v.Interface())
		if (err == nil) != (werr == nil) || err == nil && string(got) != string(want) {
			t.Fatalf("%v:\n got %s %v\nwant %s %v", typ, got, err, want, werr)
		}
	})
}

// FuzzReused reads a text into a value that has been read into before: only what encoding/json promises may be left of
// it, and what is in the text is read as into a new one.
func FuzzReused(f *testing.F) {
	type part struct {
		A int
		B []part
		C map[string]part
		D *part
	}
	f.Add([]byte(`{"A":1,"B":[{"A":2},{}],"C":{"x":{"A":3}},"D":{"A":4}}`), []byte(`{"B":[{"D":{}}],"C":{"y":{}}}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var list, fresh []part
		if Unmarshal(first, &list) != nil {
			list = nil
		}
		err, ferr := Unmarshal(second, &list), Unmarshal(second, &fresh)
		if (err == nil) != (ferr == nil) || err == nil && !reflect.DeepEqual(list, fresh) {
			t.Fatalf("%s then %s: %+v %v, fresh %+v %v", first, second, list, err, fresh, ferr)
		}
	})
}

func compareRead(t *testing.T, typ reflect.Type, text []byte) (accepted bool) {
	t.Helper()
	got, want := reflect.New(typ), reflect.New(typ)
	err, werr := Unmarshal(text, got.Interface()), json.Unmarshal(text, want.Interface())
	switch {
	case err == nil && (werr != nil || !reflect.DeepEqual(got.Interface(), want.Interface())) && folded(typ, text):
	case err == nil && werr != nil:
		t.Fatalf("%v: accepted, encoding/json says %v\n%s", typ, werr, text)
	case err != nil && werr == nil && !named(err, text):
		t.Fatalf("%v: %v, encoding/json accepts\n%s", typ, err, text)
	case err == nil && !reflect.DeepEqual(got.Interface(), want.Interface()):
		t.Fatalf("%v:\n got %+v\nwant %+v\n%s", typ, got.Elem(), want.Elem(), text)
	}
	return err == nil
}

// TestOracle writes, reads and damages values of all shapes beside encoding/json.
func TestOracle(t *testing.T) {
	n := 3_000
	if os.Getenv("LITHAIR_LONG") != "" {
		n = 1_260_000 // 10^7 documents
	}
	f := &filler{Rand: rand.New(rand.NewPCG(11, 12))}
	written, read, damaged, accepted := 0, 0, 0, 0
	types := shapes
	for i := range n {
		if i%100 == 0 && len(types) < 300 {
			types = append(types[:len(types):len(types)], randomStruct(f))
		}
		typ := types[i%len(types)]
		v := reflect.New(typ)
		f.fill(v.Elem())
		for _, x := range []any{v.Interface(), v.Elem().Interface()} { // addressable and not
			want, werr := json.Marshal(x)
			for html, opts := range map[bool][]Option{false: nil, true: {EscapeHTML()}} {
				got, err := Marshal(x, opts...)
				if (err == nil) != (werr == nil) {
					t.Fatalf("%v: %v, encoding/json %v", typ, err, werr)
				}
				if err == nil && (html && string(got) != string(want) || !html && string(got) != unescapedHTML(t, x)) {
					t.Fatalf("%v html=%v:\n got %s\nwant %s", typ, html, got, want)
				}
			}
			if werr != nil {
				continue
			}
			written++
			if !compareRead(t, typ, want) {
				t.Fatalf("%v: refused\n%s", typ, want)
			}
			read++
			for range 3 {
				damaged++
				if compareRead(t, typ, f.damage(want)) {
					accepted++
				}
			}
		}
	}
	t.Logf("%d types; %d values written twice, %d texts read, %d damaged ones read, %d of them accepted, all as encoding/json does", len(types), written, read, damaged, accepted)
}

func unescapedHTML(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
