package jsonx

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// The files of the RFC's authors, byte for byte.
func TestCanonicalFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/rfc8785/input/*.json")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		in, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.Replace(f, "input", "output", 1))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the canonical form of a canonical form is itself
			got, err := Canonicalize([]byte("dst"), in)
			if err != nil || string(got) != "dst"+string(want) {
				t.Errorf("%s: %v\n%s\nwant\n%s", f, err, got, want)
			}
			in = want
		}
	}
}

func TestCanonicalize(t *testing.T) {
	for _, c := range []struct {
		section, text, want string
		err                 error
	}{
		{"3.2.1", " [ 1 , { } ] ", `[1,{}]`, nil},
		{"3.2.2.2", `"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"`, "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"", nil},
		{"3.2.2.2", `"\b\t\n\f\r\u001f\u007f\u2028"`, "\"\\b\\t\\n\\f\\r\\u001f\u007f\u2028\"", nil},
		{"3.2.2.3", `[-0,-0.0,0e5,1e30,4.50,2e-3,0.000000000000000000000000001]`, `[0,0,0,1e+30,4.5,0.002,1e-27]`, nil},
		{"3.2.2.3", `[333333333.33333329,1E21,123456789012345678901,1e-7,0.000001,9007199254740993]`, `[333333333.3333333,1e+21,123456789012345680000,1e-7,0.000001,9007199254740992]`, nil},
		{"3.2.3", `{"\ud83d\ude00":1,"\ufb33":2,"\u20ac":3,"\r":4,"1":5,"\u0080":6,"\u00f6":7}`, "{\"\\r\":4,\"1\":5,\"\u0080\":6,\"ö\":7,\"€\":3,\"😀\":1,\"\ufb33\":2}", nil},
		{"3.2.3", `{"b":[{"d":1,"c":2}],"aa":1,"a":2,"":3}`, `{"":3,"a":2,"aa":1,"b":[{"c":2,"d":1}]}`, nil},
		{"3.1", `{"a":1,"\u0061":2}`, ``, ErrDuplicateName},
		{"3.1", `"\ud800"`, ``, errMalformed},
		{"3.1", "\"\xff\"", ``, errMalformed},
		{"3.2.2.3", `1e400`, ``, strconv.ErrRange},
		{"3.2.2.3", `[[-1e309]]`, ``, strconv.ErrRange},
		{"", `[1`, ``, os.ErrNotExist},
	} {
		got, err := Canonicalize(nil, []byte(c.text))
		ok := string(got) == c.want
		switch c.err {
		case nil:
			ok = ok && err == nil
		case strconv.ErrRange:
			ok = ok && errors.Is(err, c.err)
		case os.ErrNotExist:
			ok = err != nil
		default:
			ok = ok && check(err, c.err) == ""
		}
		if !ok {
			t.Errorf("%s %s: %s %v, want %s %v", c.section, c.text, got, err, c.want, c.err)
		}
	}
}

func TestCompareUTF16(t *testing.T) {
	names := []string{"", "a", "b", "ab", "é", "€", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff", "a\U00010000", "a\uffff", "a\ue000b", "😀", "😀a", "ﬃ"}
	units := func(s string) []uint16 { return utf16.Encode([]rune(s)) }
	for _, a := range names {
		for _, b := range names {
			if got, want := compareUTF16(a, b), slices.Compare(units(a), units(b)); (got < 0) != (want < 0) || (got > 0) != (want > 0) {
				t.Errorf("%q %q: %d, want %d", a, b, got, want)
			}
		}
	}
}

// The canonical form of what encoding/json writes of the same value is the same, and stays.
func FuzzCanonicalize(f *testing.F) {
	for _, c := range texts {
		if len(c.text) < 100 {
			f.Add([]byte(c.text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err := Canonicalize(nil, b)
		if err != nil {
			return
		}
		if two, err := Canonicalize(nil, one); err != nil || string(one) != string(two) {
			t.Fatalf("%q: %s, then %s %v", b, one, two, err)
		}
		var x any
		if err := json.Unmarshal(b, &x); err != nil {
			t.Fatal(err)
		}
		other, err := json.MarshalIndent(x, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if two, err := Canonicalize(nil, other); err != nil || string(one) != string(two) {
			t.Fatalf("%q: %s, by encoding/json %s %v", b, one, two, err)
		}
	})
}

// Numbers of all sizes, the shapes that overflow counters and those that are slow when read naively.
func TestNumbers(t *testing.T) {
	nines := strings.Repeat("9", 1_000_000)
	for _, c := range []struct {
		text   Number
		f      float64
		fErr   error
		exact  bool // ExactFloat64 agrees
		i      int64
		isInt  bool
		u      uint64
		isUint bool
	}{
		{text: "0", exact: true, isInt: true, isUint: true},
		{text: "-0", f: math.Copysign(0, -1), exact: true, isInt: true},
		{text: "1.0", f: 1, exact: true},
		{text: "9223372036854775807", f: 1 << 63, i: math.MaxInt64, isInt: true, u: math.MaxInt64, isUint: true},
		{text: "-9223372036854775808", f: -1 << 63, exact: false, i: math.MinInt64, isInt: true},
		{text: "9223372036854775808", f: 1 << 63, u: 1 << 63, isUint: true},
		{text: "-9223372036854775809", f: -1 << 63},
		{text: "18446744073709551615", f: 1 << 64, u: math.MaxUint64, isUint: true},
		{text: "18446744073709551616", f: 1 << 64},
		{text: "9007199254740993", f: 1 << 53, i: 1<<53 + 1, isInt: true, u: 1<<53 + 1, isUint: true},
		{text: "0.1", f: 0.1, exact: true},
		{text: "0.1000000000000000000001", f: 0.1},
		{text: "1e400", f: math.Inf(1), fErr: strconv.ErrRange},
		{text: "-1e400", f: math.Inf(-1), fErr: strconv.ErrRange},
		{text: "1e-9999999999"},
		{text: "0e99999999999999999999", exact: true},
		{text: "1e99999999999999999999", f: math.Inf(1), fErr: strconv.ErrRange},
		{text: Number(nines), f: math.Inf(1), fErr: strconv.ErrRange},
		{text: Number("0." + nines), f: 1},
		{text: Number(nines + "e-1000000"), f: 1},
		{text: "5e-324", f: 5e-324, exact: true},
		{text: "2e-324"},
	} {
		f, err := c.text.Float64()
		if math.Float64bits(f) != math.Float64bits(c.f) || !errors.Is(err, c.fErr) || (err != nil) != (c.fErr != nil) {
			t.Errorf("%.40s: Float64 %v %v", c.text, f, err)
		}
		if f, err := c.text.ExactFloat64(); (err == nil) != c.exact || c.fErr == nil && !c.exact && !errors.Is(err, ErrInexact) || math.Float64bits(f) != math.Float64bits(c.f) {
			t.Errorf("%.40s: ExactFloat64 %v %v", c.text, f, err)
		}
		if i, err := c.text.Int64(); (err == nil) != c.isInt || err == nil && i != c.i {
			t.Errorf("%.40s: Int64 %v %v", c.text, i, err)
		}
		if u, err := c.text.Uint64(); (err == nil) != c.isUint || err == nil && u != c.u {
			t.Errorf("%.40s: Uint64 %v %v", c.text, u, err)
		}
		if !Valid([]byte(c.text)) {
			t.Errorf("%.40s: not valid", c.text)
		}
		var got float64
		if err := Unmarshal([]byte(c.text), &got); (err == nil) != (c.fErr == nil) || err == nil && math.Float64bits(got) != math.Float64bits(c.f) {
			t.Errorf("%.40s: Unmarshal %v %v", c.text, got, err)
		}
		v := mustParse(t, string(c.text))
		if v.Number() != c.text || v.String() != string(c.text) {
			t.Errorf("%.40s: kept as %.40s", c.text, v)
		}
	}
}

func TestSameNumber(t *testing.T) {
	zeros := strings.Repeat("0", 100_000)
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true}, {"1", "10e-1", true}, {"1", "0.1E+1", true}, {"0", "-0.0e99", true}, {"100", "1e2", true}, {"1e2", "1e02", true},
		{"1", "-1", false}, {"1", "1.0000000000000000000000000000001", false}, {"1e2", "1e3", false}, {"12", "21", false}, {"9007199254740992", "9007199254740993", false},
		{"1e99999999999999999999", "10e99999999999999999998", true}, {"1e99999999999999999999", "1e99999999999999999998", false},
		{"1e-99999999999999999999", "0.1e-99999999999999999998", true}, {"1e99999999999999999999", "1e-99999999999999999999", false},
		{"1" + zeros, "1e100000", true}, {"0." + zeros + "1", "1e-100001", true}, {"1e" + strings.Repeat("9", 2000), "1e" + strings.Repeat("9", 2000), true},
		{"1e" + strings.Repeat("9", 2000), "1e" + strings.Repeat("9", 1999) + "8", false}, {"0.5e-3", "500e-6", true}, {"1e17", "1e000000000000000000000017", true},
	} {
		if sameNumber(c.a, c.b) != c.want || sameNumber(c.b, c.a) != c.want {
			t.Errorf("%.40s %.40s: %v", c.a, c.b, !c.want)
		}
	}
}

func ExampleCanonicalize() {
	out, err := Canonicalize(nil, []byte(`{ "b": 1.50, "a": "\u00e9" }`))
	fmt.Printf("%s %v\n", out, err)
	// Output: {"a":"é","b":1.5} <nil>
}
