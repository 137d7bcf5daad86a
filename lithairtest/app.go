package lithairtest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// Make makes an application that is not started, with all it serves.
type Make func(cfg lithair.Config) *lithair.App

// Options say how an application is started. The zero value is in memory, without a port, on a
// clock that begins at [Epoch].
type Options struct {
	Dir       string                // data directory; default: none, all is in memory
	Port      bool                  // listen on a free port of loopback
	RealClock bool                  // take the machine's time
	Log       bool                  // write the application's log to the test's
	Configure func(*lithair.Config) // changes anything else
}

// Epoch is where clocks begin: 2026-01-02 03:04:05 UTC.
var Epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Clock is a clock that stands still unless it is set. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance lets time pass. What becomes due is done by the application by itself, or with the
// next transaction.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// App is an application that runs, until the test ends.
type App struct {
	*lithair.App
	Clock *Clock // nil with Options.RealClock
	URL   string // with Options.Port: where it answers, such as http://127.0.0.1:40123

	t      testing.TB
	create Make
	cfg    lithair.Config
	client *wire.Client
	socket string // "" with a port
}

// Start starts an application and stops it when the test ends.
func Start(t testing.TB, create Make, o Options) *App {
	t.Helper()
	a := prepare(t, create, o)
	a.begin()
	return a
}

// prepare fills in the configuration.
func prepare(t testing.TB, create Make, o Options) *App {
	a := &App{t: t, create: create, cfg: lithair.Config{Dir: o.Dir, Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}}
	if o.Dir == "" {
		a.cfg.Dir, a.cfg.FS = "data", disk.NewSim(1)
	}
	if o.Log {
		a.cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if !o.RealClock {
		a.Clock = &Clock{now: Epoch}
		a.cfg.Clock = a.Clock.Now
	}
	if !o.Port {
		a.socket = socketPath(t)
	}
	if o.Configure != nil {
		o.Configure(&a.cfg)
	}
	t.Cleanup(a.Stop)
	return a
}

// socketPath is short enough for a socket, which the test's own folder need not be.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "lt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "s")
}

// begin makes the application and starts it.
func (a *App) begin() {
	a.t.Helper()
	network, at := "tcp", a.cfg.Addr
	if a.socket != "" {
		network, at = "unix", a.socket
		l, err := net.Listen(network, at)
		if err != nil {
			a.t.Fatal(err)
		}
		a.cfg.Listener = l
	}
	made := a.create(a.cfg)
	if err := made.Start(context.WithoutCancel(a.t.Context())); err != nil {
		a.t.Fatal(err)
	}
	a.App = made
	if a.socket == "" {
		at = made.Addr()
		a.URL = "http://" + at
	}
	client, err := wire.NewClient(wire.ClientConfig{MaxRedirects: -1, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at)
	}})
	if err != nil {
		a.t.Fatal(err)
	}
	a.client = client
}

// Stop stops the application, in an orderly way. Start and Restart begin again where it was.
func (a *App) Stop() {
	a.t.Helper()
	if a.App == nil {
		return
	}
	app := a.App
	a.App = nil
	if err := a.client.Close(); err != nil {
		a.t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := app.Shutdown(ctx); err != nil {
		a.t.Error(err)
	}
}

// Restart stops the application and starts it again, on the same data.
func (a *App) Restart() {
	a.t.Helper()
	a.Stop()
	a.begin()
}

// Answer is a response with its body read.
type Answer struct {
	Status int
	Body   string

	t      testing.TB
	header func(name string) string
	what   string // of the request, for messages
}

// Do sends a request: a body goes as JSON where no field says otherwise; fields are names and
// values in turn.
func (a *App) Do(method, path, body string, fields ...string) *Answer {
	a.t.Helper()
	q := &wire.ClientRequest{Method: method, URL: "http://lithairtest" + path}
	if body != "" {
		q.Body = strings.NewReader(body)
		if !named(fields, "Content-Type") {
			fields = append([]string{"Content-Type", "application/json"}, fields...)
		}
	}
	if len(fields)%2 != 0 {
		a.t.Fatalf("%s %s: fields are names and values in turn, and there are %d", method, path, len(fields))
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header = append(q.Header, [2]string{fields[i], fields[i+1]})
	}
	res, err := a.client.Do(a.t.Context(), q)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Close()
	b, err := io.ReadAll(res.Body())
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &Answer{Status: res.StatusCode(), Body: string(b), t: a.t, header: res.Header, what: method + " " + path}
}

func named(fields []string, name string) bool {
	for i := 0; i < len(fields); i += 2 {
		if strings.EqualFold(fields[i], name) {
			return true
		}
	}
	return false
}

// Want is Do with what the answer must be: its status, and texts in its body.
func (a *App) Want(method, path, body string, status int, contains ...string) *Answer {
	a.t.Helper()
	got := a.Do(method, path, body)
	if got.Status != status {
		a.t.Errorf("%s: status %d, want %d: %s", got.what, got.Status, status, got.Body)
	}
	for _, text := range contains {
		if !strings.Contains(got.Body, text) {
			a.t.Errorf("%s: %q is not in %s", got.what, text, got.Body)
		}
	}
	return got
}

// Header returns the first field of that name; "" when there is none.
func (r *Answer) Header(name string) string { return r.header(name) }

// JSON reads the body into v.
func (r *Answer) JSON(v any) {
	r.t.Helper()
	if err := jsonx.Unmarshal([]byte(r.Body), v); err != nil {
		r.t.Fatalf("%s: %v: %s", r.what, err, r.Body)
	}
}
