package wire

import (
	"context"
	"errors"
	"time"
)

// Timeout gives the request's context a deadline d after the call. A handler that
// returns the context's error, wrapped or not, answers 503; so does one that returns a
// *[Error] with a Status of 500 or more and that cause.
//
// What it can stop is what heeds the context: queries, calls of other services, loops
// that look at ctx.Done(), and reading the request's body, which then fails with 408. It
// cannot stop a handler that computes or waits without
// looking: Go ends no goroutine from outside, and answering in the handler's place while
// it goes on would let two writers use one response and hide the work that piles up.
// Writing to a slow client has a deadline of its own (Config.WriteTimeout). A response
// that has started is not cut: its status is out.
//
// A d of 0 and below sets no deadline.
func Timeout(d time.Duration) Middleware {
	return func(next Handler) Handler {
		if d <= 0 {
			return next
		}
		return func(w *Response, r *Request) error {
			outer := r.Context()
			ctx, cancel := context.WithTimeout(outer, d)
			defer cancel()
			r.SetContext(ctx)
			defer r.SetContext(outer)
			err := next(w, r)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil && outer.Err() == nil && StatusOf(w, err) >= 500 {
				return &Error{Status: 503, Code: "timeout", Detail: "the request took longer than " + d.String(), Err: err}
			}
			return err
		}
	}
}
