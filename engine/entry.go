package engine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/state"
)

// EntryVersion is the version of the entry format that this code writes. It is the
// first field of every entry; code refuses versions it does not know.
const EntryVersion = 1

// System is the actor of transactions that the engine itself makes: schema
// declarations, expiry.
const System = "system"

// Entry is one batch of the executor: the unit that is logged, replicated, applied
// and published whole.
//
// As bytes it is a binenc message; term, index and timestamp stand in the record that
// carries it.
//
//	1 format version   uvarint
//	2 first sequence   uvarint
//	3 count            uvarint
//	4 transactions     bytes: count times (length, transaction)
//
//	transaction                          event
//	1 actor               bytes          1 model      uvarint, by number
//	2 request id          bytes          2 kind       uvarint: created, updated, deleted
//	3 trace id            bytes          3 key        bytes, order-preserving
//	4 idempotency key id  16 bytes       4 fields     bytes: a binenc message by field number
//	5 command name        bytes          5 cleared    bytes: field numbers as uvarints
//	6 schema version      uvarint        6 name       bytes: what the application calls it
//	7 events              bytes: n times (length, event)
//	                                     7 payload    bytes: JSON, with a name alone
//
// Empty values are left out. Fields with numbers unknown to this code are passed over
// on decode; entries are stored and shipped as the bytes they came as, so they are
// never lost.
type Entry struct {
	Index uint64 // position in the log
	Term  uint64
	Time  int64  // Unix ns, the same for all its transactions
	First uint64 // sequence of the first transaction
	Txs   []Transaction
}

// Transaction is what one committed command did, and for whom.
type Transaction struct {
	Seq           uint64
	Actor         string
	RequestID     string
	TraceID       string
	IdemKey       []byte // id of the idempotency record, nil without a key
	Command       string
	SchemaVersion uint64 // sequence of the newest schema declaration it ran under
	Events        []state.Event
}

const (
	entryFieldVersion = 1
	entryFieldFirst   = 2
	entryFieldCount   = 3
	entryFieldTxs     = 4

	txFieldActor   = 1
	txFieldRequest = 2
	txFieldTrace   = 3
	txFieldIdem    = 4
	txFieldCommand = 5
	txFieldSchema  = 6
	txFieldEvents  = 7

	eventFieldModel   = 1
	eventFieldKind    = 2
	eventFieldKey     = 3
	eventFieldFields  = 4
	eventFieldCleared = 5
	eventFieldName    = 6
	eventFieldPayload = 7
	eventFieldVersion = 8
)

// appendEvent appends one event with its length in front.
func appendEvent(dst []byte, ev *state.Event, scratch []byte) (out, scratchOut []byte) {
	e := binenc.NewEncoder(scratch[:0])
	e.Uint(eventFieldModel, uint64(ev.Model))
	e.Uint(eventFieldKind, uint64(ev.Kind))
	e.StringBytes(eventFieldKey, ev.Key)
	if len(ev.Fields) > 0 {
		e.Bytes(eventFieldFields, ev.Fields)
	}
	if len(ev.Cleared) > 0 {
		var list []byte
		for _, n := range ev.Cleared {
			list = binenc.AppendUvarint(list, uint64(n))
		}
		e.Bytes(eventFieldCleared, list)
	}
	if ev.Custom != nil {
		e.StringBytes(eventFieldName, ev.Custom.Name)
		e.Bytes(eventFieldPayload, ev.Custom.Payload)
		if ev.Custom.Version > 1 {
			e.Uint(eventFieldVersion, uint64(ev.Custom.Version))
		}
	}
	m := finish(&e)
	return binenc.AppendBytes(dst, m), m
}

// finish ends a message whose texts are written as bytes: nothing but a value of 4 GiB
// can be wrong with it, and batches are far smaller.
func finish(e *binenc.Encoder) []byte {
	m, err := e.Message()
	if err != nil {
		panic("engine: " + err.Error())
	}
	return m
}

