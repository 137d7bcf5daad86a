package state

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// patched returns the updated event that makes new of old.
func patched(t *testing.T, old, new *model.Schema) Event {
	t.Helper()
	patch, cleared, err := binenc.Diff(old.Append(nil), new.Append(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	return Event{Model: SchemaModel, Kind: Updated, Key: SchemaKey(old.Model), Fields: patch, Cleared: cleared}
}

func edited(s *model.Schema, edit func(*model.Schema)) *model.Schema {
	c := *s
	c.Fields = slices.Clone(s.Fields)
	edit(&c)
	return &c
}

func TestDeclarationsThatCannotBe(t *testing.T) {
	r := newRig(t)
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	for i, mail := range []string{"a", "b"} {
		key, rec := r.record(t, &person{ID: uint64(i + 1), Email: mail, Town: "same"})
		if err := b.Apply(1, Event{Model: 1, Kind: Created, Key: key, Fields: rec}); err != nil {
			t.Fatal(err)
		}
	}
	created := func(key string, edit func(*model.Schema)) Event {
		return Event{Model: SchemaModel, Kind: Created, Key: key, Fields: edited(r.schema, edit).Append(nil)}
	}
	text := dump(b)
	for _, c := range []struct {
		reason string
		ev     Event
	}{
		{"key of another", created("x", func(s *model.Schema) { s.Model, s.Number = "y", 2 })},
		{"belongs to person", created("y", func(s *model.Schema) { s.Model = "y" })},
		{"out of range", created("y", func(s *model.Schema) { s.Model, s.Number = "y", 0 })},
		{"out of range", created("y", func(s *model.Schema) { s.Model, s.Number = "y", maxModels+1 })},
		{"has number 1, not 2", patched(t, r.schema, edited(r.schema, func(s *model.Schema) { s.Number = 2 }))},
		{"cannot be deleted", Event{Model: SchemaModel, Kind: Deleted, Key: "person"}},
		{"person.town cannot become unique: records 1 and 2", patched(t, r.schema, edited(r.schema, func(s *model.Schema) { s.Field("town").Unique = true }))},
		{"ends", Event{Model: SchemaModel, Kind: Created, Key: "x", Fields: []byte{0xC0}}},
	} {
		err := b.Apply(2, c.ev)
		var fact *FactError
		if !errors.As(err, &fact) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("got %v, want %q", err, c.reason)
		}
		if dump(b) != text {
			t.Fatalf("%s: left a trace", c.reason)
		}
	}
}

// An index follows its field: gone when the field is dropped, built anew when the field
// is back or is of another type.
func TestIndexesFollowDeclarations(t *testing.T) {
	r := newRig(t)
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	for id := uint64(1); id <= 200; id++ {
		p := person{ID: id, Email: fmt.Sprint(id)}
		if id%2 == 0 {
			p.Town = fmt.Sprint("t", id%7)
		}
		key, rec := r.record(t, &p)
		if err := b.Apply(1, Event{Model: 1, Kind: Created, Key: key, Fields: rec}); err != nil {
			t.Fatal(err)
		}
	}
	text := dump(b)
	town := r.schema.Field("town").Number
	dropped := edited(r.schema, func(s *model.Schema) { s.Field("town").Dropped, s.Indexes = true, nil })
	optional := edited(r.schema, func(s *model.Schema) { s.Field("town").Type.Optional = true })
	null := Prefix(string(binenc.AppendKeyNull(nil)))
	steps := []struct {
		from, to *model.Schema
		nulls    int
	}{{r.schema, optional, 100}, {optional, dropped, -1}, {dropped, r.schema, 0}}
	for _, s := range steps {
		if err := b.Apply(1, patched(t, s.from, s.to)); err != nil {
			t.Fatal(err)
		}
		if s.nulls < 0 {
			if b.tables[1].index(town) != nil {
				t.Error("a dropped field has an index")
			}
			continue
		}
		if n := b.CountIndex(1, town, null); n != s.nulls {
			t.Errorf("%d records have no town, want %d", n, s.nulls)
		}
	}
	if got := dump(b); got != text {
		t.Error("after all the way round the state is another")
	}
}

func TestBrokenRecordsAreRefused(t *testing.T) {
	r := newRig(t)
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	key, rec := r.record(t, &person{ID: 1, Email: "a", Note: "n"})
	for name, ev := range map[string]Event{
		"cut":              {Model: 1, Kind: Created, Key: key, Fields: rec[:len(rec)-1]},
		"a gap at the end": {Model: 1, Kind: Created, Key: key, Fields: []byte{1, 0xD0}},
		"cleared in a new": {Model: 1, Kind: Created, Key: key, Fields: rec, Cleared: []uint32{2}},
	} {
		var fact *FactError
		if err := b.Apply(2, ev); !errors.As(err, &fact) || fact.Seq != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.Len(1) != 0 {
		t.Fatal("a broken record was taken")
	}
	if err := b.Apply(2, Event{Model: 1, Kind: Created, Key: key, Fields: rec}); err != nil {
		t.Fatal(err)
	}
	for name, ev := range map[string]Event{
		"patch cut":        {Model: 1, Kind: Updated, Key: key, Fields: []byte{0xC0}},
		"cleared descends": {Model: 1, Kind: Updated, Key: key, Cleared: []uint32{3, 2}},
		"cleared 0":        {Model: 1, Kind: Updated, Key: key, Cleared: []uint32{0}},
	} {
		if err := b.Apply(3, ev); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := b.Get(1, key); string(got.Bytes()) != string(rec) || got.Seq() != 2 {
		t.Error("a refused update left a trace")
	}
}

// A root that a batch with a declaration in its middle has made is not written to by
// readers or by batches that begin on it: the race detector watches.
func TestDeclareWhileReading(t *testing.T) {
	r := newRig(t)
	rng := rand.New(rand.NewPCG(6, 6))
	want := map[uint64]person{}
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := b.Apply(1, r.random(t, rng, want)); err != nil {
			t.Fatal(err)
		}
	}
	mark := b.Mark()
	other := edited(r.schema, func(s *model.Schema) { s.Model, s.Number = "other", 2 })
	declare := Event{Model: SchemaModel, Kind: Created, Key: "other", Fields: other.Append(nil)}
	for range 2 {
		b.Rollback(mark)
		if err := b.Apply(1, declare); err != nil {
			t.Fatal(err)
		}
	}
	root := b.Seal(1, 1)
	text := dump(root)
	var wg sync.WaitGroup
	for i := range 4 {
		rng := rand.New(rand.NewPCG(uint64(i), 6))
		want := want
		wg.Go(func() {
			b := root.Begin()
			mine := map[uint64]person{}
			for id, p := range want {
				mine[id] = p
			}
			for range 50 {
				if err := b.Apply(2, r.random(t, rng, mine)); err != nil {
					t.Error(err)
					return
				}
			}
			if dump(root) != text {
				t.Error("the root has changed")
			}
		})
	}
	wg.Wait()
}
