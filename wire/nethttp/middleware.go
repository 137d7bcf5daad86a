package nethttp

import (
	"context"
	"net/http"

	"github.com/lithair/lithair-go/wire"
)

// Middleware returns a wire middleware that runs a net/http middleware. m is called once
// for each handler it is put around.
func Middleware(m func(http.Handler) http.Handler) wire.Middleware {
	return func(next wire.Handler) wire.Handler {
		behind := Mount(func(w *wire.Response, r *wire.Request) error {
			if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
				r.Inherit(x.r) // a router may have found the route already
			}
			return next(w, r)
		})
		h := m(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x, ok := r.Context().Value(exchangeKey{}).(*exchange)
			if ok && w == http.ResponseWriter(&x.writer) && x.unchanged(r) {
				x.pass(next, r.Context())
				return
			}
			behind.ServeHTTP(w, r)
		}))
		return Handler(h)
	}
}

// unchanged says whether a request is still the one that the exchange began with, but
// for its context.
func (x *exchange) unchanged(r *http.Request) bool {
	q := x.req
	if r.Method != q.Method || r.Host != q.Host || r.RequestURI != q.RequestURI || r.RemoteAddr != q.RemoteAddr || r.Body != q.Body || x.body.touched() {
		return false
	}
	if r.URL.Path != x.path || r.URL.RawQuery != x.query {
		return false
	}
	return sameFields(x.r, r.Header)
}

// pass runs the wire handler behind a middleware on the wire request itself.
func (x *exchange) pass(next wire.Handler, ctx context.Context) {
	w := &x.writer
	if w.status == 0 {
		w.push()
	}
	x.passed = true
	x.r.SetContext(ctx)
	x.result = next(x.w, x.r)
	w.status, w.typed = x.w.StatusCode(), true
	if w.header != nil && !x.w.Started() {
		w.pull() // the middleware may look at it, and change it
	}
}
