package engine

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Insert adds the record ptr, a *T, points to. A zero primary key of type ID is made
// here; created and updated times are set when they are zero. *ptr then holds what was
// stored.
//
// Errors: *[ValidationError]; *[ConflictError] of kind exists or unique; after the
// function has returned, of kind reference.
func (tx *Tx) Insert(t *Table, ptr any) error {
	b, err := tx.usable(t)
	if err != nil {
		return err
	}
	if err := tx.fillNew(t, ptr); err != nil {
		return err
	}
	if err := tx.runBefore(t, &Change{Kind: state.Created, Table: t, New: ptr}); err != nil {
		return err
	}
	key, rec, err := tx.encode(t, b, ptr)
	if err != nil {
		return err
	}
	if tx.batch.Get(b.schema.Number, key) != nil {
		return &ConflictError{Kind: ConflictExists, Model: t.Name(), Field: t.model.Primary.Name, Key: b.codec.KeyText(key)}
	}
	if rec, err = tx.seal(t, b, key, ptr, nil, rec); err != nil {
		return err
	}
	if err := tx.checkRecord(t, b, key, nil, rec); err != nil {
		return err
	}
	tx.touch(t, b.schema.Number, key, false)
	return tx.record(state.Event{Model: b.schema.Number, Kind: state.Created, Key: key, Fields: rec})
}

// Put replaces the record that has ptr's primary key. A created time that is zero is
// kept as it was; the updated time is set. Fields stored by newer code are kept. When
// nothing differs, nothing is recorded.
//
// Errors: [ErrNotFound]; *[ValidationError]; *[ConflictError] of kind unique, immutable
// or read_only; after the function has returned, of kind reference.
func (tx *Tx) Put(t *Table, ptr any) error {
	b, err := tx.usable(t)
	if err != nil {
		return err
	}
	key, err := b.codec.Key(ptr)
	if err != nil {
		return err
	}
	row := tx.batch.Get(b.schema.Number, key)
	if row == nil {
		return ErrNotFound
	}
	return tx.replace(t, b, key, row, ptr, nil)
}

// Upsert inserts the record or, where its primary key is taken, replaces that one.
func (tx *Tx) Upsert(t *Table, ptr any) error {
	b, err := tx.usable(t)
	if err != nil {
		return err
	}
	if key, err := b.codec.Key(ptr); err == nil {
		if row := tx.batch.Get(b.schema.Number, key); row != nil {
			return tx.replace(t, b, key, row, ptr, nil)
		}
	}
	return tx.Insert(t, ptr)
}

// replace puts *ptr in the place of a row. An event with a name is recorded also where it
// changes nothing.
func (tx *Tx) replace(t *Table, b *binding, key string, row *state.Row, ptr any, custom *state.Custom) error {
	if err := checkPointer(t, ptr); err != nil {
		return err
	}
	var old any // decoded only where somebody looks at it
	if len(t.before) > 0 || t.timed() || t.model.Seals() {
		old = b.codec.New()
		if err := b.codec.Decode(row.Bytes(), old); err != nil {
			return err
		}
		if err := keepServerFields(t, old, ptr); err != nil {
			return err
		}
	}
	if err := tx.runBefore(t, &Change{Kind: state.Updated, Table: t, Key: key, Old: old, New: ptr}); err != nil {
		return err
	}
	newKey, rec, err := tx.encode(t, b, ptr)
	if err != nil {
		return err
	}
	if newKey != key {
		return &ConflictError{Kind: ConflictImmutable, Model: t.Name(), Field: t.model.Primary.Name, Key: b.codec.KeyText(key)}
	}
	if rec, err = tx.seal(t, b, key, ptr, row.Bytes(), rec); err != nil {
		return err
	}
	patch, cleared, err := diffRecord(b, row.Bytes(), rec)
	if err != nil || len(patch) == 0 && len(cleared) == 0 && custom == nil {
		return err
	}
	if touch(t, ptr, tx.Now()) {
		before := rec // what was sealed a moment ago is not sealed once more
		if _, rec, err = encodeRecord(t, b, ptr, nil); err != nil {
			return err
		}
		if rec, err = tx.seal(t, b, key, ptr, before, rec); err != nil {
			return err
		}
		if patch, cleared, err = diffRecord(b, row.Bytes(), rec); err != nil {
			return err
		}
	}
	if t.model.Immutable {
		return &ConflictError{Kind: ConflictImmutable, Model: t.Name(), Key: b.codec.KeyText(key)}
	}
	if err := tx.checkRecord(t, b, key, row.Bytes(), rec); err != nil {
		return err
	}
	tx.touch(t, b.schema.Number, key, false)
	return tx.record(state.Event{Model: b.schema.Number, Kind: state.Updated, Key: key, Fields: patch, Cleared: cleared, Custom: custom})
}

