package node

import (
	"net"
	"syscall"
)

// acks says to the system when what comes on a connection is to be acknowledged.
type acks struct{ raw syscall.RawConn }

// newAcks returns nil for connections that are not TCP.
func newAcks(c net.Conn) *acks {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil // it is closed: who reads it will notice
	}
	return &acks{raw}
}

// delay has acknowledgments delayed (RFC 1122 §4.2.3.2): by 40 ms, unless more than a segment has come meanwhile. A
// connection brings messages alone, and their answers leave on another, so Linux takes it for a transfer of data and
// would acknowledge each small message as soon as it is read, by a packet of its own. It goes back to that when a delay has
// run out (tcp(7), TCP_QUICKACK), so this is to be repeated. An error costs those packets and nothing else.
func (a *acks) delay() {
	if a == nil {
		return
	}
	_ = a.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 0)
	})
}
