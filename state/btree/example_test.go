package btree_test

import (
	"fmt"

	"github.com/lithair/lithair-go/state/btree"
)

func Example() {
	var t btree.Tree[int]
	t.Set("apple", 1)
	t.Set("pear", 2)
	t.Set("plum", 3)
	old := t.Clone()

	t.Set("pear", 20)
	t.Delete("plum")
	fmt.Println(old.Len(), t.Len(), t.Rank("pear"))
	for k, v := range old.Descend("") {
		fmt.Println(k, v)
	}
	// Output:
	// 3 2 1
	// plum 3
	// pear 2
	// apple 1
}

func ExampleDiff() {
	var t btree.Tree[int]
	t.Set("apple", 1)
	t.Set("pear", 2)
	old := t.Clone()
	t.Set("quince", 3)
	t.Delete("apple")
	for c := range btree.Diff(&old, &t, func(a, b int) bool { return a == b }) {
		fmt.Println(c.Key, c.Before, c.After)
	}
	// Output:
	// apple true false
	// quince false true
}
