// Package btree is a persistent B+ tree with string keys: a value of type [Tree] is a
// version, changing it makes another one, and versions share what they have in common.
//
//	var t btree.Tree[int]
//	t.Set("a", 1)
//	old := t.Clone()      // O(1): a version that never changes
//	t.Set("a", 2)         // copies the path to "a", once per Clone
//	for k, v := range t.Ascend("") { ... }
//	for c := range btree.Diff(&old, &t, same) { ... }
//
// Nodes know how many entries lie below them, so that the entry at a rank, and the rank
// of a key, are found in O(log n).
//
// # Shape
//
// All values lie in leaves. A node holds at most 64 entries. One that overflows is cut
// in the middle, but the last node of its level, filled by ascending keys, is left full
// and a new one begun: keys that arrive in order pack the tree. A node that falls under
// 16 entries by a deletion is merged with a neighbour, or evened out with it. The shape
// depends on the history; the contents, ranks and order do not.
//
// # Ownership
//
// A node made since the last Clone or Freeze belongs to its tree alone and is changed in
// place; all others are copied when they change. So a batch of many changes between two
// versions costs one copy of each node it touches. Values are copied as they are; what
// they point to is shared by versions.
//
// # Concurrency
//
// One goroutine may change a Tree; any number may read versions obtained by Clone, also
// while the original goes on changing. A tree that was frozen and not changed since may
// be read and cloned by any number of goroutines. Iterators run over the version at
// their start if that was cloned; changing a tree while iterating over the very same
// value is not allowed: iterate over a Clone.
package btree
