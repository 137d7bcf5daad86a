package engine

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Tx is one transaction: reads see the newest state and the transaction's own writes,
// writes are checked at once. It belongs to the function it was passed to, on that
// function's goroutine; used later it panics with [ErrTxDone].
//
// It implements state.Reader. Rows it returns are immutable.
type Tx struct {
	*work // nil once the function has returned
	now   int64
	seq   uint64
}

// work is what a transaction does. Its owner, the executor, uses it again for the next.
type work struct {
	ex    *Executor
	call  *Call
	batch *state.Batch
	rng   *rand.Rand

	events  []byte // as appendEvent wrote them
	count   int    // events
	local   int64  // bytes of changes to local records, about
	refs    []pendingRef
	deletes []pendingDelete
	touched []touched       // records of models with a lifecycle
	seen    map[string]bool // which those are
	kept    int64           // change in the bytes of answers kept for retries
	schema  bool            // a model was declared
	private bool            // sealed fields were read or written
	keys    []madeKey       // that were made
	erased  [][16]byte      // ids of keys that were destroyed
}

// pendingRef is a foreign key to be checked when the function has returned, so that
// records may refer to ones made later in the same transaction.
type pendingRef struct {
	table *Table
	ref   reference
	key   string // of the record that refers
	value string // key it refers to
}

// pendingDelete is a deleted record that nothing may refer to at the end.
type pendingDelete struct {
	table *Table
	key   string
}

// Now returns the timestamp of the entry this transaction will be part of. It is the
// same however often it is called, and never earlier than that of any transaction
// before.
func (tx *Tx) Now() time.Time { return time.Unix(0, tx.now).UTC() }

// Seq returns the sequence this transaction gets if it changes something.
func (tx *Tx) Seq() uint64 { return tx.seq }

// Time returns the timestamp of the entry in Unix nanoseconds.
func (tx *Tx) Time() int64 { return tx.now }

// Context returns the caller's context. A transaction whose context is done when its
// function returns is rolled back.
func (tx *Tx) Context() context.Context { return tx.open().call.ctx }

// Actor returns who the transaction is for; empty for anonymous callers.
func (tx *Tx) Actor() string { return tx.open().call.cmd.Actor }

// RequestID returns the id of the request that caused the transaction, if any.
func (tx *Tx) RequestID() string { return tx.open().call.cmd.RequestID }

// Command returns the name of the command, if it has one.
func (tx *Tx) Command() string { return tx.open().call.cmd.Name }

// Rand returns the transaction's source of randomness. Its results are safe to store:
// the function runs once, on the leader, and what it stored is what is replicated.
// It is not for secrets.
func (tx *Tx) Rand() *rand.Rand {
	if tx.open().rng == nil {
		tx.rng = rand.New(rand.NewPCG(tx.ex.cfg.Entropy(), tx.ex.cfg.Entropy()))
	}
	return tx.rng
}

// NewID returns a new time-ordered id; later ones sort after earlier ones.
func (tx *Tx) NewID() model.ID { return tx.open().ex.ids.NewID(tx.Now(), tx.ex.cfg.Entropy) }

func (tx *Tx) open() *work {
	if tx.work == nil {
		panic(ErrTxDone)
	}
	return tx.work
}

func (tx *Tx) reader() *state.Batch { return tx.open().batch }

// Get implements state.Reader.
func (tx *Tx) Get(model uint32, key string) *state.Row { return tx.reader().Get(model, key) }

// Len implements state.Reader.
func (tx *Tx) Len(model uint32) int { return tx.reader().Len(model) }

// Scan implements state.Reader. Writes made while the scan runs are not seen by it.
func (tx *Tx) Scan(model uint32, r state.Range) iter.Seq2[string, *state.Row] {
	return tx.reader().Scan(model, r)
}

// ScanIndex implements state.Reader.
func (tx *Tx) ScanIndex(model, index uint32, r state.Range) iter.Seq2[string, *state.Row] {
	return tx.reader().ScanIndex(model, index, r)
}

// CountIndex implements state.Reader.
func (tx *Tx) CountIndex(model, index uint32, r state.Range) int {
	return tx.reader().CountIndex(model, index, r)
}

// Count implements state.Reader.
func (tx *Tx) Count(model uint32, r state.Range) int { return tx.reader().Count(model, r) }

// Unique implements state.Reader.
func (tx *Tx) Unique(model, index uint32, value string) (key string, ok bool) {
	return tx.reader().Unique(model, index, value)
}

// SchemaByName implements state.Reader.
func (tx *Tx) SchemaByName(name string) *model.Schema { return tx.reader().SchemaByName(name) }

// usable checks that the transaction is open and the table known.
func (tx *Tx) usable(t *Table) (*binding, error) {
	if tx.work == nil {
		return nil, ErrTxDone
	}
	b := t.bound.Load()
	if b == nil {
		return nil, ErrUnknownTable
	}
	return b, nil
}

// Load decodes the record with that key into ptr, a *T, and returns its row.
// [ErrNotFound] when there is none.
func (tx *Tx) Load(t *Table, key string, ptr any) (*state.Row, error) {
	b, err := tx.usable(t)
	if err != nil {
		return nil, err
	}
	row := tx.batch.Get(b.schema.Number, key)
	if row == nil {
		return nil, ErrNotFound
	}
	tx.private = tx.private || t.model.Seals()
	return row, b.codec.Decode(row.Bytes(), ptr)
}

// record applies an event to the state under construction and adds it to the entry.
func (tx *Tx) record(ev state.Event) error {
	if ev.Model >= state.LocalModel {
		return tx.recordLocal(ev)
	}
	got := int64(len(tx.events) + len(ev.Fields) + len(ev.Key))
	if ev.Custom != nil {
		got += int64(len(ev.Custom.Payload))
	}
	if got > tx.ex.cfg.MaxTxBytes {
		return &TooLargeError{What: "the transaction", Limit: tx.ex.cfg.MaxTxBytes, Got: got}
	}
	tx.events, tx.ex.scratch = appendEvent(tx.events, &ev, tx.ex.scratch)
	tx.count++
	tx.schema = tx.schema || ev.Model == state.SchemaModel
	return tx.batch.Apply(tx.seq, ev)
}
