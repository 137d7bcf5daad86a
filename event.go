package lithair

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// EventKind says what happened to a record.
type EventKind = state.EventKind

// The kinds of events.
const (
	Created = state.Created
	Updated = state.Updated
	Deleted = state.Deleted
)

// EventInfo is what all events of a transaction have in common.
type EventInfo struct {
	Seq                       uint64 // of the transaction
	Time                      time.Time
	Actor, RequestID, TraceID string // empty where nobody, or no request, stands behind it
	Command                   string // its name; empty without one
}

// Event is a fact about a record of T. Fields with privacy:"sealed" are as they are stored.
type Event[T any] struct {
	EventInfo
	Kind EventKind

	// Record has the primary key and, when it was created, all fields; when updated, those
	// that changed.
	Record T
	// Changed are the names of the fields that an update changed, in order of their numbers.
	Changed []string

	// Name is what the application calls an update, and Payload what it said of it, as JSON;
	// empty where it has no name. See [Collection.Emit] and [OnEvent].
	Name    string
	Version int // of what the payload means, from 1 on; 0 without a name. See [VersionedEvent]
	Payload []byte
}

// Has says whether an update changed the field.
func (e *Event[T]) Has(field string) bool { return slices.Contains(e.Changed, field) }

// Changed is what became of one field: generated code has it for each field of an update.
type Changed[V any] struct {
	Set bool // the field was changed
	To  V    // its new value
}

// To returns the value of a field that an update changed, or none.
func To[T, V any](e *Event[T], field string, v V) (c Changed[V]) {
	if e.Has(field) {
		c.Set, c.To = true, v
	}
	return c
}

// eventCodec decodes events. It has no keys of sealed fields.
type eventCodec struct {
	once  sync.Once
	codec *model.Codec
	err   error
}

func (c *Collection[T]) eventCodec() (*model.Codec, error) {
	c.events.once.Do(func() {
		c.events.codec, c.events.err = c.table.Model().Bind(c.table.Schema())
	})
	return c.events.codec, c.events.err
}

// Events iterates over what an entry says about records of T, in order; see [App.Committed].
// An event that cannot be read ends it with an error.
func (c *Collection[T]) Events(e Entry) iter.Seq2[Event[T], error] {
	return func(yield func(Event[T], error) bool) {
		if _, err := c.codec(); err != nil {
			yield(Event[T]{}, err)
			return
		}
		for i := range e.Txs {
			for j := range e.Txs[i].Events {
				if e.Txs[i].Events[j].Model != c.table.Number() {
					continue
				}
				ev, err := c.event(&e, &e.Txs[i], &e.Txs[i].Events[j])
				if !yield(ev, err) || err != nil {
					return
				}
			}
		}
	}
}

func (c *Collection[T]) event(e *Entry, tx *engine.Transaction, raw *state.Event) (ev Event[T], err error) {
	codec, err := c.eventCodec()
	if err != nil {
		return ev, err
	}
	ev.EventInfo = EventInfo{tx.Seq, time.Unix(0, e.Time).UTC(), tx.Actor, tx.RequestID, tx.TraceID, tx.Command}
	ev.Kind = raw.Kind
	if raw.Custom != nil {
		ev.Name, ev.Version, ev.Payload = raw.Custom.Name, max(1, int(raw.Custom.Version)), raw.Custom.Payload
	}
	if raw.Kind != Deleted {
		err = codec.Decode(raw.Fields, &ev.Record)
	}
	if err == nil {
		err = codec.SetKey(&ev.Record, raw.Key)
	}
	if err == nil && raw.Kind == Updated {
		ev.Changed, err = c.changed(raw)
	}
	if err != nil {
		err = fmt.Errorf("lithair: an event of %s at sequence %d: %w", c.table.Name(), tx.Seq, err)
	}
	return ev, err
}

// changed names the fields of an update that T has.
func (c *Collection[T]) changed(raw *state.Event) (names []string, err error) {
	numbers := slices.Clone(raw.Cleared)
	d := binenc.NewDecoder(raw.Fields)
	for n, _, ok := d.Next(); ok; n, _, ok = d.Next() {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if f := c.table.Schema().ByNumber(n); f != nil && !f.Dropped {
			names = append(names, f.Name)
		}
	}
	return names, d.Err()
}

// OnCommit adds a function that is called behind the commit with every event of T in order,
// at least once, on each node; see [App.Committed], also for name.
func (c *Collection[T]) OnCommit(name string, fn func(ctx context.Context, e Event[T]) error) {
	c.app.Committed(name, func(ctx context.Context, entry Entry) error {
		for e, err := range c.Events(entry) {
			if err == nil {
				err = fn(ctx, e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
