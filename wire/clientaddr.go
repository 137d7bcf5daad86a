package wire

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
)

// ProxyConfig says which proxies in front of a server are believed when they tell for whom
// they ask. The zero value: none, and [Request.ClientAddr] is the connection's other end.
//
// A field is as good as the proxy that sets it. The proxy must append to, replace or
// remove every field believed here; one that lets a client's own through unchanged lets
// the client choose. That is why Forwarded and X-Forwarded-For are never both looked at,
// and why Proto and Host are off until asked for.
type ProxyConfig struct {
	// Trusted are the addresses of proxies. Both the connection's other end and the hops
	// behind it are looked up here. See [ParsePrefixes].
	Trusted []netip.Prefix

	// Unix trusts whoever connects to a Unix socket.
	Unix bool

	// Forwarded reads Forwarded (RFC 7239) in place of the X-Forwarded-* fields. Its for=,
	// proto= and host= come from the same element.
	Forwarded bool

	Proto bool // believe the scheme (X-Forwarded-Proto, or proto=)
	Host  bool // believe the host (X-Forwarded-Host, or host=)
}

// proxies is a prepared ProxyConfig.
type proxies struct {
	ProxyConfig
	set prefixSet
}

func (cfg ProxyConfig) prepare() (*proxies, error) {
	set, err := newPrefixSet(cfg.Trusted)
	switch {
	case err != nil:
		return nil, fmt.Errorf("wire: Config.Proxies.Trusted: %w", err)
	case len(set) == 0 && !cfg.Unix:
		if cfg.Forwarded || cfg.Proto || cfg.Host {
			return nil, fmt.Errorf("wire: Config.Proxies.Trusted is empty, so no proxy's fields are believed")
		}
		return nil, nil
	}
	return &proxies{cfg, set}, nil
}

// clientInfo is what is known about who sent a request and how.
type clientInfo struct {
	known  bool // the rest is settled
	addr   netip.Addr
	scheme string // "" when the connection decides
	host   string // "" when the request decides
}

// ClientAddr returns the IP address of the client. It is the connection's other end or,
// where that is a proxy that Config.Proxies trusts, whom the proxies name: their list is
// walked from its end, and the first address that is no trusted proxy is the client;
// what stands in front of it is hearsay. The zero Addr, for which IsValid is false, means
// that it is not known: on Unix sockets, or where a trusted proxy hides it or sends what
// cannot be read. IPv4 is never in IPv6 form.
func (r *Request) ClientAddr() netip.Addr {
	if p := r.c.srv.proxies; p != nil {
		return r.resolveClient(p).addr
	}
	a, _ := peerAddr(r.c.nc)
	return a
}

// Scheme returns "https" when the request came over TLS, or came so to a proxy that
// Config.Proxies believes about it; else "http".
func (r *Request) Scheme() string {
	if p := r.c.srv.proxies; p != nil {
		if s := r.resolveClient(p).scheme; s != "" {
			return s
		}
	}
	if _, ok := r.c.nc.(*tls.Conn); ok {
		return "https"
	}
	return "http"
}

// Host returns the effective host: of an absolute target, else of the Host field; or,
// where Config.Proxies says so, the one a trusted proxy was asked for. It is the client's
// to choose: do not build links in mails or access rules on it unchecked.
func (r *Request) Host() string {
	if p := r.c.srv.proxies; p != nil {
		if h := r.resolveClient(p).host; h != "" {
			return h
		}
	}
	return string(r.head.host.of(r.head.buf))
}

// Forwarded says whether the request carries a field of a proxy, be it believed or not:
// Forwarded, X-Forwarded-For, X-Real-Ip or Via. Without one, and with a client address of
// this machine, a request most likely comes from this machine itself.
func (r *Request) Forwarded() bool {
	for _, name := range [...]string{"forwarded", "x-forwarded-for", "x-real-ip", "via"} {
		if _, ok := r.head.field(name); ok {
			return true
		}
	}
	return false
}

// peerAddr returns the address of a connection's other end; unix says that it is a Unix
// socket's and has none.
func peerAddr(nc net.Conn) (a netip.Addr, unix bool) {
	switch a := nc.RemoteAddr().(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap(), false
	case *net.UnixAddr:
		return netip.Addr{}, true
	}
	return netip.Addr{}, false
}

func (r *Request) resolveClient(p *proxies) *clientInfo {
	if ci := &r.client; !ci.known {
		peer, unix := peerAddr(r.c.nc)
		ci.known, ci.addr = true, peer
		if p.set.contains(peer) || unix && p.Unix {
			p.resolve(ci, &r.head)
		}
	}
	return &r.client
}

// resolve believes the connection's other end, which is in ci, and finds out for whom it
// asks.
func (p *proxies) resolve(ci *clientInfo, h *head) {
	if p.Forwarded {
		p.resolveForwarded(ci, h)
		return
	}
	for i := len(h.fields) - 1; i >= 0; i-- {
		if f := &h.fields[i]; equalFold(f.name.of(h.buf), "x-forwarded-for") && !p.walk(ci, f.value.of(h.buf)) {
			break
		}
	}
	if p.Proto {
		ci.setScheme(h.lastOf("x-forwarded-proto"))
	}
	if p.Host {
		ci.setHost(h.lastOf("x-forwarded-host"))
	}
}

// walk goes through an X-Forwarded-For value from its end; false when it has arrived.
func (p *proxies) walk(ci *clientInfo, v []byte) bool {
	for len(v) > 0 {
		var e []byte
		if v, e = lastElement(v); len(e) == 0 {
			continue
		}
		a, ok := parseForwardedFor(e)
		if !ok {
			ci.addr = netip.Addr{}
			return false
		}
		if ci.addr = a; !p.set.contains(a) {
			return false
		}
	}
	return true
}

func (p *proxies) resolveForwarded(ci *clientInfo, h *head) {
	var room [8]forwardedHop
	for i := len(h.fields) - 1; i >= 0; i-- {
		f := &h.fields[i]
		if !equalFold(f.name.of(h.buf), "forwarded") {
			continue
		}
		hops, ok := parseForwarded(room[:0], f.value.of(h.buf))
		if !ok {
			ci.addr = netip.Addr{}
			return
		}
		for j := len(hops) - 1; j >= 0; j-- {
			hop := &hops[j]
			ci.addr = hop.client
			if p.Proto {
				ci.setScheme(hop.proto)
			}
			if p.Host {
				ci.setHost(hop.host)
			}
			if !p.set.contains(hop.client) {
				return
			}
		}
	}
}

func (ci *clientInfo) setScheme(v []byte) {
	switch {
	case equalFold(v, "https"):
		ci.scheme = "https"
	case equalFold(v, "http"):
		ci.scheme = "http"
	}
}

func (ci *clientInfo) setHost(v []byte) {
	if len(v) > 0 && validHost(v) {
		ci.host = string(v)
	}
}

// lastOf returns the last element of the last field of a name: what the nearest proxy
// wrote.
func (h *head) lastOf(name string) (last []byte) {
	for i := range h.fields {
		if f := &h.fields[i]; equalFold(f.name.of(h.buf), name) {
			_, last = lastElement(f.value.of(h.buf))
		}
	}
	return last
}
