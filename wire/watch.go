package wire

import (
	"context"
	"errors"
	"net"
	"time"
)

// ErrClientGone is the cause of a context of [Request.WatchClient] that ended because the
// client closed its connection.
var ErrClientGone = errors.New("wire: the client has gone")

// watch reads one byte ahead while a handler works, which is how a server learns that
// nobody is left to read its answer.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	leave  func() bool   // stops waiting for the server's end
	done   chan struct{} // closed when the read has ended; nil when there was none
	nc     net.Conn      // what is read from: the connection, or a duplicate of it
	b      [1]byte
	n      int // bytes in b: the beginning of a next request
}

// WatchClient returns a context that ends when the client closes the connection (cause
// [ErrClientGone]) and when the server begins to shut down (cause [ErrServerClosed]); it
// replaces the request's context until the handler returns. Handlers that answer over a
// long time call it so as not to work for nobody.
//
// It costs a goroutine until the handler returns. While the request's body has not been
// read to its end, or a next request is waiting already, nothing can be read ahead: then
// a closed connection shows as an error of Write only. A client that closes one
// direction alone counts as gone.
func (r *Request) WatchClient() context.Context {
	c := r.c
	if c.watch != nil || c.hijacked {
		return r.Context()
	}
	w := &watch{}
	w.ctx, w.cancel = context.WithCancelCause(r.Context())
	w.leave = context.AfterFunc(c.srv.draining, func() { w.cancel(ErrServerClosed) })
	c.watch, r.ctx = w, w.ctx
	if r.body.done() && c.from == c.to && c.watched(w) {
		w.done = make(chan struct{})
		go c.lookOut(w)
	}
	return w.ctx
}

// watched sets what is read from. Inside RawConn.Read that is a duplicate, since the
// connection's read lock is held.
func (c *conn) watched(w *watch) bool {
	if !c.inside() {
		w.nc, c.timed = c.nc, true
		return c.nc.SetReadDeadline(time.Time{}) == nil
	}
	nc, err := duplicate(c.nc)
	w.nc = nc
	return err == nil
}

// lookOut waits for the client's next byte, or for its end.
func (c *conn) lookOut(w *watch) {
	defer close(w.done)
	n, err := w.nc.Read(w.b[:])
	w.n = n
	if n == 0 && !isTimeout(err) {
		w.cancel(ErrClientGone)
	}
}

// unwatch ends the watch before anything else reads from the connection.
func (c *conn) unwatch() {
	w := c.watch
	c.watch = nil
	w.leave()
	if w.done != nil {
		if w.nc.SetReadDeadline(longAgo) != nil {
			c.close = true // it is gone: the read has ended or is about to
		}
		<-w.done
		if w.nc != c.nc {
			w.nc.Close() // the connection has its own descriptor
		}
	}
	if context.Cause(w.ctx) == ErrClientGone {
		c.close = true
	}
	w.cancel(context.Canceled)
	if w.n > 0 {
		c.room()
		c.to += copy(c.in[c.to:], w.b[:w.n])
	}
}
