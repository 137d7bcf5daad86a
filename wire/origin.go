package wire

import (
	"fmt"
	"net/netip"
	"strings"
)

// origin is a scheme, host and port (RFC 6454 §4), the parts in lower case and the port
// empty where it is the scheme's own, as browsers write it.
type origin struct{ scheme, host, port string }

func (o origin) String() string {
	if o.port == "" {
		return o.scheme + "://" + o.host
	}
	return o.scheme + "://" + o.host + ":" + o.port
}

// parseOrigin takes a serialized origin apart:
//
//	scheme "://" host [ ":" port ]   (RFC 6454 §6.2)
//
// There is no path, user or query in an origin, and "null" is none: any page can have
// itself given that.
func parseOrigin(s string) (o origin, ok bool) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found || !validScheme(scheme) {
		return o, false
	}
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		if host, port = rest[:i], rest[i+1:]; port == "" {
			return o, false
		}
	}
	if port != "" && !validPort([]byte(port)) || !validOriginHost(host) {
		return o, false
	}
	o = origin{strings.ToLower(scheme), strings.ToLower(host), strings.TrimLeft(port, "0")}
	if o.scheme == "http" && o.port == "80" || o.scheme == "https" && o.port == "443" {
		o.port = ""
	}
	return o, port == "" || strings.Trim(port, "0") != ""
}

// validScheme checks ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) (RFC 3986 §3.1).
func validScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if lower(c)-'a' >= 26 && (i == 0 || c-'0' > 9 && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// validOriginHost checks a name of labels, or an IPv6 address in brackets.
func validOriginHost(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		return ok && err == nil && a.Is6() && a.Zone() == ""
	}
	return validLabels(s)
}

// validLabels checks labels of letters, digits, "-" and "_", joined by single dots.
func validLabels(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		for i := 0; i < len(label); i++ {
			if c := label[i]; lower(c)-'a' >= 26 && c-'0' > 9 && c != '-' && c != '_' {
				return false
			}
		}
		if label == "" {
			return false
		}
	}
	return true
}

// originPattern is an origin of a list: exact, with "*." in front of its host for all
// subdomains, or with "*" as its port for any.
type originPattern struct {
	origin
	subdomains bool
	anyPort    bool
}

func parseOriginPattern(s string) (p originPattern, err error) {
	text := s
	if rest, ok := strings.CutSuffix(text, ":*"); ok {
		text, p.anyPort = rest, true
	}
	if scheme, host, ok := strings.Cut(text, "://*."); ok {
		text, p.subdomains = scheme+"://"+host, true
	}
	o, ok := parseOrigin(text)
	if !ok || p.anyPort && strings.Count(text, ":") > 1 && !strings.HasSuffix(text, "]") {
		return p, fmt.Errorf(`%q is no origin: want scheme://host[:port], with "*." in front of the host for its subdomains or ":*" for any port`, s)
	}
	if p.origin = o; p.subdomains {
		if o.host[0] == '[' || o.host[len(o.host)-1]-'0' <= 9 { // no top-level domain ends in a digit
			return p, fmt.Errorf("%q: an address has no subdomains", s)
		}
		if !strings.Contains(o.host, ".") && o.host != "localhost" {
			return p, fmt.Errorf("%q would cover everybody under that top-level domain", s)
		}
	}
	return p, nil
}

// matches says whether a parsed origin is covered. A pattern for subdomains does not
// cover the domain itself.
func (p *originPattern) matches(o origin) bool {
	if o.scheme != p.scheme || !p.anyPort && o.port != p.port {
		return false
	}
	if !p.subdomains {
		return o.host == p.host
	}
	sub, ok := strings.CutSuffix(o.host, p.host)
	return ok && len(sub) > 1 && sub[len(sub)-1] == '.'
}
