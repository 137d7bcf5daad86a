package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// Range is a part of an order of keys: From is inclusive, To exclusive, "" is open. Skip
// entries are passed over first, in the direction of the scan.
type Range struct {
	From, To string
	Reverse  bool
	Skip     int
}

// path is a way to the records.
type path uint8

const (
	scanAll    path = iota // primary key order, perhaps a range
	scanIndex              // an index, perhaps a range
	lookUp                 // one record by primary key
	lookUnique             // one record by a unique field
)

// plan is an access path with what is left to do behind it.
type plan struct {
	path    path
	index   uint32 // of scanIndex and lookUnique
	name    string // of that index, for people
	rng     Range
	key     string      // of lookUp and lookUnique
	where   []predicate // conditions the path does not decide
	ordered bool        // the path yields the order asked for
	total   int         // when where is empty; -1 unknown
}

// counter is what planning asks of a source.
type counter interface {
	Len() int
	CountIndex(field uint32, r Range) int
}

func (q *Query) plan(src counter) plan {
	if slices.ContainsFunc(q.where, func(c predicate) bool { return c.op == never }) {
		return plan{path: lookUp, where: q.where, ordered: true, total: -1} // whatever is there does not meet it
	}
	for i := range q.where {
		if p, ok := q.single(&q.where[i]); ok {
			p.where, p.ordered, p.total = q.without(i), true, -1
			return p
		}
	}
	if p, ok := q.narrowest(src); ok {
		return p
	}
	return q.whole(src)
}

// single is the path of an equality that at most one record can meet.
func (q *Query) single(c *predicate) (p plan, ok bool) {
	if c.op != equal || c.null {
		return p, false
	}
	if c.field.Number == q.primary {
		return plan{path: lookUp, key: string(c.key)}, true
	}
	if c.field.Unique {
		return plan{path: lookUnique, index: c.field.Number, name: c.field.Name, key: string(c.key)}, true
	}
	return p, false
}

func (q *Query) without(drop int) (rest []predicate) {
	for i := range q.where {
		if i != drop {
			rest = append(rest, q.where[i])
		}
	}
	return rest
}

// narrowest takes, of the paths that conditions narrow, the one with the fewest entries,
// and of several the one that yields the order asked for, then the one that decides the
// most. A range on the primary key is taken where no index is.
func (q *Query) narrowest(src counter) (best plan, found bool) {
	indexes := q.schema.AllIndexes()
	for i := range indexes {
		p, ok := q.through(&indexes[i])
		if !ok {
			continue
		}
		p.total = src.CountIndex(p.index, p.rng)
		if !found || p.better(&best) {
			best, found = p, true
		}
	}
	if found {
		return best, true
	}
	for i := range q.where {
		if f := q.where[i].field; f.Number == q.primary {
			rng, used := q.bounds(f)
			if used == 0 {
				return best, false
			}
			p := plan{path: scanAll, rng: rng, where: q.residue(nil, f, nil), total: -1}
			q.direct(&p, nil, false)
			return p, true
		}
	}
	return best, false
}

func (p *plan) better(q *plan) bool {
	if p.total != q.total {
		return p.total < q.total
	}
	if p.ordered != q.ordered {
		return p.ordered
	}
	return len(p.where) < len(q.where)
}

// through is the path along an index, as narrow as the conditions make it: equalities on
// its first fields, and what they say on the next one. ok is false when the index does
// not hold all records asked for, or when no condition narrows it.
func (q *Query) through(x *model.Index) (p plan, ok bool) {
	if !q.serves(x) {
		return p, false
	}
	p = plan{path: scanIndex, index: x.Number, name: q.schema.IndexName(x)}
	if len(x.Where) > 0 {
		p.name += " (partial)"
	}
	var prefix []byte
	var pinned []*predicate
	for len(pinned) < len(x.Fields) {
		c := q.pinned(x.Fields[len(pinned)])
		if c == nil {
			break
		}
		prefix, pinned = append(prefix, c.key...), append(pinned, c)
	}
	p.rng = Range{From: string(prefix), To: after(prefix)}
	rest := x.Fields[len(pinned):]
	var next *model.SchemaField
	if len(rest) > 0 {
		if rng, used := q.bounds(q.schema.ByNumber(rest[0])); used > 0 {
			next = q.schema.ByNumber(rest[0])
			if p.rng.From += rng.From; rng.To != "" {
				p.rng.To = string(prefix) + rng.To
			}
		}
	}
	p.where = q.residue(pinned, next, x.Where)
	q.direct(&p, rest, x.Unique)
	return p, len(pinned) > 0 || next != nil || len(x.Where) > 0
}

// serves says that the index holds every record that the conditions can meet.
func (q *Query) serves(x *model.Index) bool {
	for i := range x.Where {
		if !slices.ContainsFunc(q.where, func(p predicate) bool { return p.implies(&x.Where[i]) }) {
			return false
		}
	}
	if !x.Unique {
		return true
	}
	for _, n := range x.Fields {
		if f := q.schema.ByNumber(n); f.Type.Optional && !slices.ContainsFunc(q.where, func(p predicate) bool { return p.field == f && p.excludesNull() }) {
			return false
		}
	}
	return true
}

