package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// Export is what a copy of an engine is made of: a state long ago, and all that happened
// until now.
type Export struct {
	Base     eventlog.Position // the records begin behind it; the zero value: with the first there ever was
	Snapshot io.ReaderAt       // of the state at Base, unsealed; nil where that is the beginning
	Size     int64             // of the snapshot, in bytes
	End      eventlog.Position // of the last record
	Root     *state.Root       // the state there
	Hooks    map[string]uint64 // log index up to which each Committed hook has dealt with everything

	records func(fn func(r eventlog.Record) error) error
}

// Records calls fn with every record behind Base up to End, in order. Errors: those of
// fn, of the log, and of the context that Export was given.
func (x *Export) Records(fn func(r eventlog.Record) error) error { return x.records(fn) }

// Export hands fn what a copy of the engine takes, and keeps all of it until fn has
// returned: meanwhile no snapshot and no log is let go of, and writes go on. Several
// exports may run at once.
//
// Errors: those of fn; of the disk and the order; [ErrClosed]; ctx's.
func (e *Engine) Export(ctx context.Context, fn func(x *Export) error) (err error) {
	if e.point.Load() == nil {
		return ErrClosed // not started
	}
	x := &Export{Hooks: map[string]uint64{}}
	for _, h := range e.hooks { // before the end is taken: a hook may see entries twice, and miss none
		x.Hooks[h.name] = h.saved.Load()
	}
	base, err := e.pin(ctx)
	if err != nil {
		return err
	}
	defer e.unpin()
	end := e.point.Load()
	x.Root = end.root
	if end.index > 0 {
		if x.End, err = e.order.Position(end.index); err != nil {
			return fmt.Errorf("engine: export: %w", err)
		}
	}
	if base != nil {
		o, err := openSnapshot(&e.snaps.cfg, base.name)
		if err != nil {
			return fmt.Errorf("engine: export: %w", err)
		}
		defer func() { err = errors.Join(err, o.Close()) }()
		x.Base, x.Snapshot, x.Size = o.at.Position, o, o.size
	}
	x.records = func(fn func(r eventlog.Record) error) error {
		if x.Base.Index == x.End.Index {
			return nil
		}
		return e.eachRecord(ctx, x.Base.Index+1, func(r eventlog.Record) (bool, error) {
			err := fn(r)
			return r.Index < x.End.Index, err
		})
	}
	return fn(x)
}

// pin keeps log and snapshots as they are until unpin. base is the snapshot that stands
// before what the log holds; nil when that holds everything.
func (e *Engine) pin(ctx context.Context) (base *snapshotFile, err error) {
	if e.snaps == nil {
		return nil, nil
	}
	answer, err := e.ask(ctx, func() error {
		e.snaps.pins.Add(1)
		if e.order.First() <= 1 {
			return nil
		}
		for _, f := range e.snaps.sound() {
			if f.index+1 >= e.order.First() {
				base = &f
				return nil
			}
		}
		e.snaps.pins.Add(-1)
		return fmt.Errorf("engine: the log begins at index %d, and no snapshot is left of what was before", e.order.First())
	})
	if err != nil {
		return nil, err
	}
	return base, <-answer // not ctx: the pin is to be known of
}

func (e *Engine) unpin() {
	if e.snaps != nil {
		e.snaps.pins.Add(-1)
	}
}

// ask has the goroutine that owns the snapshots run fn, whose error comes by the channel.
func (e *Engine) ask(ctx context.Context, fn func() error) (<-chan error, error) {
	answer := make(chan error, 1)
	if e.cfg.Manual {
		answer <- fn()
		return answer, nil
	}
	select {
	case e.snapsAsk <- func() { answer <- fn() }:
		return answer, nil
	case <-e.idle:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
