package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ParsePrefixes reads networks in CIDR notation ("10.0.0.0/8", "2001:db8::/32"), single
// addresses, and the names "loopback" and "private" (RFC 1918, RFC 4193, link-local). The
// error names the element that is none of these.
func ParsePrefixes(list ...string) (prefixes []netip.Prefix, err error) {
	for _, s := range list {
		switch s {
		case "loopback":
			prefixes = append(prefixes, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
			continue
		case "private":
			for _, p := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"} {
				prefixes = append(prefixes, netip.MustParsePrefix(p))
			}
			continue
		}
		p, err := netip.ParsePrefix(s)
		if !strings.Contains(s, "/") {
			var a netip.Addr
			if a, err = netip.ParseAddr(s); err == nil {
				p = netip.PrefixFrom(a.WithZone(""), a.BitLen())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("wire: %q is neither a network in CIDR notation nor an address", s)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

// prefixSet is a set of addresses, held as sorted ranges that do not overlap.
type prefixSet []addrRange

type addrRange struct{ first, last netip.Addr } // both of the same family; first <= last

// newPrefixSet merges networks. Those of IPv4 written as IPv6 (::ffff:0:0/96) become
// IPv4, as addresses do when they are looked up.
func newPrefixSet(list []netip.Prefix) (set prefixSet, err error) {
	for _, p := range list {
		if !p.IsValid() {
			return nil, fmt.Errorf("%v is no valid network", p)
		}
		if p.Addr().Is4In6() {
			if p.Bits() < 96 {
				return nil, fmt.Errorf("%v mixes IPv4 and IPv6", p)
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		set = append(set, addrRange{p.Masked().Addr(), lastOf(p)})
	}
	slices.SortFunc(set, func(a, b addrRange) int { return cmp.Or(a.first.Compare(b.first), b.last.Compare(a.last)) })
	out := set[:0]
	for _, r := range set { // networks nest or are apart, and the wider stand in front
		if n := len(out); n == 0 || !out[n-1].covers(r.first) {
			out = append(out, r)
		}
	}
	return out, nil
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (r addrRange) covers(a netip.Addr) bool {
	return a.BitLen() == r.first.BitLen() && r.first.Compare(a) <= 0 && a.Compare(r.last) <= 0
}

// contains looks an address up; its zone and its being IPv4 written as IPv6 do not count.
func (s prefixSet) contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	i, found := slices.BinarySearchFunc(s, a, func(r addrRange, a netip.Addr) int { return r.first.Compare(a) })
	return found || i > 0 && s[i-1].covers(a)
}

// IPRulesConfig says which client addresses may send requests.
type IPRulesConfig struct {
	Allow []netip.Prefix // default everybody
	Deny  []netip.Prefix // counts before Allow

	// Unknown lets clients in whose address is not known: on a Unix socket, or behind a
	// proxy that does not tell. Default: they are refused.
	Unknown bool
}

// IPRules refuses clients by their address ([Request.ClientAddr]) with 403. It returns an
// error, naming the field, for networks that are not valid. See [ParsePrefixes].
func IPRules(cfg IPRulesConfig) (Middleware, error) {
	allow, aerr := newPrefixSet(cfg.Allow)
	deny, derr := newPrefixSet(cfg.Deny)
	switch {
	case aerr != nil:
		return nil, fmt.Errorf("wire: IPRulesConfig.Allow: %w", aerr)
	case derr != nil:
		return nil, fmt.Errorf("wire: IPRulesConfig.Deny: %w", derr)
	case len(allow)+len(deny) == 0:
		return nil, errors.New("wire: IPRulesConfig: neither Allow nor Deny has a network")
	}
	may := func(a netip.Addr) bool {
		if !a.IsValid() {
			return cfg.Unknown
		}
		return !deny.contains(a) && (len(allow) == 0 || allow.contains(a))
	}
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if !may(r.ClientAddr()) {
				return &Error{Status: 403, Code: "address", Detail: "this address is not allowed here"}
			}
			return next(w, r)
		}
	}, nil
}
