package lithair

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/state"
)

// Errors that transactions and reads give; see package engine for what each means.
var (
	ErrNotFound       = engine.ErrNotFound
	ErrBusy           = engine.ErrBusy
	ErrNotLeader      = engine.ErrNotLeader
	ErrNotCommitted   = engine.ErrNotCommitted
	ErrOutcomeUnknown = engine.ErrOutcomeUnknown
	ErrClosed         = engine.ErrClosed
	ErrNested         = engine.ErrNested
	ErrTxDone         = engine.ErrTxDone
)

// ErrSnapshotDone is the panic of a Snapshot that is used after its function returned.
var ErrSnapshotDone = errors.New("lithair: the snapshot is over; it must not outlive its function")

// ValidationError lists every field of a record that breaks its rules.
type ValidationError = engine.ValidationError

// ConflictError says that a change contradicts the state it would be made on.
type ConflictError = engine.ConflictError

// Change is what a Before hook sees.
type Change = engine.Change

// Entry is what a Committed hook sees: one batch of transactions.
type Entry = engine.Entry

// Reader is what can be read from: a *[Tx] or a *[Snapshot].
type Reader interface{ reader() state.Reader }

// Tx is one transaction. It belongs to the function it was passed to; used later it
// panics with ErrTxDone.
type Tx struct{ tx *engine.Tx }

func (tx *Tx) reader() state.Reader { return tx.tx }

// Now returns the transaction's timestamp, the same however often it is called.
func (tx *Tx) Now() time.Time { return tx.tx.Now() }

// NewID returns a new time-ordered id.
func (tx *Tx) NewID() ID { return tx.tx.NewID() }

// Rand returns a source of randomness; what is stored of it is what is replicated. It is
// not for secrets.
func (tx *Tx) Rand() *rand.Rand { return tx.tx.Rand() }

// Actor returns who the transaction is for; empty for anonymous callers.
func (tx *Tx) Actor() string { return tx.tx.Actor() }

// RequestID returns the id of the request that caused it, if any.
func (tx *Tx) RequestID() string { return tx.tx.RequestID() }

// Context returns the caller's context. A transaction whose context is done when its
// function returns is rolled back.
func (tx *Tx) Context() context.Context { return tx.tx.Context() }

// Seq returns the sequence that the transaction gets if it changes something.
func (tx *Tx) Seq() uint64 { return tx.tx.Seq() }

// Snapshot is an immutable version of everything. It is safe for concurrent use until
// its function returns.
type Snapshot struct {
	root *state.Root
	done atomic.Bool
}

func (s *Snapshot) reader() state.Reader { return s.live() }

func (s *Snapshot) live() *state.Root {
	if s.done.Load() {
		panic(ErrSnapshotDone)
	}
	return s.root
}

func (s *Snapshot) close() { s.done.Store(true) }

// Seq returns the sequence of the newest transaction in the snapshot.
func (s *Snapshot) Seq() uint64 { return s.root.Seq() }

// Time returns the timestamp of the newest entry in the snapshot.
func (s *Snapshot) Time() time.Time { return time.Unix(0, s.root.Time()).UTC() }

// Hash returns the hash of the whole state; see package state.
func (s *Snapshot) Hash() [16]byte { return s.root.Hash() }
