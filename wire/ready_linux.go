//go:build linux && !386 && !s390x

package wire

import (
	"net"
	"os"
	"syscall"
)

// On Linux, TCP and Unix sockets are read inside RawConn.Read. Package net calls the
// function it is given, and when that returns false waits until the socket may have
// become readable and calls it again. It forgets earlier readiness once, before the
// first call, and not between calls. So a read that did not fill the buffer, which shows
// that the socket was drained, need not be followed by one that only learns as much:
// bytes that arrive later wake the wait, also when they arrive before it begins. That
// saves a system call per request, and reading and writing the non-blocking descriptor
// directly saves the scheduler's bookkeeping around two more.
//
// One thing is not seen at once: an end of stream that arrived together with the last
// bytes. The keeper finds it, since it lets quiet connections rest, and those are waited
// for afresh.
//
// While the function runs, package net holds the connection's read lock. Whatever may
// read from the connection therefore happens outside: see conn.needsPeer.

// direct is the state of reading inside RawConn.Read.
type direct struct {
	fd    int                // -1 outside
	next  step               // what to do outside
	ready func(uintptr) bool // conn.readable, made once
}

func (d *direct) inside() bool { return d.fd >= 0 }
func (d *direct) outside()     { d.fd = -1 }

// rawConn returns the means to read from a connection by hand; nil when it is none of
// the sockets that are streams of bytes.
func rawConn(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch s := nc.(type) {
	case *net.TCPConn:
		raw, err = s.SyscallConn()
	case *net.UnixConn:
		if a := s.LocalAddr(); a == nil || a.Network() != "unix" {
			return nil // packets: a short read says nothing about what is left
		}
		raw, err = s.SyscallConn()
	}
	if err != nil {
		return nil // it is closed: the first read will say so
	}
	return raw
}

// attend waits for requests and handles them, until something else is to be done.
func (c *conn) attend() step {
	if c.raw == nil {
		return c.wait()
	}
	if !c.idle() {
		return stepEnd
	}
	if c.ready == nil {
		c.ready = c.readable
	}
	err := c.raw.Read(c.ready)
	c.outside()
	switch {
	case err == nil:
		return c.next
	case isTimeout(err) && c.interrupted() == causeRest:
		return stepRest
	}
	return stepEnd
}

// readable is called when the socket may be readable; false: wait until it is.
func (c *conn) readable(fd uintptr) bool {
	c.fd = int(fd)
	for {
		c.room()
		n, errno := recvNow(c.fd, c.in[c.to:])
		switch {
		case errno == syscall.EAGAIN:
			return false
		case errno == syscall.EINTR:
			continue
		case errno != 0 || n == 0:
			c.next = stepEnd
			return true
		}
		c.to += n
		drained := c.to < len(c.in)
		c.busy()
		if c.next = c.sent(c.batch()); c.next != stepWait {
			return true
		}
		if !c.idle() {
			c.next = stepEnd
			return true
		}
		if drained {
			return false
		}
	}
}

// writeNow sends what the socket takes at once, inside RawConn.Read, and returns how
// much that was. An error is left for the ordinary write that follows to report.
func (c *conn) writeNow(b []byte) int {
	if !c.inside() {
		return 0
	}
	n, errno := sendNow(c.fd, b)
	if errno != 0 {
		return 0
	}
	return n
}

// duplicate returns a second descriptor for a socket.
func duplicate(nc net.Conn) (net.Conn, error) {
	f, err := nc.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return nil, err
	}
	defer f.Close() // FileConn has made its own
	return net.FileConn(f)
}
