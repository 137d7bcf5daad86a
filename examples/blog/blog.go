package main

import (
	"embed"
	"errors"
	"html/template"
	"net/url"
	"strings"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
	"github.com/lithair/lithair-go/wire"
)

//go:embed templates static
var files embed.FS

// blog is the application: three collections and the pages over them.
type blog struct {
	*Models
	app   *lithair.App
	pages *web.Pages
}

// newBlog puts the models, the REST API and the pages on an app.
func newBlog(app *lithair.App) (*blog, error) {
	b := &blog{app: app, Models: Register(app)}
	var err error
	b.pages, err = web.ParsePages(files, template.FuncMap{
		"date":  func(t time.Time) string { return t.Format("2 January 2006") },
		"stamp": func(t time.Time) string { return t.Format(time.RFC3339) },
		"exact": func(t time.Time) string { return t.Format(time.RFC3339Nano) },
	})
	if err != nil {
		return nil, err
	}
	style, err := web.File(files, "static/style.css", "text/css; charset=utf-8")
	if err != nil {
		return nil, err
	}
	script, err := web.File(files, "static/live.js", "text/javascript; charset=utf-8")
	if err != nil {
		return nil, err
	}
	app.Use(web.ScriptHeaders, web.SameOrigin)
	app.Get("/{$}", b.list)
	app.Get("/style.css", style)
	app.Get("/live.js", script)
	app.Get("/articles/{slug}", b.read)
	app.Post("/articles/{slug}/comments", b.comment)
	app.Get("/write", b.write)
	app.Post("/write", b.create)
	app.Get("/articles/{slug}/edit", b.edit)
	app.Post("/articles/{slug}/edit", b.update)
	app.Get("/articles/{slug}/delete", b.confirmDelete)
	app.Post("/articles/{slug}/delete", b.delete)
	app.Get("/authors", b.authorList)
	app.Post("/authors", b.createAuthor)
	return b, nil
}

// frame is what every page shows around its content.
type frame struct {
	Search string // what the search field holds
	Notice string // what just happened
}

// notices are the texts of ?done=; anything else shows nothing, so a link cannot put
// words into the page's mouth.
var notices = map[string]string{
	"posted": "Your article is saved.", "saved": "Your changes are saved.", "deleted": "The article is deleted.",
	"comment": "Thank you for your comment.", "author": "The author is added.",
}

func newFrame(q wire.Query) frame {
	return frame{Search: strings.TrimSpace(q.Get("q")), Notice: notices[q.Get("done")]}
}

const perPage = 10

// listPage is the front page: articles, newest first.
type listPage struct {
	frame
	web.Pager
	Show     string // "", published or drafts
	Author   *Author
	Articles []listed
	Empty    bool   // nothing has been written at all
	Seq      uint64 // the page shows the state behind this transaction; the script goes on from there
}

// listed is an article in a list.
type listed struct {
	Article
	AuthorName string
	Comments   int
}

func (b *blog) list(w *wire.Response, r *wire.Request) error {
	q := r.Query()
	query := url.Values{}
	for _, k := range []string{"q", "show", "author", "page"} {
		query.Set(k, q.Get(k))
	}
	p := listPage{frame: newFrame(q), Show: query.Get("show"), Pager: web.NewPager(query, perPage)}
	err := b.app.View(func(s *lithair.Snapshot) error {
		if id := query.Get("author"); id != "" {
			a, err := b.Authors.Collection.Get(s, id)
			if err != nil {
				return notFound(err)
			}
			p.Author = &a
		}
		p.Empty, p.Seq = b.Articles.Len(s) == 0, s.Seq()
		found, err := b.find(s, &p)
		if err != nil {
			return err
		}
		for _, a := range found {
			l := listed{Article: a}
			if l.AuthorName, err = b.authorName(s, a); err != nil {
				return err
			}
			for _, err := range b.Comments.ByArticleID(s, a.ID) {
				if err != nil {
					return err
				}
				l.Comments++
			}
			p.Articles = append(p.Articles, l)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.pages.Render(w, 200, "list.html", p)
}

// find returns the articles of one page. Ids are ordered by time, so the newest come
// first by sorting downwards on them, which the store does by rank and not by reading.
func (b *blog) find(s *lithair.Snapshot, p *listPage) ([]Article, error) {
	if p.Search != "" {
		return b.search(s, p)
	}
	query := url.Values{"sort": {"-id"}}
	switch p.Show {
	case "published":
		query.Set("published", "true")
	case "drafts":
		query.Set("published", "false")
	}
	if p.Author != nil {
		query.Set("author_id", p.Author.ID.String())
	}
	return queryPage(b.Articles.Collection, s, query, &p.Pager)
}

// search looks for the words in title and body. It reads every article, which is fine
// for a blog; an index of words is for those who need one.
func (b *blog) search(s *lithair.Snapshot, p *listPage) ([]Article, error) {
	words := strings.Fields(strings.ToLower(p.Search))
	var all []Article
	for a, err := range b.Articles.Scan(s) {
		if err != nil {
			return nil, err
		}
		if p.shows(a) && containsAll(strings.ToLower(a.Title+"\n"+a.Body), words) {
			all = append(all, a)
		}
	}
	p.Total = len(all)
	var page []Article
	for i := len(all) - 1 - p.Skip(); i >= 0 && len(page) < p.PerPage; i-- {
		page = append(page, all[i])
	}
	return page, nil
}

func (p *listPage) shows(a Article) bool {
	if p.Author != nil && (a.AuthorID == nil || *a.AuthorID != p.Author.ID) {
		return false
	}
	return p.Show == "" || (p.Show == "published") == a.Published
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// queryPage runs a list query for one page and sets the pager's total.
func queryPage[T any](c *lithair.Collection[T], s *lithair.Snapshot, query url.Values, p *web.Pager) ([]T, error) {
	query.Set("skip", itoa(p.Skip()))
	query.Set("take", itoa(p.PerPage))
	page, err := c.Query(s, query.Encode())
	if err != nil {
		return nil, err
	}
	p.Total = page.Total
	return page.Data, nil
}

func (b *blog) authorName(r lithair.Reader, a Article) (string, error) {
	if a.AuthorID == nil {
		return "", nil
	}
	author, err := b.Authors.Get(r, *a.AuthorID)
	return author.Name, err
}

// readPage is one article with its comments and the form for another.
type readPage struct {
	frame
	Article
	AuthorName string
	Comments   []Comment
	Blank      Comment // what the script fills in for a comment that comes
	Form       form
}

func (b *blog) read(w *wire.Response, r *wire.Request) error {
	return b.showArticle(w, r, 200, form{})
}

func (b *blog) showArticle(w *wire.Response, r *wire.Request, status int, f form) error {
	p := readPage{frame: newFrame(r.Query()), Form: f}
	err := b.app.View(func(s *lithair.Snapshot) (err error) {
		if p.Article, err = b.Articles.BySlug(s, r.PathValue("slug")); err != nil {
			return notFound(err)
		}
		if p.AuthorName, err = b.authorName(s, p.Article); err != nil {
			return err
		}
		for c, err := range b.Comments.ByArticleID(s, p.Article.ID) {
			if err != nil {
				return err
			}
			p.Comments = append(p.Comments, c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.pages.Render(w, status, "read.html", p)
}

// notFound turns the store's word for an absent record into the page for it.
func notFound(err error) error {
	if errors.Is(err, lithair.ErrNotFound) {
		return &wire.Error{Status: 404, Detail: "there is no such page", Err: err}
	}
	return err
}
