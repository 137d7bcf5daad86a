package wire

import (
	"fmt"
	"strings"
)

// CrossOriginConfig says from where browsers may send requests that change something.
// The zero value: from pages of the same origin alone.
type CrossOriginConfig struct {
	// Trusted are origins whose pages may, too: "https://app.example.org". They are
	// compared as browsers send them.
	Trusted []string

	// Bypass, when set, exempts requests, such as those of a webhook's path that
	// authenticates by a signature. It must be safe for concurrent use.
	Bypass func(r *Request) bool
}

// CrossOriginProtection refuses with 403 what a browser sends from another origin's page
// with an unsafe method (all but GET, HEAD and OPTIONS, so those must not change
// anything): cross-site request forgery. It decides as net/http.CrossOriginProtection
// does: by Sec-Fetch-Site, which must be same-origin or none; where an old browser sends
// none, by Origin, whose host must be the request's. Requests with neither do not come
// from a page. Origins that cannot be read, "null" among them, are refused.
func CrossOriginProtection(cfg CrossOriginConfig) (Middleware, error) {
	trusted := map[string]bool{}
	for _, s := range cfg.Trusted {
		if _, ok := parseOrigin(s); !ok {
			return nil, fmt.Errorf("wire: CrossOriginConfig.Trusted: %q is no origin: want scheme://host[:port]", s)
		}
		trusted[s] = true
	}
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			switch r.Method() {
			case "GET", "HEAD", "OPTIONS":
				return next(w, r)
			}
			if origin, _ := r.head.field("origin"); crossOrigin(r, origin) && !trusted[string(origin)] && (cfg.Bypass == nil || !cfg.Bypass(r)) {
				return &Error{Status: 403, Code: "cross_origin", Detail: "a page of another origin may not send this request"}
			}
			return next(w, r)
		}
	}, nil
}

func crossOrigin(r *Request, origin []byte) bool {
	if r.head.count("sec-fetch-site") > 1 || r.head.count("origin") > 1 {
		return true
	}
	switch site, _ := r.head.field("sec-fetch-site"); string(site) {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	if len(origin) == 0 {
		return false
	}
	text := string(origin)
	if _, ok := parseOrigin(text); !ok {
		return true
	}
	_, host, _ := strings.Cut(text, "://")
	return host != r.Host()
}
