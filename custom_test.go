package lithair

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/engine"
)

type task struct {
	ID    ID     `json:"id" lithair:"primary_key"`
	Title string `json:"title" http:"validate=length(1,20)"`
	Done  bool   `json:"done"`
	By    string `json:"by"`
}

var errDone = errors.New("it is done")

// applied counts how often an Apply ran: never behind the transaction.
var applied int

type completed struct {
	By   string `json:"by"`
	Note string `json:"note,omitempty"`
}

func (e completed) Apply(t *task) error {
	if applied++; t.Done {
		return errDone
	}
	t.Done, t.By = true, e.By
	return nil
}

type looked struct{}

func (*looked) Apply(*task) error { return nil }
func (*looked) EventName() string { return "Looked" }

type renamed struct{ Title string }

func (e renamed) Apply(t *task) error { t.Title = e.Title; return nil }

type sealedNote struct {
	ID    ID     `json:"id" lithair:"primary_key"`
	Owner string `json:"owner" privacy:"subject"`
	Text  string `json:"text" privacy:"sealed"`
}

type noted struct{}

func (noted) Apply(*sealedNote) error { return nil }

// TestCustomEvents: an event is applied once, logged with its outcome, seen by hooks and in
// histories, and replayed without the code that made it.
func TestCustomEvents(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error"}
	seen := make(chan string, 10)
	open := func(register bool) (*App, *Collection[task]) {
		a := New(cfg)
		tasks := Model[task](a, "/api/tasks")
		if register {
			OnEvent(tasks, "completed", func(_ context.Context, e Event[task], v completed) error {
				seen <- e.Record.ID.String() + " " + v.By + " " + strings.Join(e.Changed, ",")
				return nil
			})
		}
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return a, tasks
	}
	a, tasks := open(true)
	one := task{Title: "one"}
	update := func(fn func(tx *Tx) error) error { return a.Update(t.Context(), fn) }
	if err := update(func(tx *Tx) error { return tasks.Insert(tx, &one) }); err != nil {
		t.Fatal(err)
	}
	applied = 0
	if err := update(func(tx *Tx) error {
		return errors.Join(tasks.Emit(tx, one.ID, completed{By: "ann", Note: "n"}), tasks.Emit(tx, one.ID, &looked{}))
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		e    CustomEvent[task]
		key  any
		want func(error) bool
	}{
		{"refused by Apply", completed{By: "bob"}, one.ID, func(err error) bool { return errors.Is(err, errDone) }},
		{"against a rule", renamed{strings.Repeat("x", 21)}, one.ID, func(err error) bool { var v *ValidationError; return errors.As(err, &v) }},
		{"no record", completed{}, ID{1}, func(err error) bool { return errors.Is(err, ErrNotFound) }},
		{"too large", completed{Note: strings.Repeat("x", engine.MaxPayload)}, one.ID, func(err error) bool { var l *engine.TooLargeError; return errors.As(err, &l) }},
	} {
		if err := update(func(tx *Tx) error { return tasks.Emit(tx, c.key, c.e) }); err == nil || !c.want(err) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if got, want := receive(t, "what the hook sees", seen), one.ID.String()+" ann done,by"; got != want {
		t.Errorf("the hook saw %q, want %q", got, want)
	}
	check := func(a *App, tasks *Collection[task]) {
		t.Helper()
		versions, _, complete, err := a.engine.History(t.Context(), tasks.base.table, taskKey(t, tasks, one.ID), 0, 10)
		if err != nil || !complete || len(versions) != 2 {
			t.Fatal(versions, complete, err)
		}
		var got []string
		for _, e := range versions[1].Events {
			got = append(got, e.Name+string(e.Payload))
		}
		if want := []string{`completed{"by":"ann","note":"n"}`, "Looked{}"}; !reflect.DeepEqual(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
		body := call(t, a, "GET", "/api/tasks/"+one.ID.String()+"/history", "").body
		if !strings.Contains(body, `"changed":["done","by"],"events":[{"name":"completed","payload":{"by":"ann","note":"n"}},{"name":"Looked","payload":{}}],"record":{`) {
			t.Error(body)
		}
		err = a.View(func(s *Snapshot) error {
			v, err := tasks.Get(s, one.ID)
			if !v.Done || v.By != "ann" {
				t.Errorf("%+v", v)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	check(a, tasks)
	before := applied
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	a, tasks = open(false)
	check(a, tasks)
	if applied != before || before != 2 {
		t.Errorf("Apply ran %d times, and %d times behind the start", before, applied-before)
	}
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
}

// TestCustomEventsRefused: what could not be erased, or heard of, is no event.
func TestCustomEventsRefused(t *testing.T) {
	a := New(Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error"})
	notes := Model[sealedNote](a, "")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(a)
	err := a.Update(t.Context(), func(tx *Tx) error {
		n := sealedNote{Owner: "o", Text: "x"}
		if err := notes.Insert(tx, &n); err != nil {
			return err
		}
		return notes.Emit(tx, n.ID, noted{})
	})
	if !errors.Is(err, engine.ErrEventSealed) {
		t.Error(err)
	}
}

func taskKey(t *testing.T, c *Collection[task], id ID) string {
	t.Helper()
	k, err := c.base.table.Codec().AppendKeyOf(nil, id)
	if err != nil {
		t.Fatal(err)
	}
	return string(k)
}
