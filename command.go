package lithair

import (
	"context"
	"fmt"
	"reflect"
	"regexp"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/rest"
)

// CommandOf is a named, typed transaction.
type CommandOf[In, Out any] struct {
	app  *App
	name string
	fn   func(tx *Tx, in In) (Out, error)
}

var commandName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// Command registers a named transaction: callable from Go by Run, and over HTTP as POST
// /api/_command/{name} with the JSON of In, answered with the JSON of Out. The name is in
// the log beside what the command changed. Idempotency-Key works as for models.
func Command[In, Out any](a *App, name string, fn func(tx *Tx, in In) (Out, error)) *CommandOf[In, Out] {
	c := &CommandOf[In, Out]{app: a, name: name, fn: fn}
	if !commandName.MatchString(name) {
		a.note(fmt.Errorf("lithair: Command: %q is no name: want small letters, digits and -", name))
		return c
	}
	path := "/api/_command/" + name
	a.note(rest.MountCommand(a.router, a.engine, name, path, a.restOptions(), c.prepare))
	a.routes = append(a.routes, routeInfo{Route: Route{Pattern: "POST " + path, Name: name, Status: 200}, write: true,
		binding: &rest.Binding{Body: reflect.TypeFor[In]()}, output: reflect.TypeFor[Out]()})
	return c
}

// prepare decodes the input of a request.
func (c *CommandOf[In, Out]) prepare(body []byte) (func(tx *engine.Tx) (engine.Answer, error), error) {
	var in In
	if err := jsonx.Unmarshal(body, &in, jsonx.RejectUnknownMembers()); err != nil {
		return nil, err
	}
	return func(tx *engine.Tx) (engine.Answer, error) {
		out, err := c.fn(&Tx{tx: tx}, in)
		if err != nil {
			return engine.Answer{}, err
		}
		b, err := jsonx.Marshal(out)
		return engine.Answer{Status: 200, Body: b}, err
	}, nil
}

// Run runs the command as one transaction, as [App.Update] does.
func (c *CommandOf[In, Out]) Run(ctx context.Context, in In) (Out, error) {
	var out Out
	_, err := c.app.engine.Do(ctx, onBehalf(ctx, engine.Command{Name: c.name, Run: func(tx *engine.Tx) (_ engine.Answer, err error) {
		out, err = c.fn(&Tx{tx: tx}, in)
		return engine.Answer{}, err
	}}))
	if err != nil {
		var zero Out
		return zero, c.app.pointed(err)
	}
	return out, nil
}

// Name returns the command's name.
func (c *CommandOf[In, Out]) Name() string { return c.name }
