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
	nc  net.Conn
	set *settings

	packing  packing
	client   bool
	byHand   bool  // it is a socket that is read and written inside RawConn
	parks    bool  // it can wait without a goroutine
	protocol uint8 // in set.protocols, from 1; 0: none

	handler atomic.Pointer[Handler] // nil: it is read by Read
	out     outbox
	*intake // of the goroutine that reads; nil while it is parked

	// The order of what follows leaves no gaps: a connection that is parked is little else.
	is         flags
	turns      atomic.Uint32 // rises when something comes; odd while a handler is at work
	rested     uint32        // tick when it was parked last; of that goroutine
	windowHeld atomic.Int32  // bytes of in.window
	watched                  // where the clock has it
	life       life          // of the clock
	index      int32         // in the server's list; under the server's lock

	mu    sync.Mutex
	fate  *fate // nil: it is open and nobody waits for the end
	value any
}

// fate is how a connection ends. It is under Conn.mu.
type fate struct {
	err  error         // the first cause
	done chan struct{} // closed at the end; nil: not asked for
	over bool
}

// flags are what any goroutine may ask of a connection.
type flags struct{ bits atomic.Uint32 }

const (
	closing uint32 = 1 << iota // a close frame was sent or has come
	dead                       // it was cut off, or has ended
	reading                    // a Read waits for the other side
	awake                      // a goroutine is there for a handler; without it: parked
)

func (f *flags) has(flag uint32) bool { return f.bits.Load()&flag != 0 }

// set sets a flag and says whether it was set before.
func (f *flags) set(flag uint32) (was bool) { return f.bits.Or(flag)&flag != 0 }

func (f *flags) clear(flag uint32) { f.bits.And(^flag) }

// life is what the clock knows of a connection; its goroutine alone looks at it. Times are
// ticks of the clock, and go round after three years.
type life struct {
	seen     uint32 // turns at the last look
	heard    uint32 // when they changed
	closeBy  uint32
	patience atomic.Uint32 // looks for which a quiet goroutine is let be
	quiet    uint8         // looks since they changed, as far as counted
	looked   bool          // once at least
	pinged   bool
	closing  bool // closeBy is set
}

var errEnded = errors.New("ws: the connection ended without a close frame")

func newConn(nc net.Conn, set *settings, p packing, client bool, buffered []byte) *Conn {
	c := &Conn{nc: nc, set: set, packing: p, client: client, index: -1}
	c.byHand = rawOf(nc) != nil
	if _, ok := nc.(*wire.Conn); ok {
		c.parks = c.byHand
	}
	c.out.client = client
	c.takeIntake()
	if len(buffered) > 0 {
		c.buf = append(takeBuffer(len(buffered)), buffered...)
		c.to = len(c.buf)
		c.buf = c.buf[:cap(c.buf)]
	}
	set.clock.watch(c, set.IdleTimeout/2)
	return c
}

// rawConn returns the means to read and write by hand; nil where package net does it.
func (c *Conn) rawConn() syscall.RawConn {
	if !c.byHand {
		return nil
	}
	return rawOf(c.nc)
}

// Subprotocol returns the subprotocol that was chosen; "" for none.
func (c *Conn) Subprotocol() string {
	if c.protocol == 0 {
		return ""
	}
	return c.set.protocols[c.protocol-1]
}

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
	f := c.itsFate()
	if f.done == nil {
		f.done = make(chan struct{})
		if f.over {
			close(f.done)
		}
	}
	return f.done
}

// itsFate is called under mu.
func (c *Conn) itsFate() *fate {
	if c.fate == nil {
		c.fate = new(fate)
	}
	return c.fate
}

// Err returns how the connection ended: a *[CloseError], a *[ProtocolError], [ErrTimeout],
// [ErrClosed] after CloseNow, or what the network said. nil while it is open.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fate == nil {
		return nil
	}
	return c.fate.err
}

// fail sets how the connection ended, unless that is known, and returns what is.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.itsFate()
	if f.err == nil {
		f.err = err
	}
	return f.err
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
	was, handled := c.is.set(dead), c.handler.Load() != nil
	c.mu.Unlock()
	if was {
		return
	}
	c.out.fail(c)
	if !handled || !c.byHand {
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
	if w, ok := c.nc.(*wire.Conn); ok {
		return w.NetConn()
	}
	return c.nc
}

// finish closes the socket and tells whoever waits for the end. It is called once the
// connection is not read inside RawConn.Read.
func (c *Conn) finish() {
	c.mu.Lock()
	f := c.itsFate()
	if f.over {
		c.mu.Unlock()
		return
	}
	f.over = true
	if f.err == nil {
		f.err = ErrClosed
	}
	c.is.set(dead)
	err, done, h := f.err, f.done, c.handler.Load()
	c.mu.Unlock()
	c.out.fail(c)
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
	said := c.sayClose(code, reason)
	if said {
		c.set.clock.watch(c, clockTick)
	}
	if c.handler.Load() != nil {
		return nil
	}
	for { // also where a server that shuts down has said it: nobody else may be there to see the other side go
		_, _, err := c.Read(context.Background())
		if err == nil {
			continue
		}
		<-c.Done()
		var closed *CloseError
		if !said || errors.As(err, &closed) { // it was being closed already
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
	c.is.set(closing)
}

// refuse closes the connection because of what the other side did.
func (c *Conn) refuse(bad *ProtocolError) {
	c.fail(bad)
	c.sayClose(bad.Code, bad.Detail)
	c.is.set(closing)
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
	} else if !c.is.has(dead) {
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
	return c.is.has(reading)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// look is called by the clock. It returns after what time to look again; 0: never.
func (c *Conn) look(now time.Duration) time.Duration {
	if c.is.has(dead) {
		return 0
	}
	l, tick := &c.life, uint32(now/clockTick)
	turns := c.turns.Load()
	switch {
	case !l.looked || turns != l.seen || !c.listens(turns): // who does not listen hears nothing
		l.seen, l.heard, l.pinged, l.quiet = turns, tick, false, 0
		if !l.looked && turns == 0 { // nothing has come at all
			l.quiet = 1
		}
		l.looked = true
	case l.quiet < maxPatience:
		l.quiet++
	}
	if c.out.closeSent() {
		return c.lookClosing(tick)
	}
	half := c.set.IdleTimeout / 2
	silent := time.Duration(tick-l.heard) * clockTick
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
	if c.parks && c.is.has(awake) {
		if uint32(l.quiet) >= l.patience.Load() {
			c.nc.SetReadDeadline(longAgo) // its goroutine lets go; an error: it is gone
			return next
		}
		return min(next, lookTick)
	}
	return next
}

// lookClosing cuts a connection whose other side does not answer a close frame.
func (c *Conn) lookClosing(tick uint32) time.Duration {
	l := &c.life
	if !l.closing {
		l.closing, l.closeBy = true, tick+uint32(ticks(c.set.CloseTimeout))
	}
	left := int32(l.closeBy - tick)
	if left <= 0 {
		c.cut(ErrTimeout)
		return 0
	}
	return time.Duration(left) * clockTick
}
