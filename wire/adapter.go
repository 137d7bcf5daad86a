package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"iter"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file holds what adapters to other HTTP libraries stand on, and proxies, tunnels
// and tests: the rest of what a request and a response are made of, deadlines of their
// own, and connections that no listener accepted.

// ServeConn serves one connection, as Serve does those it accepts, and returns at once;
// the connection is closed at its end, or when there are too many or the server is
// closed.
//
// Where nc has a method Context() context.Context, that is the context its requests
// begin with, instead of the server's; where it has ConnectionState() tls.ConnectionState,
// that is what [Request.TLS] returns.
func (s *Server) ServeConn(nc net.Conn) { s.start(nc) }

// connContext is the context that requests of a connection begin with.
func (c *conn) connContext() context.Context {
	if nc, ok := c.nc.(interface{ Context() context.Context }); ok {
		return nc.Context()
	}
	return c.srv.ctx
}

// tlsState returns the state of a connection's TLS; nil without.
func tlsState(nc net.Conn) *tls.ConnectionState {
	if c, ok := nc.(interface{ ConnectionState() tls.ConnectionState }); ok {
		s := c.ConnectionState()
		return &s
	}
	return nil
}

// Headers iterates over the fields set so far, with Content-Length where it was set.
func (w *Response) Headers() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		fields := string(w.fields)
		for fields != "" {
			line, rest, _ := strings.Cut(fields, "\r\n")
			name, value, _ := strings.Cut(line, ": ")
			if !yield(name, value) {
				return
			}
			fields = rest
		}
		if w.length >= 0 {
			yield("Content-Length", strconv.FormatInt(w.length, 10))
		}
	}
}

// ClearHeaders removes all fields. After the start it has no effect.
func (w *Response) ClearHeaders() {
	if !w.started {
		w.fields, w.length = w.fields[:0], -1
		w.hasDate, w.hasType, w.close = false, false, false
	}
}

// Interim sends a 1xx response at once, such as 103 Early Hints (RFC 9110 §15.2, RFC
// 8297), ahead of the response itself. 101 is not sent like this: see [Request.Hijack].
// Clients of HTTP/1.0 get none.
//
// Errors: [ErrStarted], [ErrHeader], or why it could not be sent.
func (w *Response) Interim(status int, header ...[2]string) error {
	c := w.c
	switch {
	case c.hijacked:
		return ErrHijacked
	case w.started:
		return ErrStarted
	case status < 100 || status > 199 || status == 101:
		return fmt.Errorf("wire: %d is no interim response", status)
	}
	for _, f := range header {
		if f[0] == "" || !all(f[0], classToken) || !all(f[1], classValue) || framingField(f[0]) {
			return fmt.Errorf("%w: %.40q: %.60q", ErrHeader, f[0], f[1])
		}
	}
	if c.req.head.minor == 0 {
		return nil
	}
	if status == 100 {
		c.awaits = false
	}
	c.out = appendStatusLine(c.out, status)
	for _, f := range header {
		c.out = appendField(c.out, f[0], f[1])
	}
	c.out = append(c.out, "\r\n"...)
	return c.flush()
}

// framingField lists fields that no interim response has (RFC 9112 §6.1).
func framingField(name string) bool {
	return equalFold(name, "content-length") || equalFold(name, "transfer-encoding") || equalFold(name, "connection")
}

// ownDeadlines are deadlines that a handler has set for its request.
type ownDeadlines struct {
	read, write       time.Time
	hasRead, hasWrite bool
}

// SetWriteDeadline sets until when the response may be written, in place of the server's
// WriteTimeout; the zero time: no limit. It ends with the request.
func (w *Response) SetWriteDeadline(t time.Time) error {
	c := w.c
	if c.hijacked {
		return ErrHijacked
	}
	c.own.write, c.own.hasWrite = t, true
	c.writeBy = time.Time{} // the next request's first write sets it anew
	return c.nc.SetWriteDeadline(t)
}

// SetReadDeadline sets until when the body may be read, in place of the server's
// ReadBodyTimeout and MinBodyRate; the zero time: no limit. It ends with the request.
func (r *Request) SetReadDeadline(t time.Time) error {
	c := r.c
	if c.hijacked {
		return ErrHijacked
	}
	c.own.read, c.own.hasRead = t, true
	c.timed = true
	return c.nc.SetReadDeadline(t)
}

// ReadConcurrently lets one goroutine read the body while another writes the response.
// The writer holds l whenever it calls a method of the Response; what Read itself has to
// send, such as 100 Continue, it sends holding l. Nothing may read after the handler's
// return.
func (r *Request) ReadConcurrently(l sync.Locker) {
	if !r.over() {
		r.c.sending = l
	}
}

// SetPathValue sets the value of a wildcard, in place of the route's, for routers beside
// [Router].
func (r *Request) SetPathValue(name, value string) {
	if r.over() {
		return
	}
	for i := range r.values {
		if r.values[i][0] == name {
			r.values[i][1] = value
			return
		}
	}
	r.values = append(r.values, [2]string{name, value})
}

// PathValues iterates over the wildcards of the route's pattern and their decoded
// values, and those that SetPathValue added.
func (r *Request) PathValues() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if r.route != nil {
			for _, n := range r.route.params[:min(r.nvals, len(r.route.params))] {
				if !yield(n, r.PathValue(n)) {
					return
				}
			}
		}
		for _, v := range r.values {
			if !yield(v[0], v[1]) {
				return
			}
		}
	}
}

// Inherit takes over what was found out about another request: its route with the values
// of the wildcards, its id and its client. It is for adapters that render a request anew
// on its way through a chain of handlers.
func (r *Request) Inherit(from *Request) {
	if r.over() {
		return
	}
	for name, value := range from.PathValues() {
		r.SetPathValue(name, value)
	}
	r.route, r.nvals, r.fallback = from.route, 0, from.fallback
	r.id, r.client = from.id, from.client
}
