package jsonx

import (
	"encoding/json"
	"testing"
)

func BenchmarkSample(b *testing.B) {
	text, err := Marshal(sample())
	if err != nil {
		b.Fatal(err)
	}
	for name, fn := range map[string]func() error{
		"decode": func() error { return Unmarshal(text, new(outer)) }, "decode-std": func() error { return json.Unmarshal(text, new(outer)) },
		"encode": func() error { _, err := Marshal(sample()); return err }, "encode-std": func() error { _, err := json.Marshal(sample()); return err },
		"valid": func() error { Valid(text); return nil }, "valid-std": func() error { json.Valid(text); return nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := fn(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
