package sample_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/sample"
	"github.com/lithair/lithair-go/openapi"
	"github.com/lithair/lithair-go/wire"
)

// get reads a path whole.
func get(t *testing.T, p *program, path string) (*http.Response, string) {
	t.Helper()
	res, err := http.Get("http://" + p.app.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// described is an application with a route of every kind.
func described(t *testing.T) *program {
	return start(t, func(app *lithair.App) {
		sample.Register(app)
		app.Authenticate(func(*wire.Request) (lithair.Principal, error) { return lithair.Principal{}, nil })
		app.Get("/files/{rest...}", func(*wire.Response, *wire.Request) error { return nil })
		lithair.Command(app, "sum", func(*lithair.Tx, []int) (int, error) { return 0, nil })
	})
}

// TestEveryRouteIsDescribed: the document has each route there is, and its references lead
// somewhere.
func TestEveryRouteIsDescribed(t *testing.T) {
	p := described(t)
	defer p.stop(t)
	_, text := get(t, p, "/openapi.json")
	var doc struct {
		OpenAPI    string                               `json:"openapi"`
		Paths      map[string]map[string]map[string]any `json:"paths"`
		Components struct{ Schemas, Responses map[string]any }
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err, text)
	}
	n := 0
	ids := map[string]bool{}
	for _, r := range p.app.Routes() {
		op := doc.Paths[strings.ReplaceAll(r.Path, "...}", "}")][strings.ToLower(r.Method)]
		if op == nil {
			t.Errorf("%s is not described", r.Pattern)
			continue
		}
		id, _ := op["operationId"].(string)
		if ids[id] || id == "" {
			t.Errorf("%s: operation id %q is taken", r.Pattern, id)
		}
		ids[id] = true
		if vars, _ := op["parameters"].([]any); strings.Count(r.Path, "{") > 0 && len(vars) == 0 {
			t.Errorf("%s: no parameters", r.Pattern)
		}
		n++
	}
	for _, ref := range regexp.MustCompile(`"#/components/(schemas|responses)/([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if in := map[string]map[string]any{"schemas": doc.Components.Schemas, "responses": doc.Components.Responses}[ref[1]]; in[ref[2]] == nil {
			t.Errorf("%s leads nowhere", ref[0])
		}
	}
	for _, want := range []string{
		`"name":"X-Editor","in":"header","schema":{"type":"string"}`, `"name":"tag","in":"query","schema":{"type":"array","items":{"type":"string"}}`,
		`"copies":{"type":"integer","format":"int64","minimum":1,"maximum":100}`, `"slug":{"type":"string","minLength":1,"maxLength":20,"pattern":"^[a-z0-9]+(-[a-z0-9]+)*$","description":"unique"}`,
		`"423":{"$ref":"#/components/responses/Error"}`, `"Printed":{"type":"object"`, `"security":[{"bearer":[]}]`, "LTH1021: Validation failed (422).",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(text, `"secret"`) {
		t.Error("a hidden field is described")
	}
	_, again := get(t, p, "/openapi.json")
	other := described(t)
	defer other.stop(t)
	if _, same := get(t, other, "/openapi.json"); again != text || same != text {
		t.Error("the text changes")
	}
	t.Logf("%d routes, %d schemas, %d bytes", n, len(doc.Components.Schemas), len(text))
}

// TestDocsPage: the page needs nothing from elsewhere, and is served so that it could not take it.
func TestDocsPage(t *testing.T) {
	p := described(t)
	defer p.stop(t)
	for _, f := range openapi.Page() {
		res, body := get(t, p, f.Path)
		if res.StatusCode != 200 || body != string(f.Body) || res.Header.Get("Content-Type") != f.ContentType {
			t.Errorf("%s: %s %s", f.Path, res.Status, res.Header)
		}
		if csp := res.Header.Get("Content-Security-Policy"); csp != openapi.Policy || strings.Contains(csp, "unsafe") {
			t.Errorf("%s has policy %q", f.Path, csp)
		}
		if at := regexp.MustCompile(`https?://|innerHTML|eval\(|style=|onclick`).FindString(body); at != "" {
			t.Errorf("%s has %s in it", f.Path, at)
		}
	}
}

// TestDocsGiveWay: an application's own route is not replaced, and without docs there are none.
func TestDocsGiveWay(t *testing.T) {
	p := start(t, func(app *lithair.App) {
		app.Get("/docs", func(w *wire.Response, _ *wire.Request) error { return w.Send(200, "text/plain", []byte("mine")) })
	})
	if _, body := get(t, p, "/docs"); body != "mine" {
		t.Error(body)
	}
	if res, _ := get(t, p, "/openapi.json"); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	p.stop(t)
	app := lithair.New(lithair.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", NoDocs: true})
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = &program{app: app}
	defer p.stop(t)
	if res, _ := get(t, p, "/openapi.json"); res.StatusCode != 404 {
		t.Error(res.Status)
	}
}

// TestDocumentIsValid has the document judged by redocly, where that is installed: npm install
// -g @redocly/cli, or LITHAIR_REDOCLY with its command line.
func TestDocumentIsValid(t *testing.T) {
	command := strings.Fields(os.Getenv("LITHAIR_REDOCLY"))
	if len(command) == 0 {
		path, err := exec.LookPath("redocly")
		if err != nil {
			t.Skip("NOT CHECKED: redocly is not installed, and LITHAIR_REDOCLY does not name it")
		}
		command = []string{path}
	}
	p := described(t)
	defer p.stop(t)
	_, text := get(t, p, "/openapi.json")
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), command[0], append(command[1:], "lint", "--extends=spec", file)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDocsInBrowser has the page shown by a real browser under its policy, where one is
// installed: every route is on it.
func TestDocsInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("NOT CHECKED: chromium is not installed")
	}
	p := described(t)
	defer p.stop(t)
	cmd := exec.CommandContext(t.Context(), path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=10000", "--dump-dom", "http://"+p.app.Addr()+"/docs")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	page := string(out)
	for _, r := range p.app.Routes() {
		if path := strings.ReplaceAll(r.Path, "...}", "}"); !strings.Contains(page, "<code>"+path+"</code>") {
			t.Errorf("%s is not on the page", r.Pattern)
		}
	}
	if strings.Count(page, "<details") != len(p.app.Routes()) || !strings.Contains(page, "<title>sample API</title>") {
		t.Errorf("%d routes are shown, and there are %d\n%.2000s", strings.Count(page, "<details"), len(p.app.Routes()), page)
	}
}
