package ws

import (
	"context"
	"sync"
)

// Prepared is a message for many connections: it is framed once, and compressed once for
// each size of window that the others take. It does not change and is safe for concurrent
// use.
type Prepared struct {
	op    Opcode
	data  []byte
	plain []byte

	mu     sync.Mutex
	packed [16][]byte // by window bits; nil: nobody has asked yet
}

// Prepare makes a message to be sent to any number of connections. It copies data.
func Prepare(op Opcode, data []byte) (*Prepared, error) {
	if err := checkMessage(op, data); err != nil {
		return nil, err
	}
	p := &Prepared{op: op}
	p.plain = appendFrame(make([]byte, 0, serverSpace+len(data)), header{fin: true, op: op}, data)
	p.data = p.plain[len(p.plain)-len(data):]
	return p, nil
}

// frame returns the frame for a server's connection, without takeover.
func (p *Prepared) frame(c *Conn) []byte {
	if !c.packs(len(p.data)) {
		return p.plain
	}
	bits := c.ownBits()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.packed[bits] == nil {
		payload := pack(nil, p.data, bits)
		if p.packed[bits] = p.plain; len(payload) < len(p.data) {
			p.packed[bits] = appendFrame(nil, header{fin: true, op: p.op, rsv1: true}, payload)
		}
		giveBuffer(payload)
	}
	return p.packed[bits]
}

// SendPrepared is [Conn.Send] for a prepared message.
func (c *Conn) SendPrepared(p *Prepared) error {
	return c.post(message{op: p.op, data: p.data, p: p})
}

// WritePrepared is [Conn.Write] for a prepared message.
func (c *Conn) WritePrepared(ctx context.Context, p *Prepared) error {
	if c.set.client || c.packs(len(p.data)) && c.takesOver() {
		return c.Write(ctx, p.op, p.data)
	}
	if err := c.out.acquire(ctx, c, forMessage); err != nil {
		return err
	}
	defer c.out.release(c, true)
	if err := c.sendBefore(c.out.take()); err != nil {
		return err
	}
	return c.sendAll(ctx, p.frame(c), nil)
}
