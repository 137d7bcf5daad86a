package btree

import (
	"maps"
	"testing"
)

// Each byte sets or deletes a key; versions taken on the way must stay as they were, and
// their differences must be those of plain maps.
func FuzzTree(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0x81, 2})
	many := make([]byte, 900)
	for i := range many {
		many[i] = byte(i * 7)
	}
	f.Add(many)
	f.Fuzz(func(t *testing.T, ops []byte) {
		var tree, kept Tree[int]
		model, was := map[string]int{}, map[string]int{}
		for i, op := range ops {
			key := string([]byte{op & 0x7F, byte(i % 7)})
			if op&0x80 != 0 {
				tree.Delete(key)
				delete(model, key)
			} else {
				tree.Set(key, i)
				model[key] = i
			}
			if i%113 == 50 {
				kept, was = tree.Clone(), maps.Clone(model)
			}
		}
		check(t, &tree, model)
		check(t, &kept, was)
		checkDiff(t, &kept, &tree, was, model)
	})
}
