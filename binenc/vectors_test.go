package binenc

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/v1.json anew; for versions not yet released")

type vectors struct {
	Format   string             `json:"format"`
	Types    map[string][]Field `json:"types"`
	Messages []messageVector    `json:"messages"`
	Refused  []refusedVector    `json:"refused"`
	Keys     []keyVector        `json:"keys"`
}

type messageVector struct {
	Name  string         `json:"name"`
	Type  string         `json:"type"`
	Hex   string         `json:"hex"`
	Value map[string]any `json:"value"`
}

type refusedVector struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Hex    string `json:"hex"`
	Offset int    `json:"offset"`
	Error  string `json:"error"`
}

type keyVector struct {
	Parts []keyPart `json:"parts"`
	Hex   string    `json:"hex"`
}

type keyPart struct {
	Kind  string `json:"kind"`
	Value any    `json:"value,omitempty"`
	Desc  bool   `json:"desc,omitempty"`
}

var errorNames = map[string]error{"short": ErrShort, "malformed": ErrMalformed, "canonical": ErrNotCanonical, "type": ErrType, "utf8": ErrUTF8, "range": ErrRange, "limit": ErrLimit}

// wide has numbers far apart, so that there are gaps of each width.
func wideType() *Type {
	t := &Type{Kind: KindMessage}
	for i, n := range []uint32{1, 34, 68, 400, 70_000, 20_000_000, MaxNumber} {
		t.Fields = append(t.Fields, Field{Number: n, Name: string(rune('A' + i)), Type: Type{Kind: KindUint, Optional: true}})
	}
	return t
}

type wide struct{ A, B, C, D, E, F, G *uint }

func widePlan(tb testing.TB) (*Plan, *Type) {
	p, err := Compile(reflect.TypeFor[wide](), wideType(), byGoName)
	if err != nil {
		tb.Fatal(err)
	}
	return p, wideType()
}

// everyValues are the values of the vectors of type every.
func everyValues() map[string]every {
	values := map[string]every{
		"nothing":                      {},
		"everything":                   full(),
		"a text of 63 bytes":           {S: strings.Repeat("x", 63)},
		"a text of 64 bytes":           {S: strings.Repeat("x", 64)},
		"255, 256 bytes":               {S: strings.Repeat("y", 255), Raw: bytes.Repeat([]byte{0xFF}, 256)},
		"text of all lengths of UTF-8": {S: "aß€\U0001F600\x00", L: []string{"aß€\U0001F600"}},
		"empty, not absent":            {Raw: []byte{}, L: []string{}, LN: []inner{}, M: map[string]inner{}},
		"optional zeros":               {PI: ptr(0), PB: ptr(false), PS: ptr(""), PT: ptr(time.Time{}), PIn: ptr(inner{}), PD: ptr(Decimal{}), PR: ptr([]byte{})},
		"a message in a message":       {In: inner{A: 1}, PIn: &inner{B: "x"}},
		"zero elements":                {L: []string{""}, LI: []int64{0}, LB: []bool{false}, LF: []float32{0}, LN: []inner{{}}, LL: [][]int{{}}, LT: []time.Time{{}}},
		"a list of 200 bytes":          {LU8: make([]uint16, 200)},
		"map keys by their bytes":      {M: map[string]inner{"b": {}, "aa": {}, "": {}}, MI: map[int8]string{0: "", -1: "", 1: "", -128: "", 127: ""}, MB: map[bool]float64{false: 0, true: 1}},
		"an address":                   {Addr: netip.MustParseAddr("::1")},
		"an id":                        {ID: [16]byte{0: 0xFF, 15: 1}},
	}
	for _, n := range []int64{1, -1, 63, -64, 64, -65, 127, 128, math.MaxInt64, math.MinInt64} {
		values["int "+strconv.FormatInt(n, 10)] = every{I: n, D: time.Duration(n), LI: []int64{n}}
	}
	for n := 7; n < 64; n += 8 {
		u := uint64(1) << n
		values["uint 2^"+strconv.Itoa(n)] = every{U: u, PI: ptr(0)}
		values["uint 2^"+strconv.Itoa(n+1)+"-1"] = every{U: u<<1 - 1}
	}
	for _, f := range []float64{1.5, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, math.MaxFloat64} {
		values["float "+strconv.FormatFloat(f, 'g', -1, 64)] = every{F: f, F32: float32(f), LG: []float64{f}}
	}
	for _, s := range []string{"1", "-1", "1.5", "-0.05", "1200", "99999999999999999999999999999999999999e127", "1e-128", "18446744073709551616", "-255"} {
		values["decimal "+s] = every{Dec: decimal(s)}
	}
	for _, m := range []time.Time{MinTime, MaxTime, time.Unix(0, 0).UTC(), time.Unix(-1, 999_999_999).UTC(), time.Unix(-62_135_596_800, 1).UTC()} {
		values["time "+m.Format(time.RFC3339Nano)] = every{T: m}
	}
	return values
}

