package engine

import (
	"errors"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// declare puts the schema of every registered model into the log that is new or has
// changed. Field numbers are given once, by name, and never reused; a change that would
// make old records unreadable is an error, and nothing is declared.
func (tx *Tx) declare() error {
	next, all, fresh := uint32(0), map[string]*model.Schema{}, []*model.Schema(nil)
	for _, row := range tx.Scan(state.SchemaModel, state.Range{}) {
		s, err := model.ParseSchema(row.Bytes())
		if err != nil {
			return err
		}
		next, all[s.Model] = max(next, s.Number), s
	}
	if err := checkLocal(tx.ex.tables, all); err != nil {
		return err
	}
	for _, t := range tx.ex.tables {
		if t.model.MemoryOnly {
			continue
		}
		old := tx.SchemaByName(t.model.Name)
		if t.idle && old == nil {
			continue
		}
		s, changed, err := t.model.Evolve(old)
		if err != nil {
			return err
		}
		all[s.Model] = s
		if !changed {
			continue
		}
		if old == nil {
			next++
			s.Number = next
		}
		fresh = append(fresh, s)
	}
	for _, t := range tx.ex.tables {
		for _, f := range t.model.Fields {
			if f.FK == "" {
				continue
			}
			if err := t.model.CheckTarget(f, all); err != nil {
				return err
			}
		}
	}
	for _, s := range fresh {
		if err := tx.declareOne(s.Model, s.Append(nil)); err != nil {
			return err
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
	err := tx.record(ev)
	var same *state.DuplicateError
	if errors.As(err, &same) {
		return same // who changed a tag has no use for the event it became
	}
	return err
}
