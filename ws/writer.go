package ws

import (
	"context"
	"errors"
	"io"
)

// fragmentSize is what a Writer gathers for one fragment.
const fragmentSize = 16 << 10

// Writer sends a message in fragments, as it is written: for messages whose length is not
// known before, or that are too large to be held. Until it is closed, other messages wait;
// pings and pongs do not. ctx is that of all its sending.
//
// The message ends with Close. One that cannot be completed cuts the connection, unless that
// is being closed already.
func (c *Conn) Writer(ctx context.Context, op Opcode) (io.WriteCloser, error) {
	if !op.message() {
		return nil, errors.New("ws: a message is Text or Binary")
	}
	o := &c.out
	if err := o.acquire(ctx, c, forMessage); err != nil {
		return nil, err
	}
	o.mu.Lock()
	o.open = true
	o.mu.Unlock()
	o.release(c, true)
	return &messageWriter{c: c, ctx: ctx, op: op, packed: c.deflate.on}, nil
}

type messageWriter struct {
	c      *Conn
	ctx    context.Context
	op     Opcode // continuation behind the first fragment
	kind   Opcode
	packed bool
	begun  bool
	closed bool
	text   textCheck
	buf    []byte
	err    error
}

// Write implements io.Writer.
func (w *messageWriter) Write(p []byte) (n int, err error) {
	if w.closed {
		return 0, ErrClosed
	}
	for len(p) > 0 && w.err == nil {
		if w.buf == nil {
			w.buf = takeBuffer(fragmentSize)
		}
		k := min(len(p), fragmentSize-len(w.buf))
		w.buf = append(w.buf, p[:k]...)
		n += k
		if p = p[k:]; len(w.buf) == fragmentSize {
			w.err = w.fragment(false)
		}
	}
	return n, w.err
}

// Close ends the message.
func (w *messageWriter) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil {
		w.err = w.fragment(true)
	}
	giveBuffer(w.buf)
	w.buf = nil
	w.c.out.reopen(w.c)
	return w.err
}

// fragment sends what was gathered.
func (w *messageWriter) fragment(last bool) error {
	c := w.c
	op := opContinuation
	if !w.begun {
		op, w.kind = w.op, w.op
	}
	if w.kind == Text && (!w.text.add(w.buf) || last && !w.text.end()) {
		c.cut(ErrNotUTF8)
		return ErrNotUTF8
	}
	if err := c.out.acquire(w.ctx, c, forFragment); err != nil {
		if !errors.Is(err, ErrClosed) { // a close frame may stand within a message, and ends it
			c.cut(err)
		}
		return err
	}
	defer c.out.release(c, true)
	payload := w.buf
	if w.packed {
		c.out.mu.Lock()
		payload = c.pack(w.buf)
		c.out.mu.Unlock()
		if !last {
			payload = append(payload, inflateTail...)
		}
		defer giveBuffer(payload)
	}
	h := c.frameHeader(op, w.packed && !w.begun, len(payload))
	h.fin = last
	w.begun = true
	if err := c.sendBefore(c.out.take()); err != nil {
		return err
	}
	if err := c.writeFrame(w.ctx, h, payload); err != nil {
		return c.torn(err)
	}
	w.buf = w.buf[:0]
	return nil
}

// reopen lets other messages go again, those first that were queued meanwhile.
func (o *outbox) reopen(c *Conn) {
	o.mu.Lock()
	o.equip(c)
	o.open = false
	if !o.closed { // nothing follows a close frame
		o.add(o.held)
	}
	giveBuffer(o.held)
	o.held = nil
	mine := !o.busy
	o.busy = true
	o.mu.Unlock()
	if mine {
		o.release(c, true)
	}
}
