package lithair

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/openapi"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// Collection is the records of one model, typed. It is safe for concurrent use; what it
// returns are copies.
type Collection[T any] struct {
	base  collection
	space sync.Pool // *T to decode into; without it a read costs an allocation of that size
}

// collection is what a [Collection] is and does whatever its type. A generic function is compiled anew for each
// type, in each program and whenever that is built; what does not speak of T is therefore here, and what
// does is short.
type collection struct {
	app    *App
	table  *engine.Table // nil: its model was refused
	rule   rest.ReadRule
	events eventCodec
}

// Model registers T as a model and serves it under path, such as "/api/articles"; with
// an empty path it is not served. What is wrong with T is reported by Start.
func Model[T any](a *App, path string) *Collection[T] {
	c := &Collection[T]{base: collection{app: a}}
	c.base.register(reflect.TypeFor[T](), path)
	return c
}

func (c *collection) register(t reflect.Type, path string) {
	a := c.app
	m, err := model.Of(t)
	if err != nil {
		a.note(err)
		return
	}
	if c.table, err = a.engine.Register(m); err != nil {
		a.note(err)
		return
	}
	if a.readable == nil {
		a.readable = map[string]*rest.ReadRule{}
	}
	a.readable[m.Name] = &c.rule
	if path != "" {
		opt := a.restOptions()
		opt.Readable = &c.rule
		a.note(rest.Mount(a.router, a.engine, c.table, path, opt))
		a.served = append(a.served, openapi.Collection{Model: m, Path: path})
		a.mountLive(c.table, &c.rule, path)
	}
	a.mountBlobs(c.table, &c.rule, path)
}

// ReadRule limits which records clients may read, with conditions in the grammar of lists in
// which claims of the principal stand for values: {id}, {roles} and {claims.NAME}.
//
//	notes.ReadRule("or=(owner={id},public=true)", "admin")
//
// A claim without a value meets nothing, so who is anonymous owns nothing. Principals with one of
// the exempt roles read everything. Hidden fields may be used. The rule holds for lists, counts,
// single records, their files, history, live queries and feeds, and for PUT, PATCH, DELETE and the
// operations of _bulk and _tx, which find only what may be read; a record that may not is answered as one that is not
// there. What it does not hold for: what the application reads itself, in handlers, commands and routes;
// conflicts of unique fields and references, which tell that a value is taken. Who may write what
// is decided by [App.Authorize]. It is called before Start, which reports what is wrong with it.
func (c *Collection[T]) ReadRule(rule string, exempt ...string) {
	c.base.setRule(rule, exempt)
}

func (c *collection) setRule(rule string, exempt []string) {
	if c.table != nil {
		c.app.note(c.rule.Set(c.table.Model(), rule, exempt...))
	}
}

func (a *App) restOptions() rest.Options { return rest.Options{Guard: a.guard, Age: a.stateAge} }

// errUnusable is what a collection gives whose model was refused, or before Start.
var errUnusable = errors.New("lithair: the application has not started")

func (c *collection) codec() (*model.Codec, error) {
	if c.table == nil || c.table.Codec() == nil {
		return nil, errUnusable
	}
	return c.table.Codec(), nil
}

// Get returns the record with that key: an [ID], text or an integer, after the type of
// the primary key. [ErrNotFound] when there is none; *model.KeyError when key cannot be
// one. It allocates what the value holds in texts, lists and the like, and nothing where
// it holds none of them.
func (c *Collection[T]) Get(r Reader, key any) (v T, err error) {
	row, err := c.base.get(r, key)
	if err != nil {
		return v, err
	}
	return c.decode(row)
}

func (c *collection) get(r Reader, key any) (*state.Row, error) {
	codec, err := c.codec()
	if err != nil {
		return nil, err
	}
	var buf [64]byte
	k, err := codec.AppendKeyOf(buf[:0], key)
	if err != nil {
		return nil, err
	}
	var row *state.Row
	switch r := r.(type) { // by name, not by interface, so that the key need not be copied
	case *Snapshot:
		row = r.live().Get(c.table.Number(), string(k))
	case *Tx:
		row = r.tx.Get(c.table.Number(), string(k))
	}
	return found(row)
}

// found tells that there is no record.
func found(row *state.Row) (*state.Row, error) {
	if row == nil {
		return nil, ErrNotFound
	}
	return row, nil
}

func (c *Collection[T]) decode(row *state.Row) (v T, err error) {
	p, _ := c.space.Get().(*T)
	if p == nil {
		p = new(T)
	}
	err = c.base.table.Codec().Decode(row.Bytes(), p)
	v = *p
	var zero T
	*p = zero // the pool keeps nothing of the record
	c.space.Put(p)
	return v, err
}

// Insert adds *v. A zero primary key of type ID is made, created and updated times are
// set; *v then holds what is stored. Errors: *[ValidationError], *[ConflictError].
func (c *Collection[T]) Insert(tx *Tx, v *T) error { return c.base.insert(tx, v) }

func (c *collection) insert(tx *Tx, v any) error {
	if c.table == nil {
		return errUnusable
	}
	return tx.tx.Insert(c.table, v)
}

// Put replaces the record that has *v's primary key. [ErrNotFound] when there is none.
func (c *Collection[T]) Put(tx *Tx, v *T) error { return c.base.put(tx, v) }

func (c *collection) put(tx *Tx, v any) error {
	if c.table == nil {
		return errUnusable
	}
	return tx.tx.Put(c.table, v)
}

