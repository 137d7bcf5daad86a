package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
)

// Errors of [Engine.Do] that say the command did not run.
var (
	// ErrNoRoom: the memory budget is used up. Deletes are taken.
	ErrNoRoom = errors.New("engine: no memory is left for more data")
	// ErrBusy: the queue of waiting commands is full; try again a little later.
	ErrBusy = errors.New("engine: too many commands are waiting")
	// ErrNotLeader: this node does not order writes at the moment.
	ErrNotLeader = errors.New("engine: this node is not the leader")
	// ErrNoLeader: nobody could say how fresh the state of this node is (Barrier).
	ErrNoLeader = errors.New("engine: no leader could be asked how fresh this state is")
	// ErrClosed: the engine is closed or closing.
	ErrClosed = errors.New("engine: closed")
	// ErrNested: a transaction function waited for another transaction. It would wait
	// for ever: transactions run one at a time.
	ErrNested = errors.New("engine: a transaction was started inside a transaction; use the outer tx")
)

// Errors of [Engine.Do] about a command that ran.
var (
	// ErrNotCommitted: nothing of the command was or will be committed; a retry is safe.
	ErrNotCommitted = errors.New("engine: not committed")
	// ErrOutcomeUnknown: the command may or may not be committed. A retry is safe only
	// with the same idempotency key.
	ErrOutcomeUnknown = errors.New("engine: the outcome is unknown")
)

// ErrFull is the cause in a *[LostError] when the disk of the log is full. The engine
// goes on, and takes writes again when there is room.
var ErrFull = eventlog.ErrFull

// Errors inside a transaction.
var (
	// ErrNotFound: no record has that key.
	ErrNotFound = errors.New("engine: not found")
	// ErrTxDone: a Tx was used after its function returned.
	ErrTxDone = errors.New("engine: the transaction is over; a Tx must not outlive its function")
	// ErrUnknownTable: the table is not registered with this engine.
	ErrUnknownTable = errors.New("engine: the model is not registered with this engine")
)

// LostError is how a command ends whose entry was proposed and then lost with the
// leadership or the disk. errors.Is tells [ErrNotCommitted] from [ErrOutcomeUnknown];
// Cause is what happened.
type LostError struct {
	Unknown bool
	Cause   error
}

// Error says whether the outcome is known, and why.
func (e *LostError) Error() string {
	if e.Cause == nil {
		return e.kind().Error()
	}
	return e.kind().Error() + ": " + e.Cause.Error()
}

func (e *LostError) kind() error {
	if e.Unknown {
		return ErrOutcomeUnknown
	}
	return ErrNotCommitted
}

// Unwrap makes errors.Is see both the kind and the cause.
func (e *LostError) Unwrap() []error { return []error{e.kind(), e.Cause} }

// The kinds of a [ConflictError].
const (
	ConflictExists     = "exists"     // a record with this primary key is there already
	ConflictUnique     = "unique"     // another record has this value in a unique field
	ConflictReference  = "reference"  // the record a foreign key names does not exist
	ConflictReferenced = "referenced" // another record still refers to the one deleted
	ConflictImmutable  = "immutable"  // the field, or without one the record, may not change after creation
	ConflictReadOnly   = "read_only"  // the field is set by the server alone
)

// ConflictError says that a change contradicts the state it would be made on.
type ConflictError struct {
	Kind   string   // one of the Conflict constants
	Model  string   // model of the record to be changed
	Field  string   // field at fault, by its JSON name
	Fields []string // of kind unique: all fields of the index; Field is the first
	Key    string   // text of the record's key
	Ref    string   // the other side: value, key or "model key" referring
}

// Error names model, field and value.
func (e *ConflictError) Error() string {
	switch e.Kind {
	case ConflictExists:
		return fmt.Sprintf("engine: %s %s exists already", e.Model, e.Key)
	case ConflictUnique:
		return fmt.Sprintf("engine: %s.%s must be unique, and %s %s has the same value", e.Model, strings.Join(e.Fields, "+"), e.Model, e.Ref)
	case ConflictReference:
		return fmt.Sprintf("engine: %s.%s refers to %s, which does not exist", e.Model, e.Field, e.Ref)
	case ConflictReferenced:
		return fmt.Sprintf("engine: %s %s is still referred to by %s", e.Model, e.Key, e.Ref)
	case ConflictImmutable:
		if e.Field == "" {
			return fmt.Sprintf("engine: %s %s is immutable: it cannot be changed or deleted", e.Model, e.Key)
		}
		return fmt.Sprintf("engine: %s.%s is immutable and cannot be changed", e.Model, e.Field)
	case ConflictReadOnly:
		return fmt.Sprintf("engine: %s.%s is set by the server and cannot be changed", e.Model, e.Field)
	}
	return fmt.Sprintf("engine: %s conflict on %s.%s", e.Kind, e.Model, e.Field)
}

// ValidationError lists every field of a record that breaks its rules.
type ValidationError struct {
	Model      string
	Violations []model.Violation
}

// Error lists the fields with what is wrong.
func (e *ValidationError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "engine: %s is not valid", e.Model)
	for i, v := range e.Violations {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(v.Field + " " + v.Message)
	}
	return b.String()
}

// TooLargeError says that something went over a limit.
type TooLargeError struct {
	What  string
	Limit int64
	Got   int64 // at least this much
}

// Error names the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("engine: %s is over the limit of %d bytes (%d)", e.What, e.Limit, e.Got)
}

// CascadeError says that deleting a record would delete or change too many others.
type CascadeError struct {
	Model, Key string
	Limit      int // ExecutorConfig.MaxCascade
}

// Error names record and limit.
func (e *CascadeError) Error() string {
	return fmt.Sprintf("engine: deleting %s %s would delete or change more than %d records that refer to it, which is the limit", e.Model, e.Key, e.Limit)
}

// PanicError is a panic of a transaction function; the transaction was rolled back.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the value the function panicked with, not the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("engine: panic in a transaction: %v", e.Value)
}

// Unwrap gives the panic value when it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// IdempotencyError says that an idempotency key came again with another request.
type IdempotencyError struct{ Key string }

// Error names the key.
func (e *IdempotencyError) Error() string {
	return fmt.Sprintf("engine: idempotency key %q was used for a different request", e.Key)
}
