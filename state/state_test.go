package state

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

type person struct {
	ID    uint64  `json:"id" lithair:"primary_key"`
	Email string  `json:"email" lithair:"unique"`
	Town  string  `json:"town" lithair:"indexed"`
	Boss  *uint64 `json:"boss" lithair:"unique"`
	Note  string  `json:"note"`

	_ struct{} `lithair:"index=town+boss,unique=town+email,index=boss+note where town!=t0 and email>=1"`
	_ struct{} `lithair:"unique=boss+town where town=t1"`
}

// rig is a declared model with its codec.
type rig struct {
	schema *model.Schema
	codec  *model.Codec
	m      *model.Model
}

func newRig(t testing.TB) rig {
	t.Helper()
	m, err := model.Of(reflect.TypeFor[person]())
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := m.Evolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Number = 1
	c, err := m.Bind(s)
	if err != nil {
		t.Fatal(err)
	}
	return rig{s, c, m}
}

func (r rig) declaration() Event {
	return Event{Model: SchemaModel, Kind: Created, Key: SchemaKey(r.schema.Model), Fields: r.schema.Append(nil)}
}

func (r rig) record(t testing.TB, p *person) (key string, rec []byte) {
	t.Helper()
	key, err := r.codec.Key(p)
	if err != nil {
		t.Fatal(err)
	}
	if rec, err = r.codec.Append(nil, p); err != nil {
		t.Fatal(err)
	}
	return key, rec
}

