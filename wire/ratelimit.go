package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// RateLimitConfig says whom a rate limit counts, and how it tells. The zero value works.
type RateLimitConfig struct {
	Name string // of the policy, in the response's fields; default "default"

	// Key returns whom a request counts for: a user, an API key, a route. Requests with
	// the same key, the empty one included, share a bucket. Default: the client's address
	// ([Request.ClientAddr]), IPv6 by its /64, as one host has all of that; clients with
	// no known address share a bucket.
	Key func(r *Request) string

	// Legacy adds X-RateLimit-Limit, -Remaining and -Reset (in seconds).
	Legacy bool
}

// RateLimit refuses requests beyond what a limiter lets through with 429 and Retry-After.
// Every response says how much is left (draft-ietf-httpapi-ratelimit-headers):
//
//	RateLimit-Policy: "default";q=100;w=60
//	RateLimit: "default";r=42;t=17
//
// q requests in w seconds; r can be sent at once; t seconds until all q can. Several
// limits may be stacked, each with its own name, and one limiter may serve many routes. A
// request that is let through costs no allocation.
func RateLimit(l *Limiter, cfg RateLimitConfig) (Middleware, error) {
	if l == nil {
		return nil, errors.New("wire: RateLimit: the limiter is nil")
	}
	if cfg.Name == "" {
		cfg.Name = "default"
	}
	if !all(cfg.Name, classToken) {
		return nil, fmt.Errorf("wire: RateLimitConfig.Name: %.40q is no token", cfg.Name)
	}
	name := `"` + cfg.Name + `"`
	window := max((l.cfg.Window+time.Second-1)/time.Second, 1)
	policy := fmt.Sprintf("%s;q=%d;w=%d", name, l.cfg.Quota, window)
	limit := strconv.Itoa(l.cfg.Quota)
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			d := takeFor(l, cfg.Key, r)
			if w.Started() {
				return ErrStarted
			}
			w.fields = append(append(append(w.fields, "RateLimit-Policy: "...), policy...), "\r\n"...)
			w.fields = append(append(append(w.fields, "RateLimit: "...), name...), ";r="...)
			w.fields = strconv.AppendInt(w.fields, int64(d.Remaining), 10)
			w.fields = strconv.AppendInt(append(w.fields, ";t="...), seconds(d.Reset), 10)
			w.fields = append(w.fields, "\r\n"...)
			if cfg.Legacy {
				w.fields = append(append(append(w.fields, "X-RateLimit-Limit: "...), limit...), "\r\nX-RateLimit-Remaining: "...)
				w.fields = append(strconv.AppendInt(w.fields, int64(d.Remaining), 10), "\r\nX-RateLimit-Reset: "...)
				w.fields = append(strconv.AppendInt(w.fields, seconds(d.Reset), 10), "\r\n"...)
			}
			if !d.OK {
				after := strconv.FormatInt(seconds(d.RetryAfter), 10)
				return &Error{Status: 429, Code: "rate_limited", Detail: "too many requests; the next is welcome in " + after + " s", Header: [][2]string{{"Retry-After", after}}}
			}
			return next(w, r)
		}
	}, nil
}

// seconds rounds up: a client that waits as long is not too early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func takeFor(l *Limiter, key func(*Request) string, r *Request) Decision {
	if key != nil {
		return l.Take(key(r), 1)
	}
	b := addrKey(r.ClientAddr())
	return l.takeBytes(b[:], 1)
}

// addrKey is an address as a key: IPv4 whole, IPv6 its first 64 bits.
func addrKey(a netip.Addr) (b [16]byte) {
	a = a.Unmap()
	if !a.IsValid() {
		return b
	}
	b = a.As16()
	if a.Is6() {
		clear(b[8:])
	}
	return b
}
