package lithair

import (
	"errors"
	"time"

	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// Principal is who a request is for; the zero Principal is anonymous.
type Principal = rest.Principal

// Action is what a request wants to do. For handlers of the application Verb is "call"
// and Key the route's pattern; for commands Verb is "command" and Model the name.
type Action = rest.Action

// guard asks the application who may do what; by default everybody may do everything.
type guard struct {
	authenticate func(r *wire.Request) (Principal, error)
	authorize    func(p Principal, a Action) error

	authenticateToken func(token string) (Principal, error) // nil: tokens are refused
}

// Authenticate sets the function that finds out who a request is for. It runs before
// every route, command and model. An error that is no *wire.Error becomes 401.
func (a *App) Authenticate(fn func(r *wire.Request) (Principal, error)) { a.guard.authenticate = fn }

// Authorize sets the function that allows or refuses. It runs after Authenticate. An
// error that is no *wire.Error becomes 403.
func (a *App) Authorize(fn func(p Principal, act Action) error) { a.guard.authorize = fn }

// errExpired and errRevoked are why a principal is not taken any more.
var (
	errExpired = errors.New("lithair: the principal has expired")
	errRevoked = errors.New("lithair: the principal was revoked")
)

// Authenticate implements rest.Guard. A principal that has expired or was revoked is none.
func (g *guard) Authenticate(r *wire.Request) (Principal, error) {
	if g.authenticate == nil {
		return Principal{}, nil
	}
	p, err := g.authenticate(r)
	if err != nil {
		return Principal{}, err
	}
	if !p.Expiry.IsZero() && !time.Now().Before(p.Expiry) {
		return Principal{}, errExpired
	}
	select {
	case <-p.Revoked:
		return Principal{}, errRevoked
	default:
	}
	if c, ok := r.Context().Value(originKey{}).(*requestContext); ok {
		c.setPrincipal(p)
	}
	return p, nil
}

// Authorize implements rest.Guard.
func (g *guard) Authorize(p Principal, a Action) error {
	if g.authorize == nil {
		return nil
	}
	return g.authorize(p, a)
}

// route puts the guard in front of a handler of the application's own.
func (g *guard) route(pattern string, h wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		if g.authenticate == nil && g.authorize == nil {
			return h(w, r)
		}
		p, err := g.Authenticate(r)
		if err != nil {
			return refused(rest.CodeUnauthorized, err)
		}
		if err := g.Authorize(p, Action{Verb: "call", Key: pattern}); err != nil {
			return refused(rest.CodeForbidden, err)
		}
		return h(w, r)
	}
}

func refused(c rest.Code, err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	return &wire.Error{Status: c.Status, Code: c.Code, Title: c.Title, Err: err}
}
