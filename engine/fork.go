package engine

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Fork is a state that goes another way than the log: commands run on it as they would
// have, with all rules and Before hooks, and what they write is seen by nobody else and
// kept nowhere. It is safe for concurrent use; commands run one at a time.
type Fork struct {
	e    *Engine
	base *state.Root

	mu   sync.Mutex
	ex   *Executor // never leads to a proposal
	made *forkKeys
	root *state.Root
}

// Fork begins at the state as it was when the transaction with that sequence was the
// newest. Models are declared as they are now. The records of memory-only models are not
// in it.
//
// Errors: those of [Engine.At]; *state.FactError when the records of that time do not fit
// the models as they are now, such as a unique field with one value twice.
func (e *Engine) Fork(ctx context.Context, seq uint64) (*Fork, error) {
	past, err := e.At(ctx, seq)
	if err != nil {
		return nil, err
	}
	base, err := withSchemas(past, e.Root())
	if err != nil {
		return nil, fmt.Errorf("engine: fork at sequence %d: %w", seq, err)
	}
	cfg := e.ex.cfg
	cfg.Running = nil // the watchdog looks at the engine's own goroutine
	ex := &Executor{cfg: cfg, tables: e.ex.tables, stored: e.ex.stored, versions: e.ex.versions, audit: e.ex.audit, subjects: e.ex.subjects, keys: e.ex.keys,
		ids: &model.Generator{}, committed: base, head: base, leading: true, declared: true}
	f := &Fork{e: e, base: base, ex: ex, root: base, made: &forkKeys{ring: ex.keys}}
	runtime.AddCleanup(f, func(made *forkKeys) { made.ring.drop(made.list) }, f.made)
	return f, nil
}

// forkKeys are the keys that commands of a fork made: records of it are decoded with them
// as long as it is in use.
type forkKeys struct {
	ring *keyring
	list []madeKey
}

// withSchemas gives a past state the declarations of a later one. Numbers of models and
// fields are given once, so records keep their meaning.
func withSchemas(past, now *state.Root) (*state.Root, error) {
	batch := past.Begin()
	for key, row := range now.Scan(state.SchemaModel, state.Range{}) {
		ev := state.Event{Model: state.SchemaModel, Kind: state.Created, Key: key, Fields: row.Bytes()}
		if old := past.Get(state.SchemaModel, key); old != nil {
			var err error
			if ev.Kind = state.Updated; string(old.Bytes()) == string(row.Bytes()) {
				continue
			}
			if ev.Fields, ev.Cleared, err = binenc.Diff(old.Bytes(), row.Bytes(), nil); err != nil {
				return nil, err
			}
		}
		if err := batch.Apply(past.Seq(), ev); err != nil {
			return nil, err
		}
	}
	return batch.Seal(past.Seq(), past.Time()), nil
}

// Do runs a command on the newest state of the fork. Idempotency keys have no effect.
//
// Errors: those of the function; *[PanicError]; ctx's. Then nothing is changed.
func (f *Fork) Do(ctx context.Context, cmd Command) (Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd.IdemKey = ""
	c := NewCall(ctx, cmd)
	b := &batchRun{ex: f.ex, batch: f.root.Begin(), now: max(f.root.Time()+1, f.e.cfg.Clock().UnixNano()), seq: f.root.Seq()}
	b.run(c)
	f.ex.waiting, f.ex.finished = nil, nil
	if c.Err != nil {
		return c.Result, c.Err
	}
	f.made.list = append(f.made.list, b.keys...)
	if b.count > 0 {
		f.root = b.batch.Seal(b.seq, b.now)
	}
	return c.Result, nil
}

// Base returns the state that the fork began at.
func (f *Fork) Base() *state.Root { return f.base }

// Root returns the newest state of the fork.
func (f *Fork) Root() *state.Root {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.root
}

// Diff iterates over the records that the fork changed so far, by model, then by key. Its
// cost follows their number.
func (f *Fork) Diff() iter.Seq[state.Change] { return state.Diff(f.base, f.Root()) }
