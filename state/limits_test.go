package state

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"weak"

	"github.com/lithair/lithair-go/binenc"
)

func TestReadsDoNotAllocate(t *testing.T) {
	r := newRig(t)
	events := r.creations(t, 5000, true)
	root := r.rootOf(t, events)
	email, town := r.schema.Field("email").Number, r.schema.Field("town").Number
	value := string(binenc.AppendKeyString(nil, "77@example.org"))
	rg := Prefix(string(binenc.AppendKeyString(nil, "town 3")))
	for name, read := range map[string]func() bool{
		"Get":        func() bool { return root.Get(1, events[9].Key).Seq() > 0 },
		"Unique":     func() bool { _, ok := root.Unique(1, email, value); return ok },
		"CountIndex": func() bool { return root.CountIndex(1, town, rg) == 50 },
		"Hash":       func() bool { return root.Hash() != [16]byte{} },
	} {
		if !read() {
			t.Fatalf("%s finds nothing", name)
		}
		if n := testing.AllocsPerRun(100, func() { read() }); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

// An update of a field without an index makes the row, its bytes and, now and then, room
// in the undo log.
func TestAllocationsOfAnUpdate(t *testing.T) {
	r := newRig(t)
	events := r.creations(t, 1000, false)
	b := r.rootOf(t, events).Begin()
	patch := patchOf(r.schema.Field("note").Number, "another")
	ev := Event{Model: 1, Kind: Updated, Key: events[3].Key, Fields: patch}
	update := func() {
		if err := b.Apply(5, ev); err != nil {
			t.Fatal(err)
		}
		b.Forget()
	}
	update() // copies the path
	if n := testing.AllocsPerRun(200, update); n > 2 {
		t.Errorf("%v allocations, want 2", n)
	}
}

func TestRowsKeepNoSpareMemory(t *testing.T) {
	r := newRig(t)
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	key, rec := r.record(t, &person{ID: 1, Email: "a"})
	if err := b.Apply(1, Event{Model: 1, Kind: Created, Key: key, Fields: append(make([]byte, 0, 4096), rec...)}); err != nil {
		t.Fatal(err)
	}
	if c := cap(b.Get(1, key).Bytes()); c > 64 {
		t.Errorf("a record of %d bytes holds %d", len(rec), c)
	}
}

// The memory of many small records with one unique and one other index, against their
// bytes (keys and records).
func TestMemory(t *testing.T) {
	n, limit := 50_000, 6.0
	if os.Getenv("LITHAIR_LONG") != "" {
		n = 1_000_000
	} else {
		t.Logf("short form: %d records; LITHAIR_LONG=1 does 1000000", n)
	}
	r := newRig(t)
	r.schema.Indexes = nil // two indexes, as small models have them
	before := heap()
	b := Empty().Begin()
	if err := b.Apply(1, r.declaration()); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		key, rec := r.record(t, &person{ID: uint64(i + 1), Email: fmt.Sprintf("%d@example.org", i), Town: fmt.Sprint("town ", i%100), Note: "sixty-four bytes of text, as a short description would have them"})
		if err := b.Apply(uint64(i+2), Event{Model: 1, Kind: Created, Key: key, Fields: rec}); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 0 {
			b.Forget()
		}
	}
	root := b.Seal(uint64(n), 1)
	used := heap() - before
	ratio := float64(used) / float64(root.Bytes(1))
	t.Logf("%d records, %d bytes each, %d bytes of memory each: %.2f times", n, root.Bytes(1)/int64(n), used/int64(n), ratio)
	if ratio > limit {
		t.Errorf("memory is %.2f times the bytes, want at most %.1f", ratio, limit)
	}
	runtime.KeepAlive(root)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// patchOf is a patch of one text field.
func patchOf(number uint32, s string) []byte {
	e := binenc.NewEncoder(nil)
	e.StringBytes(number, s)
	patch, err := e.Message()
	if err != nil {
		panic(err)
	}
	return patch
}

// Nothing holds on to a root whose scans were broken off.
func TestABrokenOffScanReleasesItsRoot(t *testing.T) {
	r := newRig(t)
	rng := rand.New(rand.NewPCG(3, 3))
	root := replay(t, rng, []entry{{1, r.declaration()}})
	want := map[uint64]person{}
	b := root.Begin()
	for range 300 {
		if err := b.Apply(2, r.random(t, rng, want)); err != nil {
			t.Fatal(err)
		}
	}
	root = b.Seal(2, 0)
	for range root.Scan(1, Range{}) {
		break
	}
	for range root.ScanIndex(1, r.schema.Indexes[0].Number, Range{Reverse: true}) {
		break
	}
	held := weak.Make(root)
	root = nil
	for range 100 {
		if runtime.GC(); held.Value() == nil {
			return
		}
	}
	t.Error("the root is still held")
}
