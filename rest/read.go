package rest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// rendered is what a row's cache holds.
type rendered struct {
	body []byte
	etag string
}

// renderBuffers are what bodies are put together in: a record of 270 bytes of JSON costs
// one allocation of that size, and not three of 790 in all.
var renderBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// maxRenderBuffer is the largest buffer that is used again.
const maxRenderBuffer = 64 << 10

// render returns a row's JSON, from its cache where it is.
func (c *collection) render(row *state.Row) (*rendered, error) {
	if have, ok := row.Cached().(*rendered); ok {
		return have, nil
	}
	ptr := c.t.Codec().New()
	if err := c.t.Codec().Decode(row.Bytes(), ptr); err != nil {
		return nil, err
	}
	if c.t.Model().Seals() { // what is erased is not to be left in a cache or a buffer
		body, err := c.shape.append(nil, ptr)
		return &rendered{body: body, etag: etag(row)}, err
	}
	buf := renderBuffers.Get().(*[]byte)
	b, err := c.shape.append((*buf)[:0], ptr)
	if err != nil {
		return nil, err
	}
	made := &rendered{body: append(make([]byte, 0, len(b)), b...), etag: etag(row)} // it stays with the row: no room to spare
	if *buf = b; cap(b) <= maxRenderBuffer {
		renderBuffers.Put(buf)
	}
	row.SetCached(made)
	return made, nil
}

// etag is the strong entity tag of a record's version (RFC 9110 §8.8.3).
func etag(row *state.Row) string { return `"` + strconv.FormatUint(row.Seq(), 10) + `"` }

// ReadState returns the state that a read about records of t is to be made on: of the past with at, or as level, freshness and
// min_index ask in the query, as [Mount] has it. It sets Lithair-Index, and what fields go with them. It is for routes beside those of Mount.
//
// Errors: *[wire.Error].
func ReadState(w *wire.Response, r *wire.Request, e *engine.Engine, t *engine.Table, opt Options) (*state.Root, error) {
	if err := opt.defaults(); err != nil {
		return nil, err
	}
	c := &collection{e: e, t: t, opt: opt}
	root, err := c.root(w, r)
	if err != nil {
		return nil, ToError(err)
	}
	return root, w.SetHeader("Lithair-Index", strconv.FormatUint(root.Seq(), 10))
}

// root returns the state to read from, as level, freshness and min_index ask. What is asked
// for without a word is what the leader has: a node that follows asks it.
func (c *collection) root(w *wire.Response, r *wire.Request) (*state.Root, error) {
	if r.RawQuery() == "" {
		return c.level(w, r, "")
	}
	q := r.Query()
	if q.Err != nil {
		return nil, fault(CodeQuery, q.Err.Error())
	}
	if q.Has("at") {
		if c.t.Model().MemoryOnly {
			return nil, &query.Error{Field: "at", Problem: "has no meaning for " + c.t.Name() + ", which is kept in memory only: it has no past"}
		}
		for _, other := range []string{"level", "freshness", "freshness_strict", "min_index"} {
			if q.Has(other) {
				return nil, &query.Error{Field: other, Problem: "has no meaning together with at: the past does not change"}
			}
		}
		return c.at(r.Context(), q.Get("at"))
	}
	if err := strict(&q); err != nil {
		return nil, err
	}
	asked := ""
	if q.Has("level") {
		if asked = q.Get("level"); asked == "" {
			asked = "?"
		}
	}
	if asked == "" && (q.Has("min_index") || q.Has("freshness")) {
		asked = engine.None.String() // they say how old it may be
	}
	if q.Has("freshness") { // before the state is looked at: what comes in between makes it no older
		if err := c.fresh(w, q.Get("freshness")); err != nil {
			return nil, err
		}
	}
	root, err := c.level(w, r, asked)
	if err == nil && q.Has("min_index") {
		return c.atLeast(r.Context(), root, q.Get("min_index"))
	}
	return root, err
}

// level returns a root on which a read at that level is right, and tells the client which
// level it is.
func (c *collection) level(w *wire.Response, r *wire.Request, asked string) (*state.Root, error) {
	if asked == "" && !c.e.Follows() {
		return c.e.Root(), nil
	}
	level, ok := engine.Weak, true
	if asked != "" {
		level, ok = engine.ParseLevel(asked)
	}
	if !ok {
		return nil, &query.Error{Field: "level", Problem: "is none, weak, linearizable or strong"}
	}
	root, err := c.e.Barrier(r.Context(), level)
	if err != nil {
		return nil, err
	}
	return root, w.SetHeader("Lithair-Level", level.String())
}

// strict checks freshness_strict, by which others ask for what freshness always means here: how old the state is, and not only
// for how long nothing was heard.
func strict(q *wire.Query) error {
	switch v := q.Get("freshness_strict"); {
	case !q.Has("freshness_strict"):
	case !q.Has("freshness"):
		return &query.Error{Field: "freshness_strict", Problem: "has a meaning together with freshness alone"}
	case v != "" && v != "true" && v != "false":
		return &query.Error{Field: "freshness_strict", Problem: "is true or false"}
	}
	return nil
}

// fresh refuses a state that may be older than asked for.
func (c *collection) fresh(w *wire.Response, text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return &query.Error{Field: "freshness", Problem: "is a duration such as 1s"}
	}
	if c.opt.Age == nil {
		return nil // nobody else writes
	}
	age, known := c.opt.Age()
	switch {
	case !known:
		return fault(CodeStale, "this server has not heard of a leader yet")
	case age > d:
		return fault(CodeStale, "what this server has may be "+age.Round(time.Millisecond).String()+" old")
	}
	return w.SetHeader("Lithair-Age", strconv.FormatFloat(age.Seconds(), 'f', 3, 64))
}

