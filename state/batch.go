package state

import (
	"fmt"
	"iter"
	"slices"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// Batch is a state under construction: reads see what was applied, nothing is visible
// elsewhere until Seal. It is not safe for concurrent use.
type Batch struct {
	view
	owned []bool // tables that are the batch's own
	undo  []undo
	hash1 []byte // scratch for rowSum
}

// undo takes one event back.
type undo struct {
	model    uint32
	key      string
	old, new *Row
	tables   []*table // of a schema event: everything as it was
	hash     sum
}

// Mark is a point a batch can be rolled back to.
type Mark int

// Begin starts a batch on r, which stays as it is.
func (r *Root) Begin() *Batch {
	b := &Batch{view: r.view, owned: make([]bool, len(r.tables))}
	b.tables = slices.Clone(r.tables)
	return b
}

// own returns a table that the batch may change.
func (b *Batch) own(number uint32) *table {
	t := b.table(number)
	if t != nil && !b.owned[number] {
		t = t.clone()
		b.tables[number], b.owned[number] = t, true
	}
	return t
}

// Apply applies one event of the transaction seq. A *[FactError] says that the event
// cannot be true here; the batch is then as before. ev.Fields and ev.Key belong to the
// state from then on.
func (b *Batch) Apply(seq uint64, ev Event) error {
	bad := func(reason string) error { return &FactError{seq, ev, reason} }
	t := b.own(ev.Model)
	if t == nil {
		return bad("no such model is declared")
	}
	old, _ := t.rows.Get(ev.Key)
	var rec []byte
	switch ev.Kind {
	case Created:
		if old != nil {
			return bad("the record exists already")
		}
		rec = ev.Fields
	case Updated, Deleted:
		if old == nil {
			return bad("there is no such record")
		}
		if ev.Kind == Updated {
			var err error
			if rec, err = binenc.Merge(make([]byte, 0, len(old.bytes)+len(ev.Fields)), old.bytes, ev.Fields, ev.Cleared); err != nil {
				return bad(err.Error())
			}
		}
	default:
		return bad("the kind of event is unknown")
	}
	var row *Row
	if ev.Kind != Deleted {
		row = &Row{bytes: rec, seq: seq}
	}
	u := undo{model: ev.Model, key: ev.Key, old: old, new: row, hash: b.hash}
	if ev.Model == SchemaModel {
		u.tables = b.freeze()
		if err := b.declare(row); err != nil {
			b.thaw(u.tables)
			return bad(err.Error())
		}
		t = b.own(SchemaModel)
	}
	if err := t.set(ev.Key, old, row); err != nil {
		return bad(err.Error())
	}
	b.rehash(u)
	b.undo = append(b.undo, u)
	return nil
}

func (b *Batch) rehash(u undo) {
	var s sum
	if u.old != nil {
		s, b.hash1 = rowSum(b.hash1, u.model, u.key, u.old.bytes)
		b.hash = b.hash.minus(s)
	}
	if u.new != nil {
		s, b.hash1 = rowSum(b.hash1, u.model, u.key, u.new.bytes)
		b.hash = b.hash.plus(s)
	}
}

// freeze returns all tables as they are; changes from here on are made on copies.
func (b *Batch) freeze() []*table {
	frozen := slices.Clone(b.tables)
	clear(b.owned)
	return frozen
}

func (b *Batch) thaw(tables []*table) {
	b.tables = tables
	b.owned = make([]bool, len(tables))
}

// declare makes a schema's table, or changes it.
func (b *Batch) declare(row *Row) error {
	if row == nil {
		return fmt.Errorf("a declaration cannot be deleted")
	}
	s, err := model.ParseSchema(row.bytes)
	if err != nil {
		return err
	}
	if s.Number == SchemaModel || s.Number > 1<<16 {
		return fmt.Errorf("model number %d is out of range", s.Number)
	}
	for int(s.Number) >= len(b.tables) {
		b.tables, b.owned = append(slices.Clip(b.tables), nil), append(b.owned, false)
	}
	t := b.own(s.Number)
	if t == nil {
		t = &table{schema: s}
		b.tables[s.Number], b.owned[s.Number] = t, true
	} else if t.schema.Model != s.Model {
		return fmt.Errorf("model number %d belongs to %s, not to %s", s.Number, t.schema.Model, s.Model)
	}
	return t.redeclare(s)
}

// Mark returns a point to roll back to.
func (b *Batch) Mark() Mark { return Mark(len(b.undo)) }

// Rollback takes back every event applied since m.
func (b *Batch) Rollback(m Mark) {
	for len(b.undo) > int(m) {
		u := b.undo[len(b.undo)-1]
		b.undo = b.undo[:len(b.undo)-1]
		if u.tables != nil {
			b.thaw(u.tables)
		} else if err := b.own(u.model).set(u.key, u.new, u.old); err != nil {
			panic("state: an event cannot be taken back: " + err.Error())
		}
		b.hash = u.hash
	}
}

// Seal ends the batch and returns it as a root. The batch must not be used afterwards.
func (b *Batch) Seal(seq uint64, time int64) *Root {
	r := &Root{b.view}
	r.seq, r.time = seq, time
	r.tables = make([]*table, len(b.tables))
	for i, t := range b.tables {
		if r.tables[i] = t; t != nil && b.owned[i] {
			r.tables[i] = t.clone() // no tree of a root has an owner
		}
	}
	b.tables, b.undo = nil, nil
	return r
}

// Scan implements [Reader]. Events applied while it runs are not seen by it.
func (b *Batch) Scan(model uint32, r Range) iter.Seq2[string, *Row] {
	t := b.table(model)
	if t == nil {
		return func(func(string, *Row) bool) {}
	}
	return t.scan(r)
}

// ScanIndex implements [Reader]. Events applied while it runs are not seen by it.
func (b *Batch) ScanIndex(model, field uint32, r Range) iter.Seq2[string, *Row] {
	t := b.table(model)
	if t == nil {
		return func(func(string, *Row) bool) {}
	}
	return t.scanIndex(field, r)
}
