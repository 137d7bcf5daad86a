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
	indexes []index              // in ascending order of numbers
	columns []*model.SchemaField // that the indexes are made of, in ascending order
	bytes   int64                // of keys and records
	hash    sum                  // of all records

	unhashed bool // a local model's, or that of keys: hash stays zero
}

// clone returns a version of t that can be changed without t noticing.
func (t *table) clone() *table {
	c := *t
	c.rows = t.rows.Clone()
	c.indexes = make([]index, len(t.indexes))
	for i := range t.indexes {
		x := &t.indexes[i]
		c.indexes[i] = index{x.def, x.at, x.where, x.tree.Clone()}
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

// index returns the index of that number; nil when there is none.
func (t *table) index(number uint32) *index {
	for i := range t.indexes {
		if t.indexes[i].def.Number == number {
			return &t.indexes[i]
		}
	}
	return nil
}

// mustIndex returns the index of that number.
func (t *table) mustIndex(number uint32) *index {
	x := t.index(number)
	if x == nil {
		panic(fmt.Sprintf("state: model %s has no index %d", t.schema.Model, number))
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
	if err := s.old.read(t, old); err != nil {
		return err
	}
	if err := s.new.read(t, new); err != nil {
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
			inEntry := t.indexes[i].add(s.new.of(i), key)
			if old == nil { // a new record's key needs no memory of its own
				key = inEntry
			}
		}
	}
	if old != nil {
		t.bytes -= int64(len(key) + len(old.Bytes()))
		if !t.unhashed {
			t.hash = t.hash.minus(t.rowSum(key, old, s))
		}
	}
	if new == nil {
		t.rows.Delete(key)
		return nil
	}
	t.bytes += int64(len(key) + len(new.Bytes()))
	if !t.unhashed {
		t.hash = t.hash.plus(t.rowSum(key, new, s))
	}
	t.rows.Set(key, new)
	return nil
}

// rowSum is what a record adds to the hash.
func (t *table) rowSum(key string, row *Row, s *scratch) (h sum) {
	h, s.hash = rowSum(s.hash, t.schema.Number, key, row.Bytes())
	return h
}

func (t *table) checkUnique(key string, old, new *values) error {
	for i := range t.indexes {
		x := &t.indexes[i]
		if !x.def.Unique || !new.parts[i].in || old.same(new, i) {
			continue
		}
		if holder, taken := x.holder(string(new.of(i))); taken && holder != key {
			return fmt.Errorf("field %s is unique and record %x has its value", t.schema.IndexName(x.def), holder)
		}
	}
	return nil
}

// redeclare gives the table a new schema: indexes that are new, or one of whose fields
// has changed its type, are built, those gone are dropped.
func (t *table) redeclare(s *model.Schema) error {
	next, columns := indexesOf(s)
	for i := range next {
		x := &next[i]
		if have := t.index(x.def.Number); have != nil && have.def.Same(x.def) && t.sameTypes(x, columns) {
			x.tree = have.tree
			continue
		}
		if err := x.build(columns, &t.rows); err != nil {
			if e, ok := err.(*DuplicateError); ok {
				e.Model, e.Field, e.A, e.B = s.Model, s.IndexName(x.def), s.KeyText(e.A), s.KeyText(e.B)
			}
			return err
		}
	}
	t.schema, t.indexes, t.columns = s, next, columns
	return nil
}

// sameTypes says that the columns of an index have the types they had.
func (t *table) sameTypes(x *index, columns []*model.SchemaField) bool {
	for _, list := range [][]int{x.at, x.where} {
		for _, at := range list {
			if was := t.schema.ByNumber(columns[at].Number); was == nil || !was.Type.Equal(&columns[at].Type) {
				return false
			}
		}
	}
	return true
}
