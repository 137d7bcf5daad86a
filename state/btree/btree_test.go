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
		checkNode(t, tree.root, true, true)
	}
}

// checkNode holds a node against the rules of its shape and returns its size.
func checkNode(t *testing.T, n *node[int], root, last bool) int {
	t.Helper()
	least := minEntries
	switch {
	case n.kids != nil && (root || last):
		least = 2
	case root || last:
		least = 1
	}
	if !slices.IsSorted(n.keys) || len(n.keys) > maxEntries || len(n.keys) < least {
		t.Fatalf("node of %d keys, want %d to %d, sorted %v", len(n.keys), least, maxEntries, slices.IsSorted(n.keys))
	}
	size := len(n.vals)
	if n.kids != nil && len(n.heads) != len(n.keys) || n.kids == nil && n.heads != nil {
		t.Fatalf("%d heads of %d keys, %d kids", len(n.heads), len(n.keys), len(n.kids))
	}
	for i, h := range n.heads {
		if h != head(n.keys[i]) {
			t.Fatalf("head %d is %x, the key is %q", i, h, n.keys[i])
		}
	}
	for i, k := range n.kids {
		size += checkNode(t, k, false, last && i == len(n.kids)-1)
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

func TestDescendFrom(t *testing.T) {
	var tree Tree[int]
	for i := range 500 {
		tree.Set(fmt.Sprintf("%04d", i*2), i)
	}
	for from := range 1002 {
		got := ""
		for k := range tree.Descend(fmt.Sprintf("%04d", from)) {
			got = k
			break
		}
		if want := fmt.Sprintf("%04d", min(from/2*2, 998)); got != want {
			t.Fatalf("from %d: %q, want %q", from, got, want)
		}
	}
	for k := range tree.Descend("!") {
		t.Fatalf("below the first key there is %q", k)
	}
	for k := range tree.Descend("") {
		if k != "0998" {
			t.Fatalf("the last key is %q", k)
		}
		break
	}
}

// Keys in order fill all nodes but the last of each level.
func TestAscendingKeysPack(t *testing.T) {
	var tree Tree[int]
	const n = 64 * 64 * 3
	want := map[string]int{}
	for i := range n {
		key := fmt.Sprintf("%08d", i)
		tree.Set(key, i)
		want[key] = i
		if i%97 == 0 {
			tree.Freeze()
		}
	}
	check(t, &tree, want)
	leaves := 0
	var walk func(*node[int])
	walk = func(n *node[int]) {
		if n.kids == nil {
			leaves++
		}
		for _, k := range n.kids {
			walk(k)
		}
	}
	walk(tree.root)
	if leaves != n/maxEntries {
		t.Errorf("%d leaves for %d entries, want %d", leaves, n, n/maxEntries)
	}
}

// The last nodes of a level may hold next to nothing; taking from there must keep the shape.
func TestDeleteAtTheEdge(t *testing.T) {
	for size := range 64*64 + 3 {
		if size < 64*63 && size%61 != 0 {
			continue
		}
		var tree Tree[int]
		want := map[string]int{}
		for i := range size {
			key := fmt.Sprintf("%05d", i)
			tree.Set(key, i)
			want[key] = i
		}
		for range min(size, 70) {
			key, _, _ := tree.At(tree.Len() - 1)
			tree.Delete(key)
			delete(want, key)
			if tree.root != nil {
				checkNode(t, tree.root, true, true)
			}
		}
		if tree.Len() != len(want) {
			t.Fatalf("%d entries, want %d", tree.Len(), len(want))
		}
	}
}

func TestIterationSeesTheCloneWhileTheTreeChanges(t *testing.T) {
	var tree Tree[int]
	for i := range 5000 {
		tree.Set(fmt.Sprintf("%05d", i), i)
	}
	version := tree.Clone()
	i := 0
	for k, v := range version.Ascend("") {
		if v != i || k != fmt.Sprintf("%05d", i) {
			t.Fatalf("entry %d is %q=%d", i, k, v)
		}
		tree.Delete(k)
		tree.Set(fmt.Sprintf("%05d", 4999-i), -1)
		i++
	}
	if i != 5000 {
		t.Fatalf("saw %d entries", i)
	}
}

func TestChangesInOneBatchAreInPlace(t *testing.T) {
	var tree Tree[int]
	for i := range 5000 {
		tree.Set(fmt.Sprintf("%05d", i), i)
	}
	tree.Freeze()
	tree.Set("02500", 0) // copies the path and takes an owner
	if n := testing.AllocsPerRun(100, func() { tree.Set("02500", 1) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Ceiling agrees with a search in the sorted keys, whatever was deleted before.
func TestCeiling(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	var tree Tree[int]
	if _, _, ok := tree.Ceiling("a"); ok {
		t.Fatal("an empty tree has an entry")
	}
	model := map[string]int{}
	for range 6000 {
		k := fmt.Sprintf("%05d", rng.IntN(20000))
		if rng.IntN(3) == 0 {
			tree.Delete(k)
			delete(model, k)
		} else {
			tree.Set(k, len(model))
			model[k] = len(model)
		}
	}
	for k := range maps.Clone(model) { // thin out, so that the bounds of nodes are loose
		if rng.IntN(4) > 0 {
			tree.Delete(k)
			delete(model, k)
		}
	}
	keys := slices.Sorted(maps.Keys(model))
	for i := range 20001 {
		from := fmt.Sprintf("%05d", i)
		j, _ := slices.BinarySearch(keys, from)
		at, v, ok := tree.Ceiling(from)
		if ok != (j < len(keys)) || ok && (at != keys[j] || v != model[at]) {
			t.Fatalf("the ceiling of %s is %s, %v", from, at, ok)
		}
	}
}
