package wire

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RequestID puts the request's id into every response, as X-Request-Id.
func RequestID() Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if err := w.SetHeader("X-Request-Id", r.ID()); err != nil {
				return err
			}
			return next(w, r)
		}
	}
}

// AccessLog writes one record per request: method, path, route, status, bytes, duration,
// request id and client address. Server errors are logged as such, the rest at info.
func AccessLog(log *slog.Logger) Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			start := time.Now()
			err := next(w, r)
			status := w.StatusCode()
			if err != nil && !w.Started() {
				status = statusOf(err)
			}
			level := slog.LevelInfo
			if status >= 500 {
				level = slog.LevelError
			}
			if !log.Enabled(r.Context(), level) {
				return err
			}
			log.LogAttrs(r.Context(), level, "request",
				slog.String("method", r.Method()), slog.String("path", r.Path()), slog.String("route", r.Route()),
				slog.Int("status", status), slog.Int64("bytes", w.BytesWritten()), slog.Duration("duration", time.Since(start)),
				slog.String("request_id", r.ID()), slog.String("client", r.ClientAddr().String()))
			return err
		}
	}
}

// statusOf is the status an error becomes.
func statusOf(err error) int {
	var e *Error
	if errors.As(err, &e) && e.Status >= 400 && e.Status <= 599 {
		return e.Status
	}
	return 500
}

// StatusOf returns the status of the response that a handler's result will become.
func StatusOf(w *Response, err error) int {
	if err != nil && !w.Started() {
		return statusOf(err)
	}
	return w.StatusCode()
}

// BodyLimit lowers the limit of request bodies, in bytes.
func BodyLimit(max int64) Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if r.ContentLength() > max {
				return tooLarge()
			}
			r.body.limit = min(r.body.limit, max)
			return next(w, r)
		}
	}
}

// Timeout gives the request's context a deadline. Handlers that heed their context and
// return its error answer 503.
func Timeout(d time.Duration) Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			ctx, cancel := context.WithTimeout(r.Context(), d)
			defer cancel()
			r.SetContext(ctx)
			err := next(w, r)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
				return &Error{Status: 503, Detail: "the request took longer than " + d.String(), Err: err}
			}
			return err
		}
	}
}

// SecurityHeaders sets fields that keep browsers from guessing content types, framing
// the page or leaking addresses. A handler may set others in their place.
func SecurityHeaders() Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			for _, h := range [][2]string{{"X-Content-Type-Options", "nosniff"}, {"X-Frame-Options", "DENY"}, {"Referrer-Policy", "strict-origin-when-cross-origin"}} {
				if err := w.SetHeader(h[0], h[1]); err != nil {
					return err
				}
			}
			return next(w, r)
		}
	}
}

// SameOrigin refuses requests with unsafe methods that a browser sent from another site:
// those whose Sec-Fetch-Site says so or, without that, whose Origin names another host.
// Requests that carry neither do not come from a page.
func SameOrigin(trusted ...string) Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			switch r.Method() {
			case "GET", "HEAD", "OPTIONS":
				return next(w, r)
			}
			if origin := r.Header("Origin"); crossSite(r, origin) && !slices.Contains(trusted, origin) {
				return &Error{Status: 403, Code: "cross_origin", Detail: "the request comes from another site: " + origin}
			}
			return next(w, r)
		}
	}
}

func crossSite(r *Request, origin string) bool {
	switch site := r.Header("Sec-Fetch-Site"); site {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	if origin == "" {
		return false
	}
	_, host, ok := strings.Cut(origin, "://")
	return !ok || !equalFold(host, r.Host())
}

// CORSConfig says which other sites may use a service (Fetch standard, CORS protocol).
type CORSConfig struct {
	// Origins are exact ("https://app.example.org") or cover subdomains
	// ("https://*.example.org"). "*" alone allows all, never with Credentials.
	Origins     []string
	Methods     []string // default GET, HEAD, POST, PUT, PATCH, DELETE
	Headers     []string // request fields allowed beyond the simple ones; default Content-Type, Authorization, Idempotency-Key, If-Match, If-None-Match
	Expose      []string // response fields that scripts may read; default ETag, Location, Lithair-Index, X-Request-Id
	Credentials bool
	MaxAge      time.Duration // of a preflight's answer; default 10 min
}

// CORS answers preflights and marks responses. It returns an error for a configuration
// that would be unsafe.
func CORS(cfg CORSConfig) (Middleware, error) {
	if slices.Contains(cfg.Origins, "*") && (cfg.Credentials || len(cfg.Origins) > 1) {
		return nil, errors.New(`wire: CORSConfig.Origins: "*" stands alone and never with Credentials`)
	}
	for _, o := range cfg.Origins {
		if o != "*" && !strings.Contains(o, "://") || o == "null" {
			return nil, errors.New("wire: CORSConfig.Origins: " + strconv.Quote(o) + " is no origin: want scheme://host")
		}
	}
	def := func(list []string, d string) string {
		if len(list) == 0 {
			return d
		}
		return strings.Join(list, ", ")
	}
	methods := def(cfg.Methods, "GET, HEAD, POST, PUT, PATCH, DELETE")
	headers := def(cfg.Headers, "Content-Type, Authorization, Idempotency-Key, If-Match, If-None-Match")
	expose := def(cfg.Expose, "ETag, Location, Lithair-Index, X-Request-Id")
	if cfg.MaxAge == 0 {
		cfg.MaxAge = 10 * time.Minute
	}
	age := strconv.Itoa(int(cfg.MaxAge / time.Second))
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if err := w.AddHeader("Vary", "Origin"); err != nil {
				return err
			}
			origin := r.Header("Origin")
			if origin == "" || !cfg.allows(origin) {
				return next(w, r)
			}
			set := [][2]string{{"Access-Control-Allow-Origin", origin}, {"Access-Control-Expose-Headers", expose}}
			if cfg.Origins[0] == "*" {
				set[0][1] = "*"
			}
			if cfg.Credentials {
				set = append(set, [2]string{"Access-Control-Allow-Credentials", "true"})
			}
			preflight := r.Method() == "OPTIONS" && r.HasHeader("Access-Control-Request-Method")
			if preflight {
				set = append(set, [2]string{"Access-Control-Allow-Methods", methods}, [2]string{"Access-Control-Allow-Headers", headers}, [2]string{"Access-Control-Max-Age", age})
			}
			for _, h := range set {
				if err := w.SetHeader(h[0], h[1]); err != nil {
					return err
				}
			}
			if preflight {
				w.Status(204)
				return nil
			}
			return next(w, r)
		}
	}, nil
}

func (cfg *CORSConfig) allows(origin string) bool {
	for _, o := range cfg.Origins {
		if o == "*" || o == origin {
			return true
		}
		scheme, host, _ := strings.Cut(o, "://")
		sub, wild := strings.CutPrefix(host, "*.")
		gotScheme, gotHost, _ := strings.Cut(origin, "://")
		if wild && gotScheme == scheme && strings.HasSuffix(gotHost, "."+sub) && !strings.ContainsAny(gotHost, "/@") {
			return true
		}
	}
	return false
}

// IPRules allows or refuses clients by their address. A refusal counts before an
// allowance; with no allowances everybody else is allowed.
func IPRules(allow, deny []netip.Prefix) Middleware {
	contains := func(list []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			a := r.ClientAddr()
			if contains(deny, a) || len(allow) > 0 && !contains(allow, a) {
				return &Error{Status: 403, Detail: "this address is not allowed here"}
			}
			return next(w, r)
		}
	}
}
