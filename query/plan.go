package query

import (
	"fmt"
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
	field   *model.SchemaField // of scanIndex and lookUnique
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
		return plan{path: lookUnique, field: c.field, key: string(c.key)}, true
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

// narrowest joins the conditions on each ordered field to a range and takes the index
// whose range has the fewest entries. A range on the primary key is taken where no index
// is.
func (q *Query) narrowest(src counter) (best plan, found bool) {
	for i := range q.where {
		f := q.where[i].field
		onPrimary := f.Number == q.primary
		if !onPrimary && !indexed(f) || q.where[i].null && f.Unique {
			continue
		}
		rng, used := q.bounds(f)
		if used == 0 {
			continue
		}
		p := plan{path: scanIndex, field: f, rng: rng, where: q.residue(f), total: -1}
		if onPrimary {
			p.path, p.field = scanAll, nil
		} else {
			p.total = src.CountIndex(f.Number, rng)
		}
		if !found || best.total < 0 || p.total >= 0 && p.total < best.total {
			if !found || p.total >= 0 {
				best, found = p, true
			}
		}
	}
	if found {
		q.direct(&best)
	}
	return best, found
}

func indexed(f *model.SchemaField) bool {
	return !f.Dropped && !f.Primary && (f.Unique || f.Indexed || f.FK != "")
}

// complete says that the index on f holds every record.
func complete(f *model.SchemaField) bool { return !f.Unique || !f.Type.Optional }

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

// residue returns the conditions that bounds(f) does not decide.
func (q *Query) residue(f *model.SchemaField) (rest []predicate) {
	for i := range q.where {
		if c := &q.where[i]; c.field != f || !c.ranged() || c.op == in {
			rest = append(rest, *c)
		}
	}
	return rest
}

// ranged says that the condition is a range of the field's order, or lies in one.
func (c *predicate) ranged() bool { return c.op != unequal && c.op != contains && c.op != anyOf }

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
	if len(q.order) > 0 {
		if f := q.order[0].field; f.Number != q.primary && len(q.order) == 1 && indexed(f) && complete(f) {
			p.path, p.field = scanIndex, f
		}
	}
	q.direct(&p)
	return p
}

// direct sets the direction of a path and whether it yields the order asked for.
func (q *Query) direct(p *plan) {
	one := p.path == scanIndex && p.rng.From != "" && p.rng.To == after([]byte(p.rng.From)) && q.pinned(p.field)
	rest := q.order
	if one && len(rest) > 1 && rest[0].field == p.field { // all alike in it
		rest = rest[1:]
	}
	byPrimary := p.path == scanAll || one
	switch {
	case len(rest) == 0:
		p.ordered = byPrimary
	case rest[0].field.Number == q.primary:
		// Nothing behind the primary key matters: there are no ties.
		p.ordered, p.rng.Reverse = byPrimary, byPrimary && rest[0].desc
	case len(rest) == 1 && p.path == scanIndex && rest[0].field == p.field:
		p.ordered, p.rng.Reverse = true, rest[0].desc
	}
}

// pinned says that an equality holds the field to one value.
func (q *Query) pinned(f *model.SchemaField) bool {
	for i := range q.where {
		if c := &q.where[i]; c.field == f && c.op == equal {
			return true
		}
	}
	return false
}

func (p *plan) text() string {
	var b strings.Builder
	switch p.path {
	case lookUp:
		b.WriteString("look up by primary key")
	case lookUnique:
		b.WriteString("look up by unique " + p.field.Name)
	case scanIndex:
		b.WriteString("scan index " + p.field.Name)
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
