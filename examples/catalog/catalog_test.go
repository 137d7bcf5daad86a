package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/program"
)

func startCatalog(t *testing.T, dir string) (c *catalog, base string, stop func()) {
	t.Helper()
	app := lithair.New(lithair.Config{Name: "catalog", Addr: "127.0.0.1:0", Dir: dir, LogLevel: "error"})
	c = newCatalog(app)
	if err := c.addPages(); err != nil {
		t.Fatal(err)
	}
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, "http://" + app.Addr(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
}

func get(t *testing.T, url string, want int) string {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("GET %s: %s, %v, want %d: %s", url, resp.Status, err, want, b)
	}
	return string(b)
}

func mustLoad(t *testing.T, c *catalog, name string) tally {
	t.Helper()
	src, err := openSource(name, "")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	done, err := c.load(t.Context(), src, func(tally) {})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestImportSearchFacets(t *testing.T) {
	c, base, stop := startCatalog(t, t.TempDir())
	defer stop()
	if page := get(t, base+"/", 200); !strings.Contains(page, "Nothing here yet") {
		t.Errorf("empty catalog: %s", page)
	}
	if got := mustLoad(t, c, "testdata/status"); got != (tally{Added: 3}) {
		t.Fatalf("import: %v", got)
	}
	page := get(t, base+"/?q=tiny+editor", 200)
	for _, want := range []string{"2 items for", "tinyedit", "libtiny1", "editors", "4.0 MiB"} {
		if !strings.Contains(page, want) {
			t.Errorf("search page lacks %q: %s", want, page)
		}
	}
	if strings.Contains(page, "tiny-doc") {
		t.Errorf("tiny-doc does not match: %s", page)
	}
	page = get(t, base+"/items/tiny-doc:all", 200)
	if !strings.Contains(page, "manual of tinyedit &lt;with examples&gt;") || !strings.Contains(page, "2.0 GiB") || strings.Contains(page, `href="javascript`) {
		t.Errorf("item page: %s", page)
	}
	get(t, base+"/items/absent", 404)

	var out found
	if err := json.Unmarshal([]byte(get(t, base+"/search.json?q=tinyedit&section=editors", 200)), &out); err != nil {
		t.Fatal(err)
	}
	if out.Total != 1 || out.Data[0].Key != "tinyedit:amd64" {
		t.Errorf("%+v", out)
	}
	if got := fmt.Sprint(out.Facets["section"]); got != "[{doc 1} {editors 1}]" {
		t.Errorf("sections if another were chosen: %s", got)
	}
	if got := fmt.Sprint(out.Facets["architecture"]); got != "[{amd64 1}]" {
		t.Errorf("architectures: %s", got)
	}
	var list struct{ Total int }
	if err := json.Unmarshal([]byte(get(t, base+"/api/items?section=libs", 200)), &list); err != nil || list.Total != 1 {
		t.Errorf("REST: %+v, %v", list, err)
	}
}

func TestImportAgainIsSafe(t *testing.T) {
	dir := t.TempDir()
	c, _, stop := startCatalog(t, dir)
	mustLoad(t, c, "testdata/status")
	if got := mustLoad(t, c, "testdata/status"); got != (tally{Same: 3}) {
		t.Errorf("again: %v", got)
	}
	stop()

	b, err := os.ReadFile("testdata/status")
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "status")
	text := strings.Replace(string(b), "Version: 1.2-3", "Version: 1.3-1", 1) + "\nPackage: new\nArchitecture: all\n"
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, base, stop := startCatalog(t, dir)
	defer stop()
	if got := mustLoad(t, c, changed); got != (tally{Added: 1, Changed: 1, Same: 2}) {
		t.Errorf("changed file after a restart: %v", got)
	}
	if page := get(t, base+"/items/tinyedit:amd64", 200); !strings.Contains(page, "1.3-1") {
		t.Errorf("the change is not there: %s", page)
	}
}

func TestImportInBatchesKeepsWhatWasRead(t *testing.T) {
	c, base, stop := startCatalog(t, t.TempDir())
	defer stop()
	var b strings.Builder
	for i := range 3*batchSize + 7 {
		fmt.Fprintf(&b, "{\"id\":\"item-%05d\",\"category\":\"c%d\"}\n", i, i%3)
	}
	b.WriteString("{broken\n")
	name := filepath.Join(t.TempDir(), "items.ndjson")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := openSource(name, "")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	reports := 0
	done, err := c.load(t.Context(), src, func(tally) { reports++ })
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d", 3*batchSize+8)) {
		t.Errorf("the broken line: %v", err)
	}
	if done.Added != 3*batchSize || reports != 3 {
		t.Errorf("%v in %d reports; whole batches should be in", done, reports)
	}
	var out found
	if err := json.Unmarshal([]byte(get(t, base+"/search.json?page=3", 200)), &out); err != nil {
		t.Fatal(err)
	}
	if out.Total != 3*batchSize || len(out.Data) != perPage || out.Data[0].Key != "item-00040" {
		t.Errorf("page 3: total %d, %d items, first %+v", out.Total, len(out.Data), out.Data[0])
	}
}

