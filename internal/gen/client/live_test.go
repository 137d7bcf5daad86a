package client_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/internal/gen/client"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Article has a member of each kind.
type Article struct {
	ID        lithair.ID        `json:"id" lithair:"primary_key"`
	Slug      string            `json:"slug" lithair:"unique" http:"validate=length(1,80)"`
	Title     string            `json:"title" http:"validate=length(1,200)"`
	Views     int64             `json:"views" lithair:"indexed"`
	Rating    float64           `json:"rating"`
	Live      bool              `json:"live"`
	Note      *string           `json:"note"`
	Tags      []string          `json:"tags"`
	Meta      map[string]string `json:"meta"`
	Lines     []Line            `json:"lines"`
	From      string            `json:"from,omitempty"` // no name in Python
	CreatedAt time.Time         `json:"created_at" lithair:"created"`
}

// Line is inside another.
type Line struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// Page has a name that the clients need themselves, keys that have to be escaped, and integers
// that are large.
type Page struct {
	Path string `json:"path" lithair:"primary_key"`
	Hits uint64 `json:"hits"`
}

// Publish is the input of an operation, from everywhere.
type Publish struct {
	ID     lithair.ID `path:"id"`
	Dry    *bool      `query:"dry"`
	Tags   []string   `query:"tag"`
	Editor *string    `header:"X-Editor"`
	By     string     `json:"by" http:"validate=non_empty"`
}

// Published is its answer.
type Published struct {
	Article Article `json:"article"`
	Editor  string  `json:"editor"`
}

var errEmbargo = errors.New("there is an embargo")

// application is what the clients are of; calls counts those of an operation that cannot be
// repeated.
func application(t *testing.T, calls *atomic.Int64) *lithair.App {
	app := lithair.New(lithair.Config{Name: "press", Addr: "127.0.0.1:0", Dir: t.TempDir(), LogLevel: "error"})
	articles := lithair.Model[Article](app, "/api/articles")
	pages := lithair.Model[Page](app, "/api/all-pages")
	lithair.RouteTx(app, lithair.Route{Pattern: "POST /articles/{id}/publish", Name: "publish", Summary: "Publish an article.", Status: 201, Errors: []lithair.ErrorStatus{{Err: errEmbargo, Status: 423}}},
		func(tx *lithair.Tx, in Publish) (out Published, err error) {
			if in.By == "nobody" {
				return out, errEmbargo
			}
			a, err := articles.Get(tx, in.ID)
			if err != nil {
				return out, err
			}
			if a.Live, a.Tags = true, in.Tags; in.Editor != nil {
				out.Editor = *in.Editor
			}
			if out.Article = a; in.Dry != nil && *in.Dry {
				return out, nil
			}
			return out, articles.Put(tx, &a)
		})
	lithair.RouteView(app, lithair.Route{Pattern: "GET /articles/titles", Name: "titles"}, func(s *lithair.Snapshot, in struct {
		Least int64 `json:"least"`
	}) ([]string, error) {
		titles := []string{}
		for a, err := range articles.Scan(s) {
			if err != nil {
				return nil, err
			}
			if a.Views >= in.Least {
				titles = append(titles, a.Title)
			}
		}
		return titles, nil
	})
	lithair.RouteCall(app, lithair.Route{Pattern: "POST /ring", Name: "ring"}, func(context.Context, struct{}) (int64, error) { return calls.Add(1), nil })
	lithair.Command(app, "hit", func(tx *lithair.Tx, in struct {
		Path string `json:"path"`
	}) (Page, error) {
		p, err := pages.Get(tx, in.Path)
		if err != nil {
			return p, err
		}
		p.Hits++
		return p, pages.Put(tx, &p)
	})
	return app
}

