package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// conn is the working set of a connection that is not at rest: buffers, the request
// and the response. It is owned by the connection's goroutine, and used again for other
// connections when that ends. Handlers see it only through the Request and Response of
// the link, which let go of it before.
type conn struct {
	*link
	space    *workspace        // what buffers begin with
	in       []byte            // received; in[from:to] is not consumed yet
	wide     *[wideBuffer]byte // what in is while a large body is received; else nil
	from, to int
	keep     int    // in[:keep] is the head of the request being handled
	out      []byte // to be sent
	req      heldRequest
	res      heldResponse
	close    bool // after this response
	linger   bool // the last response needs time to arrive
	hijacked bool // another has taken the connection over
	left     bool // nc is not this goroutine's any more
	awaits   bool // the client waits for 100 Continue
	turns    int  // times that it began to wait
	late     bool // the head being received has its deadline
	timed    bool // a read deadline is set
	bodyAt   time.Time
	received int64     // bytes of body since bodyAt
	writeBy  time.Time // the write deadline that is set
	own      ownDeadlines
	sending  sync.Locker // held while the body's reader sends; nil unless asked for
	watch    *watch      // looks out for the client's leaving; nil unless asked for
	direct               // reading inside RawConn.Read, where the system can
}

// step is what a connection does next.
type step uint8

const (
	stepWait step = iota // all that was received is handled: wait for a request
	stepHead             // receive more of a head
	stepBody             // handle a request whose body has not arrived
	stepRest             // let go of everything and wait
	stepEnd
)

// workspace is the memory that a connection's buffers begin with, in one piece of a page.
// What does not fit is allocated.
type workspace struct {
	in     [readBuffer]byte
	out    [1536]byte
	fields [256]byte // of the response
	lines  [16]fieldLine
}

const readBuffer = 2 << 10

// wideBuffer is what a body is received into that does not fit the workspace.
const wideBuffer = 32 << 10

// What connections at rest, or without a large body, have given back.
var (
	workspaces  = sync.Pool{New: func() any { return new(workspace) }}
	wideBuffers = sync.Pool{New: func() any { return new([wideBuffer]byte) }}
	conns       = sync.Pool{New: func() any { return new(conn) }}
)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func newConn(l *link) *conn {
	c := conns.Get().(*conn)
	c.link = l
	c.outside()
	return c
}

// maxKeptBody is the size of a buffer for response bodies that other connections get, too.
const maxKeptBody = 4 << 10

// recycle gives the working set, which nobody holds any more, to other connections.
func (c *conn) recycle() {
	body := c.res.body[:0]
	if cap(body) > maxKeptBody {
		body = nil
	}
	*c = conn{direct: c.direct}
	c.res.body = body
	conns.Put(c)
}

// equip gives the connection its buffers, and what is in them to the Request and Response.
func (c *conn) equip() {
	c.request.heldRequest, c.response.heldResponse = &c.req, &c.res
	c.space = workspaces.Get().(*workspace)
	c.in, c.out = c.space.in[:], c.space.out[:0]
	c.res.fields, c.req.head.fields = c.space.fields[:0], c.space.lines[:0]
}

// serve handles requests until the connection ends or rests. first is what was received
// already.
func (l *link) serve(first ...byte) {
	c := newConn(l)
	defer c.end()
	next := stepWait
	if len(first) > 0 { // it was woken, so more requests are likely
		c.turns = 1
		c.room()
		c.to = copy(c.in, first)
		next = c.sent(c.batch())
	}
	for {
		switch next {
		case stepWait:
			next = c.attend()
		case stepHead, stepBody:
			next = c.pursue(next)
		case stepRest:
			next = c.rest()
		case stepEnd:
			return
		}
	}
}

