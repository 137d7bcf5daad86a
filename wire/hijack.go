package wire

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// Conn is a connection that was taken over by [Request.Hijack]. Its methods are those of
// net.Conn, and as safe for concurrent use.
type Conn struct {
	net.Conn
	raw    syscall.RawConn // nil where it cannot be parked
	parker *parker
	ticket ticket // the last one; under the parker's lock
}

// Sleeper is who waits while a connection is parked.
type Sleeper interface {
	// Awake is called in a goroutine of its own, once.
	Awake()
}

// SleeperFunc is a function as a Sleeper.
type SleeperFunc func()

// Awake calls f.
func (f SleeperFunc) Awake() { f() }

// NetConn returns the connection as package net or crypto/tls knows it.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// SyscallConn returns the means to use the socket directly, as net.TCPConn does. Errors:
// errors.ErrUnsupported where the connection is none (TLS), what package net says of one
// that is closed.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if c.raw != nil {
		return c.raw, nil
	}
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// Park lets a connection wait for bytes without a goroutine: when there is something to
// read (bytes, or the end of the stream), or the connection is closed, s is woken, once.
// Until then nobody may read from the connection; writing is permitted. Read deadlines do
// not wake it.
//
// Only TCP and Unix sockets can be parked, on Linux. Elsewhere, and when the connection
// is parked or closed, Park returns false and s is not woken: the caller keeps its
// goroutine and reads. What the caller has read ahead is the caller's to handle first.
func (c *Conn) Park(s Sleeper) bool {
	if c.raw == nil || s == nil {
		return false
	}
	t, err := c.parker.reserveIn(&c.ticket, s)
	if err != nil {
		return false
	}
	return c.parker.arm(c.raw, t, parkRead) == nil || !c.parker.cancel(t) // closed meanwhile: Close may have woken it
}

// Close closes the connection. One that is parked is woken.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	if s := c.parker.cancelIn(&c.ticket); s != nil {
		go s.Awake()
	}
	return err
}

func (c *conn) hijack() (net.Conn, []byte, error) {
	if c.hijacked {
		return nil, nil, ErrHijacked
	}
	if c.res.started {
		return nil, nil, ErrStarted
	}
	if c.watch != nil {
		c.unwatch()
	}
	if err := c.flush(); err != nil {
		return nil, nil, err
	}
	nc, raw := c.nc, c.raw
	if c.inside() {
		// Reads would wait for this handler to return: the new owner gets a descriptor of
		// its own, and this one is closed behind the handler.
		var err error
		if nc, err = duplicate(c.nc); err != nil {
			return nil, nil, err
		}
		raw = rawConn(nc)
	} else {
		if err := nc.SetDeadline(time.Time{}); err != nil {
			return nil, nil, err
		}
		c.left = true
		c.srv.forget(c.link)
	}
	c.hijacked = true
	return &Conn{Conn: nc, raw: raw, parker: &c.srv.parker}, append([]byte(nil), c.in[c.from:c.to]...), nil
}