// Delete removes the record with that key. Records that refer to it are deleted, have
// their reference cleared, or forbid it, as their on_delete says, and so on with those
// that refer to them.
//
// Errors: [ErrNotFound]; *[ConflictError] of kind immutable; *[CascadeError]; after the
// function has returned, *[ConflictError] of kind referenced.
func (tx *Tx) Delete(t *Table, key string) error {
	b, err := tx.usable(t)
	if err != nil {
		return err
	}
	if tx.batch.Get(b.schema.Number, key) == nil {
		return ErrNotFound
	}
	work := []pendingDelete{{t, key}}
	for changed := 0; len(work) > 0; {
		next := work[len(work)-1]
		work = work[:len(work)-1]
		if err := tx.deleteOne(next); err != nil {
			return err
		}
		froms, err := tx.referrers(next)
		if err != nil {
			return err
		}
		for _, from := range froms {
			if changed += from.count; changed > tx.ex.cfg.MaxCascade {
				return &CascadeError{Model: t.Name(), Key: b.codec.KeyText(key), Limit: tx.ex.cfg.MaxCascade}
			}
			if work, err = tx.follow(from, next.key, work); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteOne removes a record and leaves those that refer to it alone.
func (tx *Tx) deleteOne(d pendingDelete) error {
	t := d.table
	b, err := tx.usable(t)
	if err != nil {
		return err
	}
	row := tx.batch.Get(b.schema.Number, d.key)
	if row == nil {
		return nil // by another way already
	}
	if t.model.Immutable && !tx.call.system {
		return &ConflictError{Kind: ConflictImmutable, Model: t.Name(), Key: b.codec.KeyText(d.key)}
	}
	if len(t.before) > 0 {
		old := b.codec.New()
		if err := b.codec.Decode(row.Bytes(), old); err != nil {
			return err
		}
		if err := tx.runBefore(t, &Change{Kind: state.Deleted, Table: t, Key: d.key, Old: old}); err != nil {
			return err
		}
	}
	if len(b.froms) > 0 {
		tx.deletes = append(tx.deletes, d)
	}
	tx.touch(t, b.schema.Number, d.key, true)
	return tx.record(state.Event{Model: b.schema.Number, Kind: state.Deleted, Key: d.key})
}

// referrers are the records of one model that refer by one field to a deleted record, and
// are to be deleted or changed with it.
type referrers struct {
	backReference
	table *Table
	count int
}

// referrers finds what on_delete=cascade and set_null ask for.
func (tx *Tx) referrers(d pendingDelete) (list []referrers, err error) {
	for _, from := range d.table.bound.Load().froms {
		if from.field.OnDelete != "cascade" && from.field.OnDelete != "set_null" {
			continue
		}
		// counting, unlike a scan, does not share the batch's nodes with a reader, so
		// the usual case of no referrer copies none of them
		n := tx.batch.CountIndex(from.schema.Number, from.field.Number, Exactly(d.key))
		if n == 0 {
			continue
		}
		other := tx.ex.tableByNumber(from.schema.Number)
		if other == nil {
			return nil, fmt.Errorf("engine: model %s refers to %s and is not registered", from.schema.Model, d.table.Name())
		}
		list = append(list, referrers{from, other, n})
	}
	return list, nil
}

// follow clears references to key, or adds the records that have them to work.
func (tx *Tx) follow(from referrers, key string, work []pendingDelete) ([]pendingDelete, error) {
	keys := make([]string, 0, from.count)
	for k := range tx.batch.ScanIndex(from.schema.Number, from.field.Number, Exactly(key)) {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if from.field.OnDelete == "cascade" {
			work = append(work, pendingDelete{from.table, k})
			continue
		}
		ptr := from.table.Codec().New()
		if _, err := tx.Load(from.table, k, ptr); err != nil {
			return work, err
		}
		from.table.model.FieldValue(ptr, from.table.model.FieldByName(from.field.Name)).SetZero()
		if err := tx.Put(from.table, ptr); err != nil {
			return work, err
		}
	}
	return work, nil
}

// fillNew sets what the server gives a new record.
func (tx *Tx) fillNew(t *Table, ptr any) error {
	if err := checkPointer(t, ptr); err != nil {
		return err
	}
	if v := t.model.FieldValue(ptr, t.model.Primary); v.Type() == reflect.TypeFor[model.ID]() && v.IsZero() {
		v.Set(reflect.ValueOf(tx.NewID()))
	}
	for _, f := range t.model.Fields {
		if f.Created || f.Updated {
			if v := t.model.FieldValue(ptr, f); v.IsZero() {
				v.Set(reflect.ValueOf(tx.Now()))
			}
		}
	}
	return nil
}

// keepServerFields carries created times over from the old record, and refuses a
// changed one. Updated times are left to touch.
func keepServerFields(t *Table, old, ptr any) error {
	for _, f := range t.model.Fields {
		if !f.Created && !f.Updated {
			continue
		}
		was, is := t.model.FieldValue(old, f), t.model.FieldValue(ptr, f)
		if f.Created && !is.IsZero() && !is.Interface().(time.Time).Equal(was.Interface().(time.Time)) {
			return &ConflictError{Kind: ConflictReadOnly, Model: t.Name(), Field: f.Name}
		}
		is.Set(was)
	}
	return nil
}

// touch sets the updated times; it says whether there are any.
func touch(t *Table, ptr any, now time.Time) (any bool) {
	for _, f := range t.model.Fields {
		if f.Updated {
			t.model.FieldValue(ptr, f).Set(reflect.ValueOf(now))
			any = true
		}
	}
	return any
}

func checkPointer(t *Table, ptr any) error {
	if v := reflect.ValueOf(ptr); v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != t.model.Type {
		return fmt.Errorf("engine: %s wants a *%s, not %T", t.Name(), t.model.Type, ptr)
	}
	return nil
}

func (tx *Tx) runBefore(t *Table, c *Change) error {
	for _, fn := range t.before {
		if err := fn(tx, c); err != nil {
			return err
		}
	}
	return nil
}

// encode validates and encodes a record in memory that the next call uses again. One that
// is going to be sealed has its own: sealing may write a record of the subject meanwhile.
func (tx *Tx) encode(t *Table, b *binding, ptr any) (key string, rec []byte, err error) {
	if t.model.Seals() {
		return encodeRecord(t, b, ptr, nil)
	}
	key, rec, err = encodeRecord(t, b, ptr, tx.ex.record[:0])
	if tx.ex.record = rec; cap(rec) > keptBuffer {
		tx.ex.record = nil
	}
	return key, rec, err
}

// encodeRecord validates a record and appends it to dst.
func encodeRecord(t *Table, b *binding, ptr any, dst []byte) (key string, rec []byte, err error) {
	if v := t.model.Validate(ptr); len(v) > 0 {
		return "", nil, &ValidationError{Model: t.Name(), Violations: v}
	}
	if key, err = b.codec.Key(ptr); err != nil {
		return "", nil, err
	}
	rec, err = b.codec.Append(dst, ptr)
	if v, ok := b.codec.Violation(err); ok {
		err = &ValidationError{Model: t.Name(), Violations: []model.Violation{v}}
	}
	return key, rec, err
}

// diffRecord compares only the fields this code knows, so that fields written by newer
// code stay as they are.
func diffRecord(b *binding, old, rec []byte) (patch []byte, cleared []uint32, err error) {
	return binenc.Diff(old, rec, b.codec.Knows)
}

// checkRecord holds a record that is to be stored (old nil when it is new) against the
// rules that need the state: room, unique, immutable, and, later, foreign keys.
func (tx *Tx) checkRecord(t *Table, b *binding, key string, old, rec []byte) error {
	if tx.ex.cfg.Room != nil && len(rec) > len(old) && t != tx.ex.stored { // answers kept for retries are bounded by themselves
		if err := tx.ex.cfg.Room(); err != nil {
			return err
		}
	}
	for i := range b.unique {
		if err := tx.checkUnique(t, b, &b.unique[i], key, rec); err != nil {
			return err
		}
	}
	for _, ref := range b.refs {
		value, present, err := indexValue(ref.field, rec)
		if err != nil {
			return err
		}
		if _, _, set := binenc.Lookup(rec, ref.field.Number); present && (set || !ref.optional) {
			tx.refs = append(tx.refs, pendingRef{table: t, ref: ref, key: key, value: value})
		}
	}
	if old == nil {
		return nil
	}
	return checkImmutable(t, b, key, old, rec)
}

// checkUnique refuses a record whose values in a unique index another record has.
func (tx *Tx) checkUnique(t *Table, b *binding, x *model.Index, key string, rec []byte) error {
	value, in, err := b.schema.IndexKey(nil, x, rec)
	if err != nil || !in {
		return err
	}
	holder, taken := tx.batch.Unique(b.schema.Number, x.Number, string(value))
	if !taken || holder == key {
		return nil
	}
	c := &ConflictError{Kind: ConflictUnique, Model: t.Name(), Key: b.codec.KeyText(key), Ref: b.codec.KeyText(holder)}
	for _, n := range x.Fields {
		c.Fields = append(c.Fields, b.schema.ByNumber(n).Name)
	}
	c.Field = c.Fields[0]
	return c
}

func checkImmutable(t *Table, b *binding, key string, old, rec []byte) error {
	for _, f := range t.model.Fields {
		if !f.Immutable {
			continue
		}
		number := b.schema.Field(f.Name).Number
		was, _, _ := binenc.Lookup(old, number)
		is, _, _ := binenc.Lookup(rec, number)
		if !bytes.Equal(was, is) {
			return &ConflictError{Kind: ConflictImmutable, Model: t.Name(), Field: f.Name, Key: b.codec.KeyText(key)}
		}
	}
	return nil
}

// indexValue returns the key encoding of a field of a record; present is false for an
// optional field that is not set.
func indexValue(f *model.SchemaField, rec []byte) (value string, present bool, err error) {
	raw, _, ok := binenc.Lookup(rec, f.Number)
	if !ok && f.Type.Optional {
		return "", false, nil
	}
	k, err := binenc.AppendKeyRaw(nil, &f.Type, raw, ok)
	if err != nil {
		return "", false, fmt.Errorf("engine: field %s: %w", f.Name, err)
	}
	return string(k), true, nil
}

// finish makes the checks that wait for the end of the transaction.
func (tx *Tx) finish() error {
	for _, p := range tx.refs {
		if tx.batch.Get(p.ref.target, p.value) != nil {
			continue
		}
		b := p.table.bound.Load()
		row := tx.batch.Get(b.schema.Number, p.key)
		if row == nil {
			continue // deleted again
		}
		if value, present, err := indexValue(p.ref.field, row.Bytes()); err != nil {
			return err
		} else if !present || value != p.value {
			continue // changed again
		}
		return &ConflictError{Kind: ConflictReference, Model: p.table.Name(), Field: p.ref.field.Name,
			Key: b.codec.KeyText(p.key), Ref: p.ref.field.FK + " " + tx.ex.keyText(p.ref.target, p.value)}
	}
	for _, d := range tx.deletes {
		if err := tx.checkReferrers(d); err != nil {
			return err
		}
	}
	return tx.keepTrail()
}

// checkReferrers refuses a delete that leaves a reference dangling.
func (tx *Tx) checkReferrers(d pendingDelete) error {
	b := d.table.bound.Load()
	if tx.batch.Get(b.schema.Number, d.key) != nil {
		return nil // made again
	}
	for _, from := range b.froms {
		if tx.batch.CountIndex(from.schema.Number, from.field.Number, Exactly(d.key)) == 0 {
			continue
		}
		for k := range tx.batch.ScanIndex(from.schema.Number, from.field.Number, Exactly(d.key)) {
			return &ConflictError{Kind: ConflictReferenced, Model: d.table.Name(), Field: d.table.model.Primary.Name,
				Key: b.codec.KeyText(d.key), Ref: from.schema.Model + " " + tx.ex.keyText(from.schema.Number, k)}
		}
	}
	return nil
}

// Exactly is the range of index entries whose field has that value: every key that
// begins with it, since encodings are self-delimiting.
func Exactly(value string) state.Range {
	end := []byte(value)
	for len(end) > 0 && end[len(end)-1] == 0xFF {
		end = end[:len(end)-1]
	}
	if len(end) > 0 {
		end[len(end)-1]++
	}
	return state.Range{From: value, To: string(end)}
}
