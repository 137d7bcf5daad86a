package lithair

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// requestContext is the context of a request: its deadline, and what a transaction
// started on its behalf is marked with in the log. The timer behind the deadline is made
// only when somebody waits for it, since most requests end without.
type requestContext struct {
	context.Context
	deadline  time.Time
	requestID string
	traceID   string

	mu        sync.Mutex
	principal Principal       // set by the guard
	timed     context.Context // nil until Done is called
	cancel    context.CancelFunc
}

// Deadline implements context.Context.
func (c *requestContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.Context, c.deadline)
	}
	return c.timed.Done()
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.timed != nil:
		return c.timed.Err()
	case c.Context.Err() != nil:
		return c.Context.Err()
	case !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// originKey finds the requestContext in contexts derived from it.
type originKey struct{}

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	if key == (originKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// end releases the timer, if there is one; who still holds the context sees it cancelled.
func (c *requestContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *requestContext) setPrincipal(p Principal) {
	c.mu.Lock()
	c.principal = p
	c.mu.Unlock()
}

// PrincipalOf returns who the request is for to which ctx belongs, as Authenticate said;
// the zero Principal elsewhere, and where nobody is asked.
func PrincipalOf(ctx context.Context) Principal {
	c, ok := ctx.Value(originKey{}).(*requestContext)
	if !ok {
		return Principal{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.principal
}

// onBehalf marks a command with the request it belongs to.
func onBehalf(ctx context.Context, cmd engine.Command) engine.Command {
	if c, ok := ctx.Value(originKey{}).(*requestContext); ok {
		cmd.Actor, cmd.RequestID, cmd.TraceID = PrincipalOf(ctx).ID, c.requestID, c.traceID
	}
	return cmd
}

// errStarting is what a request gets that waited for the start in vain.
var errStarting = errors.New("lithair: the application is starting")

// gate gives every request its context and a deadline, and lets it wait while the log is
// replayed; operations endpoints answer at once.
func (a *App) gate(next wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		c := &requestContext{Context: r.Context(), deadline: time.Now().Add(a.timeout(r)), requestID: r.ID(), traceID: rest.TraceID(r)}
		defer c.end()
		r.SetContext(c)
		err, here := a.await(c, r), true
		member := a.cluster.Load()
		if err == nil && member != nil {
			here, err = a.enter(w, r, member)
		}
		if err == nil && here {
			err = next(w, r)
		}
		if err == nil {
			return nil
		}
		e := rest.ToError(err)
		if member != nil {
			e = outcome(e)
		}
		if e.Status == 500 {
			a.logFailure(r, err)
		}
		return a.withIndex(w, e)
	}
}

// timeout is how long a request may take: as long as the client waits, where another node
// hands it on.
func (a *App) timeout(r *wire.Request) time.Duration {
	if r.Context().Value(hopKey{}) != nil {
		if s, err := strconv.ParseFloat(r.Header(fieldTimeout), 64); err == nil && s >= 0 {
			return min(a.cfg.RequestTimeout, time.Duration(s*float64(time.Second)))
		}
	}
	return a.cfg.RequestTimeout
}

// isOperation says whether a path is one of the operations endpoints.
func isOperation(path string) bool {
	switch path {
	case "/health", "/livez", "/ready", "/readyz", "/status", "/info", "/metrics", "/observe/metrics":
		return true
	}
	return strings.HasPrefix(path, "/observe/perf/")
}

// await waits for the start, where the request needs that.
func (a *App) await(ctx context.Context, r *wire.Request) error {
	if a.ready.Load() || isOperation(r.RawPath()) {
		return nil
	}
	select {
	case <-a.opened:
		return nil
	case <-ctx.Done():
		return &wire.Error{Status: 503, Code: rest.CodeUnavailable.Code, Title: rest.CodeUnavailable.Title,
			Detail: "the server is starting", Header: [][2]string{{"Retry-After", "1"}}, Err: errStarting}
	}
}

// logFailure tells the log what the client is not told.
func (a *App) logFailure(r *wire.Request, err error) {
	attrs := []any{"request_id", r.ID(), "method", r.Method(), "path", r.Path(), "error", err}
	var broke *engine.PanicError
	if errors.As(err, &broke) {
		attrs = append(attrs, "stack", string(broke.Stack))
	}
	a.log.Error("a request failed", attrs...)
}

// withIndex sees to it that errors from outside the models, 404 and 405, carry the
// sequence as well.
func (a *App) withIndex(w *wire.Response, e *wire.Error) *wire.Error {
	const name = "Lithair-Index"
	if w.HeaderValue(name) != "" {
		return e
	}
	for _, h := range e.Header {
		if strings.EqualFold(h[0], name) {
			return e
		}
	}
	e.Header = append(e.Header, [2]string{name, strconv.FormatUint(a.engine.Root().Seq(), 10)})
	return e
}
