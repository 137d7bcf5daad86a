package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/model"
)

func snapshotOf(t testing.TB, r *Root, note string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := r.WriteSnapshot(&out, []byte(note)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func restoreFrom(b []byte, workers int) (*Root, []byte, error) {
	return ReadSnapshot(bytes.NewReader(b), int64(len(b)), RestoreOptions{Workers: workers})
}

// TestSnapshotRoundTrip writes states of many shapes down and reads them back: the same
// records, sequences, indexes, counts, schemas and hash; and the same snapshot again.
func TestSnapshotRoundTrip(t *testing.T) {
	r := newRig(t)
	ops := 3000
	if os.Getenv("LITHAIR_LONG") != "" {
		ops = 100_000
	}
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 7))
		want := map[uint64]person{}
		b := Empty().Begin()
		if err := b.Apply(1, r.declaration()); err != nil {
			t.Fatal(err)
		}
		for i := range int(seed) * ops / 5 {
			if err := b.Apply(uint64(i)+2, r.random(t, rng, want)); err != nil {
				t.Fatal(err)
			}
		}
		root := b.Seal(uint64(ops)+2, -5)
		file := snapshotOf(t, root, "here")
		for workers := 1; workers < 4; workers++ {
			got, note, err := restoreFrom(file, workers)
			if err != nil {
				t.Fatal(err)
			}
			if dump(got) != dump(root) || string(note) != "here" || got.Seq() != root.Seq() || got.Time() != root.Time() {
				t.Fatalf("seed %d, %d workers: another state comes back", seed, workers)
			}
			r.check(t, got, want)
			if err := got.VerifyHash(nil); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(snapshotOf(t, got, "here"), file) {
				t.Fatalf("seed %d: one state, two snapshots", seed)
			}
			// what was restored goes on like what was there
			then := map[uint64]person{}
			for k, v := range want {
				then[k] = v
			}
			next := got.Begin()
			for i := range 500 {
				if err := next.Apply(got.Seq()+uint64(i)+1, r.random(t, rng, then)); err != nil {
					t.Fatal(err)
				}
			}
			r.check(t, next.Seal(got.Seq()+500, 0), then)
			r.check(t, got, want)
		}
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	got, note, err := restoreFrom(snapshotOf(t, Empty(), ""), 2)
	if err != nil || len(note) != 0 || dump(got) != dump(Empty()) {
		t.Fatalf("%v, note %q", err, note)
	}
}

// TestSnapshotManyBlocks has rows and orders that take several blocks, and records too
// large to share their memory.
func TestSnapshotManyBlocks(t *testing.T) {
	r := newRig(t)
	events := r.creations(t, 20_000, true)
	key, rec := r.record(t, &person{ID: 1 << 40, Email: "large", Note: strings.Repeat("large ", 100_000)})
	root := r.rootOf(t, append(events, Event{Model: 1, Kind: Created, Key: key, Fields: rec}))
	file := snapshotOf(t, root, "")
	blocks := 0
	for off := 0; off < len(file); blocks++ {
		off += blockHead + int(binary.LittleEndian.Uint32(file[off+4:]))
	}
	if blocks < 8 {
		t.Fatalf("%d blocks are too few for this test", blocks)
	}
	got, _, err := restoreFrom(file, 2)
	if err != nil {
		t.Fatal(err)
	}
	if dump(got) != dump(root) {
		t.Fatal("another state comes back")
	}
}

// smallSnapshot has two models, an optional unique index and a few records.
func smallSnapshot(t testing.TB) []byte {
	r := newRig(t)
	return snapshotOf(t, r.rootOf(t, r.creations(t, 70, true)), "note")
}

