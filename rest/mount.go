package rest

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// Options say how models are served. Zero values take the defaults.
type Options struct {
	Query        query.Options
	MaxBodyBytes int64         // of one request; default: the server's limit; 413
	MaxOps       int           // operations of _bulk and _tx; default 10,000; 413
	IndexWait    time.Duration // how long min_index may wait; default 1 s; 412
	Guard        Guard         // nil: everybody may do everything
	Readable     *ReadRule     // which records somebody may read; nil: all

	// Age says how old the state of this node may be, for freshness; false when nobody
	// knows. nil: it is never old.
	Age func() (time.Duration, bool)
}

func (o *Options) defaults() error {
	if o.MaxBodyBytes < 0 || o.MaxOps < 0 || o.IndexWait < 0 {
		return errors.New("rest: Options: MaxBodyBytes, MaxOps and IndexWait cannot be negative")
	}
	if o.MaxOps == 0 {
		o.MaxOps = 10_000
	}
	if o.IndexWait == 0 {
		o.IndexWait = time.Second
	}
	return nil
}

// collection is one mounted model.
type collection struct {
	e     *engine.Engine
	t     *engine.Table
	base  string
	opt   Options
	shape *shape
	index atomic.Pointer[indexText]
}

// indexText is a sequence with its text, kept because it is asked for on every answer.
type indexText struct {
	seq  uint64
	text string
}

// route is a pattern with its handler.
type route struct {
	pattern string
	h       wire.Handler
}

// Mount registers all routes of a model below base, such as "/api/articles". The engine
// may be started later; until then requests are answered with 503.
func Mount(r *wire.Router, e *engine.Engine, t *engine.Table, base string, opt Options) error {
	if !strings.HasPrefix(base, "/") || strings.HasSuffix(base, "/") {
		return fmt.Errorf("rest: the path of %s must begin with / and not end with it, not %q", t.Name(), base)
	}
	if err := opt.defaults(); err != nil {
		return err
	}
	c := &collection{e: e, t: t, base: base, opt: opt, shape: newShape(t.Model())}
	routes := []route{
		{"GET " + base, c.list}, {"GET " + base + "/count", c.count}, {"GET " + base + "/{id}", c.get},
		{"POST " + base, c.create}, {"POST " + base + "/_bulk", c.bulk}, {"PUT " + base + "/{id}", c.put},
		{"PATCH " + base + "/{id}", c.patch}, {"DELETE " + base + "/{id}", c.delete},
	}
	if !t.Model().MemoryOnly { // what has no past has no history
		routes = append(routes, route{"GET " + base + "/{id}/history", c.history}, route{"GET " + base + "/{id}/blame", c.blame})
	}
	for _, route := range routes {
		if err := r.Handle(route.pattern, c.wrap(route.h)); err != nil {
			return err
		}
	}
	return nil
}

// wrap sees to it that every error has a code and every answer an index.
func (c *collection) wrap(h wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		if c.t.Codec() == nil {
			if err := c.e.Declared(r.Context()); err != nil {
				return ToError(err)
			}
		}
		if c.t.Codec() == nil {
			return fault(CodeUnavailable, "this server cannot serve "+c.t.Name()+" now: it is not fed yet, or the program of the node that leads has it otherwise")
		}
		err := h(w, r)
		if err == nil {
			return nil
		}
		e := ToError(err)
		if w.HeaderValue("Lithair-Index") == "" {
			e.Header = append(e.Header, [2]string{"Lithair-Index", c.indexText(c.e.Root().Seq())})
		}
		return e
	}
}

func (c *collection) indexText(seq uint64) string {
	if have := c.index.Load(); have != nil && have.seq == seq {
		return have.text
	}
	text := strconv.FormatUint(seq, 10)
	c.index.Store(&indexText{seq, text})
	return text
}

// source is a model's records as package query wants them.
type source struct {
	r      state.Reader
	number uint32
}

// Records returns one model's records for query.Run. r must not change meanwhile.
func Records(r state.Reader, number uint32) query.Source[*state.Row] { return source{r, number} }

func (s source) Len() int { return s.r.Len(s.number) }

func (s source) Get(key string) (*state.Row, bool) {
	row := s.r.Get(s.number, key)
	return row, row != nil
}

func (s source) Scan(r query.Range) iter.Seq2[string, *state.Row] {
	return s.r.Scan(s.number, state.Range(r))
}

func (s source) ScanIndex(field uint32, r query.Range) iter.Seq2[string, *state.Row] {
	return s.r.ScanIndex(s.number, field, state.Range(r))
}

func (s source) CountIndex(field uint32, r query.Range) int {
	return s.r.CountIndex(s.number, field, state.Range(r))
}

func (s source) Unique(field uint32, value string) (string, bool) {
	return s.r.Unique(s.number, field, value)
}
