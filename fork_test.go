package lithair

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/engine"
)

type account struct {
	Name  string `json:"name" lithair:"primary_key"`
	Owner string `json:"owner" lithair:"unique"`
	Cents int64  `json:"cents" http:"validate=min(0)"`
}

// TestFork tries writes on the state of now and of before: with every rule, seen by nobody
// else, and with an exact difference.
func TestFork(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	accounts := Model[account](a, "")
	hooked := 0
	a.Before("account", func(*Tx, *Change) error { hooked++; return nil })
	start(t, a)
	put := func(name string, cents int64) uint64 {
		t.Helper()
		if err := a.Update(t.Context(), func(tx *Tx) error {
			return accounts.Upsert(tx, &account{Name: name, Owner: "o-" + name, Cents: cents})
		}); err != nil {
			t.Fatal(err)
		}
		return a.engine.Root().Seq()
	}
	put("a", 1)
	then := put("b", 2)
	put("a", 10)
	put("c", 3)
	head := a.engine.Root()
	before := hooked

	f, err := a.Fork(t.Context(), then)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(accounts.Put(tx, &account{Name: "a", Owner: "o-a", Cents: 5}), accounts.Delete(tx, "b"), accounts.Insert(tx, &account{Name: "n", Owner: "o-b"}))
	}); err != nil {
		t.Fatal(err)
	}
	if hooked == before {
		t.Error("Before hooks do not run")
	}
	for what, bad := range map[string]account{"unique": {Name: "x", Owner: "o-a"}, "validation": {Name: "y", Owner: "y", Cents: -1}} {
		if err := f.Update(t.Context(), func(tx *Tx) error { return accounts.Insert(tx, &bad) }); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	if err := f.Update(t.Context(), func(*Tx) error { panic("no") }); !errors.As(err, new(*engine.PanicError)) {
		t.Errorf("panic: %v", err)
	}
	var got []string
	for d, err := range accounts.Diff(f) {
		if err != nil {
			t.Fatal(err)
		}
		show := func(a *account) string {
			if a == nil {
				return "-"
			}
			return fmt.Sprint(a.Name, a.Cents)
		}
		got = append(got, show(d.Before)+">"+show(d.After))
	}
	if want := []string{"a1>a5", "b2>-", "->n0"}; !slices.Equal(got, want) {
		t.Errorf("difference: %v, want %v", got, want)
	}
	if err := f.View(func(s *Snapshot) error {
		if n := accounts.Len(s); n != 2 || s.Seq() != then+1 {
			t.Errorf("%d records at %d", n, s.Seq())
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if a.engine.Root() != head {
		t.Error("the application's own state changed")
	}
	if _, err := a.Fork(t.Context(), head.Seq()+1); !errors.Is(err, engine.ErrFuture) {
		t.Errorf("the future: %v", err)
	}
}

// TestForkBeforeAChangeOfTheModel: records of then are read and written as the model is now;
// where they do not fit, the fork says so.
func TestForkBeforeAChangeOfTheModel(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	accounts := Model[account](a, "")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var twice, once uint64
	for i, cents := range []int64{1, 1, 2} {
		if err := a.Update(t.Context(), func(tx *Tx) error {
			return accounts.Upsert(tx, &account{Name: fmt.Sprint("a", min(i, 1)), Owner: fmt.Sprint(min(i, 1)), Cents: cents})
		}); err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			once = a.engine.Root().Seq()
		case 1:
			twice = a.engine.Root().Seq()
		}
	}
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	type account struct { // as it is in a later release
		Name  string `json:"name" lithair:"primary_key"`
		Owner string `json:"owner"`
		Cents int64  `json:"cents" lithair:"unique"`
		Note  string `json:"note" lithair:"indexed"`
	}
	b := newApp(t, Config{Dir: dir})
	later := Model[account](b, "")
	start(t, b)
	f, err := b.Fork(t.Context(), once)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Update(t.Context(), func(tx *Tx) error {
		old, err := later.Get(tx, "a0")
		if err != nil || old.Cents != 1 {
			return fmt.Errorf("%+v, %w", old, err)
		}
		return later.Insert(tx, &account{Name: "z", Cents: 9, Note: "new"})
	}); err != nil {
		t.Error(err)
	}
	if _, err := b.Fork(t.Context(), twice); err == nil || !strings.Contains(err.Error(), "fork at sequence") {
		t.Errorf("a unique field with one value twice: %v", err)
	}
}
