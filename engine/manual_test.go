package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
)

// manual is an engine whose every step the test takes.
type manual struct {
	t     *testing.T
	fs    *disk.Sim
	now   time.Time
	log   *eventlog.Log
	e     *engine.Engine
	towns *engine.Table
}

func (m *manual) open() {
	m.t.Helper()
	salt, chance := uint64(0), uint64(0)
	var err error
	m.e, err = engine.New(engine.Config{
		ExecutorConfig: engine.ExecutorConfig{Entropy: func() uint64 { chance++; return chance << 32 }},
		Manual:         true, Logger: slog.New(slog.DiscardHandler), Clock: func() time.Time { return m.now },
		Open: func(sink engine.Sink) (engine.Order, error) {
			m.log, err = eventlog.Open(eventlog.Config{Dir: "log", FS: m.fs, Manual: true, SegmentBytes: 32 << 10, Logger: slog.New(slog.DiscardHandler),
				Salt: func() uint64 { salt++; return uint64(len(m.fs.Files()))<<32 + salt }})
			if err != nil {
				return nil, err
			}
			return node.Start(node.Config{Log: m.log, Sink: sink, Manual: true, Logger: slog.New(slog.DiscardHandler), Clock: func() time.Time { return m.now }})
		},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	md, err := model.Of(reflect.TypeFor[town]())
	if err != nil {
		m.t.Fatal(err)
	}
	if m.towns, err = m.e.Register(md); err != nil {
		m.t.Fatal(err)
	}
	if err := m.e.KeepSnapshots(engine.SnapshotConfig{Dir: "snap", FS: m.fs}); err != nil {
		m.t.Fatal(err)
	}
	if err := m.e.Start(context.Background()); err != nil {
		m.t.Fatal(err)
	}
}

// write lets the log do one step of I/O.
func (m *manual) write() bool {
	w, ok := m.log.Begin()
	if ok {
		m.log.End(w, w.Do())
	}
	return ok
}

func (m *manual) found(name string) *engine.Call {
	m.t.Helper()
	c := engine.NewCall(context.Background(), engine.Command{Name: "found", Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, tx.Insert(m.towns, &town{Name: name, People: 1})
	}})
	if err := m.e.Submit(c); err != nil {
		m.t.Fatal(err)
	}
	return c
}

// TestManual: every step is the owner's, and nothing happens between them.
func TestManual(t *testing.T) {
	m := &manual{t: t, fs: disk.NewSim(1), now: time.Unix(1e9, 0)}
	m.open()
	for m.write() || m.e.Due() {
		m.e.Step() // the term's first entry, and the models
	}
	c := m.found("Delft")
	read, err := m.e.Ask(engine.Strong)
	if err != nil {
		t.Fatal(err)
	}
	if _, done, _ := read.Poll(); c.Done() || done || !m.e.Due() {
		t.Fatalf("the command is done: %v, the read: %v, a step is due: %v", c.Done(), done, m.e.Due())
	}
	m.e.Step()
	if c.Done() || m.e.Due() {
		t.Fatal("done before it is durable, or there is more to step")
	}
	for m.write() {
	}
	if _, done, _ := read.Poll(); c.Done() || done {
		t.Fatal("durable, but not applied, and there is an answer")
	}
	m.e.Step()
	root, done, err := read.Poll()
	if !c.Done() || c.Err != nil || !done || err != nil || root.Len(m.towns.Number()) != 1 {
		t.Fatalf("after the step: %v, %v; read %v, %v", c.Done(), c.Err, done, err)
	}
	if err := m.e.Snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	lost := m.found("Ys")
	read, err = m.e.Ask(engine.Strong)
	if err != nil {
		t.Fatal(err)
	}
	read.Drop()
	old := m.fs
	old.PowerOff()
	m.fs = old.Crash(7)
	if err := m.e.Close(context.Background()); err != nil || !lost.Done() || !errors.Is(lost.Err, engine.ErrClosed) {
		t.Fatalf("closed: %v; the command: %v", err, lost.Err)
	}
	m.open()
	for m.write() || m.e.Due() {
		m.e.Step()
	}
	if n := m.e.Root().Len(m.towns.Number()); n != 1 || m.e.Stats().RestoredSeq == 0 {
		t.Fatalf("%d towns after the crash, restored to %d", n, m.e.Stats().RestoredSeq)
	}
	if err := m.e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if m.e.Due() || m.e.Step() {
		t.Fatal("a closed engine steps")
	}
}

// TestRefusedProposalHoldsBackWhatReadUncommitted: a proposal that is not taken ends the calls
// it carries. One beside it that changed nothing may have read what an earlier
// proposal, still in flight, has changed: it waits for that.
func TestRefusedProposalHoldsBackWhatReadUncommitted(t *testing.T) {
	r := start(t, nil, func(c *engine.Config) { c.Manual = true })
	settle := func() {
		for r.e.Due() {
			r.e.Step()
		}
	}
	submit := func(a *author) *engine.Call {
		c := engine.NewCall(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			return engine.Answer{}, tx.Insert(r.authors, a)
		}})
		if err := r.e.Submit(c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	r.o.auto = false
	settle()
	r.o.commit() // the models
	settle()
	write := submit(ada())
	settle()
	r.o.refuse = errors.New("not now")
	twice, other := submit(ada()), submit(&author{Email: "b@example.org", Name: "Bob"})
	r.e.Step()
	if write.Done() || twice.Done() || !other.Done() || !errors.Is(other.Err, engine.ErrNotCommitted) {
		t.Fatalf("in flight: %v; read it: %v; refused: %v, %v", write.Done(), twice.Done(), other.Done(), other.Err)
	}
	r.o.refuse = nil
	r.o.commit()
	settle()
	if _, ok := errors.AsType[*engine.ConflictError](twice.Err); !write.Done() || write.Err != nil || !twice.Done() || !ok {
		t.Fatalf("committed: %v, %v; read it: %v, %v", write.Done(), write.Err, twice.Done(), twice.Err)
	}
}

// doubting is an order whose barriers the test answers.
type doubting struct {
	*order
	asked []uint64
}

func (o *doubting) Barrier(_ uint8, ticket uint64) { o.asked = append(o.asked, ticket) }

// TestWhatChangedNothingIsConfirmed: a refusal is as good as a read: another node may lead by
// now, and have committed what would have it otherwise. It waits for word of a quorum,
// or for an entry of the same round.
func TestWhatChangedNothingIsConfirmed(t *testing.T) {
	var o *doubting
	r := start(t, nil, func(c *engine.Config) {
		c.Manual = true
		open := c.Open
		c.Open = func(sink engine.Sink) (engine.Order, error) {
			plain, err := open(sink)
			o = &doubting{order: plain.(*order)}
			o.auto = false
			return o, err
		}
	})
	settle := func() {
		for r.e.Due() {
			r.e.Step()
			o.commit()
		}
	}
	submit := func(a *author) *engine.Call {
		c := engine.NewCall(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			return engine.Answer{}, tx.Insert(r.authors, a)
		}})
		if err := r.e.Submit(c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	refused := func(c *engine.Call) bool {
		_, ok := errors.AsType[*engine.ConflictError](c.Err)
		return c.Done() && ok
	}
	settle()
	if c := submit(ada()); true {
		if settle(); !c.Done() || c.Err != nil || len(o.asked) != 0 {
			t.Fatalf("a write: %v, %v, %d barriers", c.Done(), c.Err, len(o.asked))
		}
	}
	twice, again := submit(ada()), submit(ada())
	if settle(); twice.Done() || len(o.asked) != 1 {
		t.Fatalf("refused at once: %v, %d barriers", twice.Done(), len(o.asked))
	}
	o.sink.Barrier(o.asked[0], 0, errors.New("nobody answers"))
	if settle(); twice.Done() || len(o.asked) != 2 {
		t.Fatalf("after a barrier that failed: %v, %d barriers", twice.Done(), len(o.asked))
	}
	o.sink.Barrier(o.asked[1], 1, nil)
	if settle(); !refused(twice) || !refused(again) {
		t.Fatalf("confirmed: %v, %v", twice.Err, again.Err)
	}
	twice, other := submit(ada()), submit(&author{Email: "b@example.org", Name: "Bob"})
	if settle(); !refused(twice) || other.Err != nil || len(o.asked) != 2 {
		t.Fatalf("beside a write: %v, %v, %d barriers", twice.Err, other.Err, len(o.asked))
	}
	twice = submit(ada())
	settle()
	o.lose(false, errors.New("deposed"), false)
	if settle(); !twice.Done() || !errors.Is(twice.Err, engine.ErrNotCommitted) || errors.Is(twice.Err, engine.ErrOutcomeUnknown) {
		t.Fatalf("deposed: %v, %v", twice.Done(), twice.Err)
	}
}
