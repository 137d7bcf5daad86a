package ws

import (
	"io"
	"sync"
	"syscall"
)

// What both ways to receive have in common: the buffer, which exists only while something
// is in it, and what is done with control frames.

const maxBufferClass = 16 // 64 KiB

// intake is what a connection needs to receive. One that is parked between two messages has
// none: it has been given to others.
type intake struct {
	conn     *Conn
	readMu   sync.Mutex      // held by Read and by Close; the goroutine of a Handler needs none
	raw      syscall.RawConn // nil where package net alone reads
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
}

var intakes = sync.Pool{New: func() any {
	r := new(intake)
	r.readFn = func(fd uintptr) bool { return r.conn.readable(fd) }
	return r
}}

// takeIntake makes ready to receive.
func (c *Conn) takeIntake() {
	r := intakes.Get().(*intake)
	r.conn, r.raw, r.class = c, c.rawConn(), minClass
	r.in.at = situation{fromClient: !c.set.client, deflate: c.deflate.on}
	r.in.max = c.set.MaxMessageBytes
	r.in.takeover = c.deflate.theirs
	c.intake = r
}

// giveIntake lets go of what is needed to receive, unless something of a message is in it.
func (c *Conn) giveIntake() {
	r := c.intake
	if r.in.over {
		r.in.release()
	}
	in := &r.in
	if r.buf != nil || in.at.within || in.left > 0 || in.msg != nil || in.flate != nil || in.window != nil || r.corked || r.recvErr != nil {
		return
	}
	c.intake = nil
	*r = intake{readFn: r.readFn}
	intakes.Put(r)
}

// space returns where to receive: into the message itself, or into the buffer.
func (c *Conn) space() []byte {
	if c.direct = false; c.from == c.to {
		if room := c.in.room(); room != nil {
			c.direct = true
			return room
		}
	}
	switch {
	case c.buf == nil:
		c.buf = takeBuffer(1 << c.class)
		c.buf = c.buf[:cap(c.buf)]
		c.from, c.to = 0, 0
	case c.from == c.to:
		c.from, c.to = 0, 0
	case c.to == len(c.buf) && c.from > 0:
		c.to = copy(c.buf, c.buf[c.from:c.to])
		c.from = 0
	}
	return c.buf[c.to:]
}

// unspace gives the buffer back where nothing is in it.
func (c *Conn) unspace() {
	if c.from == c.to && c.buf != nil {
		giveBuffer(c.buf)
		c.buf, c.from, c.to = nil, 0, 0
	}
}

// noteReceived counts n bytes that were received into space. The buffer of the next time
// is larger where this one was full.
func (c *Conn) noteReceived(n int) event {
	c.is.mark(stirred)
	if c.direct {
		return c.in.filled(n)
	}
	c.to += n
	switch size := len(c.buf); {
	case c.to == size && c.class < maxBufferClass:
		c.class += 2
	case n <= size/32 && c.class > minClass:
		c.class--
	}
	return needMore
}

// nextEvent looks at what was received.
func (c *Conn) nextEvent() event {
	ev, n := c.in.next(c.buf[c.from:c.to])
	c.from += n
	if c.in.takeover && ev == gotMessage {
		c.windowHeld.Store(int32(cap(c.in.window)))
	}
	return ev
}

// serve does what this package does by itself with an event: it answers pings and close
// frames, and closes after what is wrong. false: nothing is to be received any more.
func (c *Conn) serve(ev event) bool {
	switch ev {
	case gotPing:
		c.sendPong(c.in.data, c.from < c.to)
	case gotClose:
		c.peerClosed()
		return false
	case gotWrong:
		c.refuse(c.in.bad)
		return false
	}
	return true
}

// receivePlainly receives with the means of package net alone, into the buffer or, where
// there is none, one byte: who waits holds no buffer.
func (c *Conn) receivePlainly() (n int, err error) {
	dst := c.one[:]
	if c.from < c.to || c.in.left > 0 {
		dst = c.space()
	}
	n, err = c.nc.Read(dst)
	if n == 0 {
		if err == nil {
			err = io.ErrNoProgress
		}
		return 0, err
	}
	if len(dst) == 1 && &dst[0] == &c.one[0] {
		c.space()[0] = c.one[0]
	}
	return n, nil
}