// pinned returns a condition that holds a field to one value; nil when there is none.
func (q *Query) pinned(field uint32) *predicate {
	for i := range q.where {
		if c := &q.where[i]; c.field.Number == field && c.op == equal {
			return c
		}
	}
	return nil
}

// bounds intersects the ranges of all conditions on f. used counts them.
func (q *Query) bounds(f *model.SchemaField) (r Range, used int) {
	for i := range q.where {
		c := &q.where[i]
		if c.field != f || !c.ranged() {
			continue
		}
		used++
		from, to := c.span()
		r.From = max(r.From, from)
		if to != "" && (r.To == "" || to < r.To) {
			r.To = to
		}
	}
	if r.To != "" && r.To < r.From {
		r.To = r.From
	}
	return r, used
}

// residue returns the conditions that a path does not decide: pinned are those it is held
// to, next is the field whose range it follows (nil: none), partial what its index
// requires of all records in it.
func (q *Query) residue(pinned []*predicate, next *model.SchemaField, partial []model.Condition) (rest []predicate) {
	for i := range q.where {
		c := &q.where[i]
		decided := c.field == next && c.ranged() && c.op != in
		for _, p := range pinned {
			decided = decided || p == c || p.field == c.field && c.holds(p.key)
		}
		for j := range partial {
			decided = decided || c.follows(&partial[j])
		}
		if !decided {
			rest = append(rest, *c)
		}
	}
	return rest
}

// ranged says that the condition is a range of the field's order, or lies in one.
func (c *predicate) ranged() bool {
	return c.op != unequal && c.op != contains && c.op != anyOf && c.op != never
}

// span returns the condition as a range of keys. Records without a value are in the range
// of no comparison but with null.
func (c *predicate) span() (from, to string) {
	if c.op == in {
		return c.keys[0], after([]byte(c.keys[len(c.keys)-1]))
	}
	k := string(c.key)
	if c.op == less || c.op == atMost {
		if c.field.Type.Optional {
			from = after(binenc.AppendKeyNull(nil))
		}
	}
	switch c.op {
	case equal:
		return k, after(c.key)
	case less:
		return from, k
	case atMost:
		return from, after(c.key)
	case greater:
		return after(c.key), ""
	}
	return k, ""
}

// after returns the first key behind all that begin with prefix; "" when there is none.
func after(prefix []byte) string {
	b := append([]byte(nil), prefix...)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return string(b[:i+1])
		}
	}
	return ""
}

// whole is the path over all records, in the order asked for where an index has it.
func (q *Query) whole(src counter) plan {
	p := plan{path: scanAll, where: q.where, total: src.Len()}
	q.direct(&p, nil, false)
	if p.ordered {
		return p
	}
	indexes := q.schema.AllIndexes()
	for i := range indexes {
		x := &indexes[i]
		if len(x.Where) > 0 || !q.serves(x) {
			continue
		}
		along := plan{path: scanIndex, index: x.Number, name: q.schema.IndexName(x), where: q.where, total: p.total}
		if q.direct(&along, x.Fields, x.Unique); along.ordered {
			return along
		}
	}
	return p
}

// direct sets the direction of a path and whether it yields the order asked for. The path
// goes by the fields in rest, then by primary key; with unique, no two records are alike
// in all fields of the index.
func (q *Query) direct(p *plan, rest []uint32, unique bool) {
	last := false // direction of the primary key
	var want []order
	for _, o := range q.order {
		last = o.desc
		if o.field.Number == q.primary {
			break // nothing behind it matters: there are no ties
		}
		if q.pinned(o.field.Number) == nil { // else all are alike in it
			want = append(want, o)
		}
	}
	if unique && len(rest) == 0 {
		p.ordered = true // of one record at most
		return
	}
	reverse := last
	for i, number := range rest {
		if i == len(want) || want[i].field.Number != number || i > 0 && want[i].desc != reverse {
			return
		}
		reverse = want[i].desc
	}
	if !unique && (len(want) > len(rest) || reverse != last) {
		return
	}
	p.ordered, p.rng.Reverse = true, reverse
}

func (p *plan) text() string {
	var b strings.Builder
	switch p.path {
	case lookUp:
		b.WriteString("look up by primary key")
	case lookUnique:
		b.WriteString("look up by unique " + p.name)
	case scanIndex:
		b.WriteString("scan index " + p.name)
	default:
		b.WriteString("scan primary key")
	}
	if p.rng.From != "" || p.rng.To != "" {
		b.WriteString(" range")
	}
	if p.rng.Reverse {
		b.WriteString(" backwards")
	}
	for i := range p.where {
		c := &p.where[i]
		fmt.Fprintf(&b, "; filter %s %s", c.field.Name, opText[c.op])
	}
	if !p.ordered {
		b.WriteString("; sort")
	}
	if p.skips() {
		b.WriteString("; skip by rank")
	}
	return b.String()
}

// skips says that skip is left to the scan.
func (p *plan) skips() bool {
	return p.ordered && len(p.where) == 0 && p.total >= 0
}
