package engine_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/subject"
)

type letter struct {
	_    struct{} `lifecycle:"versioned=3,audited"`
	ID   string   `json:"id" lithair:"primary_key"`
	To   int64    `json:"to" privacy:"subject"`
	Text string   `json:"text" privacy:"sealed"`
	Seen bool     `json:"seen"`
}

type sealed struct {
	t       *testing.T
	e       *engine.Engine
	letters *engine.Table
	keys    *subject.Store
}

func startSealed(t *testing.T, sim *disk.Sim, keys *subject.Store) *sealed {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := &sealed{t: t, keys: keys}
	var err error
	s.e, err = engine.New(engine.Config{Logger: quiet, ExecutorConfig: engine.ExecutorConfig{Subjects: keys}, Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: "log", FS: sim, Logger: quiet})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: l, Sink: sink})
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Of(reflect.TypeFor[letter]())
	if err != nil {
		t.Fatal(err)
	}
	if s.letters, err = s.e.Register(m); err != nil {
		t.Fatal(err)
	}
	if err := s.e.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sealed) upsert(l letter) error {
	_, err := s.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, tx.Upsert(s.letters, &l)
	}})
	return err
}

// stored returns the bytes of a record, and what they hold.
func (s *sealed) stored(id string) (raw string, l letter, err error) {
	s.t.Helper()
	key, e := s.letters.Codec().ParseKey(id)
	if e != nil {
		s.t.Fatal(e)
	}
	row := s.e.Root().Get(s.letters.Number(), key)
	return string(row.Bytes()), l, errors.Join(s.letters.Codec().Decode(row.Bytes(), &l), nil)
}

// TestSealing: what is the same stays as it is, what is sealed belongs to its record, field
// and subject, and a key that is missing is told from one that was destroyed.
func TestSealing(t *testing.T) {
	sim := disk.NewSim(1)
	open := func(dir string) *subject.Store {
		keys, err := subject.Open(subject.Config{Dir: dir, FS: sim})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	s := startSealed(t, sim, open("subjects"))
	for _, l := range []letter{{ID: "a", To: 7, Text: "dear seven"}, {ID: "b", To: 7, Text: "dear seven"}, {ID: "c", To: 8, Text: "dear eight"}, {ID: "empty", To: 8}} {
		if err := s.upsert(l); err != nil {
			t.Fatal(err)
		}
	}
	rawA, l, err := s.stored("a")
	rawB, _, _ := s.stored("b")
	if err != nil || l.Text != "dear seven" || strings.Contains(rawA, "dear") || rawA[len(rawA)-40:] == rawB[len(rawB)-40:] {
		t.Errorf("%q %+v %v", rawA, l, err)
	}
	seq := s.e.Root().Seq()
	if err := s.upsert(letter{ID: "a", To: 7, Text: "dear seven"}); err != nil || s.e.Root().Seq() != seq {
		t.Errorf("the same again is a transaction: %v", err)
	}
	if err := s.upsert(letter{ID: "a", To: 8, Text: "dear seven"}); err != nil {
		t.Error(err)
	}
	if raw, l, err := s.stored("a"); err != nil || l.Text != "dear seven" || raw == rawA {
		t.Errorf("another subject: %+v, %v", l, err)
	}
	if err := s.upsert(letter{ID: "zero", Text: "to nobody"}); !errors.As(err, new(*engine.ValidationError)) {
		t.Errorf("no subject: %v", err)
	}

	// A sealed value that is put into another record does not open there.
	var moved letter
	if err := s.letters.Codec().Decode([]byte(strings.Replace(rawB, "b", "x", 1)), &moved); err == nil {
		t.Errorf("moved: %+v", moved)
	}

	list, err := s.e.Subjects()
	if err != nil || len(list) != 2 || list[0].Name != "7" || list[1].Name != "8" || list[0].Since.IsZero() {
		t.Fatalf("%+v, %v", list, err)
	}
	id, err := s.e.Erase(context.Background(), "7", "somebody")
	if err != nil || id != list[0].KeyID {
		t.Fatalf("%x, %v", id, err)
	}
	if err := s.keys.Forget(id); err != nil {
		t.Fatal(err)
	}
	if _, l, err := s.stored("b"); err != nil || l.Text != "" || l.To != 7 {
		t.Errorf("erased: %+v, %v", l, err)
	}
	if _, l, err := s.stored("a"); err != nil || l.Text != "dear seven" {
		t.Errorf("sealed for another subject since: %+v, %v", l, err)
	}
	if _, err := s.e.Erase(context.Background(), "9", ""); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	hash := s.e.Root().Hash()
	if err := s.e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	other := startSealed(t, sim, open("elsewhere")) // the state is the same whatever the keys
	if other.e.Root().Hash() != hash {
		t.Error("replay makes another state")
	}
	if _, _, err := other.stored("b"); err == nil || !strings.Contains(err.Error(), "not on this node") {
		t.Errorf("a key that is missing: %v", err)
	}
	if _, l, err := other.stored("empty"); err != nil || l.To != 8 {
		t.Errorf("%+v, %v", l, err)
	}
	for _, row := range other.e.Root().Scan(state.SchemaModel, state.Range{}) {
		if strings.Contains(string(row.Bytes()), "dear") {
			t.Error("a declaration holds a value")
		}
	}
	if err := other.e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
