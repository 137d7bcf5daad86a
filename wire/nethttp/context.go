package nethttp

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// requestContext is the context of a request. It begins to look out for the client's
// leaving when somebody first asks for Done: few handlers do, and it costs a goroutine.
type requestContext struct {
	x      *exchange
	parent context.Context // of the wire request: its values, and the server's end
	local  net.Addr        // for who asks behind the handler's return, too

	mu     sync.Mutex // protects what follows
	live   context.Context
	cancel context.CancelFunc
	looks  bool // for the client's leaving
	ended  bool // the handler has returned
}

// exchangeKey finds the exchange that a request belongs to.
type exchangeKey struct{}

// Deadline implements context.Context.
func (c *requestContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Value implements context.Context.
func (c *requestContext) Value(key any) any {
	if key == http.LocalAddrContextKey {
		return c.local
	}
	if key == (exchangeKey{}) {
		return c.x
	}
	c.mu.Lock()
	live := c.live
	c.mu.Unlock()
	if live != nil {
		return live.Value(key) // package context finds its own kind there
	}
	return c.parent.Value(key)
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} { return c.alive().Done() }

// Err implements context.Context.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.live != nil:
		return c.live.Err()
	case c.ended:
		return context.Canceled
	}
	return c.parent.Err()
}

// alive returns a context that can end.
func (c *requestContext) alive() context.Context {
	c.mu.Lock()
	live := c.live
	if live == nil {
		live, c.cancel = context.WithCancel(c.parent)
		c.live = live
		if c.ended {
			c.cancel()
		}
	}
	ask := !c.ended && !c.looks
	c.mu.Unlock()
	if ask {
		c.x.body.whenRead(c.look)
	}
	return live
}

// bodyRead is called when the body has been read to its end: a watch that was asked for
// can begin.
func (c *requestContext) bodyRead() {
	c.mu.Lock()
	ask := c.live != nil && !c.looks && !c.ended
	c.mu.Unlock()
	if ask {
		c.look()
	}
}

// look begins to look out for the client. The body has been read and nobody reads it.
// An exchange within another leaves that to the outer one.
func (c *requestContext) look() {
	if c.x.outer != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.x.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if !c.ended && !c.looks && !w.hijacked {
		c.looks = true
		c.x.r.OnClientGone(c.cancel)
	}
}

// end ends the context: the handler has returned.
func (c *requestContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}
