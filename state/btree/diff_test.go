package btree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func equal(a, b int) bool { return a == b }

// diffOf is the slow obvious version of Diff.
func diffOf(old, new map[string]int) (list []Change[int]) {
	all := map[string]int{}
	maps.Copy(all, old)
	maps.Copy(all, new)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		a, before := old[k]
		b, after := new[k]
		if before != after || a != b {
			list = append(list, Change[int]{k, a, b, before, after})
		}
	}
	return list
}

// nodes counts the nodes of a that b does not share.
func nodes(a, b *Tree[int]) int {
	shared := map[*node[int]]bool{}
	var walk func(n *node[int], fn func(*node[int]) bool)
	walk = func(n *node[int], fn func(*node[int]) bool) {
		if n == nil || !fn(n) {
			return
		}
		for _, k := range n.kids {
			walk(k, fn)
		}
	}
	walk(b.root, func(n *node[int]) bool { shared[n] = true; return true })
	count := 0
	walk(a.root, func(n *node[int]) bool {
		if !shared[n] {
			count++
		}
		return !shared[n]
	})
	return count
}

func checkDiff(t *testing.T, old, new *Tree[int], was, is map[string]int) {
	t.Helper()
	want := diffOf(was, is)
	if got := slices.Collect(Diff(old, new, equal)); !slices.Equal(got, want) {
		t.Fatalf("diff gives %d changes, want %d: %v, %v", len(got), len(want), got, want)
	}
	d := differ[int]{old: walkFrom(old.root), new: walkFrom(new.root), same: equal, yield: func(Change[int]) bool { return true }}
	for d.step() {
	}
	if a, b := nodes(old, new), nodes(new, old); d.old.opened != a || d.new.opened != b {
		t.Fatalf("diff opened %d old and %d new nodes; %d and %d are not shared", d.old.opened, d.new.opened, a, b)
	}
}

func TestDiffOpensOnlyUnsharedNodes(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 2))
		type version struct {
			tree Tree[int]
			want map[string]int
		}
		var tree Tree[int]
		model := map[string]int{}
		versions := []version{{}}
		for v := range 40 {
			n := []int{1, 3, 30, 400}[rng.IntN(4)]
			if v == 0 {
				n = 6000
			}
			start, span := rng.IntN(9000), 9000
			if rng.IntN(2) == 0 {
				span = 200 // close together: nodes split and merge
			}
			for i := range n {
				key := fmt.Sprintf("%05d", start+rng.IntN(span))
				if rng.IntN(2) == 0 && v > 0 {
					tree.Delete(key)
					delete(model, key)
				} else {
					tree.Set(key, i)
					model[key] = i
				}
			}
			now := version{tree.Clone(), maps.Clone(model)}
			for range 4 {
				old := &versions[rng.IntN(len(versions))]
				checkDiff(t, &old.tree, &now.tree, old.want, now.want)
				checkDiff(t, &now.tree, &old.tree, now.want, old.want)
			}
			checkDiff(t, &now.tree, &now.tree, now.want, now.want)
			versions = append(versions, now)
		}
	}
}

func TestDiffStopsEarly(t *testing.T) {
	var a, b Tree[int]
	for i := range 200 {
		b.Set(fmt.Sprintf("%03d", i), i)
	}
	n := 0
	for range Diff(&a, &b, nil) {
		if n++; n == 5 {
			break
		}
	}
	if n != 5 {
		t.Fatalf("%d changes", n)
	}
	n = 0
	c := b.Clone()
	c.Set("100", 100)
	for range Diff(&b, &c, nil) {
		n++
	}
	if n == 0 || n > 200 {
		t.Fatalf("without same, %d entries of nodes that are not shared differ", n)
	}
}
