package lithair

import (
	"iter"

	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/state"
)

// Condition is one condition on the records of T, made by a [Field].
type Condition[T any] struct{ c query.Condition }

func condition(field string, op query.Op, v any) query.Condition {
	return query.Condition{Field: field, Op: op, Value: v}
}

// Field is a field of T with values of type V, by its name in queries: what conditions are
// made of. Generated code has one for each field that can be compared.
//
//	var views = lithair.Field[Article, int64]("views")
//	for a, err := range articles.Find(s, views.AtLeast(10), views.Less(100)) { ... }
type Field[T, V any] string

// Is holds where the field has that value.
func (f Field[T, V]) Is(v V) Condition[T] { return Condition[T]{condition(string(f), query.Equal, v)} }

// Not holds where it has another one, or none.
func (f Field[T, V]) Not(v V) Condition[T] {
	return Condition[T]{condition(string(f), query.Unequal, v)}
}

// Less holds where the value is less than v.
func (f Field[T, V]) Less(v V) Condition[T] { return Condition[T]{condition(string(f), query.Less, v)} }

// AtMost holds where the value is v or less.
func (f Field[T, V]) AtMost(v V) Condition[T] {
	return Condition[T]{condition(string(f), query.AtMost, v)}
}

// Greater holds where the value is greater than v.
func (f Field[T, V]) Greater(v V) Condition[T] {
	return Condition[T]{condition(string(f), query.Greater, v)}
}

// AtLeast holds where the value is v or greater.
func (f Field[T, V]) AtLeast(v V) Condition[T] {
	return Condition[T]{condition(string(f), query.AtLeast, v)}
}

// In holds where the value is one of these.
func (f Field[T, V]) In(values ...V) Condition[T] {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return Condition[T]{condition(string(f), query.In, list)}
}

// TextField is a [Field] of text.
type TextField[T any, V ~string] struct{ Field[T, V] }

// Contains holds where the text has part in it, upper and lower case alike.
func (f TextField[T, V]) Contains(part string) Condition[T] {
	return Condition[T]{condition(string(f.Field), query.Contains, part)}
}

// OptionalField is a [Field] that may have no value.
type OptionalField[T, V any] struct{ Field[T, V] }

// IsNull holds where there is no value.
func (f OptionalField[T, V]) IsNull() Condition[T] {
	return Condition[T]{condition(string(f.Field), query.Equal, nil)}
}

// NotNull holds where there is one.
func (f OptionalField[T, V]) NotNull() Condition[T] {
	return Condition[T]{condition(string(f.Field), query.Unequal, nil)}
}

// Find iterates over the records that meet all conditions, in order of primary keys, as they
// are when Find is called; an index is used where one serves. A condition that cannot be is
// an error, a *query.Error, as the first and only element.
func (c *Collection[T]) Find(r Reader, conditions ...Condition[T]) iter.Seq2[T, error] {
	list := make([]query.Condition, len(conditions))
	for i := range conditions {
		list[i] = conditions[i].c
	}
	return c.each(c.base.find(r, list))
}

func (c *collection) find(r Reader, conditions []query.Condition) (iter.Seq2[string, *state.Row], error) {
	if _, err := c.codec(); err != nil {
		return nil, err
	}
	q, err := query.Where(c.table.Model(), c.schema(r), conditions, "")
	if err != nil {
		return nil, err
	}
	page, err := query.Run(q, rest.Records(r.reader(), c.table.Number()))
	if err != nil {
		return nil, err
	}
	return func(yield func(string, *state.Row) bool) {
		for i, row := range page.Rows {
			if !yield(page.Keys[i], row) {
				return
			}
		}
	}, nil
}
