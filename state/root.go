package state

import (
	"iter"

	"github.com/lithair/lithair-go/model"
)

// Reader is what can be asked of a state. It is implemented by [Root] and [Batch].
type Reader interface {
	// Get returns the record with that primary key; nil when there is none.
	Get(model uint32, key string) *Row
	// Len returns the number of records.
	Len(model uint32) int
	// Scan iterates in order of primary keys over the state as it is when Scan is
	// called; breaking off leaves nothing behind.
	Scan(model uint32, r Range) iter.Seq2[string, *Row]
	// ScanIndex iterates in order of an index, then of primary keys, and gives primary
	// keys and records. An index has the number of its field, or that of its
	// declaration (model.Index). Bounds are on the key encodings of its fields, one
	// behind the other. An index that a declared model does not have is a panic.
	// Records without a value of an optional field are not in a unique index; in any
	// other they come first.
	ScanIndex(model, index uint32, r Range) iter.Seq2[string, *Row]
	// CountIndex returns how many entries of an index lie in a range, in O(log n). An
	// index that is not there is a panic.
	CountIndex(model, index uint32, r Range) int
	// Count returns how many records lie in a range of primary keys, in O(log n).
	Count(model uint32, r Range) int
	// Unique returns the primary key of the record with that value, by its key
	// encoding, in a unique index.
	Unique(model, index uint32, value string) (key string, ok bool)
	// SchemaByName returns a model's declaration; nil when there is none. It must not
	// be changed.
	SchemaByName(name string) *model.Schema
	// Seq returns the sequence of the newest transaction; in a batch, of the one before
	// the batch.
	Seq() uint64
	// Time returns the timestamp of the newest entry in Unix nanoseconds; in a batch,
	// of the one before the batch.
	Time() int64
}

var (
	_ Reader = (*Root)(nil)
	_ Reader = (*Batch)(nil)
)

// Root is an immutable version of the whole state. It is safe for concurrent use.
type Root struct{ view }

// view is what roots and batches have in common.
type view struct {
	seq    uint64
	time   int64
	tables []*table // by model number; nil where there is none

	keys *table // see KeyModel

	local   []*table // of local models, by number less LocalModel
	changes uint64   // of local records, counted on
}

// Empty returns the state before the first event.
func Empty() *Root {
	return &Root{view{tables: []*table{{schema: &model.Schema{Model: "_schema"}}}, keys: newKeys()}}
}

// Seq implements [Reader].
func (v *view) Seq() uint64 { return v.seq }

// Time implements [Reader].
func (v *view) Time() int64 { return v.time }

// Hash returns the state's hash, see the package doc.
func (v *view) Hash() [16]byte {
	var all sum
	for _, t := range v.tables {
		if t != nil {
			all = all.plus(t.hash)
		}
	}
	return all.bytes()
}

// ModelHash returns what one model's records add to the hash, so that states that differ
// can be searched for the place; 0 for a model without records.
func (v *view) ModelHash(model uint32) [16]byte {
	if t := v.table(model); t != nil {
		return t.hash.bytes()
	}
	return [16]byte{}
}

func (v *view) table(number uint32) *table {
	if uint64(number) < uint64(len(v.tables)) {
		return v.tables[number]
	}
	if number == KeyModel {
		return v.keys
	}
	return v.localTable(number)
}

// Get implements [Reader]. It allocates nothing.
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

// Size returns the bytes of all keys and records, local ones left out.
func (v *view) Size() (n int64) {
	for _, t := range v.tables {
		if t != nil {
			n += t.bytes
		}
	}
	return n
}

// Unique implements [Reader].
func (v *view) Unique(model, index uint32, value string) (key string, ok bool) {
	if t := v.table(model); t != nil {
		if x := t.index(index); x != nil && x.def.Unique {
			return x.holder(value)
		}
	}
	return "", false
}

// SchemaByName implements [Reader].
func (v *view) SchemaByName(name string) *model.Schema {
	for _, t := range v.tables[1:] {
		if t != nil && t.schema.Model == name {
			return t.schema
		}
	}
	for _, t := range v.local {
		if t.schema.Model == name {
			return t.schema
		}
	}
	return nil
}

// Schema returns the declaration of the model with that number; nil when there is none.
// It must not be changed.
func (v *view) Schema(number uint32) *model.Schema {
	if t := v.table(number); t != nil && number != SchemaModel && number != KeyModel {
		return t.schema
	}
	return nil
}

// Models returns the declarations of all models but local ones, by number. They must not be changed.
func (v *view) Models() []*model.Schema {
	var list []*model.Schema
	for _, t := range v.tables[1:] {
		if t != nil {
			list = append(list, t.schema)
		}
	}
	return list
}
