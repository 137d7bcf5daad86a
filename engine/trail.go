package engine

import (
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// What lifecycle:"versioned=N" and lifecycle:"audited" keep is state: records of two
// models of the engine's own, written in the transaction that made the change, so that
// replay, snapshots and hashes treat them as any other, and so that they outlive the log.
// They go when the record they tell of goes.

const (
	versionsName = "_versions"
	auditName    = "_audit"
)

// keptVersion is one version of a record of a versioned model. Its key is the model's
// number, the record's key and the sequence.
type keptVersion struct {
	ID      string    `json:"id" lithair:"primary_key"` // not stored: see versionKey
	At      time.Time `json:"at_time"`
	Actor   []byte    `json:"actor"`
	Request []byte    `json:"request_id"`
	Command []byte    `json:"command"`
	Kind    uint8     `json:"kind"`
	Changed []uint32  `json:"changed"`
	Record  []byte    `json:"record"`
}

// keptAudit says who gave the audited fields of a record their values. Its key is the
// model's number and the record's key.
type keptAudit struct {
	ID string    `json:"id" lithair:"primary_key"` // not stored: see trailKey
	By []auditBy `json:"by"`
}

type auditBy struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at_time"`
	Actor   []byte    `json:"actor"`
	Request []byte    `json:"request_id"`
	Command []byte    `json:"command"`
	Fields  []uint32  `json:"fields_set"` // by number
}

// trailKey is the key under which something about a record is kept.
func trailKey(model uint32, key string) string {
	return string(binenc.AppendKeyBytes(binenc.AppendKeyUint(nil, uint64(model)), []byte(key)))
}

func versionKey(model uint32, key string, seq uint64) string {
	return trailKey(model, key) + string(binenc.AppendKeyUint(nil, seq))
}