// document is the description of that application.
func document(t *testing.T) []byte {
	t.Helper()
	doc, err := application(t, new(atomic.Int64)).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func generate(t *testing.T, language string) []byte {
	t.Helper()
	api, err := client.Read(document(t))
	if err != nil {
		t.Fatal(err)
	}
	source, err := api.Generate(language, "press")
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// proxy stands between client and server and does what the field X-Fault asks for: a step for
// each time that a request comes, told by its idempotency key, and the last step from then on.
type proxy struct {
	to      *httputil.ReverseProxy
	mu      sync.Mutex
	came    map[string]int
	lost    atomic.Int64
	indexed atomic.Int64 // reads with min_index
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("min_index") {
		p.indexed.Add(1)
	}
	fault := r.Header.Get("X-Fault")
	steps := strings.Fields(cmp.Or(fault, "pass"))
	request := fault + r.Header.Get("Idempotency-Key") + r.URL.Path
	p.mu.Lock()
	step := steps[min(p.came[request], len(steps)-1)]
	p.came[request]++
	p.mu.Unlock()
	switch step {
	case "lose": // carried out, and nobody hears of it
		p.to.ServeHTTP(&lost{http.Header{}}, r)
		p.lost.Add(1)
		panic(http.ErrAbortHandler)
	case "gateway": // carried out, and something in between gives up
		p.to.ServeHTTP(&lost{http.Header{}}, r)
		w.WriteHeader(502)
		return
	case "busy":
		w.Header().Set("Retry-After", "0")
		w.Header().Set("Lithair-Outcome", "none")
		w.WriteHeader(503)
		return
	case "limit":
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(429)
		return
	case "hang":
		if _, err := io.Copy(io.Discard, r.Body); err == nil { // the end of a connection is seen behind the body
			<-r.Context().Done()
		}
		return
	case "html":
		w.WriteHeader(403)
		_, _ = io.WriteString(w, "<html>forbidden</html>") // to a client that reads
		return
	}
	r.Header.Del("X-Fault")
	p.to.ServeHTTP(w, r)
}

// lost takes an answer that goes nowhere.
type lost struct{ h http.Header }

func (l *lost) Header() http.Header         { return l.h }
func (l *lost) Write(b []byte) (int, error) { return len(b), nil }
func (l *lost) WriteHeader(int)             {}

// scenario runs the same story by a client of each language; the last line that a program
// prints is what it counted: "checks 57".
func scenario(t *testing.T, command func(dir string) *exec.Cmd) (final string) {
	var calls atomic.Int64
	app := application(t, &calls)
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	server, err := url.Parse("http://" + app.Addr())
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: httputil.NewSingleHostReverseProxy(server), came: map[string]int{}}
	front := &http.Server{Handler: p, ErrorLog: nil}
	l := listen(t)
	go func() { _ = front.Serve(l) }() // ends by Close
	defer front.Close()
	dead := listen(t)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := command(t.TempDir())
	cmd.WaitDelay = 10 * time.Second // what go run has started has its output
	cmd.Env = append(os.Environ(), "PRESS=http://"+l.Addr().String(), "DEAD=http://"+dead.Addr().String())
	go func() {
		<-ctx.Done()
		if cmd.Process != nil {
			_ = cmd.Process.Kill() // it has ended, as a rule
		}
	}()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checks := regexp.MustCompile(`checks (\d+)\n$`).FindSubmatch(out)
	if checks == nil {
		t.Fatalf("no count of checks:\n%s", out)
	}
	if calls.Load() != 1 || p.lost.Load() < 2 || p.indexed.Load() < 2 {
		t.Errorf("%d calls of what cannot be repeated, %d answers lost, %d reads that ask for an index", calls.Load(), p.lost.Load(), p.indexed.Load())
	}
	t.Logf("%s checks, %d answers lost, %d reads with min_index", checks[1], p.lost.Load(), p.indexed.Load())
	res, err := http.Get(server.String() + "/api/articles?take=1000&sort=slug&fields=slug,title,views,rating,live,note,tags,meta,lines,from")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || len(b) < 1000 {
		t.Fatal(err, string(b))
	}
	return string(b)
}

// TestClientsAgainstServer has each client live through the same story, and compares what is
// in the end.
func TestClientsAgainstServer(t *testing.T) {
	story, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for _, c := range []struct {
		language, needs string
		command         func(dir string) *exec.Cmd
	}{
		{"js", "node", func(dir string) *exec.Cmd {
			put(t, dir, "press.mjs", generate(t, "js"))
			put(t, dir, "story.mjs", read(t, filepath.Join(story, "story.mjs")))
			return exec.Command("node", filepath.Join(dir, "story.mjs"))
		}},
		{"py", "python3", func(dir string) *exec.Cmd {
			put(t, dir, "press.py", generate(t, "py"))
			put(t, dir, "story.py", read(t, filepath.Join(story, "story.py")))
			return exec.Command("python3", "-W", "error", filepath.Join(dir, "story.py"))
		}},
		{"go", "go", func(dir string) *exec.Cmd {
			put(t, dir, "go.mod", []byte("module story\n\ngo 1.24\n"))
			put(t, dir, "press/press.go", generate(t, "go"))
			put(t, dir, "main.go", read(t, filepath.Join(story, "story.go.txt")))
			cmd := exec.Command("go", "run", "-vet=all", ".")
			cmd.Args = []string{"go", "run", "."}
			cmd.Dir = dir
			return cmd
		}},
	} {
		t.Run(c.language, func(t *testing.T) {
			if _, err := exec.LookPath(c.needs); err != nil {
				t.Skipf("NOT RUN: the client in %s is not tried, because there is no %s here", c.language, c.needs)
			}
			final := scenario(t, c.command)
			if first == "" {
				first = final
			}
			if final != first {
				t.Errorf("the end is another one than in the language before:\n%s\n%s", final, first)
			}
		})
	}
}

// TestTypes has the clients checked by the tools of their languages, where they are.
func TestTypes(t *testing.T) {
	for _, c := range []struct {
		language, variable, tool string
		files                    map[string][]byte
	}{
		{"ts", "LITHAIR_TSC", "tsc --noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --noUnusedLocals --noUnusedParameters --target es2022 --module nodenext --lib es2022,dom,dom.iterable story.ts",
			map[string][]byte{"press.ts": generate(t, "ts"), "story.ts": read(t, "testdata/types.ts"), "package.json": []byte(`{"type":"module"}`)}},
		{"py", "LITHAIR_MYPY", "mypy --strict story.py", map[string][]byte{"press.py": generate(t, "py"), "story.py": read(t, "testdata/types.py")}},
		{"go", "", "go vet ./...", map[string][]byte{"go.mod": []byte("module story\n\ngo 1.24\n"), "press/press.go": generate(t, "go"), "main.go": read(t, "testdata/story.go.txt")}},
	} {
		t.Run(c.language, func(t *testing.T) {
			words := strings.Fields(c.tool)
			if own := strings.Fields(os.Getenv(c.variable)); len(own) > 0 {
				words = append(own, words[1:]...)
			}
			if _, err := exec.LookPath(words[0]); err != nil {
				t.Skipf("NOT RUN: the types of the client in %s are not checked, because there is no %s here; $%s may say where", c.language, words[0], c.variable)
			}
			dir := t.TempDir()
			for name, text := range c.files {
				put(t, dir, name, text)
			}
			cmd := exec.Command(words[0], words[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", c.tool, err, out)
			}
		})
	}
}

func put(t *testing.T, dir, name string, text []byte) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, text, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
