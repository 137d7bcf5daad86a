package btree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// check holds a tree against a plain map and its own rules.
func check(t *testing.T, tree *Tree[int], want map[string]int) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(want))
	if tree.Len() != len(keys) {
		t.Fatalf("len %d, want %d", tree.Len(), len(keys))
	}
	i := 0
	for k, v := range tree.Ascend("") {
		if k != keys[i] || v != want[k] {
			t.Fatalf("entry %d is %q=%d, want %q=%d", i, k, v, keys[i], want[keys[i]])
		}
		i++
	}
	if i != len(keys) {
		t.Fatalf("ascend gave %d entries, want %d", i, len(keys))
	}
	for k := range tree.DescendAt(tree.Len() - 1) {
		i--
		if k != keys[i] {
			t.Fatalf("backwards entry %d is %q, want %q", i, k, keys[i])
		}
	}
	for i, k := range keys {
		if got, _, ok := tree.At(i); !ok || got != k {
			t.Fatalf("At(%d) = %q", i, got)
		}
		if got := tree.Rank(k); got != i {
			t.Fatalf("Rank(%q) = %d, want %d", k, got, i)
		}
	}
	if tree.root != nil {
		checkNode(t, tree.root, true)
	}
}

func checkNode(t *testing.T, n *node[int], root bool) int {
	t.Helper()
	if !slices.IsSorted(n.keys) || len(n.keys) > maxEntries || !root && len(n.keys) < minEntries {
		t.Fatalf("node of %d keys, sorted %v", len(n.keys), slices.IsSorted(n.keys))
	}
	size := len(n.vals)
	for i, k := range n.kids {
		size += checkNode(t, k, false)
		if k.keys[0] < n.keys[i] || i > 0 && n.kids[i-1].keys[len(n.kids[i-1].keys)-1] >= n.keys[i] {
			t.Fatalf("kid %d lies outside its bounds", i)
		}
	}
	if size != n.size {
		t.Fatalf("size %d, want %d", n.size, size)
	}
	return size
}

func TestAgainstMapWithManyVersions(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var tree Tree[int]
		model := map[string]int{}
		type version struct {
			tree Tree[int]
			want map[string]int
		}
		var versions []version
		for i := range 6000 {
			key := fmt.Sprintf("%04d", rng.IntN(1500))
			if rng.IntN(3) == 0 || i > 4500 {
				old, ok := tree.Delete(key)
				if want, had := model[key]; ok != had || old != want {
					t.Fatalf("delete %q gave %d, %v; want %d, %v", key, old, ok, want, had)
				}
				delete(model, key)
			} else {
				old, ok := tree.Set(key, i)
				if want, had := model[key]; ok != had || old != want {
					t.Fatalf("set %q gave %d, %v; want %d, %v", key, old, ok, want, had)
				}
				model[key] = i
			}
			if i%500 == 0 {
				versions = append(versions, version{tree.Clone(), maps.Clone(model)})
			}
		}
		check(t, &tree, model)
		for i := range versions {
			check(t, &versions[i].tree, versions[i].want)
		}
	}
}

func TestAscendFromAndEarlyBreak(t *testing.T) {
	var tree Tree[int]
	for i := range 1000 {
		tree.Set(fmt.Sprintf("%04d", i*2), i)
	}
	for from := range 2002 {
		var got string
		for k := range tree.Ascend(fmt.Sprintf("%04d", from)) {
			got = k
			break
		}
		want := ""
		if up := (from + 1) / 2 * 2; up < 2000 {
			want = fmt.Sprintf("%04d", up)
		}
		if got != want {
			t.Fatalf("from %d: %q, want %q", from, got, want)
		}
	}
}

func TestReadsDoNotAllocate(t *testing.T) {
	var tree Tree[int]
	for i := range 10000 {
		tree.Set(fmt.Sprintf("%05d", i), i)
	}
	if n := testing.AllocsPerRun(100, func() { tree.Get("05000"); tree.At(77); tree.Rank("00500") }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzTree(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0x81, 2})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var tree Tree[int]
		model := map[string]int{}
		for i, op := range ops {
			key := string([]byte{op & 0x7F, byte(i % 7)})
			if op&0x80 != 0 {
				tree.Delete(key)
				delete(model, key)
			} else {
				tree.Set(key, i)
				model[key] = i
			}
			if i%13 == 0 {
				tree.Clone()
			}
		}
		check(t, &tree, model)
	})
}

func BenchmarkSet(b *testing.B) {
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08d", rand.IntN(1<<30))
	}
	var tree Tree[int]
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		tree.Set(keys[i&(1<<16-1)], i)
		i++
	}
}

func BenchmarkGet(b *testing.B) {
	var tree Tree[int]
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08d", i*7)
		tree.Set(keys[i], i)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		tree.Get(keys[i&(1<<16-1)])
		i += 4099
	}
}
