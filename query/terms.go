package query

import (
	"slices"
	"strconv"
	"strings"
)

// Term is a part of a query's conditions that says which values of one field a record must have
// to meet it: one of Keys, or where that is nil one in the range. Keys are in key encoding; From
// is inclusive, To exclusive, "" is open.
type Term struct {
	Field    uint32
	Primary  bool // the field is the primary key
	Keys     []string
	From, To string
}

// Terms returns the terms of a query, each of which every record that meets it lies in: with
// them, queries can be found by records. A query without any may be met by every record.
func (q *Query) Terms() (list []Term) {
	for i := range q.where {
		c := &q.where[i]
		if !c.ranged() {
			continue
		}
		t := Term{Field: c.field.Number, Primary: c.field.Number == q.primary}
		switch c.op {
		case equal:
			t.Keys = []string{string(c.key)}
		case in:
			t.Keys = c.keys
		default:
			r, _ := q.bounds(c.field)
			t.From, t.To = r.From, r.To
		}
		list = append(list, t)
	}
	return list
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
