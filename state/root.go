package state

import (
	"iter"
	"sync/atomic"

	"github.com/lithair/lithair-go/model"
)

// Reader is what can be asked of a state. It is implemented by [Root] and [Batch].
type Reader interface {
	// Get returns the record with that primary key; nil when there is none.
	Get(model uint32, key string) *Row
	// Len returns the number of records.
	Len(model uint32) int
	// Scan iterates in order of primary keys.
	Scan(model uint32, r Range) iter.Seq2[string, *Row]
	// ScanIndex iterates in order of an indexed field, then of primary keys, and gives
	// primary keys and records. Bounds are on the field's key encoding. A field without
	// an index is a panic.
	ScanIndex(model, field uint32, r Range) iter.Seq2[string, *Row]
	// CountIndex returns how many entries of an index lie in a range, in O(log n).
	CountIndex(model, field uint32, r Range) int
	// Unique returns the primary key of the record with that value, by its key
	// encoding, in a unique field.
	Unique(model, field uint32, value string) (key string, ok bool)
	// SchemaByName returns a model's declaration; nil when there is none.
	SchemaByName(name string) *model.Schema
	// Seq returns the sequence of the newest transaction.
	Seq() uint64
	// Time returns the timestamp of the newest entry in Unix nanoseconds.
	Time() int64
}

// Root is an immutable version of the whole state.
type Root struct{ view }

// view is what roots and batches have in common.
type view struct {
	seq    uint64
	time   int64
	hash   sum
	tables []*table // by model number; nil where there is none
}

// Empty returns the state before the first event.
func Empty() *Root {
	return &Root{view{tables: []*table{{schema: &model.Schema{Model: "_schema"}}}}}
}

// Seq implements [Reader].
func (v *view) Seq() uint64 { return v.seq }

// Time implements [Reader].
func (v *view) Time() int64 { return v.time }

// Hash returns the state's hash, see the package doc.
func (v *view) Hash() [16]byte { return v.hash.bytes() }

func (v *view) table(number uint32) *table {
	if int(number) < len(v.tables) {
		return v.tables[number]
	}
	return nil
}

// Get implements [Reader].
func (v *view) Get(model uint32, key string) *Row {
	t := v.table(model)
	if t == nil {
		return nil
	}
	row, _ := t.rows.Get(key)
	return row
}

// Len implements [Reader].
func (v *view) Len(model uint32) int {
	if t := v.table(model); t != nil {
		return t.rows.Len()
	}
	return 0
}

// Bytes returns the bytes of a model's keys and records.
func (v *view) Bytes(model uint32) int64 {
	if t := v.table(model); t != nil {
		return t.bytes
	}
	return 0
}

// Unique implements [Reader].
func (v *view) Unique(model, field uint32, value string) (key string, ok bool) {
	if t := v.table(model); t != nil {
		if x := t.index(field); x != nil && x.unique {
			return x.tree.Get(value)
		}
	}
	return "", false
}

// CountIndex implements [Reader].
func (v *view) CountIndex(model, field uint32, r Range) int {
	t := v.table(model)
	if t == nil {
		return 0
	}
	x := t.index(field)
	if x == nil {
		return 0
	}
	lo, hi := span(&x.tree, r)
	return max(hi-lo-r.Skip, 0)
}

// SchemaByName implements [Reader].
func (v *view) SchemaByName(name string) *model.Schema {
	for _, t := range v.tables[1:] {
		if t != nil && t.schema.Model == name {
			return t.schema
		}
	}
	return nil
}

// Schema returns the declaration of the model with that number; nil when there is none.
func (v *view) Schema(number uint32) *model.Schema {
	if t := v.table(number); t != nil && number != SchemaModel {
		return t.schema
	}
	return nil
}

// Models returns the declarations of all models, by number.
func (v *view) Models() []*model.Schema {
	var list []*model.Schema
	for _, t := range v.tables[1:] {
		if t != nil {
			list = append(list, t.schema)
		}
	}
	return list
}

// Scan implements [Reader].
func (r *Root) Scan(model uint32, rg Range) iter.Seq2[string, *Row] {
	t := r.table(model)
	if t == nil {
		return func(func(string, *Row) bool) {}
	}
	return func(yield func(string, *Row) bool) { scan(t.rows, rg, yield) }
}

// ScanIndex implements [Reader].
func (r *Root) ScanIndex(model, field uint32, rg Range) iter.Seq2[string, *Row] {
	t := r.table(model)
	if t == nil {
		return func(func(string, *Row) bool) {}
	}
	x := t.mustIndex(field)
	return func(yield func(string, *Row) bool) {
		scan(x.tree, rg, func(_, key string) bool {
			row, _ := t.rows.Get(key)
			return yield(key, row)
		})
	}
}

// Store holds the newest root for readers. It is safe for concurrent use.
type Store struct{ root atomic.Pointer[Root] }

// NewStore returns a store that holds r.
func NewStore(r *Root) *Store {
	s := &Store{}
	s.root.Store(r)
	return s
}

// Load returns the newest root.
func (s *Store) Load() *Root { return s.root.Load() }

// Publish makes r the newest root.
func (s *Store) Publish(r *Root) { s.root.Store(r) }