func (c *conn) end() {
	v := recover()
	if v != nil {
		c.srv.log.Error("a connection ended by a panic", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
	c.outside()
	if c.linger {
		c.lingerOn()
	}
	c.release() // who rests has done so: the link may have another working set by now
	if !c.left {
		c.finish()
	}
	if v == nil {
		c.recycle()
	}
}

// release gives the workspace back. Nothing of it is left in a Request or Response that
// somebody kept.
func (c *conn) release() {
	if c.space == nil {
		return
	}
	c.request.heldRequest, c.response.heldResponse = &over.req, &over.res
	c.narrow()
	workspaces.Put(c.space)
	c.space, c.in, c.out = nil, nil, nil
	c.req.head.buf, c.req.head.fields, c.res.fields = nil, nil, nil
}

// wait waits for the first bytes of a request, and handles what comes. It is attend for
// any net.Conn.
func (c *conn) wait() step {
	if !c.idle() {
		return stepEnd
	}
	if _, err := c.receive(); err != nil {
		if isTimeout(err) && c.interrupted() == causeRest {
			return stepRest
		}
		return stepEnd // nothing was begun: nothing to answer
	}
	c.busy()
	return c.sent(c.batch())
}

// pursue goes on with a request that has not arrived whole, and with what follows.
func (c *conn) pursue(next step) step {
	if next == stepHead {
		if err := c.moreHead(); err != nil {
			if e, ok := err.(*Error); ok {
				c.refuse(e)
			}
			return stepEnd
		}
	} else if !c.exchange() {
		return stepEnd
	}
	return c.sent(c.batch())
}

// sent sends the output before the connection waits, which it does without a deadline of
// its own.
func (c *conn) sent(next step) step {
	if next != stepWait {
		return next
	}
	if c.flush() != nil {
		return stepEnd
	}
	if c.timed {
		c.timed = false
		c.clearReadDeadline()
	}
	if c.turns++; c.turns > 1 {
		return stepWait
	}
	// nobody knows yet whether a second request comes soon
	if c.raw == nil {
		return stepRest // which is cheaper than to wait for a while with buffers, and be told
	}
	c.release()
	return stepWait
}

// batch handles the requests that are buffered, one after the other, and gathers their
// responses.
func (c *conn) batch() step {
	cfg := &c.srv.cfg
	for depth := 1; ; depth++ {
		if c.from == c.to {
			c.narrow()
			return stepWait
		}
		n, err := c.req.head.parse(c.in[c.from:c.to], cfg.MaxHeaderBytes, cfg.MaxHeaderFields)
		if err != nil {
			c.refuse(err)
			return stepEnd
		}
		if n == 0 {
			return stepHead
		}
		c.begin(n)
		if c.inside() && c.needsPeer() {
			return stepBody
		}
		if !c.exchange() {
			return stepEnd
		}
		if depth == cfg.MaxPipelined || len(c.out) > maxHeld {
			if depth = 0; c.flush() != nil {
				return stepEnd
			}
		}
	}
}

// begin makes ready for the request whose head of n bytes is parsed.
func (c *conn) begin(n int) {
	c.from += n
	c.keep = c.from
	f := &c.req.head.framing
	c.close = f.close
	c.awaits = f.expect && (f.chunked || f.length > 0)
	c.late, c.bodyAt, c.received = false, time.Time{}, 0
	c.own, c.sending = ownDeadlines{}, nil
	c.request.begin(c)
	c.response.reset(c, c.req.head.known == "HEAD")
}

// needsPeer says that the handler may read from the connection: for a body that is not
// all there, or a protocol that follows.
func (c *conn) needsPeer() bool {
	f := &c.req.head.framing
	return f.chunked || f.upgrade || f.length > int64(c.to-c.from) || c.req.head.known == "CONNECT"
}

// exchange handles one request; false when the connection is to end.
func (c *conn) exchange() bool {
	c.handle()
	if c.watch != nil {
		c.unwatch()
	}
	if c.req.form != nil {
		c.dropForm()
	}
	if c.hijacked || !c.complete() {
		return false
	}
	if c.close || c.srv.closing.Load() {
		c.linger = c.flush() == nil
		return false
	}
	c.req.head.reset()
	return true
}

// dropForm removes the files of a form that the handler did not keep.
func (c *conn) dropForm() {
	if err := c.req.form.remove(); err != nil {
		c.srv.log.Error("an upload could not be removed", "request_id", c.request.ID(), "error", err)
	}
}

// moreHead receives more of a head, whose time counts from its first byte.
func (c *conn) moreHead() error {
	if err := c.flush(); err != nil {
		return err
	}
	if !c.late {
		c.late, c.timed = true, true
		if err := c.nc.SetReadDeadline(time.Now().Add(c.srv.cfg.ReadHeaderTimeout)); err != nil {
			return err
		}
	}
	_, err := c.receive()
	if isTimeout(err) {
		return &Error{Status: 408, Detail: "the request head comes too slowly", Close: true}
	}
	return err
}

// room makes room in the buffer. What lies before keep is the head of the request being
// handled and stays where it is.
func (c *conn) room() {
	switch {
	case c.space == nil:
		c.equip()
	case c.to < len(c.in):
	case c.from > c.keep:
		copy(c.in[c.keep:], c.in[c.from:c.to])
		c.from, c.to = c.keep, c.keep+c.to-c.from
	default:
		bigger := make([]byte, max(2*readBuffer, 2*(c.to-c.from)))
		c.to = copy(bigger, c.in[c.from:c.to])
		c.in, c.from, c.keep = bigger, 0, 0 // the head may still stand in the old one
	}
}

// widen gives the buffer, of which nothing is left to consume, the size for a large body.
// A head that was received behind another large body stands in the wide buffer itself:
// then room is made as in any other, behind it.
func (c *conn) widen() {
	switch {
	case c.wide == nil:
		c.wide = wideBuffers.Get().(*[wideBuffer]byte)
	case c.keep > 0:
		return
	}
	c.in, c.from, c.to, c.keep = c.wide[:], 0, 0, 0 // the head stands where it stood
}

// narrow gives up a buffer that one large head or body wanted. Nothing is left in it.
func (c *conn) narrow() {
	if c.wide != nil {
		wideBuffers.Put(c.wide)
		c.wide = nil
	}
	c.in, c.from, c.to = c.space.in[:], 0, 0
}

// receive reads once into the buffer.
func (c *conn) receive() (n int, err error) {
	if c.inside() {
		panic("wire: a blocking read inside RawConn.Read")
	}
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
	if c.sending != nil {
		c.sending.Lock()
		defer c.sending.Unlock()
	}
	if c.awaits && !c.res.started { // inside a response it would be read as a part of that
		c.awaits = false
		c.out = append(c.out, "HTTP/1.1 100 Continue\r\n\r\n"...)
	}
	if err := c.flush(); err != nil {
		return err
	}
	if c.bodyAt.IsZero() {
		c.bodyAt = time.Now()
	}
	// the body may take the grace, and a second more for each MinBodyRate bytes
	deadline := c.bodyAt.Add(cfg.ReadBodyTimeout + time.Duration(float64(c.received)/float64(cfg.MinBodyRate)*float64(time.Second)))
	if c.req.ctx != nil {
		if d, ok := c.req.ctx.Deadline(); ok && d.Before(deadline) {
			deadline = d
		}
	}
	if c.own.hasRead {
		deadline = c.own.read
	}
	c.timed = true
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
			c.srv.log.Error("a handler panicked", "request_id", c.request.ID(), "method", c.request.Method(), "path", c.request.rawTarget(), "panic", LogText(fmt.Sprint(v)), "stack", string(stack))
			err = &Error{Status: 500}
		}
	}()
	return c.srv.cfg.Handler(&c.response, &c.request)
}