// TestSnapshotDamage flips bits of every byte and cuts at every length: all of it is seen.
func TestSnapshotDamage(t *testing.T) {
	file := smallSnapshot(t)
	if _, _, err := restoreFrom(file, 1); err != nil {
		t.Fatal(err)
	}
	var damage *SnapshotError
	step := 1
	if testing.Short() {
		step = 13
	}
	for i := 0; i < len(file); i += step {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(file)
			bad[i] ^= bit
			if _, _, err := restoreFrom(bad, 1); !errors.As(err, &damage) {
				t.Fatalf("byte %d of %d, bit %x: %v", i, len(file), bit, err)
			}
		}
		if _, _, err := restoreFrom(file[:i], 1); !errors.As(err, &damage) {
			t.Fatalf("the first %d of %d bytes: %v", i, len(file), err)
		}
	}
	if _, _, err := restoreFrom(append(bytes.Clone(file), file[:blockHead]...), 1); !errors.As(err, &damage) {
		t.Fatalf("something behind the end: %v", err)
	}
}

// reseal gives every block its checksum again, so that a test gets behind it.
func reseal(file []byte) {
	le := binary.LittleEndian
	var id snapshotID
	for off := 0; off+blockHead <= len(file); {
		end := off + blockHead + int(le.Uint32(file[off+4:]))
		if end > len(file) {
			return
		}
		le.PutUint32(file[off:], blockSum(id, file[off:end]))
		if off == 0 {
			id = idOf(file[blockHead:end])
		}
		off = end
	}
}

// TestSnapshotLies changes bytes behind the checksums: no panic, and what is accepted is
// a state whose indexes agree with its records.
func TestSnapshotLies(t *testing.T) {
	file := smallSnapshot(t)
	refused, taken, step := 0, 0, 1
	if testing.Short() {
		step = 13
	}
	for i := 0; i < len(file); i += step {
		for _, bit := range []byte{1, 4, 0x80} {
			bad := bytes.Clone(file)
			bad[i] ^= bit
			reseal(bad)
			got, _, err := restoreFrom(bad, 1)
			if err != nil {
				refused++
				continue
			}
			taken++
			checkIndexes(t, got)
		}
	}
	t.Logf("%d lies refused, %d are snapshots of other states", refused, taken)
	if refused == 0 || taken == 0 {
		t.Error("want some of both")
	}
}

// checkIndexes holds every index against the records.
func checkIndexes(t *testing.T, r *Root) {
	t.Helper()
	for _, tb := range r.tables {
		if tb == nil {
			continue
		}
		for i := range tb.indexes {
			x := tb.indexes[i]
			want := index{def: x.def, at: x.at, where: x.where}
			if err := want.build(tb.columns, &tb.rows); err != nil {
				t.Fatal(err)
			}
			var a, b []string
			for k, v := range x.tree.Ascend("") {
				a = append(a, k+"="+primaryOf(k, v))
			}
			for k, v := range want.tree.Ascend("") {
				b = append(b, k+"="+primaryOf(k, v))
			}
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("index %s: %q, want %q", tb.schema.IndexName(x.def), a, b)
			}
		}
	}
}

// TestSnapshotForeignBlock puts a block of one snapshot into another: same kind, number
// and length, sound in itself.
func TestSnapshotForeignBlock(t *testing.T) {
	r := newRig(t)
	events := r.creations(t, 70, false)
	a := snapshotOf(t, r.rootOf(t, events), "a")
	b := snapshotOf(t, r.rootOf(t, events), "b")
	first := blockHead + int(binary.LittleEndian.Uint32(a[4:]))
	if _, _, err := restoreFrom(append(bytes.Clone(a[:first]), b[first:]...), 1); err == nil {
		t.Fatal("blocks of another snapshot are taken")
	}
}

func TestSnapshotVersion(t *testing.T) {
	file := smallSnapshot(t)
	file[blockHead+len(snapshotMagic)] = SnapshotVersion + 1
	reseal(file)
	if _, _, err := restoreFrom(file, 1); err == nil || !strings.Contains(err.Error(), "newer release") {
		t.Fatalf("%v", err)
	}
}

