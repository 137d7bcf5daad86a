package wire

import (
	"context"
	"crypto/tls"
	"io"
	"iter"
	"net"
)

// Request is a request being handled. It belongs to the handler until that returns;
// strings it gave out stay valid for ever. One that is kept all the same sees later
// requests of its connection or, when that rests or has ended, nothing.
type Request struct{ *heldRequest }

// heldRequest is what a Request shows: part of its connection's working set while there is
// one, else [over].
type heldRequest struct {
	c      *conn
	head   head
	ctx    context.Context
	id     string
	path   string // decoded; "" until asked for
	query  *Query
	form   *Form // nil until asked for
	route  *route
	spans  [maxParams]span // of the route's wildcards, in the head
	nvals  int
	values [][2]string // of SetPathValue
	body   body

	client clientInfo // who sent it, once asked for

	fallback *fallback // no route matched
}

// begin makes the request ready for a handler; its head is parsed.
func (r *Request) begin(c *conn) {
	r.c = c
	r.ctx, r.id, r.path, r.query = nil, "", "", nil
	r.route, r.nvals, r.values, r.fallback, r.form = nil, 0, nil, nil, nil
	r.client = clientInfo{}
	r.body.reset(c)
}

// Method returns the request method, in the case it was sent in.
func (r *Request) Method() string {
	if r.head.known != "" {
		return r.head.known
	}
	return string(r.head.method.of(r.head.buf))
}

// internMethod returns the string of a usual method; "" for others.
func internMethod(b []byte) string {
	switch string(b) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "PATCH":
		return "PATCH"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	case "CONNECT":
		return "CONNECT"
	}
	return ""
}

// Target returns the request target as it was sent.
func (r *Request) Target() string { return string(r.head.target.of(r.head.buf)) }

// RawPath returns the path as it was sent, without the query.
func (r *Request) RawPath() string { return string(r.head.path.of(r.head.buf)) }

// Path returns the percent-decoded path; "*" for OPTIONS *.
func (r *Request) Path() string {
	if r.path == "" && !r.over() {
		raw := r.RawPath()
		p, err := unescape(raw, false)
		if err != nil {
			p = raw // refused by the router before any handler runs
		}
		if raw == "" {
			p = r.Target()
		}
		r.path = p
	}
	return r.path
}

// RawQuery returns the query string as it was sent, without the question mark.
func (r *Request) RawQuery() string { return string(r.head.query.of(r.head.buf)) }

// Query returns the decoded query. It is parsed when first asked for.
func (r *Request) Query() Query {
	if r.query == nil {
		if r.over() {
			return Query{}
		}
		q := ParseQuery(r.RawQuery())
		r.query = &q
	}
	return *r.query
}

// Proto returns "HTTP/1.1" or "HTTP/1.0".
func (r *Request) Proto() string {
	if r.head.minor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// Header returns the first value of a header field; "" when there is none. Names are
// compared without regard to case.
func (r *Request) Header(name string) string {
	v, _ := r.head.field(name)
	return string(v)
}

// HasHeader says whether there is a field of that name.
func (r *Request) HasHeader(name string) bool {
	_, ok := r.head.field(name)
	return ok
}

// HeaderIs says whether the first field of that name has exactly that value, without an
// allocation.
func (r *Request) HeaderIs(name, value string) bool {
	v, ok := r.head.field(name)
	return ok && string(v) == value
}

// Headers iterates over all field lines in order, names as they were sent. The strings
// share one copy of the header section.
func (r *Request) Headers() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		text := string(r.head.buf)
		for _, f := range r.head.fields {
			if !yield(text[f.name.from:f.name.to], text[f.value.from:f.value.to]) {
				return
			}
		}
	}
}

// PathValue returns the decoded value of a wildcard of the route's pattern; "" when it
// has none of that name.
func (r *Request) PathValue(name string) string {
	for _, v := range r.values {
		if v[0] == name {
			return v[1]
		}
	}
	if r.route == nil {
		return ""
	}
	for i, n := range r.route.params {
		if n == name && i < r.nvals {
			raw := string(r.spans[i].of(r.head.buf))
			v, err := unescape(raw, false)
			if err != nil {
				return raw // cannot be: the router checked
			}
			return v
		}
	}
	return ""
}

// Route returns the pattern that matched, such as "GET /articles/{id}"; "" when none did.
func (r *Request) Route() string {
	if r.route == nil {
		return ""
	}
	return r.route.pattern
}

// ContentLength returns the length of the body as announced; -1 when it is chunked or
// being decompressed, and so not known.
func (r *Request) ContentLength() int64 {
	if r.head.framing.chunked || r.body.dec != nil {
		return -1
	}
	return r.head.framing.length
}

// Body returns the message body. Its Read returns an *[Error] when the body is broken,
// too slow or too large.
func (r *Request) Body() io.Reader { return (*requestBody)(r) }

// requestBody is the body of a Request, also when the working set has gone.
type requestBody Request

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) { return b.body.Read(p) }

// BorrowBody reads the whole body, of at most max bytes (0: the server's limit), and
// returns it. The slice is valid until the handler returns and must not be kept: it is
// part of the connection's buffers.
//
// Errors: *[Error] with status 413 when it is larger, 400 or 408 when it does not come
// whole.
func (r *Request) BorrowBody(max int64) ([]byte, error) { return r.body.borrow(max) }

// Trailers returns the fields behind a chunked body, once that has been read to its end.
func (r *Request) Trailers() []Trailer { return r.body.chunk.trailers }

// Context returns the request's context. It ends when the server closes by force.
func (r *Request) Context() context.Context {
	if r.ctx == nil {
		return r.c.connContext()
	}
	return r.ctx
}

// SetContext replaces the context, for middleware.
func (r *Request) SetContext(ctx context.Context) {
	if !r.over() {
		r.ctx = ctx
	}
}

// RemoteAddr returns the address of the connection's other end.
func (r *Request) RemoteAddr() net.Addr { return r.c.nc.RemoteAddr() }

// LocalAddr returns the address the connection came in at.
func (r *Request) LocalAddr() net.Addr { return r.c.nc.LocalAddr() }

// TLS returns the state of the connection's TLS; nil without.
func (r *Request) TLS() *tls.ConnectionState { return tlsState(r.c.nc) }

// Hijack takes the connection over, for protocols that begin with an HTTP request. What
// was received behind the head comes with it. The caller writes its own response and
// closes the connection; the Response must not be used. The connection is a *[Conn], which
// can be parked.
func (r *Request) Hijack() (nc net.Conn, buffered []byte, err error) { return r.c.hijack() }
