package state

import (
	"fmt"
	"iter"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state/btree"
)

// table is one model's records and indexes.
type table struct {
	schema  *model.Schema
	rows    btree.Tree[*Row]
	indexes []index
	bytes   int64 // of keys and records
}

// index orders the records by one field. Its keys are the field's key encoding, in a
// unique index alone, otherwise followed by the primary key; its values are primary
// keys.
type index struct {
	field  *model.SchemaField
	unique bool
	tree   btree.Tree[string]
}

// clone returns a version of t that can be changed without t noticing.
func (t *table) clone() *table {
	c := &table{schema: t.schema, rows: t.rows.Clone(), bytes: t.bytes, indexes: make([]index, len(t.indexes))}
	for i := range t.indexes {
		x := &t.indexes[i]
		c.indexes[i] = index{x.field, x.unique, x.tree.Clone()}
	}
	return c
}

func (t *table) index(field uint32) *index {
	for i := range t.indexes {
		if t.indexes[i].field.Number == field {
			return &t.indexes[i]
		}
	}
	return nil
}

// indexed says that a field has an index.
func indexed(f *model.SchemaField) bool {
	return !f.Dropped && !f.Primary && (f.Unique || f.Indexed || f.FK != "")
}

// value returns the key encoding of the index's field in a record, appended to buf; ok
// is false when the record is not in the index.
func (x *index) value(buf, rec []byte) (key []byte, ok bool, err error) {
	raw, _, present := binenc.Lookup(rec, x.field.Number)
	if !present && x.field.Type.Optional && x.unique {
		return buf, false, nil
	}
	key, err = binenc.AppendKeyRaw(buf, &x.field.Type, raw, present)
	return key, true, err
}

// set replaces old by new (nil: absent) for key, in rows and indexes. On an error
// nothing is changed.
func (t *table) set(key string, old, new *Row) error {
	for i := range t.indexes {
		if err := t.indexes[i].change(key, old, new); err != nil {
			for j := i - 1; j >= 0; j-- {
				if undo := t.indexes[j].change(key, new, old); undo != nil {
					panic("state: an index change cannot be undone: " + undo.Error())
				}
			}
			return err
		}
	}
	if old != nil {
		t.bytes -= int64(len(key) + len(old.bytes))
	}
	if new == nil {
		t.rows.Delete(key)
		return nil
	}
	t.bytes += int64(len(key) + len(new.bytes))
	t.rows.Set(key, new)
	return nil
}

func (x *index) change(key string, old, new *Row) error {
	var a, b []byte
	var inOld, inNew bool
	var err error
	if old != nil {
		if a, inOld, err = x.value(nil, old.bytes); err != nil {
			return err
		}
	}
	if new != nil {
		if b, inNew, err = x.value(nil, new.bytes); err != nil {
			return err
		}
	}
	if inOld && inNew && string(a) == string(b) {
		return nil
	}
	if inNew && x.unique {
		if holder, taken := x.tree.Get(string(b)); taken && holder != key {
			return fmt.Errorf("field %s is unique and its value is taken", x.field.Name)
		}
	}
	if inOld {
		if !x.unique {
			a = append(a, key...)
		}
		x.tree.Delete(string(a))
	}
	if inNew {
		if x.unique {
			x.tree.Set(string(b), key)
			return nil
		}
		n := len(b)
		whole := string(append(b, key...))
		x.tree.Set(whole, whole[n:])
	}
	return nil
}

// redeclare gives the table a new schema: indexes that are new are built, those gone
// are dropped.
func (t *table) redeclare(s *model.Schema) error {
	var next []index
	for i := range s.Fields {
		f := &s.Fields[i]
		if !indexed(f) {
			continue
		}
		if have := t.index(f.Number); have != nil && have.unique == f.Unique {
			next = append(next, index{f, f.Unique, have.tree})
			continue
		}
		x := index{field: f, unique: f.Unique}
		for key, row := range t.rows.Ascend("") {
			if err := x.change(key, nil, row); err != nil {
				return fmt.Errorf("building the index: %w", err)
			}
		}
		next = append(next, x)
	}
	t.schema, t.indexes = s, next
	return nil
}

// Range is a part of an order. From is inclusive, To exclusive, empty means open. Skip
// entries are passed over first, in the direction of the scan, in O(log n).
type Range struct {
	From, To string
	Reverse  bool
	Skip     int
}

// span returns the ranks a range covers.
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
func scan[V any](t btree.Tree[V], r Range, yield func(string, V) bool) {
	lo, hi := span(&t, r)
	n := hi - lo - r.Skip
	if n <= 0 {
		return
	}
	seq := t.AscendAt(lo + r.Skip)
	if r.Reverse {
		seq = t.DescendAt(hi - 1 - r.Skip)
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

func (t *table) scan(r Range) iter.Seq2[string, *Row] {
	rows := t.rows.Clone()
	return func(yield func(string, *Row) bool) { scan(rows, r, yield) }
}

// mustIndex returns the index on a field.
func (t *table) mustIndex(field uint32) *index {
	x := t.index(field)
	if x == nil {
		panic(fmt.Sprintf("state: model %s has no index on field %d", t.schema.Model, field))
	}
	return x
}

func (t *table) scanIndex(field uint32, r Range) iter.Seq2[string, *Row] {
	tree, rows := t.mustIndex(field).tree.Clone(), t.rows.Clone()
	return func(yield func(string, *Row) bool) {
		scan(tree, r, func(_, key string) bool {
			row, _ := rows.Get(key)
			return yield(key, row)
		})
	}
}