// refusedMessages are bytes that no decoder may take, with where and why.
var refusedMessages = []refusedVector{
	{"a reserved head", "every", "f4", 0, "malformed"},
	{"a reserved head after a gap", "every", "d0ff", 0, "canonical"},
	{"a head that is no value", "every", "ce", 0, "malformed"},
	{"a gap at the end", "every", "01d0", 1, "malformed"},
	{"a gap after a gap", "every", "d0d002", 0, "canonical"},
	{"a long gap that is short", "every", "f02001", 0, "canonical"},
	{"a gap with a zero at its end", "every", "f1220001", 0, "canonical"},
	{"a gap cut", "every", "f1", 0, "short"},
	{"a number above the largest", "every", "f3ffffff1f01", 0, "limit"},
	{"a number above the largest, unknown before", "wide", "f3feffff1f0101", 6, "limit"},
	{"an integer cut", "every", "c1", 0, "short"},
	{"an integer with a zero at its end", "every", "c18000", 0, "canonical"},
	{"an integer of one byte that is small", "every", "c07f", 0, "canonical"},
	{"an unknown integer with a zero at its end", "wide", "01c18000", 1, "canonical"},
	{"bytes cut", "every", "da82ff", 1, "short"},
	{"a length cut", "every", "dac9ff", 1, "short"},
	{"a length that is short", "every", "dac83f", 1, "canonical"},
	{"a length with a zero at its end", "every", "dac94000", 1, "canonical"},
	{"a length beyond the end", "every", "dacbffffffff", 1, "short"},
	{"a float cut", "every", "d9cd00", 1, "short"},
	{"an integer for a text", "every", "da01", 1, "type"},
	{"a text for an integer", "every", "8161", 1, "type"},
	{"a float32 for a float64", "every", "d9cc0000803f", 2, "type"},
	{"a zero integer", "every", "00", 0, "canonical"},
	{"a zero bool", "every", "d700", 1, "canonical"},
	{"a zero float", "every", "d9cd0000000000000000", 2, "canonical"},
	{"an empty text", "every", "da80", 2, "canonical"},
	{"a zero time", "every", "dc87ffdb8ff9ce0300", 2, "canonical"},
	{"a zero id", "every", "de9000000000000000000000000000000000", 2, "canonical"},
	{"a zero decimal", "every", "df80", 2, "canonical"},
	{"an empty message", "every", "e180", 2, "canonical"},
	{"a bool of 2", "every", "d702", 1, "malformed"},
	{"another NaN", "every", "d9cd010000000000f87f", 2, "canonical"},
	{"a negative NaN", "every", "d8cc0000c0ff", 2, "canonical"},
	{"a text that is no UTF-8", "every", "da82c080", 2, "utf8"},
	{"a surrogate", "every", "da83eda080", 2, "utf8"},
	{"a text in a list that is no UTF-8", "every", "e98201ff", 3, "utf8"},
	{"an id of 15 bytes", "every", "de8f010101010101010101010101010101", 2, "malformed"},
	{"a time with too many nanoseconds", "every", "dc86028094ebdc03", 3, "malformed"},
	{"a time with bytes behind", "every", "dc83020101", 4, "malformed"},
	{"a time beyond its range", "every", "dc878080a0cee60e00", 2, "range"},
	{"a time that is cut", "every", "dc8102", 3, "short"},
	{"a decimal without digits", "every", "df8104", 3, "malformed"},
	{"a decimal that is a multiple of ten", "every", "df82000a", 3, "canonical"},
	{"a decimal with a zero at its end", "every", "df83000100", 3, "canonical"},
	{"a decimal of 10^38+1", "every", "df91000100000040228a097ac4865aa84c3b4b", 3, "range"},
	{"a decimal of 17 bytes", "every", "df920001010101010101010101010101010101010101", 2, "range"},
	{"a decimal with too large an exponent", "every", "df83800401", 2, "range"},
	{"a varint longer than need be", "every", "ea828100", 2, "canonical"},
	{"a varint of 65 bits", "every", "ea8affffffffffffffffff02", 2, "malformed"},
	{"a varint cut", "every", "ea8180", 2, "short"},
	{"floats cut", "every", "ec850000000000", 6, "short"},
	{"a length in a list beyond the end", "every", "e9810100", 2, "short"},
	{"map keys that descend", "every", "f02386016200016100", 6, "canonical"},
	{"a map key twice", "every", "f02484020002000000", 5, "canonical"},
	{"a map with a key and no value", "every", "f0248102", 4, "short"},
	{"a zero inside a message", "every", "e18100", 2, "canonical"},
	{"a gap at the end of a message inside", "every", "e18102d0", 3, "malformed"},
}

