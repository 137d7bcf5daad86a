package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
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
}

func startSealed(t *testing.T, sim *disk.Sim, keys eventlog.KeyProvider) *sealed {
	t.Helper()
	s, err := newSealed(t, sim, keys)
	if err == nil {
		err = s.e.Start(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newSealed returns an engine over a log and snapshots, encrypted where there are keys, that
// is not started.
func newSealed(t *testing.T, sim *disk.Sim, keys eventlog.KeyProvider) (*sealed, error) {
	t.Helper()
	return newSealedAt(t, sim, keys, nil)
}

func newSealedAt(t *testing.T, sim *disk.Sim, keys eventlog.KeyProvider, clock func() time.Time) (*sealed, error) {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := &sealed{t: t}
	var err error
	s.e, err = engine.New(engine.Config{Logger: quiet, Clock: clock, Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: "log", FS: sim, Keys: keys, SegmentBytes: 64 << 10, Logger: quiet})
		if err != nil {
			return nil, err
		}
		n, err := node.Start(node.Config{Log: l, Sink: sink})
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		return n, nil
	}})
	if err == nil {
		err = s.e.KeepSnapshots(engine.SnapshotConfig{Dir: "snapshots", FS: sim, Keys: keys})
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Of(reflect.TypeFor[letter]())
	if err != nil {
		t.Fatal(err)
	}
	s.letters, err = s.e.Register(m)
	return s, err
}

// key returns the id and the secret of the key of a subject.
func (s *sealed) key(subject string) (id [16]byte, secret [32]byte) {
	s.t.Helper()
	list, err := s.e.Subjects()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, x := range list {
		if x.Name == subject {
			k, _ := state.KeyOf(s.e.Root(), x.KeyID)
			return x.KeyID, k.Secret
		}
	}
	s.t.Fatalf("no subject %q", subject)
	return id, secret
}

// holders lists the files that hold some bytes.
func holders(t *testing.T, sim *disk.Sim, b []byte) (names []string) {
	t.Helper()
	for _, n := range sim.Files() {
		content, err := disk.ReadFile(sim, n)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, b) {
			names = append(names, n)
		}
	}
	return names
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
	s := startSealed(t, sim, nil)
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
	id, secret := s.key("7")
	if err := s.e.Snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := holders(t, sim, secret[:]); len(got) != 2 {
		t.Fatalf("the key stands in %v, want one segment and one snapshot", got)
	}
	if err := s.e.Erase(context.Background(), "7", "somebody"); err != nil {
		t.Fatal(err)
	}
	if got := holders(t, sim, secret[:]); len(got) > 0 {
		t.Errorf("the key still stands in %v", got)
	}
	if _, l, err := s.stored("b"); err != nil || l.Text != "" || l.To != 7 {
		t.Errorf("erased: %+v, %v", l, err)
	}
	if _, l, err := s.stored("a"); err != nil || l.Text != "dear seven" {
		t.Errorf("sealed for another subject since: %+v, %v", l, err)
	}
	if err := s.e.Erase(context.Background(), "9", ""); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	hash := s.e.Root().Hash()
	if err := s.e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	for _, name := range sim.Files() { // so that the whole log is replayed
		if strings.HasPrefix(name, "snapshots/") {
			if err := sim.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := startSealed(t, sim, nil)
	if other.e.Root().Hash() != hash {
		t.Error("replay makes another state")
	}
	if k, ok := state.KeyOf(other.e.Root(), id); !ok || !k.Destroyed {
		t.Errorf("%+v, %v", k, ok)
	}
	if _, l, err := other.stored("b"); err != nil || l.Text != "" {
		t.Errorf("erased, replayed: %+v, %v", l, err)
	}
	foreign := startSealed(t, disk.NewSim(2), nil)
	if err := foreign.upsert(letter{ID: "a", To: 7, Text: "dear seven"}); err != nil {
		t.Fatal(err)
	}
	raw, _, err := foreign.stored("a")
	if err := errors.Join(err, foreign.e.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	var lost letter
	if err := other.letters.Codec().Decode([]byte(raw), &lost); err == nil || !strings.Contains(err.Error(), "not on this node") {
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

// TestEraseCutOff loses power at every step of an erasure: what was acknowledged is so, and
// a start goes on where it was cut off, so that no file holds the key then.
func TestEraseCutOff(t *testing.T) {
	ring, err := crypt.ParseRing(strings.Repeat("1a2b", 16))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	points, erased, finished := 0, 0, 0
	for way, keys := range []eventlog.KeyProvider{nil, ring} {
		for n := 1; ; n++ {
			sim := disk.NewSim(uint64(n))
			s := startSealed(t, sim, keys)
			for _, l := range []letter{{ID: "a", To: 7, Text: "dear seven"}, {ID: "b", To: 8, Text: "dear eight"}} {
				if err := errors.Join(s.upsert(l), s.e.Snapshot(ctx)); err != nil {
					t.Fatal(err)
				}
			}
			id, secret := s.key("7")
			var count atomic.Int64
			sim.Hook(func(op disk.Op, _ string) error {
				if changesDisk(op) && count.Add(1) >= int64(n) {
					return disk.ErrPower
				}
				return nil
			})
			failed := s.e.Erase(ctx, "7", "")
			done := count.Load() < int64(n)
			if done && failed != nil {
				t.Fatal(failed)
			}
			for k := range uint64(3) {
				points++
				after := sim.Crash(k)
				back := startSealed(t, after, keys)
				got, _ := state.KeyOf(back.e.Root(), id)
				if failed == nil && !got.Destroyed {
					t.Fatalf("way %d, call %d, pattern %d: an erasure that was acknowledged is gone", way, n, k)
				}
				if err := back.e.Snapshot(ctx); err != nil { // not before erasures are complete
					t.Fatal(err)
				}
				if got.Destroyed {
					if erased++; failed != nil {
						finished++
					}
					if files := holders(t, after, secret[:]); len(files) > 0 {
						t.Fatalf("way %d, call %d, pattern %d: the key still stands in %v", way, n, k, files)
					}
				}
				if _, l, err := back.stored("b"); err != nil || l.Text != "dear eight" {
					t.Fatalf("%+v, %v", l, err)
				}
				if err := back.e.Close(ctx); err != nil {
					t.Fatal(err)
				}
				if _, err := eventlog.Verify(eventlog.Config{Dir: "log", FS: after, Keys: keys}, nil); err != nil {
					t.Fatal(err)
				}
			}
			_ = s.e.Close(ctx) // the disk is gone
			if done {
				break
			}
		}
	}
	t.Logf("%d outcomes, %d erased, %d of them by the next start", points, erased, finished)
	if finished == 0 {
		t.Error("no erasure was finished by a start")
	}
}

// changesDisk says whether a call changes the disk; the others are no crash points.
func changesDisk(op disk.Op) bool {
	switch op {
	case disk.OpWrite, disk.OpSync, disk.OpTruncate, disk.OpAllocate, disk.OpRename, disk.OpRemove, disk.OpSyncDir, disk.OpMkdir:
		return true
	}
	return false
}

// TestKeyOutlivesItsLeader: a key that was committed under a leader that is then deposed is
// there for the entry that needs it, which the next leader commits.
func TestKeyOutlivesItsLeader(t *testing.T) {
	m, err := model.Of(reflect.TypeFor[letter]())
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Config{Open: func(engine.Sink) (engine.Order, error) { return nil, errors.New("none") }})
	if err != nil {
		t.Fatal(err)
	}
	letters, err := e.Register(m)
	if err != nil {
		t.Fatal(err)
	}
	ex, err := engine.NewExecutor(engine.ExecutorConfig{Entropy: rand.New(rand.NewPCG(1, 2)).Uint64, Secrets: rand.NewChaCha8([32]byte{1})}, []*engine.Table{letters})
	if err != nil {
		t.Fatal(err)
	}
	index := uint64(0)
	record := func(kind uint8, p engine.Proposal, payload []byte) eventlog.Record {
		index++
		return eventlog.Record{Index: index, Term: 1, Time: p.Time, Kind: kind, Payload: payload}
	}
	execute := func(l letter) engine.Proposal {
		t.Helper()
		ex.Submit(engine.NewCall(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			if l.ID == "" {
				return engine.Answer{}, errors.New("nothing to do")
			}
			return engine.Answer{}, tx.Insert(letters, &l)
		}}))
		p, ok := ex.Execute(1000)
		if !ok {
			t.Fatal("nothing was proposed")
		}
		ex.Proposed(nil)
		return p
	}
	read := func(id string, root *state.Root) (letter, error) {
		t.Helper()
		key, err := letters.Codec().ParseKey(id)
		if err != nil {
			t.Fatal(err)
		}
		var l letter
		return l, letters.Codec().Decode(root.Get(letters.Number(), key).Bytes(), &l)
	}
	ex.Leading(1)
	first := execute(letter{}) // the declarations
	ex.Committed([]eventlog.Record{record(engine.KindBatch, first, first.Payload)})
	p := execute(letter{ID: "a", To: 7, Text: "dear seven"})
	if len(p.Keys) != 1 {
		t.Fatalf("%d keys", len(p.Keys))
	}
	ex.Committed([]eventlog.Record{record(engine.KindKey, p, p.Keys[0])})
	ex.Lost(1, false, errors.New("deposed"))
	ex.Committed([]eventlog.Record{record(engine.KindBatch, p, p.Payload)})
	if err := ex.Failure(); err != nil {
		t.Fatal(err)
	}
	if _, err := read("a", ex.Root()); err != nil {
		t.Error(err)
	}
	// A key of an entry that came to nothing is not kept, and the next one is another.
	ex.Leading(2)
	lost := execute(letter{ID: "b", To: 8, Text: "dear eight"})
	ex.Lost(2, true, errors.New("deposed"))
	ex.Leading(3)
	again := execute(letter{ID: "b", To: 8, Text: "dear eight"})
	if len(lost.Keys) != 1 || len(again.Keys) != 1 || string(lost.Keys[0]) == string(again.Keys[0]) {
		t.Errorf("%d and %d keys", len(lost.Keys), len(again.Keys))
	}
	ex.Committed([]eventlog.Record{record(engine.KindKey, again, again.Keys[0]), record(engine.KindBatch, again, again.Payload)})
	if _, err := read("b", ex.Root()); err != nil || ex.Root().Len(state.KeyModel) != 2 {
		t.Errorf("%d keys, %v", ex.Root().Len(state.KeyModel), err)
	}
}
