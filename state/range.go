package state

import (
	"iter"

	"github.com/lithair/lithair-go/state/btree"
)

// Range is a part of an order. From is inclusive, To exclusive, empty means open. Skip
// entries are passed over first, in the direction of the scan, in O(log n); below 0 it
// counts as 0.
type Range struct {
	From, To string
	Reverse  bool
	Skip     int
}

// Prefix returns the range of all keys that begin with p. An index on a field holds the
// value's key encoding in front: Prefix of it covers the records that have the value.
func Prefix(p string) Range { return Range{From: p, To: after(p)} }

// after returns the smallest string above all that begin with p; "" when there is none.
func after(p string) string {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xFF {
			return p[:i] + string([]byte{p[i] + 1})
		}
	}
	return ""
}

// span returns the ranks a range covers, Skip left aside.
func span[V any](t *btree.Tree[V], r Range) (lo, hi int) {
	hi = t.Len()
	if r.From != "" {
		lo = t.Rank(r.From)
	}
	if r.To != "" {
		hi = t.Rank(r.To)
	}
	return lo, hi
}

// scan iterates over a range of a tree that does not change meanwhile.
func scan[V any](t *btree.Tree[V], r Range, yield func(string, V) bool) {
	lo, hi := span(t, r)
	skip := max(r.Skip, 0)
	n := hi - lo - skip
	if n <= 0 {
		return
	}
	seq := t.AscendAt(lo + skip)
	if r.Reverse {
		seq = t.DescendAt(hi - 1 - skip)
	}
	for k, v := range seq {
		if !yield(k, v) {
			return
		}
		if n--; n == 0 {
			return
		}
	}
}

func noRows(func(string, *Row) bool) {}

// Scan implements [Reader].
func (v *view) Scan(model uint32, r Range) iter.Seq2[string, *Row] {
	t := v.table(model)
	if t == nil {
		return noRows
	}
	rows := t.rows.Clone()
	return func(yield func(string, *Row) bool) { scan(&rows, r, yield) }
}

// ScanIndex implements [Reader].
func (v *view) ScanIndex(model, index uint32, r Range) iter.Seq2[string, *Row] {
	t := v.table(model)
	if t == nil {
		return noRows
	}
	tree, rows := t.mustIndex(index).tree.Clone(), t.rows.Clone()
	return func(yield func(string, *Row) bool) {
		scan(&tree, r, func(entry string, n uint32) bool {
			key := primaryOf(entry, n)
			row, _ := rows.Get(key)
			return yield(key, row)
		})
	}
}

// CountIndex implements [Reader].
func (v *view) CountIndex(model, index uint32, r Range) int {
	t := v.table(model)
	if t == nil {
		return 0
	}
	lo, hi := span(&t.mustIndex(index).tree, r)
	return max(hi-lo-max(r.Skip, 0), 0)
}

// Count implements [Reader].
func (v *view) Count(model uint32, r Range) int {
	t := v.table(model)
	if t == nil {
		return 0
	}
	lo, hi := span(&t.rows, r)
	return max(hi-lo-max(r.Skip, 0), 0)
}
