//go:build unix

package node

import (
	"net"
	"syscall"
)

// socket writes to a TCP connection what the kernel has room for.
type socket struct {
	raw   syscall.RawConn
	write func(fd uintptr) bool // made once
	b     []byte
	n     int
}

// newNowWriter returns nil for connections that cannot be written to without waiting: TLS has
// to write records whole.
func newNowWriter(c net.Conn) nowWriter {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil // it is closed: the next to use it will notice
	}
	s := &socket{raw: raw}
	s.write = s.try
	return s
}

func (s *socket) writeNow(b []byte) int {
	s.b, s.n = b, 0
	if err := s.raw.Write(s.write); err != nil {
		return 0
	}
	s.b = nil
	return s.n
}

// try is called with the descriptor, which does not block; true: it is not called again.
func (s *socket) try(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), s.b)
		if err == syscall.EINTR {
			continue
		}
		s.n = max(n, 0)
		return true
	}
}
