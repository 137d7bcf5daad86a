package state

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/lithair/lithair-go/model"
)

func changesOf(t testing.TB, r, base *Root, note string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := r.WriteChanges(&out, base, []byte(note)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readChanges(b []byte, base *Root) (*Root, []byte, error) {
	return ReadChanges(bytes.NewReader(b), int64(len(b)), base)
}

// TestChanges writes down what a state has beyond an older one, and makes it again of that
// one when it was restored: records, sequences, indexes, unique values that changed places,
// declarations, keys and hash.
func TestChanges(t *testing.T) {
	r := newRig(t)
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 7))
		want := map[uint64]person{}
		b := Empty().Begin()
		seq := uint64(1)
		apply := func(ev Event) {
			t.Helper()
			if err := b.Apply(seq, ev); err != nil {
				t.Fatal(err)
			}
			seq++
		}
		if seed > 0 { // else the model is declared later
			apply(r.declaration())
		}
		for range int(seed) * 150 {
			apply(r.random(t, rng, want))
		}
		base := b.Seal(seq-1, 5)
		b = base.Begin()
		if seed == 0 {
			apply(r.declaration())
		}
		for range rng.IntN(400) {
			apply(r.random(t, rng, want))
		}
		if seed%3 == 2 {
			var id [16]byte
			id[0] = byte(seed)
			apply(KeyMade(id, Key{Secret: [32]byte{1}, Time: 7}))
		}
		now := b.Seal(seq-1, 6)
		restored, _, err := restoreFrom(snapshotOf(t, base, ""), 2)
		if err != nil {
			t.Fatal(err)
		}
		file := changesOf(t, now, base, "here")
		got, note, err := readChanges(file, restored)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if dump(got) != dump(now) || string(note) != "here" || got.Seq() != now.Seq() || got.Time() != now.Time() || got.Len(KeyModel) != now.Len(KeyModel) {
			t.Fatalf("seed %d: another state comes back", seed)
		}
		if err := got.VerifyHash(nil); err != nil {
			t.Error(err)
		}
		checkIndexes(t, got)
		if dump(restored) != dump(base) {
			t.Errorf("seed %d: the base has changed", seed)
		}
		if got, _, err := readChanges(changesOf(t, now, now, ""), now); err != nil || dump(got) != dump(now) {
			t.Errorf("seed %d: no changes: %v", seed, err)
		}
		var damage *SnapshotError
		if _, _, err := readChanges(file, now); now.Hash() != base.Hash() && !errors.As(err, &damage) {
			t.Errorf("seed %d: beyond another state: %v", seed, err)
		}
		if _, _, err := restoreFrom(file, 1); !errors.As(err, &damage) {
			t.Errorf("seed %d: taken for a snapshot: %v", seed, err)
		}
		if _, _, err := readChanges(snapshotOf(t, now, ""), base); !errors.As(err, &damage) {
			t.Errorf("seed %d: a snapshot is taken for changes: %v", seed, err)
		}
	}
}

// TestChangesDamage turns a bit in every byte of a file, and cuts it everywhere: it is refused.
func TestChangesDamage(t *testing.T) {
	r := newRig(t)
	rng, want := rand.New(rand.NewPCG(1, 7)), map[uint64]person{}
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		if i == 40 {
			b = b.Seal(uint64(i)+1, 5).Begin()
		}
		if err := b.Apply(uint64(i)+2, r.random(t, rng, want)); err != nil {
			t.Fatal(err)
		}
	}
	base := Empty().Begin()
	if err := base.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	old := base.Seal(1, 1)
	file := changesOf(t, b.Seal(62, 6), old, "note")
	if _, _, err := readChanges(file, old); err != nil {
		t.Fatal(err)
	}
	var damage *SnapshotError
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1 << (i % 8)
		if _, _, err := readChanges(bad, old); !errors.As(err, &damage) {
			t.Fatalf("byte %d turned: %v", i, err)
		}
		if _, _, err := readChanges(file[:i], old); !errors.As(err, &damage) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
	t.Logf("%d bytes turned, as many cuts", len(file))
}

// TestChangesOfASchema: a declaration that changed, with an index that is new.
func TestChangesOfASchema(t *testing.T) {
	r := newRig(t)
	s := r.schema
	plain := *s
	plain.Fields = append([]model.SchemaField(nil), s.Fields...)
	for i := range plain.Fields {
		plain.Fields[i].Indexed = false
	}
	b := Empty().Begin()
	if err := b.Apply(1, Event{Model: SchemaModel, Kind: Created, Key: SchemaKey(s.Model), Fields: plain.Append(nil)}); err != nil {
		t.Fatal(err)
	}
	rng, want := rand.New(rand.NewPCG(3, 7)), map[uint64]person{}
	for i := range 50 {
		if err := b.Apply(uint64(i)+2, r.random(t, rng, want)); err != nil {
			t.Fatal(err)
		}
	}
	base := b.Seal(60, 1)
	now, err := base.Begin(), error(nil)
	ev := Event{Model: SchemaModel, Kind: Updated, Key: SchemaKey(s.Model), Fields: s.Append(nil)}
	if err = now.Apply(61, ev); err != nil {
		t.Fatal(err)
	}
	root := now.Seal(61, 2)
	got, _, err := readChanges(changesOf(t, root, base, ""), base)
	if err != nil || dump(got) != dump(root) {
		t.Fatal(err)
	}
	checkIndexes(t, got)
}
