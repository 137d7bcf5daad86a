package jsonx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
)

// records is a text of some hundred kilobytes, indented, with names, prose beyond ASCII, numbers and nesting.
func records() []byte {
	var b bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&b, "%s\n  {\n    \"id\": %d,\n    \"name\": \"record number %d\",\n    \"text\": \"日本語のテキスト — and some more words, \\\"quoted\\\"\",\n"+
			"    \"position\": [%d.%013d, -0.5],\n    \"tags\": [],\n    \"active\": true\n  }", map[bool]string{true: "[", false: ","}[i == 0], 1000+i, i, i%90, i*7919)
	}
	b.WriteString("\n]\n")
	return b.Bytes()
}

func BenchmarkSyntax(b *testing.B) {
	text := records()
	v, err := Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	changed := v.Clone()
	changed.Remove(17)
	changed.At(99).Set("name", MakeString("x"))
	for _, c := range []struct {
		name string
		fn   func() error
	}{
		{"valid", func() error { return truth(Valid(text)) }},
		{"valid-std", func() error { return truth(json.Valid(text)) }},
		{"tokens", func() error {
			d := NewDecoder(bytes.NewReader(text))
			for {
				if _, err := d.ReadToken(); err != nil {
					return orEOF(err)
				}
			}
		}},
		{"tokens-std", func() error {
			d := json.NewDecoder(bytes.NewReader(text))
			for {
				if _, err := d.Token(); err != nil {
					return orEOF(err)
				}
			}
		}},
		{"compact", func() error { _, err := Compact(nil, text); return err }},
		{"compact-std", func() error { return json.Compact(new(bytes.Buffer), text) }},
		{"parse", func() error { _, err := Parse(text); return err }},
		{"canonicalize", func() error { _, err := Canonicalize(nil, text); return err }},
		{"diff", func() error { return truth(len(Diff(v, changed)) == 2) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := c.fn(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func truth(ok bool) error {
	if !ok {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func orEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
