package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// site is a running blog, driven over a socket.
type site struct {
	t    *testing.T
	base string
	http *http.Client
}

func startBlog(t *testing.T) *site {
	t.Helper()
	app := lithair.New(lithair.Config{Name: "blog", Addr: "127.0.0.1:0", Dir: t.TempDir(), LogLevel: "error"})
	if _, err := newBlog(app); err != nil {
		t.Fatal(err)
	}
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &site{t: t, base: "http://" + app.Addr(), http: &http.Client{Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do makes a request and returns status, header and body.
func (s *site) do(method, path, contentType, body string, header ...string) (int, http.Header, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func (s *site) get(path string, want int) string {
	s.t.Helper()
	status, _, body := s.do("GET", path, "", "")
	if status != want {
		s.t.Fatalf("GET %s: %d, want %d: %s", path, status, want, body)
	}
	return body
}

func (s *site) form(path string, want int, fields ...string) (location, body string) {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	status, h, body := s.do("POST", path, "application/x-www-form-urlencoded", values.Encode(), "Sec-Fetch-Site", "same-origin")
	if status != want {
		s.t.Fatalf("POST %s: %d, want %d: %s", path, status, want, body)
	}
	return h.Get("Location"), body
}

func (s *site) api(method, path string, body any, want int) map[string]any {
	s.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			s.t.Fatal(err)
		}
	}
	kind := "application/json"
	if method == "PATCH" {
		kind = "application/merge-patch+json"
	}
	status, _, text := s.do(method, path, kind, b.String())
	if status != want {
		s.t.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, text)
	}
	m := map[string]any{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return m
}

func contains(t *testing.T, page string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(page, w) {
			t.Errorf("the page lacks %q:\n%s", w, page)
		}
	}
}

func lacks(t *testing.T, page string, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(page, w) {
			t.Errorf("the page has %q:\n%s", w, page)
		}
	}
}

func TestAnEmptyBlogInvitesToWrite(t *testing.T) {
	s := startBlog(t)
	contains(t, s.get("/", 200), "Nothing written yet", `href="/write"`)
}

func TestWriteReadEditDelete(t *testing.T) {
	s := startBlog(t)
	location, _ := s.form("/write", 303, "title", "Hello, <World>!", "body", "First.\r\n\r\nSecond & last.", "published", "on")
	if location != "/articles/hello-world?done=posted" {
		t.Fatalf("sent to %s", location)
	}
	page := s.get(location, 200)
	contains(t, page, "<h1>Hello, &lt;World&gt;!</h1>", "<p>First.</p>", "<p>Second &amp; last.</p>", "Your article is saved.", "No comments yet")
	lacks(t, page, "<World>", "Draft")

	edit := s.get("/articles/hello-world/edit", 200)
	version := between(t, edit, `name="version" value="`, `"`)
	location, _ = s.form("/articles/hello-world/edit", 303, "title", "Hello again", "slug", "hello-again", "body", "Third.", "version", version)
	contains(t, s.get(location, 200), "Hello again", "<p>Third.</p>", "Draft")
	s.get("/articles/hello-world", 404)

	_, page = s.form("/articles/hello-again/edit", 422, "title", "Late", "slug", "late", "body", "What I typed", "version", version)
	contains(t, page, "Somebody changed this article", "What I typed")

	contains(t, s.get("/articles/hello-again/delete", 200), "Delete this article?")
	s.form("/articles/hello-again/delete", 303)
	s.get("/articles/hello-again", 404)
	contains(t, s.get("/", 200), "Nothing written yet")
}

func between(t *testing.T, s, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, from)
	got, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("no %q…%q in %s", from, to, s)
	}
	return got
}

func TestFormErrorsStandBesideTheirFieldsAndKeepWhatWasTyped(t *testing.T) {
	s := startBlog(t)
	_, page := s.form("/write", 422, "title", "", "slug", "Not A Slug", "body", "I typed <this>.")
	contains(t, page, `id="title-error"`, `id="slug-error"`, `value="Not A Slug"`, "I typed &lt;this&gt;.", "could not be saved yet")
	lacks(t, page, `id="body-error"`)

	s.form("/write", 303, "title", "One", "slug", "one", "body", "x")
	_, page = s.form("/write", 422, "title", "Another", "slug", "one", "body", "y")
	contains(t, page, `id="slug-error"`, "Another one has this already", `value="Another"`)

	_, page = s.form("/articles/one/comments", 422, "author_name", "  ", "body", "Kept text")
	contains(t, page, `id="author_name-error"`, "Kept text")
	_, page = s.form("/authors", 422, "name", "")
	contains(t, page, `id="name-error"`)
	s.form("/write", 422, "title", "T", "slug", "t", "body", "b", "author_id", "nonsense")
	s.form("/write", 422, "title", "T", "slug", "t", "body", "b", "author_id", "01890000-0000-7000-8000-000000000000")
}

func TestCommentsBelongToTheirArticle(t *testing.T) {
	s := startBlog(t)
	s.form("/write", 303, "title", "One", "slug", "one", "body", "x")
	location, _ := s.form("/articles/one/comments", 303, "author_name", "Ada", "body", "Well said <b>indeed</b>.")
	if location != "/articles/one?done=comment#comments" {
		t.Errorf("sent to %s", location)
	}
	contains(t, s.get("/articles/one", 200), "1 comment", "<b>Ada</b>", "Well said &lt;b&gt;indeed&lt;/b&gt;.")
	contains(t, s.get("/", 200), "1 comment")
	s.form("/articles/two/comments", 404, "author_name", "Ada", "body", "x")
	s.form("/articles/one/delete", 303)
	if n := s.api("GET", "/api/comments", nil, 200)["total"]; n != 0.0 {
		t.Errorf("%v comments are left of a deleted article", n)
	}
}

