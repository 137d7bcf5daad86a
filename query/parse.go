package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// Options bound a query. Zero values take the defaults.
type Options struct {
	DefaultTake int // records of a list without take; default 50
	MaxTake     int // most records of one list; default 1000
}

// Query is a parsed list request.
type Query struct {
	Skip, Take int
	Fields     []string // nil: all

	model   string
	schema  *model.Schema
	primary uint32
	where   []predicate
	order   []order
}

// order is one key of a sort.
type order struct {
	field *model.SchemaField
	desc  bool
}

// passed are the names left to the caller.
var passed = []string{"at", "level", "freshness", "freshness_strict", "min_index"}

// refused are reserved names without a meaning in this version.
var refused = []string{"expand", "cursor"}

// Parse reads the decoded pairs of a query string in order. m says which fields may be
// seen, s how they are stored. Errors are *[Error].
func Parse(m *model.Model, s *model.Schema, pairs [][2]string, opt Options) (*Query, error) {
	if opt.MaxTake <= 0 {
		opt.MaxTake = 1000
	}
	if opt.DefaultTake <= 0 {
		opt.DefaultTake = 50
	}
	q := &Query{Take: min(opt.DefaultTake, opt.MaxTake), model: m.Name, schema: s, primary: s.Field(m.Primary.Name).Number}
	p := parser{q: q, m: m, s: s, opt: opt}
	for _, pair := range pairs {
		if err := p.pair(pair[0], pair[1]); err != nil {
			return nil, err
		}
	}
	return q, nil
}

type parser struct {
	q    *Query
	m    *model.Model
	s    *model.Schema
	opt  Options
	seen []string // of skip, take, sort, fields

	claims Claims // of who a rule is for; nil: it is a query
}

func (p *parser) pair(name, value string) error {
	switch name {
	case "skip", "take", "sort", "fields":
		if slices.Contains(p.seen, name) {
			return &Error{Field: name, Problem: "is given twice"}
		}
		p.seen = append(p.seen, name)
	}
	var err error
	switch {
	case name == "skip":
		p.q.Skip, err = number(name, value)
	case name == "take":
		p.q.Take, err = number(name, value)
		p.q.Take = min(p.q.Take, p.opt.MaxTake)
	case name == "sort":
		err = p.sort(value)
	case name == "fields":
		err = p.fields(value)
	case name == "or":
		err = p.or(value)
	case slices.Contains(passed, name):
	case slices.Contains(refused, name):
		err = &Error{Field: name, Problem: "is reserved and not supported by this version"}
	default:
		err = p.condition(name, value)
	}
	return err
}

// number reads 0 to 2^31-1.
func number(name, value string) (int, error) {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0, &Error{Field: name, Problem: "must be a whole number from 0, not " + quote(value)}
	}
	return int(n), nil
}

func quote(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return strconv.Quote(s)
}

// field finds a field that clients may see.
func (p *parser) field(param, name string) (*model.SchemaField, error) {
	if f := p.m.FieldByName(name); f != nil && (visible(f) || p.claims != nil) {
		if f.Sealed && param != "fields" {
			return nil, &Error{Field: name, Problem: "is sealed: it cannot be searched or sorted by"}
		}
		if sf := p.s.Field(name); sf != nil && !sf.Dropped {
			return sf, nil
		}
	}
	names := Visible(p.m)
	if param == name {
		names = append(names, "skip", "take", "sort", "fields")
	}
	e := &Error{Field: name, Problem: "is not a field of " + p.m.Name, DidYouMean: model.Nearest(name, names)}
	if param != name {
		e.Problem += " (in " + param + ")"
	}
	return nil, e
}

func visible(f *model.Field) bool { return f.JSON != "" && !f.Hidden }

// Visible returns the names of the fields that clients may see, in order.
func Visible(m *model.Model) (names []string) {
	for _, f := range m.Fields {
		if visible(f) {
			names = append(names, f.Name)
		}
	}
	return names
}

func comparable(f *model.SchemaField) bool {
	switch f.Type.Kind {
	case binenc.KindList, binenc.KindMap, binenc.KindMessage, binenc.KindBytes:
		return false
	}
	return true
}

