package query

import (
	"slices"
	"strings"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// Claims returns what is said of who asks, by name; known is false where nothing is ever said
// under that name. Only roles has more than one value.
type Claims func(name string) (values []string, known bool)

// Rule parses conditions that records must meet for somebody to read them, in the grammar of
// [Parse]: fields and or=(...), nothing else. Hidden fields may be used. In place of a value may
// stand a claim, {id} for example, taken literally whatever is in it; one with several values
// stands for each of them, behind = and in lists of in(...). A condition whose claim has no value,
// or none that the field can have, is met by no record. Errors are *[Error].
func Rule(m *model.Model, s *model.Schema, pairs [][2]string, claims Claims) (*Query, error) {
	q := &Query{model: m.Name, schema: s, primary: s.Field(m.Primary.Name).Number}
	p := parser{q: q, m: m, s: s, claims: claims}
	for _, pair := range pairs {
		if slices.Contains([]string{"skip", "take", "sort", "fields"}, pair[0]) || slices.Contains(passed, pair[0]) {
			return nil, &Error{Field: pair[0], Problem: "has no meaning in a rule"}
		}
		if err := p.pair(pair[0], pair[1]); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// And returns the query for those of its records that meet a rule as well; nil is met by all.
func (q *Query) And(rule *Query) *Query {
	if rule == nil || len(rule.where) == 0 {
		return q
	}
	both := *q
	both.where = slices.Concat(q.where, rule.where)
	return &both
}

// claim reads a text that is the name of a claim in braces.
func (p *parser) claim(text string) (values []string, ok bool, err error) {
	if p.claims == nil || !strings.Contains(text, "{") || strings.HasPrefix(text, `"`) {
		return nil, false, nil
	}
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return nil, true, &Error{Field: text, Problem: "has a claim in it that does not stand alone"}
	}
	values, known := p.claims(strings.Trim(text, "{}"))
	if !known {
		return nil, true, &Error{Field: text, Problem: "is no claim"}
	}
	return values, true, nil
}

// claimed makes a condition of the values of a claim.
func (p *parser) claimed(f *model.SchemaField, op op, values []string) (predicate, error) {
	c := predicate{field: f, op: op}
	if op == contains {
		if f.Type.Kind != binenc.KindString {
			return c, &Error{Field: f.Name, Problem: "is no text: ~ works on text only"}
		}
		if len(values) == 1 && values[0] != "" {
			c.text = strings.ToLower(values[0])
			return c, nil
		}
		return predicate{field: f, op: never}, nil
	}
	keys := p.keysOf(f, values)
	switch {
	case len(keys) == 0 || len(keys) > 1 && op != equal:
		c.op = never
	case len(keys) == 1:
		c.key = []byte(keys[0])
	default:
		c.op, c.keys = in, keys
	}
	return c, nil
}

// keysOf returns the values that a field can have, in key encoding and in order.
func (p *parser) keysOf(f *model.SchemaField, values []string) (keys []string) {
	for _, v := range values {
		if key, _, err := p.operand(f, v, true); err == nil && v != "" {
			keys = append(keys, string(key))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
