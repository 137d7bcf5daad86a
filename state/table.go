package state

import (
	"fmt"

	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state/btree"
)

// table is one model's records and indexes.
type table struct {
	schema  *model.Schema
	rows    btree.Tree[*Row]
	indexes []index // in ascending order of field numbers
	bytes   int64   // of keys and records
	hash    sum     // of all records
}

// clone returns a version of t that can be changed without t noticing.
func (t *table) clone() *table {
	c := *t
	c.rows = t.rows.Clone()
	c.indexes = make([]index, len(t.indexes))
	for i := range t.indexes {
		x := &t.indexes[i]
		c.indexes[i] = index{x.field, x.unique, x.tree.Clone()}
	}
	return &c
}

// freeze makes t fit to be shared: nothing that reads or clones it writes to it.
func (t *table) freeze() {
	t.rows.Freeze()
	for i := range t.indexes {
		t.indexes[i].tree.Freeze()
	}
}

// index returns the index on a field; nil when there is none.
func (t *table) index(field uint32) *index {
	for i := range t.indexes {
		if t.indexes[i].field.Number == field {
			return &t.indexes[i]
		}
	}
	return nil
}

// mustIndex returns the index on a field.
func (t *table) mustIndex(field uint32) *index {
	x := t.index(field)
	if x == nil {
		panic(fmt.Sprintf("state: model %s has no index on field %d", t.schema.Model, field))
	}
	return x
}

// scratch is memory that a batch uses again for each event.
type scratch struct {
	old, new values
	hash     []byte
	merge    []byte
}

// set replaces old by new (nil: absent) for key, in rows, indexes, counts and hash. All
// that can fail is done first: on an error nothing is changed.
func (t *table) set(key string, old, new *Row, s *scratch) error {
	if err := s.old.read(t.indexes, old); err != nil {
		return err
	}
	if err := s.new.read(t.indexes, new); err != nil {
		return err
	}
	if err := t.checkUnique(key, &s.old, &s.new); err != nil {
		return err
	}
	for i := range t.indexes {
		if s.old.same(&s.new, i) {
			continue
		}
		if s.old.parts[i].in {
			t.indexes[i].remove(s.old.of(i), key)
		}
		if s.new.parts[i].in {
			t.indexes[i].add(s.new.of(i), key)
		}
	}
	if old != nil {
		t.bytes -= int64(len(key) + len(old.bytes))
		t.hash = t.hash.minus(t.rowSum(key, old, s))
	}
	if new == nil {
		t.rows.Delete(key)
		return nil
	}
	t.bytes += int64(len(key) + len(new.bytes))
	t.hash = t.hash.plus(t.rowSum(key, new, s))
	t.rows.Set(key, new)
	return nil
}

// rowSum is what a record adds to the hash.
func (t *table) rowSum(key string, row *Row, s *scratch) (h sum) {
	h, s.hash = rowSum(s.hash, t.schema.Number, key, row.bytes)
	return h
}

func (t *table) checkUnique(key string, old, new *values) error {
	for i := range t.indexes {
		x := &t.indexes[i]
		if !x.unique || !new.parts[i].in || old.same(new, i) {
			continue
		}
		if holder, taken := x.tree.Get(string(new.of(i))); taken && holder != key {
			return fmt.Errorf("field %s is unique and record %x has its value", x.field.Name, holder)
		}
	}
	return nil
}

// redeclare gives the table a new schema: indexes that are new, or whose field has
// changed its type, are built, those gone are dropped.
func (t *table) redeclare(s *model.Schema) error {
	next := indexesOf(s)
	for i := range next {
		x := &next[i]
		if have := t.index(x.field.Number); have != nil && have.unique == x.unique && have.field.Type.Equal(&x.field.Type) {
			x.tree = have.tree
			continue
		}
		if err := x.build(&t.rows); err != nil {
			if e, ok := err.(*DuplicateError); ok {
				e.Model, e.A, e.B = s.Model, s.KeyText(e.A), s.KeyText(e.B)
			}
			return err
		}
	}
	t.schema, t.indexes = s, next
	return nil
}