// atLeast waits for a sequence.
func (c *collection) atLeast(ctx context.Context, root *state.Root, text string) (*state.Root, error) {
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, &query.Error{Field: "min_index", Problem: "is a whole number, as Lithair-Index has it"}
	}
	if root.Seq() >= seq {
		return root, nil
	}
	wait, cancel := context.WithTimeout(ctx, c.opt.IndexWait)
	defer cancel()
	root, err = c.e.Wait(wait, seq)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, fault(CodeIndex, "this server is at "+strconv.FormatUint(c.e.Root().Seq(), 10)+" and did not come to "+text+" in time")
	}
	return root, err
}

// onlyRead refuses query parameters that a single record does not know.
func onlyRead(r *wire.Request) error {
	if r.RawQuery() == "" {
		return nil
	}
	for _, p := range r.Query().Pairs {
		switch p[0] {
		case "at", "level", "freshness", "freshness_strict", "min_index":
		default:
			return &query.Error{Field: p[0], Problem: "has no meaning here", DidYouMean: model.Nearest(p[0], []string{"at", "level", "freshness", "min_index"})}
		}
	}
	return nil
}

func (c *collection) get(w *wire.Response, r *wire.Request) error {
	id := r.PathValue("id")
	p, err := c.opt.admit(r, Action{Verb: "read", Model: c.t.Name(), Key: id})
	if err != nil {
		return err
	}
	if err := onlyRead(r); err != nil {
		return err
	}
	root, err := c.root(w, r)
	if err != nil {
		return err
	}
	w.SetHeader("Lithair-Index", c.indexText(root.Seq()))
	row, err := c.readable(root, p, id)
	if err != nil {
		return err
	}
	if r.HasHeader("If-None-Match") || r.HasHeader("If-Match") {
		tag := etag(row)
		switch wire.CheckPreconditions(r, wire.Representation{ETag: tag}) {
		case 304:
			w.SetHeader("ETag", tag)
			w.Status(304)
			return nil
		case 412:
			e := fault(CodePrecondition, c.t.Name()+" "+strconv.Quote(id)+" has version "+tag)
			e.Header = append(e.Header, [2]string{"ETag", tag})
			return e
		}
	}
	body, err := c.render(row)
	if err != nil {
		return err
	}
	w.SetHeader("ETag", body.etag)
	return w.Send(200, "application/json", body.body)
}

// find looks a record up by the text of its id.
func (c *collection) find(r state.Reader, id string) (*state.Row, error) {
	key, err := c.t.Codec().ParseKey(id)
	if err != nil {
		return nil, err
	}
	if row := r.Get(c.t.Number(), key); row != nil {
		return row, nil
	}
	return nil, c.missing(id)
}

func (c *collection) missing(id string) error {
	return fault(CodeNotFound, "there is no "+c.t.Name()+" "+strconv.Quote(id))
}

// asked returns the state that a request for many records reads, and the query.
func (c *collection) asked(w *wire.Response, r *wire.Request, verb string) (*state.Root, *query.Query, error) {
	p, err := c.opt.admit(r, Action{Verb: verb, Model: c.t.Name()})
	if err != nil {
		return nil, nil, err
	}
	root, err := c.root(w, r)
	if err != nil {
		return nil, nil, err
	}
	w.SetHeader("Lithair-Index", c.indexText(root.Seq()))
	schema := c.schemaAt(root)
	q, err := query.Parse(c.t.Model(), schema, r.Query().Pairs, c.opt.Query)
	if err != nil {
		return nil, nil, err
	}
	rule, err := c.rule(p, schema)
	return root, q.And(rule), err
}

func (c *collection) list(w *wire.Response, r *wire.Request) error {
	root, q, err := c.asked(w, r, "list")
	if err != nil {
		return err
	}
	page, err := query.Run(q, Records(root, c.t.Number()))
	if err != nil {
		return err
	}
	w.SetHeader("Content-Type", "application/json")
	w.WriteString(`{"data":[`)
	for i, row := range page.Rows {
		if i > 0 {
			w.WriteString(",")
		}
		if err := c.writeRow(w, row, q.Fields); err != nil {
			return err
		}
	}
	b := strconv.AppendInt([]byte(`],"total":`), int64(page.Total), 10)
	b = strconv.AppendInt(append(b, `,"skip":`...), int64(q.Skip), 10)
	b = strconv.AppendInt(append(b, `,"take":`...), int64(q.Take), 10)
	b = strconv.AppendBool(append(b, `,"has_more":`...), page.HasMore)
	_, err = w.Write(append(b, '}'))
	return err
}

func (c *collection) writeRow(w *wire.Response, row *state.Row, fields []string) error {
	if fields == nil {
		body, err := c.render(row)
		if err == nil {
			_, err = w.Write(body.body)
		}
		return err
	}
	ptr := c.t.Codec().New()
	if err := c.t.Codec().Decode(row.Bytes(), ptr); err != nil {
		return err
	}
	b, err := c.shape.appendFields(nil, ptr, fields)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

func (c *collection) count(w *wire.Response, r *wire.Request) error {
	root, q, err := c.asked(w, r, "count")
	if err != nil {
		return err
	}
	n, err := query.Count(q, Records(root, c.t.Number()))
	if err != nil {
		return err
	}
	return w.Send(200, "application/json", append(strconv.AppendInt([]byte(`{"count":`), int64(n), 10), '}'))
}
