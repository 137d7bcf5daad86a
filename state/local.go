package state

import (
	"slices"

	"github.com/lithair/lithair-go/model"
)

// LocalModel is the least number of a local model: one whose records live in this process
// alone. They can be read and changed as others, in the same batches, and stand in roots
// beside them; but they are no part of hash, snapshot and Diff, and the sequence of a row
// is a count of its own.
const LocalModel uint32 = 1 << 31

// WithLocal returns r with local models, by number from [LocalModel] on without gaps, in
// place of those it has; their records are empty. Versions of rows count from first, so
// that those of one process are not those of another.
func (r *Root) WithLocal(schemas []*model.Schema, first uint64) *Root {
	c := &Root{r.view}
	c.changes, c.local = first, nil
	for _, s := range schemas {
		t := &table{schema: s, unhashed: true}
		t.indexes, t.columns = indexesOf(s)
		c.local = append(c.local, t)
	}
	return c
}

// KeepLocal returns r with the local models and records of other.
func (r *Root) KeepLocal(other *Root) *Root {
	c := &Root{r.view}
	c.changes, c.local = other.changes, other.local
	return c
}

// localTable returns the table of a local model; nil when there is none.
func (v *view) localTable(number uint32) *table {
	if number >= LocalModel && uint64(number-LocalModel) < uint64(len(v.local)) {
		return v.local[number-LocalModel]
	}
	return nil
}

// ownLocal is own for a local model.
func (b *Batch) ownLocal(number uint32) *table {
	t := b.localTable(number)
	if t == nil {
		return nil
	}
	if b.ownedLocal == nil {
		b.local, b.ownedLocal = slices.Clone(b.local), make([]bool, len(b.local))
	}
	if i := number - LocalModel; !b.ownedLocal[i] {
		t = t.clone()
		b.local[i], b.ownedLocal[i] = t, true
	}
	return t
}

// freezeLocal makes the local tables fit to be shared.
func (b *Batch) freezeLocal() {
	for i, mine := range b.ownedLocal {
		if mine {
			b.local[i].freeze()
		}
	}
	b.ownedLocal = nil
}
