//go:build !386 && !s390x

package ws

import (
	"net"
	"syscall"

	"github.com/lithair/lithair-go/wire"
)

// On Linux, TCP and Unix sockets are read and written inside RawConn.Read and RawConn.Write,
// as package wire does: package net waits for them, and the calls themselves never block.
// A handler runs inside RawConn.Read, which saves reading once more only to learn that
// nothing is left: bytes that come later wake the wait, also where they come before it
// begins. While it runs, closing the descriptor would wait for it; so such a connection is
// shut down and closed behind it.

// rawOf returns the means to read and write a connection by hand; nil where it is none of
// the sockets that are streams of bytes.
func rawOf(nc net.Conn) syscall.RawConn {
	socket := nc
	if w, ok := nc.(*wire.Conn); ok {
		socket = w.NetConn()
	}
	switch s := socket.(type) {
	case *net.TCPConn:
	case *net.UnixConn:
		if a := s.LocalAddr(); a == nil || a.Network() != "unix" {
			return nil
		}
	default:
		return nil
	}
	raw, err := nc.(syscall.Conn).SyscallConn() // of a wire.Conn it is there already
	if err != nil {
		return nil // it is closed: the first read will say so
	}
	return raw
}

// readable is called when the socket may be readable; false: wait until it is.
func (c *Conn) readable(fd uintptr) bool {
	for {
		dst := c.space()
		n, errno := recvNow(int(fd), dst)
		switch {
		case errno == syscall.EAGAIN:
			c.unspace()
			return false
		case errno == syscall.EINTR:
			continue
		case errno != 0:
			c.lost(errno)
			return true
		case n == 0:
			c.lost(errEnded)
			return true
		}
		drained := n < len(dst)
		if !c.received(n) || c.handler.Load() == nil { // a Read looks for itself what has come
			return true
		}
		// What has parted from its bytes may have ended, too; a connection that cannot be
		// parked would not learn of it.
		if drained && c.parks && !c.is.has(closing) {
			c.unspace()
			return false
		}
	}
}

// writable sends what is to be sent; false: wait until there is room.
func (c *Conn) writable(fd uintptr) bool {
	w := &c.out.sending
	for len(w.a)+len(w.b) > 0 {
		n, errno := sendNow(int(fd), w.a, w.b)
		switch {
		case errno == syscall.EAGAIN:
			if w.wait && w.took {
				w.took = false
				w.err = c.renew(w.ctx)
			}
			return !w.wait || w.err != nil
		case errno == syscall.EINTR:
		case errno != 0:
			w.err = errno
			return true
		default:
			w.sent(n)
		}
	}
	return true
}
