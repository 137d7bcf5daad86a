package btree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestBuilderAgainstSet builds trees of every small size, and some large ones, from parts
// of every kind, and holds them against trees made entry by entry.
func TestBuilderAgainstSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{4095, 4096, 4097, 20_000}
	for n := range 3*maxEntries + 2 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		want := map[string]int{}
		var parts []*Builder[int]
		part := &Builder[int]{}
		for i := range n {
			if rng.IntN(50) == 0 {
				parts, part = append(parts, part), &Builder[int]{}
			}
			key := fmt.Sprintf("%06d", 3*i)
			want[key] = i
			if err := part.Append(key, i); err != nil {
				t.Fatal(err)
			}
		}
		tree, err := Join(append(parts, part)...)
		if err != nil {
			t.Fatal(err)
		}
		check(t, &tree, want)
		changed := tree.Clone()
		then := map[string]int{}
		for k, v := range want {
			then[k] = v
		}
		for range 200 {
			k := fmt.Sprintf("%06d", rng.IntN(3*n+1))
			if rng.IntN(3) == 0 {
				changed.Delete(k)
				delete(then, k)
			} else {
				changed.Set(k, -1)
				then[k] = -1
			}
		}
		check(t, &changed, then)
		check(t, &tree, want) // the one built stays as it was
	}
}

func TestBuilderRefusesDisorder(t *testing.T) {
	var b Builder[int]
	for _, k := range []string{"b", "c"} {
		if err := b.Append(k, 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []string{"c", "a", ""} {
		if err := b.Append(k, 1); !errors.Is(err, ErrUnordered) {
			t.Errorf("%q behind c: %v", k, err)
		}
	}
	var other Builder[int]
	if err := other.Append("c", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Join(&b, &Builder[int]{}, &other); !errors.Is(err, ErrUnordered) {
		t.Errorf("parts that overlap: %v", err)
	}
	var empty Builder[int]
	if err := empty.Append("", 1); err != nil {
		t.Errorf("the empty key is a key: %v", err)
	}
}
