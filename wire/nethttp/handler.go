package nethttp

import (
	"net/http"

	"github.com/lithair/lithair-go/wire"
)

// Handler returns a wire handler that runs a net/http handler. It is safe for concurrent
// use where h is.
func Handler(h http.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		x, err := begin(w, r)
		if err != nil {
			return err
		}
		return x.run(h)
	}
}

// exchange is one request of wire's and its response, as a net/http handler sees them.
type exchange struct {
	writer writer
	body   body
	ctx    requestContext
	w      *wire.Response
	r      *wire.Request
	req    *http.Request

	// Of a middleware:
	outer       *exchange // the one that this one is part of; nil for none
	path, query string    // of the URL, before anybody changed it
	passed      bool      // the wire handler behind it has run, on w and r
	result      error     // what that returned
}

func begin(w *wire.Response, r *wire.Request) (*exchange, error) {
	x := &exchange{w: w, r: r}
	x.writer.x, x.body.x, x.ctx.x = x, x, x
	x.ctx.parent, x.ctx.local = r.Context(), r.LocalAddr()
	x.outer, _ = x.ctx.parent.Value(exchangeKey{}).(*exchange)
	req, err := newRequest(x)
	if err != nil {
		return nil, err
	}
	x.req, x.path, x.query = req, req.URL.Path, req.URL.RawQuery
	r.ReadConcurrently(&x.writer.mu)
	return x, nil
}

// run runs the handler to its end, whatever that is.
func (x *exchange) run(h http.Handler) (err error) {
	aborted := true
	defer func() {
		x.body.end()
		x.ctx.end()
		if x.req.MultipartForm != nil {
			x.req.MultipartForm.RemoveAll() // as net/http does; what stays is in a temporary folder
		}
		if err = x.writer.end(aborted); !aborted {
			if x.result != nil {
				err = x.result
			}
			return
		}
		if v := recover(); v == http.ErrAbortHandler {
			err = x.abort()
		} else if v != nil {
			panic(v) // wire logs it and answers
		}
	}()
	h.ServeHTTP(&x.writer, x.req)
	aborted = false
	return nil
}

// abort cuts the connection, without an answer where none was begun.
func (x *exchange) abort() error {
	if nc, _, err := x.r.Hijack(); err == nil {
		return nc.Close()
	}
	return &wire.Error{Status: 500, Detail: "the handler broke the response off", Err: http.ErrAbortHandler} // no failure to be logged as one
}
