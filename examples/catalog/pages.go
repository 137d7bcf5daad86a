package main

import (
	"embed"
	"fmt"
	"html/template"
	"net/url"
	"strings"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

//go:embed templates static
var files embed.FS

// site is the pages over a catalog.
type site struct {
	*catalog
	pages *web.Pages
}

func (c *catalog) addPages() error {
	s := &site{catalog: c}
	var err error
	if s.pages, err = web.ParsePages(files, template.FuncMap{"size": size, "number": number}); err != nil {
		return err
	}
	style, err := web.File(files, "static/style.css", "text/css; charset=utf-8")
	if err != nil {
		return err
	}
	c.app.Use(web.Headers, web.SameOrigin)
	c.app.Get("/{$}", s.front)
	c.app.Get("/search.json", s.searchJSON)
	c.app.Get("/items/{key}", s.item)
	c.app.Get("/style.css", style)
	return nil
}

const perPage = 20

// ask reads a search from an address: q, page and one name for each facet.
func ask(q wire.Query) (request, web.Pager) {
	query := url.Values{"q": {strings.TrimSpace(q.Get("q"))}, "page": {q.Get("page")}}
	req := request{Text: query.Get("q"), Chosen: map[string]string{}, Take: perPage}
	for _, f := range facets {
		if v := q.Get(f.Name); v != "" {
			req.Chosen[f.Name] = v
			query.Set(f.Name, v)
		}
	}
	p := web.NewPager(query, perPage)
	req.Skip = p.Skip()
	return req, p
}

func (s *site) find(req request) (out found, err error) {
	err = s.app.View(func(snap *lithair.Snapshot) error {
		entries, err := s.entries(snap)
		if err == nil {
			out = search(entries, req)
		}
		return err
	})
	return out, err
}

func (s *site) searchJSON(w *wire.Response, r *wire.Request) error {
	req, _ := ask(r.Query())
	out, err := s.find(req)
	if err != nil {
		return err
	}
	b, err := jsonx.Marshal(out)
	if err != nil {
		return err
	}
	return w.Send(200, "application/json", b)
}

// frontPage is search and its answer.
type frontPage struct {
	web.Pager
	Search string
	Facets []facetList
	Found  found
	Empty  bool // the catalog has nothing at all
}

// facetList is one facet as it is shown.
type facetList struct {
	Label  string
	Values []facetValue
	More   int // values that are not shown
	Chosen bool
}

type facetValue struct {
	share
	Link   string // address with this value chosen, or given up when it is
	Chosen bool
}

// shownValues is how many values of a facet are listed.
const shownValues = 12

func (s *site) front(w *wire.Response, r *wire.Request) error {
	req, pager := ask(r.Query())
	out, err := s.find(req)
	if err != nil {
		return err
	}
	p := frontPage{Pager: pager, Search: req.Text, Found: out}
	p.Total = out.Total
	p.Empty = out.Total == 0 && req.Text == "" && len(req.Chosen) == 0
	for _, f := range facets {
		p.Facets = append(p.Facets, facetsOf(f.Name, f.Label, out.Facets[f.Name], req))
	}
	return s.pages.Render(w, 200, "front.html", p)
}

func facetsOf(name, label string, values []share, req request) facetList {
	l := facetList{Label: label}
	for i, v := range values {
		chosen := req.Chosen[name] == v.Value
		l.Chosen = l.Chosen || chosen
		if i >= shownValues && !chosen {
			l.More++
			continue
		}
		q := url.Values{}
		if req.Text != "" {
			q.Set("q", req.Text)
		}
		for k, c := range req.Chosen {
			if k != name {
				q.Set(k, c)
			}
		}
		if !chosen {
			q.Set(name, v.Value)
		}
		l.Values = append(l.Values, facetValue{share: v, Link: "/?" + q.Encode(), Chosen: chosen})
	}
	return l
}

type itemPage struct {
	Item
	Search string
}

// Paragraphs are the parts of the description between empty lines.
func (p itemPage) Paragraphs() []string { return strings.Split(p.Description, "\n\n") }

// Web says whether the home page is an address a browser may follow.
func (p itemPage) Web() bool {
	u, err := url.Parse(p.Homepage)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

func (s *site) item(w *wire.Response, r *wire.Request) error {
	var p itemPage
	err := s.app.View(func(snap *lithair.Snapshot) (err error) {
		p.Item, err = s.Items.Get(snap, r.PathValue("key"))
		return err
	})
	if err != nil {
		return err
	}
	return s.pages.Render(w, 200, "item.html", p)
}

// size writes KiB for people.
func size(kib int64) string {
	switch {
	case kib >= 1<<20:
		return fmt.Sprintf("%.1f GiB", float64(kib)/(1<<20))
	case kib >= 1<<10:
		return fmt.Sprintf("%.1f MiB", float64(kib)/(1<<10))
	}
	return fmt.Sprintf("%d KiB", kib)
}

// number parts thousands by thin spaces.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u2009" + s[i:]
	}
	return s
}