// fail answers with an error, unless the response is under way already.
func (c *conn) fail(err error) {
	var e *Error
	if !errors.As(err, &e) {
		c.srv.log.Error("a handler failed", "request_id", c.request.ID(), "method", c.request.Method(), "path", c.request.rawTarget(), "error", err)
		e = &Error{Status: 500}
	}
	if c.res.started {
		c.srv.log.Warn("a response broke off", "request_id", c.request.ID(), "error", err)
		c.close, c.res.broken = true, true
		return
	}
	c.close = c.close || e.Close
	w := &c.response
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
	for _, n := range []string{"content-type", "content-encoding", "content-range", "content-disposition", "content-language", "content-digest", "repr-digest", "digest",
		"etag", "last-modified", "cache-control", "expires", "accept-ranges", "trailer", "date", "location"} {
		if len(line) > len(n) && line[len(n)] == ':' && equalFold(line[:len(n)], n) {
			return true
		}
	}
	return false
}

// writeError fills the response with an error.
func (c *conn) writeError(e *Error) {
	w := &c.response
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
	kind, b := c.srv.cfg.ErrorBody(&c.request, e)
	if err := w.Send(status, kind, b); err != nil {
		c.srv.log.Error("an error response could not be written", "error", err)
	}
}

// refuse answers a request whose head could not be read.
func (c *conn) refuse(e *Error) {
	c.req.head.reset()
	c.req.head.buf, c.req.head.minor = nil, 1
	c.req.head.method, c.req.head.target = span{}, span{}
	c.request.begin(c)
	c.close = true
	c.response.reset(c, false)
	c.writeError(e)
	c.linger = c.response.finish() == nil && c.flush() == nil
}

