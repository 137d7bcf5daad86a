package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// Version is what a transaction made of one record.
type Version struct {
	Seq       uint64
	Time      int64 // Unix ns, of the entry
	Actor     string
	RequestID string
	Command   string
	Kind      state.EventKind
	Changed   []uint32       // numbers of the fields that changed, ascending; all there are when created
	Record    []byte         // the canonical record afterwards; nil when deleted
	Events    []state.Custom // what the application calls the events of it, in order, where it does
}

// History returns the versions of a record with sequences below before (0: all), oldest
// first, at most the newest take of them; more says that there are older ones. It reads
// the log from its beginning, or from the oldest snapshot where that is gone; then what
// lies before is told only as far as lifecycle:"versioned=N" keeps it, and complete is
// false.
//
// Errors: ctx's, those of the log.
func (e *Engine) History(ctx context.Context, t *Table, key string, before uint64, take int) (versions []Version, more, complete bool, err error) {
	complete, err = e.eachVersion(ctx, t, key, func(v Version) {
		if before > 0 && v.Seq >= before {
			return
		}
		if len(versions) == take {
			versions, more = append(versions[:0], versions[1:]...), true
		}
		versions = append(versions, v)
	})
	return versions, more, complete, err
}

// Blame returns, for each field of a record by its number, the version that gave it the
// value it has. A field whose value is older than the log is not there, unless it is
// audited. [ErrNotFound] when there is no such record.
func (e *Engine) Blame(ctx context.Context, t *Table, key string) (by map[uint32]Version, complete bool, err error) {
	by = map[uint32]Version{}
	there := e.Root().Get(t.Number(), key) != nil
	if !there {
		return nil, false, ErrNotFound
	}
	complete, err = e.eachVersion(ctx, t, key, func(v Version) {
		if v.Kind != state.Updated {
			clear(by)
		}
		for _, n := range v.Changed {
			by[n] = v
		}
	})
	if err == nil {
		err = e.audited(e.Root(), t, key, by)
	}
	return by, complete, err
}

// eachVersion calls fn with every version of a record that the log tells of, in order.
func (e *Engine) eachVersion(ctx context.Context, t *Table, key string, fn func(Version)) (complete bool, err error) {
	if err := e.past.enter(ctx); err != nil {
		return false, err
	}
	defer e.past.leave()
	model := t.Number()
	var rec []byte
	first := e.order.First()
	if complete = first <= 1; !complete {
		base, err := e.before(e.Oldest())
		if err != nil {
			return false, err
		}
		if first = base.index + 1; base.root.Get(model, key) != nil {
			rec = base.root.Get(model, key).Bytes()
		}
		kept, err := e.keptBefore(e.Root(), t, key, base.root.Seq())
		if err != nil {
			return false, err
		}
		for _, v := range kept {
			fn(v)
		}
	}
	head := e.point.Load().index
	needle := []byte(key)
	return complete, e.eachRecord(ctx, first, func(r eventlog.Record) (bool, error) {
		if r.Kind == KindBatch && bytes.Contains(r.Payload, needle) { // the key stands in it as it is
			if rec, err = versionsIn(r, model, key, rec, fn); err != nil {
				return false, fmt.Errorf("log index %d: %w", r.Index, err)
			}
		}
		return r.Index < head, nil
	})
}

// versionsIn finds the versions of a record in one entry. rec is the record before, and
// is returned as it is after.
func versionsIn(r eventlog.Record, model uint32, key string, rec []byte, fn func(Version)) ([]byte, error) {
	h, err := decodeEntryHead(r.Payload)
	if err != nil {
		return rec, err
	}
	return rec, eachTx(h, func(seq uint64, msg []byte) error {
		t, events, err := decodeTx(msg)
		if err != nil {
			return err
		}
		v := Version{Seq: seq, Time: r.Time, Actor: t.Actor, RequestID: t.RequestID, Command: t.Command}
		touched := false
		before := rec
		err = eachEvent(events, func(ev state.Event) (err error) {
			if ev.Model != model || ev.Key != key {
				return nil
			}
			touched = true
			if ev.Custom != nil {
				v.Events = append(v.Events, state.Custom{Name: ev.Custom.Name, Version: ev.Custom.Version, Payload: bytes.Clone(ev.Custom.Payload)})
			}
			switch ev.Kind {
			case state.Deleted:
				rec = nil
			case state.Created:
				rec = append([]byte{}, ev.Fields...)
			default:
				rec, err = binenc.Merge(nil, rec, ev.Fields, ev.Cleared)
			}
			return err
		})
		if err != nil || !touched || before == nil && rec == nil {
			return err
		}
		v.Record = rec
		if v.Kind, v.Changed, err = changeOf(before, rec); err == nil {
			fn(v)
		}
		return err
	})
}

// changeOf says what a transaction as a whole did to a record, however many events it
// took.
func changeOf(before, after []byte) (kind state.EventKind, changed []uint32, err error) {
	switch {
	case after == nil:
		return state.Deleted, nil, nil
	case before == nil:
		kind = state.Created
	default:
		kind = state.Updated
	}
	patch, cleared, err := binenc.Diff(before, after, nil)
	if err != nil {
		return kind, nil, err
	}
	changed = append(FieldNumbers(patch), cleared...)
	slices.Sort(changed)
	return kind, changed, nil
}

// FieldNumbers lists the fields of a message.
func FieldNumbers(msg []byte) (list []uint32) {
	d := binenc.NewDecoder(msg)
	for {
		n, _, ok := d.Next()
		if !ok {
			return list
		}
		list = append(list, n)
	}
}
