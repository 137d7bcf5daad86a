package wire

import "errors"

// Middleware wraps a handler. What it does before calling the next handler sees the
// request as it came; what it does after sees the handler's error and, through
// [StatusOf], the status that the client is going to get.
type Middleware func(Handler) Handler

// Chain makes one middleware of several, the first outermost.
func Chain(mw ...Middleware) Middleware {
	return func(next Handler) Handler {
		for i := len(mw) - 1; i >= 0; i-- {
			next = mw[i](next)
		}
		return next
	}
}

// When applies a middleware only to requests for which cond returns true, such as all
// but health checks for an access log. cond is called once per request, before mw.
func When(cond func(*Request) bool, mw Middleware) Middleware {
	return func(next Handler) Handler {
		wrapped := mw(next)
		return func(w *Response, r *Request) error {
			if cond(r) {
				return wrapped(w, r)
			}
			return next(w, r)
		}
	}
}

// StatusOf returns the status of the response that a handler's result will become: 101 when
// the connection was taken over.
func StatusOf(w *Response, err error) int {
	if w.c.hijacked {
		return 101
	}
	if err == nil || w.Started() {
		return w.StatusCode()
	}
	var e *Error
	if errors.As(err, &e) && e.Status >= 400 && e.Status <= 599 {
		return e.Status
	}
	return 500
}
