package wire

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// PanicError is what [Recover] makes of a panic. It is the cause inside an *[Error] with
// status 500, so errors.As finds it; nothing of it reaches the client.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // of the goroutine, from where it panicked
}

// Error returns the value as text.
func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Unwrap returns the value when it is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Recover turns a panic of the handlers inside it into a 500, logged with its stack to
// log (nil: slog.Default()). A server contains panics by itself; this middleware is for
// what stands outside it, such as metrics, which then sees an ordinary error.
func Recover(log *slog.Logger) Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) (err error) {
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				p := &PanicError{Value: v, Stack: debug.Stack()}
				to := log
				if to == nil {
					to = slog.Default()
				}
				to.ErrorContext(r.Context(), "a handler panicked", "request_id", LogText(r.ID()), "method", r.Method(),
					"path", LogText(r.rawTarget()), "panic", LogText(fmt.Sprint(v)), "stack", string(p.Stack))
				err = &Error{Status: 500, Err: p}
			}()
			return next(w, r)
		}
	}
}
