package wire

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ClientRequest is a request to be sent by a [Client]. The client does not change it, so
// one may be sent any number of times, and by several goroutines at once when it has no
// Body or one that starts anew by itself (see Body).
type ClientRequest struct {
	Method string      // default GET
	URL    string      // absolute, http or https; user information becomes basic Authorization
	Header [][2]string // field names and values, in order; see SetHeader
	Host   string      // of the Host field; default the URL's host

	// Body is the content; nil for none. A *bytes.Reader, *bytes.Buffer or *strings.Reader
	// is sent from where it stands, without being consumed, and can be sent again. Another
	// reader is consumed and, where it is an io.Closer, closed, whatever happens; closing
	// must end a Read under way. Length is its number of bytes; 0: not known, so that it
	// is sent chunked. Rewind returns the body anew, for redirects and retries; without it
	// they are not possible.
	Body   io.Reader
	Length int64
	Rewind func() (io.Reader, error)

	// NoResend has the request sent once at most, whatever its method and fields: for who tells
	// apart what may have arrived and what has not.
	NoResend bool

	// Trailers is asked, once the body has been read to its end, for fields to send behind
	// it. It makes the request chunked.
	Trailers func() []Trailer

	// OnInterim sees each 1xx response but 101, such as 103 Early Hints, while Do waits. The
	// response it gets has a head only and is valid for ever.
	OnInterim func(r *ClientResponse)

	// MaxContentBytes bounds the content of this response, decoded; 0: the limit of the
	// ClientConfig, negative: none. [ErrContentLimit].
	MaxContentBytes int64
}

// SetHeader sets a field, in place of those of the same name. Names and values are
// checked when the request is sent. Host, Content-Length and Transfer-Encoding are not
// set like this but by the fields of ClientRequest.
func (q *ClientRequest) SetHeader(name, value string) {
	q.Header = append(withoutField(q.Header, func(n string) bool { return equalFold(n, name) }), [2]string{name, value})
}

// AddHeader adds a field.
func (q *ClientRequest) AddHeader(name, value string) {
	q.Header = append(q.Header, [2]string{name, value})
}

// withoutField returns a copy of the fields whose names drop does not name.
func withoutField(fields [][2]string, drop func(name string) bool) [][2]string {
	var kept [][2]string
	for _, f := range fields {
		if !drop(f[0]) {
			kept = append(kept, f)
		}
	}
	return kept
}

// outgoing is a request on its way: the caller's, or what redirects made of it.
type outgoing struct {
	q      *ClientRequest
	method string
	url    clientURL
	host   string // of the Host field, where it is not the URL's
	header [][2]string
	body   io.Reader // nil: none
	length int64     // of the body; -1: not known
	rewind func() (io.Reader, error)
	cookie string // from the jar
	hops   int    // redirects followed

	// What the fields say.
	expects    bool // Expect: 100-continue
	upgrade    bool // Upgrade
	close      bool // Connection: close
	idempotent bool // the method is, or an Idempotency-Key makes it so
	hasAgent   bool
	hasCoding  bool // Accept-Encoding, or Range: no gzip by itself
	hasAuth    bool
}

// newOutgoing checks a request and prepares its first sending.
func newOutgoing(q *ClientRequest, o *outgoing) (err error) {
	*o = outgoing{q: q, method: q.Method, host: q.Host, header: q.Header}
	if o.method == "" {
		o.method = "GET"
	}
	if !all(o.method, classToken) {
		return fmt.Errorf("%w: method %.40q", ErrHeader, q.Method)
	}
	if o.method == "CONNECT" {
		return fmt.Errorf("%w: CONNECT is for proxies: set ClientConfig.Proxy", ErrHeader)
	}
	if o.url, err = parseClientURL(q.URL); err != nil {
		return err
	}
	if q.Host != "" && !validHost([]byte(q.Host)) {
		return fmt.Errorf("%w: Host %.60q", ErrHeader, q.Host)
	}
	if q.Length < 0 {
		return fmt.Errorf("%w: Length is negative", ErrHeader)
	}
	o.takeBody()
	return o.takeFields()
}

// takeBody settles how long the body is and whether it can be had again.
func (o *outgoing) takeBody() {
	q := o.q
	o.body, o.length, o.rewind = q.Body, q.Length, q.Rewind
	known := func(n int, again func() (io.Reader, error)) {
		if o.length = int64(n); q.Rewind == nil {
			o.rewind = again
		}
		o.body, _ = again() // leaves the caller's as it is
	}
	switch b := q.Body.(type) {
	case nil:
		o.length = 0
	case *bytes.Reader:
		at := *b
		known(b.Len(), func() (io.Reader, error) { r := at; return &r, nil })
	case *strings.Reader:
		at := *b
		known(b.Len(), func() (io.Reader, error) { r := at; return &r, nil })
	case *bytes.Buffer:
		held := b.Bytes()
		known(len(held), func() (io.Reader, error) { return bytes.NewReader(held), nil })
	default:
		if o.length == 0 {
			o.length = -1
		}
	}
	if q.Trailers != nil && o.body != nil {
		o.length = -1
	} else if o.length == 0 {
		o.closeBody()
	}
}

