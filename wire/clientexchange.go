package wire

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"time"
)

// clientExchange is one request and its response on one connection. It is made when the
// connection is taken and ends with the response, when the connection goes back to the
// pool or is closed. Its buffers come from a pool: an idle connection has none.
type clientExchange struct {
	c        *Client
	ctx      context.Context
	cc       *clientConn
	stop     func() bool // ends the watch over ctx; nil when ctx cannot end
	send     *sender     // a body being sent while the response is read; nil: none
	in       []byte      // received; in[from:to] is not consumed yet
	from, to int
	received bool // a byte of the response came
	last     bool // the connection is closed behind the response
	out      []byte
	parser   responseParser
	first    [readBuffer]byte // what in is made of, unless a head was larger
}

var exchanges = sync.Pool{New: func() any { return new(clientExchange) }}

// maxInline is how large a body may be to be sent in one write together with the head,
// before the response is looked for. Every socket's buffer takes that much, so that the
// two ends cannot wait for each other.
const maxInline = 16 << 10

// newExchange begins an exchange. From here on the end of ctx closes the connection: a
// connection whose request was cancelled never carries another.
func newExchange(ctx context.Context, c *Client, cc *clientConn, o *outgoing) *clientExchange {
	x := exchanges.Get().(*clientExchange)
	x.c, x.ctx, x.cc, x.in = c, ctx, cc, x.first[:]
	x.from, x.to, x.received, x.send = 0, 0, false, nil
	x.last = c.cfg.DisableKeepAlive || o.close
	x.parser = responseParser{
		room:   math.MaxInt,
		isHead: o.method == "HEAD", connect: o.method == "CONNECT", upgrade: o.upgrade,
		maxBytes: c.cfg.MaxHeaderBytes, maxCount: c.cfg.MaxHeaderFields, interims: c.cfg.MaxInterim,
		head:  responseHead{fields: x.parser.head.fields[:0]},
		chunk: chunkReader{limit: c.cfg.MaxTrailerBytes},
	}
	x.stop = nil
	if ctx.Done() != nil {
		x.stop = context.AfterFunc(ctx, cc.closeQuietly)
	}
	return x
}

// run sends the request and returns the final response's head, parsed.
func (x *clientExchange) run(o *outgoing) (Stage, error) {
	sent, failed := x.sendHead(o)
	if failed != nil {
		return failed.stage, failed.err
	}
	if !sent && o.expects {
		if final, stage, err := x.awaitContinue(o); final || err != nil {
			return stage, err
		}
	}
	if !sent {
		x.send = startSender(x.cc, o, &x.c.cfg)
	}
	return x.readHead(o)
}

// sendHead sends the head, and with it a body that is small and at hand; sent says that
// nothing is left to be sent. A write that fails is not yet the end: the server may have
// answered and closed (RFC 9112 §9.5).
func (x *clientExchange) sendHead(o *outgoing) (sent bool, failed *sendError) {
	cfg := &x.c.cfg
	x.out = o.appendHead(x.out[:0], x.cc.key.forwards(), x.last, x.c.forwardAuth(x.cc.key))
	sent = o.body == nil
	if _, atHand := o.body.(interface{ Len() int }); atHand && o.length >= 0 && o.length <= maxInline && !o.expects {
		if err := x.appendBody(o); err != nil {
			return false, &sendError{StageRequest, err}
		}
		sent = true
	}
	now := time.Now()
	if err := x.cc.nc.SetWriteDeadline(now.Add(cfg.WriteTimeout)); err != nil {
		return false, &sendError{StageWrite, err}
	}
	wait := cfg.HeadTimeout
	_, err := x.cc.nc.Write(x.out)
	if err != nil {
		wait = afterFailedWrite
	}
	if derr := x.cc.nc.SetReadDeadline(now.Add(wait)); err == nil && derr != nil {
		return false, &sendError{StageWrite, derr}
	}
	if err == nil {
		return sent, nil
	}
	if isTimeout(err) {
		return false, &sendError{StageWrite, err}
	}
	if _, rerr := x.readHead(o); rerr != nil {
		return false, &sendError{StageWrite, err}
	}
	x.parser.head.body.close = true
	return true, nil
}

// afterFailedWrite is how long a response is looked for when the request could not be
// sent to its end.
const afterFailedWrite = time.Second

// appendBody appends a small body of known length.
func (x *clientExchange) appendBody(o *outgoing) error {
	at := len(x.out)
	x.out = slices.Grow(x.out, int(o.length))[:at+int(o.length)]
	_, err := io.ReadFull(o.body, x.out[at:])
	return err
}

