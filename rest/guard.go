package rest

import (
	"time"

	"github.com/lithair/lithair-go/wire"
)

// Principal is who a request is for. The zero Principal is anonymous.
type Principal struct {
	ID      string
	Roles   []string
	Claims  map[string]string // what else is said of it, for read rules
	Expiry  time.Time         // zero: none
	Revoked <-chan struct{}   // closed when the principal loses its rights; nil: never
}

// Action is what a request wants to do.
type Action struct {
	Verb  string // list, count, read, history, create, replace, patch, delete, bulk, tx; feed for events (live queries: list)
	Model string // empty for tx: each operation is asked for by itself
	Key   string // text of the record's id; empty for collections
}

// Guard decides who may do what. Its methods are called at once by many goroutines. An
// error that is no *wire.Error becomes 401 from Authenticate and 403 from Authorize.
type Guard interface {
	Authenticate(r *wire.Request) (Principal, error)
	Authorize(p Principal, a Action) error
}

// admit asks the guard; without one everybody is anonymous and may do everything.
func (o *Options) admit(r *wire.Request, a Action) (p Principal, err error) {
	if o.Guard == nil {
		return p, nil
	}
	if p, err = o.Guard.Authenticate(r); err != nil {
		return p, refusal(CodeUnauthorized, err)
	}
	return p, o.allow(p, a)
}

func (o *Options) allow(p Principal, a Action) error {
	if o.Guard == nil {
		return nil
	}
	if err := o.Guard.Authorize(p, a); err != nil {
		return refusal(CodeForbidden, err)
	}
	return nil
}

func refusal(c Code, err error) error {
	if e, ok := err.(*wire.Error); ok {
		return e
	}
	e := fault(c, "")
	e.Err = err
	return e
}
