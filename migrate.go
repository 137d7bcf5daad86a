package lithair

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// migration is how far a migration has come, in the state of the cluster.
type migration struct {
	Name    string `json:"name" lithair:"primary_key"`
	Model   string `json:"model"`
	After   []byte `json:"after"` // key of the record it has come to
	Records uint64 `json:"records"`
	Done    bool   `json:"done"`
}

// migrationsName is the name of that model in the log.
const migrationsName = "_migrations"

// migrationBatch is how many records one transaction looks at.
const migrationBatch = 64

// errMovedKey is a migration that would write another record than it was given.
var errMovedKey = errors.New("the migration changes the primary key: insert a record with the new one, and delete this one")

// Migration brings records of an older program to what its fields mean now.
type Migration struct {
	app  *App
	name string
}

// Migrate registers a change of all records of T that is made once, after a start: for a field whose type or
// meaning is another one now. The log keeps the type of a field for ever, so the new one is another field, and the
// old one stays, under another name, until the migration is done:
//
//	type Article struct {
//		ID    lithair.ID `json:"id"`
//		Euros float64    `json:"euros" lithair:"was=price"` // the field price, as it was
//		Price int64      `json:"price"`                     // in cents
//	}
//
//	articles.Migrate("price-in-cents", func(tx *lithair.Tx, a *Article) error {
//		if a.Price == 0 {
//			a.Price = int64(math.Round(a.Euros * 100))
//		}
//		return nil
//	})
//
// The leader calls fn with each record, in order of keys, many in a transaction that also notes how far it
// has come; so each record is changed once, whatever fails. What it changes are ordinary updates: checked,
// replicated and in the log as outcomes, so that replay, snapshots and other nodes never call fn. Requests are
// answered meanwhile, and records that were written under the new program are handed to fn as well: it must leave those
// alone. Through tx it may read, change and delete other records as well; the record itself becomes what fn leaves in v,
// unless fn deletes it. A node that still runs the old program and comes to lead writes the old field; where that
// matters, upgrade all nodes before a release with the migration.
//
// An error or a panic of fn, or a record that breaks a rule, stops the migration: the program's log says why, and it
// is tried again. Names are of small letters, digits, - and _; one that is done is never run again, for
// another model neither. Mistakes are reported by Start. It is called before Start; schema plan lists what would run.
func (c *Collection[T]) Migrate(name string, fn func(tx *Tx, v *T) error) *Migration {
	return c.base.migrate(name, func(tx *Tx, row *state.Row) (any, error) {
		v, err := c.decode(row)
		if err == nil {
			err = fn(tx, &v)
		}
		return &v, err
	})
}

// migrate registers a migration that changes a record by fn, which returns a pointer to what has become of it.
func (c *collection) migrate(name string, fn func(*Tx, *state.Row) (any, error)) *Migration {
	a := c.app
	if !hookName.MatchString(name) {
		a.note(fmt.Errorf("lithair: Migrate: %q is no name: want small letters, digits, - and _", name))
	}
	if c.table == nil { // its model was refused, which Start says
		return &Migration{a, name}
	}
	if c.table.Model().MemoryOnly {
		a.note(fmt.Errorf("lithair: Migrate: %s is kept in memory only, and has no old records", c.table.Name()))
	}
	if a.migrations == nil {
		a.migrations = systemModel[migration](a, migrationsName)
	}
	w := &migrationWork{app: a, name: name, table: c.table}
	w.change = func(tx *Tx, key string) error {
		row := tx.tx.Get(c.table.Number(), key) // as fn has left it, which may have changed others as well
		if row == nil {
			return nil
		}
		v, err := fn(tx, row)
		if err != nil || tx.tx.Get(c.table.Number(), key) == nil { // fn has deleted it
			return err
		}
		if now, err := c.table.Codec().Key(v); err != nil || now != key {
			return errors.Join(err, errMovedKey)
		}
		return c.put(tx, v)
	}
	a.addWork(w)
	return &Migration{a, name}
}

