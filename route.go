package lithair

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// Route describes an operation that [RouteTx], [RouteView] or [RouteCall] serves. Its input is
// a struct whose fields come from the path, the query, header fields and the body, see
// rest.Binding; its answer is the JSON of what the function returns. Input struct{} is none,
// and so is output struct{}, which is answered with 204.
type Route struct {
	Pattern string // such as POST /orders/{id}/pay
	Name    string // in the log, and for Authorize; made of the pattern by default: post-orders-id-pay
	Summary string // one line, for the API's documentation
	Status  int    // of the answer; default 200, or 204 without output
	Errors  []ErrorStatus
}

// ErrorStatus gives errors of an application a status: those that errors.Is Err. Its text is
// sent to clients.
type ErrorStatus struct {
	Err    error
	Status int // 400 to 599
}

// routeInfo is what the documentation of the API tells about a route.
type routeInfo struct {
	Route
	binding *rest.Binding
	output  reflect.Type // nil: none
	write   bool
}

// RouteTx serves fn as one transaction at a pattern with POST, PUT, PATCH or DELETE: alone, on
// the newest state, all or nothing, durable when it is answered. Idempotency-Key works as for
// models. Mistakes are reported by Start.
func RouteTx[In, Out any](a *App, r Route, fn func(tx *Tx, in In) (Out, error)) {
	rt, ok := newRoute[In, Out](a, &r, true)
	if !ok {
		return
	}
	rt.Write = func(tx *engine.Tx, in any) ([]byte, error) {
		out, err := fn(&Tx{tx: tx}, *in.(*In))
		return answerOf(&r, &out, err)
	}
	a.note(rest.MountRoute(a.router, a.engine, rt, a.restOptions()))
}

// RouteView serves fn on an immutable snapshot. The parameters level and min_index work as for
// models.
func RouteView[In, Out any](a *App, r Route, fn func(s *Snapshot, in In) (Out, error)) {
	rt, ok := newRoute[In, Out](a, &r, false)
	if !ok {
		return
	}
	rt.Read = func(root *state.Root, in any) ([]byte, error) {
		s := &Snapshot{root: root}
		defer s.close()
		out, err := fn(s, *in.(*In))
		return answerOf(&r, &out, err)
	}
	a.note(rest.MountRoute(a.router, a.engine, rt, a.restOptions()))
}

// RouteCall serves fn, which may do anything, with the request's context.
func RouteCall[In, Out any](a *App, r Route, fn func(ctx context.Context, in In) (Out, error)) {
	rt, ok := newRoute[In, Out](a, &r, false)
	if !ok {
		return
	}
	rt.Call = func(ctx context.Context, in any) ([]byte, error) {
		out, err := fn(ctx, *in.(*In))
		return answerOf(&r, &out, err)
	}
	a.note(rest.MountRoute(a.router, a.engine, rt, a.restOptions()))
}

// answerOf is the body of an answer.
func answerOf[Out any](r *Route, out *Out, err error) ([]byte, error) {
	if err != nil || r.Status == 204 {
		return nil, err
	}
	return jsonx.Marshal(out)
}

// newRoute fills in what r leaves to defaults; ok is false when something is wrong with it,
// which Start reports.
func newRoute[In, Out any](a *App, r *Route, write bool) (rt rest.Route, ok bool) {
	in, out := reflect.TypeFor[In](), reflect.TypeFor[Out]()
	none := reflect.TypeFor[struct{}]()
	if r.Status == 0 {
		if r.Status = 200; out == none {
			r.Status = 204
		}
	}
	if r.Name == "" {
		r.Name = routeName(r.Pattern)
	}
	if err := r.check(); err != nil {
		a.note(err)
		return rt, false
	}
	rt = rest.Route{Name: r.Name, Pattern: r.Pattern, Status: r.Status, Failed: r.failed, NewInput: func() any { return new(In) }}
	binding, err := rest.NewBinding(in, r.Pattern)
	if err != nil {
		a.note(fmt.Errorf("lithair: Route: %w", err))
		return rt, false
	}
	if rt.Binding = binding; out == none {
		out = nil
	}
	a.routes = append(a.routes, routeInfo{Route: *r, binding: binding, output: out, write: write})
	return rt, true
}

func (r *Route) check() error {
	if !commandName.MatchString(r.Name) {
		return fmt.Errorf("lithair: Route %s: %q is no name: want small letters, digits and -", r.Pattern, r.Name)
	}
	if r.Status < 200 || r.Status > 299 {
		return fmt.Errorf("lithair: Route %s: the status of an answer is from 200 to 299, not %d", r.Pattern, r.Status)
	}
	for _, e := range r.Errors {
		if e.Err == nil || e.Status < 400 || e.Status > 599 {
			return fmt.Errorf("lithair: Route %s: the status of error %v is from 400 to 599, not %d", r.Pattern, e.Err, e.Status)
		}
	}
	return nil
}

// failed gives errors of the application their status.
func (r *Route) failed(err error) error {
	for _, e := range r.Errors {
		if errors.Is(err, e.Err) {
			return &wire.Error{Status: e.Status, Detail: err.Error(), Err: err}
		}
	}
	return err
}

// routeName makes a name of a pattern: POST /orders/{id}/pay is post-orders-id-pay.
func routeName(pattern string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, pattern)
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	return strings.Trim(name, "-")
}
