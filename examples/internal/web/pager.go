package web

import (
	"net/url"
	"strconv"
)

// Pager is the state of a list that is shown page by page.
type Pager struct {
	Number  int // this page, from 1
	PerPage int
	Total   int        // items in all
	query   url.Values // what else the address says
}

// NewPager reads ?page= from a query; what is no page counts as the first.
func NewPager(query url.Values, perPage int) Pager {
	n, err := strconv.Atoi(query.Get("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		n = 1
	}
	return Pager{Number: n, PerPage: perPage, query: query}
}

// Skip is how many items lie before this page.
func (p Pager) Skip() int { return (p.Number - 1) * p.PerPage }

// Last is the number of the last page, at least 1.
func (p Pager) Last() int { return max(1, (p.Total+p.PerPage-1)/p.PerPage) }

// HasPrevious says whether there is a page before.
func (p Pager) HasPrevious() bool { return p.Number > 1 }

// HasNext says whether there is a page after.
func (p Pager) HasNext() bool { return p.Number < p.Last() }

// Previous is the address of the page before.
func (p Pager) Previous() string { return p.link(p.Number - 1) }

// Next is the address of the page after.
func (p Pager) Next() string { return p.link(p.Number + 1) }

func (p Pager) link(n int) string {
	q := url.Values{}
	for k, v := range p.query {
		if k != "page" && len(v) > 0 && v[0] != "" {
			q[k] = v
		}
	}
	if n > 1 {
		q.Set("page", strconv.Itoa(n))
	}
	if len(q) == 0 {
		return "?"
	}
	return "?" + q.Encode()
}
