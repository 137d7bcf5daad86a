package state

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state/btree"
)

// index orders the records by one field. Its keys are the field's key encoding, in a
// unique index alone, otherwise followed by the primary key; its values are primary
// keys, sharing the memory of the key where they are part of it.
type index struct {
	field  *model.SchemaField
	unique bool
	tree   btree.Tree[string]
}

// indexed says that a field has an index.
func indexed(f *model.SchemaField) bool {
	return !f.Dropped && !f.Primary && (f.Unique || f.Indexed || f.FK != "")
}

// indexesOf returns a schema's indexes, empty, in ascending order of field numbers.
func indexesOf(s *model.Schema) (list []index) {
	for i := range s.Fields {
		if f := &s.Fields[i]; indexed(f) {
			list = append(list, index{field: f, unique: f.Unique})
		}
	}
	slices.SortFunc(list, func(a, b index) int { return cmp.Compare(a.field.Number, b.field.Number) })
	return list
}

// values are what a record has in the indexed fields of its table.
type values struct {
	buf   []byte // key encodings, one behind the other
	parts []part // one per index
}

// part is a place in values.buf. A record that has no part in an index, as an absent
// optional field has none in a unique one, is not in it.
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
func (v *values) read(indexes []index, row *Row) error {
	v.buf, v.parts = v.buf[:0], v.parts[:0]
	if row == nil {
		for range indexes {
			v.parts = append(v.parts, part{})
		}
		return nil
	}
	d := binenc.NewDecoder(row.bytes)
	for {
		number, _, ok := d.Next()
		for ok && len(v.parts) < len(indexes) && indexes[len(v.parts)].field.Number < number {
			if err := v.add(&indexes[len(v.parts)], nil, false); err != nil {
				return err
			}
		}
		switch {
		case !ok:
			for len(v.parts) < len(indexes) && d.Err() == nil {
				if err := v.add(&indexes[len(v.parts)], nil, false); err != nil {
					return err
				}
			}
			return d.Err()
		case len(v.parts) == len(indexes) || indexes[len(v.parts)].field.Number != number:
			continue
		}
		raw := d.Payload()
		if err := d.Err(); err != nil {
			return err
		}
		if err := v.add(&indexes[len(v.parts)], raw, true); err != nil {
			return err
		}
	}
}

// add appends the value of the next index.
func (v *values) add(x *index, raw []byte, present bool) error {
	if !present && x.field.Type.Optional && x.unique {
		v.parts = append(v.parts, part{})
		return nil
	}
	from := len(v.buf)
	buf, err := binenc.AppendKeyRaw(v.buf, &x.field.Type, raw, present)
	if err != nil {
		return fmt.Errorf("field %s: %w", x.field.Name, err)
	}
	v.buf = buf
	v.parts = append(v.parts, part{from, len(buf), true})
	return nil
}

// add puts the record of key into the index, by its value.
func (x *index) add(value []byte, key string) {
	if x.unique {
		x.tree.Set(string(value), key)
		return
	}
	whole := make([]byte, 0, len(value)+len(key))
	entry := string(append(append(whole, value...), key...))
	x.tree.Set(entry, entry[len(value):])
}

// remove takes the record of key out of the index. value may be appended to.
func (x *index) remove(value []byte, key string) {
	if x.unique {
		x.tree.Delete(string(value))
		return
	}
	x.tree.Delete(string(append(value[:len(value):len(value)], key...)))
}

// build fills an empty index from the rows of a table, in the order of the index, so
// that its nodes are packed.
func (x *index) build(rows *btree.Tree[*Row]) error {
	type entry struct{ whole, key string }
	entries := make([]entry, 0, rows.Len())
	one := []index{*x}
	var v values
	for key, row := range rows.Ascend("") {
		if err := v.read(one, row); err != nil {
			return fmt.Errorf("record %x: %w", key, err)
		}
		if !v.parts[0].in {
			continue
		}
		if x.unique {
			entries = append(entries, entry{string(v.of(0)), key})
			continue
		}
		whole := string(append(v.of(0), key...))
		entries = append(entries, entry{whole, whole[len(whole)-len(key):]})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.whole, b.whole) })
	for _, e := range entries {
		if other, taken := x.tree.Set(e.whole, e.key); taken {
			return &DuplicateError{Field: x.field.Name, A: other, B: e.key}
		}
	}
	return nil
}
