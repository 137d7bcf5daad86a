package ws

import (
	"context"
	"sync"
	"syscall"
)

// outbox orders what is sent on a connection. One goroutine at a time has the turn: it
// alone writes to the socket. What is queued meanwhile goes out before the turn passes on.
type outbox struct {
	mu     sync.Mutex
	client bool // frames are masked
	busy   bool // somebody has the turn
	open   bool // a message is being sent in fragments: other messages wait
	closed bool // a close frame was queued: nothing may follow it
	failed bool // nothing can be sent any more
	*outgoing
}

// outgoing is what a connection needs to send. One that is parked and has nothing to send has
// none: outbox.outgoing is nil then, and never while somebody has the turn.
type outgoing struct {
	conn    *Conn
	raw     syscall.RawConn // nil where package net alone writes
	sending sending         // of who has the turn
	queue   []byte          // frames that go next
	flying  int             // bytes of the queue that who has the turn has taken and is sending
	held    []byte          // messages that wait for the end of the one in fragments
	first   *waiter
	pong    *[maxControl + 1]byte // the last ping not answered, its length in front; nil: none
	window  []byte                // what the other side may be referred to, with takeover
	writeFn func(uintptr) bool    // made once
}

var outgoings = sync.Pool{New: func() any {
	w := new(outgoing)
	w.writeFn = func(fd uintptr) bool { return w.conn.writable(fd) }
	return w
}}

// equip makes ready to send. mu is held.
func (o *outbox) equip(c *Conn) {
	if o.outgoing != nil {
		return
	}
	o.outgoing = outgoings.Get().(*outgoing)
	o.conn, o.raw = c, c.rawConn()
}

// rest lets go of what is needed to send, where a connection is parked and has nothing to
// send.
func (o *outbox) rest(c *Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.restLocked(c)
}

func (o *outbox) restLocked(c *Conn) {
	w := o.outgoing
	if w == nil || o.busy || !c.parks || c.handler.Load() == nil || c.is.has(awake) {
		return
	}
	if len(w.queue)+len(w.held) > 0 || w.first != nil || w.pong != nil || w.window != nil {
		return
	}
	o.outgoing = nil
	*w = outgoing{writeFn: w.writeFn}
	outgoings.Put(w)
}

// windowBytes returns what is kept for takeover.
func (o *outbox) windowBytes() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.outgoing == nil {
		return 0
	}
	return cap(o.window)
}

// waiter is somebody who wants the turn.
type waiter struct {
	next *waiter
	kind turnKind
	turn chan struct{}
}

// turnKind is what the turn is for.
type turnKind uint8

const (
	forMessage  turnKind = iota
	forFragment          // the rest of a message in fragments
	forLast              // to see the queue out, behind a close frame too
)

// refuses says that nothing of a kind can be sent any more. mu is held.
func (o *outbox) refuses(kind turnKind) bool { return o.failed || o.closed && kind != forLast }

// acquire waits for the turn.
func (o *outbox) acquire(ctx context.Context, c *Conn, kind turnKind) error {
	o.mu.Lock()
	if o.refuses(kind) {
		o.mu.Unlock()
		return ErrClosed
	}
	o.equip(c)
	if !o.busy && (kind != forMessage || !o.open) {
		o.busy = true
		o.mu.Unlock()
		return nil
	}
	w := &waiter{kind: kind, turn: make(chan struct{})}
	last := &o.first
	for *last != nil {
		last = &(*last).next
	}
	*last = w
	o.mu.Unlock()
	select {
	case <-w.turn:
	case <-ctx.Done():
		if o.withdraw(w) {
			return context.Cause(ctx)
		}
		<-w.turn // it came at the same time
	}
	o.mu.Lock()
	refused := o.refuses(kind)
	o.mu.Unlock()
	if refused { // the turn came just before a close frame, which whoever has the turn sends
		o.release(c, false)
		return ErrClosed
	}
	return nil
}

// withdraw removes a waiter; false: it has the turn already.
func (o *outbox) withdraw(w *waiter) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for at := &o.first; *at != nil; at = &(*at).next { // who waits keeps outgoing
		if *at == w {
			*at = w.next
			return true
		}
	}
	return false
}

// pass gives the turn to the next who may have it. mu is held.
func (o *outbox) pass(c *Conn) {
	for at := &o.first; *at != nil; at = &(*at).next {
		if w := *at; w.kind != forMessage || !o.open || o.failed {
			*at = w.next
			close(w.turn)
			return
		}
	}
	o.busy = false
	o.restLocked(c)
}

// take takes what is queued, to be sent before a frame of who has the turn. closed: a close
// frame is in it or was before, so that frame may not follow.
func (o *outbox) take() (q []byte, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.takeLocked(), o.closed
}

func (o *outbox) takeLocked() []byte {
	if len(o.queue) == 0 && o.pong != nil && !o.failed && !o.closed {
		o.queue = appendFrame(takeBuffer(maxControl), ownHeader(opPong, o.client), o.pong[1:1+o.pong[0]])
		o.pong = nil
	}
	q := o.queue
	o.queue, o.flying = nil, len(q)
	return q
}

// sent counts bytes down that were taken of the queue.
func (o *outbox) sent(n int) {
	o.mu.Lock()
	o.flying -= n
	o.mu.Unlock()
}

// waiting is how many bytes the other side has not taken yet. mu is held.
func (o *outbox) waiting() int {
	if o.outgoing == nil {
		return 0
	}
	return len(o.queue) + o.flying + len(o.held)
}

// release sends what was queued meanwhile, and gives the turn up. Unless it may block, a
// goroutine does what the socket does not take at once.
func (o *outbox) release(c *Conn, mayBlock bool) {
	for {
		o.mu.Lock()
		o.flying = 0
		if o.failed || len(o.queue) == 0 && o.pong == nil {
			o.pass(c)
			o.mu.Unlock()
			return
		}
		q := o.takeLocked()
		o.mu.Unlock()
		if !mayBlock {
			n := c.sendAtOnce(q, nil)
			if n < len(q) {
				o.putBack(q[n:])
				giveBuffer(q)
				go o.release(c, true)
				return
			}
			giveBuffer(q)
		} else {
			c.sendQueued(q) // an error cuts the connection, and the next round sees that
		}
	}
}

// putBack puts bytes in front of the queue.
func (o *outbox) putBack(rest []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := append(takeBuffer(len(rest)+len(o.queue)), rest...)
	q = append(q, o.queue...)
	giveBuffer(o.queue)
	o.queue, o.flying = q, 0
}

// add appends to the queue. mu is held.
func (o *outbox) add(b []byte) {
	if len(b) > 0 {
		o.queue = append(makeRoom(o.queue, len(b)), b...)
	}
}

// fail ends all sending.
func (o *outbox) fail(c *Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed = true
	if o.outgoing == nil {
		return
	}
	giveBuffer(o.queue)
	o.queue, o.held, o.pong, o.window = nil, nil, nil, nil
	if !o.busy && o.first != nil { // they waited for the end of a message in fragments
		o.busy = true
		o.pass(c)
	}
}

func (o *outbox) closeSent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}
