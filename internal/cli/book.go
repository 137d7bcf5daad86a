package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

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

// fields names and decodes the fields of a record; bytes are in hex, and so is what cannot be decoded.
func fields(s *model.Schema, msg []byte) map[string]any {
	return message(msg, func(number uint32) (string, *binenc.Type) {
		if s != nil {
			if f := s.ByNumber(number); f != nil {
				return f.Name, &f.Type
			}
		}
		return fieldName(s, number), &binenc.Type{}
	})
}

// message decodes a message whose fields have these names and types.
func message(msg []byte, field func(number uint32) (string, *binenc.Type)) map[string]any {
	m := map[string]any{}
	d := binenc.NewDecoder(msg)
	for number, _, ok := d.Next(); ok; number, _, ok = d.Next() {
		name, t := field(number)
		m[name] = value(&d, t)
	}
	if d.Err() != nil {
		return map[string]any{"bytes": hex.EncodeToString(msg)}
	}
	return m
}

// value decodes a value.
func value(d *binenc.Decoder, t *binenc.Type) any {
	switch t.Kind {
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
	case binenc.KindID:
		return model.ID(d.ID()).String()
	case binenc.KindDecimal:
		return d.Decimal().String()
	case binenc.KindMessage:
		return message(d.Payload(), func(number uint32) (string, *binenc.Type) {
			if i := slices.IndexFunc(t.Fields, func(f binenc.Field) bool { return f.Number == number }); i >= 0 {
				return t.Fields[i].Name, &t.Fields[i].Type
			}
			return fieldName(nil, number), &binenc.Type{}
		})
	case binenc.KindList, binenc.KindMap:
		payload := d.Payload()
		if v, err := elements(payload, t); err == nil {
			return v
		}
		return hex.EncodeToString(payload)
	}
	return hex.EncodeToString(d.Payload())
}

// elements decodes a list or map.
func elements(payload []byte, t *binenc.Type) (any, error) {
	list, of := []any{}, map[string]any{}
	for r := binenc.NewReader(payload); r.Len() > 0; {
		key := ""
		if t.Kind == binenc.KindMap {
			k, err := element(&r, t.Key)
			if err != nil {
				return nil, err
			}
			key = fmt.Sprint(k)
		}
		v, err := element(&r, t.Elem)
		if err != nil {
			return nil, err
		}
		list, of[key] = append(list, v), v
	}
	if t.Kind == binenc.KindMap {
		return of, nil
	}
	return list, nil
}

// element decodes one of them, as the one field of a message.
func element(r *binenc.Reader, t *binenc.Type) (any, error) {
	var e binenc.Encoder
	switch t.Kind {
	case binenc.KindBool, binenc.KindInt, binenc.KindUint, binenc.KindDuration:
		e.Present().Uint(1, r.Uvarint())
	case binenc.KindFloat32:
		e.Present().Float32(1, math.Float32frombits(r.Fixed32()))
	case binenc.KindFloat64:
		e.Present().Float64(1, math.Float64frombits(r.Fixed64()))
	default:
		e.Present().Bytes(1, r.Bytes())
	}
	msg, err := e.Message()
	if err = errors.Join(r.Err(), err); err != nil {
		return nil, err
	}
	d := binenc.NewDecoder(msg)
	d.Next()
	v := value(&d, t)
	return v, d.Err()
}
