package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// Conn is a WebSocket connection, of a server or of a client. Messages are received in one
// of two ways: by [Conn.Read] and [Conn.Reader], in a goroutine of the caller's, or by a
// [Handler] that is called for each, which needs no goroutine while nothing comes.
//
// All methods are safe for concurrent use. Messages are sent whole and one after the other,
// whoever sends them.
type Conn struct {
	nc     net.Conn
	raw    syscall.RawConn // nil where it is read and written by package net alone
	parker *wire.Conn      // nil where it cannot be parked
	set    *settings

	protocol string
	packing  packing
	client   bool

	handler atomic.Pointer[Handler] // nil: it is read by Read
	out     outbox
	sending sending // of who has the turn

	// Receiving; of the goroutine that reads.
	readMu   sync.Mutex // held by Read and by Close; the goroutine of a Handler needs none
	in       receiver
	buf      []byte // buf[from:to] has not been consumed; nil while nothing is
	from, to int
	direct   bool  // what is received goes straight into the message
	class    uint8 // log2 of the next buffer
	corked   bool  // pongs wait until what was received is handled
	one      [1]byte
	pending  event // of a Read: what came straight into a message
	ended    bool  // of a Read: nothing more is received, and end is under way
	recvErr  error
	piece    pieces
	readFn   func(uintptr) bool // made once
	writeFn  func(uintptr) bool
	wake     func()

	closing atomic.Bool   // a close frame was sent or has come
	dead    atomic.Bool   // it was cut off, or has ended
	turns   atomic.Uint32 // rises when something comes; odd while a handler is at work
	reading atomic.Bool   // a Read waits for the other side
	awake   atomic.Bool   // a goroutine is there for a handler; false: parked
	rested  time.Time     // when it was parked last; of that goroutine

	watched      // where the clock has it
	life    life // of the clock

	windowHeld atomic.Int32 // bytes of in.window

	mu    sync.Mutex
	err   error         // how it ended; the first cause
	done  chan struct{} // closed at the end; nil: not asked for
	over  bool
	index int // in the server's list; under the server's lock
	value any
}

// life is what the clock knows of a connection; its goroutine alone looks at it.
type life struct {
	seen     uint32        // turns at the last look
	heard    time.Duration // when they changed
	pinged   bool
	closeBy  time.Duration // 0: not closing
	patience atomic.Int32  // looks for which a quiet goroutine is let be
	quiet    int32
}

var errEnded = errors.New("ws: the connection ended without a close frame")

func newConn(nc net.Conn, set *settings, p packing, client bool, buffered []byte) *Conn {
	c := &Conn{nc: nc, set: set, packing: p, client: client, class: minClass, index: -1}
	if w, ok := nc.(*wire.Conn); ok {
		c.parker = w
		c.raw = rawOf(w.NetConn())
	} else {
		c.raw = rawOf(nc)
	}
	if c.raw != nil {
		c.readFn, c.writeFn = c.readable, c.writable
	}
	c.out.client = client
	c.in.at = situation{fromClient: !client, deflate: p.on}
	c.in.max = set.MaxMessageBytes
	c.in.takeover = p.on && (client && !p.serverNoTakeover || !client && !p.clientNoTake)
	if len(buffered) > 0 {
		c.buf = append(takeBuffer(len(buffered)), buffered...)
		c.to = len(c.buf)
		c.buf = c.buf[:cap(c.buf)]
	}
	set.clock.watch(c, set.IdleTimeout/2)
	return c
}

// Subprotocol returns the subprotocol that was chosen; "" for none.
func (c *Conn) Subprotocol() string { return c.protocol }

// Compressed says whether both sides may compress messages.
func (c *Conn) Compressed() bool { return c.packing.on }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// SetValue keeps a value with the connection, and Value returns it: what the program knows
// about the other side.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	c.value = v
	c.mu.Unlock()
}

// Value returns what SetValue was given last; nil before.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// Done returns a channel that is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.over {
			close(c.done)
		}
	}
	return c.done
}

// Err returns how the connection ended: a *[CloseError], a *[ProtocolError], [ErrTimeout],
// [ErrClosed] after CloseNow, or what the network said. nil while it is open.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail sets how the connection ended, unless that is known, and returns what is.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	return c.err
}

// CloseNow ends the connection at once, without a close frame.
func (c *Conn) CloseNow() error {
	c.cut(ErrClosed)
	return nil
}

// cut ends the connection by force.
func (c *Conn) cut(err error) {
	c.fail(err)
	c.mu.Lock() // Handle comes before this, or finds it done
	was, handled := c.dead.Swap(true), c.handler.Load() != nil
	c.mu.Unlock()
	if was {
		return
	}
	c.out.fail(ErrClosed)
	if !handled || c.raw == nil {
		c.finish()
		return
	}
	// Its goroutine may be inside RawConn.Read, or parked: it will see the end, and close.
	if h, ok := c.bare().(interface {
		CloseRead() error
		CloseWrite() error
	}); ok {
		h.CloseRead()
		h.CloseWrite() // errors: it has ended already
	}
}

// bare is the socket without what package wire puts around it.
func (c *Conn) bare() net.Conn {
	if c.parker != nil {
		return c.parker.NetConn()
	}
	return c.nc
}

