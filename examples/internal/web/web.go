// Package web holds the few things the examples' pages share: rendering templates,
// serving an embedded file, reading a form, and the headers and checks that keep a page
// with forms safe in a browser.
package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"strings"

	"github.com/lithair/lithair-go/wire"
)

// Pages renders one template per page, each inside layout.html.
type Pages struct{ byName map[string]*template.Template }

// ParsePages parses templates/*.html from files; layout.html is the frame of the others
// and calls the templates "title" and "main" that each of them defines.
func ParsePages(files fs.FS, funcs template.FuncMap) (*Pages, error) {
	layout, err := template.New("layout.html").Funcs(funcs).ParseFS(files, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{byName: map[string]*template.Template{}}
	for _, name := range names {
		frame, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if p.byName[strings.TrimPrefix(name, "templates/")], err = frame.ParseFS(files, name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Render answers with a page. It is rendered whole before a byte is sent, so that an
// error in a template becomes a proper 500.
func (p *Pages) Render(w *wire.Response, status int, name string, data any) error {
	t := p.byName[name]
	if t == nil {
		return fmt.Errorf("web: no template %s", name)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout.html", data); err != nil {
		return err
	}
	w.SetHeader("Cache-Control", "no-store")
	return w.Send(status, "text/html; charset=utf-8", b.Bytes())
}

// File serves one embedded file. Its ETag is its hash, so a browser asks again and gets
// 304 until the program changes.
func File(files fs.FS, name, contentType string) (wire.Handler, error) {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w *wire.Response, r *wire.Request) error {
		w.SetHeader("ETag", tag)
		w.SetHeader("Cache-Control", "no-cache")
		if r.Header("If-None-Match") == tag {
			w.Status(304)
			return nil
		}
		return w.Send(200, contentType, content)
	}, nil
}

// maxForm is the largest form these pages read, in bytes.
const maxForm = 1 << 20

// Form reads a form that a browser posted. A line break is one \n, as typed.
func Form(r *wire.Request) (url.Values, error) {
	kind, _, _ := strings.Cut(r.Header("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return nil, &wire.Error{Status: 415, Detail: "this page takes application/x-www-form-urlencoded"}
	}
	body, err := r.BorrowBody(maxForm)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &wire.Error{Status: 400, Detail: "the form is malformed: " + err.Error()}
	}
	for _, values := range form {
		for i, v := range values {
			values[i] = strings.ReplaceAll(v, "\r\n", "\n")
		}
	}
	return form, nil
}

// policy lets a page use its own style sheet and forms, and nothing else: no scripts, no
// frames, nothing from other places. scripted adds scripts of its own, in files, and
// connections to where it came from.
const (
	policy   = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	scripted = policy + "; script-src 'self'; connect-src 'self'"
)

// Headers adds the security headers to every answer, for pages without scripts.
func Headers(next wire.Handler) wire.Handler { return headers(policy, next) }

// ScriptHeaders is [Headers] for pages with scripts of their own.
func ScriptHeaders(next wire.Handler) wire.Handler { return headers(scripted, next) }

func headers(policy string, next wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		w.SetHeader("Content-Security-Policy", policy)
		w.SetHeader("X-Content-Type-Options", "nosniff")
		w.SetHeader("Referrer-Policy", "same-origin")
		return next(w, r)
	}
}

// errCrossOrigin is the refusal of [SameOrigin].
var errCrossOrigin = errors.New("web: an unsafe request came from another site")

// SameOrigin refuses requests that change something and that a browser sends on behalf
// of another site (cross-site request forgery). Browsers mark them: Sec-Fetch-Site says
// where a request came from; older ones send Origin, which must name our own host. A
// request with neither did not come from a browser's page, and carries no cookies that
// another site could abuse.
func SameOrigin(next wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		if !Safe(r.Method()) && !sameOrigin(r.Header("Sec-Fetch-Site"), r.Header("Origin"), r.Host()) {
			return &wire.Error{Status: 403, Detail: "this request came from another site", Err: errCrossOrigin}
		}
		return next(w, r)
	}
}

// Safe says whether a method changes nothing (RFC 9110 §9.2.1).
func Safe(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS"
}

func sameOrigin(fetchSite, origin, host string) bool {
	switch fetchSite {
	case "same-origin", "none": // none: the user typed the address
		return true
	case "":
		if origin == "" {
			return true
		}
		u, err := url.Parse(origin)
		return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
	}
	return false // same-site is another origin, too
}
