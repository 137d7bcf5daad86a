package lithair

import (
	"cmp"
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

func (c *collection) eventCodec() (*model.Codec, error) {
	c.events.once.Do(func() {
		c.events.codec, c.events.err = c.table.Model().Bind(c.table.Schema())
	})
	return c.events.codec, c.events.err
}

// Events iterates over what an entry says about records of T, in order; see [App.Committed].
// An event that cannot be read ends it with an error.
func (c *Collection[T]) Events(e Entry) iter.Seq2[Event[T], error] {
	return func(yield func(Event[T], error) bool) {
		err := c.base.eachEvent(&e, func(x rawEvent) bool {
			ev, err := c.event(x)
			return yield(ev, err) && err == nil
		})
		if err != nil {
			yield(Event[T]{}, err)
		}
	}
}

// rawEvent is an event and what it is part of.
type rawEvent struct {
	time int64 // of the entry, Unix ns
	tx   *engine.Transaction
	ev   *state.Event
}

// eachEvent calls fn with the events of the model until it returns false.
func (c *collection) eachEvent(e *Entry, fn func(rawEvent) bool) error {
	if _, err := c.codec(); err != nil {
		return err
	}
	for i := range e.Txs {
		for j := range e.Txs[i].Events {
			if e.Txs[i].Events[j].Model != c.table.Number() {
				continue
			}
			if !fn(rawEvent{e.Time, &e.Txs[i], &e.Txs[i].Events[j]}) {
				return nil
			}
		}
	}
	return nil
}

func (c *Collection[T]) event(x rawEvent) (ev Event[T], err error) {
	ev.Changed, err = c.base.readEvent(x, &ev.EventInfo, &ev.Record)
	ev.Kind = x.ev.Kind
	if said := x.ev.Custom; said != nil {
		ev.Name, ev.Version, ev.Payload = said.Name, max(1, int(said.Version)), said.Payload
	}
	return ev, err
}

// readEvent reads an event into info and the record; changed are the fields that an update changed.
func (c *collection) readEvent(x rawEvent, info *EventInfo, record any) (changed []string, err error) {
	codec, err := c.eventCodec()
	if err != nil {
		return nil, err
	}
	*info = EventInfo{x.tx.Seq, time.Unix(0, x.time).UTC(), x.tx.Actor, x.tx.RequestID, x.tx.TraceID, x.tx.Command}
	if x.ev.Kind != Deleted {
		err = codec.Decode(x.ev.Fields, record)
	}
	if err == nil {
		err = codec.SetKey(record, x.ev.Key)
	}
	if err == nil && x.ev.Kind == Updated {
		changed, err = c.changed(x.ev)
	}
	if err != nil {
		err = fmt.Errorf("lithair: an event of %s at sequence %d: %w", c.table.Name(), x.tx.Seq, err)
	}
	return changed, err
}

// changed names the fields of an update that T has.
func (c *collection) changed(raw *state.Event) (names []string, err error) {
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
	c.base.committed(name, func(ctx context.Context, x rawEvent) error {
		e, err := c.event(x)
		if err != nil {
			return err
		}
		return fn(ctx, e)
	})
}

func (c *collection) committed(name string, fn func(context.Context, rawEvent) error) {
	c.app.Committed(name, func(ctx context.Context, entry Entry) error {
		var failed error
		err := c.eachEvent(&entry, func(x rawEvent) bool {
			failed = fn(ctx, x)
			return failed == nil
		})
		return cmp.Or(err, failed)
	})
}
