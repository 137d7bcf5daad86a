package lithair

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"slices"
	"sync"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/openapi"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// docsPath is where the description of the API is.
const docsPath = "/openapi.json"

// mountDocs serves the description of the API, and a page that shows it, where the application
// has no routes of its own at these paths. The guard is asked as for other routes.
func (a *App) mountDocs() error {
	if a.cfg.NoDocs {
		return nil
	}
	document := sync.OnceValues(a.OpenAPI)
	err := a.mountFree(docsPath, func(w *wire.Response, r *wire.Request) error {
		body, err := document()
		if err != nil {
			return err
		}
		return serveStatic(w, r, "application/json", body)
	})
	faults := sync.OnceValue(errorsPage)
	pages := append(openapi.Page(), openapi.File{Path: rest.TypesPath, ContentType: "text/html; charset=utf-8"})
	for _, f := range pages {
		err = errors.Join(err, a.mountFree(f.Path, func(w *wire.Response, r *wire.Request) error {
			if err := w.SetHeader("Content-Security-Policy", openapi.Policy); err != nil {
				return err
			}
			if f.Path == rest.TypesPath {
				return serveStatic(w, r, f.ContentType, faults())
			}
			return serveStatic(w, r, f.ContentType, f.Body)
		}))
	}
	return err
}

// errorsPage says what each code means; the member type of a problem leads to its heading.
func errorsPage() []byte {
	var b bytes.Buffer
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n" +
		"<title>Errors</title>\n<link rel=\"stylesheet\" href=\"/docs/page.css\">\n<main>\n<h1>Errors</h1>\n")
	for _, f := range cli.Faults() {
		fmt.Fprintf(&b, "<h2 id=\"%s\">%s %s</h2>\n<p>%s</p>\n", f.Code, f.Code, html.EscapeString(f.Title), html.EscapeString(f.Hint))
	}
	b.WriteString("</main>\n</html>\n")
	return b.Bytes()
}

// printOpenAPI prints the description of an application that is not to start.
func (a *App) printOpenAPI(stdout, out io.Writer) int {
	err := errors.Join(a.errs...)
	if err == nil {
		err = a.mountDocs()
	}
	var doc []byte
	if err == nil {
		doc, err = a.OpenAPI()
	}
	if err == nil {
		_, err = stdout.Write(append(doc, '\n'))
	}
	if err != nil {
		fmt.Fprintf(out, "%s: %v\n", a.cfg.Name, err)
		return exitConfig
	}
	return 0
}

// mountFree serves a path unless the application does.
func (a *App) mountFree(path string, h wire.Handler) error {
	taken := slices.ContainsFunc(a.router.Routes(), func(r wire.Route) bool { return r.Path == path })
	if taken {
		return nil
	}
	pattern := "GET " + path
	return a.router.Handle(pattern, a.guard.route(pattern, h))
}

// serveStatic sends what does not change while the application runs.
func serveStatic(w *wire.Response, r *wire.Request, contentType string, body []byte) error {
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	for _, h := range [][2]string{{"ETag", tag}, {"Cache-Control", "no-cache"}, {"X-Content-Type-Options", "nosniff"}} {
		if err := w.SetHeader(h[0], h[1]); err != nil {
			return err
		}
	}
	if wire.CheckPreconditions(r, wire.Representation{ETag: tag}) == 304 {
		w.Status(304)
		return nil
	}
	return w.Send(200, contentType, body)
}

// OpenAPI returns the description of the API (OpenAPI 3.1) that is served at /openapi.json: of
// all models and routes that are registered so far. It may be called before Start.
func (a *App) OpenAPI() ([]byte, error) {
	version, _ := buildVersion()
	d := openapi.Document{Title: a.cfg.Name, Version: version, Guarded: a.guard.authenticate != nil}
	for _, r := range a.router.Routes() {
		d.Routes = append(d.Routes, r.Pattern)
	}
	for _, c := range a.served {
		d.Collections = append(d.Collections, c)
	}
	for _, r := range a.routes {
		op := openapi.Operation{Pattern: r.Pattern, Name: r.Name, Summary: r.Summary, Status: r.Status, Body: r.binding.Body, Output: r.output, Write: r.write}
		for _, p := range r.binding.Params {
			op.Params = append(op.Params, openapi.Param{Name: p.Name, In: p.In, Type: p.Type, Rules: p.Rules})
		}
		for _, e := range r.Errors {
			op.Errors = append(op.Errors, e.Status)
		}
		d.Operations = append(d.Operations, op)
	}
	for _, c := range rest.Codes {
		d.Codes = append(d.Codes, openapi.Code{Code: c.Code, Status: c.Status, Title: c.Title})
	}
	return d.JSON()
}
