package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

type cursor struct {
	_ struct{} `persist:"memory_only" lithair:"index=doc+line"`

	ID   string    `json:"id"`
	Doc  string    `json:"doc" lithair:"unique"`
	Line int       `json:"line" http:"validate=min(0)"`
	Seen time.Time `json:"seen" lithair:"updated"`
}

// Local records obey the rules of all others, and leave nothing in log, hash and snapshot.
func TestMemoryOnly(t *testing.T) {
	var cursors *engine.Table
	r := startWith(t, nil, func(r *rig) { cursors = register[cursor](r) })
	key := func(id string) string { return r.key(cursors, &cursor{ID: id}) }
	before, logged := r.e.Root(), len(r.o.log)
	r.must(func(tx *engine.Tx) error {
		if err := tx.Insert(cursors, &cursor{ID: "a", Doc: "x", Line: 1}); err != nil {
			return err
		}
		_, err := tx.Load(cursors, key("a"), &cursor{})
		return err
	})
	root := r.e.Root()
	if root.Len(cursors.Number()) != 1 || root.CountIndex(cursors.Number(), cursors.Schema().Indexes[0].Number, state.Range{}) != 1 || root.Bytes(cursors.Number()) == 0 {
		t.Fatal("the record is not there")
	}
	if root.Hash() != before.Hash() || root.Seq() != before.Seq() || root.Time() != before.Time() || len(r.o.log) != logged || root.Size() != before.Size() {
		t.Error("a local record left a trace")
	}
	for range state.Diff(before, root) {
		t.Error("a local record is in the difference")
	}
	if before.Len(cursors.Number()) != 0 {
		t.Error("an older root has changed")
	}
	first := root.Get(cursors.Number(), key("a")).Seq()
	r.must(func(tx *engine.Tx) error { return tx.Put(cursors, &cursor{ID: "a", Doc: "x", Line: 2}) })
	if second := r.e.Root().Get(cursors.Number(), key("a")).Seq(); second == first {
		t.Error("two versions have one number")
	}
	for name, c := range map[string]struct {
		want string
		fn   func(tx *engine.Tx) error
	}{
		"unique":  {"must be unique", func(tx *engine.Tx) error { return tx.Insert(cursors, &cursor{ID: "b", Doc: "x"}) }},
		"exists":  {"exists", func(tx *engine.Tx) error { return tx.Insert(cursors, &cursor{ID: "a", Doc: "y"}) }},
		"invalid": {"not valid", func(tx *engine.Tx) error { return tx.Insert(cursors, &cursor{ID: "c", Doc: "y", Line: -1}) }},
		"rolled back": {"no", func(tx *engine.Tx) error {
			return errors.Join(tx.Insert(cursors, &cursor{ID: "d", Doc: "d"}), tx.Delete(cursors, key("a")), tx.Insert(r.authors, ada()), errors.New("no"))
		}},
	} {
		if err := r.do(c.fn); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r.e.Root().Len(cursors.Number()) != 1 || r.e.Root().Len(r.authors.Number()) != 0 {
		t.Error("what was refused left a trace")
	}
	r.must(func(tx *engine.Tx) error {
		return errors.Join(tx.Insert(cursors, &cursor{ID: "e", Doc: "e"}), tx.Insert(r.authors, ada()))
	})
	again := startWith(t, r.o.log, func(r *rig) { cursors = register[cursor](r) })
	if again.e.Root().Hash() != r.e.Root().Hash() || again.e.Root().Len(cursors.Number()) != 0 {
		t.Error("replay gives another state")
	}
}

// What a local change was made on may be in flight: it becomes visible with that, or goes
// with it.
func TestMemoryOnlyInFlight(t *testing.T) {
	var cursors *engine.Table
	r := startWith(t, nil, func(r *rig) { cursors = register[cursor](r) })
	count := func() int { return r.e.Root().Len(cursors.Number()) }
	r.o.mu.Lock()
	r.o.auto = false
	r.o.mu.Unlock()
	drain(r.o.arrived)
	ran := make(chan struct{})
	results := make(chan error, 2)
	go func() { results <- r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) }) }()
	<-r.o.arrived
	go func() {
		results <- r.do(func(tx *engine.Tx) error {
			close(ran)
			if tx.Len(r.authors.Number()) != 1 {
				return errors.New("the transaction does not see the one in flight")
			}
			return tx.Insert(cursors, &cursor{ID: "a", Doc: "x"})
		})
	}()
	<-ran
	if count() != 0 {
		t.Error("it is visible before what it read")
	}
	r.o.commit()
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if count() != 1 {
		t.Error("it is not visible afterwards")
	}
	go func() {
		results <- r.do(func(tx *engine.Tx) error {
			return errors.Join(tx.Insert(cursors, &cursor{ID: "b", Doc: "y"}), tx.Insert(r.authors, &author{Email: "b@example.org", Name: "B"}))
		})
	}()
	<-r.o.arrived
	r.o.lose(true, errors.New("lost"), true)
	if err := <-results; !errors.Is(err, engine.ErrNotCommitted) {
		t.Error(err)
	}
	if count() != 1 {
		t.Error("what was lost is there")
	}

	// One that changes local records alone shares the fate of the entry it was run with.
	r.o.mu.Lock()
	r.o.refuse = errors.New("refused")
	r.o.mu.Unlock()
	hold, in := make(chan struct{}), make(chan struct{})
	go func() { results <- r.do(func(*engine.Tx) error { close(in); <-hold; return nil }) }()
	<-in
	locally, logged := make(chan error, 1), make(chan error, 1)
	go func() {
		locally <- r.do(func(tx *engine.Tx) error { return tx.Insert(cursors, &cursor{ID: "c", Doc: "z"}) })
	}()
	for r.e.Stats().Queued != 2 {
		time.Sleep(time.Millisecond)
	}
	go func() {
		logged <- r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, &author{Email: "c@example.org", Name: "C"}) })
	}()
	for r.e.Stats().Queued != 3 {
		time.Sleep(time.Millisecond)
	}
	close(hold)
	if err := <-results; err != nil {
		t.Error(err)
	}
	for _, ch := range []chan error{locally, logged} {
		if err := <-ch; !errors.Is(err, engine.ErrNotCommitted) {
			t.Error(err)
		}
	}
	if count() != 1 {
		t.Error("what was refused is there")
	}
}

type cursorRef struct {
	ID     uint64 `json:"id"`
	Cursor string `json:"ref" lithair:"fk=cursor"`
}

func TestMemoryOnlyIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		want   string
		models func(e *engine.Engine)
	}{
		"reference": {"nothing can refer to them", func(e *engine.Engine) { registered[cursor](t, e); registered[cursorRef](t, e) }},
		"was stored": {"the log holds records of this model", func(e *engine.Engine) {
			m := registered[cursor](t, e)
			m.Model().Name = "memo"
		}},
	} {
		sim := disk.NewSim(1)
		e := onDisk(t, sim, func(e *engine.Engine) { registered[memo](t, e) })
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e, err := onDiskOr(t, sim, c.models); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			if err == nil {
				e.Close(t.Context())
			}
		}
	}
}
