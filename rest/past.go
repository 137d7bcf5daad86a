package rest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// at returns the state that the parameter at names: a sequence, as Lithair-Index has it,
// or a time (RFC 3339), then the newest state at that moment.
func (c *collection) at(ctx context.Context, text string) (*state.Root, error) {
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		when, bad := time.Parse(time.RFC3339Nano, text)
		if bad != nil {
			return nil, &query.Error{Field: "at", Problem: "is an index, as Lithair-Index has it, or a time such as 2006-01-02T15:04:05Z"}
		}
		if seq, err = c.e.SeqAt(ctx, when); err != nil {
			return nil, c.pastError(text, err)
		}
	}
	root, err := c.e.At(ctx, seq)
	if err != nil {
		return nil, c.pastError(text, err)
	}
	return root, nil
}

func (c *collection) pastError(text string, err error) error {
	var gone *engine.GoneError
	switch {
	case errors.Is(err, engine.ErrFuture):
		return fault(CodeIndex, "this server is at "+strconv.FormatUint(c.e.Root().Seq(), 10)+", "+text+" has not come yet")
	case errors.As(err, &gone):
		e := fault(CodeGone, "what was at "+text+" can no longer be read; the oldest index is "+strconv.FormatUint(gone.Oldest, 10))
		e.Extra, e.Err = &Problem{Oldest: &gone.Oldest}, err
		return e
	}
	return err
}

// schemaAt returns the declaration to read a root with: its own, since indexes may have
// come later; the newest when the model was not declared then, and nothing is there.
func (c *collection) schemaAt(root *state.Root) *model.Schema {
	if s := root.Schema(c.t.Number()); s != nil {
		return s
	}
	return c.t.Schema()
}

// maxHistory is how many versions one answer holds at most; take asks for fewer.
const maxHistory = 1000

// historyQuery reads take and before.
func historyQuery(r *wire.Request) (before uint64, take int, err error) {
	take = 50
	if r.RawQuery() == "" {
		return 0, take, nil
	}
	q := r.Query()
	if q.Err != nil {
		return 0, 0, fault(CodeQuery, q.Err.Error())
	}
	for _, p := range q.Pairs {
		switch p[0] {
		case "take":
			n, err := strconv.ParseUint(p[1], 10, 31)
			if err != nil || n == 0 {
				return 0, 0, &query.Error{Field: "take", Problem: "must be a whole number from 1"}
			}
			take = min(int(n), maxHistory)
		case "before":
			if before, err = strconv.ParseUint(p[1], 10, 64); err != nil || before == 0 {
				return 0, 0, &query.Error{Field: "before", Problem: "must be an index, as the versions have it"}
			}
		default:
			return 0, 0, &query.Error{Field: p[0], Problem: "has no meaning here", DidYouMean: model.Nearest(p[0], []string{"take", "before"})}
		}
	}
	return before, take, nil
}

// history answers with the versions of a record, newest first:
//
//	{"data":[{"index":9,"time":"...","actor":"...","command":"...","request_id":"...",
//	  "kind":"updated","changed":["title"],"record":{...}}],"has_more":false,"complete":true}
//
// Where the application has a name for what happened, "events" has [{"name","payload"}...].
// complete is false when the log before the oldest snapshot is gone. A record that was
// deleted has a history, too.
func (c *collection) history(w *wire.Response, r *wire.Request) error {
	id := r.PathValue("id")
	p, err := c.opt.admit(r, Action{Verb: "history", Model: c.t.Name(), Key: id})
	if err != nil {
		return err
	}
	before, take, err := historyQuery(r)
	if err != nil {
		return err
	}
	key, err := c.t.Codec().ParseKey(id)
	if err != nil {
		return err
	}
	w.SetHeader("Lithair-Index", c.indexText(c.e.Root().Seq()))
	versions, more, complete, err := c.e.History(r.Context(), c.t, key, before, take)
	if err != nil {
		return err
	}
	if len(versions) == 0 && before == 0 && c.e.Root().Get(c.t.Number(), key) == nil {
		return c.missing(id)
	}
	if versions, err = c.readableVersions(p, key, id, versions); err != nil {
		return err
	}
	b := []byte(`{"data":[`)
	for i := len(versions) - 1; i >= 0; i-- {
		if b, err = c.appendVersion(b, &versions[i]); err != nil {
			return err
		}
		if i > 0 {
			b = append(b, ',')
		}
	}
	b = strconv.AppendBool(append(b, `],"has_more":`...), more)
	b = strconv.AppendBool(append(b, `,"complete":`...), complete)
	return w.Send(200, "application/json", append(b, '}'))
}

