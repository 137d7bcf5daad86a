//go:build !unix

package node

import "net"

// newNowWriter returns nil: no connection is written to but by its goroutine.
func newNowWriter(net.Conn) nowWriter { return nil }