// random makes an event that is true for want, and changes want.
func (r rig) random(t testing.TB, rng *rand.Rand, want map[uint64]person) Event {
	id := uint64(rng.IntN(200) + 1)
	p := person{ID: id, Email: fmt.Sprintf("%d-%d@x", id, rng.IntN(3)), Town: fmt.Sprint("t", rng.IntN(5)), Note: fmt.Sprint(rng.Uint32())}
	if rng.IntN(2) == 0 {
		p.Boss = &id
	}
	old, there := want[id]
	key, rec := r.record(t, &p)
	switch {
	case !there:
		want[id] = p
		return Event{Model: 1, Kind: Created, Key: key, Fields: rec}
	case rng.IntN(3) == 0:
		delete(want, id)
		return Event{Model: 1, Kind: Deleted, Key: key}
	}
	_, was := r.record(t, &old)
	patch, cleared, err := binenc.Diff(was, rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	want[id] = p
	return Event{Model: 1, Kind: Updated, Key: key, Fields: patch, Cleared: cleared}
}

// check holds a state against the naive model, indexes included.
func (r rig) check(t testing.TB, s Reader, want map[uint64]person) {
	t.Helper()
	if s.Len(1) != len(want) {
		t.Fatalf("%d records, want %d", s.Len(1), len(want))
	}
	ids := slices.Sorted(maps.Keys(want))
	i := 0
	for _, row := range s.Scan(1, Range{}) {
		var p person
		if err := r.codec.Decode(row.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(p, want[ids[i]]) {
			t.Fatalf("record %+v, want %+v", p, want[ids[i]])
		}
		i++
	}
	r.checkDeclared(t, s, want)
	town := r.schema.Field("town").Number
	var got, towns []string
	for _, row := range s.ScanIndex(1, town, Range{}) {
		var p person
		if err := r.codec.Decode(row.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %08d", p.Town, p.ID))
	}
	for _, p := range want {
		towns = append(towns, fmt.Sprintf("%s %08d", p.Town, p.ID))
	}
	slices.Sort(towns)
	if !slices.Equal(got, towns) {
		t.Fatalf("index on town gives %v, want %v", got, towns)
	}
	for _, p := range want {
		key, _ := r.record(t, &p)
		holder, ok := s.Unique(1, r.schema.Field("email").Number, string(binenc.AppendKeyString(nil, p.Email)))
		if !ok || holder != key {
			t.Fatalf("unique email of %d leads to %x, %v", p.ID, holder, ok)
		}
	}
}

// ordered is what an index of the model must give, from the naive model alone: those
// that keep says are in it, by key.
func (r rig) ordered(t testing.TB, s Reader, index uint32, want map[uint64]person, keep func(p person) bool, key func(p person) string) {
	t.Helper()
	var got, all []string
	for k, row := range s.ScanIndex(1, index, Range{}) {
		var p person
		if err := r.codec.Decode(row.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if own, _ := r.record(t, &p); own != k {
			t.Fatalf("index %d gives %x for the record of %x", index, k, own)
		}
		got = append(got, fmt.Sprintf("%s %08d", key(p), p.ID))
	}
	for _, p := range want {
		if keep(p) {
			all = append(all, fmt.Sprintf("%s %08d", key(p), p.ID))
		}
	}
	slices.Sort(all)
	if !slices.Equal(got, all) {
		t.Fatalf("index %d gives %v, want %v", index, got, all)
	}
	if n := s.CountIndex(1, index, Range{}); n != len(all) {
		t.Fatalf("index %d counts %d, want %d", index, n, len(all))
	}
}

// checkDeclared holds the composite and partial indexes against the naive model.
func (r rig) checkDeclared(t testing.TB, s Reader, want map[uint64]person) {
	t.Helper()
	boss := func(p person) string {
		if p.Boss == nil {
			return "-"
		}
		return fmt.Sprintf("=%08d", *p.Boss)
	}
	all := func(person) bool { return true }
	x := r.schema.Indexes
	r.ordered(t, s, x[0].Number, want, all, func(p person) string { return p.Town + boss(p) })
	r.ordered(t, s, x[1].Number, want, all, func(p person) string { return p.Town + " " + p.Email })
	r.ordered(t, s, x[2].Number, want, func(p person) bool { return p.Town != "t0" && p.Email >= "1" }, func(p person) string { return boss(p) + " " + p.Note })
	r.ordered(t, s, x[3].Number, want, func(p person) bool { return p.Town == "t1" && p.Boss != nil }, boss)
	for _, p := range want {
		key, _ := r.record(t, &p)
		both := binenc.AppendKeyString(binenc.AppendKeyString(nil, p.Town), p.Email)
		if holder, ok := s.Unique(1, x[1].Number, string(both)); !ok || holder != key {
			t.Fatalf("unique town+email of %d leads to %x, %v", p.ID, holder, ok)
		}
	}
}

func TestRandomEventsReplayAndRollback(t *testing.T) {
	r := newRig(t)
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 7))
		want := map[uint64]person{}
		root := Empty()
		b := root.Begin()
		if err := b.Apply(1, r.declaration()); err != nil {
			t.Fatal(err)
		}
		root = b.Seal(1, 1)
		log := []Event{r.declaration()}
		for round := range 60 {
			b := root.Begin()
			before, hash := maps.Clone(want), b.Hash()
			mark := b.Mark()
			var events []Event
			for range rng.IntN(40) + 1 {
				ev := r.random(t, rng, want)
				if err := b.Apply(uint64(len(log)+len(events)+1), ev); err != nil {
					t.Fatal(err)
				}
				events = append(events, ev)
			}
			r.check(t, b, want)
			if round%3 == 0 {
				b.Rollback(mark)
				want = before
				if b.Hash() != hash {
					t.Fatal("the hash after a rollback differs")
				}
				r.check(t, b, want)
				continue
			}
			log = append(log, events...)
			root = b.Seal(uint64(len(log)), int64(round))
			r.check(t, root, want)
		}
		again := Empty().Begin()
		for i, ev := range log {
			if err := again.Apply(uint64(i+1), ev); err != nil {
				t.Fatal(err)
			}
		}
		replayed := again.Seal(uint64(len(log)), 0)
		if replayed.Hash() != root.Hash() || replayed.Bytes(1) != root.Bytes(1) {
			t.Fatalf("seed %d: replay gives hash %x, want %x", seed, replayed.Hash(), root.Hash())
		}
		r.check(t, replayed, want)
	}
}

// What a batch remembers of the last Get is never older than what was applied or taken back since.
func TestGetBesideChanges(t *testing.T) {
	r := newRig(t)
	event := r.creations(t, 1, false)[0]
	b := r.rootOf(t, []Event{event}).Begin()
	note := r.schema.Field("note").Number
	created := b.Get(1, event.Key)
	if created == nil || b.Get(SchemaModel, event.Key) != nil || b.Get(1, event.Key) != created {
		t.Fatal("the record is not where it was made, or elsewhere, too")
	}
	mark := b.Mark()
	for i := range 3 {
		old := b.Get(1, event.Key)
		ev := Event{Model: 1, Kind: Updated, Key: event.Key, Fields: patchOf(note, fmt.Sprint(i))}
		if err := b.Apply(uint64(5+i), ev); err != nil {
			t.Fatal(err)
		}
		if got := b.Get(1, event.Key); got == old || got.Seq() != uint64(5+i) {
			t.Errorf("change %d: Get returns the record of sequence %d", i, got.Seq())
		}
	}
	b.Rollback(mark)
	if b.Get(1, event.Key) != created {
		t.Error("Get returns a record that was taken back")
	}
	if err := b.Apply(9, Event{Model: 1, Kind: Deleted, Key: event.Key}); err != nil {
		t.Fatal(err)
	}
	if b.Get(1, event.Key) != nil {
		t.Error("Get returns a record that was deleted")
	}
	if err := b.Apply(9, event); err != nil || b.Get(1, event.Key) == nil {
		t.Errorf("%v, or Get does not return a record that was made again", err)
	}
}

func TestImpossibleFactsAreRefused(t *testing.T) {
	r := newRig(t)
	b := Empty().Begin()
	key, rec := r.record(t, &person{ID: 1, Email: "a"})
	other, same := r.record(t, &person{ID: 2, Email: "a"})
	if err := b.Apply(1, Event{Model: 1, Kind: Created, Key: key, Fields: rec}); err == nil {
		t.Error("a record of a model that is not declared was taken")
	}
	for _, ev := range []Event{r.declaration(), {Model: 1, Kind: Created, Key: key, Fields: rec}} {
		if err := b.Apply(1, ev); err != nil {
			t.Fatal(err)
		}
	}
	hash := b.Hash()
	for name, ev := range map[string]Event{
		"created twice":  {Model: 1, Kind: Created, Key: key, Fields: rec},
		"update absent":  {Model: 1, Kind: Updated, Key: other, Fields: rec},
		"delete absent":  {Model: 1, Kind: Deleted, Key: other},
		"unique taken":   {Model: 1, Kind: Created, Key: other, Fields: same},
		"unknown kind":   {Model: 1, Kind: 9, Key: key},
		"broken schema":  {Model: SchemaModel, Kind: Created, Key: "x", Fields: []byte{0xFF}},
		"schema deleted": {Model: SchemaModel, Kind: Deleted, Key: SchemaKey("person")},
	} {
		if err := b.Apply(2, ev); err == nil {
			t.Errorf("%s: no error", name)
		}
		if b.Hash() != hash || b.Len(1) != 1 {
			t.Errorf("%s: left a trace", name)
		}
	}
}

func TestIndexAddedLaterIsBuilt(t *testing.T) {
	r := newRig(t)
	plain := *r.schema
	plain.Fields = slices.Clone(plain.Fields)
	for i := range plain.Fields {
		plain.Fields[i].Indexed, plain.Fields[i].Unique = false, false
	}
	plain.Indexes = nil
	b := Empty().Begin()
	must := func(ev Event) {
		t.Helper()
		if err := b.Apply(1, ev); err != nil {
			t.Fatal(err)
		}
	}
	must(Event{Model: SchemaModel, Kind: Created, Key: SchemaKey("person"), Fields: plain.Append(nil)})
	want := map[uint64]person{}
	for id := uint64(1); id <= 300; id++ {
		p := person{ID: id, Email: fmt.Sprint(id), Town: fmt.Sprint("t", id%7)}
		want[id] = p
		key, rec := r.record(t, &p)
		must(Event{Model: 1, Kind: Created, Key: key, Fields: rec})
	}
	mark := b.Mark()
	patch, cleared, err := binenc.Diff(plain.Append(nil), r.schema.Append(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	must(Event{Model: SchemaModel, Kind: Updated, Key: SchemaKey("person"), Fields: patch, Cleared: cleared})
	r.check(t, b, want)
	b.Rollback(mark)
	if s := b.SchemaByName("person"); s.Field("town").Indexed || len(s.Indexes) > 0 {
		t.Error("the rolled back declaration is still there")
	}
}

func TestReadersOfOldRootsWhileWriting(t *testing.T) {
	r := newRig(t)
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	store := NewStore(b.Seal(1, 1))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				root := store.Load()
				n := 0
				for range root.ScanIndex(1, r.schema.Field("town").Number, Range{}) {
					n++
				}
				if n != root.Len(1) {
					t.Errorf("scan saw %d of %d", n, root.Len(1))
					return
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(3, 3))
	want := map[uint64]person{}
	for i := range 300 {
		b := store.Load().Begin()
		for range 5 {
			if err := b.Apply(uint64(i+2), r.random(t, rng, want)); err != nil {
				t.Error(err)
			}
		}
		store.Publish(b.Seal(uint64(i+2), 0))
	}
	close(stop)
	wg.Wait()
}

func TestScanRanges(t *testing.T) {
	r := newRig(t)
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	for id := uint64(1); id <= 100; id++ {
		key, rec := r.record(t, &person{ID: id, Email: fmt.Sprint(id)})
		if err := b.Apply(1, Event{Model: 1, Kind: Created, Key: key, Fields: rec}); err != nil {
			t.Fatal(err)
		}
	}
	root := b.Seal(1, 1)
	at := func(id uint64) string { return string(binenc.AppendKeyUint(nil, id)) }
	for _, c := range []struct {
		r           Range
		first, last uint64
		n           int
	}{
		{Range{}, 1, 100, 100},
		{Range{From: at(10), To: at(20)}, 10, 19, 10},
		{Range{From: at(10), To: at(20), Reverse: true}, 19, 10, 10},
		{Range{From: at(10), To: at(20), Skip: 3}, 13, 19, 7},
		{Range{From: at(10), To: at(20), Skip: 3, Reverse: true}, 16, 10, 7},
		{Range{From: at(50), Skip: 60}, 0, 0, 0},
		{Range{To: at(1)}, 0, 0, 0},
		{Range{From: at(20), To: at(10)}, 0, 0, 0},
		{Range{From: at(99), Skip: -5}, 99, 100, 2},
		{Range{To: at(2), Skip: -5, Reverse: true}, 1, 1, 1},
		{Prefix(at(42)), 42, 42, 1},
		{Range{Reverse: true, Skip: 99}, 1, 1, 1},
	} {
		var ids []uint64
		for key := range root.Scan(1, c.r) {
			id, _, err := binenc.DecodeKeyUint([]byte(key))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if len(ids) != c.n || c.n > 0 && (ids[0] != c.first || ids[len(ids)-1] != c.last) {
			t.Errorf("%+v gave %v", c.r, ids)
		}
		if n := root.Count(1, c.r); n != c.n {
			t.Errorf("%+v counts %d, want %d", c.r, n, c.n)
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, c := range []struct{ p, from, to string }{
		{"", "", ""},
		{"a", "a", "b"},
		{"a\xff", "a\xff", "b"},
		{"\xff\xff", "\xff\xff", ""},
		{"a\x00", "a\x00", "a\x01"},
	} {
		if got := Prefix(c.p); got.From != c.from || got.To != c.to {
			t.Errorf("prefix %q: %+v", c.p, got)
		}
	}
}

func TestIndexThatIsNotThere(t *testing.T) {
	r := newRig(t)
	root := r.rootOf(t, r.creations(t, 3, false))
	note := r.schema.Field("note").Number
	for name, read := range map[string]func(){
		"ScanIndex":  func() { root.ScanIndex(1, note, Range{}) },
		"CountIndex": func() { root.CountIndex(1, note, Range{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			read()
		}()
	}
	for range root.ScanIndex(77, note, Range{}) {
		t.Error("a model that is not declared has records")
	}
	if root.CountIndex(77, note, Range{}) != 0 || root.Len(77) != 0 || root.Get(77, "x") != nil || root.Schema(77) != nil || root.Count(77, Range{}) != 0 {
		t.Error("a model that is not declared is not empty")
	}
	if _, ok := root.Unique(1, note, "x"); ok {
		t.Error("a field without an index finds a record")
	}
}
