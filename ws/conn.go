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

	handler atomic.Pointer[Handler] // nil: it is read by Read
	out     outbox
	*intake // of the goroutine that reads; nil while it is parked

	// A connection that is parked is little else than this, so the order leaves no gaps.
	is         flags
	windowHeld atomic.Int32 // bytes of in.window
	deflate    deflate
	protocol   uint8  // in set.protocols, from 1; 0: none
	byHand     bool   // it is a socket that is read and written inside RawConn
	parks      bool   // it can wait without a goroutine
	life       life   // of the clock
	index      int32  // in the server's list; under the server's lock
	when       uint32 // tick at which the clock looks; 0: nowhere
	prev, next *Conn  // where the clock has it; under its lock, like when

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
	working                    // a handler is at work
	stirred                    // something has come since the clock looked
	rested                     // it was parked since the clock looked at it awake
)

func (f *flags) has(flag uint32) bool { return f.bits.Load()&flag != 0 }

// set sets a flag and says whether it was set before.
func (f *flags) set(flag uint32) (was bool) { return f.bits.Or(flag)&flag != 0 }

func (f *flags) clear(flag uint32) { f.bits.And(^flag) }

// mark sets a flag that is set as a rule.
func (f *flags) mark(flag uint32) {
	if !f.has(flag) {
		f.bits.Or(flag)
	}
}

// take clears a flag and says whether it was set.
func (f *flags) take(flag uint32) bool { return f.has(flag) && f.bits.And(^flag)&flag != 0 }

// life is what the clock knows of a connection; its goroutine alone looks at it. Times are
// ticks of the clock, and go round after three years.
type life struct {
	since    uint32 // when it was found stirred last; once closing, when that was found
	quiet    uint8  // looks since then, as far as counted
	patience uint8  // looks for which a quiet goroutine is let be
	pinged   bool
	closing  bool
}

var errEnded = errors.New("ws: the connection ended without a close frame")

func newConn(nc net.Conn, set *settings, p packing, buffered []byte) *Conn {
	c := &Conn{nc: nc, set: set, deflate: p.of(set.client), index: -1}
	c.byHand = rawOf(nc) != nil
	if _, ok := nc.(*wire.Conn); ok {
		c.parks = c.byHand
	}
	c.out.client = set.client
	c.life = life{since: uint32(set.clock.now()), patience: 1}
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
func (c *Conn) Compressed() bool { return c.deflate.on }

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
	if w, ok := c.bare().(interface{ CloseWrite() error }); ok && !c.set.client && w.CloseWrite() != nil {
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
func (c *Conn) listens() bool {
	if c.handler.Load() != nil {
		return !c.is.has(working)
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
	if c.out.closeSent() {
		return c.lookClosing(tick)
	}
	silent := time.Duration(tick-l.since) * clockTick
	switch {
	case c.is.take(stirred) || !c.listens(): // who does not listen hears nothing
		if c.is.has(awake) && c.is.take(rested) {
			l.woken(silent)
		}
		l.since, l.pinged, l.quiet, silent = tick, false, 0, 0
	case l.quiet < maxPatience:
		l.quiet++
	}
	half := c.set.IdleTimeout / 2
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
		if l.quiet >= l.patience {
			c.nc.SetReadDeadline(longAgo) // its goroutine lets go; an error: it is gone
			return next
		}
		return min(next, lookTick)
	}
	return next
}

// woken is called for a connection that was parked and woken, after it had been silent for
// a time: one that was sent to rest too early is given more patience.
func (l *life) woken(silent time.Duration) {
	if silent < time.Duration(l.patience)*lookTick+wakefulness {
		l.patience = min(4*l.patience, maxPatience)
	} else {
		l.patience = 1
	}
}

// lookClosing cuts a connection whose other side does not answer a close frame.
func (c *Conn) lookClosing(tick uint32) time.Duration {
	l := &c.life
	if !l.closing {
		l.closing, l.since = true, tick
	}
	left := c.set.CloseTimeout - time.Duration(tick-l.since)*clockTick
	if left <= 0 {
		c.cut(ErrTimeout)
		return 0
	}
	return left
}
