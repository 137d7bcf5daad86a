package nethttp

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/wire"
)

// newRequest makes the request that the handler sees.
func newRequest(x *exchange) (*http.Request, error) {
	r := x.r
	if o := x.outer; o != nil && o.r == r && o.passed {
		return o.inner(x), nil
	}
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

// inner is the request for an exchange within this one, behind another middleware that
// changed nothing: as between middlewares of net/http, all but the context is shared.
func (x *exchange) inner(in *exchange) *http.Request {
	q := x.req.WithContext(&in.ctx)
	if in.body.done = q.ContentLength == 0; !in.body.done {
		q.Body = &in.body
	}
	for name, value := range in.r.PathValues() {
		q.SetPathValue(name, value)
	}
	return q
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
	var room [24][2]string
	list := room[:0]
	for name, value := range r.Headers() {
		list = append(list, [2]string{http.CanonicalHeaderKey(name), value})
	}
	h := make(http.Header, len(list))
	values := make([]string, len(list)) // of all fields: most have one
	for i, f := range list {
		name, value := f[0], f[1]
		switch name {
		case "Host", "Transfer-Encoding":
			continue
		case "Connection":
			q.Close = closes(q.Close, value)
		}
		if have := h[name]; have != nil {
			h[name] = append(have, value)
			continue
		}
		values[i] = value
		h[name] = values[i : i+1 : i+1]
	}
	if names := h["Trailer"]; names != nil {
		q.Trailer = announced(names)
		delete(h, "Trailer")
	}
	return h
}

// sameFields says whether a header is still what fields made of a request.
func sameFields(r *wire.Request, h http.Header) bool {
	left := 0
	for _, values := range h {
		left += len(values)
	}
	for name, value := range r.Headers() {
		switch name = http.CanonicalHeaderKey(name); name {
		case "Host", "Transfer-Encoding", "Trailer":
			continue
		}
		values := h[name]
		if len(values) != 1 {
			return maps.EqualFunc(h, fields(r, &http.Request{}), slices.Equal) // several of one name: to the letter
		}
		if values[0] != value {
			return false
		}
		left--
	}
	return left == 0
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