// finish closes the socket and tells whoever waits for the end. It is called once the
// connection is not read inside RawConn.Read.
func (c *Conn) finish() {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.over = true
	if c.err == nil {
		c.err = ErrClosed
	}
	c.dead.Store(true)
	err, done, h := c.err, c.done, c.handler.Load()
	c.mu.Unlock()
	c.out.fail(ErrClosed)
	c.nc.Close() // nothing is left to be said about it
	c.set.clock.forget(c)
	if c.set.server != nil {
		c.set.server.forget(c)
	}
	if h != nil && h.Close != nil {
		c.guarded(func() { h.Close(c, err) })
	}
	if done != nil {
		close(done)
	}
}

// Close sends a close frame and waits until the other side has answered it, for at most
// Limits.CloseTimeout. Messages that still come are dropped. Connections with a [Handler]
// are not waited for: the handler's Close function is called at the end. A reason is at most
// 123 bytes of UTF-8, and cut there.
//
// The error is nil when the other side answered.
func (c *Conn) Close(code CloseCode, reason string) error {
	if !code.sendable() && code != CloseNoStatus {
		return errors.New("ws: Close: " + code.String() + " may not be sent")
	}
	if !c.sayClose(code, reason) {
		if c.handler.Load() == nil {
			<-c.Done()
		}
		return nil // it is being closed already
	}
	c.set.clock.watch(c, clockTick)
	if c.handler.Load() != nil {
		return nil
	}
	for {
		_, _, err := c.Read(context.Background())
		if err == nil {
			continue
		}
		<-c.Done()
		var closed *CloseError
		if errors.As(err, &closed) {
			return nil
		}
		return err
	}
}

// sayClose queues a close frame, once; false: one was sent already, or it is too late.
func (c *Conn) sayClose(code CloseCode, reason string) bool {
	var room [maxControl]byte
	return c.sendControl(opClose, appendClose(room[:0], code, reason))
}

// peerClosed answers a close frame.
func (c *Conn) peerClosed() {
	c.fail(&CloseError{c.in.code, c.in.reason})
	c.sayClose(c.in.code, "")
	c.closing.Store(true)
}

// refuse closes the connection because of what the other side did.
func (c *Conn) refuse(bad *ProtocolError) {
	c.fail(bad)
	c.sayClose(bad.Code, bad.Detail)
	c.closing.Store(true)
}

// lost notes that nothing more can be received.
func (c *Conn) lost(err error) {
	if c.recvErr == nil {
		c.recvErr = err
	}
	if err == io.EOF {
		c.recvErr = errEnded
	}
}

// end ends a connection that is not read any more: what is queued goes out, the server
// closes TCP first (RFC 6455 §7.1.1), and what the other side still sends is taken, so that
// the close frame is not lost to a reset.
func (c *Conn) end() {
	if c.recvErr != nil {
		c.fail(c.recvErr)
	} else if !c.dead.Load() {
		c.linger()
	}
	giveBuffer(c.buf)
	c.buf = nil
	c.in.abandon()
	c.finish()
}

// maxLinger bounds what is taken of a connection that is over.
const maxLinger = 1 << 20

func (c *Conn) linger() {
	deadline := time.Now().Add(c.set.CloseTimeout)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if c.out.acquire(ctx, c, forLast) != nil {
		return
	}
	c.out.release(c, true)
	if c.nc.SetReadDeadline(deadline) != nil {
		return
	}
	if w, ok := c.bare().(interface{ CloseWrite() error }); ok && !c.client && w.CloseWrite() != nil {
		return
	}
	b := takeBuffer(1 << minClass)
	defer giveBuffer(b)
	for taken := 0; taken < maxLinger; {
		n, err := c.nc.Read(b[:cap(b)])
		if err != nil {
			return
		}
		taken += n
	}
}

// listens says whether somebody would hear the other side.
func (c *Conn) listens(turns uint32) bool {
	if c.handler.Load() != nil {
		return turns&1 == 0
	}
	return c.reading.Load()
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// look is called by the clock. It returns after what time to look again; 0: never.
func (c *Conn) look(now time.Duration) time.Duration {
	if c.dead.Load() {
		return 0
	}
	l := &c.life
	turns := c.turns.Load()
	switch {
	case l.heard == 0 || turns != l.seen || !c.listens(turns): // who does not listen hears nothing
		l.seen, l.heard, l.pinged, l.quiet = turns, now, false, 0
	default:
		l.quiet++
	}
	if c.out.closeSent() {
		if l.closeBy == 0 {
			l.closeBy = now + c.set.CloseTimeout
		}
		if now >= l.closeBy {
			c.cut(ErrTimeout)
			return 0
		}
		return min(l.closeBy-now, c.set.CloseTimeout)
	}
	half := c.set.IdleTimeout / 2
	silent := now - l.heard
	switch {
	case silent >= c.set.IdleTimeout:
		c.cut(ErrTimeout)
		return 0
	case silent >= half && !l.pinged:
		l.pinged = true
		c.sendControl(opPing, nil)
	}
	next := half - silent
	if next <= 0 {
		next += half
	}
	if c.parkable() && c.awake.Load() {
		if l.quiet >= l.patience.Load() {
			c.nc.SetReadDeadline(longAgo) // its goroutine lets go; an error: it is gone
			return next
		}
		return min(next, lookTick)
	}
	return next
}
