package rest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// Route is an operation of the application's own at a pattern. Exactly one of Write, Read and
// Call is set. Guard, problem details and Lithair-Index are as for models; the action's verb
// is "command" for Write and "call" for the others, its model is Name.
type Route struct {
	Name    string // in the log, and for the guard: shop-place-order
	Pattern string // POST /orders/{id}/pay
	Status  int    // of an answer without an error; 204 has no body

	// NewInput makes what Binding fills.
	Binding  *Binding
	NewInput func() any

	Write func(tx *engine.Tx, in any) (body []byte, err error)
	Read  func(root *state.Root, in any) (body []byte, err error)
	Call  func(ctx context.Context, in any) (body []byte, err error)

	// Failed turns errors of the application into those with a status; others pass through.
	Failed func(err error) error
}

// MountRoute serves a route.
func MountRoute(r *wire.Router, e *engine.Engine, rt Route, opt Options) error {
	if err := opt.defaults(); err != nil {
		return err
	}
	method, _, _ := strings.Cut(rt.Pattern, " ")
	safe := method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE"
	if rt.Write != nil && safe {
		return fmt.Errorf("rest: %s writes, so its method is POST, PUT, PATCH or DELETE", rt.Pattern)
	}
	c := &collection{e: e, opt: opt}
	return r.Handle(rt.Pattern, func(w *wire.Response, r *wire.Request) error {
		err := c.route(w, r, &rt)
		if err == nil {
			return nil
		}
		bad := ToError(rt.Failed(err))
		if w.HeaderValue("Lithair-Index") == "" {
			bad.Header = append(bad.Header, [2]string{"Lithair-Index", c.indexText(e.Root().Seq())})
		}
		return bad
	})
}

func (c *collection) route(w *wire.Response, r *wire.Request, rt *Route) error {
	verb := "call"
	if rt.Write != nil {
		verb = "command"
	}
	p, err := c.opt.admit(r, Action{Verb: verb, Model: rt.Name})
	if err != nil {
		return err
	}
	var body []byte
	if rt.Binding.Body != nil {
		if body, err = c.opt.body(r, ""); err != nil {
			return err
		}
	}
	in := rt.NewInput()
	if err := rt.Binding.Fill(r, body, in); err != nil {
		return err
	}
	if rt.Write != nil {
		return c.routeWrite(w, r, p, rt, body, in)
	}
	var out []byte
	if rt.Read != nil {
		root, err := c.routeRoot(w, r)
		if err != nil {
			return err
		}
		if err := w.SetHeader("Lithair-Index", c.indexText(root.Seq())); err != nil {
			return err
		}
		out, err = rt.Read(root, in)
		if err != nil {
			return err
		}
	} else if out, err = rt.Call(r.Context(), in); err != nil {
		return err
	}
	return send(w, rt.Status, out)
}

// routeRoot is the state that a read takes.
func (c *collection) routeRoot(w *wire.Response, r *wire.Request) (*state.Root, error) {
	q := r.Query()
	root, err := c.level(w, r, q.Get("level"))
	if err == nil && q.Has("min_index") {
		return c.atLeast(r.Context(), root, q.Get("min_index"))
	}
	return root, err
}

func (c *collection) routeWrite(w *wire.Response, r *wire.Request, p Principal, rt *Route, body []byte, in any) error {
	cmd, err := command(r, p, rt.Name, body)
	if err != nil {
		return err
	}
	cmd.Run = func(tx *engine.Tx) (engine.Answer, error) {
		out, err := rt.Write(tx, in)
		if rt.Status == 204 {
			out = nil
		}
		return engine.Answer{Status: rt.Status, Body: out}, err
	}
	res, err := c.e.Do(r.Context(), cmd)
	if err != nil {
		return err
	}
	err = w.SetHeader("Lithair-Index", strconv.FormatUint(res.Seq, 10))
	if res.Replayed {
		err = errors.Join(err, w.SetHeader("Idempotency-Replayed", "true"))
	}
	if err != nil {
		return err
	}
	return send(w, res.Status, res.Body)
}

func send(w *wire.Response, status int, body []byte) error {
	if status == 204 {
		w.Status(204)
		return nil
	}
	return w.Send(status, "application/json", body)
}
