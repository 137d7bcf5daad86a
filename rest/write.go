package rest

import (
	"bytes"
	"crypto/sha256"
	"net/url"
	"strings"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/wire"
)

// body reads a JSON body of an accepted media type, as it is or by gzip.
func (o *Options) body(r *wire.Request, also string) ([]byte, error) {
	kind, _, _ := strings.Cut(r.Header("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind != "application/json" && (also == "" || kind != also) {
		want := "application/json"
		if also != "" {
			want += " or " + also
		}
		e := fault(CodeMediaType, "want Content-Type: "+want)
		if kind != "" {
			e.Detail += ", not " + kind
		}
		return nil, e
	}
	if err := r.Decompress(); err != nil {
		return nil, err
	}
	b, err := r.BorrowBody(o.MaxBodyBytes)
	if err == nil && len(b) == 0 {
		err = fault(CodeMalformed, "line 1, column 1: the body is empty", Item{Code: "malformed", Message: "is empty"})
	}
	return bytes.Clone(b), err // a command may outlive its request, when that is given up
}

// command starts a command with who, which request, and the idempotency key.
func command(r *wire.Request, p Principal, name string, body []byte) (engine.Command, error) {
	cmd := engine.Command{Name: name, Actor: p.ID, RequestID: r.ID(), TraceID: TraceID(r)}
	if !r.HasHeader("Idempotency-Key") {
		return cmd, nil
	}
	cmd.IdemKey = r.Header("Idempotency-Key")
	if !visibleText(cmd.IdemKey) {
		return cmd, fault(CodeHeader, "Idempotency-Key must be 1 to 255 visible ASCII characters")
	}
	h := sha256.New()
	var buf []byte
	for _, s := range []string{p.ID, r.Method(), r.Target(), r.Header("If-Match"), r.Header("If-None-Match")} {
		buf = binenc.AppendString(buf, s)
	}
	h.Write(buf)
	h.Write(body)
	h.Sum(cmd.IdemHash[:0])
	return cmd, nil
}

func visibleText(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 255
}

// answer is what a client gets for an operation on its own.
func (out *outcome) answer() (a engine.Answer, err error) {
	a = engine.Answer{Status: out.status}
	if out.row == nil {
		return a, nil
	}
	made, err := out.c.render(out.row)
	if err != nil {
		return a, err
	}
	a.Body = made.body
	a.Header = [][2]string{{"ETag", made.etag}}
	if out.status == 201 {
		a.Header = append(a.Header, [2]string{"Location", out.location()})
	}
	return a, nil
}

// location is the path of the record.
func (out *outcome) location() string {
	return out.c.base + "/" + url.PathEscape(out.c.t.Codec().KeyText(out.key))
}

// send runs a command and answers with what it returns.
func (c *collection) send(w *wire.Response, r *wire.Request, cmd engine.Command) error {
	res, err := c.e.Do(r.Context(), cmd)
	if err != nil {
		return err
	}
	return reply(w, c, res)
}

func reply(w *wire.Response, c *collection, res engine.Result) error {
	w.SetHeader("Lithair-Index", c.indexText(res.Seq))
	if res.Replayed {
		w.SetHeader("Idempotency-Replayed", "true")
	}
	for _, h := range res.Header {
		if err := w.SetHeader(h[0], h[1]); err != nil {
			return err
		}
	}
	if res.Status == 204 {
		w.Status(204)
		return nil
	}
	return w.Send(res.Status, "application/json", res.Body)
}

// one answers a request that is one operation.
func (c *collection) one(w *wire.Response, r *wire.Request, verb string, o *operation, also string) error {
	p, err := c.opt.admit(r, Action{Verb: verb, Model: c.t.Name(), Key: o.id})
	if err != nil {
		return err
	}
	if err := onlyRead(r); err != nil {
		return err
	}
	if o.verb != "delete" {
		if o.data, err = c.opt.body(r, also); err != nil {
			return err
		}
	}
	o.who = p
	o.c, o.ifMatch, o.ifNone = c, joined(r, "If-Match"), joined(r, "If-None-Match")
	cmd, err := command(r, p, c.t.Name()+"."+verb, o.data)
	if err != nil {
		return err
	}
	cmd.Run = func(tx *engine.Tx) (engine.Answer, error) {
		out, err := o.run(tx)
		if err != nil {
			return engine.Answer{}, err
		}
		return out.answer()
	}
	return c.send(w, r, cmd)
}

// joined is a list field with all its lines.
func joined(r *wire.Request, field string) (list string) {
	for name, v := range r.Headers() {
		if strings.EqualFold(name, field) {
			if list != "" {
				list += ", "
			}
			list += v
		}
	}
	return list
}

func (c *collection) create(w *wire.Response, r *wire.Request) error {
	return c.one(w, r, "create", &operation{verb: "create"}, "")
}

func (c *collection) put(w *wire.Response, r *wire.Request) error {
	return c.one(w, r, "replace", &operation{verb: "put", id: r.PathValue("id")}, "")
}

func (c *collection) patch(w *wire.Response, r *wire.Request) error {
	return c.one(w, r, "patch", &operation{verb: "patch", id: r.PathValue("id")}, "application/merge-patch+json")
}

func (c *collection) delete(w *wire.Response, r *wire.Request) error {
	return c.one(w, r, "delete", &operation{verb: "delete", id: r.PathValue("id")}, "")
}
