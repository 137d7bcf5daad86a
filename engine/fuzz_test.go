package engine

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/state"
)

// encodeTransactions is the slow, obvious way to an entry's payload.
func encodeTransactions(first uint64, txs []Transaction) []byte {
	var all, scratch []byte
	for i := range txs {
		var events []byte
		for j := range txs[i].Events {
			events, scratch = appendEvent(events, &txs[i].Events[j], scratch)
		}
		all, scratch = appendTx(all, &txs[i], events, scratch)
	}
	return encodeEntry(first, uint64(len(txs)), all)
}

// FuzzEntry decodes arbitrary bytes; what is accepted, encoded again and decoded again
// is the same entry.
func FuzzEntry(f *testing.F) {
	f.Add(encodeTransactions(7, []Transaction{{
		Actor: "ada", RequestID: "r", TraceID: "t", IdemKey: bytes.Repeat([]byte{1}, 16), Command: "c", SchemaVersion: 3,
		Events: []state.Event{
			{Model: 2, Kind: state.Created, Key: "k", Fields: []byte{8, 1}},
			{Model: 2, Kind: state.Updated, Key: "k", Fields: []byte{8, 2}, Cleared: []uint32{4, 9}},
			{Model: 0, Kind: state.Deleted, Key: ""},
			{Model: 2, Kind: state.Updated, Key: "k", Custom: &state.Custom{Name: "Paid", Version: 2, Payload: []byte("{}")}},
			{Model: 2, Kind: state.Updated, Key: "k", Custom: &state.Custom{Name: "Sent"}},
		}}, {Actor: System}}))
	f.Add([]byte{})
	f.Add([]byte{8, 1, 16, 1, 24, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := DecodeEntry(payload)
		if err != nil {
			return
		}
		again, err := DecodeEntry(encodeTransactions(e.First, e.Txs))
		if err != nil {
			t.Fatalf("%+v was accepted and its own encoding is not: %v", e, err)
		}
		for i := range e.Txs {
			normal(&e.Txs[i])
			normal(&again.Txs[i])
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v\nbecame\n%+v", e, again)
		}
	})
}

// normal makes the same what the format does not tell apart.
func normal(t *Transaction) {
	if len(t.IdemKey) == 0 {
		t.IdemKey = nil
	}
	for i := range t.Events {
		if len(t.Events[i].Fields) == 0 {
			t.Events[i].Fields = nil
		}
		if len(t.Events[i].Cleared) == 0 {
			t.Events[i].Cleared = nil
		}
		if c := t.Events[i].Custom; c != nil {
			if len(c.Payload) == 0 {
				c.Payload = nil
			}
			c.Version = max(c.Version, 1) // none is the first
		}
	}
}

func TestEntriesOfANewerFormatAreRefused(t *testing.T) {
	payload := encodeTransactions(1, []Transaction{{Actor: "x"}})
	payload[0] = EntryVersion + 1
	if _, err := DecodeEntry(payload); err == nil {
		t.Error("no error")
	}
}

func TestUnknownEnvelopeFieldsArePassedOver(t *testing.T) {
	payload := encodeTransactions(1, []Transaction{{Actor: "x"}})
	payload = append(payload, 0xD1, 0x83, 1, 2, 3) // field 7, bytes
	if e, err := DecodeEntry(payload); err != nil || len(e.Txs) != 1 || e.Txs[0].Actor != "x" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestEntriesThatLieAreRefused(t *testing.T) {
	good := encodeTransactions(5, []Transaction{{Actor: "x"}, {Actor: "y"}})
	for name, change := range map[string]func([]byte) []byte{
		"count":    func(b []byte) []byte { b[2] = 3; return b },
		"sequence": func(b []byte) []byte { b[1] = 0; return b },
		"cut":      func(b []byte) []byte { return b[:len(b)-1] },
		"empty":    func([]byte) []byte { return nil },
	} {
		if _, err := DecodeEntry(change(bytes.Clone(good))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCustomEventsWithoutANameAreRefused(t *testing.T) {
	for name, fill := range map[string]func(*binenc.Encoder){
		"payload": func(e *binenc.Encoder) { e.Bytes(eventFieldPayload, []byte("{}")) },
		"version": func(e *binenc.Encoder) { e.Uint(eventFieldVersion, 2) },
		// The encoder leaves empty values out; other hands may not.
		"empty": func(e *binenc.Encoder) { e.StringBytes(eventFieldName, "x") },
	} {
		e := binenc.NewEncoder(nil)
		e.Uint(eventFieldModel, 1)
		fill(&e)
		msg := finish(&e)
		if name == "empty" {
			msg = append(msg[:len(msg)-2], msg[len(msg)-2]-1)
		}
		if ev, err := decodeEvent(msg); err != errNoEventName {
			t.Errorf("%s: %+v, %v", name, ev, err)
		}
	}
}
