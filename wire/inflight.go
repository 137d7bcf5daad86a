package wire

import (
	"fmt"
	"time"
)

// MaxInFlight lets at most n requests be handled at a time. Others wait for up to wait (0:
// not at all), then get 503 with Retry-After: 1. How many can wait is bounded by
// Config.MaxConns: each connection handles one request at a time. It returns an error for
// an n below 1 and a negative wait.
func MaxInFlight(n int, wait time.Duration) (Middleware, error) {
	if n < 1 || wait < 0 {
		return nil, fmt.Errorf("wire: MaxInFlight(%d, %v): want at least one request, and no negative wait", n, wait)
	}
	slots := make(chan struct{}, n)
	enter := func(r *Request) bool {
		select {
		case slots <- struct{}{}:
			return true
		default:
		}
		if wait == 0 {
			return false
		}
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case slots <- struct{}{}:
			return true
		case <-t.C:
		case <-r.Context().Done():
		}
		return false
	}
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if !enter(r) {
				return &Error{Status: 503, Code: "busy", Detail: "too many requests are being handled", Header: [][2]string{{"Retry-After", "1"}}}
			}
			defer func() { <-slots }()
			return next(w, r)
		}
	}, nil
}
