package lithair

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lithair/lithair-go/internal/cli"
)

// awaitMigration waits until a node sees that a migration is done.
func awaitMigration(t *testing.T, a *App, m *Migration) (records uint64) {
	t.Helper()
	ctx := bounded(t)
	for done := false; ; {
		changed := a.engine.Changed()
		if err := a.View(func(s *Snapshot) error { done, records = m.Done(s), m.Records(s); return nil }); err != nil {
			t.Fatal(err)
		}
		if done {
			return records
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the migration is not done within %v: %d records; goroutines:\n%s", patience, records, goroutines())
		}
	}
}

// TestMigrate changes the type of a field: the old program's records have their values in the new field,
// once, over restarts and a failure, and from snapshots.
func TestMigrate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const many = 3*migrationBatch + 7
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	{
		type Ware struct {
			ID    string  `json:"id"`
			Price float64 `json:"price"`
		}
		a := newApp(t, Config{Dir: dir})
		wares := Model[Ware](a, "/wares")
		must(a.Start(t.Context()))
		must(a.Update(t.Context(), func(tx *Tx) error {
			for i := range many {
				if err := wares.Insert(tx, &Ware{ID: fmt.Sprintf("%04d", i), Price: float64(i) + 0.25}); err != nil {
					return err
				}
			}
			return nil
		}))
		must(a.Snapshot(t.Context()))
		must(stop(a))
	}
	type Ware struct {
		ID    string  `json:"id"`
		Euros float64 `json:"euros" lithair:"was=price"`
		Price int64   `json:"price" lithair:"indexed"`
	}
	var calls, refuse atomic.Int64
	open := func() (*App, *Collection[Ware], *Migration) {
		a := newApp(t, Config{Dir: dir})
		wares := Model[Ware](a, "/wares")
		return a, wares, wares.Migrate("cents", func(tx *Tx, w *Ware) error {
			if calls.Add(1); refuse.Load() > 0 && w.ID == "0100" {
				refuse.Add(-1)
				return errors.New("not yet")
			}
			if w.Price == 0 {
				w.Price = int64(math.Round(w.Euros * 100))
			}
			return nil
		})
	}
	plan := func(want string) {
		t.Helper()
		a, _, _ := open()
		var out bytes.Buffer
		if code := a.program().Run(&cli.Console{Out: &out, Err: &out}, strings.Fields("schema plan -dir "+dir)); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if got := strings.Contains(out.String(), "migration cents will look at"); got != (want != "") || !strings.Contains(out.String(), want) {
			t.Errorf("the plan says: %s", &out)
		}
	}
	plan(fmt.Sprintf("migration  Ware: migration cents will look at %d records after the start", many))
	refuse.Store(1)
	a, wares, m := open()
	must(a.Start(t.Context()))
	if n := awaitMigration(t, a, m); n != many {
		t.Errorf("%d records of %d", n, many)
	}
	check := func(a *App, wares *Collection[Ware]) {
		t.Helper()
		must(a.View(func(s *Snapshot) error {
			for i := range many {
				w, err := wares.Get(s, fmt.Sprintf("%04d", i))
				if err != nil || w.Price != int64(100*i+25) {
					return fmt.Errorf("%+v %v", w, err)
				}
			}
			n := 0
			for _, err := range wares.Where(s, "price", int64(10025)) {
				if n++; err != nil {
					return err
				}
			}
			if n != 1 {
				return fmt.Errorf("%d by the index", n)
			}
			return nil
		}))
	}
	check(a, wares)
	if body := call(t, a, "GET", "/wares/0100/history", "").body; !strings.Contains(body, `"price":10025`) {
		t.Error(body)
	}
	must(stop(a))
	before := calls.Load()
	a, wares, m = open()
	must(a.Start(t.Context()))
	awaitMigration(t, a, m)
	check(a, wares)
	must(stop(a))
	if calls.Load() != before {
		t.Errorf("it was called %d times behind its end", calls.Load()-before)
	}
	plan("")
	t.Logf("%d records, %d calls", many, before)
}

// TestMigrateOthers: a migration sees what it did to other records, leaves deleted what it deletes, and does
// not write another record than its own.
func TestMigrateOthers(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	goods := Model[good](a, "")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Update(t.Context(), func(tx *Tx) error {
		for i, id := range []string{"a", "b", "c", "d", "e"} {
			if err := goods.Insert(tx, &good{ID: id, Cents: int64(i + 1)}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	a = newApp(t, Config{Dir: dir})
	goods = Model[good](a, "")
	m := goods.Migrate("merge", func(tx *Tx, g *good) error {
		switch g.ID {
		case "a":
			g.Cents = 10
			return errors.Join(goods.Put(tx, &good{ID: "b", Cents: 20}), goods.Delete(tx, "c"))
		case "d":
			return goods.Delete(tx, "d")
		}
		g.Cents++
		return nil
	})
	moved := goods.Migrate("move", func(_ *Tx, g *good) error { g.ID = "e"; return nil })
	start(t, a)
	awaitMigration(t, a, m)
	if err := a.View(func(s *Snapshot) error {
		got := map[string]int64{}
		for g, err := range goods.Scan(s) {
			if err != nil {
				return err
			}
			got[g.ID] = g.Cents
		}
		if want := map[string]int64{"a": 10, "b": 21, "e": 6}; !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if moved.Done(s) {
			t.Error("a migration that moves records is done")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if _, err := a.works[1].(*migrationWork).step(t.Context(), 1); !errors.Is(err, errMovedKey) {
		t.Error(err)
	}
	other := &migrationWork{app: a, name: "merge", table: a.migrations.(*Collection[migration]).base.table} // as a later program might have it
	if at, err := other.step(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "merge was a migration of good: one of _migrations needs another name") {
		t.Errorf("%+v, %v", at, err)
	}
}

// TestMigrateInCluster: whoever leads goes on where another stopped; each record is changed once, and all
// nodes have it.
func TestMigrateInCluster(t *testing.T) {
	t.Parallel()
	const many = 10 * migrationBatch
	all, migrations := map[*App]*Collection[good]{}, map[*App]*Migration{}
	c := startCluster(t, 3, func(a *App) { all[a] = Model[good](a, "/goods") })
	a := c.apps[c.leader()]
	if err := a.Update(t.Context(), func(tx *Tx) error {
		for i := range many {
			if err := all[a].Insert(tx, &good{ID: fmt.Sprintf("%04d", i), Cents: 7}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	halfway := make(chan struct{}, 1)
	c.set = func(a *App) {
		all[a] = Model[good](a, "/goods")
		migrations[a] = all[a].Migrate("hundredfold", func(_ *Tx, g *good) error {
			if g.ID == fmt.Sprintf("%04d", many/2) {
				select {
				case halfway <- struct{}{}:
				default:
				}
			}
			g.Cents *= 100 // twice would be seen
			return nil
		})
	}
	for i := range c.apps {
		c.stop(i)
	}
	for i := range c.apps {
		c.start(i)
	}
	closed(t, "the migration is half done", halfway)
	was := c.leader()
	c.stop(was)
	c.start(was)
	for i, a := range c.apps {
		if n := awaitMigration(t, a, migrations[a]); n != many {
			t.Errorf("node %d: %d records of %d", i+1, n, many)
		}
		if err := a.View(func(s *Snapshot) error {
			for i := range many {
				if g, err := all[a].Get(s, fmt.Sprintf("%04d", i)); err != nil || g.Cents != 700 {
					return fmt.Errorf("%+v %v", g, err)
				}
			}
			return nil
		}); err != nil {
			t.Errorf("node %d: %v", i+1, err)
		}
	}
}
