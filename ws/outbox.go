package ws

import (
	"context"
	"sync"
)

// outbox orders what is sent on a connection. One goroutine at a time has the turn: it
// alone writes to the socket. What is queued meanwhile goes out before the turn passes on.
type outbox struct {
	mu     sync.Mutex
	client bool   // frames are masked
	busy   bool   // somebody has the turn
	open   bool   // a message is being sent in fragments: other messages wait
	closed bool   // a close frame was queued: nothing may follow it
	err    error  // nothing can be sent any more
	queue  []byte // frames that go next
	flying int    // bytes of the queue that who has the turn has taken and is sending
	held   []byte // messages that wait for the end of the one in fragments
	first  *waiter
	pong   *[maxControl + 1]byte // the last ping not answered, its length in front; nil: none
	window []byte                // what the other side may be referred to, with takeover
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
func (o *outbox) refuses(kind turnKind) bool { return o.err != nil || o.closed && kind != forLast }

// acquire waits for the turn.
func (o *outbox) acquire(ctx context.Context, c *Conn, kind turnKind) error {
	o.mu.Lock()
	if o.refuses(kind) {
		o.mu.Unlock()
		return ErrClosed
	}
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
	for at := &o.first; *at != nil; at = &(*at).next {
		if *at == w {
			*at = w.next
			return true
		}
	}
	return false
}

// pass gives the turn to the next who may have it. mu is held.
func (o *outbox) pass() {
	for at := &o.first; *at != nil; at = &(*at).next {
		if w := *at; w.kind != forMessage || !o.open || o.err != nil {
			*at = w.next
			close(w.turn)
			return
		}
	}
	o.busy = false
}

// take takes what is queued, to be sent before a frame of who has the turn. closed: a close
// frame is in it or was before, so that frame may not follow.
func (o *outbox) take() (q []byte, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.takeLocked(), o.closed
}

func (o *outbox) takeLocked() []byte {
	if len(o.queue) == 0 && o.pong != nil && o.err == nil && !o.closed {
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
func (o *outbox) waiting() int { return len(o.queue) + o.flying + len(o.held) }

// release sends what was queued meanwhile, and gives the turn up. Unless it may block, a
// goroutine does what the socket does not take at once.
func (o *outbox) release(c *Conn, mayBlock bool) {
	for {
		o.mu.Lock()
		o.flying = 0
		if o.err != nil || len(o.queue) == 0 && o.pong == nil {
			o.pass()
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
func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	giveBuffer(o.queue)
	o.queue, o.held, o.pong, o.window = nil, nil, nil, nil
	if !o.busy && o.first != nil { // they waited for the end of a message in fragments
		o.busy = true
		o.pass()
	}
}

func (o *outbox) closeSent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}