// complete ends the response; false when the connection is to end at once.
func (c *conn) complete() bool {
	w := &c.response
	c.settleBody()
	if w.broken {
		// without its end
	} else if err := w.finish(); err != nil {
		c.close = true
		if w.started {
			c.srv.log.Warn("a response broke off", "request_id", c.request.ID(), "error", err)
			w.broken = true
		} else {
			c.srv.log.Error("a response could not be completed", "request_id", c.request.ID(), "error", err)
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
	return true
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
	err := c.write(c.out[c.writeNow(c.out):])
	if c.out = c.out[:0]; cap(c.out) > 4*maxHeld {
		c.out = c.space.out[:0]
	}
	if err != nil {
		c.close = true
	}
	return err
}

// write sends b under the write deadline. That is moved on only when less than
// WriteTimeout is left of it, so it comes up to a quarter late.
func (c *conn) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	timeout := c.srv.cfg.WriteTimeout
	if now := time.Now(); !c.own.hasWrite && c.writeBy.Sub(now) < timeout {
		c.writeBy = now.Add(timeout + timeout/4)
		if err := c.nc.SetWriteDeadline(c.writeBy); err != nil {
			return err
		}
	}
	_, err := c.nc.Write(b)
	return err
}

// lingerOn gives the last response time to arrive: what the client still sends is thrown
// away until LingerTimeout, however much it is, since closing before would reset the
// connection and could take the response with it (RFC 9112 §9.6).
func (c *conn) lingerOn() {
	h, ok := c.nc.(interface{ CloseWrite() error }) // TLS has only this half
	if !ok || h.CloseWrite() != nil {
		return
	}
	if c.nc.SetReadDeadline(time.Now().Add(c.srv.cfg.LingerTimeout)) != nil {
		return
	}
	b := make([]byte, 16<<10)
	for err := error(nil); err == nil; _, err = c.nc.Read(b) {
	}
}

// rest lets go of buffers, request, response and this goroutine. The connection is
// parked or, where that cannot be, waits in a goroutine that holds hardly anything.
func (c *conn) rest() step {
	c.release()
	if !c.writeBy.IsZero() {
		c.nc.SetWriteDeadline(time.Time{}) // its timer; it can fail only on a closed connection
	}
	c.left = true
	switch {
	case c.raw != nil && c.park():
	case !c.idle():
		c.left = false
	default:
		c.srv.keeper.rest(c.link, ticket{})
		go c.link.awaitByte()
	}
	return stepEnd
}

// awaitByte waits for the first byte of a request.
func (l *link) awaitByte() {
	first := make([]byte, 1)
	for {
		n, err := l.nc.Read(first)
		if n > 0 {
			break
		}
		// The keeper may have found it idle before it began to rest.
		if !isTimeout(err) || l.interrupted() != causeRest || !l.idle() {
			l.finish()
			return
		}
		l.srv.keeper.rest(l, ticket{})
	}
	l.busy()
	l.srv.keeper.add(l)
	l.serve(first...)
}
