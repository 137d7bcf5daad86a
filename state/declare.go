package state

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lithair/lithair-go/model"
)

// maxModels bounds the numbers of models, since tables stand in an array by number.
const maxModels = 1 << 16

var errDeclarationDeleted = errors.New("a declaration cannot be deleted")

// DuplicateError says why a field cannot become unique.
type DuplicateError struct {
	Model, Field string
	A, B         string // keys of two records with the same value, as text
}

// Error names the two records.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("state: %s.%s cannot become unique: records %s and %s have the same value; change one first", e.Model, e.Field, e.A, e.B)
}

// declare makes the table that a schema record describes, or changes it. On an error the
// batch's tables are to be put back.
func (b *Batch) declare(key string, old, new *Row) error {
	if new == nil {
		return errDeclarationDeleted
	}
	s, err := model.ParseSchema(new.Bytes())
	if err != nil {
		return err
	}
	if err := b.checkDeclaration(key, old, s); err != nil {
		return err
	}
	for int(s.Number) >= len(b.tables) {
		b.tables, b.owned = append(b.tables, nil), append(b.owned, false)
	}
	t := b.own(s.Number)
	if t == nil {
		t = &table{schema: s}
		b.tables[s.Number], b.owned[s.Number] = t, true
	}
	return t.redeclare(s)
}

// checkDeclaration keeps name and number of a model together for ever.
func (b *Batch) checkDeclaration(key string, old *Row, s *model.Schema) error {
	if s.Number == SchemaModel || s.Number > maxModels {
		return fmt.Errorf("model number %d is out of range", s.Number)
	}
	if key != SchemaKey(s.Model) {
		return fmt.Errorf("the declaration of model %s has the key of another", s.Model)
	}
	if have := b.Schema(s.Number); have != nil && have.Model != s.Model {
		return fmt.Errorf("model number %d belongs to %s, not to %s", s.Number, have.Model, s.Model)
	}
	if old == nil {
		return nil
	}
	was, err := model.ParseSchema(old.Bytes())
	if err == nil && was.Number != s.Number {
		err = fmt.Errorf("model %s has number %d, not %d", s.Model, was.Number, s.Number)
	}
	return err
}

// freeze returns all tables as they are; changes from here on are made on copies.
func (b *Batch) freeze() []*table {
	for i, mine := range b.owned {
		if mine {
			b.tables[i].freeze()
		}
	}
	clear(b.owned)
	return slices.Clone(b.tables)
}

// thaw puts back the tables that freeze returned.
func (b *Batch) thaw(tables []*table) {
	b.tables = tables
	b.owned = make([]bool, len(tables))
}
