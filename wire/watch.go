package wire

import (
	"context"
	"errors"
	"time"
)

// ErrClientGone is the cause of a context of [Request.WatchClient] that ended because the
// client closed its connection.
var ErrClientGone = errors.New("wire: the client has gone")

// watch is how a server learns, while a handler works, that nobody is left to read its
// answer. A socket is parked for its peer's end; of other connections one byte is read
// ahead.
type watch struct {
	gone   context.Context // ends with the client, or with the handler
	end    context.CancelCauseFunc
	ctx    context.Context // what WatchClient returned; nil before
	cancel context.CancelCauseFunc
	leave  func() bool   // stops waiting for the server's end
	ticket ticket        // of a socket; zero for others
	done   chan struct{} // closed when the read ahead has ended; nil when there was none
	b      [1]byte
	n      int // bytes in b: the beginning of a next request
}

// WatchClient returns a context that ends when the client closes the connection (cause
// [ErrClientGone]) and when the server begins to shut down (cause [ErrServerClosed]); it
// replaces the request's context until the handler returns. Handlers that answer over a
// long time call it so as not to work for nobody. A client that closes one direction
// alone counts as gone.
//
// Where the system can park connections (TCP and Unix sockets on Linux) it costs two
// system calls. Elsewhere it costs a goroutine until the handler returns, and while the
// request's body has not been read to its end, or a next request is waiting already,
// nothing can be read ahead: then a closed connection shows as an error of Write only.
func (r *Request) WatchClient() context.Context {
	c := r.c
	if c.hijacked || c.watch != nil && c.watch.ctx != nil {
		return r.Context()
	}
	w := c.look()
	ctx, cancel := context.WithCancelCause(r.Context())
	w.ctx, w.cancel, r.ctx = ctx, cancel, ctx
	w.leave = context.AfterFunc(c.srv.draining, func() { cancel(ErrServerClosed) })
	context.AfterFunc(w.gone, func() { cancel(context.Cause(w.gone)) })
	return ctx
}

// OnClientGone has f called, on a goroutine of its own, when the client closes the
// connection before the handler returns: for adapters, and for handlers that go on while
// the server shuts down. The limits of [Request.WatchClient] hold. After the handler's
// return f is not called any more.
func (r *Request) OnClientGone(f func()) {
	if r.c.hijacked {
		return
	}
	w := r.c.look()
	context.AfterFunc(w.gone, func() {
		if context.Cause(w.gone) == ErrClientGone {
			f()
		}
	})
}

// look begins to look out for the client's leaving, where that has not begun.
func (c *conn) look() *watch {
	if c.watch == nil {
		w := &watch{}
		w.gone, w.end = context.WithCancelCause(context.Background())
		c.watch = w
		if c.raw != nil {
			c.watchSocket(w)
		} else if c.req.body.done() && c.from == c.to && c.nc.SetReadDeadline(time.Time{}) == nil {
			c.timed = true
			w.done = make(chan struct{})
			go c.lookOut(w)
		}
	}
	return c.watch
}

// watchSocket parks the socket for the end of its peer's stream.
func (c *conn) watchSocket(w *watch) {
	t, err := c.srv.parker.reserve(w)
	if err != nil {
		return // as where nothing can be read ahead
	}
	if w.ticket = t; c.srv.parker.arm(c.raw, t, parkGone) != nil {
		c.srv.parker.cancel(t)
	}
}

// Awake is called when the peer has ended its stream.
func (w *watch) Awake() { w.end(ErrClientGone) }

// lookOut waits for the client's next byte, or for its end.
func (c *conn) lookOut(w *watch) {
	defer close(w.done)
	n, err := c.nc.Read(w.b[:])
	w.n = n
	if n == 0 && !isTimeout(err) {
		w.end(ErrClientGone)
	}
}

// unwatch ends the watch before anything else reads from the connection.
func (c *conn) unwatch() {
	w := c.watch
	c.watch = nil
	c.srv.parker.cancel(w.ticket) // void when it was woken or never parked
	if w.done != nil {
		if c.nc.SetReadDeadline(longAgo) != nil {
			c.close = true // it is gone: the read has ended or is about to
		}
		<-w.done
	}
	if context.Cause(w.gone) == ErrClientGone {
		c.close = true
	}
	w.end(context.Canceled)
	if w.ctx != nil {
		w.leave()
		w.cancel(context.Cause(w.gone))
	}
	if w.n > 0 {
		c.room()
		c.to += copy(c.in[c.to:], w.b[:w.n])
	}
}
