package lithair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/wire"
)

type note struct {
	ID   ID     `json:"id" lithair:"primary_key"`
	Text string `json:"text" http:"validate=non_empty"`
}

// quiet is a logger for applications whose log nobody reads.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// newApp is an application on a directory of the test, not started. Zero fields of cfg are
// filled in.
func newApp(t *testing.T, cfg Config) *App {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	cfg.Name = "test"
	return New(cfg)
}

func start(t *testing.T, a *App) {
	t.Helper()
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(a); err != nil {
			t.Error(err)
		}
	})
}

// stop is Shutdown with a bound, for cleanups too: its error says where it hangs.
func stop(a *App) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := a.Shutdown(ctx)
	if ctx.Err() != nil {
		err = fmt.Errorf("%w; goroutines:\n%s", err, goroutines())
	}
	return err
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func call(t *testing.T, a *App, method, path, body string, fields ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+a.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range fields {
		name, v, _ := strings.Cut(f, ": ")
		req.Header.Set(name, v)
	}
	res, err := httpClient.Do(req)
	if os.IsTimeout(err) {
		t.Fatalf("%v; goroutines:\n%s", err, goroutines())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(b)}
}

// heldFS holds every Open back until it is released.
type heldFS struct {
	disk.FS
	release chan struct{}
}

func (h heldFS) Open(name string, how disk.Mode) (disk.File, error) {
	<-h.release
	return h.FS.Open(name, how)
}

