package lithair

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/state"
)

// CustomEvent is an event of an application's own about a record of T: a struct whose fields,
// as JSON, are what there is to say of it.
//
//	// Published says that an article can be read from now on.
//	type Published struct {
//		By string `json:"by"`
//	}
//
//	func (e Published) Apply(a *Article) error {
//		if a.Live {
//			return ErrTwice
//		}
//		a.Live, a.Editor = true, e.By
//		return nil
//	}
//
// Apply changes the record, or refuses. It runs once, in the transaction that emits the event;
// what is logged and replicated is the event with the fields that came out changed. Replay,
// other nodes and tools take that outcome and never call Apply: its code may change, or go, at
// any time, and need not be deterministic.
//
// An event is called like its type, or as a method EventName() string says: the name stays in
// the log, so a type that is renamed keeps its name by that method. Payloads are read by what
// the type is when they are read, with unknown members passed over; see [VersionedEvent] for
// members whose meaning changes.
type CustomEvent[T any] interface {
	Apply(v *T) error
}

// nameOf is what an event is called.
func nameOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n, ok := reflect.New(t).Interface().(interface{ EventName() string }); ok {
		return n.EventName()
	}
	return t.Name()
}

// VersionedEvent is a custom event whose payloads once had another meaning. A member that is new, or gone,
// needs no version: what is not there is the zero value, and what is not known is passed over. A
// member that means something else, cents where it was euros, does:
//
//	// Priced says what an article costs, in cents. Version 1 had euros.
//	type Priced struct {
//		Cents int64 `json:"cents"`
//	}
//
//	func (Priced) EventVersion() int { return 2 }
//
//	func (Priced) Upcast(from int, payload []byte) ([]byte, error) {
//		var old struct {
//			Euros float64 `json:"euros"`
//		}
//		if err := jsonx.Unmarshal(payload, &old); err != nil {
//			return nil, err
//		}
//		return jsonx.Marshal(Priced{Cents: int64(math.Round(old.Euros * 100))})
//	}
//
// Emit stores the version beside the payload. [As] and [OnEvent] have Upcast lift older payloads, one
// version after the other, before they are read: by the code that runs then, and from the log as it is,
// which never changes. State is not concerned: replay takes outcomes and reads no payload.
type VersionedEvent interface {
	// EventVersion is the version of the payloads that the type has: 2 or more, without gaps.
	EventVersion() int
	// Upcast returns the payload, which is of version from, as version from+1 has it. It is called on a zero
	// value, keeps nothing of payload, and depends on nothing else.
	Upcast(from int, payload []byte) ([]byte, error)
}

// ErrEventVersion is an event whose version this program does not know: a newer one wrote it. A hook
// that gets it waits, as for any error, until such a program runs in its place.
var ErrEventVersion = errors.New("lithair: an event of a version that this program does not know")

// versionOf returns what lifts payloads of a type, and the version that it has.
func versionOf(t reflect.Type) (VersionedEvent, int) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if v, ok := reflect.New(t).Interface().(VersionedEvent); ok {
		return v, max(1, v.EventVersion())
	}
	return nil, 1
}

// lift brings a payload from a version to that of the type.
func lift(t reflect.Type, version int, payload []byte) ([]byte, error) {
	up, newest := versionOf(t)
	if version > newest {
		return nil, fmt.Errorf("%w: it is of version %d, and %v of %d", ErrEventVersion, version, t, newest)
	}
	for v := version; v < newest; v++ {
		var err error
		if payload, err = up.Upcast(v, payload); err != nil {
			return nil, fmt.Errorf("from version %d to %d: %w", v, v+1, err)
		}
	}
	return payload, nil
}

// Emit records an event about the record with that key. Its outcome is checked as that of Put
// is, by validators, constraints and Before hooks; the event is an update in feeds, histories
// and hooks, with name and payload beside what changed, and is recorded also where nothing did.
//
// Name and payload are shown wherever the event is: they are for facts that whoever may read
// the record's history may know.
//
// Errors: [ErrNotFound]; those of Apply and of [Collection.Put]; engine.ErrEventSealed,
// engine.ErrEventLocal; *engine.TooLargeError for payloads over 64 KiB of JSON.
func (c *Collection[T]) Emit(tx *Tx, key any, e CustomEvent[T]) error {
	return c.base.emit(tx, key, e, func(ptr any) error { return e.Apply(ptr.(*T)) })
}

func (c *collection) emit(tx *Tx, key, e any, apply func(ptr any) error) error {
	codec, err := c.codec()
	if err != nil {
		return err
	}
	k, err := codec.AppendKeyOf(nil, key)
	if err != nil {
		return err
	}
	payload, err := jsonx.Marshal(e)
	if err != nil {
		return fmt.Errorf("lithair: event %T: %w", e, err)
	}
	_, version := versionOf(reflect.TypeOf(e))
	said := state.Custom{Name: nameOf(reflect.TypeOf(e)), Version: uint32(version), Payload: payload}
	return tx.tx.Emit(c.table, string(k), said, apply)
}

// As reads the payload of an event as E, lifted to its version where it is a [VersionedEvent]; ok is false
// when it is called otherwise. Errors: [ErrEventVersion], those of Upcast, and of reading JSON.
func As[E CustomEvent[T], T any](e *Event[T]) (v E, ok bool, err error) {
	if e.Name == "" || e.Name != nameOf(reflect.TypeFor[E]()) {
		return v, false, nil
	}
	return v, true, readPayload(e.Name, e.Version, e.Seq, e.Payload, reflect.TypeFor[E](), &v)
}

// readPayload reads what was said of an event into ptr, which is of type t.
func readPayload(name string, version int, seq uint64, payload []byte, t reflect.Type, ptr any) error {
	payload, err := lift(t, max(1, version), payload)
	if err == nil {
		err = jsonx.Unmarshal(payload, ptr)
	}
	if err != nil {
		err = fmt.Errorf("lithair: event %s at sequence %d: %w", name, seq, err)
	}
	return err
}

// OnEvent adds a function that is called behind the commit with every event E about records of
// T, in order, at least once, on each node; e.Record has the key, and the fields that changed.
// See [App.Committed], also for name.
func OnEvent[E CustomEvent[T], T any](c *Collection[T], name string, fn func(ctx context.Context, e Event[T], v E) error) {
	c.OnCommit(name, func(ctx context.Context, e Event[T]) error {
		v, ok, err := As[E](&e)
		if !ok || err != nil {
			return err
		}
		return fn(ctx, e, v)
	})
}