// awaitContinue waits for 100 Continue, for a while. A final response that comes instead
// is the answer: the body is never sent then, and the connection cannot be used again,
// since the server may still expect it.
func (x *clientExchange) awaitContinue(o *outgoing) (final bool, stage Stage, err error) {
	if err := x.cc.nc.SetReadDeadline(time.Now().Add(x.c.cfg.ContinueTimeout)); err != nil {
		return false, StageWrite, err
	}
	for {
		ev, err := x.event(o)
		switch {
		case err != nil && isTimeout(err):
			return false, "", nil
		case err != nil:
			return false, StageHead, err
		case ev == finalHead:
			x.parser.head.body.close = true
			o.closeBody()
			return true, "", nil
		case x.parser.head.status == 100:
			return false, "", nil
		}
	}
}

// readHead reads up to the final head.
func (x *clientExchange) readHead(o *outgoing) (Stage, error) {
	if x.parser.state != readingHead {
		return "", nil // it came before the request was sent
	}
	for {
		ev, err := x.event(o)
		if x.send != nil && (ev == finalHead || err != nil) {
			if serr := x.send.settled(); serr != nil && err != nil {
				return serr.stage, serr.err
			}
		}
		if err != nil || ev == finalHead {
			return StageHead, err
		}
	}
}

// event receives up to the next head.
func (x *clientExchange) event(o *outgoing) (responseEvent, error) {
	for {
		ev, n, _, err := x.parser.next(x.in[x.from:x.to])
		if err != nil {
			return 0, err
		}
		x.from += n
		switch ev {
		case needMore:
			if err := x.receive(); err != nil {
				if err == io.EOF {
					err = x.parser.eof(x.received)
				}
				return 0, err
			}
		case interimHead:
			if o.q != nil && o.q.OnInterim != nil {
				o.q.OnInterim(newClientResponse(x, o))
			}
			return ev, nil
		default:
			return ev, nil
		}
	}
}

// receive reads once into the buffer.
func (x *clientExchange) receive() error {
	switch {
	case x.from == x.to:
		x.from, x.to = 0, 0
	case x.to < len(x.in):
	case x.from > 0:
		x.to = copy(x.in, x.in[x.from:x.to])
		x.from = 0
	default: // a head of more than one buffer
		bigger := make([]byte, 2*len(x.in))
		x.to = copy(bigger, x.in)
		x.in = bigger
	}
	n, err := x.cc.nc.Read(x.in[x.to:])
	x.to += n
	x.received = x.received || n > 0
	switch {
	case n > 0:
		return nil // an error comes again with the next read
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// end finishes the exchange. whole says that the response was read to its end; only then,
// and when nothing else speaks against it, is the connection used again.
func (x *clientExchange) end(whole bool) {
	reusable := whole && !x.parser.head.body.close && x.from == x.to
	if x.stop != nil && !x.stop() {
		reusable = false // ctx has ended and the connection is closed, or about to be
	}
	if x.send != nil {
		reusable = x.send.finish() && reusable
		if x.send.again {
			x.send.wait(x.ctx) // the body may be rewound
		}
	}
	switch cc := x.cc; {
	case reusable && !x.last:
		x.c.pool.put(cc)
	case whole:
		cc.end()
		x.c.pool.free(cc.key)
	default:
		cc.closeQuietly()
		x.c.pool.free(cc.key)
	}
	x.release()
}

// release gives the buffers back.
func (x *clientExchange) release() {
	x.c, x.ctx, x.cc, x.stop, x.send, x.in = nil, nil, nil, nil, nil, nil
	x.parser.head.buf, x.parser.chunk.trailers = nil, nil
	if cap(x.out) > 2*maxInline {
		x.out = nil
	}
	exchanges.Put(x)
}

// fail ends the exchange with an error. When the context has ended, that is the cause.
func (x *clientExchange) fail(stage Stage, method, url string, err error) *ClientError {
	if cause := ended(x.ctx); cause != nil {
		err = cause
	}
	e := &ClientError{Stage: stage, Method: method, URL: url, Addr: x.cc.addr, Reused: x.cc.reused, Err: err}
	x.end(false)
	return e
}

// ended returns why a context has ended, with its cause when that says more; nil while it
// has not. A deadline that has passed counts before the context notices.
func ended(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
			return context.DeadlineExceeded
		}
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		return errors.Join(err, cause)
	}
	return err
}
