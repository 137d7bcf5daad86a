package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one connection of a server, owned by its goroutine.
type conn struct {
	srv      *Server
	nc       net.Conn
	in       []byte            // received; in[from:to] is not consumed yet; nil while idle
	pooled   *[readBuffer]byte // what in is made of, when that came from the pool
	from, to int
	keep     int // in[:keep] is the head of the request being handled
	scan     headScan
	out      []byte // to be sent
	req      Request
	res      Response
	close    bool // after this response
	hijacked bool
	awaits   bool // the client waits for 100 Continue
	bodyAt   time.Time
	received int64        // bytes of body since bodyAt
	watch    *watch       // looks out for the client's leaving; nil unless asked for
	state    atomic.Int32 // of connState
}

// The states of a connection, for Shutdown.
const (
	stateIdle   int32 = iota // between requests
	stateActive              // a request is being received or handled
	stateClosed
)

const readBuffer = 8 << 10

// buffers holds read buffers of connections that are not idle.
var buffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// serve handles requests until the connection ends.
func (c *conn) serve() {
	defer c.end()
	for c.one() {
	}
}

func (c *conn) end() {
	if v := recover(); v != nil {
		c.srv.log.Error("a connection ended by a panic", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
	c.srv.forget(c)
	if !c.hijacked {
		c.nc.Close() // nothing is left to be said about it
		c.release()
	}
}

func (c *conn) release() {
	if c.pooled != nil {
		buffers.Put(c.pooled)
	}
	c.pooled, c.in, c.from, c.to = nil, nil, 0, 0
}

// one handles one request; false when the connection is to end.
func (c *conn) one() bool {
	if err := c.readHead(); err != nil {
		var e *Error
		if errors.As(err, &e) {
			c.refuse(e)
		}
		return false
	}
	c.state.Store(stateActive)
	c.close = c.req.head.framing.close
	c.awaits = c.req.head.framing.expect && c.req.head.framing.chunked || c.req.head.framing.expect && c.req.head.framing.length > 0
	c.bodyAt, c.received = time.Time{}, 0
	c.req.body.reset(c)
	c.res.reset(c, string(c.req.head.method.of(c.req.head.buf)) == "HEAD")
	c.handle()
	if c.watch != nil {
		c.unwatch()
	}
	if c.hijacked {
		return false
	}
	if !c.complete() {
		return false
	}
	if c.close || c.srv.closing.Load() {
		c.flush()
		c.linger()
		return false
	}
	return true
}

// readHead receives a request head and parses it.
func (c *conn) readHead() error {
	c.scan = headScan{}
	if c.from == c.to {
		c.from, c.to = 0, 0
	}
	started := c.to > c.from
	c.scan.line, c.scan.at = 0, 0
	if started {
		c.state.Store(stateActive)
		if err := c.nc.SetReadDeadline(time.Now().Add(c.srv.cfg.ReadHeaderTimeout)); err != nil {
			return err
		}
	}
	for {
		in := c.in[c.from:c.to]
		n, err := c.scan.end(in)
		if err != nil {
			return err
		}
		if n > 0 {
			h := in[c.scan.start:n:n]
			c.from += n
			c.keep = c.from
			c.req = Request{c: c, head: c.req.head, body: c.req.body}
			if perr := c.req.head.parse(h, c.srv.cfg.MaxHeaderFields); perr != nil {
				return perr
			}
			return nil
		}
		if len(in) >= c.srv.cfg.MaxHeaderBytes {
			if c.scan.lines == 0 {
				return &Error{Status: 414, Detail: "the request line is too long", Close: true}
			}
			return &Error{Status: 431, Detail: "the header section is too large", Close: true}
		}
		if err := c.flush(); err != nil {
			return err
		}
		if err := c.await(started); err != nil {
			return err
		}
		started = true
	}
}

// await receives more of a head, or the first bytes of one.
func (c *conn) await(started bool) error {
	cfg := &c.srv.cfg
	if !started {
		if c.srv.closing.Load() {
			return io.EOF
		}
		c.state.Store(stateIdle)
		if c.srv.closing.Load() { // Shutdown looked before the line above
			return io.EOF
		}
		if err := c.nc.SetReadDeadline(time.Now().Add(cfg.IdleTimeout)); err != nil {
			return err
		}
	}
	if _, err := c.receive(); err != nil {
		if !started {
			return io.EOF // nothing was begun: nothing to answer
		}
		if isTimeout(err) {
			return &Error{Status: 408, Detail: "the request head comes too slowly", Close: true}
		}
		return err
	}
	c.state.Store(stateActive)
	if !started {
		return c.nc.SetReadDeadline(time.Now().Add(cfg.ReadHeaderTimeout))
	}
	return nil
}

// room makes room in the buffer. What lies before keep is the head of the request being
// handled and stays where it is.
func (c *conn) room() {
	switch {
	case c.in == nil:
		c.pooled = buffers.Get().(*[readBuffer]byte)
		c.in = c.pooled[:]
	case c.to < len(c.in):
	case c.from > c.keep:
		copy(c.in[c.keep:], c.in[c.from:c.to])
		c.from, c.to = c.keep, c.keep+c.to-c.from
	default:
		bigger := make([]byte, max(readBuffer, 2*(c.to-c.from)))
		c.to = copy(bigger, c.in[c.from:c.to])
		c.in, c.from, c.keep = bigger, 0, 0
		c.pooled = nil // the head may still stand in it: left to the garbage collector
	}
}

// receive reads once into the buffer.
func (c *conn) receive() (n int, err error) {
	c.room()
	if n, err = c.nc.Read(c.in[c.to:]); n > 0 {
		c.to += n
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return 0, err
}

// beginBody is called before bytes of a body are received: it sends 100 Continue where
// that is waited for and keeps watch over the pace.
func (c *conn) beginBody() error {
	cfg := &c.srv.cfg
	if c.awaits {
		c.awaits = false
		c.out = append(c.out, "HTTP/1.1 100 Continue\r\n\r\n"...)
	}
	if len(c.out) > 0 {
		if err := c.flush(); err != nil {
			return err
		}
	}
	if c.bodyAt.IsZero() {
		c.bodyAt = time.Now()
	}
	// the body may take the grace, and a second more for each MinBodyRate bytes
	deadline := c.bodyAt.Add(cfg.ReadBodyTimeout + time.Duration(float64(c.received)/float64(cfg.MinBodyRate)*float64(time.Second)))
	return c.nc.SetReadDeadline(deadline)
}

// handle runs the handler and turns its error into the response.
func (c *conn) handle() {
	err := c.call()
	if c.hijacked {
		return
	}
	if err == nil && c.res.err != nil {
		err = c.res.err
	}
	if err != nil {
		c.fail(err)
	}
}

func (c *conn) call() (err error) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			c.srv.log.Error("a handler panicked", "request_id", c.req.ID(), "method", c.req.Method(), "path", c.req.Path(), "panic", fmt.Sprint(v), "stack", string(stack))
			err = &Error{Status: 500}
		}
	}()
	return c.srv.cfg.Handler(&c.res, &c.req)
}

