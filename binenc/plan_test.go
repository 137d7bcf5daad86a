package binenc

import (
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

type color uint8

type inner struct {
	A int
	B string
}

type base struct{ Rev uint32 }

// every has a field of each kind and shape.
type every struct {
	base
	I    int64 // of one width on every machine, as the vectors need all of it
	I8   int8
	I16  int16
	I32  int32
	U    uint64
	U8   color
	U16  uint16
	B    bool
	F32  float32
	F    float64
	S    string
	Raw  []byte
	T    time.Time
	D    time.Duration
	ID   [16]byte
	Dec  Decimal
	Addr netip.Addr
	In   inner

	PI  *int
	PB  *bool
	PS  *string
	PT  *time.Time
	PIn *inner
	PD  *Decimal
	PR  *[]byte

	L   []string
	LI  []int64
	LB  []bool
	LF  []float32
	LG  []float64
	LU8 []uint16
	LN  []inner
	LL  [][]int
	LT  []time.Time
	M   map[string]inner
	MI  map[int8]string
	MB  map[bool]float64
	MID map[[16]byte][]uint

	Rest Unknown
}

func byGoName(f reflect.StructField) (string, bool) { return f.Name, true }

// number gives all fields of a type numbers from 1 in order.
func number(t *Type) {
	if t == nil {
		return
	}
	number(t.Elem)
	number(t.Key)
	for i := range t.Fields {
		t.Fields[i].Number = uint32(i + 1)
		number(&t.Fields[i].Type)
	}
}

func planFor[T any](tb testing.TB) (*Plan, *Type) {
	tb.Helper()
	ty, err := TypeOf(reflect.TypeFor[T](), byGoName)
	if err != nil {
		tb.Fatal(err)
	}
	number(&ty)
	p, err := Compile(reflect.TypeFor[T](), &ty, byGoName)
	if err != nil {
		tb.Fatal(err)
	}
	return p, &ty
}

func ptr[T any](v T) *T { return &v }

func decimal(s string) Decimal {
	d, err := ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

func full() every {
	return every{
		base: base{7}, I: -5, I8: -128, I16: 300, I32: -1 << 31, U: 1<<64 - 1, U8: 200, U16: 65535, B: true, F32: 2.5, F: math.Copysign(0, -1),
		S: "naïve ☃ " + strings.Repeat("x", 60), Raw: []byte{}, T: time.Unix(-5, 6).UTC(), D: -time.Hour, ID: [16]byte{15: 1},
		Dec: decimal("-12.345"), Addr: netip.MustParseAddr("10.0.0.1"), In: inner{1, "q"},
		PI: ptr(0), PB: ptr(false), PS: ptr(""), PT: &time.Time{}, PIn: &inner{}, PD: &Decimal{}, PR: ptr([]byte{1}),
		L: []string{"a", "", strings.Repeat("long", 50)}, LI: []int64{1, -1, math.MinInt64, math.MaxInt64}, LB: []bool{true, false}, LF: []float32{0, 1}, LG: []float64{math.Inf(1)},
		LU8: []uint16{0, 65535}, LN: []inner{{2, "q"}, {}}, LL: [][]int{{}, {1, 2}}, LT: []time.Time{{}, MaxTime},
		M: map[string]inner{"k": {1, "z"}, "": {}, "kk": {}}, MI: map[int8]string{-1: "n", 1: "p", 0: ""}, MB: map[bool]float64{true: 1, false: 0}, MID: map[[16]byte][]uint{{1}: {1}, {}: {}},
	}
}

func TestPlanRoundTrip(t *testing.T) {
	p, ty := planFor[every](t)
	for i, v := range []every{{}, full(), {LI: []int64{}, M: map[string]inner{}}} {
		msg, err := p.Append([]byte("before"), &v)
		if err != nil {
			t.Fatal(err)
		}
		msg = msg[len("before"):]
		if err := CheckMessage(msg, ty); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		for name, decode := range map[string]func([]byte, any) error{"copy": p.Decode, "alias": p.DecodeAlias} {
			got := full()
			if err := decode(msg, &got); err != nil {
				t.Fatalf("%d, %s: %v", i, name, err)
			}
			if !reflect.DeepEqual(got, v) {
				t.Errorf("%d, %s:\n%+v, want\n%+v", i, name, got, v)
			}
		}
	}
}

func TestDecodeCopies(t *testing.T) {
	p, _ := planFor[every](t)
	v := full()
	v.Raw = []byte("raw")
	msg, err := p.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	var got every
	if err := p.Decode(msg, &got); err != nil {
		t.Fatal(err)
	}
	clear(msg)
	if !reflect.DeepEqual(got, v) {
		t.Errorf("what was decoded changed with the message: %+v", got)
	}
}

// A list of messages of a type is as deep as MaxDepth lets it be.
func TestCompileRefuses(t *testing.T) {
	type pointers struct{ L []*int }
	type loop struct{ Next []loop }
	type channel struct{ C chan int }
	type two struct{ A, B int }
	deep := reflect.TypeFor[int]()
	for range MaxDepth + 1 {
		deep = reflect.SliceOf(deep)
	}
	deepStruct := reflect.StructOf([]reflect.StructField{{Name: "F", Type: deep}})
	for _, c := range []struct {
		what string
		t    reflect.Type
	}{
		{"a type that contains itself", reflect.TypeFor[loop]()},
		{"a channel", reflect.TypeFor[channel]()},
		{"a type that nests too deep", deepStruct},
		{"a pointer to a pointer", reflect.TypeFor[struct{ P **int }]()},
		{"a map keyed by floats", reflect.TypeFor[struct{ M map[float64]int }]()},
		{"Unknown in a list", reflect.TypeFor[struct{ L []Unknown }]()},
	} {
		if ty, err := TypeOf(c.t, byGoName); err == nil {
			t.Errorf("%s has a type: %v", c.what, &ty)
		}
	}
	field := func(n uint32, name string, k Kind) Field { return Field{Number: n, Name: name, Type: Type{Kind: k}} }
	for _, c := range []struct {
		what   string
		fields []Field
	}{
		{"a missing field", []Field{field(1, "A", KindInt)}},
		{"another kind", []Field{field(1, "A", KindInt), field(2, "B", KindString)}},
		{"number 0", []Field{field(0, "A", KindInt), field(2, "B", KindInt)}},
		{"a number that is too large", []Field{field(1, "A", KindInt), field(MaxNumber+1, "B", KindInt)}},
		{"a number used twice", []Field{field(1, "A", KindInt), field(1, "B", KindInt)}},
		{"an optional field that is no pointer", []Field{{1, "A", Type{Kind: KindInt, Optional: true}}, field(2, "B", KindInt)}},
	} {
		ty := &Type{Kind: KindMessage, Fields: c.fields}
		if _, err := Compile(reflect.TypeFor[two](), ty, byGoName); err == nil {
			t.Errorf("a plan with %s is compiled", c.what)
		}
	}
	ty, err := TypeOf(reflect.TypeFor[pointers](), byGoName)
	if err != nil {
		t.Fatal(err)
	}
	number(&ty)
	if _, err := Compile(reflect.TypeFor[pointers](), &ty, byGoName); err == nil {
		t.Error("a plan with pointers in a list is compiled")
	}
	cyclic := &Type{Kind: KindMessage}
	cyclic.Fields = []Field{{1, "Next", Type{Kind: KindList, Elem: cyclic}}}
	if _, err := Compile(reflect.TypeFor[loop](), cyclic, byGoName); !errors.Is(err, ErrLimit) {
		t.Errorf("a cyclic type: %v, want ErrLimit", err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	p, _ := planFor[every](t)
	for _, c := range []struct {
		path string
		want error
		v    every
	}{
		{"S", ErrUTF8, every{S: "\xff"}},
		{"In.B", ErrUTF8, every{In: inner{B: "\xc0\x80"}}},
		{"L[1]", ErrUTF8, every{L: []string{"", "\xed\xa0\x80"}}},
		{"M{0}", ErrUTF8, every{M: map[string]inner{"\xff": {}}}},
		{"MI{0}", ErrUTF8, every{MI: map[int8]string{3: "\xff"}}},
		{"T", ErrRange, every{T: MaxTime.Add(1)}},
		{"LT[0]", ErrRange, every{LT: []time.Time{MinTime.Add(-1)}}},
	} {
		_, err := p.Append(nil, &c.v)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, c.want) || e.Path != c.path || e.Offset != -1 {
			t.Errorf("%v, want %v at %s", err, c.want, c.path)
		}
	}
	for _, v := range []any{nil, every{}, (*every)(nil), new(inner)} {
		if _, err := p.Append(nil, v); err == nil {
			t.Errorf("%T is encoded", v)
		}
		if err := p.Decode(nil, v); err == nil {
			t.Errorf("%T is decoded", v)
		}
	}
	if err := checkLength(math.MaxInt); !errors.Is(err, ErrLimit) && math.MaxInt > MaxLength {
		t.Errorf("a message longer than MaxLength: %v", err)
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	type newer struct {
		A string
		B int
		C []string
		D string
		E *int
	}
	type older struct {
		B    int
		D    string
		Rest Unknown
	}
	p, ty := planFor[newer](t)
	q, err := Compile(reflect.TypeFor[older](), ty, byGoName)
	if err != nil {
		t.Fatal(err)
	}
	v := newer{"a", 1, []string{"x"}, "d", ptr(0)}
	msg, err := p.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	var o older
	if err := q.Decode(msg, &o); err != nil {
		t.Fatal(err)
	}
	o.B, o.D = 2, ""
	if msg, err = q.Append(nil, &o); err != nil {
		t.Fatal(err)
	}
	var got newer
	if err := p.Decode(msg, &got); err != nil {
		t.Fatal(err)
	}
	if want := (newer{"a", 2, []string{"x"}, "", ptr(0)}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if o.Rest = (Unknown{0xD0}); true {
		if _, err := q.Append(nil, &o); !errors.Is(err, ErrMalformed) {
			t.Errorf("unknown fields that are no message: %v", err)
		}
	}
}

// coded writes its message by hand, as generated code does.
type coded struct {
	Name  string
	calls int
}

func (*coded) BinencType() *Type {
	return &Type{Kind: KindMessage, Fields: []Field{{1, "Name", Type{Kind: KindString}}}}
}

func (c *coded) AppendBinenc(dst []byte) ([]byte, error) {
	c.calls++
	e := NewEncoder(dst)
	e.String(1, c.Name)
	return e.Message()
}

func (c *coded) DecodeBinenc(msg []byte) error {
	d := NewDecoder(msg)
	for n, _, ok := d.Next(); ok; n, _, ok = d.Next() {
		if n == 1 {
			c.Name = d.String()
		}
	}
	return d.Err()
}

func TestGeneratedCodeIsCalled(t *testing.T) {
	type outer struct {
		C coded
		L []coded
	}
	p, ty := planFor[outer](t)
	v := outer{C: coded{Name: "x"}, L: []coded{{Name: "y"}, {}}}
	msg, err := p.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	if v.C.calls != 1 || v.L[1].calls != 1 {
		t.Errorf("the hook was called %d and %d times", v.C.calls, v.L[1].calls)
	}
	var got outer
	if err := p.Decode(msg, &got); err != nil || got.C.Name != "x" || got.L[0].Name != "y" {
		t.Errorf("%+v, %v", got, err)
	}
	bad := append([]byte(nil), msg...)
	bad[2] = 0xFF
	var e *Error
	if err := p.Decode(bad, &got); !errors.As(err, &e) || e.Offset != 2 || !strings.HasPrefix(e.Path, "C") {
		t.Errorf("an error inside generated code: %v", err)
	}
	other := *ty
	other.Fields = append([]Field(nil), ty.Fields...)
	other.Fields[0].Type.Fields = []Field{{2, "Name", Type{Kind: KindString}}}
	q, err := Compile(reflect.TypeFor[outer](), &other, byGoName)
	if err != nil {
		t.Fatal(err)
	}
	v.C.calls = 0
	if _, err := q.Append(nil, &v); err != nil || v.C.calls != 0 {
		t.Errorf("generated code for other numbers was called (%v)", err)
	}
}

func TestScalarsAllocateNothing(t *testing.T) {
	type scalars struct {
		I  int
		U  uint32
		B  bool
		F  float64
		G  float32
		T  time.Time
		D  time.Duration
		ID [16]byte
		X  Decimal
		S  string
	}
	p, _ := planFor[scalars](t)
	v := scalars{-300, 1, true, 1.5, 2.5, time.Unix(1, 2).UTC(), 3, [16]byte{1}, decimal("1.5"), "text"}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Append(buf, &v); err != nil {
			t.Fatal(err)
		}
	}); n != 0 && !portable {
		t.Errorf("encoding scalars: %v allocations", n)
	}
	v.S = ""
	msg, err := p.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	var got scalars
	if n := testing.AllocsPerRun(100, func() {
		if err := p.Decode(msg, &got); err != nil {
			t.Fatal(err)
		}
	}); n != 0 && !portable {
		t.Errorf("decoding scalars: %v allocations", n)
	}
	if got != v {
		t.Errorf("%+v, want %+v", got, v)
	}
}

// Lengths of three and four bytes.
func TestLongBytes(t *testing.T) {
	p, ty := planFor[every](t)
	for _, n := range []int{1<<16 - 1, 1 << 16, 1<<24 - 1, 1 << 24} {
		v := every{Raw: make([]byte, n), In: inner{B: strings.Repeat("x", n)}}
		msg, err := p.Append(nil, &v)
		if err != nil {
			t.Fatal(err)
		}
		var got every
		if err := p.Decode(msg, &got); err != nil || len(got.Raw) != n || got.In != v.In || CheckMessage(msg, ty) != nil {
			t.Errorf("%d bytes: %d, %v", n, len(got.Raw), err)
		}
		if err := p.Decode(msg[:len(msg)-1], &got); !errors.Is(err, ErrShort) || got.Raw != nil {
			t.Errorf("%d bytes, cut: %v", n, err)
		}
	}
}
