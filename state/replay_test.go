package state

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/lithair/lithair-go/binenc"
)

// dump writes down all there is in a state: every record with its sequence, every index
// in order, counts, bytes, schemas and hashes. Two states with the same dump are the same.
func dump(s interface {
	Reader
	Hash() [16]byte
	ModelHash(uint32) [16]byte
	Bytes(uint32) int64
}) string {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%x\n", s.Hash())
	numbers := []uint32{SchemaModel}
	for _, row := range s.Scan(SchemaModel, Range{}) {
		fmt.Fprintf(&out, "schema %x\n", row.Bytes())
	}
	for _, name := range []string{"person", "other"} {
		if sc := s.SchemaByName(name); sc != nil {
			numbers = append(numbers, sc.Number)
			fmt.Fprintf(&out, "%s %x\n", name, sc.Append(nil))
			for _, x := range sc.AllIndexes() {
				number := x.Number
				fmt.Fprintf(&out, "index %d: %d\n", number, s.CountIndex(sc.Number, number, Range{}))
				for key, row := range s.ScanIndex(sc.Number, number, Range{}) {
					fmt.Fprintf(&out, "%x %d\n", key, row.Seq())
				}
			}
		}
	}
	for _, n := range numbers {
		fmt.Fprintf(&out, "model %d: %d, %d bytes, %x\n", n, s.Len(n), s.Bytes(n), s.ModelHash(n))
		for key, row := range s.Scan(n, Range{}) {
			fmt.Fprintf(&out, "%x %d %x\n", key, row.Seq(), row.Bytes())
		}
	}
	return out.String()
}

type entry struct {
	seq uint64
	ev  Event
}

// replay applies a log in batches whose sizes rng chooses, with rollbacks in between.
func replay(t *testing.T, rng *rand.Rand, log []entry) *Root {
	t.Helper()
	root := Empty()
	for len(log) > 0 {
		n := min(len(log), 1+rng.IntN(1+rng.IntN(2000)))
		b := root.Begin()
		apply := func(list []entry) {
			for _, e := range list {
				if err := b.Apply(e.seq, e.ev); err != nil {
					t.Fatal(err)
				}
			}
		}
		back := rng.IntN(n + 1)
		apply(log[:back])
		mark := b.Mark()
		apply(log[back:n])
		if rng.IntN(2) == 0 {
			b.Rollback(mark)
			apply(log[back:n])
		} else {
			b.Forget()
		}
		root = b.Seal(log[n-1].seq, int64(log[n-1].seq))
		log = log[n:]
	}
	return root
}

// hashOf computes a state's hash from its records alone.
func hashOf(s Reader, models ...uint32) [16]byte {
	var all, one sum
	for _, m := range models {
		for key, row := range s.Scan(m, Range{}) {
			one, _ = rowSum(nil, m, key, row.Bytes())
			all = all.plus(one)
		}
	}
	return all.bytes()
}

// checkCounts holds ranges of an index against the plain map.
func (r rig) checkCounts(t *testing.T, s Reader, want map[uint64]person) {
	t.Helper()
	town, boss := r.schema.Field("town").Number, r.schema.Field("boss").Number
	per, bosses := map[string]int{}, 0
	for _, p := range want {
		per[p.Town]++
		if p.Boss != nil {
			bosses++
		}
	}
	for i := range 6 {
		name := fmt.Sprint("t", i)
		rg := Prefix(string(binenc.AppendKeyString(nil, name)))
		n := 0
		for range s.ScanIndex(1, town, rg) {
			n++
		}
		if n != per[name] || s.CountIndex(1, town, rg) != n {
			t.Fatalf("town %s: scan gives %d, count %d, want %d", name, n, s.CountIndex(1, town, rg), per[name])
		}
	}
	if n := s.CountIndex(1, boss, Range{}); n != bosses {
		t.Fatalf("%d records have a boss, want %d", n, bosses)
	}
}

// The state that was there all along, the same events replayed in other groupings, and a
// plain map agree after many random operations.
func TestManyRandomOperations(t *testing.T) {
	seeds, operations := 6, 3000
	if os.Getenv("LITHAIR_LONG") != "" {
		seeds, operations = 40, 100_000
	} else {
		t.Logf("short form: %d seeds of %d operations; LITHAIR_LONG=1 does 40 of 100000", seeds, operations)
	}
	r := newRig(t)
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(uint64(seed), 99))
		want := map[uint64]person{}
		log := []entry{{1, r.declaration()}}
		live := replay(t, rng, log)
		for len(log) <= operations {
			b := live.Begin()
			seq := live.Seq()
			for range 1 + rng.IntN(300) {
				if rng.IntN(3) > 0 || seq == live.Seq() {
					seq++ // otherwise one more event of the same transaction
				}
				ev := r.random(t, rng, want)
				if err := b.Apply(seq, ev); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				log = append(log, entry{seq, ev})
			}
			live = b.Seal(seq, int64(seq))
		}
		r.check(t, live, want)
		r.checkCounts(t, live, want)
		if live.Hash() != hashOf(live, 0, 1) {
			t.Fatalf("seed %d: the hash is not that of the records", seed)
		}
		text := dump(live)
		for range 3 {
			again := replay(t, rng, log)
			if dump(again) != text || again.Seq() != live.Seq() {
				t.Fatalf("seed %d: another grouping gives another state", seed)
			}
			for c := range Diff(live, again) {
				t.Fatalf("seed %d: %x differs", seed, c.Key)
			}
		}
	}
}

