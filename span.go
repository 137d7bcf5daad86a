package lithair

import (
	"errors"
	"fmt"
	"iter"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Span is a part of the records of a collection, in an order. The zero value is all of
// them by primary key.
type Span struct {
	// Index is the order: "" for that of primary keys, the name of an indexed field, or
	// the names of a declared index joined by plus signs, such as "author+created_at".
	// A partial index, and a unique one with optional fields, gives the records it holds.
	Index string

	// Equal are values of the first fields of the order, which all records of the span
	// have; nil is the absent value of an optional field.
	Equal []any

	// From (included) and To (excluded) bound the field behind those of Equal; nil is
	// open. Text bounds it to texts that begin so, and goes without the other two.
	From, To any
	Text     string

	Reverse bool // backwards
	Skip    int  // records to pass over first, in O(log n)
}

// Scan iterates over all records in order of primary keys. Changes made meanwhile by the
// same transaction are not seen.
func (c *Collection[T]) Scan(r Reader) iter.Seq2[T, error] {
	return c.each(c.base.scan(r))
}

func (c *collection) scan(r Reader) (iter.Seq2[string, *state.Row], error) {
	if _, err := c.codec(); err != nil {
		return nil, err
	}
	return r.reader().Scan(c.table.Number(), state.Range{}), nil
}

// Range iterates over the records of a span, as they are when Range is called: what is
// written meanwhile, by the same transaction too, is not seen. Breaking off leaves nothing
// behind. A span that cannot be is an error, as the first and only element; a record that
// cannot be read ends the iteration with one.
func (c *Collection[T]) Range(r Reader, s Span) iter.Seq2[T, error] {
	return c.each(c.base.scanSpan(r, s))
}

func (c *collection) scanSpan(r Reader, s Span) (iter.Seq2[string, *state.Row], error) {
	at, err := c.span(r, s)
	if err != nil {
		return nil, err
	}
	if at.index == 0 {
		return r.reader().Scan(c.table.Number(), at.rng), nil
	}
	return r.reader().ScanIndex(c.table.Number(), at.index, at.rng), nil
}

// Count returns how many records a span has, in O(log n).
func (c *Collection[T]) Count(r Reader, s Span) (int, error) { return c.base.count(r, s) }

func (c *collection) count(r Reader, s Span) (int, error) {
	at, err := c.span(r, s)
	if err != nil {
		return 0, err
	}
	if at.index == 0 {
		return r.reader().Count(c.table.Number(), at.rng), nil
	}
	return r.reader().CountIndex(c.table.Number(), at.index, at.rng), nil
}

// place is a span as the state has it.
type place struct {
	index uint32 // 0: by primary key
	rng   state.Range
}

// span turns values into keys.
func (c *collection) span(r Reader, s Span) (at place, err error) {
	if _, err := c.codec(); err != nil {
		return at, err
	}
	bad := func(err error) error { return fmt.Errorf("lithair: span of %s: %w", c.table.Name(), err) }
	schema := c.schema(r)
	fields, number, err := order(schema, s.Index)
	if err != nil {
		return at, bad(err)
	}
	if len(s.Equal) > len(fields) {
		return at, bad(fmt.Errorf("%d values for the %d fields of %s", len(s.Equal), len(fields), s.Index))
	}
	prefix := ""
	for i, v := range s.Equal {
		key, err := model.KeyFor(&fields[i].Type, v)
		if err != nil {
			return at, bad(err)
		}
		prefix += key
	}
	at = place{number, state.Prefix(prefix)}
	if err := bound(&at.rng, prefix, fields[len(s.Equal):], s); err != nil {
		return at, bad(err)
	}
	at.rng.Reverse, at.rng.Skip = s.Reverse, s.Skip
	return at, nil
}

// order finds the fields of an order and the number of its index.
func order(schema *model.Schema, name string) (fields []*model.SchemaField, number uint32, err error) {
	if name == "" {
		return []*model.SchemaField{schema.PrimaryField()}, 0, nil
	}
	var found *model.Index
	indexes := schema.AllIndexes()
	for i := range indexes {
		if x := &indexes[i]; schema.IndexName(x) == name && (found == nil || len(found.Where) > 0 && len(x.Where) == 0) {
			found = x
		}
	}
	if found == nil {
		return nil, 0, fmt.Errorf("there is no index %q", name)
	}
	for _, n := range found.Fields {
		fields = append(fields, schema.ByNumber(n))
	}
	return fields, found.Number, nil
}

// bound narrows a range by what the span says of the field behind those of Equal.
func bound(rng *state.Range, prefix string, rest []*model.SchemaField, s Span) error {
	if s.From == nil && s.To == nil && s.Text == "" {
		return nil
	}
	if len(rest) == 0 {
		return errors.New("every field of the order has a value in Equal already: From, To and Text have none to bound")
	}
	f := rest[0]
	if s.Text != "" {
		if f.Type.Kind != binenc.KindString || s.From != nil || s.To != nil {
			return fmt.Errorf("Text is for fields of text, without From and To; %s is a %s", f.Name, &f.Type)
		}
		*rng = state.Prefix(prefix + string(binenc.AppendKeyStringPrefix(nil, s.Text)))
		return nil
	}
	if s.From != nil {
		key, err := model.KeyFor(&f.Type, s.From)
		if err != nil {
			return err
		}
		rng.From = prefix + key
	}
	if s.To != nil {
		key, err := model.KeyFor(&f.Type, s.To)
		if err != nil {
			return err
		}
		rng.To = prefix + key
	}
	return nil
}
