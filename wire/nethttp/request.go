package nethttp

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lithair/lithair-go/wire"
)

// newRequest makes the request that the handler sees.
func newRequest(x *exchange) (*http.Request, error) {
	r := x.r
	target := r.Target()
	u, err := parseTarget(r.Method(), target)
	if err != nil {
		return nil, &wire.Error{Status: 400, Detail: "the request target is no valid URL", Err: err}
	}
	q := (&http.Request{
		Method: r.Method(), URL: u, RequestURI: target, Host: r.Host(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: r.ContentLength(), Body: http.NoBody, RemoteAddr: address(r), TLS: r.TLS(), Pattern: r.Route(),
	}).WithContext(&x.ctx)
	if r.Proto() == "HTTP/1.0" {
		q.Proto, q.ProtoMinor = "HTTP/1.0", 0
		q.Close = true // unless it asks for keep-alive
	}
	q.Header = fields(r, q)
	if x.body.done = q.ContentLength == 0; !x.body.done {
		q.Body = &x.body
	}
	if q.ContentLength < 0 {
		q.TransferEncoding = []string{"chunked"}
	}
	for name, value := range r.PathValues() {
		q.SetPathValue(name, value)
	}
	return q, nil
}

// address is the client's address as net/http has it.
func address(r *wire.Request) string {
	if a := r.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

// fields makes the header of a request, without Host, and with the names of its trailers
// taken out into q.
func fields(r *wire.Request, q *http.Request) http.Header {
	n := 0
	for range r.Headers() {
		n++
	}
	h := make(http.Header, n)
	values := make([]string, n) // of all fields: most have one
	for name, value := range r.Headers() {
		switch name = http.CanonicalHeaderKey(name); {
		case name == "Host", name == "Transfer-Encoding":
		case name == "Connection":
			q.Close = closes(q.Close, value)
			h[name] = append(h[name], value)
		default:
			if have := h[name]; have != nil {
				h[name] = append(have, value)
				continue
			}
			values[0] = value
			h[name], values = values[:1:1], values[1:]
		}
	}
	if names := h["Trailer"]; names != nil {
		q.Trailer = announced(names)
		delete(h, "Trailer")
	}
	return h
}

// closes says whether the connection ends behind the response, after one more value of
// Connection.
func closes(already bool, value string) bool {
	for option := range strings.SplitSeq(value, ",") {
		switch option = strings.TrimSpace(option); {
		case strings.EqualFold(option, "close"):
			return true
		case strings.EqualFold(option, "keep-alive"):
			already = false
		}
	}
	return already
}

// announced are the trailers that a Trailer field promises; their values come later.
func announced(lists []string) http.Header {
	t := http.Header{}
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" {
				t[name] = nil
			}
		}
	}
	return t
}

// parseTarget makes a URL of a request target (RFC 9112 §3.2). Plain paths, which are
// nearly all, need no parser.
func parseTarget(method, target string) (*url.URL, error) {
	if method == "CONNECT" && !strings.HasPrefix(target, "/") {
		return &url.URL{Host: target}, nil
	}
	path, query, _ := strings.Cut(target, "?")
	if plain(path) && (query != "" || len(path) == len(target)) {
		return &url.URL{Path: path, RawQuery: query}, nil
	}
	return url.ParseRequestURI(target)
}

// plain says that a path is its own decoded form, and the other way round.
func plain(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c-'a' < 26, c-'A' < 26, c-'0' < 10, strings.IndexByte("/-._~$&+,;=:@", c) >= 0:
		default:
			return false
		}
	}
	return true
}
