package state

import (
	"slices"

	"github.com/lithair/lithair-go/binenc"
)

// Batch is a state under construction: reads see what was applied, nothing is visible
// elsewhere until Seal. It is not safe for concurrent use. Scans see the state as it was
// when they began, also while events are applied.
type Batch struct {
	view
	owned      []bool // tables that are the batch's own
	ownedKeys  bool   // the same for that of keys
	ownedLocal []bool // the same for local ones; nil when none is
	undo       []undo
	frozen     [][]*table // per event in undo on SchemaModel: all tables before it
	scratch    scratch
	last       lookup
}

// lookup is what a Get has found: mostly the record that an event is about next.
type lookup struct {
	model uint32
	key   string
	row   *Row // nil: nothing is remembered
}

// undo takes one event back.
type undo struct {
	model    uint32
	key      string
	old, new *Row
}

// Mark is a point a batch can be rolled back to.
type Mark int

// Begin starts a batch on r, which stays as it is. Any number of batches may begin on
// one root, at once too.
func (r *Root) Begin() *Batch {
	b := &Batch{view: r.view, owned: make([]bool, len(r.tables))}
	b.tables = slices.Clone(r.tables)
	return b
}

// Get implements [Reader]. It allocates nothing.
func (b *Batch) Get(model uint32, key string) *Row {
	if b.last.row != nil && b.last.model == model && b.last.key == key {
		return b.last.row
	}
	row := b.view.Get(model, key)
	b.last = lookup{model, key, row}
	return row
}

// own returns a table that the batch may change; nil when there is none.
func (b *Batch) own(number uint32) *table {
	if number >= LocalModel {
		return b.ownLocal(number)
	}
	if number == KeyModel {
		if !b.ownedKeys {
			b.keys, b.ownedKeys = b.keys.clone(), true
		}
		return b.keys
	}
	t := b.table(number)
	if t != nil && !b.owned[number] {
		t = t.clone()
		b.tables[number], b.owned[number] = t, true
	}
	return t
}

// Apply applies one event of the transaction seq. A *[FactError] says that the event
// cannot be true here; the batch is then as before. The state keeps ev.Key, and a copy of
// ev.Fields. A row of a local model has a count of its own in place of seq.
func (b *Batch) Apply(seq uint64, ev Event) error {
	t := b.own(ev.Model)
	if t == nil {
		return &FactError{Seq: seq, Event: ev, Reason: "no such model is declared"}
	}
	old := b.Get(ev.Model, ev.Key)
	b.last = lookup{}
	rec, reason, err := b.outcome(old, &ev)
	if reason != "" || err != nil {
		return &FactError{Seq: seq, Event: ev, Reason: reason, Err: err}
	}
	var row *Row
	if ev.Kind != Deleted || ev.Model == KeyModel {
		if ev.Model >= LocalModel {
			b.changes++
			seq = b.changes
		}
		row = newRow(seq, rec)
	}
	u := undo{model: ev.Model, key: ev.Key, old: old, new: row}
	if ev.Model == SchemaModel {
		before := b.freeze()
		if err := b.declare(ev.Key, old, row); err != nil {
			b.thaw(before)
			return &FactError{Seq: seq, Event: ev, Err: err}
		}
		b.frozen = append(b.frozen, before)
		t = b.own(SchemaModel) // it has no index: set cannot fail
	}
	if err := t.set(ev.Key, old, row, &b.scratch); err != nil {
		return &FactError{Seq: seq, Event: ev, Err: err}
	}
	b.undo = append(b.undo, u)
	return nil
}

// outcome returns the record after an event, in memory that is used again; reason or err
// say why there is none.
func (b *Batch) outcome(old *Row, ev *Event) (rec []byte, reason string, err error) {
	if ev.Model == KeyModel {
		if len(ev.Key) != 16 {
			return nil, "the id of a key does not have 16 bytes", nil
		}
		return keyOutcome([16]byte([]byte(ev.Key)), old, ev), "", nil
	}
	switch ev.Kind {
	case Created:
		if old != nil {
			return nil, "the record exists already", nil
		}
		if len(ev.Cleared) > 0 {
			return nil, "a new record has cleared fields", nil
		}
		return ev.Fields, "", nil
	case Updated:
		if old == nil {
			return nil, "there is no such record", nil
		}
		for i, n := range ev.Cleared {
			if n == 0 || i > 0 && n <= ev.Cleared[i-1] {
				return nil, "the numbers of cleared fields do not ascend", nil
			}
		}
		merged, err := binenc.Merge(b.scratch.merge[:0], old.Bytes(), ev.Fields, ev.Cleared)
		if err != nil {
			return nil, "", err
		}
		b.scratch.merge = merged
		return merged, "", nil
	case Deleted:
		if old == nil {
			return nil, "there is no such record", nil
		}
		return nil, "", nil
	}
	return nil, "the kind of event is unknown", nil
}

// Mark returns a point to roll back to. It stays good until a Rollback to an earlier
// one, a Forget, or Seal.
func (b *Batch) Mark() Mark { return Mark(len(b.undo)) }

// Rollback takes back every event applied since m. The batch is then as it was at m:
// records, indexes, counts, schemas and hash.
func (b *Batch) Rollback(m Mark) {
	b.last = lookup{}
	for len(b.undo) > int(m) {
		u := b.undo[len(b.undo)-1]
		b.undo[len(b.undo)-1] = undo{}
		b.undo = b.undo[:len(b.undo)-1]
		if u.model == SchemaModel {
			last := len(b.frozen) - 1
			b.thaw(b.frozen[last])
			b.frozen = slices.Delete(b.frozen, last, last+1)
		} else if err := b.own(u.model).set(u.key, u.new, u.old, &b.scratch); err != nil {
			panic("state: an event cannot be taken back: " + err.Error())
		}
	}
}

// Forget drops what is needed to take back the events so far: no mark is good any more.
// A long replay calls it now and then, so that replaced records can be freed.
func (b *Batch) Forget() {
	clear(b.undo)
	b.undo, b.frozen = b.undo[:0], nil
}

// Seal ends the batch and returns it as a root of that sequence and time (Unix
// nanoseconds). The batch must not be used afterwards.
func (b *Batch) Seal(seq uint64, time int64) *Root {
	if b.tables == nil {
		panic("state: a batch is sealed twice")
	}
	b.freeze()
	b.freezeLocal()
	if b.ownedKeys {
		b.keys.freeze()
	}
	r := &Root{view{seq: seq, time: time, tables: b.tables, keys: b.keys, local: b.local, changes: b.changes}}
	*b = Batch{}
	return r
}
