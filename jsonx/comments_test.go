package jsonx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestStandardize(t *testing.T) {
	for _, c := range [][2]string{
		{`{"a":1}`, `{"a":1}`},
		{"{\"a\":1,// x\n}", "{\"a\":1     \n}"},
		{`[1,/* , */2,]`, `[1,       2 ]`},
		{`{"a//b":"/* c */,]"}`, `{"a//b":"/* c */,]"}`},
		{`["\\",1, ]`, `["\\",1  ]`},
		{`["\"",]`, `["\"" ]`},
		{"[1,/*\n*/\n// ]\n]", "[1   \n  \n    \n]"},
		{"// only the end", "               "},
		{`{"a":[1,],}`, `{"a":[1 ] }`},
		{`[/**/1/***/,/*/*/]`, `[    1           ]`},
		// What stays wrong is left as it is.
		{`[,]`, `[,]`}, {`[1,,]`, `[1,,]`}, {`{,}`, `{,}`}, {`{"a":,}`, `{"a":,}`}, {`/`, `/`}, {`[1/2]`, `[1/2]`}, {`["a,]`, `["a,]`}, {`"\`, `"\`}, {`1,`, `1,`},
		{`["/*", "//"]`, `["/*", "//"]`},
	} {
		src := []byte(c[0])
		got, err := Standardize(src)
		if err != nil || string(got) != c[1] || string(src) != c[0] {
			t.Errorf("%s: %s, %v, want %s", c[0], got, err, c[1])
		}
	}
	for _, text := range []string{"{\n /* x", `[1,/*`, `/*/`, `1/**`} {
		_, err := Standardize([]byte(text))
		if se, ok := errors.AsType[*SyntaxError](err); !ok || !errors.Is(err, io.ErrUnexpectedEOF) || se.Offset != int64(len(text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Errors after it have the positions of the original.
func TestStandardizeKeepsPositions(t *testing.T) {
	src := "{\n  // ports: one each\n  \"ports\": [80, /* tls */ 4x3,],\n}"
	text, err := Standardize([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse(text)
	if se, ok := errors.AsType[*SyntaxError](err); !ok || se.Line != 3 || se.Column != 28 || src[se.Offset] != 'x' || se.Pointer != "/ports/1" {
		t.Errorf("%v", err)
	}
}

// JSON without comments and trailing commas is not changed; the length and the line feeds never are.
func FuzzStandardize(f *testing.F) {
	for _, s := range []string{`[1,/* , */2,]`, "{\"a\":1,// x\n}", `{"a//b":"/* c */,]"}`, `[,]`, `/*`, `"\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := Standardize(b)
		if err != nil {
			return
		}
		if len(out) != len(b) || bytes.Count(out, []byte{'\n'}) != bytes.Count(b, []byte{'\n'}) {
			t.Fatalf("%q became %q", b, out)
		}
		if Valid(b) && !bytes.Equal(out, b) {
			t.Fatalf("JSON changed: %q became %q", b, out)
		}
		if again, err := Standardize(out); err != nil || Valid(out) && !bytes.Equal(again, out) {
			t.Fatalf("%q, then %q %v", out, again, err)
		}
	})
}

func ExampleStandardize() {
	text, err := Standardize([]byte("{\n\t\"port\": 8080, // where to listen\n}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	var config struct {
		Port int `json:"port"`
	}
	fmt.Println(Unmarshal(text, &config), config.Port)
	// Output: <nil> 8080
}

// RFC 6901 §5, each row, and what §4 refuses.
func TestPointer(t *testing.T) {
	v := mustParse(t, `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"~1":9}`)
	for p, want := range map[string]string{"": v.String(), "/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3", "/g|h": "4",
		`/i\j`: "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8", "/~01": "9"} {
		x, err := v.Pointer(p)
		if err != nil || x.String() != want {
			t.Errorf("%s: %v %v", p, x, err)
		}
	}
	for _, p := range []string{"foo", "/foo/2", "/foo/00", "/foo/-", "/foo/+1", "/foo/-1", "/foo/1e0", "/foo/99999999999999999999", "/foo/", "/x", "/a~2b", "/a~", "/~", "/foo/0/x", "//", "#/foo"} {
		if x, err := v.Pointer(p); !errors.Is(err, ErrPointer) || x != nil && !strings.Contains(err.Error(), "~") && p[0] == '/' {
			t.Errorf("%s: %v %v", p, x, err)
		}
	}
	if p := AppendPointer(AppendPointer("", "a/b"), "m~n"); p != "/a~1b/m~0n" {
		t.Error(p)
	}
}
