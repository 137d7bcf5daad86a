package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/devtools"
)

// reader is somebody with a page of the blog open.
type reader struct {
	t *testing.T
	*devtools.Page
	ctx context.Context
}

func open(t *testing.T, b *devtools.Browser, url string) reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p, err := b.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	return reader{t, p, ctx}
}

func (r reader) sees(expression string) {
	r.t.Helper()
	if err := r.Wait(r.ctx, expression); err != nil {
		r.t.Fatal(err)
	}
}

func (r reader) does(script string) {
	r.t.Helper()
	if err := r.Evaluate(r.ctx, script, nil); err != nil {
		r.t.Fatal(err)
	}
}

// comments waits until the thread is exactly this, in this order.
func (r reader) comments(texts ...string) {
	r.t.Helper()
	r.sees(fmt.Sprintf(`[...document.querySelectorAll('#thread .text')].map(e => e.textContent).join('|') === %q`, strings.Join(texts, "|")))
}

const live = `document.getElementById('live').textContent === 'Live'`

// shoot writes what a page looks like to the folder SCREENSHOTS, wide and narrow, light and dark.
func (r reader) shoot(name string) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	r.t.Helper()
	for _, v := range []struct {
		name          string
		width, height int
		dark          bool
	}{{"wide", 1280, 900, false}, {"narrow-dark", 390, 844, true}} {
		if err := r.Show(r.ctx, v.width, v.height, v.dark); err != nil {
			r.t.Fatal(err)
		}
		png, err := r.Screenshot(r.ctx)
		if err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+"-"+v.name+".png"), png, 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

// quiet fails the test if the page complained, as it does of what its policy forbids.
func (r reader) quiet() {
	r.t.Helper()
	for _, line := range r.Console() {
		if !strings.HasPrefix(line, "log: ") && !strings.Contains(line, "could not be loaded") {
			r.t.Error(line)
		}
	}
}

// TestCommentsAreLive: what one posts in a browser appears in another's page, also behind a kill of the
// server; edits and deletions too.
func TestCommentsAreLive(t *testing.T) {
	b := devtools.New(t)
	dir := t.TempDir()
	s, cmd := blogProcess(t, dir, "127.0.0.1:0")
	s.form("/write", 303, "title", "Hello", "body", "First.\n\nSecond.", "published", "on")
	s.form("/articles/hello/comments", 303, "author_name", "Eve", "body", "before anybody looks")
	ada, bob := open(t, b, s.base+"/articles/hello"), open(t, b, s.base+"/articles/hello")
	ada.sees(live)
	bob.sees(live)
	ada.comments("before anybody looks")

	bob.does(`document.getElementById('author_name').value = 'Bob'; document.getElementById('body').value = 'I like <b>this</b>.\n\nA lot.'; document.querySelector('#comment-form button').click()`)
	ada.comments("before anybody looks", "I like <b>this</b>.A lot.")
	ada.sees(`document.querySelectorAll('#thread .comment.fresh').length === 1 && document.getElementById('count').textContent === '2 comments'`)
	ada.sees(`document.querySelector('#thread .comment:last-child b').textContent === 'Bob'`)
	ada.sees(`document.querySelector('#thread .comment:last-child time').textContent === document.querySelector('#thread .comment:first-child time').textContent`)
	bob.sees(`document.querySelector('.notice') && ` + live)
	bob.comments("before anybody looks", "I like <b>this</b>.A lot.")

	list := s.api("GET", "/api/comments?sort=id", nil, 200)["data"].([]any)
	id := func(i int) string { return list[i].(map[string]any)["id"].(string) }
	s.api("PATCH", "/api/comments/"+id(1), map[string]string{"body": "I like it."}, 200)
	ada.comments("before anybody looks", "I like it.")
	s.api("DELETE", "/api/comments/"+id(0), nil, 204)
	ada.comments("I like it.")
	bob.comments("I like it.")
	ada.shoot("article")

	kill(cmd)
	ada.sees(`document.getElementById('live').classList.contains('waiting')`)
	s, _ = blogProcess(t, dir, strings.TrimPrefix(s.base, "http://"))
	s.form("/articles/hello/comments", 303, "author_name", "Carl", "body", "after the storm")
	ada.comments("I like it.", "after the storm")
	bob.comments("I like it.", "after the storm")
	ada.sees(live)

	slug := s.api("GET", "/api/articles", nil, 200)["data"].([]any)[0].(map[string]any)["id"].(string)
	s.api("PATCH", "/api/articles/"+slug, map[string]string{"slug": "hallo"}, 200)
	ada.sees(`!document.getElementById('changed').hidden && document.querySelector('#changed a').getAttribute('href') === '/articles/hallo'`)
	s.api("DELETE", "/api/articles/"+slug, nil, 204)
	ada.sees(`document.getElementById('changed').textContent === 'This article was deleted.'`)
	ada.comments()
	ada.quiet()
	bob.quiet()
}

// TestCommentsWithoutWebSocket: where there is none, comments come by server-sent events.
func TestCommentsWithoutWebSocket(t *testing.T) {
	s := startBlog(t)
	s.form("/write", 303, "title", "Hello", "body", "…", "published", "on")
	b := devtools.New(t)
	ada := open(t, b, s.base+"/authors")
	if err := ada.Before(ada.ctx, "delete window.WebSocket"); err != nil {
		t.Fatal(err)
	}
	if err := ada.Navigate(ada.ctx, s.base+"/articles/hello"); err != nil {
		t.Fatal(err)
	}
	ada.sees(live + ` && typeof WebSocket === 'undefined'`)
	s.form("/articles/hello/comments", 303, "author_name", "Bob", "body", "by events")
	ada.comments("by events")
	ada.quiet()
}

// TestTheListIsLive: articles and numbers of comments on the front page follow what is written.
func TestTheListIsLive(t *testing.T) {
	s := startBlog(t)
	b := devtools.New(t) // is closed before the blog, which would wait for its pages
	all, drafts := open(t, b, s.base+"/"), open(t, b, s.base+"/?show=drafts")
	cards := func(r reader, want string) {
		t.Helper()
		r.sees(fmt.Sprintf(`[...document.querySelectorAll('.card h2')].map(e => e.textContent).join('|') === %q`, want))
	}
	s.form("/write", 303, "title", "One", "body", "…", "published", "on")
	cards(all, "One")
	s.form("/write", 303, "title", "Two", "body", "…")
	cards(all, "Two|One")
	cards(drafts, "Two")
	s.form("/articles/one/comments", 303, "author_name", "Ada", "body", "!")
	all.sees(`document.querySelectorAll('.card')[1].textContent.includes('1 comment')`)
	all.shoot("list")
	s.form("/articles/two/delete", 303)
	cards(all, "One")
	drafts.sees(`document.querySelector('.empty')`)
	all.quiet()
	drafts.quiet()
}
