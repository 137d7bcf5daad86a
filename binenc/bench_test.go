package binenc

import (
	"encoding/binary"
	"math"
	"reflect"
	"testing"
)

type address struct{ Street, City, Zip, Country string }

type attr struct{ Key, Value string }

// record is the one of 400 bytes (as JSON) that cmd/bench measures.
type record struct {
	ID      uint64
	Name    string
	Email   string
	Active  bool
	Score   float64
	Created string
	Tags    []string
	Counts  []int64
	Address address
	Attrs   []attr
}

func newRecord() record {
	return record{
		ID: 918273645, Name: "Margaret Hamilton", Email: "margaret.hamilton@example.org",
		Active: true, Score: 98.6125, Created: "2026-11-23T08:15:30Z",
		Tags: []string{"apollo", "software", "guidance"}, Counts: []int64{1, 20, 300, 4000, 50000},
		Address: address{"77 Massachusetts Ave", "Cambridge", "02139", "US"},
		Attrs:   []attr{{"role", "lead"}, {"team", "flight \"control\""}, {"shift", "night"}},
	}
}

// byHand writes the record's values without numbers or checks: the floor of any codec.
func byHand(b []byte, v *record) []byte {
	b = AppendString(AppendString(binary.AppendUvarint(b, v.ID), v.Name), v.Email)
	if v.Active {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = AppendString(AppendFixed64(b, math.Float64bits(v.Score)), v.Created)
	b = binary.AppendUvarint(b, uint64(len(v.Tags)))
	for _, t := range v.Tags {
		b = AppendString(b, t)
	}
	b = binary.AppendUvarint(b, uint64(len(v.Counts)))
	for _, c := range v.Counts {
		b = binary.AppendVarint(b, c)
	}
	b = AppendString(AppendString(AppendString(AppendString(b, v.Address.Street), v.Address.City), v.Address.Zip), v.Address.Country)
	b = binary.AppendUvarint(b, uint64(len(v.Attrs)))
	for i := range v.Attrs {
		b = AppendString(AppendString(b, v.Attrs[i].Key), v.Attrs[i].Value)
	}
	return b
}

func BenchmarkEncode(b *testing.B) {
	p, _ := planFor[record](b)
	v, buf := newRecord(), make([]byte, 0, 1024)
	b.Run("plan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Append(buf, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plan, lists beyond a short head", func(b *testing.B) {
		v := v
		v.Tags = []string{"a tag of twenty byte", "a tag of twenty byte", "a tag of twenty byte", "a tag of twenty byte"}
		v.Attrs = append(v.Attrs, v.Attrs...)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Append(buf, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			byHand(buf, &v)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	p, ty := planFor[record](b)
	v := newRecord()
	msg, err := p.Append(nil, &v)
	if err != nil {
		b.Fatal(err)
	}
	for name, op := range map[string]func() error{
		"copy":  func() error { return p.Decode(msg, new(record)) },
		"alias": func() error { return p.DecodeAlias(msg, new(record)) },
		"check": func() error { return CheckMessage(msg, ty) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := op(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The record of the benchmark stays small, and takes one allocation for its texts, one
// for each list and one for itself.
func TestRecordSizeAndAllocations(t *testing.T) {
	p, _ := planFor[record](t)
	v := newRecord()
	msg, err := p.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	if len(msg) > 210 {
		t.Errorf("%d bytes, want at most 210", len(msg))
	}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Append(buf, &v); err != nil {
			t.Fatal(err)
		}
	}); n != 0 && !portable {
		t.Errorf("encoding: %v allocations", n)
	}
	var got *record
	if n := testing.AllocsPerRun(100, func() {
		got = new(record)
		if err := p.Decode(msg, got); err != nil {
			t.Fatal(err)
		}
	}); n > 5 && !portable {
		t.Errorf("decoding: %v allocations, want 5", n)
	}
	if !reflect.DeepEqual(*got, v) {
		t.Errorf("%+v", got)
	}
}