// newTrailTable makes the table of one of the engine's own models.
func newTrailTable[T any](name string) (*Table, error) {
	m, err := model.Of(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	m.Name = name
	return &Table{model: m}, nil
}

// addTrails makes the tables for what lifecycles keep. They are declared when a registered
// model needs them; where an earlier program did, records that go take what was kept of
// them along.
func (ex *Executor) addTrails() (err error) {
	if ex.versions, err = newTrailTable[keptVersion](versionsName); err != nil {
		return err
	}
	if ex.audit, err = newTrailTable[keptAudit](auditName); err != nil {
		return err
	}
	ex.versions.idle, ex.audit.idle = true, true
	for _, t := range ex.tables {
		t.trailed = t.model.Trailed()
		ex.versions.idle = ex.versions.idle && t.model.Versioned == 0
		ex.audit.idle = ex.audit.idle && !t.audits()
	}
	ex.tables = append(ex.tables, ex.versions, ex.audit)
	return nil
}

// audits says that the table has audited fields.
func (t *Table) audits() bool {
	return t.model.Audited || slices.ContainsFunc(t.model.Fields, func(f *model.Field) bool { return f.Audited })
}

// touched is a record of a model with a lifecycle that a transaction changed.
type touched struct {
	table *Table
	key   string
	old   []byte // before the transaction; nil when there was none
}

// touch notes a record before its first change, if that may concern what is kept.
func (tx *Tx) touch(t *Table, number uint32, key string, deleting bool) {
	ex := tx.ex
	kept := ex.versions.Schema() != nil || ex.audit.Schema() != nil
	if !t.trailed && !(deleting && kept && t != ex.stored) {
		return
	}
	at := trailKey(number, key)
	if tx.seen[at] {
		return
	}
	if tx.seen == nil {
		tx.seen = map[string]bool{}
	}
	tx.seen[at] = true
	change := touched{table: t, key: key}
	if row := tx.batch.Get(number, key); row != nil {
		change.old = row.Bytes()
	}
	tx.touched = append(tx.touched, change)
}

// keepTrail writes what the lifecycles of the changed records ask for.
func (tx *Tx) keepTrail() error {
	for _, c := range tx.touched {
		b := c.table.bound.Load()
		row := tx.batch.Get(b.schema.Number, c.key)
		if row == nil {
			if err := tx.dropTrail(b.schema.Number, c.key); err != nil {
				return err
			}
			continue
		}
		kind, changed, err := changeOf(c.old, row.Bytes())
		if err != nil {
			return err
		}
		if c.old != nil && len(changed) == 0 {
			continue // changed back
		}
		if c.old == nil { // perhaps deleted and made anew: what was is gone
			if err := tx.dropTrail(b.schema.Number, c.key); err != nil {
				return err
			}
		}
		if err := tx.keepVersion(c, b, kind, changed, row.Bytes()); err != nil {
			return err
		}
		if err := tx.keepAudit(c, b, changed); err != nil {
			return err
		}
	}
	return nil
}

// keepVersion adds a version and removes those beyond the number the model keeps.
func (tx *Tx) keepVersion(c touched, b *binding, kind state.EventKind, changed []uint32, rec []byte) error {
	keep := c.table.model.Versioned
	if keep == 0 {
		return nil
	}
	cmd, own := &tx.call.cmd, tx.ex.versions.bound.Load()
	fields, err := own.codec.Append(nil, &keptVersion{At: tx.Now(), Actor: []byte(cmd.Actor), Request: []byte(cmd.RequestID), Command: []byte(cmd.Name), Kind: uint8(kind), Changed: changed, Record: rec})
	if err != nil {
		return err
	}
	if err := tx.record(state.Event{Model: own.schema.Number, Kind: state.Created, Key: versionKey(b.schema.Number, c.key, tx.seq), Fields: fields}); err != nil {
		return err
	}
	all := state.Prefix(trailKey(b.schema.Number, c.key))
	return tx.removeFirst(own.schema.Number, all, tx.batch.Count(own.schema.Number, all)-keep)
}

// removeFirst removes the first n records of a range of keys.
func (tx *Tx) removeFirst(number uint32, r state.Range, n int) error {
	if n <= 0 {
		return nil
	}
	keys := make([]string, 0, n)
	for key := range tx.batch.Scan(number, r) {
		if keys = append(keys, key); len(keys) == n {
			break
		}
	}
	for _, key := range keys {
		if err := tx.record(state.Event{Model: number, Kind: state.Deleted, Key: key}); err != nil {
			return err
		}
	}
	return nil
}

// keepAudit notes who gave the audited fields their values.
func (tx *Tx) keepAudit(c touched, b *binding, changed []uint32) error {
	if !c.table.model.Audited {
		audited := func(n uint32) bool {
			f := c.table.model.FieldByName(b.schema.ByNumber(n).Name)
			return f != nil && f.Audited
		}
		changed = slices.DeleteFunc(slices.Clone(changed), func(n uint32) bool { return b.schema.ByNumber(n) == nil || !audited(n) })
	}
	if len(changed) == 0 {
		return nil
	}
	own, key := tx.ex.audit.bound.Load(), trailKey(b.schema.Number, c.key)
	var kept keptAudit
	old := tx.batch.Get(own.schema.Number, key)
	if old != nil {
		if err := own.codec.Decode(old.Bytes(), &kept); err != nil {
			return err
		}
	}
	for i := range kept.By {
		kept.By[i].Fields = slices.DeleteFunc(kept.By[i].Fields, func(n uint32) bool { return slices.Contains(changed, n) })
	}
	kept.By = slices.DeleteFunc(kept.By, func(by auditBy) bool { return len(by.Fields) == 0 })
	cmd := &tx.call.cmd
	kept.By = append(kept.By, auditBy{tx.seq, tx.Now(), []byte(cmd.Actor), []byte(cmd.RequestID), []byte(cmd.Name), changed})
	rec, err := own.codec.Append(nil, &kept)
	if err != nil {
		return err
	}
	ev := state.Event{Model: own.schema.Number, Kind: state.Created, Key: key, Fields: rec}
	if old != nil {
		ev.Kind = state.Updated
		if ev.Fields, ev.Cleared, err = binenc.Diff(old.Bytes(), rec, nil); err != nil {
			return err
		}
	}
	return tx.record(ev)
}

// dropTrail removes what is kept about a record that is gone.
func (tx *Tx) dropTrail(number uint32, key string) error {
	at := state.Prefix(trailKey(number, key))
	for _, own := range []*Table{tx.ex.versions, tx.ex.audit} {
		if own.Schema() == nil {
			continue
		}
		if err := tx.removeFirst(own.Number(), at, tx.batch.Count(own.Number(), at)); err != nil {
			return err
		}
	}
	return nil
}

// Versions iterates over the versions of a record that a state keeps, newest first:
// those that lifecycle:"versioned=N" asks for, however much of the log is left. It gives
// none for other models. An error ends it.
func (e *Engine) Versions(r state.Reader, t *Table, key string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		own := r.SchemaByName(versionsName)
		if own == nil {
			return
		}
		codec, err := e.trailCodec(versionsName, own)
		if err != nil {
			yield(Version{}, err)
			return
		}
		span := state.Prefix(trailKey(t.Number(), key))
		span.Reverse = true
		for at, row := range r.Scan(own.Number, span) {
			v, err := decodeVersion(codec, at, row)
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// trailCodec binds one of the engine's own models to a declaration.
func (e *Engine) trailCodec(name string, s *model.Schema) (*model.Codec, error) {
	var t *Table
	var err error
	if name == versionsName {
		t, err = newTrailTable[keptVersion](name)
	} else {
		t, err = newTrailTable[keptAudit](name)
	}
	if err != nil {
		return nil, err
	}
	return t.model.Bind(s)
}

func decodeVersion(codec *model.Codec, at string, row *state.Row) (v Version, err error) {
	var kept keptVersion
	if err := codec.Decode(row.Bytes(), &kept); err != nil {
		return v, err
	}
	r := binenc.NewKeyReader([]byte(at))
	r.Uint()
	r.Bytes()
	v = Version{Seq: r.Uint(), Time: kept.At.UnixNano(), Actor: string(kept.Actor), RequestID: string(kept.Request), Command: string(kept.Command),
		Kind: state.EventKind(kept.Kind), Changed: kept.Changed, Record: kept.Record}
	return v, r.Err()
}

// keptBefore returns the kept versions of a record up to a sequence, oldest first.
func (e *Engine) keptBefore(r state.Reader, t *Table, key string, seq uint64) (list []Version, err error) {
	for v, err := range e.Versions(r, t, key) {
		if err != nil {
			return nil, err
		}
		if v.Seq <= seq {
			list = append(list, v)
		}
	}
	slices.Reverse(list)
	return list, nil
}

// audited puts what is kept about the audited fields of a record into by.
func (e *Engine) audited(r state.Reader, t *Table, key string, by map[uint32]Version) error {
	own := r.SchemaByName(auditName)
	if own == nil {
		return nil
	}
	row := r.Get(own.Number, trailKey(t.Number(), key))
	if row == nil {
		return nil
	}
	codec, err := e.trailCodec(auditName, own)
	if err != nil {
		return err
	}
	var kept keptAudit
	if err := codec.Decode(row.Bytes(), &kept); err != nil {
		return err
	}
	for _, b := range kept.By {
		v := Version{Seq: b.Seq, Time: b.At.UnixNano(), Actor: string(b.Actor), RequestID: string(b.Request), Command: string(b.Command), Kind: state.Updated, Changed: b.Fields}
		for _, n := range b.Fields {
			if have, ok := by[n]; !ok || have.Seq < b.Seq {
				by[n] = v
			}
		}
	}
	return nil
}