// readableVersions leaves out the versions of a record that the principal may not read. A record
// that it may not read as it is now, or that was deleted, has no history for it.
func (c *collection) readableVersions(p Principal, key, id string, versions []engine.Version) ([]engine.Version, error) {
	rule, err := c.rule(p, c.t.Schema())
	if rule == nil || err != nil {
		return versions, err
	}
	if row := c.e.Root().Get(c.t.Number(), key); row == nil || !rule.Match(row.Bytes()) {
		return nil, c.missing(id)
	}
	return slices.DeleteFunc(versions, func(v engine.Version) bool { return v.Record == nil || !rule.Match(v.Record) }), nil
}

// appendVersion appends a version; fields that clients may not see are left out.
func (c *collection) appendVersion(b []byte, v *engine.Version) (_ []byte, err error) {
	b = c.appendBy(append(b, '{'), v)
	b = jsonx.AppendString(append(b, `,"kind":`...), v.Kind.String())
	b = append(b, `,"changed":[`...)
	for i, name := range c.visibleNames(v.Changed) {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonx.AppendString(b, name)
	}
	b = append(b, ']')
	for i, e := range v.Events {
		b = append(b, [...]string{`,"events":[`, `,`}[min(i, 1)]...)
		b = append(jsonx.AppendString(append(b, `{"name":`...), e.Name), `,"payload":`...)
		b = append(b, e.Payload...)
		if e.Version > 1 {
			b = strconv.AppendUint(append(b, `,"version":`...), uint64(e.Version), 10)
		}
		if b = append(b, '}'); i == len(v.Events)-1 {
			b = append(b, ']')
		}
	}
	b = append(b, `,"record":`...)
	if v.Record == nil {
		return append(b, "null}"...), nil
	}
	ptr := c.t.Codec().New()
	if err := c.t.Codec().Decode(v.Record, ptr); err != nil {
		return b, err
	}
	if b, err = c.shape.append(b, ptr); err != nil {
		return b, err
	}
	return append(b, '}'), nil
}

// appendBy appends the members that say who made a version, and when.
func (c *collection) appendBy(b []byte, v *engine.Version) []byte {
	b = strconv.AppendUint(append(b, `"index":`...), v.Seq, 10)
	b = append(b, `,"time":"`...)
	b = append(time.Unix(0, v.Time).UTC().AppendFormat(b, time.RFC3339Nano), '"')
	b = jsonx.AppendString(append(b, `,"actor":`...), v.Actor)
	b = jsonx.AppendString(append(b, `,"command":`...), v.Command)
	return jsonx.AppendString(append(b, `,"request_id":`...), v.RequestID)
}

// visibleNames returns the names of the fields with those numbers that clients may see.
func (c *collection) visibleNames(numbers []uint32) (names []string) {
	schema := c.t.Schema()
	for _, n := range numbers {
		for _, f := range c.shape.index {
			if sf := schema.Field(f.Name); sf != nil && sf.Number == n {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// blame answers who gave each field the value it has:
//
//	{"data":{"title":{"index":9,"time":"...","actor":"...","command":"...","request_id":"..."}},"complete":true}
//
// A field that never had another value than zero is not there, nor one whose value is
// older than the log.
func (c *collection) blame(w *wire.Response, r *wire.Request) error {
	id := r.PathValue("id")
	p, err := c.opt.admit(r, Action{Verb: "history", Model: c.t.Name(), Key: id})
	if err != nil {
		return err
	}
	if r.RawQuery() != "" {
		return &query.Error{Field: r.Query().Pairs[0][0], Problem: "has no meaning here"}
	}
	key, err := c.t.Codec().ParseKey(id)
	if err != nil {
		return err
	}
	w.SetHeader("Lithair-Index", c.indexText(c.e.Root().Seq()))
	if _, err := c.readable(c.e.Root(), p, id); c.opt.Readable != nil && err != nil {
		return err
	}
	by, complete, err := c.e.Blame(r.Context(), c.t, key)
	if errors.Is(err, engine.ErrNotFound) {
		return c.missing(id)
	}
	if err != nil {
		return err
	}
	b, schema := []byte(`{"data":{`), c.t.Schema()
	for _, f := range c.shape.index {
		sf := schema.Field(f.Name)
		if sf == nil {
			continue
		}
		v, ok := by[sf.Number]
		if !ok {
			continue
		}
		if b[len(b)-1] == '}' {
			b = append(b, ',')
		}
		b = append(jsonx.AppendString(b, f.Name), ":{"...)
		b = append(c.appendBy(b, &v), '}')
	}
	b = strconv.AppendBool(append(b, `},"complete":`...), complete)
	return w.Send(200, "application/json", append(b, '}'))
}