func (p *parser) sort(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		name, desc := strings.CutPrefix(strings.TrimSpace(part), "-")
		if name == "" {
			return &Error{Field: "sort", Problem: "has an empty name in it: want names such as sort=-a,b"}
		}
		f, err := p.field("sort", name)
		if err != nil {
			return err
		}
		if !comparable(f) {
			return &Error{Field: name, Problem: "is a " + f.Type.Kind.String() + " and cannot be sorted by"}
		}
		if slices.ContainsFunc(p.q.order, func(o order) bool { return o.field.Number == f.Number }) {
			return &Error{Field: name, Problem: "is named twice in sort"}
		}
		p.q.order = append(p.q.order, order{f, desc})
	}
	return nil
}

func (p *parser) fields(value string) error {
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if _, err := p.field("fields", name); err != nil {
			return err
		}
		if !slices.Contains(p.q.Fields, name) {
			p.q.Fields = append(p.q.Fields, name)
		}
	}
	return nil
}

// condition reads one filter.
func (p *parser) condition(name, value string) error {
	c, err := p.predicate(name, value, false)
	if err == nil {
		p.q.where = append(p.q.where, c)
	}
	return err
}

// predicate reads one condition; listed says that it stands in a list, where operands may
// be quoted.
func (p *parser) predicate(name, value string, listed bool) (c predicate, err error) {
	f, err := p.field(name, name)
	if err != nil {
		return c, err
	}
	bad := func(problem string) (predicate, error) { return c, &Error{Field: name, Problem: problem} }
	if !comparable(f) {
		return bad("is a " + f.Type.Kind.String() + " and cannot be filtered by")
	}
	op, text, literal := operator(value)
	if list, ok, err := inside(text, "in("); ok && op == equal && !literal {
		if err != nil {
			return bad(err.Error())
		}
		if c, err = p.oneOf(f, list); err != nil {
			return bad(err.Error())
		}
		if len(c.keys) == 0 { // of claims without a value
			c.op = never
		}
		return c, nil
	}
	if values, ok, err := p.claim(text); ok && !literal {
		if err != nil {
			return c, err
		}
		return p.claimed(f, op, values)
	}
	if listed {
		literal = literal || strings.HasPrefix(text, `"`)
		if text, err = unquote(text); err != nil {
			return bad(err.Error())
		}
	}
	c = predicate{field: f, op: op}
	if op == contains {
		if f.Type.Kind != binenc.KindString {
			return bad("is no text: ~ works on text only")
		}
		c.text = strings.ToLower(text)
		return c, nil
	}
	if c.key, c.null, err = p.operand(f, text, literal); err != nil {
		return bad(err.Error())
	}
	if op != equal && op != unequal && p.isNull(f, text, literal) {
		return bad("cannot be greater or less than null")
	}
	return c, nil
}

// isNull says that an operand is the word for "no value".
func (p *parser) isNull(f *model.SchemaField, text string, literal bool) bool {
	return text == "null" && !literal && p.m.FieldByName(f.Name).Optional
}

// operand returns the key of a value; null says that it stands for a field that is absent.
func (p *parser) operand(f *model.SchemaField, text string, literal bool) (key []byte, null bool, err error) {
	if p.isNull(f, text, literal) {
		key, err = binenc.AppendKeyRaw(nil, &f.Type, nil, false)
		return key, f.Type.Optional, err
	}
	key, err = model.Operand(&f.Type, text)
	return key, false, err
}

// operator splits the operator off a value.
func operator(v string) (op op, rest string, literal bool) {
	switch {
	case strings.HasPrefix(v, ">="):
		return atLeast, v[2:], false
	case strings.HasPrefix(v, "<="):
		return atMost, v[2:], false
	case strings.HasPrefix(v, ">"):
		return greater, v[1:], false
	case strings.HasPrefix(v, "<"):
		return less, v[1:], false
	case strings.HasPrefix(v, "!"):
		return unequal, v[1:], false
	case strings.HasPrefix(v, "~"):
		return contains, v[1:], false
	case strings.HasPrefix(v, "="):
		return equal, v[1:], true
	}
	return equal, v, false
}
