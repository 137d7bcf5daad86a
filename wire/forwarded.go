package wire

import (
	"bytes"
	"net/netip"
)

// forwardedHop is one element of a Forwarded field: what one proxy says about the request
// it got.
type forwardedHop struct {
	client netip.Addr // of for=; not valid when it is hidden or unknown
	proto  []byte
	host   []byte
}

// parseForwarded appends the elements of one Forwarded field value, in order:
//
//	Forwarded         = 1#forwarded-element                              (RFC 7239 §4)
//	forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
//	forwarded-pair    = token "=" ( token / quoted-string )
//
// Optional white space is taken around ";", too, as many proxies write it. Of a value that
// is malformed no part can be believed, since what one proxy appended may look like part
// of a quotation that a client began: ok is false.
func parseForwarded(hops []forwardedHop, v []byte) (_ []forwardedHop, ok bool) {
	for {
		v = bytes.TrimLeft(v, " \t,")
		if len(v) == 0 {
			return hops, true
		}
		var h forwardedHop
		if v, ok = h.element(v); !ok {
			return hops, false
		}
		hops = append(hops, h)
	}
}

// element reads up to the comma or the end.
func (h *forwardedHop) element(v []byte) (rest []byte, ok bool) {
	seen := 0 // bits of the parameters known here
	for {
		v = bytes.TrimLeft(v, " \t")
		if len(v) == 0 || v[0] == ',' {
			return v, true
		}
		if v[0] == ';' {
			v = v[1:]
			continue
		}
		n := tokenLen(v)
		if n == 0 || n == len(v) || v[n] != '=' {
			return nil, false
		}
		name := v[:n]
		value, after, ok := pairValue(v[n+1:])
		if !ok {
			return nil, false
		}
		bit, ok := h.set(name, value)
		if !ok || seen&bit != 0 { // no parameter occurs twice in an element
			return nil, false
		}
		seen |= bit
		v = bytes.TrimLeft(after, " \t")
		if len(v) > 0 && v[0] != ';' && v[0] != ',' {
			return nil, false
		}
	}
}

func (h *forwardedHop) set(name, value []byte) (bit int, ok bool) {
	switch {
	case equalFold(name, "for"):
		h.client, ok = parseNode(value)
		return 1, ok
	case equalFold(name, "proto"):
		h.proto = value
		return 2, true
	case equalFold(name, "host"):
		h.host = value
		return 4, true
	case equalFold(name, "by"):
		_, ok = parseNode(value)
		return 8, ok
	}
	return 0, true // an extension
}

// pairValue reads a token or a quoted-string, which it unquotes.
func pairValue(v []byte) (value, rest []byte, ok bool) {
	if n := tokenLen(v); n > 0 {
		return v[:n], v[n:], true
	}
	n := quotedLen(v)
	if n == 0 {
		return nil, nil, false
	}
	inner := v[1 : n-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, v[n:], true
	}
	plain := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' {
			i++
		}
		plain = append(plain, inner[i])
	}
	return plain, v[n:], true
}

// parseNode reads
//
//	node      = nodename [ ":" ( 1*5DIGIT / obfport ) ]                  (RFC 7239 §6)
//	nodename  = IPv4address / "[" IPv6address "]" / "unknown" / obfnode
//
// a is not valid for "unknown" and for names that hide the address ("_" and more).
func parseNode(v []byte) (a netip.Addr, ok bool) {
	name, port := v, []byte(nil)
	if i := bytes.LastIndexByte(v, ':'); i >= 0 && bytes.IndexByte(v[i:], ']') < 0 {
		if name, port = v[:i], v[i+1:]; !validNodePort(port) {
			return a, false
		}
	}
	switch {
	case len(name) > 1 && name[0] == '_':
		return a, all(name[1:], classToken)
	case equalFold(name, "unknown"):
		return a, true
	case len(name) > 2 && name[0] == '[' && name[len(name)-1] == ']':
		a, err := netip.ParseAddr(string(name[1 : len(name)-1]))
		if err != nil || !a.Is6() || a.Zone() != "" {
			return netip.Addr{}, false
		}
		return a.Unmap(), true
	}
	a, err := netip.ParseAddr(string(name))
	if err != nil || !a.Is4() {
		return netip.Addr{}, false
	}
	return a, true
}

func validNodePort(p []byte) bool {
	if len(p) > 1 && p[0] == '_' {
		return all(p[1:], classToken)
	}
	return len(p) > 0 && len(p) <= 5 && validPort(p)
}

// parseForwardedFor reads an element of X-Forwarded-For, which no standard describes: an
// address, or one with a port; IPv6 in brackets when there is a port.
func parseForwardedFor(v []byte) (a netip.Addr, ok bool) {
	s := string(v)
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap(), a.Zone() == ""
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		a, err := netip.ParseAddr(s[1 : len(s)-1])
		return a.Unmap(), err == nil && a.Is6() && a.Zone() == ""
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap(), err == nil && ap.Addr().Zone() == ""
}

// lastElement splits the last element off a comma-separated list without quotations.
func lastElement(v []byte) (before, last []byte) {
	i := bytes.LastIndexByte(v, ',')
	if i < 0 {
		return nil, trimOWS(v)
	}
	return v[:i], trimOWS(v[i+1:])
}
