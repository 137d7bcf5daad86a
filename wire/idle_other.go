//go:build !linux

package wire

import "net"

// probe finds out whether a connection between two messages is open and silent.
type probe struct{ nc net.Conn }

func newProbe(nc net.Conn) *probe { return &probe{nc} }

// silent says whether the connection is open and nothing has come.
func (p *probe) silent() bool { return probeRead(p.nc) }
