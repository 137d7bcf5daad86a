package engine

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Rehearsal is what a start with the registered models would meet in a log that other code wrote.
type Rehearsal struct {
	Root      *state.Root       // the newest state, as the log has it
	Records   uint64            // log records that were replayed
	Seq       uint64            // of the newest state
	Events    uint64            // created and updated ones that were decoded with the new types
	Rows      map[string]uint64 // records now, by model; those of models that are not registered, too
	Refused   error             // why a start would be refused; nil: it would not
	Bad       []RehearsedRow    // records that the models would not take now, the first of each model
	BadByName map[string]uint64 // how many, by model
}

// RehearsedRow is a record that does not fit a model as it is now.
type RehearsedRow struct {
	Model, Key, Problem string
}

// Rehearse replays a log, from its beginning or its oldest snapshot, declares the registered
// models on the state that comes of it, and decodes and checks each record, and each event, with
// the types as they are now. Nothing is written. The engine is not started, and need not be.
//
// Errors: those of reading the log; ctx's. What the models make of it stands in the Rehearsal.
func (e *Engine) Rehearse(ctx context.Context, o *Offline) (*Rehearsal, error) {
	from, index, err := o.At(ctx, o.Oldest())
	if err != nil {
		return nil, err
	}
	r := &Rehearsal{Rows: map[string]uint64{}, BadByName: map[string]uint64{}}
	p := NewReplay(from, index)
	err = o.Records(index+1, func(rec eventlog.Record) error {
		r.Records++
		if err := context.Cause(ctx); err != nil {
			return err
		}
		return p.Apply(rec, math.MaxUint64)
	})
	if err != nil {
		return nil, err
	}
	r.Root, r.Seq = p.Root(), p.Root().Seq()
	for _, s := range r.Root.Models() {
		if !model.Internal(s.Model) {
			r.Rows[s.Model] = uint64(r.Root.Len(s.Number))
		}
	}
	codecs, next, err := e.rehearseDeclare(r.Root)
	if err != nil {
		r.Refused = err
		return r, nil
	}
	for _, t := range e.tables {
		if c := codecs[numberOf(next, t.model.Name)]; c != nil && !t.model.MemoryOnly {
			r.checkRows(t, c, next)
		}
	}
	return r, o.Records(index+1, func(rec eventlog.Record) error {
		if rec.Kind != KindBatch || rec.Redacted {
			return context.Cause(ctx)
		}
		return r.checkEvents(rec, codecs)
	})
}

func numberOf(r *state.Root, name string) uint32 {
	if s := r.SchemaByName(name); s != nil {
		return s.Number
	}
	return 0
}

// rehearseDeclare declares the models on a copy of a state, and returns their codecs by the
// number of the model.
func (e *Engine) rehearseDeclare(root *state.Root) (map[uint32]*model.Codec, *state.Root, error) {
	fresh, err := declarations(e.tables, root)
	if err != nil {
		return nil, nil, err
	}
	batch := root.Begin()
	for _, s := range fresh {
		ev, err := declaration(batch, s.Model, s.Append(nil))
		if err != nil {
			return nil, nil, err
		}
		if err := batch.Apply(root.Seq()+1, ev); err != nil {
			var same *state.DuplicateError
			if errors.As(err, &same) {
				return nil, nil, same
			}
			return nil, nil, err
		}
	}
	next := batch.Seal(root.Seq()+1, root.Time())
	codecs := map[uint32]*model.Codec{}
	for _, t := range e.tables {
		s := next.SchemaByName(t.model.Name)
		if s == nil || t.model.MemoryOnly {
			continue
		}
		c, err := t.model.Bind(s)
		if err != nil {
			return nil, nil, err
		}
		codecs[s.Number] = c
	}
	return codecs, next, nil
}

// checkRows decodes and validates all records of a model.
func (r *Rehearsal) checkRows(t *Table, c *model.Codec, root *state.Root) {
	s := root.SchemaByName(t.model.Name)
	for key, row := range root.Scan(s.Number, state.Range{}) {
		ptr := c.New()
		problem := ""
		if err := c.Decode(row.Bytes(), ptr); err != nil {
			problem = err.Error()
		} else if bad := t.model.Validate(ptr); len(bad) > 0 {
			problem = bad[0].Field + " " + bad[0].Message
		}
		if problem == "" {
			continue
		}
		if r.BadByName[t.model.Name]++; r.BadByName[t.model.Name] == 1 {
			r.Bad = append(r.Bad, RehearsedRow{t.model.Name, s.KeyText(key), problem})
		}
	}
}

// checkEvents decodes what the events of an entry created and changed.
func (r *Rehearsal) checkEvents(rec eventlog.Record, codecs map[uint32]*model.Codec) error {
	entry, err := DecodeEntry(rec.Payload)
	if err != nil {
		return fmt.Errorf("log index %d: %w", rec.Index, err)
	}
	for i := range entry.Txs {
		for _, ev := range entry.Txs[i].Events {
			c := codecs[ev.Model]
			if c == nil || len(ev.Fields) == 0 {
				continue
			}
			r.Events++
			if err := c.Decode(ev.Fields, c.New()); err != nil && r.Refused == nil {
				r.Refused = fmt.Errorf("engine: sequence %d cannot be read: %w", entry.Txs[i].Seq, err)
			}
		}
	}
	return nil
}
