package wire

import "fmt"

// Origins says which pages' scripts may use something that browsers let any page reach and
// that [CORS] does not cover, such as a WebSocket: those of the request's own origin, and
// those of a list. It does not change and is safe for concurrent use.
type Origins struct {
	any      bool
	patterns []originPattern
}

// NewOrigins makes the list: origins ("https://app.example.org"), with "*." in front of the
// host for all its subdomains or ":*" for any port; "*" alone is every origin.
func NewOrigins(list ...string) (*Origins, error) {
	o := &Origins{}
	for _, s := range list {
		if s == "*" {
			o.any = true
			continue
		}
		p, err := parseOriginPattern(s)
		if err != nil {
			return nil, fmt.Errorf("wire: NewOrigins: %w", err)
		}
		o.patterns = append(o.patterns, p)
	}
	return o, nil
}

// Allow says whether the request may go on. One without an Origin field does not come from
// a page and may. The request's own origin is that whose host and port are the request's;
// origins that cannot be read, "null" among them, are no one's.
func (o *Origins) Allow(r *Request) bool {
	if o.any {
		return true
	}
	origin, has := r.head.field("origin")
	if !has {
		return true
	}
	from, ok := parseOrigin(string(origin))
	if !ok || r.head.count("origin") > 1 {
		return false
	}
	if own, ok := parseOrigin(from.scheme + "://" + r.Host()); ok && own == from {
		return true
	}
	for i := range o.patterns {
		if o.patterns[i].matches(from) {
			return true
		}
	}
	return false
}