// closeBody lets go of a body that is not needed any more.
func (o *outgoing) closeBody() {
	if c, ok := o.body.(io.Closer); ok {
		c.Close() // it was only read
	}
	o.body = nil
}

// anew makes the request ready to be sent once more. Without a body that needs nothing.
func (o *outgoing) anew() (err error) {
	if o.q.Body != nil && o.length != 0 {
		if o.rewind == nil {
			return ErrNotReplayable
		}
		if o.body, err = o.rewind(); err != nil {
			return err
		}
	}
	o.expects, o.hasAuth, o.idempotent = false, false, false
	return o.takeFields()
}

// takeFields checks the fields and notes those that the client itself heeds.
func (o *outgoing) takeFields() error {
	switch o.method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		o.idempotent = true
	}
	for _, f := range o.header {
		name, value := f[0], f[1]
		if name == "" || !all(name, classToken) || !all(value, classValue) {
			return fmt.Errorf("%w: %.40q: %.60q", ErrHeader, name, value)
		}
		switch {
		case equalFold(name, "host"), equalFold(name, "content-length"), equalFold(name, "transfer-encoding"):
			return fmt.Errorf("%w: %s is set by Host, Length and Body of the ClientRequest", ErrHeader, name)
		case equalFold(name, "user-agent"):
			o.hasAgent = true
		case equalFold(name, "accept-encoding"), equalFold(name, "range"):
			o.hasCoding = true
		case equalFold(name, "authorization"):
			o.hasAuth = true
		case equalFold(name, "upgrade"):
			o.upgrade = true
		case equalFold(name, "idempotency-key"):
			o.idempotent = true
		case equalFold(name, "expect"):
			if !equalFold(value, "100-continue") {
				return fmt.Errorf("%w: Expect: %.40q", ErrHeader, value)
			}
			o.expects = o.body != nil
		case equalFold(name, "connection"):
			eachElement([]byte(value), func(e []byte) bool { o.close = o.close || equalFold(e, "close"); return true })
		}
	}
	return nil
}

// appendHead appends the request line and the header section (RFC 9112 §3). absolute is
// for a proxy that forwards; proxyAuth, when not empty, is for it alone. last: the
// connection will not be used again.
func (o *outgoing) appendHead(dst []byte, absolute, last bool, proxyAuth string) []byte {
	dst = append(append(dst, o.method...), ' ')
	host := o.url.authority
	if absolute {
		dst = append(append(dst, "http://"...), host...)
	}
	if o.host != "" {
		host = o.host
	}
	dst = append(append(dst, o.url.target...), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, host...), "\r\n"...)
	for _, f := range o.header {
		if o.cookie != "" && equalFold(f[0], "cookie") {
			continue
		}
		if !o.expects && equalFold(f[0], "expect") {
			continue // there is nothing to wait with
		}
		dst = appendField(dst, f[0], f[1])
	}
	if !o.hasAgent {
		dst = append(dst, "User-Agent: lithair\r\n"...)
	}
	if o.decodes() {
		dst = append(dst, "Accept-Encoding: gzip\r\n"...)
	}
	if o.url.basic != "" && !o.hasAuth {
		dst = appendField(dst, "Authorization", o.url.basic)
	}
	if o.cookie != "" {
		dst = appendField(dst, "Cookie", o.cookie)
	}
	if last && !o.close {
		dst = append(dst, "Connection: close\r\n"...)
	}
	if proxyAuth != "" {
		dst = appendField(dst, "Proxy-Authorization", proxyAuth)
	}
	return append(o.appendLength(dst), "\r\n"...)
}

// decodes says that gzip is asked for and undone by the client itself.
func (o *outgoing) decodes() bool { return !o.hasCoding && o.method != "HEAD" }

func (o *outgoing) appendLength(dst []byte) []byte {
	switch {
	case o.body == nil:
		if o.method == "POST" || o.method == "PUT" || o.method == "PATCH" {
			return append(dst, "Content-Length: 0\r\n"...)
		}
		return dst
	case o.length < 0:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	dst = strconv.AppendInt(append(dst, "Content-Length: "...), o.length, 10)
	return append(dst, "\r\n"...)
}

func appendField(dst []byte, name, value string) []byte {
	return append(append(append(append(dst, name...), ": "...), value...), "\r\n"...)
}
