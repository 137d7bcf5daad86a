package main

import (
	"context"
	"errors"
	"net/url"
	"strings"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
	"github.com/lithair/lithair-go/wire"
)

// editPage is the form for a new article or for a change.
type editPage struct {
	frame
	Slug    string // the article's address now; "" for a new one
	Form    form
	Authors []Author
}

func (b *blog) write(w *wire.Response, r *wire.Request) error {
	return b.showEditor(w, r, 200, editPage{Form: form{values: url.Values{"published": {"on"}}}})
}

func (b *blog) showEditor(w *wire.Response, r *wire.Request, status int, p editPage) error {
	p.frame = newFrame(r.Query())
	err := b.app.View(func(s *lithair.Snapshot) (err error) {
		p.Authors, err = b.allAuthors(s)
		return err
	})
	if err != nil {
		return err
	}
	return b.pages.Render(w, status, "edit.html", p)
}

func (b *blog) create(w *wire.Response, r *wire.Request) error {
	values, err := web.Form(r)
	if err != nil {
		return err
	}
	f := form{values: values}
	a := Article{}
	f.into(&a)
	if !f.Failed() {
		err = b.change(r.Context(), &f, func(tx *lithair.Tx) error { return b.Articles.Insert(tx, &a) })
		if err != nil {
			return err
		}
	}
	if f.Failed() {
		return b.showEditor(w, r, 422, editPage{Form: f})
	}
	return w.Redirect(303, "/articles/"+a.Slug+"?done=posted")
}

// into fills an article from what was typed; an empty address is made of the title.
func (f *form) into(a *Article) {
	a.Title = strings.TrimSpace(f.Value("title"))
	a.Body = f.Value("body")
	a.Published = f.Checked("published")
	a.Slug = strings.TrimSpace(f.Value("slug"))
	if a.Slug == "" {
		a.Slug = slugify(a.Title)
	}
	a.AuthorID = nil
	if text := f.Value("author_id"); text != "" {
		id, err := lithair.ParseID(text)
		if err != nil {
			f.fail("author_id", "Choose an author from the list.")
			return
		}
		a.AuthorID = &id
	}
}

// change runs a transaction and puts what it refuses into the form.
func (b *blog) change(ctx context.Context, f *form, fn func(tx *lithair.Tx) error) error {
	err := b.app.Update(ctx, fn)
	if err == nil {
		return nil
	}
	return f.explain(err)
}

func (b *blog) edit(w *wire.Response, r *wire.Request) error {
	var a Article
	err := b.app.View(func(s *lithair.Snapshot) (err error) {
		a, err = b.Articles.BySlug(s, r.PathValue("slug"))
		return notFound(err)
	})
	if err != nil {
		return err
	}
	values := url.Values{"title": {a.Title}, "slug": {a.Slug}, "body": {a.Body}, "version": {version(a)}}
	if a.Published {
		values.Set("published", "on")
	}
	if a.AuthorID != nil {
		values.Set("author_id", a.AuthorID.String())
	}
	return b.showEditor(w, r, 200, editPage{Slug: a.Slug, Form: form{values: values}})
}

// version tells one state of an article from the next: the form carries it, so that two
// people who edit at once do not overwrite each other.
func version(a Article) string { return a.UpdatedAt.Format("20060102T150405.000000000") }

var errChangedMeanwhile = errors.New("blog: the article was changed meanwhile")

func (b *blog) update(w *wire.Response, r *wire.Request) error {
	values, err := web.Form(r)
	if err != nil {
		return err
	}
	f := form{values: values}
	slug := r.PathValue("slug")
	var a Article
	err = b.change(r.Context(), &f, func(tx *lithair.Tx) (err error) {
		if a, err = b.Articles.BySlug(tx, slug); err != nil {
			return notFound(err)
		}
		if f.Value("version") != version(a) {
			return errChangedMeanwhile
		}
		if f.into(&a); f.Failed() {
			return nil
		}
		return b.Articles.Put(tx, &a)
	})
	if errors.Is(err, errChangedMeanwhile) {
		f.fail("", "Somebody changed this article while you were writing. Copy your text, open the article again and bring the two together.")
	} else if err != nil {
		return err
	}
	if f.Failed() {
		return b.showEditor(w, r, 422, editPage{Slug: slug, Form: f})
	}
	return w.Redirect(303, "/articles/"+a.Slug+"?done=saved")
}

// deletePage asks before an article goes.
type deletePage struct {
	frame
	Article
}

func (b *blog) confirmDelete(w *wire.Response, r *wire.Request) error {
	p := deletePage{frame: newFrame(r.Query())}
	err := b.app.View(func(s *lithair.Snapshot) (err error) {
		p.Article, err = b.Articles.BySlug(s, r.PathValue("slug"))
		return notFound(err)
	})
	if err != nil {
		return err
	}
	return b.pages.Render(w, 200, "delete.html", p)
}

func (b *blog) delete(w *wire.Response, r *wire.Request) error {
	err := b.app.Update(r.Context(), func(tx *lithair.Tx) error {
		a, err := b.Articles.BySlug(tx, r.PathValue("slug"))
		if err != nil {
			return notFound(err)
		}
		return b.Articles.Delete(tx, a.ID) // its comments go with it: on_delete=cascade
	})
	if err != nil {
		return err
	}
	return w.Redirect(303, "/?done=deleted")
}

func (b *blog) comment(w *wire.Response, r *wire.Request) error {
	values, err := web.Form(r)
	if err != nil {
		return err
	}
	f := form{values: values}
	slug := r.PathValue("slug")
	err = b.change(r.Context(), &f, func(tx *lithair.Tx) error {
		a, err := b.Articles.BySlug(tx, slug)
		if err != nil {
			return notFound(err)
		}
		return b.Comments.Insert(tx, &Comment{ArticleID: a.ID, AuthorName: strings.TrimSpace(f.Value("author_name")), Body: f.Value("body")})
	})
	if err != nil {
		return err
	}
	if f.Failed() {
		return b.showArticle(w, r, 422, f)
	}
	return w.Redirect(303, "/articles/"+slug+"?done=comment#comments")
}
