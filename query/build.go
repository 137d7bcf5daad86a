package query

import (
	"math"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// Op is a comparison of a [Condition].
type Op uint8

// The comparisons.
const (
	Equal    Op = iota // to Value; nil is "no value"
	Unequal            // to Value; nil is "no value"
	Less               // than Value
	AtMost             // Value
	Greater            // than Value
	AtLeast            // Value
	Contains           // the text Value, upper and lower case alike
	In                 // the list Value, of type []any, of any length
)

// ops are the same comparisons of predicates.
var ops = [...]op{Equal: equal, Unequal: unequal, Less: less, AtMost: atMost, Greater: greater, AtLeast: atLeast, Contains: contains, In: in}

// Condition is what programs write in place of the grammar of [Parse].
type Condition struct {
	Field string
	Op    Op
	Value any // of the field's Go type, or one that fits, see model.KeyFor
}

// Where makes a query of conditions, all of which must hold, for all records that meet them.
// Hidden fields may be used. Without sort, in the grammar of the parameter of that name, the
// order is that of primary keys. Errors are *[Error].
func Where(m *model.Model, s *model.Schema, conditions []Condition, sort string) (*Query, error) {
	q := &Query{Take: math.MaxInt, model: m.Name, schema: s, primary: s.Field(m.Primary.Name).Number}
	for i := range conditions {
		c, err := conditions[i].predicate(m, s)
		if err != nil {
			return nil, err
		}
		q.where = append(q.where, c)
	}
	if sort == "" {
		return q, nil
	}
	p := parser{q: q, m: m, s: s}
	return q, p.sort(sort)
}

func (c *Condition) predicate(m *model.Model, s *model.Schema) (p predicate, err error) {
	bad := func(problem string) (predicate, error) { return p, &Error{Field: c.Field, Problem: problem} }
	f, own := s.Field(c.Field), m.FieldByName(c.Field)
	switch {
	case f == nil || own == nil:
		return bad("is not a field of " + m.Name)
	case own.Sealed:
		return bad("is sealed: it cannot be searched or sorted by")
	case !comparable(f):
		return bad("is a " + f.Type.Kind.String() + " and cannot be filtered by")
	case int(c.Op) >= len(ops):
		return bad("is compared in an unknown way")
	}
	p = predicate{field: f, op: ops[c.Op]}
	switch c.Op {
	case Contains:
		text, ok := c.Value.(string)
		if !ok || f.Type.Kind != binenc.KindString {
			return bad("is no text: Contains works on text only")
		}
		p.text = strings.ToLower(text)
		return p, nil
	case In:
		list, ok := c.Value.([]any)
		if !ok {
			return bad("wants a list of values")
		}
		for _, v := range list {
			key, err := model.KeyFor(&f.Type, v)
			if err != nil {
				return bad(err.Error())
			}
			p.null = p.null || v == nil
			p.keys = append(p.keys, key)
		}
		slices.Sort(p.keys)
		p.keys = slices.Compact(p.keys)
		return p, nil
	}
	if c.Value == nil && c.Op != Equal && c.Op != Unequal {
		return bad("cannot be greater or less than null")
	}
	key, err := model.KeyFor(&f.Type, c.Value)
	if err != nil {
		return bad(err.Error())
	}
	p.key, p.null = []byte(key), c.Value == nil && f.Type.Optional
	return p, nil
}
