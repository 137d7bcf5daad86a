package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// clientURL is an http or https URL taken apart for a request.
type clientURL struct {
	raw       string // as it was given, without user information and fragment
	secure    bool   // https
	host      string // lower case; an IPv6 address without brackets
	port      string // the scheme's own where none is named
	authority string // of the Host field: the scheme's own port is left out
	target    string // path and query, in origin form
	basic     string // value of Authorization from user information; "" without
}

// parseClientURL takes an absolute URL apart. Plain ones, which are nearly all, are cut
// where they are, without an allocation; the rest goes through net/url.
func parseClientURL(raw string) (u clientURL, err error) {
	if u.cut(raw) {
		return u, nil
	}
	p, err := url.Parse(raw)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL, which may hold a password
		}
		return clientURL{}, fmt.Errorf("invalid URL: %w", err)
	}
	return clientURLOf(p)
}

// urlPath are the bytes of a path that stand for themselves: unreserved, sub-delims and
// ":", "@", "/" (RFC 3986 §3.3).
var urlPath = func() (t [256]bool) {
	for _, c := range []byte("-._~!$&'()*+,;=:@/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// cut takes a URL apart that needs no decoding or correction; false when it does.
func (u *clientURL) cut(raw string) bool {
	rest, ok := strings.CutPrefix(raw, "http://")
	*u = clientURL{raw: raw, port: "80"}
	if !ok {
		if rest, ok = strings.CutPrefix(raw, "https://"); !ok {
			return false
		}
		u.secure, u.port = true, "443"
	}
	slash := strings.IndexByte(rest, '/')
	if slash <= 0 {
		return false
	}
	u.authority, u.target, u.host = rest[:slash], rest[slash:], rest[:slash]
	for i := range len(u.authority) {
		switch c := u.authority[i]; {
		case c-'a' < 26, c-'0' < 10, c == '.', c == '-':
		case c == ':':
			port := u.authority[i+1:]
			if i == 0 || port == "" || !validPort([]byte(port)) || port == u.port || port[0] == '0' {
				return false
			}
			u.host, u.port = u.authority[:i], port
			return u.cutTarget()
		default:
			return false
		}
	}
	return u.cutTarget()
}

func (u *clientURL) cutTarget() bool {
	for i := range len(u.target) {
		if c := u.target[i]; !urlPath[c] {
			return c == '?' && all(u.target[i:], classTarget) && strings.IndexByte(u.target[i:], '#') < 0
		}
	}
	return true
}

// clientURLOf makes a clientURL of a parsed one.
func clientURLOf(p *url.URL) (u clientURL, err error) {
	u.port = "80"
	switch p.Scheme {
	case "http":
	case "https":
		u.secure, u.port = true, "443"
	default:
		return u, fmt.Errorf("invalid URL: the scheme is %q, want http or https", p.Scheme)
	}
	if p.Opaque != "" || p.Hostname() == "" {
		return u, errors.New("invalid URL: it has no host")
	}
	u.host = strings.ToLower(p.Hostname())
	u.authority, _, _ = strings.Cut(u.host, "%") // a zone is of this machine alone (RFC 6874 §3)
	if strings.IndexByte(u.host, ':') >= 0 {
		u.authority = "[" + u.authority + "]"
	}
	if !validHost([]byte(u.authority)) {
		return u, fmt.Errorf("invalid URL: %.60q is no host; names beyond ASCII are written in punycode", u.host)
	}
	if port := p.Port(); port != "" && port != u.port {
		if !validPort([]byte(port)) {
			return u, fmt.Errorf("invalid URL: %.20q is no port", port)
		}
		u.port = port
		u.authority += ":" + port
	}
	if u.target = escapeTarget(p.RequestURI()); u.target[0] != '/' {
		return u, errors.New("invalid URL: the path does not begin with a slash")
	}
	if p.User != nil {
		password, _ := p.User.Password()
		u.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(p.User.Username()+":"+password))
	}
	u.raw = u.scheme() + "://" + u.authority + u.target
	return u, nil
}

// escapeTarget percent-encodes what may not stand in a request target, as in a query
// that was never encoded.
func escapeTarget(s string) string {
	if all(s, classTarget) {
		return s
	}
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(s) {
		if c := s[i]; classes[c]&classTarget == 0 {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

func (u *clientURL) scheme() string {
	if u.secure {
		return "https"
	}
	return "http"
}

// addr is what to dial.
func (u *clientURL) addr() string { return net.JoinHostPort(u.host, u.port) }
