package ws

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"
	"unicode/utf8"
)

// sending is what who has the turn is sending.
type sending struct {
	a, b []byte
	wait bool // for the socket to take all of it
	took bool // some of it, since the deadline was set
	ctx  context.Context
	some bool // a part was taken: it must be completed, or the connection is of no use
	err  error
	head [maxHeader]byte
}

func (s *sending) sent(n int) {
	s.some = s.some || n > 0
	s.took = true
	k := min(n, len(s.a))
	s.a = s.a[k:]
	s.b = s.b[n-k:]
}

// gathered is up to how many bytes of payload are copied behind their header; more are sent
// from where they are.
const gathered = 2 << 10

// Write sends a message and returns once the system has taken it. It waits while another
// message is being sent, and while the other side is slow: for at most
// Limits.WriteTimeout, and until ctx ends. When that is in the middle of the message, the
// connection is cut.
//
// Errors: [ErrClosed] after a close frame, [ErrNotUTF8], [ErrTimeout], ctx's.
func (c *Conn) Write(ctx context.Context, op Opcode, data []byte) error {
	if err := checkMessage(op, data); err != nil {
		return err
	}
	if err := c.out.acquire(ctx, c, forMessage); err != nil {
		return err
	}
	err := c.writeMessage(ctx, op, data)
	c.out.release(c, true)
	return err
}

func checkMessage(op Opcode, data []byte) error {
	if !op.message() {
		return errors.New("ws: a message is Text or Binary")
	}
	if op == Text && !utf8.Valid(data) {
		return ErrNotUTF8
	}
	return nil
}

// packs says whether a message is to be compressed.
func (c *Conn) packs(n int) bool { return c.deflate.on && n >= c.set.minPacked }

// takesOver says whether what is sent may refer to what was sent.
func (c *Conn) takesOver() bool {
	return c.deflate.ours
}

func (c *Conn) ownBits() int { return int(c.deflate.bits) }

// pack compresses a message into a buffer. With takeover it is called in the order of
// sending, and outbox.mu is held.
func (c *Conn) pack(data []byte) []byte {
	if !c.takesOver() {
		return pack(nil, data, c.ownBits())
	}
	b := pack(c.out.window, data, c.ownBits())
	c.out.window = slide(c.out.window, data, 1<<c.ownBits())
	return b
}

func pack(window, data []byte, bits int) []byte {
	z := deflaters.Get().(*deflater)
	defer deflaters.Put(z)
	return z.message(takeBuffer(len(data)), window, data, bits)
}

// ownHeader is the header of a whole frame of one side.
func ownHeader(op Opcode, client bool) header {
	h := header{fin: true, op: op}
	if client {
		h.masked, h.key = true, newKey()
	}
	return h
}

// frameHeader is the header of a whole frame of this side.
func (c *Conn) frameHeader(op Opcode, packed bool, n int) header {
	h := ownHeader(op, c.set.client)
	h.rsv1, h.length = packed, uint64(n)
	return h
}

// newKey makes a masking key that nobody can foresee (RFC 6455 §5.3).
func newKey() uint32 {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}

// writeMessage sends what is queued and then a message. The caller has the turn.
func (c *Conn) writeMessage(ctx context.Context, op Opcode, data []byte) error {
	packed := c.packs(len(data))
	o := &c.out
	o.mu.Lock()
	q, closed := o.takeLocked(), o.closed
	payload := data
	if packed && c.takesOver() && !closed {
		payload = c.pack(data)
	}
	o.mu.Unlock()
	if packed && !c.takesOver() && !closed {
		if payload = c.pack(data); len(payload) >= len(data) {
			giveBuffer(payload)
			payload, packed = data, false
		}
	}
	if err := c.sendBefore(q, closed); err != nil {
		return err
	}
	err := c.writeFrame(ctx, c.frameHeader(op, packed, len(payload)), payload)
	if packed {
		giveBuffer(payload)
		if err != nil && c.takesOver() {
			return c.torn(err) // later messages refer to this one
		}
	}
	return err
}

// sendQueued sends what was taken of the queue, and counts it down.
func (c *Conn) sendQueued(q []byte) error {
	defer giveBuffer(q)
	for rest := q; len(rest) > 0; {
		n := min(len(rest), plainly)
		if err := c.sendAll(context.Background(), rest[:n], nil); err != nil {
			return err
		}
		c.out.sent(n)
		rest = rest[n:]
	}
	return nil
}

// sendBefore sends what was queued before a frame; an error says that the frame must not
// follow.
func (c *Conn) sendBefore(q []byte, closed bool) error {
	if err := c.sendQueued(q); err != nil {
		return err
	}
	if closed {
		return ErrClosed
	}
	return nil
}

