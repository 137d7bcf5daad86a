package engine

import (
	"errors"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// declare puts the schema of every registered model into the log that is new or has
// changed. Field numbers are given once, by name or by the review, and never reused; a change
// that would make old records unreadable is an error, and nothing is declared.
func (tx *Tx) declare() error {
	fresh, err := declarations(tx.ex.tables, tx)
	if err != nil {
		return err
	}
	for _, s := range fresh {
		if err := tx.declareOne(s.Model, s.Append(nil)); err != nil {
			return err
		}
	}
	return nil
}

// declarations are the schemas that the tables need and a state does not have.
func declarations(tables []*Table, r state.Reader) (fresh []*model.Schema, err error) {
	next, all := uint32(0), map[string]*model.Schema{}
	for _, row := range r.Scan(state.SchemaModel, state.Range{}) {
		s, err := model.ParseSchema(row.Bytes())
		if err != nil {
			return nil, err
		}
		next, all[s.Model] = max(next, s.Number), s
	}
	if err := checkLocal(tables, all); err != nil {
		return nil, err
	}
	for _, t := range tables {
		if t.model.MemoryOnly {
			continue
		}
		old := r.SchemaByName(t.model.Name)
		if t.idle && old == nil {
			continue
		}
		s, changed, err := t.model.EvolveReviewed(old, t.review)
		if err != nil {
			return nil, err
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
	for _, t := range tables {
		for _, f := range t.model.Fields {
			if f.FK == "" {
				continue
			}
			if err := t.model.CheckTarget(f, all); err != nil {
				return nil, err
			}
		}
	}
	return fresh, nil
}

// Review takes the reviewed copy of the schemas: models get their numbers from it, and Start
// refuses where program, copy and log disagree. It comes behind all Register, before Start.
//
// Errors: *model.ReviewError, *model.EvolveError.
func (e *Engine) Review(r *model.Review) error {
	var models []*model.Model
	for _, t := range e.tables {
		models = append(models, t.model)
	}
	if err := r.Check(models); err != nil {
		return err
	}
	for _, t := range e.tables {
		t.review = r.Find(t.model.Name)
	}
	return nil
}

// checkReviewed says where the log disagrees with what was reviewed, on each node: only the
// leader declares.
func checkReviewed(tables []*Table, r state.Reader) error {
	for _, t := range tables {
		if t.review == nil {
			continue
		}
		if _, err := t.review.Base(r.SchemaByName(t.model.Name)); err != nil {
			return err
		}
	}
	return nil
}

// CheckGone says which fields and models that records of a state have are not in the program. Without a review, one that may have a new name is an
// error: once the new one is declared, the two are two for ever.
//
// Errors: *model.RenameError.
func (e *Engine) CheckGone(r *state.Root, say func(model, field string, records int)) error {
	known := map[string]*Table{}
	for _, t := range e.tables {
		known[t.model.Name] = t
	}
	for _, s := range r.Models() {
		n := r.Count(s.Number, state.Range{})
		t := known[s.Model]
		switch {
		case n == 0 || model.Internal(s.Model):
			continue
		case t == nil:
			say(s.Model, "", n)
			continue
		case t.review != nil || t.model.MemoryOnly:
			continue
		}
		gone, err := t.model.Gone(s)
		if err != nil {
			return err
		}
		for _, f := range gone {
			say(s.Model, f, n)
		}
	}
	return nil
}

// AllowRenames has Start log, and not refuse, a field that may have a new name: where programs change all the time, as under lithair dev. It
// comes before Start.
func (e *Engine) AllowRenames() { e.renames = true }

// tellGone logs what the program does not serve of what there is.
func (e *Engine) tellGone(model, field string, records int) {
	if field == "" {
		e.log.Warn("the program does not have a model that there are records of: they stay in the data, and nobody sees them", "model", model, "records", records)
		return
	}
	e.log.Warn("the program does not have a field that is in the data: its values stay in old records, and nobody sees them; a field that has a new name is tagged was=OLD", "model", model, "field", field, "records", records)
}

func (tx *Tx) declareOne(name string, rec []byte) error {
	ev, err := declaration(tx, name, rec)
	if err != nil {
		return err
	}
	err = tx.record(ev)
	var same *state.DuplicateError
	if errors.As(err, &same) {
		return same // who changed a tag has no use for the event it became
	}
	return err
}

// declaration is the event that brings the schema of a model up to date.
func declaration(r state.Reader, name string, rec []byte) (state.Event, error) {
	ev := state.Event{Model: state.SchemaModel, Kind: state.Created, Key: state.SchemaKey(name), Fields: rec}
	if row := r.Get(state.SchemaModel, ev.Key); row != nil {
		patch, cleared, err := binenc.Diff(row.Bytes(), rec, nil)
		if err != nil {
			return ev, err
		}
		ev.Kind, ev.Fields, ev.Cleared = state.Updated, patch, cleared
	}
	return ev, nil
}
