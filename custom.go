package lithair

import (
	"context"
	"fmt"
	"reflect"

	"github.com/lithair/lithair-go/jsonx"
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
// the type is when they are read, with unknown members passed over.
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
	return tx.tx.Emit(c.table, string(k), nameOf(reflect.TypeOf(e)), payload, func(ptr any) error { return e.Apply(ptr.(*T)) })
}

// As reads the payload of an event as E; ok is false when it is called otherwise.
func As[E CustomEvent[T], T any](e *Event[T]) (v E, ok bool, err error) {
	if e.Name == "" || e.Name != nameOf(reflect.TypeFor[E]()) {
		return v, false, nil
	}
	if err = jsonx.Unmarshal(e.Payload, &v); err != nil {
		err = fmt.Errorf("lithair: event %s at sequence %d: %w", e.Name, e.Seq, err)
	}
	return v, true, err
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
