package engine

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Table is a model registered with an engine: the Go side of one collection of the
// state. It is safe for concurrent use.
type Table struct {
	model   *model.Model
	before  []func(tx *Tx, c *Change) error
	trailed bool // changes leave something behind, see trail.go
	idle    bool // not declared unless it is already
	bound   atomic.Pointer[binding]
	review  *model.ReviewedModel // nil: none

	keys *keyring // of a model with sealed fields
}

// binding ties the Go type to the schema that the log declares. It changes only when
// a schema entry is committed.
type binding struct {
	codec  *model.Codec
	schema *model.Schema
	unique []model.Index   // by number
	refs   []reference     // foreign keys of this model
	froms  []backReference // foreign keys of other models to this one
}

// reference is a foreign key: a field and the model it points to.
type reference struct {
	field    *model.SchemaField
	target   uint32 // number of the model it points to
	optional bool   // the zero value is no reference
}

// backReference is a foreign key of another model that points here.
type backReference struct {
	schema *model.Schema
	field  *model.SchemaField
}

// timed says whether records have times that the server sets.
func (t *Table) timed() bool {
	return slices.ContainsFunc(t.model.Fields, func(f *model.Field) bool { return f.Created || f.Updated })
}

// Name returns the model's name.
func (t *Table) Name() string { return t.model.Name }

// Model returns what the struct says about itself.
func (t *Table) Model() *model.Model { return t.model }

// Codec returns the codec bound to the schema in the log; nil before Start.
func (t *Table) Codec() *model.Codec {
	if b := t.bound.Load(); b != nil {
		return b.codec
	}
	return nil
}

// Number returns the model's number in the log; 0 before Start.
func (t *Table) Number() uint32 {
	if b := t.bound.Load(); b != nil {
		return b.schema.Number
	}
	return 0
}

// Schema returns the schema that the log declares; nil before Start. It must not be
// changed.
func (t *Table) Schema() *model.Schema {
	if b := t.bound.Load(); b != nil {
		return b.schema
	}
	return nil
}

// bindTables computes the binding of every table to the schemas that r declares. A
// table not declared yet stays unbound: the leader declares it.
func bindTables(tables []*Table, r state.Reader) error {
	for _, t := range tables {
		s := r.SchemaByName(t.model.Name)
		if s == nil {
			continue
		}
		b, err := newBinding(t.model, s, r)
		if err != nil {
			return err
		}
		if t.keys != nil {
			b.codec.OpenSealed(openSealed(t.keys))
		}
		t.bound.Store(b)
	}
	return nil
}

// rebindTables is bindTables for schemas that others declared, or that an earlier run did.
// A table that does not fit the struct as it is now is bound ahead of its schema where that is safe, and stays unbound elsewhere: the
// leader declares the model as it is now, or says why that cannot be.
func rebindTables(tables []*Table, r state.Reader) {
	for _, t := range tables {
		if bindTables([]*Table{t}, r) != nil {
			t.bound.Store(nil)
			t.bindAhead(r)
		}
	}
}

// bindAhead binds a table, for reads, to the schema that its struct needs and a leader with the same struct is going to declare: members are
// upgraded one after the other, and those that are serve reads while one that is not leads. Nothing may go, or another program has given a
// field a name that this one does not know, and no index may change: the state has those that are declared.
func (t *Table) bindAhead(r state.Reader) {
	s := r.SchemaByName(t.model.Name)
	if s == nil {
		return
	}
	next, _, err := t.model.EvolveReviewed(s, t.review)
	if err != nil || !slices.EqualFunc(s.AllIndexes(), next.AllIndexes(), func(a, b model.Index) bool { return a.Number == b.Number && a.Same(&b) }) {
		return
	}
	for _, f := range s.Fields {
		if now := next.ByNumber(f.Number); !f.Dropped && (now == nil || now.Dropped) {
			return
		}
	}
	b, err := newBinding(t.model, next, r)
	if err != nil {
		return
	}
	if t.keys != nil {
		b.codec.OpenSealed(openSealed(t.keys))
	}
	t.bound.Store(b)
}

func newBinding(m *model.Model, s *model.Schema, r state.Reader) (*binding, error) {
	codec, err := m.Bind(s)
	if err != nil {
		return nil, err
	}
	b := &binding{codec: codec, schema: s}
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Dropped {
			continue
		}
		if f.FK != "" {
			target := r.SchemaByName(f.FK)
			if target == nil {
				return nil, fmt.Errorf("engine: %s.%s refers to model %s, which is not registered", m.Name, f.Name, f.FK)
			}
			own := m.FieldByName(f.Name)
			b.refs = append(b.refs, reference{field: f, target: target.Number, optional: own != nil && own.Optional})
		}
	}
	for _, x := range s.AllIndexes() {
		if x.Unique {
			b.unique = append(b.unique, x)
		}
	}
	return b, b.findReferrers(m.Name, r)
}

// findReferrers collects the foreign keys that point here, those of models that this
// program does not register included.
func (b *binding) findReferrers(name string, r state.Reader) error {
	for _, row := range r.Scan(state.SchemaModel, state.Range{}) {
		s, err := model.ParseSchema(row.Bytes())
		if err != nil {
			return err
		}
		for i := range s.Fields {
			if f := &s.Fields[i]; !f.Dropped && f.FK == name {
				b.froms = append(b.froms, backReference{schema: s, field: f})
			}
		}
	}
	return nil
}

// Change is what a Before hook sees of one write.
type Change struct {
	Kind  state.EventKind // created, updated or deleted
	Table *Table
	Key   string // order-preserving key; empty for a created record whose key is still to be made
	Old   any    // *T, nil when created; changing it has no effect
	New   any    // *T, nil when deleted; the hook may change it, but not its primary key
}