func TestPagesTabsSearchAndAuthors(t *testing.T) {
	s := startBlog(t)
	s.form("/authors", 303, "name", "Grace Hopper", "bio", "Compilers.")
	author := s.api("GET", "/api/authors", nil, 200)["data"].([]any)[0].(map[string]any)["id"].(string)
	for i := range 23 {
		fields := map[string]any{"slug": fmt.Sprintf("a-%02d", i), "title": fmt.Sprintf("Article %02d", i), "body": "plain text", "published": i%2 == 0}
		if i == 7 {
			fields["body"], fields["author_id"] = "about NANOSECONDS of wire", author
		}
		s.api("POST", "/api/articles", fields, 201)
	}
	first := s.get("/", 200)
	contains(t, first, "Article 22", "Article 13", "Page 1 of 3", `href="?page=2"`)
	lacks(t, first, "Article 12<")
	if strings.Index(first, "Article 22") > strings.Index(first, "Article 21") {
		t.Error("the newest article does not come first")
	}
	contains(t, s.get("/?page=3", 200), "Article 02", "Article 00", "Page 3 of 3")
	drafts := s.get("/?show=drafts", 200)
	contains(t, drafts, "Article 21", "Page 1 of 2")
	lacks(t, drafts, "Article 22")
	hit := s.get("/?q=nanoseconds+WIRE", 200)
	contains(t, hit, "1 article for", "Article 07", "Grace Hopper")
	lacks(t, hit, "Article 08")
	contains(t, s.get("/?q=nowhere", 200), "0 articles", "No article matches")
	contains(t, s.get("/?author="+author, 200), "Grace Hopper", "Compilers.", "Article 07")
	s.get("/?author=nobody", 404)
	contains(t, s.get("/authors", 200), "Grace Hopper", "1 article")
}

func TestTheAPINeedsOnlySlugTitleAndBody(t *testing.T) {
	s := startBlog(t)
	a := s.api("POST", "/api/articles", map[string]any{"slug": "first", "title": "First", "body": "Hello."}, 201)
	for _, k := range []string{"id", "created_at", "updated_at"} {
		if text, _ := a[k].(string); text == "" {
			t.Errorf("%s is %v", k, a[k])
		}
	}
	contains(t, s.get("/articles/first", 200), "<h1>First</h1>", "Draft")
	s.api("PATCH", "/api/articles/"+a["id"].(string), map[string]any{"published": true}, 200)
	lacks(t, s.get("/articles/first", 200), "Draft")
	p := s.api("POST", "/api/articles", map[string]any{"slug": "first", "title": "Again", "body": "x"}, 409)
	contains(t, fmt.Sprint(p), "slug")
	s.api("POST", "/api/comments", map[string]any{"article_id": "01890000-0000-7000-8000-000000000000", "author_name": "A", "body": "x"}, 409)
}

func TestOtherSitesCannotPost(t *testing.T) {
	s := startBlog(t)
	body := url.Values{"title": {"Evil"}, "body": {"x"}}.Encode()
	const kind = "application/x-www-form-urlencoded"
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	} {
		if status, _, text := s.do("POST", "/write", kind, body, header...); status != 403 {
			t.Errorf("%v: %d: %s", header, status, text)
		}
		if status, _, _ := s.do("DELETE", "/api/articles/x", "", "", header...); status != 403 {
			t.Errorf("API, %v: %d", header, status)
		}
	}
	if status, _, text := s.do("POST", "/write", kind, body, "Origin", s.base); status != 303 {
		t.Errorf("own origin: %d: %s", status, text)
	}
	if status, _, _ := s.do("POST", "/write", "text/plain", body); status != 415 {
		t.Errorf("text/plain: %d", status)
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	s := startBlog(t)
	for _, path := range []string{"/", "/write", "/api/articles", "/nowhere"} {
		_, h, _ := s.do("GET", path, "", "")
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
	_, h, _ := s.do("GET", "/style.css", "", "")
	if h.Get("Content-Type") != "text/css; charset=utf-8" || h.Get("ETag") == "" {
		t.Errorf("style sheet: %v", h)
	}
	if status, _, _ := s.do("GET", "/style.css", "", "", "If-None-Match", h.Get("ETag")); status != 304 {
		t.Errorf("style sheet again: %d", status)
	}
	for _, page := range []string{s.get("/", 200), s.get("/write", 200), s.get("/authors", 200)} {
		lacks(t, strings.Replace(page, `<script type="module" src="/live.js"></script>`, "", 1), "<script", " style=", "javascript:")
	}
}

func TestSlugify(t *testing.T) {
	for in, want := range map[string]string{
		"Hello, World!": "hello-world", "  A  b--c ": "a-b-c", "2026": "2026", "!!!": "", "": "",
		strings.Repeat("ab ", 60): strings.TrimSuffix(strings.Repeat("ab-", 26), "-"), strings.Repeat("a", 100): strings.Repeat("a", 80),
	} {
		if got := slugify(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestExcerptCutsAtWords(t *testing.T) {
	a := Article{Body: "one two\n\nthree four, five"}
	if got := a.Excerpt(100); got != "one two three four, five" {
		t.Errorf("%q", got)
	}
	if got := a.Excerpt(20); got != "one two three four…" {
		t.Errorf("%q", got)
	}
	if got := (Article{Body: strings.Repeat("ü", 50)}).Excerpt(10); got != strings.Repeat("ü", 10)+"…" {
		t.Errorf("%q", got)
	}
}
