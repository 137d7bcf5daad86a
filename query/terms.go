package query

import (
	"slices"
	"strconv"
	"strings"
)

// Term is values of one field: one of Keys, or where that is nil one in the range. Keys are in key encoding; From
// is inclusive, To exclusive, "" is open.
type Term struct {
	Field    uint32
	Primary  bool // the field is the primary key
	Keys     []string
	From, To string
}

// Covers returns what queries can be found by: of each cover, a record that meets the query
// lies in one term at least. A condition on one field is a cover of one term; an or=(...) whose
// conditions all say which values they want, of one for each field and range in it. A query
// without any may be met by every record.
func (q *Query) Covers() (list [][]Term) {
	for i := range q.where {
		c := &q.where[i]
		switch {
		case c.op == anyOf:
			if cover := q.branches(c.any); cover != nil {
				list = append(list, cover)
			}
		case c.ranged():
			t := q.term(c)
			if t.Keys == nil {
				r, _ := q.bounds(c.field)
				t.From, t.To = r.From, r.To
			}
			list = append(list, []Term{t})
		}
	}
	return list
}

// term is a condition that is ranged, by itself.
func (q *Query) term(c *predicate) Term {
	t := Term{Field: c.field.Number, Primary: c.field.Number == q.primary}
	switch c.op {
	case equal:
		t.Keys = []string{string(c.key)}
	case in:
		t.Keys = c.keys
	default:
		t.From, t.To = c.span()
	}
	return t
}

// branches returns the terms of alternatives, those with keys of one field together; nil when
// one of them may be met by every record.
func (q *Query) branches(alternatives []predicate) (cover []Term) {
	for i := range alternatives {
		c := &alternatives[i]
		if c.op == never {
			continue
		}
		if !c.ranged() {
			return nil
		}
		t := q.term(c)
		k := slices.IndexFunc(cover, func(x Term) bool { return x.Keys != nil && t.Keys != nil && x.Field == t.Field })
		if k < 0 {
			cover = append(cover, t)
			continue
		}
		keys := slices.Concat(cover[k].Keys, t.Keys)
		slices.Sort(keys)
		cover[k].Keys = slices.Compact(keys)
	}
	return cover
}

// Order appends the key that a record sorts by: of two records, the one with the smaller key
// comes first, and no two have the same. key is the record's primary key.
func (q *Query) Order(dst, rec []byte, key string) ([]byte, error) { return q.sortKey(dst, rec, key) }

// ID is a text that two queries of one model have in common when they have the same
// conditions, in whatever order, and the same order, page and fields: their answers are the same.
func (q *Query) ID() string {
	conditions := make([]string, len(q.where))
	for i := range q.where {
		conditions[i] = q.where[i].id()
	}
	var b strings.Builder
	writeSet(&b, "where", conditions)
	b.WriteString(";sort")
	for _, o := range q.order {
		b.WriteByte(' ')
		if o.desc {
			b.WriteByte('-')
		}
		b.WriteString(strconv.FormatUint(uint64(o.field.Number), 10))
	}
	b.WriteString(";page " + strconv.Itoa(q.Skip) + " " + strconv.Itoa(q.Take))
	if q.Fields != nil {
		writeSet(&b, ";fields", q.Fields)
	}
	return b.String()
}

// id is the condition as text, exactly.
func (p *predicate) id() string {
	var b strings.Builder
	b.WriteString(strconv.FormatUint(uint64(p.field.Number), 10) + opText[p.op] + strconv.Quote(string(p.key)) + strconv.Quote(p.text))
	if p.keys != nil {
		writeSet(&b, "", p.keys)
	}
	if p.any != nil {
		inner := make([]string, len(p.any))
		for i := range p.any {
			inner[i] = p.any[i].id()
		}
		writeSet(&b, "", inner)
	}
	return b.String()
}

// writeSet writes texts in order, quoted, so that no two lists look alike.
func writeSet(b *strings.Builder, name string, list []string) {
	b.WriteString(name + "[")
	for _, s := range slices.Compact(slices.Sorted(slices.Values(list))) {
		b.WriteString(strconv.Quote(s) + " ")
	}
	b.WriteString("]")
}
