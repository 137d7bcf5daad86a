package jsonx

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestIndentAndCompactAgainstEncodingJSON(t *testing.T) {
	for _, s := range []string{`{"a":[1,{"b":[]},{}],"c":"x, :\"{"}`, `[]`, ` [ [ ] , 1 ] `, `"s"`} {
		var want, small bytes.Buffer
		if json.Indent(&want, []byte(s), ">", "  ") != nil || json.Compact(&small, []byte(s)) != nil {
			t.Fatal(s)
		}
		if got, err := Indent(nil, bytes.TrimSpace([]byte(s)), ">", "  "); err != nil || string(got) != string(bytes.TrimSpace(want.Bytes())) {
			t.Errorf("%q %v, want %q", got, err, want.Bytes())
		}
		if got, err := Compact(nil, []byte(s)); err != nil || string(got) != small.String() {
			t.Errorf("%q %v", got, err)
		}
	}
	if got, err := Compact([]byte("x"), []byte(`[1`)); err == nil || string(got) != "x" {
		t.Errorf("%q %v", got, err)
	}
}

func TestValueKeepsOrderAndNumbers(t *testing.T) {
	const s = `{"z":1.0,"a":[1e400,-0],"s":"x"}`
	v, err := Parse([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.AppendJSON(nil); err != nil || string(got) != s {
		t.Errorf("%s %v", got, err)
	}
	if _, err := Parse([]byte(`{"a":1,"a":2}`)); err == nil {
		t.Error("duplicate accepted")
	}
	v, _ = Parse([]byte(`{"a":1,"b":0,"a":2}`), AllowDuplicateNames())
	if got, _ := v.AppendJSON(nil); string(got) != `{"a":2,"b":0}` {
		t.Errorf("%s", got)
	}
}
