package wire

import (
	"net"
	"syscall"
)

// probe finds out whether a connection between two messages is open and silent, without
// taking anything off it: one look at the socket, which never waits.
type probe struct {
	raw   syscall.RawConn // nil: it is no socket
	nc    net.Conn
	quiet bool
	look  func(fd uintptr) // made once
}

func newProbe(nc net.Conn) *probe {
	p := &probe{nc: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			p.raw = raw
		}
	}
	p.look = func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		p.quiet = err == syscall.EAGAIN || err == syscall.EINTR // no error: a byte, or the end
	}
	return p
}

// silent says whether the connection is open and nothing has come.
func (p *probe) silent() bool {
	if p.raw == nil {
		return probeRead(p.nc)
	}
	return p.raw.Control(p.look) == nil && p.quiet
}