// appendTx appends one transaction with its length in front; events are its events as
// appendEvent wrote them.
func appendTx(dst []byte, t *Transaction, events, scratch []byte) (out, scratchOut []byte) {
	e := binenc.NewEncoder(scratch[:0])
	e.StringBytes(txFieldActor, t.Actor)
	e.StringBytes(txFieldRequest, t.RequestID)
	e.StringBytes(txFieldTrace, t.TraceID)
	if len(t.IdemKey) > 0 {
		e.Bytes(txFieldIdem, t.IdemKey)
	}
	e.StringBytes(txFieldCommand, t.Command)
	e.Uint(txFieldSchema, t.SchemaVersion)
	if len(events) > 0 {
		e.Bytes(txFieldEvents, events)
	}
	m := finish(&e)
	return binenc.AppendBytes(dst, m), m
}

// encodeEntry returns the payload of an entry whose transactions, as appendTx wrote
// them, are txs.
func encodeEntry(first, count uint64, txs []byte) []byte {
	e := binenc.NewEncoder(make([]byte, 0, len(txs)+32))
	e.Uint(entryFieldVersion, EntryVersion)
	e.Uint(entryFieldFirst, first)
	e.Uint(entryFieldCount, count)
	e.Bytes(entryFieldTxs, txs)
	return finish(&e)
}

// entryHead is what stands before the transactions.
type entryHead struct {
	first, count uint64
	txs          []byte // aliases the payload
}

func decodeEntryHead(payload []byte) (h entryHead, err error) {
	r := binenc.NewDecoder(payload)
	version := uint64(0)
	for {
		number, w, ok := r.Next()
		if !ok {
			break
		}
		switch {
		case number == entryFieldVersion && w == binenc.WireInt:
			version = r.Uint()
		case number == entryFieldFirst && w == binenc.WireInt:
			h.first = r.Uint()
		case number == entryFieldCount && w == binenc.WireInt:
			h.count = r.Uint()
		case number == entryFieldTxs && w == binenc.WireBytes:
			h.txs = r.Bytes()
		}
	}
	switch {
	case r.Err() != nil:
		return h, fmt.Errorf("engine: entry: %w", r.Err())
	case version == 0 || version > EntryVersion:
		return h, fmt.Errorf("engine: entry format version %d is unknown here (newest known: %d); a newer release wrote it", version, EntryVersion)
	case h.first == 0 || h.count == 0:
		return h, fmt.Errorf("engine: entry with first sequence %d and count %d", h.first, h.count)
	}
	return h, nil
}

// DecodeEntry decodes the payload of a record of [KindBatch]. Everything in the
// result is a copy.
func DecodeEntry(payload []byte) (Entry, error) {
	h, err := decodeEntryHead(payload)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{First: h.first}
	err = eachTx(h, func(seq uint64, msg []byte) error {
		t, events, err := decodeTx(msg)
		if err != nil {
			return err
		}
		t.Seq = seq
		err = eachEvent(events, func(ev state.Event) error {
			ev.Fields = append(make([]byte, 0, len(ev.Fields)), ev.Fields...)
			if ev.Custom != nil {
				ev.Custom.Payload = bytes.Clone(ev.Custom.Payload)
			}
			t.Events = append(t.Events, ev)
			return nil
		})
		e.Txs = append(e.Txs, t)
		return err
	})
	return e, err
}

// eachTx calls fn with each transaction's sequence and message, and checks the count.
func eachTx(h entryHead, fn func(seq uint64, msg []byte) error) error {
	r := binenc.NewReader(h.txs)
	seq := h.first
	for r.Len() > 0 && r.Err() == nil {
		msg := r.Bytes()
		if r.Err() != nil {
			break
		}
		if err := fn(seq, msg); err != nil {
			return fmt.Errorf("engine: entry, sequence %d: %w", seq, err)
		}
		seq++
	}
	if r.Err() != nil {
		return fmt.Errorf("engine: entry, sequence %d: %w", seq, r.Err())
	}
	if seq-h.first != h.count {
		return fmt.Errorf("engine: entry says %d transactions and holds %d", h.count, seq-h.first)
	}
	return nil
}