func TestRequestsWaitForTheStart(t *testing.T) {
	held := heldFS{disk.NewSim(1), make(chan struct{})}
	a := newApp(t, Config{Dir: "data", FS: held})
	Model[note](a, "/api/notes")
	started := make(chan error, 1)
	go func() { started <- a.Start(t.Context()) }()
	await(t, "the application listens", func() bool { return a.Addr() != "" })
	if got := call(t, a, "GET", "/health", ""); got.StatusCode != 200 {
		t.Errorf("/health while starting: %d", got.StatusCode)
	}
	if got := call(t, a, "GET", "/ready?verbose", ""); got.StatusCode != 503 || !strings.Contains(got.body, "[-]replayed failed") {
		t.Errorf("/ready while starting: %d %s", got.StatusCode, got.body)
	}
	if got := call(t, a, "GET", "/info", ""); !strings.Contains(got.body, `"starting"`) {
		t.Errorf("/info while starting: %s", got.body)
	}
	select {
	case <-a.Started():
		t.Error("Started before the log is replayed")
	default:
	}
	got := make(chan answer, 1)
	go func() {
		defer close(got) // though it fails
		got <- call(t, a, "GET", "/api/notes", "")
	}()
	close(held.release)
	if r := receive(t, "the answer to a request made while starting", got); r.StatusCode != 200 {
		t.Errorf("a request made while starting: %d %s", r.StatusCode, r.body)
	}
	if err := receive(t, "the end of Start", started); err != nil {
		t.Fatal(err)
	}
	closed(t, "the start", a.Started())
	if got := call(t, a, "GET", "/ready", ""); got.StatusCode != 200 {
		t.Errorf("/ready: %d %s", got.StatusCode, got.body)
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRequestsDoNotWaitForeverForTheStart(t *testing.T) {
	held := heldFS{disk.NewSim(1), make(chan struct{})}
	a := newApp(t, Config{Dir: "data", FS: held, RequestTimeout: 10 * time.Millisecond})
	Model[note](a, "/api/notes")
	started := make(chan error, 1)
	go func() { started <- a.Start(t.Context()) }()
	await(t, "the application listens", func() bool { return a.Addr() != "" })
	got := call(t, a, "GET", "/api/notes", "")
	if got.StatusCode != 503 || got.Header.Get("Retry-After") == "" || !strings.Contains(got.body, "LTH1028") {
		t.Errorf("%d %v %s", got.StatusCode, got.Header, got.body)
	}
	close(held.release)
	if err := receive(t, "the end of Start", started); err != nil {
		t.Fatal(err)
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRequestTimeoutEndsTheContext(t *testing.T) {
	a := newApp(t, Config{RequestTimeout: 20 * time.Millisecond})
	notes := Model[note](a, "")
	a.Get("/wait", func(w *wire.Response, r *wire.Request) error {
		<-r.Context().Done()
		return r.Context().Err()
	})
	a.Get("/late", func(w *wire.Response, r *wire.Request) error {
		<-r.Context().Done()
		return a.Update(r.Context(), func(tx *Tx) error { return notes.Insert(tx, &note{Text: "late"}) })
	})
	a.Get("/quick", func(w *wire.Response, r *wire.Request) error {
		if _, ok := r.Context().Deadline(); !ok {
			t.Error("no deadline")
		}
		return r.Context().Err()
	})
	start(t, a)
	for _, path := range []string{"/wait", "/late"} {
		if got := call(t, a, "GET", path, ""); got.StatusCode != 503 || !strings.Contains(got.body, "LTH1032") {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
	if got := call(t, a, "GET", "/quick", ""); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	a.View(func(s *Snapshot) error {
		if n := notes.Len(s); n != 0 {
			t.Errorf("%d records of a transaction that came too late", n)
		}
		return nil
	})
}

func TestTransactionsCarryTheirRequest(t *testing.T) {
	const parent, trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"
	a := newApp(t, Config{})
	notes := Model[note](a, "/api/notes")
	rename := Command(a, "rename", func(tx *Tx, in string) (string, error) {
		return tx.Actor() + " " + tx.RequestID(), notes.Insert(tx, &note{Text: in})
	})
	a.Authenticate(func(r *wire.Request) (Principal, error) { return Principal{ID: r.Header("X-User")}, nil })
	a.Post("/update", func(w *wire.Response, r *wire.Request) error {
		if got := PrincipalOf(r.Context()).ID; got != "ada" {
			t.Errorf("the principal is %q", got)
		}
		return a.Update(r.Context(), func(tx *Tx) error { return notes.Insert(tx, &note{Text: "u"}) })
	})
	a.Post("/run", func(w *wire.Response, r *wire.Request) error {
		out, err := rename.Run(r.Context(), "r")
		if err == nil && out != "ada run-1" {
			t.Errorf("a command sees %q", out)
		}
		return err
	})
	var mu sync.Mutex
	seen := map[string][3]string{}
	done := make(chan struct{})
	if a.Committed("watch", func(_ context.Context, e Entry) error {
		mu.Lock()
		defer mu.Unlock()
		for _, tx := range e.Txs {
			if tx.RequestID != "" {
				seen[tx.RequestID] = [3]string{tx.Actor, tx.TraceID, tx.Command}
			}
		}
		if len(seen) == 4 {
			close(done)
		}
		return nil
	}); len(a.errs) > 0 {
		t.Fatal(a.errs)
	}
	start(t, a)
	for _, c := range [][3]string{{"/update", "", "up-1"}, {"/run", "", "run-1"}, {"/api/notes", `{"text":"x"}`, "rest-1"}, {"/api/_command/rename", `"y"`, "cmd-1"}} {
		if got := call(t, a, "POST", c[0], c[1], "X-User: ada", "Traceparent: "+parent, "X-Request-Id: "+c[2]); got.StatusCode >= 300 {
			t.Fatalf("%s: %d %s", c[0], got.StatusCode, got.body)
		}
	}
	closed(t, "the hook has seen all four", done)
	for id, command := range map[string]string{"up-1": "", "run-1": "rename", "rest-1": "note.create", "cmd-1": "rename"} {
		if want := [3]string{"ada", trace, command}; seen[id] != want {
			t.Errorf("%s: %q, want %q", id, seen[id], want)
		}
	}
}

func TestPrincipalsEnd(t *testing.T) {
	gone := make(chan struct{})
	close(gone)
	for name, c := range map[string]struct {
		p    Principal
		want int
	}{
		"valid":   {Principal{ID: "a", Expiry: time.Now().Add(time.Hour), Revoked: make(chan struct{})}, 200},
		"expired": {Principal{ID: "a", Expiry: time.Now().Add(-time.Second)}, 401},
		"revoked": {Principal{ID: "a", Revoked: gone}, 401},
	} {
		a := newApp(t, Config{})
		Model[note](a, "/api/notes")
		a.Authenticate(func(*wire.Request) (Principal, error) { return c.p, nil })
		a.Get("/own", func(w *wire.Response, r *wire.Request) error { return nil })
		start(t, a)
		for _, path := range []string{"/api/notes", "/own"} {
			if got := call(t, a, "GET", path, ""); got.StatusCode != c.want {
				t.Errorf("%s %s: %d, want %d", name, path, got.StatusCode, c.want)
			}
		}
	}
}

func TestGuardStandsBeforeEverything(t *testing.T) {
	a := newApp(t, Config{})
	Model[note](a, "/api/notes")
	Command(a, "cmd", func(tx *Tx, in struct{}) (int, error) { return 1, nil })
	a.Get("/own", func(w *wire.Response, r *wire.Request) error { return nil })
	a.Authorize(func(p Principal, act Action) error { return errors.New("no") })
	start(t, a)
	for _, c := range [][3]string{{"GET", "/api/notes", ""}, {"GET", "/api/notes/count", ""}, {"GET", "/api/notes/x", ""}, {"POST", "/api/notes", `{"text":"x"}`}, {"PUT", "/api/notes/x", "{}"}, {"PATCH", "/api/notes/x", "{}"},
		{"DELETE", "/api/notes/x", ""}, {"POST", "/api/notes/_bulk", "[]"}, {"POST", "/api/_tx", "[]"}, {"POST", "/api/_command/cmd", "{}"}, {"GET", "/own", ""}} {
		if got := call(t, a, c[0], c[1], c[2]); got.StatusCode != 403 || strings.Contains(got.body, `"no"`) {
			t.Errorf("%s %s: %d %s", c[0], c[1], got.StatusCode, got.body)
		}
	}
}

func TestUseLeavesOperationsAlone(t *testing.T) {
	a := newApp(t, Config{})
	Model[note](a, "/api/notes")
	a.Use(func(wire.Handler) wire.Handler {
		return func(*wire.Response, *wire.Request) error { return &wire.Error{Status: 418} }
	})
	a.Get("/observe/own", func(w *wire.Response, r *wire.Request) error { return nil })
	start(t, a)
	for path, want := range map[string]int{"/health": 200, "/readyz": 200, "/observe/metrics": 200, "/api/notes": 418, "/nowhere": 418, "/observe/own": 418} {
		if got := call(t, a, "GET", path, ""); got.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, got.StatusCode, want)
		}
	}
}

func TestAnApplicationMayHaveNoModels(t *testing.T) {
	a := newApp(t, Config{})
	a.Get("/hello/{name}", func(w *wire.Response, r *wire.Request) error {
		return w.Send(200, "text/plain", []byte("hello "+r.PathValue("name")))
	})
	start(t, a)
	if got := call(t, a, "GET", "/hello/you", ""); got.body != "hello you" {
		t.Error(got.body)
	}
	if got := call(t, a, "POST", "/api/_tx", "[]"); got.StatusCode != 404 {
		t.Error(got.StatusCode)
	}
}

func TestEveryAnswerHasAnIndex(t *testing.T) {
	a := newApp(t, Config{})
	Model[note](a, "/api/notes")
	start(t, a)
	for _, c := range [][3]string{{"GET", "/api/notes", ""}, {"POST", "/api/notes", `{"text":"x"}`}, {"POST", "/api/notes", `{`}, {"PATCH", "/api/notes", `{}`}, {"GET", "/api/notes/x", ""}, {"GET", "/api/notes/x/y", ""}, {"POST", "/api/_tx", "{}"}} {
		if got := call(t, a, c[0], c[1], c[2]); got.Header.Get("Lithair-Index") == "" {
			t.Errorf("%s %s: %d without Lithair-Index", c[0], c[1], got.StatusCode)
		}
	}
}

// TestReadyWhereTheLogFindsNoRoom: where more is free than what is little for any application, but not the log's next segment, writes are
// refused and the application says that it is not ready, until there is room: nobody may write before that.
func TestReadyWhereTheLogFindsNoRoom(t *testing.T) {
	const segment = 2 * lowDisk
	sim := disk.NewSim(5)
	a := newApp(t, Config{Dir: "data", FS: sim})
	a.segmentBytes = segment
	Model[note](a, "/api/notes")
	start(t, a)
	sim.SetCapacity(sim.Used() + segment - 1<<20)
	write := func(bytes int) int {
		return call(t, a, "POST", "/api/notes", `{"text":"`+strings.Repeat("x", bytes)+`"}`).StatusCode
	}
	ready := func() answer { return call(t, a, "GET", "/ready?verbose", "") }
	status, written := 201, 0
	for ; status == 201; written += 2 << 20 {
		if got := ready(); got.StatusCode != 200 {
			t.Fatalf("behind %d bytes: %s", written, got.body)
		}
		status = write(2 << 20)
	}
	if status != 507 || written < segment {
		t.Fatalf("%d behind %d bytes", status, written)
	}
	if free, err := sim.Free("data"); err != nil || free < lowDisk {
		t.Fatalf("%d bytes are free, %v: this tests nothing", free, err)
	}
	if got := ready(); got.StatusCode != 503 || !strings.Contains(got.body, "[-]disk") || !strings.Contains(got.body, fmt.Sprint(segment)) {
		t.Errorf("writes are refused: %d %s", got.StatusCode, got.body)
	}
	sim.SetCapacity(sim.Used() + 4*segment)
	if got := ready(); got.StatusCode != 200 {
		t.Errorf("with room again: %s", got.body)
	}
	if got := write(1); got != 201 {
		t.Errorf("a write with room again: %d", got)
	}
}

func TestAFullDiskRefusesWritesAndNothingElse(t *testing.T) {
	sim := disk.NewSim(3)
	a := newApp(t, Config{Dir: "data", FS: sim})
	Model[note](a, "/api/notes")
	start(t, a)
	if got := call(t, a, "POST", "/api/notes", `{"text":"before"}`); got.StatusCode != 201 {
		t.Fatal(got.StatusCode, got.body)
	}
	sim.Hook(func(op disk.Op, name string) error {
		if op == disk.OpWrite && strings.Contains(name, "log") {
			return syscall.ENOSPC
		}
		return nil
	})
	if got := call(t, a, "POST", "/api/notes", `{"text":"full"}`); got.StatusCode != 507 || !strings.Contains(got.body, "LTH1031") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := call(t, a, "GET", "/api/notes/count", ""); got.body != `{"count":1}` {
		t.Errorf("reads: %s", got.body)
	}
	sim.Hook(nil)
	if got := call(t, a, "POST", "/api/notes", `{"text":"after"}`); got.StatusCode != 201 {
		t.Errorf("with room again: %d %s", got.StatusCode, got.body)
	}
	if got := call(t, a, "GET", "/api/notes/count", ""); got.body != `{"count":2}` {
		t.Errorf("in the end: %s", got.body)
	}
}