// writeFrame sends a frame. The caller has the turn.
func (c *Conn) writeFrame(ctx context.Context, h header, payload []byte) error {
	if len(payload) <= gathered {
		b := appendFrame(takeBuffer(maxHeader+len(payload)), h, payload)
		err := c.sendAll(ctx, b, nil)
		giveBuffer(b)
		return err
	}
	head := appendHeader(c.out.sending.head[:0], h)
	if !h.masked {
		return c.sendAll(ctx, head, payload)
	}
	b := takeBuffer(min(len(payload), 64<<10))
	defer giveBuffer(b)
	for key := h.key; len(payload) > 0; {
		n := min(len(payload), cap(b))
		b = append(b[:0], payload[:n]...)
		key = mask(b, key)
		if err := c.sendAll(ctx, head, b); err != nil {
			return c.torn(err)
		}
		payload, head = payload[n:], nil
	}
	return nil
}

// torn ends a connection on which a frame was begun and not completed.
func (c *Conn) torn(err error) error {
	c.cut(err)
	return err
}

// sendAtOnce sends what the socket takes now, and returns how much that is. The caller has
// the turn.
func (c *Conn) sendAtOnce(a, b []byte) int {
	if !c.byHand {
		return 0
	}
	w := &c.out.sending
	w.a, w.b, w.wait, w.some, w.took, w.err = a, b, false, false, false, nil
	if c.out.raw.Write(c.out.writeFn) != nil || w.err != nil {
		return 0 // whoever sends the rest is told why
	}
	n := len(a) + len(b) - len(w.a) - len(w.b)
	w.a, w.b = nil, nil
	return n
}

// sendAll sends everything. The caller has the turn. When it fails in the middle, the
// connection is cut.
func (c *Conn) sendAll(ctx context.Context, a, b []byte) error {
	if n := c.sendAtOnce(a, b); n == len(a)+len(b) {
		return nil
	} else if n > 0 {
		k := min(n, len(a))
		a, b = a[k:], b[n-k:]
		c.out.sending.some = true
	}
	some := c.out.sending.some
	err := c.sendWaiting(ctx, a, b)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && isTimeout(err) {
		err = context.Cause(ctx)
	} else if isTimeout(err) {
		err = ErrTimeout
	} else {
		some = true // the socket is of no use
	}
	if some || c.out.sending.some || errors.Is(err, ErrTimeout) {
		c.cut(err)
	}
	return err
}

// sendWaiting sends everything, under a deadline.
func (c *Conn) sendWaiting(ctx context.Context, a, b []byte) error {
	if err := c.renew(ctx); err != nil {
		return err
	}
	if ctx.Done() != nil {
		interrupted := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			c.nc.SetWriteDeadline(longAgo) // an error: it is gone
			close(interrupted)
		})
		defer func() {
			if !stop() {
				<-interrupted
			}
		}()
	}
	if err := c.sendBlocking(ctx, a, b); err != nil {
		return err
	}
	return c.nc.SetWriteDeadline(time.Time{})
}

// renew gives the other side the time anew in which it must take something.
func (c *Conn) renew(ctx context.Context) error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.set.WriteTimeout)); err != nil {
		return err
	}
	if ctx.Err() != nil { // it may have ended just before, and what it did was undone here
		return c.nc.SetWriteDeadline(longAgo)
	}
	return nil
}

// plainly is how much is sent under one deadline where it cannot be seen what is taken.
const plainly = 64 << 10

