package state

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lithair/lithair-go/binenc"
)

const benchRows = 100_000

// creations returns the events that make n records, in the order of their keys or not.
func (r rig) creations(tb testing.TB, n int, shuffled bool) []Event {
	events := make([]Event, n)
	for i := range events {
		id := uint64(i + 1)
		key, rec := r.record(tb, &person{ID: id, Email: fmt.Sprintf("%d@example.org", id), Town: fmt.Sprint("town ", id%100), Note: "a note of some length"})
		events[i] = Event{Model: 1, Kind: Created, Key: key, Fields: rec}
	}
	if shuffled {
		rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { events[i], events[j] = events[j], events[i] })
	}
	return events
}

func (r rig) rootOf(tb testing.TB, events []Event) *Root {
	b := Empty().Begin()
	for i, ev := range append([]Event{r.declaration()}, events...) {
		if err := b.Apply(uint64(i+1), ev); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Seal(uint64(len(events)+1), 1)
}

// 100,000 created events into an empty state with two unique and one other index; ns/op
// is for all of them.
func BenchmarkReplayCreated(b *testing.B) {
	r := newRig(b)
	for name, shuffled := range map[string]bool{"ascending": false, "shuffled": true} {
		b.Run(name, func(b *testing.B) {
			events := r.creations(b, benchRows, shuffled)
			b.ReportAllocs()
			for b.Loop() {
				if r.rootOf(b, events).Len(1) != benchRows {
					b.Fatal("records are missing")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/event")
		})
	}
}

// One insert among 100,000 records, as a transaction of its own: Begin, Apply, Seal.
func BenchmarkInsertAlone(b *testing.B) {
	r := newRig(b)
	events := r.creations(b, benchRows, true)
	base := r.rootOf(b, events[:benchRows/2])
	i := benchRows / 2
	b.ReportAllocs()
	for b.Loop() {
		batch := base.Begin()
		if err := batch.Apply(uint64(i), events[i]); err != nil {
			b.Fatal(err)
		}
		batch.Seal(uint64(i), 1)
		if i++; i == benchRows {
			i = benchRows / 2
		}
	}
}

// Updates among 100,000 records in one batch, of a field with and without an index.
func BenchmarkUpdate(b *testing.B) {
	r := newRig(b)
	events := r.creations(b, benchRows, true)
	root := r.rootOf(b, events)
	for _, field := range []string{"town", "note"} {
		b.Run(field, func(b *testing.B) {
			number := r.schema.Field(field).Number
			batch := root.Begin()
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				patch := patchOf(number, "x"+string(rune('a'+i%26)))
				if err := batch.Apply(1, Event{Model: 1, Kind: Updated, Key: events[i%benchRows].Key, Fields: patch}); err != nil {
					b.Fatal(err)
				}
				if i++; i%1000 == 0 {
					batch.Forget()
				}
			}
		})
	}
}

// A transaction that reads a record and changes it, 50 of them in a batch.
func BenchmarkReadAndUpdate(b *testing.B) {
	r := newRig(b)
	events := r.creations(b, benchRows, true)
	root := r.rootOf(b, events)
	number := r.schema.Field("note").Number
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		batch := root.Begin()
		for range 50 {
			key := events[i%benchRows].Key
			if batch.Get(1, key) == nil {
				b.Fatal("not found")
			}
			patch := patchOf(number, "x"+string(rune('a'+i%26)))
			if err := batch.Apply(1, Event{Model: 1, Kind: Updated, Key: key, Fields: patch}); err != nil {
				b.Fatal(err)
			}
			i++
		}
		root = batch.Seal(1, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50, "ns/tx")
}

func BenchmarkGet(b *testing.B) {
	r := newRig(b)
	events := r.creations(b, benchRows, true)
	root := r.rootOf(b, events)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if root.Get(1, events[i%benchRows].Key) == nil {
			b.Fatal("not found")
		}
		i++
	}
}

func BenchmarkScanIndex(b *testing.B) {
	r := newRig(b)
	root := r.rootOf(b, r.creations(b, benchRows, true))
	field := r.schema.Field("town").Number
	rg := Prefix(string(binenc.AppendKeyString(nil, "town 42")))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range root.ScanIndex(1, field, rg) {
			n++
		}
		if n != benchRows/100 {
			b.Fatal(n)
		}
	}
}
