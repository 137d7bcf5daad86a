package btree

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

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

// One change between two versions, as a batch of one transaction makes it.
func BenchmarkSetFrozen(b *testing.B) {
	var tree Tree[int]
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = fmt.Sprintf("%08d", i*7)
		tree.Set(keys[i], i)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		tree.Freeze()
		tree.Set(keys[i&(1<<16-1)], i)
		i += 4099
	}
}

func BenchmarkAscend(b *testing.B) {
	var tree Tree[int]
	for i := range 1 << 16 {
		tree.Set(fmt.Sprintf("%08d", i*7), i)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, v := range tree.Ascend("") {
			n += v & 1
		}
	}
}

// A version with ten changes among 65,536 entries.
func BenchmarkDiff(b *testing.B) {
	var tree Tree[int]
	for i := range 1 << 16 {
		tree.Set(fmt.Sprintf("%08d", i*7), i)
	}
	old := tree.Clone()
	for i := range 10 {
		tree.Set(fmt.Sprintf("%08d", i*7*6000), -1)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range Diff(&old, &tree, func(a, b int) bool { return a == b }) {
			n++
		}
		if n != 10 {
			b.Fatal(n)
		}
	}
}
