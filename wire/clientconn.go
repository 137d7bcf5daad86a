package wire

import (
	"crypto/tls"
	"net"
	"time"
)

// clientConn is one connection of a client, owned by one exchange or by the pool.
type clientConn struct {
	key       poolKey
	nc        net.Conn             // what HTTP is spoken on
	raw       net.Conn             // the socket under TLS; without TLS the same as nc
	probe     *probe               // of raw
	addr      string               // what was dialled
	tls       *tls.ConnectionState // nil without
	reused    bool                 // it carried a request before
	idleSince time.Time
}

// usable says whether an idle connection can carry a request: the other end has neither
// closed it nor sent anything that nobody asked for.
func (cc *clientConn) usable() bool {
	cc.reused = true
	return cc.probe.silent() && (cc.tls == nil || cc.drained())
}

// drained says that TLS holds nothing that came together with the last response. With a
// deadline that is over, Read gives what is held and asks the socket for nothing.
func (cc *clientConn) drained() bool {
	if cc.nc.SetReadDeadline(longAgo) != nil {
		return false
	}
	var b [1]byte
	n, err := cc.nc.Read(b[:])
	return n == 0 && isTimeout(err)
}

// closeQuietly closes the socket at once, in whatever state TLS is: what is lost with it
// was given up before.
func (cc *clientConn) closeQuietly() { cc.raw.Close() }

// end closes a connection at the end of its last response, with TLS's own goodbye.
func (cc *clientConn) end() { cc.nc.Close() }

// probeRead finds out with a short read whether a connection is open and silent. It is
// for connections that cannot be asked without reading.
func probeRead(nc net.Conn) bool {
	if nc.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return false
	}
	n, err := nc.Read(make([]byte, 1))
	return n == 0 && err != nil && isTimeout(err)
}
