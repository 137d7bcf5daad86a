package ws

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrHandled: the connection has a Handler, so it is not read by anybody else.
var ErrHandled = errors.New("ws: the connection has a Handler")

// pieces is what a Reader of a message has not read yet.
type pieces struct {
	data   []byte
	last   bool // data is the last piece
	within bool // a message is being read in pieces
}

// Read returns the next message. data is valid until the next call of Read or Reader, and
// may be changed until then.
//
// When ctx ends first, its error is returned and nothing is lost: the next Read goes on.
// At the end of the connection the error is, again and again, what [Conn.Err] returns: a
// *[CloseError] where the other side closed it. Pings are answered while Read waits, and
// close frames too; so somebody has to read for the connection to live.
func (c *Conn) Read(ctx context.Context) (op Opcode, data []byte, err error) {
	if c.handler.Load() != nil {
		return 0, nil, ErrHandled
	}
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if c.piece.within {
		if err := c.skip(ctx); err != nil {
			return 0, nil, err
		}
	}
	c.in.stream = false
	if _, err := c.await(ctx); err != nil {
		return 0, nil, err
	}
	return c.in.op, c.in.data, nil
}

// Reader returns the next message as a stream, for messages that are large: it is read as
// it comes. The reader ends with io.EOF at the message's end; what it does not read is
// dropped by the next Read or Reader. ctx is that of all its reading. Limits.MaxMessageBytes
// holds all the same.
func (c *Conn) Reader(ctx context.Context) (op Opcode, r io.Reader, err error) {
	if c.handler.Load() != nil {
		return 0, nil, ErrHandled
	}
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if err := c.skip(ctx); err != nil {
		return 0, nil, err
	}
	c.in.stream = true
	if err := c.nextPiece(ctx); err != nil {
		return 0, nil, err
	}
	return c.in.op, &messageReader{c: c, ctx: ctx}, nil
}

type messageReader struct {
	c   *Conn
	ctx context.Context
	err error
}

// Read implements io.Reader.
func (r *messageReader) Read(p []byte) (n int, err error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	c := r.c
	c.readMu.Lock()
	defer c.readMu.Unlock()
	for {
		if n = copy(p, c.piece.data); n > 0 {
			c.piece.data = c.piece.data[n:]
			return n, nil
		}
		if c.piece.last {
			c.piece = pieces{}
			r.err = io.EOF
			return 0, r.err
		}
		if err := c.nextPiece(r.ctx); err != nil {
			if r.ctx.Err() == nil {
				r.err = err
			}
			return 0, err
		}
	}
}

func (c *Conn) nextPiece(ctx context.Context) error {
	if _, err := c.await(ctx); err != nil {
		return err
	}
	c.piece = pieces{data: c.in.data, last: c.in.last(), within: true}
	return nil
}

// skip drops what is left of a message that is read in pieces.
func (c *Conn) skip(ctx context.Context) error {
	for c.piece.within && !c.piece.last {
		if err := c.nextPiece(ctx); err != nil {
			return err
		}
	}
	c.piece = pieces{}
	return nil
}

// await waits for a message or, with stream, for a piece.
func (c *Conn) await(ctx context.Context) (event, error) {
	for {
		if c.recvErr != nil || c.ended {
			return 0, c.ending()
		}
		ev := c.pending
		if c.pending = needMore; ev == needMore {
			ev = c.nextEvent()
		}
		switch {
		case ev == gotMessage || ev == gotPiece:
			return ev, nil
		case ev == needMore:
			if c.corked {
				c.uncork()
			}
			c.unspace()
			if err := c.fill(ctx); err != nil {
				return 0, err
			}
		case !c.serve(ev):
			c.ended = true
			go c.end()
			return 0, c.ending()
		}
	}
}

// ending returns how the connection ended, or is ending.
func (c *Conn) ending() error {
	if c.recvErr != nil {
		err := c.fail(c.recvErr)
		if !c.ended {
			c.ended = true
			go c.end()
		}
		return err
	}
	return c.fail(errEnded)
}

// fill receives something, or ends with ctx.
func (c *Conn) fill(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var stop func() bool
	var interrupted chan struct{}
	if ctx.Done() != nil {
		interrupted = make(chan struct{})
		stop = context.AfterFunc(ctx, func() {
			c.nc.SetReadDeadline(longAgo) // an error: it is gone
			close(interrupted)
		})
	}
	c.is.set(reading)
	err := c.receiveSome()
	c.is.clear(reading)
	if stop != nil && !stop() {
		<-interrupted
		c.nc.SetReadDeadline(time.Time{})
		if isTimeout(err) {
			return context.Cause(ctx)
		}
	}
	if err != nil {
		c.lost(err)
		return c.ending()
	}
	return nil
}

func (c *Conn) receiveSome() error {
	if c.raw != nil {
		if err := c.raw.Read(c.readFn); err != nil {
			return err
		}
		return c.recvErr
	}
	n, err := c.receivePlainly()
	if err == nil {
		c.received(n)
	}
	return err
}