// What is rolled back leaves no trace, whatever it was.
func TestRollbackLeavesNoTrace(t *testing.T) {
	r := newRig(t)
	other := *r.schema
	other.Model, other.Number = "other", 3
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 5))
		want := map[uint64]person{}
		b := replay(t, rng, []entry{{1, r.declaration()}}).Begin()
		type point struct {
			mark Mark
			text string
			want map[uint64]person
		}
		points := []point{{b.Mark(), dump(b), nil}}
		declared := false
		for range 40 {
			if !declared && rng.IntN(10) == 0 {
				declared = true
				if err := b.Apply(2, Event{Model: SchemaModel, Kind: Created, Key: "other", Fields: other.Append(nil)}); err != nil {
					t.Fatal(err)
				}
			}
			for range rng.IntN(30) {
				if err := b.Apply(2, r.random(t, rng, want)); err != nil {
					t.Fatal(err)
				}
			}
			if rng.IntN(3) > 0 {
				points = append(points, point{b.Mark(), dump(b), maps.Clone(want)})
				continue
			}
			i := rng.IntN(len(points))
			b.Rollback(points[i].mark)
			if got := dump(b); got != points[i].text {
				t.Fatalf("seed %d: rolled back to %q, was %q", seed, got, points[i].text)
			}
			declared = b.SchemaByName("other") != nil
			want = maps.Clone(points[i].want)
			if want == nil {
				want = map[uint64]person{}
			}
			points = points[:i+1]
		}
		text := dump(b)
		if root := b.Seal(9, 9); dump(root) != text {
			t.Fatalf("seed %d: the sealed root is not the batch", seed)
		}
	}
}

func TestRootsStayAsTheyWere(t *testing.T) {
	r := newRig(t)
	rng := rand.New(rand.NewPCG(4, 4))
	want := map[uint64]person{}
	root := replay(t, rng, []entry{{1, r.declaration()}})
	var roots []*Root
	var texts []string
	for seq := uint64(2); seq < 40; seq++ {
		b := root.Begin()
		for range 25 {
			if err := b.Apply(seq, r.random(t, rng, want)); err != nil {
				t.Fatal(err)
			}
		}
		root = b.Seal(seq, 0)
		roots, texts = append(roots, root), append(texts, dump(root))
	}
	for i, root := range roots {
		if dump(root) != texts[i] {
			t.Fatalf("root %d has changed", i)
		}
	}
}

func TestDiffOfRoots(t *testing.T) {
	r := newRig(t)
	rng := rand.New(rand.NewPCG(8, 8))
	want := map[uint64]person{}
	old := replay(t, rng, []entry{{1, r.declaration()}})
	for range 50 {
		was := maps.Clone(want)
		b := old.Begin()
		for range rng.IntN(60) {
			if err := b.Apply(2, r.random(t, rng, want)); err != nil {
				t.Fatal(err)
			}
		}
		now := b.Seal(2, 0)
		var keys, expected []string
		for c := range Diff(old, now) {
			keys = append(keys, c.Key)
			if old.Get(1, c.Key) != c.Old || now.Get(1, c.Key) != c.New || c.Model != 1 {
				t.Fatalf("%+v is not what the roots hold", c)
			}
		}
		for id := range uint64(201) {
			p, before := was[id]
			q, after := want[id]
			key, a := r.record(t, &p)
			key2, c := r.record(t, &q)
			if before != after || before && !bytes.Equal(a, c) {
				if !before {
					key = key2
				}
				expected = append(expected, key)
			}
		}
		if !slices.Equal(keys, expected) {
			t.Fatalf("diff gives %x, want %x", keys, expected)
		}
		old = now
	}
	for from, to := range map[*Root]*Root{Empty(): old, old: Empty()} {
		n := 0
		for c := range Diff(from, to) {
			if n++; (from.Len(0) == 0) != (c.Old == nil) || (c.Old == nil) == (c.New == nil) {
				t.Fatalf("to or from the empty state %+v differs", c)
			}
		}
		if n != old.Len(0)+old.Len(1) {
			t.Fatalf("%d records differ from the empty state, want %d", n, old.Len(0)+old.Len(1))
		}
	}
}
