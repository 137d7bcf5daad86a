package state

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state/btree"
)

// index orders the records by the values of its fields. Its keys are their key encodings,
// followed by the primary key; its values say how long that is.
type index struct {
	def   *model.Index
	at    []int // places of its fields among the columns of the table
	where []int // and of those of its conditions
	tree  btree.Tree[uint32]
}

// indexesOf returns a schema's indexes, empty, in ascending order of numbers, and the
// fields they are made of, in ascending order of theirs.
func indexesOf(s *model.Schema) (list []index, columns []*model.SchemaField) {
	defs := s.AllIndexes()
	used := map[uint32]int{}
	for i := range defs {
		for _, n := range defs[i].Fields {
			used[n] = 0
		}
		for _, c := range defs[i].Where {
			used[c.Field] = 0
		}
	}
	for i := range s.Fields {
		if _, is := used[s.Fields[i].Number]; is {
			columns = append(columns, &s.Fields[i])
		}
	}
	slices.SortFunc(columns, func(a, b *model.SchemaField) int { return cmp.Compare(a.Number, b.Number) })
	for i, f := range columns {
		used[f.Number] = i
	}
	for i := range defs {
		x := index{def: &defs[i]}
		for _, n := range x.def.Fields {
			x.at = append(x.at, used[n])
		}
		for _, c := range x.def.Where {
			x.where = append(x.where, used[c.Field])
		}
		list = append(list, x)
	}
	return list, columns
}

// values are what a record has in the columns of its table, and in its indexes.
type values struct {
	buf     []byte // key encodings, one behind the other
	columns []part // one per column; in says that there is a value
	parts   []part // one per index
}

// part is a place in values.buf. A record that has no part in an index, as one with an
// absent optional field has none in a unique one, is not in it.
type part struct {
	from, to int
	in       bool
}

func (v *values) of(i int) []byte { return v.buf[v.parts[i].from:v.parts[i].to] }

// same says that two records have one value, or none, in index i.
func (v *values) same(w *values, i int) bool {
	return v.parts[i].in == w.parts[i].in && string(v.of(i)) == string(w.of(i))
}

// read fills v from a record in one pass, which also checks that the record is a message
// with ascending numbers to its end. A nil row is in no index.
func (v *values) read(t *table, row *Row) error {
	v.buf, v.columns, v.parts = v.buf[:0], v.columns[:0], v.parts[:0]
	if row == nil {
		for range t.indexes {
			v.parts = append(v.parts, part{})
		}
		return nil
	}
	if err := v.readColumns(t.columns, row); err != nil {
		return err
	}
	for i := range t.indexes {
		v.parts = append(v.parts, v.join(&t.indexes[i], t.columns))
	}
	return nil
}

func (v *values) readColumns(columns []*model.SchemaField, row *Row) error {
	d := binenc.NewDecoder(row.Bytes())
	for {
		number, _, ok := d.Next()
		for ok && len(v.columns) < len(columns) && columns[len(v.columns)].Number < number {
			if err := v.add(columns[len(v.columns)], nil, false); err != nil {
				return err
			}
		}
		switch {
		case !ok:
			for len(v.columns) < len(columns) && d.Err() == nil {
				if err := v.add(columns[len(v.columns)], nil, false); err != nil {
					return err
				}
			}
			return d.Err()
		case len(v.columns) == len(columns) || columns[len(v.columns)].Number != number:
			continue
		}
		raw := d.Payload()
		if err := d.Err(); err != nil {
			return err
		}
		if err := v.add(columns[len(v.columns)], raw, true); err != nil {
			return err
		}
	}
}

// add appends the value of the next column.
func (v *values) add(f *model.SchemaField, raw []byte, present bool) error {
	from := len(v.buf)
	buf, err := binenc.AppendKeyRaw(v.buf, &f.Type, raw, present)
	if err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	v.buf = buf
	v.columns = append(v.columns, part{from, len(buf), present || !f.Type.Optional})
	return nil
}

// join makes the record's part in an index of its columns. That of one column is where
// the column is; others are put together behind them.
func (v *values) join(x *index, columns []*model.SchemaField) part {
	for i, at := range x.where {
		c := v.columns[at]
		if !x.def.Where[i].Holds(v.buf[c.from:c.to]) {
			return part{}
		}
	}
	if x.def.Unique {
		for _, at := range x.at {
			if !v.columns[at].in {
				return part{}
			}
		}
	}
	if len(x.at) == 1 {
		c := v.columns[x.at[0]]
		return part{c.from, c.to, true}
	}
	from := len(v.buf)
	for _, at := range x.at {
		c := v.columns[at]
		v.buf = append(v.buf, v.buf[c.from:c.to]...)
	}
	return part{from, len(v.buf), true}
}

// primaryOf returns the primary key at the end of an entry.
func primaryOf(entry string, n uint32) string { return entry[len(entry)-int(n):] }

// holder returns the primary key of the first record with that value.
func (x *index) holder(value string) (key string, ok bool) {
	entry, n, ok := x.tree.Ceiling(value)
	if !ok || len(entry)-int(n) != len(value) || entry[:len(value)] != value {
		return "", false
	}
	return primaryOf(entry, n), true
}

// add puts the record of key into the index, by its value. It returns the key as it stands in
// the entry.
func (x *index) add(value []byte, key string) string {
	entry := make([]byte, 0, 64) // on the stack, as a rule
	whole := string(append(append(entry, value...), key...))
	x.tree.Set(whole, uint32(len(key)))
	return primaryOf(whole, uint32(len(key)))
}

// remove takes the record of key out of the index. value may be appended to.
func (x *index) remove(value []byte, key string) {
	x.tree.Delete(string(append(value[:len(value):len(value)], key...)))
}

// build fills an empty index from the rows of a table with those columns, in the order of
// the index, so that its nodes are packed.
func (x *index) build(columns []*model.SchemaField, rows *btree.Tree[*Row]) error {
	type entry struct {
		whole string
		n     uint32
	}
	entries := make([]entry, 0, rows.Len())
	one := table{indexes: []index{*x}, columns: columns}
	var v values
	var buf []byte
	for key, row := range rows.Ascend("") {
		if err := v.read(&one, row); err != nil {
			return fmt.Errorf("record %x: %w", key, err)
		}
		if v.parts[0].in {
			buf = append(append(buf[:0], v.of(0)...), key...)
			entries = append(entries, entry{string(buf), uint32(len(key))})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.whole, b.whole) })
	for i, e := range entries {
		if i > 0 && x.def.Unique {
			before := entries[i-1]
			if value := e.whole[:len(e.whole)-int(e.n)]; value == before.whole[:len(before.whole)-int(before.n)] {
				return &DuplicateError{A: primaryOf(before.whole, before.n), B: primaryOf(e.whole, e.n)}
			}
		}
		x.tree.Set(e.whole, e.n)
	}
	return nil
}
