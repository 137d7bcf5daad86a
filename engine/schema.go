package engine

import (
	"fmt"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// declare puts the schema of every registered model into the log that is new or has
// changed. Field numbers are given once, by name, and never reused; a change that would
// make old records unreadable is an error, and nothing is declared.
func (tx *Tx) declare() error {
	next := uint32(0)
	for _, row := range tx.Scan(state.SchemaModel, state.Range{}) {
		s, err := model.ParseSchema(row.Bytes())
		if err != nil {
			return err
		}
		next = max(next, s.Number)
	}
	for _, t := range tx.ex.tables {
		old := tx.SchemaByName(t.model.Name)
		s, changed, err := t.model.Evolve(old)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		if old == nil {
			next++
			s.Number = next
		}
		if err := tx.checkTargets(t); err != nil {
			return err
		}
		if err := tx.declareOne(t.model.Name, s.Append(nil)); err != nil {
			return err
		}
	}
	return nil
}

// checkTargets refuses a foreign key to a model that no one registers.
func (tx *Tx) checkTargets(t *Table) error {
	for _, f := range t.model.Fields {
		if f.FK == "" || tx.SchemaByName(f.FK) != nil {
			continue
		}
		known := false
		for _, other := range tx.ex.tables {
			known = known || other.model.Name == f.FK
		}
		if !known {
			return fmt.Errorf("engine: %s.%s has fk=%s, but no model of that name is registered", t.Name(), f.GoName, f.FK)
		}
	}
	return nil
}

func (tx *Tx) declareOne(name string, rec []byte) error {
	ev := state.Event{Model: state.SchemaModel, Kind: state.Created, Key: state.SchemaKey(name), Fields: rec}
	if row := tx.Get(state.SchemaModel, ev.Key); row != nil {
		patch, cleared, err := binenc.Diff(row.Bytes(), rec, nil)
		if err != nil {
			return err
		}
		ev.Kind, ev.Fields, ev.Cleared = state.Updated, patch, cleared
	}
	return tx.record(ev)
}