// sendBlocking sends everything.
func (c *Conn) sendBlocking(ctx context.Context, a, b []byte) error {
	w := &c.out.sending
	w.a, w.b, w.wait, w.some, w.err, w.ctx = a, b, true, false, nil, ctx
	defer func() { w.a, w.b, w.ctx = nil, nil, nil }()
	if c.byHand {
		if err := c.out.raw.Write(c.out.writeFn); err != nil {
			return err
		}
		return w.err
	}
	for _, p := range [][]byte{a, b} {
		for len(p) > 0 {
			n, err := c.nc.Write(p[:min(len(p), plainly)])
			w.some = w.some || n > 0
			if p = p[n:]; err != nil {
				return err
			}
			if err := c.renew(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Send queues a message and returns without waiting for anything: who publishes to many is
// never held up by one that is slow. What the socket does not take at once is sent by a
// goroutine that exists for as long as something is queued, and that gives the connection
// up ([ErrTimeout]) when the other side takes nothing for Limits.WriteTimeout.
//
// Errors: [ErrQueueFull] when more than Limits.MaxQueuedBytes would be queued, and nothing
// is then; [ErrClosed], [ErrNotUTF8]. What happens to a message that was queued shows in
// how the connection ends.
func (c *Conn) Send(op Opcode, data []byte) error {
	if err := checkMessage(op, data); err != nil {
		return err
	}
	return c.post(message{op: op, data: data})
}

// message is what is to be queued: data or, where it was prepared, frames of it.
type message struct {
	op   Opcode
	data []byte
	p    *Prepared
}

// post queues a message and sends what the socket takes.
func (c *Conn) post(m message) error {
	var frame []byte
	prepared := false
	if ordered := c.packs(len(m.data)) && c.takesOver(); !ordered {
		frame, prepared = c.frameOf(m)
	}
	err := c.place(m, frame)
	if !prepared {
		giveBuffer(frame)
	}
	return err
}

// place queues a message or sends it. frame is nil where it is to be made in order.
func (c *Conn) place(m message, frame []byte) error {
	o := &c.out
	o.mu.Lock()
	if o.refuses(forMessage) {
		o.mu.Unlock()
		return ErrClosed
	}
	if o.waiting()+max(len(frame), len(m.data)) > c.set.MaxQueuedBytes {
		o.mu.Unlock()
		return ErrQueueFull
	}
	o.equip(c)
	if frame == nil {
		frame = c.orderedFrame(m)
		defer giveBuffer(frame)
	}
	if o.open {
		o.held = append(makeRoom(o.held, len(frame)), frame...)
		o.mu.Unlock()
		return nil
	}
	mine, behind := !o.busy, o.busy || len(o.queue) > 0
	if o.busy = true; behind {
		o.add(frame)
	}
	o.mu.Unlock()
	if mine && !behind {
		if n := c.sendAtOnce(frame, nil); n < len(frame) {
			o.putBack(frame[n:])
		}
	}
	if mine {
		o.release(c, false)
	}
	return nil
}

// frameOf makes the frame of a message that does not depend on others. shared: it is not
// the caller's.
func (c *Conn) frameOf(m message) (frame []byte, shared bool) {
	if m.p != nil && !c.set.client {
		return m.p.frame(c), true
	}
	payload, packed := m.data, c.packs(len(m.data))
	if packed {
		payload = c.pack(m.data)
	}
	frame = appendFrame(takeBuffer(maxHeader+len(payload)), c.frameHeader(m.op, packed, len(payload)), payload)
	if packed {
		giveBuffer(payload)
	}
	return frame, false
}

// orderedFrame compresses a message with takeover. outbox.mu is held.
func (c *Conn) orderedFrame(m message) []byte {
	payload := c.pack(m.data)
	frame := appendFrame(takeBuffer(maxHeader+len(payload)), c.frameHeader(m.op, true, len(payload)), payload)
	giveBuffer(payload)
	return frame
}

// sendControl queues a control frame. false: it is too late.
func (c *Conn) sendControl(op Opcode, payload []byte) bool {
	h := c.frameHeader(op, false, len(payload))
	var room [maxHeader + maxControl]byte
	frame := appendFrame(room[:0], h, payload)
	o := &c.out
	o.mu.Lock()
	if o.failed || o.closed {
		o.mu.Unlock()
		return false
	}
	o.equip(c)
	if op == opClose {
		o.closed, o.pong = true, nil
		c.is.set(closing)
	}
	o.add(frame)
	mine := !o.busy
	o.busy = true
	o.mu.Unlock()
	if mine {
		o.release(c, false)
	}
	return true
}

// maxPongs bounds the queue behind which pings are still answered one by one.
const maxPongs = 4 << 10

// sendPong answers a ping. Where the other side does not take the answers, only the last is
// kept (RFC 6455 §5.5.3), so a flood of pings takes no memory. more: further frames are to be
// handled first, and their answers go along.
func (c *Conn) sendPong(payload []byte, more bool) {
	o := &c.out
	o.mu.Lock()
	if o.failed || o.closed {
		o.mu.Unlock()
		return
	}
	o.equip(c)
	switch {
	case len(o.queue) > maxPongs:
		if o.pong == nil {
			o.pong = new([maxControl + 1]byte)
		}
		o.pong[0] = byte(copy(o.pong[1:], payload))
	default:
		var room [maxHeader + maxControl]byte
		o.add(appendFrame(room[:0], c.frameHeader(opPong, false, len(payload)), payload))
	}
	full := len(o.queue) > maxPongs
	o.mu.Unlock()
	if c.corked = true; !more || full {
		c.uncork()
	}
}

// uncork sends the pongs that were held back.
func (c *Conn) uncork() {
	c.corked = false
	o := &c.out
	o.mu.Lock()
	o.equip(c)
	mine := !o.busy
	o.busy = true
	o.mu.Unlock()
	if mine {
		o.release(c, false)
	}
}

// Ping sends a ping, as the connection does by itself after half of Limits.IdleTimeout. An
// answer counts as a sign of life and is not told. At most 125 bytes.
func (c *Conn) Ping(payload []byte) error {
	if len(payload) > maxControl {
		return errors.New("ws: a ping has at most 125 bytes")
	}
	if !c.sendControl(opPing, payload) {
		return ErrClosed
	}
	return nil
}
