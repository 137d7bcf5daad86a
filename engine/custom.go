package engine

import (
	"errors"
	"regexp"

	"github.com/lithair/lithair-go/state"
)

// MaxPayload bounds what a custom event says beside its outcome, in bytes of JSON.
const MaxPayload = 64 << 10

// Errors of Emit.
var (
	// ErrEventName is a name that is none: want a letter, then letters, digits and _, at most 64.
	ErrEventName = errors.New("engine: an event is called by a letter, then letters, digits and _, at most 64 in all")
	// ErrEventSealed: what an event of that model says could not be erased with its subject.
	ErrEventSealed = errors.New("engine: a model with sealed fields has no custom events: what they say could not be erased")
	// ErrEventLocal: records that are kept in memory only have no events that anybody hears of.
	ErrEventLocal = errors.New("engine: a model that is kept in memory only has no custom events")
)

var eventName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// Emit records a custom event about the record with that key: what the application says of it, whose
// payload is JSON, and its outcome, the fields that apply changed in the record it is given. apply runs
// now, and never again: replay and other nodes take the outcome. The event is recorded also
// where apply changes nothing.
//
// Errors: [ErrNotFound]; [ErrEventName], [ErrEventSealed], [ErrEventLocal]; *[TooLargeError] for
// payloads over [MaxPayload]; those of apply, and of [Tx.Put].
func (tx *Tx) Emit(t *Table, key string, said state.Custom, apply func(ptr any) error) error {
	b, err := tx.usable(t)
	switch {
	case err != nil:
		return err
	case !eventName.MatchString(said.Name):
		return ErrEventName
	case t.model.Seals():
		return ErrEventSealed
	case t.model.MemoryOnly:
		return ErrEventLocal
	case len(said.Payload) > MaxPayload:
		return &TooLargeError{What: "the payload of an event", Limit: MaxPayload, Got: int64(len(said.Payload))}
	}
	row := tx.batch.Get(b.schema.Number, key)
	if row == nil {
		return ErrNotFound
	}
	ptr := b.codec.New()
	if err := b.codec.Decode(row.Bytes(), ptr); err != nil {
		return err
	}
	if err := apply(ptr); err != nil {
		return err
	}
	return tx.replace(t, b, key, row, ptr, &said)
}
