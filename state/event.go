package state

import "fmt"

// SchemaModel is the number of the built-in model whose records are the schemas of all
// others (model.Schema); the key of one is [SchemaKey] of the model's name.
const SchemaModel uint32 = 0

// SchemaKey returns the key of a model's declaration.
func SchemaKey(name string) string { return name }

// EventKind says what happened to a record.
type EventKind uint8

// The kinds of events. Their numbers are part of the log's format.
const (
	Created EventKind = 1
	Updated EventKind = 2
	Deleted EventKind = 3
)

// String returns the kind's name.
func (k EventKind) String() string {
	switch k {
	case Created:
		return "created"
	case Updated:
		return "updated"
	case Deleted:
		return "deleted"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Event is a fact about one record.
type Event struct {
	Model   uint32
	Kind    EventKind
	Key     string   // primary key, order-preserving
	Fields  []byte   // created: the whole record; updated: the changed fields
	Cleared []uint32 // updated: numbers of fields that are gone, ascending
	Custom  *Custom  // updated: what the application calls it; nil without a name
}

// Custom is what an application says of an event beside its outcome. Applying an event does
// not look at it.
type Custom struct {
	Name    string
	Version uint32 // of what its payloads mean; 0 is the first, and so is 1
	Payload []byte // JSON
}

// FactError is an event that cannot have happened to the state it is applied to: the
// log and the state do not belong together, or one of them is damaged.
type FactError struct {
	Seq    uint64
	Event  Event
	Reason string // in words; empty when Err says it
	Err    error  // what a part found wrong, e.g. a record that is no message; or nil
}

// Error names sequence, model, key, kind and reason.
func (e *FactError) Error() string {
	reason := e.Reason
	if e.Err != nil {
		reason += e.Err.Error()
	}
	return fmt.Sprintf("state: sequence %d: model %d, key %x %s: %s", e.Seq, e.Event.Model, e.Event.Key, e.Event.Kind, reason)
}

// Unwrap returns Err.
func (e *FactError) Unwrap() error { return e.Err }
