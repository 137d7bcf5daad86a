package ws

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// Handler is called with what comes on a connection, in order and one call after the other.
// Each function may be nil. Handlers are shared by any number of connections.
type Handler struct {
	// Open is called once, before anything is received.
	Open func(c *Conn)

	// Message is called for each message. data is valid until it returns and may be changed
	// until then. What it does, Write included, keeps the connection's next message waiting,
	// and with it, before long, the other side. An error closes the connection: with the
	// code of a *[CloseError], else with 1011. So does a panic, which is logged.
	Message func(c *Conn, op Opcode, data []byte) error

	// Close is called once, at the end, with what [Conn.Err] returns.
	Close func(c *Conn, err error)
}

// Handle has h called for what comes on the connection, from now on and until it ends. It
// returns at once. A connection that is handled is not read by [Conn.Read]: Handle is
// called before that, and once.
//
// While messages come, a goroutine is there. Before the first, and when none come for a
// while, TCP and Unix sockets of a [Server] on Linux are waited for together and without
// one; other connections wait in a goroutine that holds no buffer.
func (c *Conn) Handle(h *Handler) {
	if !c.handled(h) {
		go c.guarded(func() {
			<-c.Done()
			if h.Close != nil {
				h.Close(c, c.Err())
			}
		})
		return
	}
	c.is.set(awake)
	go c.run(true)
}

// handled gives the connection its handler, unless it was cut before: then whoever did that ends it.
func (c *Conn) handled(h *Handler) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is.has(dead) {
		return false
	}
	c.handler.Store(h)
	return true
}

const (
	lookTick    = 50 * time.Millisecond
	maxPatience = 40          // looks
	wakefulness = time.Second // who is woken before that was sent to rest too early
)

var longAgo = time.Unix(1, 0)

type step uint8

const (
	stepEnd step = iota
	stepRest
)

// run receives until the connection ends or rests.
func (c *Conn) run(first bool) {
	defer c.recovered()
	if first {
		if c.handler.Load().Open != nil {
			c.handler.Load().Open(c)
		}
		if c.from < c.to && !c.handleAll(needMore) {
			c.end()
			return
		}
		if c.parks && c.rest() { // nobody knows yet whether anything comes soon
			return
		}
	}
	if c.parks {
		c.set.clock.watch(c, lookTick)
	}
	for {
		if c.attend() == stepEnd {
			c.is.clear(awake)
			c.end()
			return
		}
		if c.rest() {
			return
		}
	}
}

var errPanicked = errors.New("ws: the handler panicked")

// recovered ends a connection whose handler panicked.
func (c *Conn) recovered() {
	v := recover()
	if v == nil {
		return
	}
	c.set.log.Error("a WebSocket handler panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	c.is.clear(awake)
	c.fail(errPanicked)
	c.sayClose(CloseInternalError, "")
	c.guarded(c.end)
}

// closedByPanic closes a connection whose function panicked.
func (c *Conn) closedByPanic() {
	v := recover()
	if v == nil {
		return
	}
	c.set.log.Error("a WebSocket function panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	c.fail(errPanicked)
	c.Close(CloseInternalError, "") // how it ended is known
}

// guarded calls a handler's Close function, or what calls it.
func (c *Conn) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.set.log.Error("a WebSocket handler panicked at the end", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	f()
}

// attend receives and handles what comes.
func (c *Conn) attend() step {
	if c.raw == nil {
		for !c.is.has(dead) {
			n, err := c.receivePlainly()
			if err != nil {
				c.lost(err)
				return stepEnd
			}
			if !c.received(n) {
				return stepEnd
			}
			c.unspace()
		}
		return stepEnd
	}
	err := c.raw.Read(c.readFn)
	switch {
	case err == nil:
	case isTimeout(err) && !c.is.has(dead):
		return stepRest
	default:
		c.lost(err)
	}
	return stepEnd
}

// rest lets go of the goroutine until something comes. false: it is needed.
func (c *Conn) rest() bool {
	if c.nc.SetReadDeadline(time.Time{}) != nil {
		return false // the next read will say why
	}
	parker, ok := c.nc.(*wire.Conn)
	if !ok {
		return false
	}
	c.unspace()
	c.giveIntake()
	c.is.mark(rested)
	c.is.clear(awake)
	c.out.rest(c)
	if parker.Park((*sleeper)(c)) {
		return true
	}
	c.resume()
	return false
}

// resume takes what giveIntake has given.
func (c *Conn) resume() {
	if c.intake == nil {
		c.takeIntake()
	}
	c.is.set(awake)
}

// sleeper is a connection that is parked.
type sleeper Conn

// Awake implements wire.Sleeper.
func (s *sleeper) Awake() {
	c := (*Conn)(s)
	c.resume()
	c.run(false)
}

// received handles n bytes that were received into space, and says whether to go on.
func (c *Conn) received(n int) bool {
	ev := c.noteReceived(n)
	if c.handler.Load() == nil {
		c.pending = ev
		return true
	}
	return c.handleAll(ev)
}

// handleAll handles an event, and everything that was received whole.
func (c *Conn) handleAll(ev event) bool {
	c.is.set(working)
	ok := c.deliver(ev) && c.digest()
	c.is.mark(stirred) // for as long as it worked, nobody could hear
	c.is.clear(working)
	return ok
}

// digest handles everything that was received whole.
func (c *Conn) digest() bool {
	for {
		ev := c.nextEvent()
		if ev == needMore {
			if c.corked {
				c.uncork()
			}
			return !c.is.has(dead)
		}
		if !c.deliver(ev) {
			return false
		}
	}
}

// deliver hands an event to the handler, or does what is to be done without.
func (c *Conn) deliver(ev event) bool {
	if ev != gotMessage {
		return c.serve(ev)
	}
	if c.is.has(dead) {
		return false
	}
	if c.handler.Load().Message == nil || c.is.has(closing) {
		return true
	}
	if err := c.handler.Load().Message(c, c.in.op, c.in.data); err != nil {
		return c.failed(err)
	}
	return !c.is.has(dead)
}

// failed closes the connection because the handler failed. Until the other side has
// answered, what comes is dropped.
func (c *Conn) failed(err error) bool {
	if errors.Is(err, context.Canceled) && c.is.has(dead) {
		return false
	}
	c.fail(err)
	code, reason := CloseInternalError, ""
	var e *CloseError
	if errors.As(err, &e) && e.Code.sendable() {
		code, reason = e.Code, e.Reason
	}
	if err := c.Close(code, reason); err != nil {
		c.cut(err)
		return false
	}
	return true
}
