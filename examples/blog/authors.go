package main

import (
	"cmp"
	"slices"
	"strings"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
	"github.com/lithair/lithair-go/wire"
)

// authorsPage lists the authors and has the form for another.
type authorsPage struct {
	frame
	Authors []authorRow
	Form    form
}

type authorRow struct {
	Author
	Articles int
}

// Initial is the first letter of the name, for the badge beside it.
func (a Author) Initial() string {
	for _, r := range a.Name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

func (b *blog) authorList(w *wire.Response, r *wire.Request) error {
	return b.showAuthors(w, r, 200, form{})
}

func (b *blog) showAuthors(w *wire.Response, r *wire.Request, status int, f form) error {
	p := authorsPage{frame: newFrame(r.Query()), Form: f}
	err := b.app.View(func(s *lithair.Snapshot) error {
		all, err := b.allAuthors(s)
		if err != nil {
			return err
		}
		for _, a := range all {
			row := authorRow{Author: a}
			for _, err := range b.Articles.ByAuthorID(s, a.ID) {
				if err != nil {
					return err
				}
				row.Articles++
			}
			p.Authors = append(p.Authors, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.pages.Render(w, status, "authors.html", p)
}

// allAuthors returns the authors by name.
func (b *blog) allAuthors(r lithair.Reader) ([]Author, error) {
	var all []Author
	for a, err := range b.Authors.Scan(r) {
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(x, y Author) int { return cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)) })
	return all, nil
}

func (b *blog) createAuthor(w *wire.Response, r *wire.Request) error {
	values, err := web.Form(r)
	if err != nil {
		return err
	}
	f := form{values: values}
	a := Author{Name: strings.TrimSpace(f.Value("name")), Bio: strings.TrimSpace(f.Value("bio"))}
	if err := b.change(r.Context(), &f, func(tx *lithair.Tx) error { return b.Authors.Insert(tx, &a) }); err != nil {
		return err
	}
	if f.Failed() {
		return b.showAuthors(w, r, 422, f)
	}
	return w.Redirect(303, "/authors?done=author")
}
