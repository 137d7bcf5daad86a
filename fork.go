package lithair

import (
	"context"
	"iter"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/state"
)

// Fork is a state that goes another way than the application's: what is written on it is
// seen by nobody else, and kept nowhere. It tries changes on today's data or on that of any
// moment that is kept: an import, a migration, a rule. It is safe for concurrent use.
type Fork struct{ fork *engine.Fork }

// Fork begins at the state as it was when the transaction with that index was the newest.
// Models are as they are now; records of memory-only models are not in it. It costs what
// [App.ViewAt] does; what is written on it takes memory until nothing refers to it.
//
// Errors: engine.ErrFuture; *engine.GoneError when the log before is gone; an error when
// records of that time do not fit the models as they are now.
func (a *App) Fork(ctx context.Context, index uint64) (*Fork, error) {
	f, err := a.engine.Fork(ctx, index)
	if err != nil {
		return nil, err
	}
	return &Fork{f}, nil
}

// Update runs fn as one transaction on the fork, with all rules and Before hooks, and
// without Committed hooks. It must not be called inside another one of the same fork.
//
// Errors: those of fn, which leave no trace.
func (f *Fork) Update(ctx context.Context, fn func(tx *Tx) error) error {
	_, err := f.fork.Do(ctx, onBehalf(ctx, engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, fn(&Tx{tx: tx})
	}}))
	return err
}

// View gives fn an immutable snapshot of the fork, which must not be used after fn has
// returned.
func (f *Fork) View(fn func(s *Snapshot) error) error {
	s := &Snapshot{root: f.fork.Root()}
	defer s.close()
	return fn(s)
}

// Difference is a record that a fork changed. Before is nil when the fork made it, After
// when the fork deleted it.
type Difference[T any] struct{ Before, After *T }

// Diff iterates over the records of the collection that a fork changed so far, by primary
// key. Its cost follows the number of all records that the fork changed.
func (c *Collection[T]) Diff(f *Fork) iter.Seq2[Difference[T], error] {
	return func(yield func(Difference[T], error) bool) {
		c.base.diff(f, func(before, after *state.Row, err error) bool {
			var d Difference[T]
			if before != nil {
				d.Before = new(T)
				*d.Before, err = c.decode(before)
			}
			if after != nil && err == nil {
				d.After = new(T)
				*d.After, err = c.decode(after)
			}
			return yield(d, err) && err == nil
		})
	}
}

func (c *collection) diff(f *Fork, yield func(before, after *state.Row, err error) bool) {
	if _, err := c.codec(); err != nil {
		yield(nil, nil, err)
		return
	}
	for change := range f.fork.Diff() {
		if change.Model == c.table.Number() && !yield(change.Old, change.New, nil) {
			return
		}
	}
}
