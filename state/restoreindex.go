package state

import (
	"errors"
	"sort"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/state/btree"
)

// joinIndexes builds the indexes in their stored order, which costs no sorting; one that
// has none in the snapshot is built from the rows.
func (s *restorer) joinIndexes(t *table, rows, orders []snapshotBlock) error {
	if err := s.each(orders, func(*snapshotBlock) bool { return true }, func(b *snapshotBlock, w *restoreWorker) (err error) {
		if b.kind != blockOrder {
			return s.corrupt(b.off, "a block of kind %d is out of place", b.kind)
		}
		for i := range t.indexes {
			if t.indexes[i].def.Number == b.field {
				return s.readOrder(b, w, t, i, rows)
			}
		}
		w.block, err = s.load(b, w.block) // of an index that this code does not keep
		return err
	}); err != nil {
		return err
	}
	for i := range t.indexes {
		if err := s.joinIndex(t, i, rows, orders); err != nil {
			return err
		}
	}
	return nil
}

func (s *restorer) joinIndex(t *table, i int, rows, orders []snapshotBlock) error {
	x := &t.indexes[i]
	want, total := 0, 0
	for j := range rows {
		for _, in := range rows[j].values[i].in {
			if in {
				want++
			}
		}
	}
	var parts []*btree.Builder[uint32]
	last := ""
	for j := range orders {
		b := &orders[j]
		if b.field != x.def.Number {
			continue
		}
		if b.first != total {
			return s.corrupt(b.off, "an order from rank %d on, %d is due", b.first, total)
		}
		if x.def.Unique && total > 0 && b.front == last {
			return s.corrupt(b.off, "%v", errNotUnique)
		}
		total += b.count
		parts, last = append(parts, &b.order), b.back
	}
	if len(parts) == 0 && want > 0 {
		return x.build(t.columns, &t.rows)
	}
	tree, err := btree.Join(parts...)
	if err != nil || total != want {
		return s.corrupt(0, "the order of field %s of model %s is not that of its %d values (%d, %v)", t.schema.IndexName(x.def), t.schema.Model, want, total, err)
	}
	x.tree = tree
	return nil
}

// readOrder reads a part of an index. Entries are made of the records, never read, so an
// order that is wrong shows: entries must ascend, and be as many as there are records.
func (s *restorer) readOrder(b *snapshotBlock, w *restoreWorker, t *table, i int, rows []snapshotBlock) (err error) {
	if w.block, err = s.load(b, w.block); err != nil {
		return err
	}
	r := binenc.NewReader(w.block[blockHead:])
	if err := s.listHead(b, &r); err != nil {
		return err
	}
	rank, unique := int64(0), t.indexes[i].def.Unique
	group := make([]string, 0, leafRows) // primary keys
	w.keys, w.ends = w.keys[:0], w.ends[:0]
	for range b.count {
		rank += r.Varint()
		row := sort.Search(len(rows), func(j int) bool { return int64(rows[j].first+rows[j].count) > rank })
		if r.Err() != nil || rank < 0 || row == len(rows) {
			return s.corrupt(b.off, "rank %d is none of a record", rank)
		}
		at, from := int(rank)-rows[row].first, &rows[row]
		if !from.values[i].in[at] {
			return s.corrupt(b.off, "a record stands in an index it has no value for")
		}
		w.keys = append(append(w.keys, from.values[i].of(at)...), from.keys[at]...)
		w.ends, group = append(w.ends, len(w.keys)), append(group, from.keys[at])
		if len(group) == leafRows {
			if err := b.entries(w, group, unique); err != nil {
				return s.corrupt(b.off, "%v", err)
			}
			group = group[:0]
		}
	}
	if err := b.entries(w, group, unique); err != nil {
		return s.corrupt(b.off, "%v", err)
	}
	if r.Len() > 0 || r.Err() != nil {
		return s.corrupt(b.off, "the order does not fill its block")
	}
	return nil
}

var errNotUnique = errors.New("two records have one value in a unique index")

// entries appends a group of index entries, which share an allocation.
func (b *snapshotBlock) entries(w *restoreWorker, group []string, unique bool) error {
	all := string(w.keys)
	for j, key := range group {
		entry := all[start(w.ends, j):w.ends[j]]
		value := entry[:len(entry)-len(key)]
		if b.back == "" { // no value has an empty encoding
			b.front = value
		} else if unique && value == b.back {
			return errNotUnique
		}
		b.back = value
		if err := b.order.Append(entry, uint32(len(key))); err != nil {
			return err
		}
	}
	w.keys, w.ends = w.keys[:0], w.ends[:0]
	return nil
}