func TestRankingPutsNamesFirst(t *testing.T) {
	var entries []entry
	for _, e := range []entry{{Name: "zlib-doc", Summary: "about gzip"}, {Name: "pigz", Summary: "parallel gzip"}, {Name: "gzip-win"}, {Name: "gzip"}, {Name: "libgzip"}} {
		e.lowerName, e.lowerText = e.Name, e.Name+"\n"+e.Summary
		entries = append(entries, e)
	}
	var names []string
	for _, e := range search(entries, request{Text: " GZIP ", Take: 10}).Data {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != "gzip gzip-win libgzip zlib-doc pigz" {
		t.Errorf("order: %s", got)
	}
	if got := search(entries, request{Skip: 10, Take: 10}); len(got.Data) != 0 || got.Total != 5 {
		t.Errorf("past the end: %+v", got)
	}
}

func TestProgress(t *testing.T) {
	var out strings.Builder
	now := time.Unix(0, 0)
	p := &progress{out: &out, now: func() time.Time { return now }, begin: now, shown: now}
	for i := range 12 { // a step a second: a line at 5 s, at 10 s and at the end
		now = now.Add(time.Second)
		p.step(int64(i+1), 12, 100*(i+1))
	}
	p.end()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || lines[0] != "import:  42%, 500 items, 100/s, 7s left" || !strings.HasPrefix(lines[2], "import: 100%, 1200 items") {
		t.Errorf("%q", lines)
	}
	out.Reset()
	p = &progress{out: &out, terminal: true, now: p.now, begin: now, shown: now}
	now = now.Add(time.Second)
	p.step(1, 2, 10)
	if !strings.HasPrefix(out.String(), "\rimport [███████████████░") {
		t.Errorf("%q", out.String())
	}
}

func TestOwnFlagsAreTakenOut(t *testing.T) {
	own := map[string]string{"file": "default", "format": ""}
	rest, err := takeFlags([]string{"-addr", "127.0.0.1:1", "-file", "a.csv", "--format=csv", "-log-level=warn"}, own)
	if err != nil || strings.Join(rest, " ") != "-addr 127.0.0.1:1 -log-level=warn" || own["file"] != "a.csv" || own["format"] != "csv" {
		t.Errorf("%v, %v, %v", rest, own, err)
	}
	if _, err := takeFlags([]string{"-file"}, own); err == nil {
		t.Error("a flag without a value is accepted")
	}
}

func TestMain(m *testing.M) { os.Exit(program.Main(m, main)) }

// TestProgram: the program imports the file that it is given while it serves, says how it went, and finds all as it was the next time.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []string{"2 items: 2 added, 0 changed, 0 as they were", "2 items: 0 added, 0 changed, 2 as they were"} {
		p := program.Start(t, "-addr", "127.0.0.1:0", "-data", dir, "-file", "testdata/books.csv")
		p.Await("imported testdata/books.csv: " + want)
		if page := get(t, p.URL+"/", 200); !strings.Contains(page, "The Log, and how to read it") {
			t.Errorf("the page: %s", page)
		}
		p.Stop()
	}
	p := program.Start(t, "-addr", "127.0.0.1:0", "-data", dir, "-file", "testdata/none.csv") // what was imported is served all the same
	p.Await("(what was imported before is served)")
	if list := get(t, p.URL+"/api/items", 200); !strings.Contains(list, `"total":2`) {
		t.Errorf("behind an import that failed: %s", list)
	}
	p.Stop()
	p = program.Start(t, "-addr", "127.0.0.1:0", "-data", dir, "-file", "none")
	p.Stop()
	if out := p.Output(); strings.Contains(out, "import") {
		t.Errorf("told to import nothing, it says %s", out)
	}
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"-file", "flag -file needs a value", 2},
		{"-h", "-format FORMAT", 0},
		{"-fly", "fly", 2},
	} {
		if code, out := program.Run(t, c.args); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("catalog %s: exit code %d, want %d with %q: %s", c.args, code, c.code, c.want, out)
		}
	}
}