// Done says whether all records have been changed.
func (m *Migration) Done(r Reader) bool {
	at, err := m.app.migrations.Get(r, m.name)
	return err == nil && at.Done
}

// Records returns how many records it has looked at.
func (m *Migration) Records(r Reader) uint64 {
	at, err := m.app.migrations.Get(r, m.name)
	if err != nil {
		return 0
	}
	return at.Records
}

// migrationWork is a migration on the node that leads.
type migrationWork struct {
	app    *App
	name   string
	table  *engine.Table
	change func(tx *Tx, key string) error
}

func (w *migrationWork) workName() string { return "migration " + w.name }

// work goes from where the state says that it stands to the end, and then has nothing to do until ctx ends.
func (w *migrationWork) work(ctx context.Context) error {
	for n := migrationBatch; ; {
		at, err := w.step(ctx, n)
		switch {
		case ctx.Err() != nil:
			return nil
		case refusedWhole(err) && n > 1:
			n /= 2 // until it is known whose it is, or it fits
		case err != nil:
			return err
		case at.Done:
			<-ctx.Done()
			return nil
		}
	}
}

// step changes the next n records, in a transaction. That may run still when ctx has ended this with an
// error: only without one is what it wrote outside to be read.
func (w *migrationWork) step(ctx context.Context, n int) (migration, error) {
	var at migration
	err := w.app.Update(ctx, func(tx *Tx) (err error) {
		at, err = w.app.migrations.Get(tx, w.name)
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			return err
		case err == nil && at.Model != w.table.Name():
			return fmt.Errorf("lithair: %s was a migration of %s: one of %s needs another name", w.name, at.Model, w.table.Name())
		case at.Done:
			return nil
		}
		at.Name, at.Model = w.name, w.table.Name()
		keys := w.next(tx, at.After, n)
		for _, key := range keys {
			if err := w.change(tx, key); err != nil {
				return fmt.Errorf("%s %s: %w", w.table.Name(), w.table.Schema().KeyText(key), err)
			}
			at.After = []byte(key)
		}
		at.Records += uint64(len(keys))
		at.Done = len(keys) < n
		return w.app.migrations.Upsert(tx, &at)
	})
	if err != nil {
		return migration{}, err
	}
	if at.Done {
		w.app.log.Info("the migration is done", "migration", w.name, "model", at.Model, "records", at.Records)
	}
	return at, nil
}

// next returns the keys of the n records behind a key.
func (w *migrationWork) next(tx *Tx, key []byte, n int) (keys []string) {
	from := ""
	if len(key) > 0 {
		from = string(key) + "\x00"
	}
	for k := range tx.tx.Scan(w.table.Number(), state.Range{From: from}) {
		if keys = append(keys, k); len(keys) == n {
			break
		}
	}
	return keys
}

// planned lists the registered migrations as a state has them.
func (a *App) planned(root *state.Root) (list []cli.ShownMigration, err error) {
	for _, x := range a.works {
		w, ok := x.(*migrationWork)
		if !ok {
			continue
		}
		m := cli.ShownMigration{Name: w.name, Model: w.table.Name()}
		if s := root.SchemaByName(m.Model); s != nil {
			m.Records = uint64(root.Len(s.Number))
		}
		if m.Done, err = a.migrated(root, w.name); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// migrated says whether a state says that a migration is done.
func (a *App) migrated(root *state.Root, name string) (bool, error) {
	s := root.SchemaByName(migrationsName)
	if s == nil {
		return false, nil
	}
	m, err := model.Of(reflect.TypeFor[migration]())
	if err != nil {
		return false, err
	}
	m.Name = migrationsName
	codec, err := m.Bind(s)
	if err != nil {
		return false, err
	}
	key, err := codec.KeyOf(name)
	if err != nil {
		return false, err
	}
	row := root.Get(s.Number, key)
	if row == nil {
		return false, nil
	}
	var at migration
	err = codec.Decode(slices.Clone(row.Bytes()), &at)
	return at.Done, err
}