// decodeTx decodes a transaction but for its events, which alias msg.
func decodeTx(msg []byte) (t Transaction, events []byte, err error) {
	r := binenc.NewDecoder(msg)
	for {
		number, w, ok := r.Next()
		if !ok {
			return t, events, r.Err()
		}
		switch {
		case number == txFieldActor && w == binenc.WireBytes:
			t.Actor = string(r.Bytes())
		case number == txFieldRequest && w == binenc.WireBytes:
			t.RequestID = string(r.Bytes())
		case number == txFieldTrace && w == binenc.WireBytes:
			t.TraceID = string(r.Bytes())
		case number == txFieldIdem && w == binenc.WireBytes:
			t.IdemKey = append([]byte(nil), r.Bytes()...)
		case number == txFieldCommand && w == binenc.WireBytes:
			t.Command = string(r.Bytes())
		case number == txFieldSchema && w == binenc.WireInt:
			t.SchemaVersion = r.Uint()
		case number == txFieldEvents && w == binenc.WireBytes:
			events = r.Bytes()
		}
	}
}

// txEvents returns the events field of a transaction, aliasing msg.
func txEvents(msg []byte) ([]byte, error) {
	r := binenc.NewDecoder(msg)
	for {
		number, w, ok := r.Next()
		if !ok {
			return nil, r.Err()
		}
		if number == txFieldEvents && w == binenc.WireBytes {
			return r.Bytes(), r.Err()
		}
	}
}

// eachEvent decodes events; key, cleared and name are copies, fields and payload alias events.
func eachEvent(events []byte, fn func(state.Event) error) error {
	list := binenc.NewReader(events)
	for list.Len() > 0 && list.Err() == nil {
		msg := list.Bytes()
		if list.Err() != nil {
			break
		}
		ev, err := decodeEvent(msg)
		if err != nil {
			return err
		}
		if err := fn(ev); err != nil {
			return err
		}
	}
	return list.Err()
}

var errNoEventName = errors.New("a custom event has no name")

func decodeEvent(msg []byte) (ev state.Event, err error) {
	r := binenc.NewDecoder(msg)
	for {
		number, w, ok := r.Next()
		if !ok {
			return ev, r.Err()
		}
		switch {
		case number == eventFieldModel && w == binenc.WireInt:
			n := r.Uint()
			if n > 1<<32-1 {
				return ev, fmt.Errorf("model number %d is too large", n)
			}
			ev.Model = uint32(n)
		case number == eventFieldKind && w == binenc.WireInt:
			n := r.Uint()
			if n > 255 {
				return ev, fmt.Errorf("event kind %d is unknown", n)
			}
			ev.Kind = state.EventKind(n)
		case number == eventFieldKey && w == binenc.WireBytes:
			ev.Key = string(r.Bytes())
		case number == eventFieldFields && w == binenc.WireBytes:
			ev.Fields = r.Bytes()
		case number == eventFieldCleared && w == binenc.WireBytes:
			if ev.Cleared, err = decodeCleared(r.Bytes()); err != nil {
				return ev, err
			}
		case number == eventFieldName && w == binenc.WireBytes:
			name := r.Bytes()
			if len(name) == 0 {
				return ev, errNoEventName
			}
			ev.Custom = &state.Custom{Name: string(name)}
		case number == eventFieldPayload && w == binenc.WireBytes:
			if ev.Custom == nil {
				return ev, errNoEventName
			}
			ev.Custom.Payload = r.Bytes()
		case number == eventFieldVersion && w == binenc.WireInt:
			if ev.Custom == nil {
				return ev, errNoEventName
			}
			n := r.Uint()
			if n > 1<<32-1 {
				return ev, fmt.Errorf("event version %d is too large", n)
			}
			ev.Custom.Version = uint32(n)
		}
	}
}

func decodeCleared(b []byte) (list []uint32, err error) {
	r := binenc.NewReader(b)
	for r.Len() > 0 && r.Err() == nil {
		n := r.Uvarint()
		if n > 1<<32-1 {
			return nil, fmt.Errorf("cleared field number %d is too large", n)
		}
		list = append(list, uint32(n))
	}
	return list, r.Err()
}