func namedTypes(tb testing.TB) (plans map[string]*Plan, types map[string]*Type) {
	p, ty := planFor[every](tb)
	q, tw := widePlan(tb)
	return map[string]*Plan{"every": p, "wide": q}, map[string]*Type{"every": ty, "wide": tw}
}

func readVectors(tb testing.TB) (v vectors) {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "v1.json"))
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// jsonValue is v as it comes back from JSON.
func jsonValue(tb testing.TB, v any) (out map[string]any) {
	tb.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestMessageVectors(t *testing.T) {
	v := readVectors(t)
	plans, types := namedTypes(t)
	for name, fields := range v.Types {
		if !types[name].Equal(&Type{Kind: KindMessage, Fields: fields}) {
			t.Errorf("type %s is another", name)
		}
	}
	for _, m := range v.Messages {
		msg, ty := unhex(t, m.Hex), types[m.Type]
		if err := CheckMessage(msg, ty); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		if got, err := twinDecode(msg, ty); err != nil || !reflect.DeepEqual(jsonValue(t, got), m.Value) {
			t.Errorf("%s: the twin decodes %v, %v", m.Name, got, err)
		}
		if got := twinEncode(m.Value, ty); !bytes.Equal(got, msg) {
			t.Errorf("%s: the twin encodes %x", m.Name, got)
		}
		ptr := reflect.New(plans[m.Type].typ)
		if err := plans[m.Type].Decode(msg, ptr.Interface()); err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		if got, _ := valueOf(ptr.Elem(), ty); !reflect.DeepEqual(jsonValue(t, got), m.Value) {
			t.Errorf("%s: decodes to %v, want %v", m.Name, got, m.Value)
		}
		if got, err := plans[m.Type].Append(nil, ptr.Interface()); err != nil || !bytes.Equal(got, msg) {
			t.Errorf("%s: encodes to %x, %v", m.Name, got, err)
		}
	}
	t.Logf("%d messages, %d refused, %d keys", len(v.Messages), len(v.Refused), len(v.Keys))
}

func TestRefusedVectors(t *testing.T) {
	plans, types := namedTypes(t)
	for _, r := range readVectors(t).Refused {
		msg := unhex(t, r.Hex)
		check := CheckMessage(msg, types[r.Type])
		decode := plans[r.Type].Decode(msg, reflect.New(plans[r.Type].typ).Interface())
		for what, err := range map[string]error{"CheckMessage": check, "Decode": decode} {
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, errorNames[r.Error]) || e.Offset != r.Offset {
				t.Errorf("%s: %s: %v (%T), want %s at %d", r.Name, what, err, err, r.Error, r.Offset)
			}
		}
		if v, err := twinDecode(msg, types[r.Type]); err == nil {
			t.Errorf("%s: the twin takes it for %v", r.Name, v)
		}
	}
}

// TestUpdateVectors writes the vectors when -update is given, and is the proof that the
// code still makes the same otherwise.
func TestUpdateVectors(t *testing.T) {
	plans, types := namedTypes(t)
	v := vectors{Format: "binenc 1", Types: map[string][]Field{}, Refused: refusedMessages, Keys: keyVectors(t)}
	for name, ty := range types {
		v.Types[name] = ty.Fields
	}
	add := func(name, typ string, ptr any) {
		msg, err := plans[typ].Append(nil, ptr)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := valueOf(reflect.ValueOf(ptr).Elem(), types[typ])
		v.Messages = append(v.Messages, messageVector{name, typ, hex.EncodeToString(msg), x.(map[string]any)})
	}
	values := everyValues()
	for _, name := range sortedNames(values) {
		add(name, "every", ptr(values[name]))
	}
	add("gaps of each width", "wide", &wide{A: ptr[uint](1), B: ptr[uint](2), C: ptr[uint](3), D: ptr[uint](4), E: ptr[uint](5), F: ptr[uint](6), G: ptr[uint](7)})
	add("the largest number", "wide", &wide{G: ptr[uint](0)})
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	path := filepath.Join("testdata", "v1.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(was, b) {
		t.Error("testdata/v1.json is another than what this code makes")
	}
}
