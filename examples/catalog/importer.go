package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	lithair "github.com/lithair/lithair-go"
)

// batchSize is how many items one transaction holds: large enough that a sync to disk
// is shared by many, small enough that other writers wait only a moment.
const batchSize = 500

// tally counts what an import did.
type tally struct{ Added, Changed, Same int }

func (t tally) total() int { return t.Added + t.Changed + t.Same }

func (t tally) String() string {
	return fmt.Sprintf("%d items: %d added, %d changed, %d as they were", t.total(), t.Added, t.Changed, t.Same)
}

// load brings a source in, in batches; report hears of each. It may be run again, and
// begun again after a crash: a batch is in whole or not at all, and an item that is
// there already and has not changed is left alone.
func (c *catalog) load(ctx context.Context, src *source, report func(tally)) (tally, error) {
	var done tally
	batch := make([]Item, 0, batchSize)
	flush := func() error {
		t, err := c.loadBatch(ctx, batch)
		if err != nil {
			return err
		}
		done.Added, done.Changed, done.Same = done.Added+t.Added, done.Changed+t.Changed, done.Same+t.Same
		batch = batch[:0]
		report(done)
		return nil
	}
	for it, err := range src.items() {
		if err != nil {
			return done, fmt.Errorf("%s: %w", src.name, err)
		}
		if batch = append(batch, it); len(batch) == batchSize {
			if err := flush(); err != nil {
				return done, fmt.Errorf("%s: %w", src.name, err)
			}
		}
	}
	if err := flush(); err != nil {
		return done, fmt.Errorf("%s: %w", src.name, err)
	}
	return done, nil
}

func (c *catalog) loadBatch(ctx context.Context, batch []Item) (t tally, err error) {
	err = c.app.Update(ctx, func(tx *lithair.Tx) error {
		t = tally{}
		for i := range batch {
			it := &batch[i]
			old, err := c.Items.Get(tx, it.Key)
			switch {
			case errors.Is(err, lithair.ErrNotFound):
				t.Added++
				err = c.Items.Insert(tx, it)
			case err == nil && reflect.DeepEqual(old, *it):
				t.Same++
			case err == nil:
				t.Changed++
				err = c.Items.Put(tx, it)
			}
			if err != nil {
				return fmt.Errorf("item %s: %w", it.Key, err)
			}
		}
		return nil
	})
	return t, err
}
