package lithair

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// startErr starts an application that is expected to refuse.
func startErr(t *testing.T, a *App) string {
	t.Helper()
	err := a.Start(t.Context())
	if err == nil {
		t.Error(a.Shutdown(t.Context()))
		t.Fatal("it started")
	}
	return err.Error()
}

func TestForeignKeysAreCheckedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	{
		type Book struct {
			ID     ID     `json:"id"`
			Author string `json:"author" lithair:"fk=Writer"`
		}
		a := newApp(t, Config{Dir: dir})
		Model[Book](a, "/api/books")
		if msg := startErr(t, a); !strings.Contains(msg, "Book.Author: tag lithair: fk=Writer: no model of that name is registered (allowed: Book)") {
			t.Error(msg)
		}
	}
	type Writer struct {
		ID   ID     `json:"id"`
		Name string `json:"name"`
	}
	{
		type Book struct {
			ID     ID     `json:"id"`
			Author string `json:"author" lithair:"fk=Writr"`
		}
		a := newApp(t, Config{Dir: dir})
		Model[Book](a, "/api/books")
		Model[Writer](a, "/api/writers")
		if msg := startErr(t, a); !strings.Contains(msg, `did you mean "Writer"?`) {
			t.Error(msg)
		}
	}
	{
		type Book struct {
			ID     ID     `json:"id"`
			Author string `json:"author" lithair:"fk=Writer"`
		}
		a := newApp(t, Config{Dir: dir})
		Model[Book](a, "/api/books")
		Model[Writer](a, "/api/writers")
		if msg := startErr(t, a); !strings.Contains(msg, "the field is of type string, and the primary key of Writer is id") {
			t.Error(msg)
		}
	}
	// None of the refused starts has left a declaration that would bind this one.
	type Book struct {
		ID     ID `json:"id"`
		Author ID `json:"author" lithair:"fk=Writer"`
	}
	a := newApp(t, Config{Dir: dir})
	Model[Book](a, "/api/books")
	Model[Writer](a, "/api/writers")
	start(t, a)
}

func TestIndexesComeLater(t *testing.T) {
	dir := t.TempDir()
	{
		type Item struct {
			ID   int    `json:"id"`
			Name string `json:"name"`
			Kind string `json:"kind"`
		}
		a := newApp(t, Config{Dir: dir})
		items := Model[Item](a, "/api/items")
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if err := a.Update(t.Context(), func(tx *Tx) error {
				return items.Insert(tx, &Item{ID: i, Name: fmt.Sprint("n", i), Kind: fmt.Sprint("k", i%2)})
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	{
		type Item struct {
			ID   int    `json:"id"`
			Name string `json:"name"`
			Kind string `json:"kind" lithair:"unique"`
		}
		a := newApp(t, Config{Dir: dir})
		Model[Item](a, "/api/items")
		if msg := startErr(t, a); !strings.Contains(msg, "Item.kind cannot become unique: records 0 and 2 have the same value") {
			t.Error(msg)
		}
	}
	{
		type Item struct {
			ID   int    `json:"id"`
			Name int    `json:"name"`
			Kind string `json:"kind"`
		}
		a := newApp(t, Config{Dir: dir})
		Model[Item](a, "/api/items")
		if msg := startErr(t, a); !strings.Contains(msg, "Item.Name was stored as string and is now int") {
			t.Error(msg)
		}
	}
	type Item struct {
		ID    int      `json:"id"`
		Added *float64 `json:"added" lithair:"indexed"`
		Name  string   `json:"name" lithair:"unique"`
		Kind  string   `json:"kind" lithair:"indexed"`
	}
	a := newApp(t, Config{Dir: dir})
	items := Model[Item](a, "/api/items")
	start(t, a)
	if got := call(t, a, "GET", "/api/items/0", ""); got.body != `{"id":0,"added":null,"name":"n0","kind":"k0"}` {
		t.Error(got.body)
	}
	if got := call(t, a, "GET", "/api/items/count?kind=k1&added=null", ""); got.body != `{"count":2}` {
		t.Error(got.body)
	}
	if err := a.Update(t.Context(), func(tx *Tx) error { return items.Insert(tx, &Item{ID: 9, Name: "n1"}) }); err == nil {
		t.Error("a second n1")
	} else if c := (*ConflictError)(nil); !errors.As(err, &c) || c.Field != "name" {
		t.Error(err)
	}
}

// TestChangeOverSnapshot: a start from a snapshot takes structs that have changed since, as one from
// the log does, and says the same of those that cannot be.
func TestChangeOverSnapshot(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	{
		type Note struct {
			ID   int    `json:"id"`
			Text string `json:"text"`
		}
		a := newApp(t, Config{Dir: dir})
		notes := Model[Note](a, "/api/notes")
		start(t, a)
		must(a.Update(t.Context(), func(tx *Tx) error { return notes.Insert(tx, &Note{ID: 1, Text: "one"}) }))
		must(a.engine.Snapshot(t.Context()))
		must(a.Shutdown(t.Context()))
	}
	if snaps, err := filepath.Glob(filepath.Join(dir, "snapshots", "*.snap")); err != nil || len(snaps) != 1 {
		t.Fatalf("snapshots %q, %v", snaps, err)
	}
	{
		type Note struct {
			ID   int `json:"id"`
			Text int `json:"text"`
		}
		a := newApp(t, Config{Dir: dir})
		Model[Note](a, "/api/notes")
		if msg := startErr(t, a); !strings.Contains(msg, "Text was stored as string and is now int") {
			t.Error(msg)
		}
	}
	type Note struct {
		ID   int    `json:"id"`
		Text string `json:"text"`
		Done bool   `json:"done" lithair:"indexed"`
	}
	a := newApp(t, Config{Dir: dir})
	notes := Model[Note](a, "/api/notes")
	start(t, a)
	must(a.Update(t.Context(), func(tx *Tx) error { return notes.Insert(tx, &Note{ID: 2, Text: "two", Done: true}) }))
	must(a.View(func(s *Snapshot) error {
		for id, want := range map[int]Note{1: {1, "one", false}, 2: {2, "two", true}} {
			if got, err := notes.Get(s, id); err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		}
		return nil
	}))
}