// Upsert inserts *v or replaces the record with its primary key.
func (c *Collection[T]) Upsert(tx *Tx, v *T) error { return c.base.upsert(tx, v) }

func (c *collection) upsert(tx *Tx, v any) error {
	if c.table == nil {
		return errUnusable
	}
	return tx.tx.Upsert(c.table, v)
}

// Delete removes the record with that key. [ErrNotFound] when there is none; a
// *[ConflictError] when another record refers to it.
func (c *Collection[T]) Delete(tx *Tx, key any) error { return c.base.delete(tx, key) }

func (c *collection) delete(tx *Tx, key any) error {
	codec, err := c.codec()
	if err != nil {
		return err
	}
	k, err := codec.KeyOf(key)
	if err != nil {
		return err
	}
	return tx.tx.Delete(c.table, k)
}

// Len returns the number of records.
func (c *Collection[T]) Len(r Reader) int { return c.base.len(r) }

func (c *collection) len(r Reader) int {
	if _, err := c.codec(); err != nil {
		return 0
	}
	return r.reader().Len(c.table.Number())
}

// each decodes rows; an error ends the iteration, and is all of it where there are no rows.
func (c *Collection[T]) each(rows iter.Seq2[string, *state.Row], err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		rows(func(_ string, row *state.Row) bool {
			v, err := c.decode(row)
			return yield(v, err) && err == nil
		})
	}
}

// By returns the record with that value in a unique field. [ErrNotFound] when there is
// none.
func (c *Collection[T]) By(r Reader, field string, value any) (v T, err error) {
	row, err := c.base.by(r, field, value)
	if err != nil {
		return v, err
	}
	return c.decode(row)
}

func (c *collection) by(r Reader, field string, value any) (*state.Row, error) {
	f, key, err := c.index(r, field, value)
	if err != nil {
		return nil, err
	}
	if !f.Unique {
		return nil, fmt.Errorf("lithair: %s.%s is not unique; use Where", c.table.Name(), field)
	}
	pk, ok := r.reader().Unique(c.table.Number(), f.Number, key)
	if !ok {
		return nil, ErrNotFound
	}
	return found(r.reader().Get(c.table.Number(), pk))
}

// Where iterates over the records with that value in an indexed field (indexed, unique
// or fk), in order of primary keys. [Collection.Range] does the same for several fields.
func (c *Collection[T]) Where(r Reader, field string, value any) iter.Seq2[T, error] {
	return c.Range(r, Span{Index: field, Equal: []any{value}})
}

// index finds an indexed field and the key encoding of a Go value in it.
func (c *collection) index(r Reader, field string, value any) (f *model.SchemaField, key string, err error) {
	if _, err := c.codec(); err != nil {
		return nil, "", err
	}
	f = c.schema(r).Field(field)
	if f == nil || !f.Unique && !f.Indexed && f.FK == "" {
		return nil, "", fmt.Errorf("lithair: %s has no indexed field %q", c.table.Name(), field)
	}
	key, err = model.KeyFor(&f.Type, value)
	if err != nil {
		return nil, "", fmt.Errorf("lithair: %s.%s: %w", c.table.Name(), field, err)
	}
	return f, key, nil
}

// schema returns the declaration that r was written under: in the past, an index may not
// have been there yet.
func (c *collection) schema(r Reader) *model.Schema {
	if s := r.reader().SchemaByName(c.table.Name()); s != nil {
		return s
	}
	return c.table.Schema() // not declared then: nothing is there
}

// Page is a part of the answer to a query.
type Page[T any] struct {
	Data    []T
	Total   int // records that meet the conditions, of all pages
	HasMore bool
}

// Query answers a list query in the grammar of REST, such as
// "published=true&title=~go&sort=-created_at&take=20"; see package query. A mistake in
// it is a *query.Error.
func (c *Collection[T]) Query(r Reader, rawQuery string) (page Page[T], err error) {
	rows, total, more, err := c.base.query(r, rawQuery)
	if err != nil {
		return page, err
	}
	page = Page[T]{Data: make([]T, len(rows)), Total: total, HasMore: more}
	for i, row := range rows {
		if page.Data[i], err = c.decode(row); err != nil {
			return Page[T]{}, err
		}
	}
	return page, nil
}

func (c *collection) query(r Reader, rawQuery string) (rows []*state.Row, total int, more bool, err error) {
	if _, err := c.codec(); err != nil {
		return nil, 0, false, err
	}
	parsed := wire.ParseQuery(rawQuery)
	if parsed.Err != nil {
		return nil, 0, false, parsed.Err
	}
	q, err := query.Parse(c.table.Model(), c.schema(r), parsed.Pairs, query.Options{})
	if err != nil {
		return nil, 0, false, err
	}
	page, err := query.Run(q, rest.Records(r.reader(), c.table.Number()))
	return page.Rows, page.Total, page.HasMore, err
}

// Kind returns the kind of a field, for code that builds queries; ok is false when there
// is no such field.
func (c *Collection[T]) Kind(field string) (k binenc.Kind, ok bool) { return c.base.kind(field) }

func (c *collection) kind(field string) (k binenc.Kind, ok bool) {
	if c.table == nil {
		return 0, false
	}
	f := c.table.Model().FieldByName(field)
	if f == nil {
		return 0, false
	}
	return f.Type.Kind, true
}
