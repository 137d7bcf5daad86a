package cli

import (
	"encoding/hex"
	"fmt"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Record is a record of the log as it is printed.
type Record struct {
	Index        uint64    `json:"index"`
	Term         uint64    `json:"term"`
	Time         string    `json:"time"`
	Kind         string    `json:"kind"`
	Bytes        int       `json:"bytes"`
	Transactions []shownTx `json:"transactions,omitempty"`
	Members      []string  `json:"members,omitempty"` // id and role
	Error        string    `json:"error,omitempty"`   // why the payload was not decoded
}

type shownTx struct {
	Seq     uint64       `json:"seq"`
	Actor   string       `json:"actor,omitempty"`
	Command string       `json:"command,omitempty"`
	Request string       `json:"request,omitempty"`
	Events  []shownEvent `json:"events"`
}

type shownEvent struct {
	Kind    string         `json:"kind"`
	Model   string         `json:"model"`
	Key     string         `json:"key"`
	Fields  map[string]any `json:"fields,omitempty"`
	Cleared []string       `json:"cleared,omitempty"`
	Name    string         `json:"event,omitempty"`   // as the application calls it
	Version uint32         `json:"version,omitempty"` // of the payload's meaning; none is the first
	Payload jsonx.RawValue `json:"payload,omitempty"`
}

// Book knows the schemas that the log declared so far, so that events can be read without
// the program that wrote them.
type Book struct {
	messages map[string][]byte // of schemas, by key
	schemas  map[uint32]*model.Schema
}

func newBook() *Book {
	return &Book{messages: map[string][]byte{}, schemas: map[uint32]*model.Schema{}}
}

// NewBook returns a book that knows some schemas already.
func NewBook(known []*model.Schema) *Book {
	b := newBook()
	for _, s := range known {
		b.messages[state.SchemaKey(s.Model)], b.schemas[s.Number] = s.Append(nil), s
	}
	return b
}

// Read makes a record readable. What cannot be decoded says so and is no error: the log
// is sound where its checksums are.
func (b *Book) Read(r eventlog.Record) *Record {
	s := &Record{Index: r.Index, Term: r.Term, Time: clock(r.Time), Kind: fmt.Sprintf("kind %d", r.Kind), Bytes: len(r.Payload)}
	switch r.Kind {
	case consensus.KindNoop:
		s.Kind = "term begins"
		if id := consensus.NoopLeader(r.Payload); id != 0 {
			s.Kind += fmt.Sprintf(", led by node %d", id)
		}
	case consensus.KindConfig:
		s.Kind = "membership"
		m, err := consensus.ParseMembership(r.Payload)
		if err != nil {
			s.Error = err.Error()
			return s
		}
		for _, x := range m.Members {
			s.Members = append(s.Members, fmt.Sprintf("%d %v", x.ID, x.Role))
		}
		if m.Format > 1 {
			s.Kind += fmt.Sprintf(", format %d", m.Format)
		}
	case engine.KindKey:
		s.Kind = "key of sealed fields"
		if r.Redacted {
			s.Kind += ", erased"
		}
	case engine.KindBatch:
		s.Kind = "entry"
		e, err := engine.DecodeEntry(r.Payload)
		if err != nil {
			s.Error = err.Error()
			return s
		}
		for i := range e.Txs {
			t := &e.Txs[i]
			shown := shownTx{Seq: t.Seq, Actor: t.Actor, Command: t.Command, Request: t.RequestID, Events: []shownEvent{}}
			for _, ev := range t.Events {
				b.learn(&ev)
				shown.Events = append(shown.Events, b.event(&ev))
			}
			s.Transactions = append(s.Transactions, shown)
		}
	}
	return s
}

// learn takes a declared schema into the book; nil when the event is none, or cannot be read.
func (b *Book) learn(ev *state.Event) *model.Schema {
	if ev.Model != state.SchemaModel {
		return nil
	}
	msg, err := ev.Fields, error(nil)
	if ev.Kind == state.Updated {
		if msg, err = binenc.Merge(nil, b.messages[ev.Key], ev.Fields, ev.Cleared); err != nil {
			return nil
		}
	}
	s, err := model.ParseSchema(msg)
	if err != nil {
		return nil
	}
	b.messages[ev.Key], b.schemas[s.Number] = msg, s
	return s
}

// has says whether a record has a value of a field.
func has(rec []byte, number uint32) bool {
	_, _, ok := binenc.Lookup(rec, number)
	return ok
}

func (b *Book) event(ev *state.Event) shownEvent {
	s := shownEvent{Kind: ev.Kind.String(), Model: fmt.Sprintf("model %d", ev.Model), Key: hex.EncodeToString([]byte(ev.Key))}
	schema := b.schemas[ev.Model]
	switch {
	case ev.Model == state.KeyModel:
		s.Model = "key of sealed fields"
	case ev.Model == state.SchemaModel:
		s.Model, s.Key = "schema", ev.Key
	case schema != nil:
		s.Model, s.Key = schema.Model, schema.KeyText(ev.Key)
	}
	s.Fields = fields(schema, ev.Fields)
	for _, n := range ev.Cleared {
		s.Cleared = append(s.Cleared, fieldName(schema, n))
	}
	if ev.Custom != nil {
		s.Name, s.Version, s.Payload = ev.Custom.Name, ev.Custom.Version, ev.Custom.Payload
	}
	return s
}

func fieldName(s *model.Schema, number uint32) string {
	if s != nil {
		if f := s.ByNumber(number); f != nil {
			return f.Name
		}
	}
	return fmt.Sprintf("field %d", number)
}

// fields names and decodes the fields of a message; what is no scalar stays bytes, in hex.
func fields(s *model.Schema, msg []byte) map[string]any {
	m := map[string]any{}
	d := binenc.NewDecoder(msg)
	for number, _, ok := d.Next(); ok; number, _, ok = d.Next() {
		kind := binenc.Kind(0)
		if s != nil {
			if f := s.ByNumber(number); f != nil {
				kind = f.Type.Kind
			}
		}
		m[fieldName(s, number)] = value(&d, kind)
	}
	if d.Err() != nil {
		return map[string]any{"bytes": hex.EncodeToString(msg)}
	}
	return m
}

// value decodes a scalar.
func value(d *binenc.Decoder, kind binenc.Kind) any {
	switch kind {
	case binenc.KindBool:
		return d.Bool()
	case binenc.KindInt:
		return d.Int()
	case binenc.KindUint:
		return d.Uint()
	case binenc.KindFloat32:
		return d.Float32()
	case binenc.KindFloat64:
		return d.Float64()
	case binenc.KindString:
		return d.String()
	case binenc.KindTime:
		return d.Time()
	case binenc.KindDuration:
		return d.Duration().String()
	}
	return hex.EncodeToString(d.Payload())
}
