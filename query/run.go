package query

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/binenc"
)

// Record is one version of a record.
type Record interface {
	Bytes() []byte // canonical; not to be changed
}

// Source is one model's records at one moment; it must not change during a Run. Index is
// the number of an index (model.Index), values and keys are in key encoding. Get and
// Unique return ok false when there is none. ScanIndex yields primary key and record by
// the values of the index's fields, then by primary key; a unique index leaves out records
// one of whose optional fields has no value.
type Source[R Record] interface {
	Len() int
	Get(key string) (rec R, ok bool)
	Scan(r Range) iter.Seq2[string, R]
	ScanIndex(index uint32, r Range) iter.Seq2[string, R]
	CountIndex(index uint32, r Range) int
	Unique(index uint32, value string) (key string, ok bool)
}

// Page is a part of an answer. Keys and Rows go together.
type Page[R Record] struct {
	Keys    []string
	Rows    []R
	Total   int  // records that meet the conditions, of all pages
	HasMore bool // there are records behind this page
}

// Run answers the query. An error is a stored record that cannot be read.
func Run[R Record](q *Query, src Source[R]) (Page[R], error) {
	p := q.plan(src)
	var page Page[R]
	var err error
	switch {
	case p.skips():
		page.Total = p.total
		p.rng.Skip = q.Skip
		if q.Take > 0 && q.Skip < p.total {
			for key, row := range walk(&p, src) {
				page.add(key, row)
				if len(page.Keys) == q.Take {
					break
				}
			}
		}
	case p.ordered:
		var space [64]byte
		for key, row := range walk(&p, src) {
			if !matchAll(p.where, row.Bytes(), space[:0]) {
				continue
			}
			if page.Total >= q.Skip && len(page.Keys) < q.Take {
				page.add(key, row)
			}
			page.Total++
		}
	default:
		err = sorted(q, &p, src, &page)
	}
	page.HasMore = q.Skip+len(page.Keys) < page.Total
	return page, err
}

// Count returns how many records meet the conditions.
func Count[R Record](q *Query, src Source[R]) (int, error) {
	c := *q
	c.Skip, c.Take, c.order = 0, 0, nil
	p := c.plan(src)
	if len(p.where) == 0 && p.total >= 0 {
		return p.total, nil
	}
	n := 0
	var space [64]byte
	for _, row := range walk(&p, src) {
		if matchAll(p.where, row.Bytes(), space[:0]) {
			n++
		}
	}
	return n, nil
}

// Explain says how a query would be answered, for people.
func Explain[R Record](q *Query, src Source[R]) string {
	p := q.plan(src)
	return p.text()
}

// Explain says how the query would be answered on an empty source, for people; with
// several indexes to choose from, sizes may decide otherwise: see the function [Explain].
func (q *Query) Explain() string {
	p := q.plan(empty{})
	return p.text()
}

type empty struct{}

func (empty) Len() int                     { return 0 }
func (empty) CountIndex(uint32, Range) int { return 0 }

func (p *Page[R]) add(key string, row R) {
	p.Keys, p.Rows = append(p.Keys, key), append(p.Rows, row)
}

// walk yields what a path reaches.
func walk[R Record](p *plan, src Source[R]) iter.Seq2[string, R] {
	switch p.path {
	case scanAll:
		return src.Scan(p.rng)
	case scanIndex:
		return src.ScanIndex(p.index, p.rng)
	}
	return func(yield func(string, R) bool) {
		key, ok := p.key, true
		if p.path == lookUnique {
			key, ok = src.Unique(p.index, p.key)
		}
		if !ok {
			return
		}
		if row, ok := src.Get(key); ok {
			yield(key, row)
		}
	}
}

// entry is a record on its way through a sort.
type entry[R Record] struct {
	order string // key of the sort, primary key included
	key   string
	row   R
}

// sorted gathers what meets the conditions, sorts it and cuts the page. Memory is bounded
// by keeping the best Skip+Take of at least twice as many.
func sorted[R Record](q *Query, p *plan, src Source[R], page *Page[R]) error {
	limit := q.Skip + q.Take
	byOrder := func(a, b entry[R]) int { return strings.Compare(a.order, b.order) }
	var found []entry[R]
	var buf []byte
	var space [64]byte
	for key, row := range walk(p, src) {
		if !matchAll(p.where, row.Bytes(), space[:0]) {
			continue
		}
		page.Total++
		var err error
		if buf, err = q.sortKey(buf[:0], row.Bytes(), key); err != nil {
			return fmt.Errorf("query: %s: %w", q.model, err)
		}
		found = append(found, entry[R]{string(buf), key, row})
		if len(found) >= 2*limit+1024 {
			slices.SortFunc(found, byOrder)
			found = slices.Delete(found, limit, len(found))
		}
	}
	slices.SortFunc(found, byOrder)
	for _, e := range found[min(q.Skip, len(found)):min(limit, len(found))] {
		page.add(e.key, e.row)
	}
	return nil
}

// sortKey appends the key a record sorts by.
func (q *Query) sortKey(dst, rec []byte, key string) ([]byte, error) {
	desc := false
	for _, o := range q.order {
		from := len(dst)
		raw, _, present := binenc.Lookup(rec, o.field.Number)
		var err error
		if dst, err = binenc.AppendKeyRaw(dst, &o.field.Type, raw, present); err != nil {
			return dst, err
		}
		if desc = o.desc; desc {
			binenc.AppendKeyDesc(dst, from)
		}
	}
	from := len(dst)
	dst = append(dst, key...)
	if desc {
		binenc.AppendKeyDesc(dst, from)
	}
	return dst, nil
}
