package jsonx

import (
	"encoding/json"
	"strings"
	"testing"
)

// RELIABILITY of raw values: what is stored by Decode and Unmarshal stays when the buffer it came from is used again.
func TestRawValuesOwnTheirBytes(t *testing.T) {
	d := NewDecoder(strings.NewReader(strings.Repeat(`{"A":[1,2,3],"B":"some text"}`+"\n", 5000)))
	type pair struct {
		A RawValue
		B json.RawMessage
	}
	var all []pair
	for d.More() {
		var p pair
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	text := []byte(`{"A":[1,2,3],"B":"some text"}`)
	var p pair
	if err := Unmarshal(text, &p, MaxDepth(5)); err != nil {
		t.Fatal(err)
	}
	clear(text)
	for _, x := range append(all, p) {
		if string(x.A) != "[1,2,3]" || string(x.B) != `"some text"` {
			t.Fatalf("%s %s", x.A, x.B)
		}
	}
	v := mustParse(t, `["x"]`)
	src := []byte(`{"k":"value"}`)
	w, err := Parse(src)
	clear(src)
	if err != nil || w.String() != `{"k":"value"}` || v.String() != `["x"]` {
		t.Error(w, err)
	}
}
