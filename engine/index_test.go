package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/state"
)

type seat struct {
	_ struct{} `lithair:"unique=show+number where cancelled=false,index=show+price"`

	ID        uint64 `json:"id"`
	Show      string `json:"show"`
	Number    int    `json:"number"`
	Price     int    `json:"price"`
	Cancelled bool   `json:"cancelled"`
}

// A composite, partial unique index is held on every way to a change, and by replay.
func TestDeclaredIndexesAreHeld(t *testing.T) {
	var seats *engine.Table
	r := startWith(t, nil, func(r *rig) { seats = register[seat](r) })
	r.must(func(tx *engine.Tx) error {
		for i, s := range []seat{{Show: "a", Number: 1, Price: 9}, {Show: "a", Number: 2, Price: 3}, {Show: "b", Number: 1}, {Show: "a", Number: 1, Cancelled: true}} {
			s.ID = uint64(i + 1)
			if err := tx.Insert(seats, &s); err != nil {
				return err
			}
		}
		return nil
	})
	for name, fn := range map[string]func(tx *engine.Tx) error{
		"insert": func(tx *engine.Tx) error { return tx.Insert(seats, &seat{ID: 9, Show: "a", Number: 2}) },
		"put":    func(tx *engine.Tx) error { return tx.Put(seats, &seat{ID: 3, Show: "a", Number: 1}) },
		"upsert": func(tx *engine.Tx) error { return tx.Upsert(seats, &seat{ID: 4, Show: "a", Number: 1}) },
	} {
		err := r.do(fn)
		var c *engine.ConflictError
		if !errors.As(err, &c) || c.Kind != engine.ConflictUnique || !slices.Equal(c.Fields, []string{"show", "number"}) || !strings.Contains(err.Error(), "seat.show+number must be unique") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.must(func(tx *engine.Tx) error {
		if err := tx.Put(seats, &seat{ID: 1, Show: "a", Number: 1, Cancelled: true}); err != nil {
			return err
		}
		return tx.Put(seats, &seat{ID: 4, Show: "a", Number: 1})
	})
	x := seats.Schema().Indexes
	if n := r.e.Root().CountIndex(seats.Number(), x[0].Number, state.Range{}); n != 3 {
		t.Errorf("%d seats are taken, want 3", n)
	}
	again := startWith(t, r.o.log, func(r *rig) { seats = register[seat](r) })
	if again.e.Root().Hash() != r.e.Root().Hash() || again.e.Root().CountIndex(seats.Number(), x[1].Number, state.Range{}) != 4 {
		t.Error("replay gives another state")
	}
}
