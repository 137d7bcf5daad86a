package jsonx

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestParsingSuite(t *testing.T) {
	files, err := filepath.Glob("testdata/jsontestsuite/*.json")
	if err != nil || len(files) < 200 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got := Valid(b)
		var x any
		uerr := Unmarshal(b, &x, AllowDuplicateNames())
		switch name := filepath.Base(f); name[0] {
		case 'y':
			if !got || uerr != nil {
				t.Errorf("%s: Valid %v, Unmarshal %v", name, got, uerr)
			}
		case 'n':
			if got || uerr == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	}
}

func lines(t *testing.T, file string, fn func(f float64, text string)) {
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	n := 0
	for sc := bufio.NewScanner(in); sc.Scan(); n++ {
		bits, text, ok := strings.Cut(sc.Text(), " ")
		u, err := strconv.ParseUint(bits, 16, 64)
		if !ok || err != nil {
			continue
		}
		fn(math.Float64frombits(u), text)
	}
	if n < 1000 {
		t.Fatalf("%s: only %d lines", file, n)
	}
}

func TestFloats(t *testing.T) {
	lines(t, "testdata/floats/parse_f64.txt", func(f float64, text string) {
		var got float64
		err := Unmarshal([]byte(text), &got)
		if math.IsInf(f, 0) {
			if err == nil {
				t.Errorf("%s: overflow accepted", text)
			}
		} else if err != nil || math.Float64bits(got) != math.Float64bits(f) {
			t.Errorf("%s: %v %v, want %v", text, got, err, f)
		}
	})
	lines(t, "testdata/floats/format_es6.txt", func(f float64, text string) {
		if f == 0 && math.Signbit(f) {
			text = "-0"
		}
		if got, err := Marshal(f); err != nil || string(got) != text {
			t.Errorf("%s %v, want %s", got, err, text)
		}
	})
}

type inner struct {
	A int    `json:"a"`
	S string `json:"s,omitempty"`
}

type outer struct {
	inner
	*Ptr
	B   []byte            `json:"b"`
	M   map[int]string    `json:"m"`
	N   int64             `json:"n,string"`
	F   float32           `json:"f"`
	Any any               `json:"any"`
	P   *outer            `json:"p,omitempty"`
	Arr [2]uint8          `json:"arr"`
	Raw json.RawMessage   `json:"raw"`
	Num json.Number       `json:"num"`
	T   map[string][]bool `json:"t"`
}

// Ptr is embedded by pointer.
type Ptr struct{ Z string }

func sample() *outer {
	return &outer{inner: inner{A: 1}, Ptr: &Ptr{"é\n\""}, B: []byte("hi"), M: map[int]string{2: "b", 1: "a"}, N: math.MinInt64,
		F: 1.5, Any: []any{1.0, "x", nil, true, map[string]any{"k": "v"}}, P: &outer{Raw: json.RawMessage("3"), Num: "1e400"},
		Raw: json.RawMessage(`{"q":[1]}`), Num: "12345678901234567890", T: map[string][]bool{"": {}, "n": nil}}
}

func TestAgainstEncodingJSON(t *testing.T) {
	want, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Marshal(sample())
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v\n%s\n%s", err, got, want)
	}
	var a, b outer
	if err := json.Unmarshal(want, &a); err != nil {
		t.Fatal(err)
	}
	if err := Unmarshal(want, &b); err != nil || !reflect.DeepEqual(a, b) {
		t.Fatalf("%v\n%+v\n%+v", err, a, b)
	}
	for i := range want {
		err := Unmarshal(want[:i], &b)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

func TestErrors(t *testing.T) {
	var v struct{ A []struct{ B int8 } }
	err := Unmarshal([]byte("{\"A\":[{},\n {\"B\":300}]}"), &v)
	ue, ok := errors.AsType[*UnmarshalError](err)
	if !ok || ue.Pointer != "/A/1/B" || ue.Line != 2 || ue.Offset != 16 {
		t.Errorf("%#v", err)
	}
	err = Unmarshal([]byte(`{"A":[{"C":1}]}`), &v, RejectUnknownMembers())
	if ue, ok := errors.AsType[*UnmarshalError](err); !ok || ue.Unknown != "C" {
		t.Errorf("%v", err)
	}
	for text, want := range map[string]error{`{"a":1,"\u0061":2}`: ErrDuplicateName, `[1,`: io.ErrUnexpectedEOF,
		strings.Repeat("[", 1000000): ErrTooDeep} {
		var x any
		if err := Unmarshal([]byte(text), &x); !errors.Is(err, want) {
			t.Errorf("%.20s: %v", text, err)
		}
	}
	if err := Unmarshal([]byte(`[1 2]`), new(any)); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("malformed: %v", err)
	}
	type loop struct{ L *loop }
	l := &loop{}
	l.L = l
	if _, err := Marshal(l); !errors.Is(err, ErrTooDeep) {
		t.Errorf("cycle: %v", err)
	}
	if _, err := Marshal("\xff"); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("utf8: %v", err)
	}
	if Unmarshal([]byte("\"\xff\""), new(string)) == nil || Unmarshal([]byte(`"\ud800"`), new(string)) == nil {
		t.Error("invalid characters accepted")
	}
	if b, _ := Marshal("<&>"); string(b) != `"<&>"` {
		t.Errorf("%s", b)
	}
}

// FuzzAgainstEncodingJSON: what we accept encoding/json accepts with the same value and text.
func FuzzAgainstEncodingJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-7,"\u00e9"]}`, ` [true,null] `, `"\ud83d\ude00"`, `[1,]`, `-0`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if Valid(b) && !json.Valid(b) {
			t.Fatal("Valid is too lenient")
		}
		var x, y any
		if Unmarshal(b, &x) != nil {
			return
		}
		if err := json.Unmarshal(b, &y); err != nil || !reflect.DeepEqual(x, y) {
			t.Fatalf("%v %v %v", x, y, err)
		}
		text, err := Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var z any
		if err := json.Unmarshal(text, &z); err != nil || !reflect.DeepEqual(x, z) {
			t.Fatalf("%s: %v %v", text, z, err)
		}
	})
}
