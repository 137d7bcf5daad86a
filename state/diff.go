package state

import (
	"iter"

	"github.com/lithair/lithair-go/state/btree"
)

// Change is a record by which two roots differ.
type Change struct {
	Model    uint32
	Key      string
	Old, New *Row // nil where there is none
}

// Diff iterates over the records by which two roots differ, by model number, then by
// primary key. Records with the same bytes do not differ, whatever their sequences. The
// roots need not be of one line of descent; where they are, the cost follows the change.
func Diff(old, new *Root) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for number := range max(len(old.tables), len(new.tables)) {
			model := uint32(number)
			for c := range btree.Diff(old.rows(model), new.rows(model), sameRow) {
				if !yield(Change{model, c.Key, c.Old, c.New}) {
					return
				}
			}
		}
	}
}

// rows returns a model's records; none when there is no such model.
func (v *view) rows(model uint32) *btree.Tree[*Row] {
	if t := v.table(model); t != nil {
		return &t.rows
	}
	return &btree.Tree[*Row]{}
}

func sameRow(a, b *Row) bool { return a == b || string(a.Bytes()) == string(b.Bytes()) }