// fail answers with an error, unless the response is under way already.
func (c *conn) fail(err error) {
	var e *Error
	if !errors.As(err, &e) {
		c.srv.log.Error("a handler failed", "request_id", c.req.ID(), "method", c.req.Method(), "path", c.req.Path(), "error", err)
		e = &Error{Status: 500}
	}
	if c.res.started {
		c.srv.log.Warn("a response broke off", "request_id", c.req.ID(), "error", err)
		c.close, c.res.broken = true, true
		return
	}
	c.close = c.close || e.Close
	w := &c.res
	keep := keptFields(w.fields)
	w.reset(c, w.head)
	w.fields = append(w.fields, keep...)
	c.writeError(e)
}

// keptFields are the fields that an error response keeps of what a handler or middleware
// set before: those of middleware, not those of the content.
func keptFields(fields []byte) (keep []byte) {
	for rest := fields; len(rest) > 0; {
		n := lineLen(rest)
		if !contentField(rest[:n]) {
			keep = append(keep, rest[:n]...)
		}
		rest = rest[n:]
	}
	return keep
}

func contentField(line []byte) bool {
	for _, n := range []string{"content-type", "content-encoding", "content-range", "content-disposition", "etag", "last-modified", "cache-control", "location"} {
		if len(line) > len(n) && line[len(n)] == ':' && equalFold(line[:len(n)], n) {
			return true
		}
	}
	return false
}