// TestSnapshotIndexAdded restores a snapshot of a time when a field had no index: it is
// built from the records.
func TestSnapshotIndexAdded(t *testing.T) {
	r := newRig(t)
	root := r.rootOf(t, r.creations(t, 100, true))
	tb := *root.tables[1]
	tb.indexes = tb.indexes[:len(tb.indexes)-1]
	less := &Root{root.view}
	less.tables = append([]*table{}, root.tables...)
	less.tables[1] = &tb
	got, _, err := restoreFrom(snapshotOf(t, less, ""), 2)
	if err != nil {
		t.Fatal(err)
	}
	checkIndexes(t, got)
	if len(got.tables[1].indexes) != len(root.tables[1].indexes) {
		t.Fatal("the index is not there")
	}
}

type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, errors.New("no room")
	}
	return len(p), nil
}

func TestSnapshotWriterErrors(t *testing.T) {
	r := newRig(t)
	root := r.rootOf(t, r.creations(t, 100, true))
	n := 0
	for ; ; n++ {
		if err := root.WriteSnapshot(&failingWriter{n}, nil); err == nil {
			break
		}
	}
	if n < 6 {
		t.Fatalf("%d writes", n)
	}
}

func TestVerifyHashSeesOneChangedRecord(t *testing.T) {
	r := newRig(t)
	root := r.rootOf(t, r.creations(t, 100, true))
	if err := root.VerifyHash(nil); err != nil {
		t.Fatal(err)
	}
	for _, row := range root.Scan(1, Range{Skip: 50}) {
		row.Bytes()[len(row.Bytes())-1] ^= 1
		break
	}
	if err := root.VerifyHash(nil); err == nil || !strings.Contains(err.Error(), "person") {
		t.Fatalf("%v", err)
	}
}

// TestSnapshotAllocation: a small file cannot make the reader allocate much.
func TestSnapshotAllocation(t *testing.T) {
	file := smallSnapshot(t)
	second := blockHead + int(binary.LittleEndian.Uint32(file[4:]))
	for i := range 6 {
		file[second+blockHead+i] = 0xFF // claims a rank and a count of billions
	}
	reseal(file)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := restoreFrom(file, 1); err == nil {
		t.Fatal("accepted")
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes for a file of %d", n, len(file))
	}
}

// FuzzSnapshot changes a snapshot behind its checksums; what is accepted must have
// indexes that agree with the records and must come back the same again.
func FuzzSnapshot(f *testing.F) {
	f.Add(smallSnapshot(f))
	f.Add(snapshotOf(f, Empty(), ""))
	f.Fuzz(func(t *testing.T, file []byte) {
		reseal(file)
		got, note, err := restoreFrom(file, 1)
		if err != nil {
			return
		}
		checkIndexes(t, got)
		again, _, err := restoreFrom(snapshotOf(t, got, string(note)), 2)
		if err != nil || dump(again) != dump(got) {
			t.Fatalf("the state it stands for does not survive another snapshot: %v", err)
		}
	})
}

func ExampleRoot_WriteSnapshot() {
	b := Empty().Begin()
	s := model.Schema{Model: "note", Number: 1, Fields: []model.SchemaField{}}
	if err := b.Apply(1, Event{Kind: Created, Key: SchemaKey("note"), Fields: s.Append(nil)}); err != nil {
		fmt.Println(err)
		return
	}
	if err := b.Apply(2, Event{Model: 1, Kind: Created, Key: "k"}); err != nil {
		fmt.Println(err)
		return
	}
	root := b.Seal(2, 0)

	var file bytes.Buffer
	if err := root.WriteSnapshot(&file, []byte("log index 7")); err != nil {
		fmt.Println(err)
		return
	}
	again, note, err := ReadSnapshot(bytes.NewReader(file.Bytes()), int64(file.Len()), RestoreOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.Seq(), again.Len(1), string(note), again.Hash() == root.Hash())
	// Output: 2 1 log index 7 true
}

// BenchmarkSnapshot writes and reads a state of 100,000 records with three indexes.
func BenchmarkSnapshot(b *testing.B) {
	r := newRig(b)
	root := r.rootOf(b, r.creations(b, benchRows, true))
	file := snapshotOf(b, root, "")
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if err := root.WriteSnapshot(&bytes.Buffer{}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if _, _, err := restoreFrom(file, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}