// writeError fills the response with an error.
func (c *conn) writeError(e *Error) {
	w := &c.res
	status := e.Status
	if status < 400 || status > 599 {
		status = 500
	}
	w.Status(status)
	for _, h := range e.Header {
		if err := w.SetHeader(h[0], h[1]); err != nil {
			c.srv.log.Error("an error response has an invalid header", "name", h[0], "error", err)
			w.err = nil
		}
	}
	kind, b := c.srv.cfg.ErrorBody(&c.req, e)
	if err := w.Send(status, kind, b); err != nil {
		c.srv.log.Error("an error response could not be written", "error", err)
	}
}

// refuse answers a request whose head could not be read.
func (c *conn) refuse(e *Error) {
	c.req = Request{c: c, head: head{buf: nil, fields: c.req.head.fields[:0], minor: 1}, body: c.req.body}
	c.close = true
	c.res.reset(c, false)
	c.writeError(e)
	if c.res.finish() == nil && c.flush() == nil {
		c.linger()
	}
}

// complete ends the response and makes the connection ready for the next request; false
// when it is to end at once.
func (c *conn) complete() bool {
	w := &c.res
	c.settleBody()
	if w.broken {
		// without its end
	} else if err := w.finish(); err != nil {
		c.close = true
		if w.started {
			c.srv.log.Warn("a response broke off", "request_id", c.req.ID(), "error", err)
			w.broken = true
		} else {
			c.srv.log.Error("a response could not be completed", "request_id", c.req.ID(), "error", err)
			w.reset(c, w.head)
			c.writeError(&Error{Status: 500})
			w.broken = w.finish() != nil
		}
	}
	if w.broken {
		c.flush() // what was written before goes out; that it is cut shows the client the break
		return false
	}
	c.keep = 0
	c.shrink()
	if c.close {
		return true
	}
	if c.from == c.to {
		if c.flush() != nil {
			return false
		}
		c.release() // an idle connection holds no buffer
	}
	return len(c.out) <= maxHeld || c.flush() == nil
}

// settleBody reads what the handler left of the body, or decides to close: what cannot
// be told from a next request must not be read as one.
func (c *conn) settleBody() {
	switch {
	case c.req.body.done() || c.close:
	case c.awaits: // the client may send the body or not: nobody knows
		c.close = true
	case !c.req.body.drain(c.srv.cfg.MaxDrainBytes):
		c.close = true
	}
	c.awaits = false
}

// shrink lets go of buffers that one large message made.
func (c *conn) shrink() {
	if cap(c.res.body) > 2*maxHeld {
		c.res.body = nil
	}
	if cap(c.req.body.buf) > 2*maxHeld {
		c.req.body.buf = nil
	}
}

// flush sends what is in the output.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.srv.cfg.WriteTimeout)); err != nil {
		return err
	}
	_, err := c.nc.Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > 4*maxHeld {
		c.out = nil
	}
	if err != nil {
		c.close = true
	}
	return err
}

// linger gives the last response time to arrive: what the client still sends is thrown
// away for a moment, since closing at once would reset the connection and could take the
// response with it (RFC 9112 §9.6).
func (c *conn) linger() {
	type closeWriter interface{ CloseWrite() error }
	cw, ok := c.nc.(closeWriter)
	if !ok || cw.CloseWrite() != nil {
		return
	}
	if c.nc.SetReadDeadline(time.Now().Add(c.srv.cfg.LingerTimeout)) != nil {
		return
	}
	b := make([]byte, 4<<10)
	for total := 0; total < 1<<20; {
		n, err := c.nc.Read(b)
		if err != nil {
			return
		}
		total += n
	}
}

func (c *conn) hijack() (net.Conn, []byte, error) {
	if c.hijacked {
		return nil, nil, ErrHijacked
	}
	if c.res.started {
		return nil, nil, ErrStarted
	}
	if c.watch != nil {
		c.unwatch()
	}
	if err := c.flush(); err != nil {
		return nil, nil, err
	}
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		return nil, nil, err
	}
	c.hijacked = true
	buffered := append([]byte(nil), c.in[c.from:c.to]...)
	c.srv.forget(c)
	return c.nc, buffered, nil
}
