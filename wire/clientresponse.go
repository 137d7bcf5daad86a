package wire

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"slices"
	"time"
)

// ClientResponse is the response to a request of a [Client]. It must be closed, or its
// content read to the end (which closes it): until then it may hold a connection. Strings
// it gave out stay valid for ever. It is not safe for concurrent use; to end a Read that
// is under way, cancel the request's context.
type ClientResponse struct {
	status  int
	minor   int
	text    string // the head, and behind it the content where that came along whole
	reason  span
	fields  []fieldLine
	store   [12]fieldLine // what fields is made of, mostly
	length  int64         // of the content; -1: not known
	method  string
	url     string
	tls     *tls.ConnectionState
	trailer []Trailer

	x     *clientExchange // nil: the connection is gone
	here  string          // content that came along and is not read yet
	limit int64           // bytes of content still allowed
	zip   *contentDecoder // undoes Content-Encoding: gzip; nil: as it is
	err   error           // sticky, of the content as it is sent
}

// newClientResponse copies the head out of an exchange's buffers.
func newClientResponse(x *clientExchange, o *outgoing) *ClientResponse {
	h := &x.parser.head
	r := &ClientResponse{status: h.status, minor: h.minor, reason: h.reason, method: o.method, url: o.url.raw, tls: x.cc.tls, length: -1, err: io.EOF}
	all := h.buf
	if h.body.kind == contentLength && h.status >= 200 {
		if r.length = h.body.length; r.length > 0 && int64(x.to-x.from) >= r.length { // the content came along
			all = x.in[x.from-len(h.buf) : x.from+int(r.length)]
		}
	} else if h.body.hasLength {
		r.length = h.body.length
	} else if h.body.kind == contentNone {
		r.length = 0
	}
	r.text = string(all)
	r.here = r.text[len(h.buf):]
	r.fields = append(r.store[:0], h.fields...)
	return r
}

// attach hands the exchange to its final response, or ends it when nothing more is to
// come.
func (r *ClientResponse) attach(x *clientExchange, o *outgoing) {
	ratio := int64(x.c.cfg.MaxInflation)
	r.limit = x.c.contentLimit(o.q)
	r.x, r.err = x, nil
	switch {
	case r.status == 101:
	case r.here != "":
		x.from += len(r.here)
		r.x = nil
		x.end(true)
	case x.parser.head.body.kind == contentNone || x.parser.head.body.kind == contentLength && r.length == 0:
		r.x, r.err = nil, io.EOF
		x.end(true)
	}
	if o.decodes() && r.err == nil && r.isGzip() {
		r.zip = newContentDecoder(r, ratio)
		r.length = -1
		r.fields = removeFields(r.fields, func(f fieldLine) bool {
			name := r.text[f.name.from:f.name.to]
			return equalFold(name, "content-encoding") || equalFold(name, "content-length")
		})
	}
}

func removeFields(fields []fieldLine, drop func(fieldLine) bool) []fieldLine {
	kept := fields[:0]
	for _, f := range fields {
		if !drop(f) {
			kept = append(kept, f)
		}
	}
	return kept
}

func (r *ClientResponse) isGzip() bool {
	n := 0
	for name, value := range r.Headers() {
		if equalFold(name, "content-encoding") {
			if n++; !equalFold(value, "gzip") && !equalFold(value, "x-gzip") {
				return false
			}
		}
	}
	return n == 1
}

// StatusCode returns the status code, 200 to 999; 101 after an Upgrade.
func (r *ClientResponse) StatusCode() int { return r.status }

// Reason returns the reason phrase as it was sent. It means nothing to programs.
func (r *ClientResponse) Reason() string { return r.text[r.reason.from:r.reason.to] }

// Proto returns "HTTP/1.1" or "HTTP/1.0".
func (r *ClientResponse) Proto() string {
	if r.minor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// URL returns the URL that answered: that of the request, or of the last redirect,
// without user information.
func (r *ClientResponse) URL() string { return r.url }

// Header returns the first value of a header field; "" when there is none. Names are
// compared without regard to case.
func (r *ClientResponse) Header(name string) string {
	for i := range r.fields {
		f := &r.fields[i]
		if n := r.text[f.name.from:f.name.to]; len(n) == len(name) && equalFold(n, name) {
			return r.text[f.value.from:f.value.to]
		}
	}
	return ""
}

// HasHeader says whether there is a field of that name.
func (r *ClientResponse) HasHeader(name string) bool {
	for n := range r.Headers() {
		if equalFold(n, name) {
			return true
		}
	}
	return false
}

// Headers iterates over all field lines in order, names as they were sent. Of a response
// that was decoded, Content-Encoding and Content-Length are left out.
func (r *ClientResponse) Headers() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, f := range r.fields {
			if !yield(r.text[f.name.from:f.name.to], r.text[f.value.from:f.value.to]) {
				return
			}
		}
	}
}

// ContentLength returns the number of bytes of content as announced; -1 when it is not
// known. Of a response to HEAD, or a 304, it is what the content would have.
func (r *ClientResponse) ContentLength() int64 { return r.length }

// Decoded says whether the content came with gzip and is decoded while it is read.
func (r *ClientResponse) Decoded() bool { return r.zip != nil }

// TLS returns the state of the connection's TLS; nil without. It is shared by all
// responses of the connection and must not be changed.
func (r *ClientResponse) TLS() *tls.ConnectionState { return r.tls }

// Trailers returns the fields behind a chunked body, once that has been read to its end.
func (r *ClientResponse) Trailers() []Trailer { return r.trailer }

// Body returns the content; its end is [io.EOF] and also closes the response. Read
// returns an *[ClientError] with [StageBody] when the content is not whole or is too
// large.
func (r *ClientResponse) Body() io.Reader { return contentReader{r} }

// contentReader is the content as the caller reads it.
type contentReader struct{ r *ClientResponse }

func (c contentReader) Read(p []byte) (n int, err error) {
	r := c.r
	if len(p) == 0 {
		return 0, nil
	}
	if r.zip != nil {
		n, err = r.zip.Read(p)
	} else {
		n, err = r.read(p)
	}
	if r.limit -= int64(n); r.limit < 0 {
		n += int(max(r.limit, -int64(n)))
		return n, r.abort(ErrContentLimit)
	}
	return n, err
}

// read returns content as it was sent.
func (r *ClientResponse) read(p []byte) (n int, err error) {
	switch {
	case r.here != "":
		n = copy(p, r.here)
		r.here = r.here[n:]
		return n, nil
	case r.err != nil:
		return 0, r.err
	case r.x == nil:
		r.err = io.EOF
		return 0, io.EOF
	case r.status == 101:
		return 0, errors.New("wire: the connection was upgraded: use Hijack")
	}
	for {
		if n, err = r.readOnce(p); n > 0 || err != nil {
			return n, err
		}
	}
}

func (r *ClientResponse) readOnce(p []byte) (n int, err error) {
	x := r.x
	x.parser.room = len(p)
	ev, used, data, err := x.parser.next(x.in[x.from:x.to])
	x.from += used
	switch {
	case err != nil:
	case ev == content:
		return copy(p, data), nil
	case ev == endOfResponse:
		return 0, r.ended()
	default:
		if n, err = r.receive(p); err == nil {
			return n, nil
		}
		if err == io.EOF {
			if err = x.parser.eof(true); err == nil {
				return 0, r.ended()
			}
		}
	}
	r.x = nil
	r.err = x.fail(StageBody, r.method, r.url, err)
	return 0, r.err
}

// straight is from how much room in the caller's slice on it is worth receiving there and
// not into the buffer.
const straight = 4 << 10

// receive reads from the connection: content straight into p where it can, else into the
// buffer.
func (r *ClientResponse) receive(p []byte) (n int, err error) {
	x := r.x
	if err := x.cc.nc.SetReadDeadline(time.Now().Add(x.c.cfg.BodyTimeout)); err != nil {
		return 0, err
	}
	if len(p) < straight || x.from < x.to || x.parser.ahead() < straight {
		return 0, x.receive()
	}
	n, err = x.cc.nc.Read(p[:min(int64(len(p)), x.parser.ahead())])
	if n == 0 {
		if err == nil {
			err = io.ErrNoProgress
		}
		return 0, err
	}
	_, _, _, err = x.parser.next(p[:n]) // it is content, all of it: only counted
	return n, err
}

// ended gives the connection back at the end of the content.
func (r *ClientResponse) ended() error {
	r.trailer = r.x.parser.chunk.trailers
	r.x.end(true)
	r.x, r.err = nil, io.EOF
	return io.EOF
}

// abort ends the response with an error of this side.
func (r *ClientResponse) abort(err error) error {
	r.here = ""
	if x := r.x; x != nil {
		r.x = nil
		r.err = x.fail(StageBody, r.method, r.url, err)
	} else {
		r.err = &ClientError{Stage: StageBody, Method: r.method, URL: r.url, Err: err}
	}
	if r.zip != nil {
		r.zip.close(r.err)
	}
	return r.err
}

// Close lets go of the response. When content is left that has not been received yet, the
// connection is closed: reading on could take for ever. Closing again does nothing.
func (r *ClientResponse) Close() error {
	r.here = ""
	if x := r.x; x != nil {
		r.x = nil
		left := x.parser.ahead()
		whole := x.parser.head.body.kind == contentLength && int64(x.to-x.from) >= left && r.status != 101
		if whole {
			x.from += int(left)
		}
		x.end(whole)
	}
	if r.err == nil {
		r.err = ErrResponseClosed
	}
	if r.zip != nil {
		r.zip.close(r.err)
	}
	return nil
}

// ReadAll reads the content to its end and closes the response. max is the most bytes to
// take; 0: only the limits of request and client count.
//
// Errors: *[ClientError] with [ErrContentLimit] when there is more, or why the content
// did not come whole.
func (r *ClientResponse) ReadAll(max int64) ([]byte, error) {
	defer r.Close()
	if max > 0 && max < r.limit {
		r.limit = max
	}
	if r.length > r.limit && r.x != nil {
		return nil, r.abort(ErrContentLimit)
	}
	size := int64(512)
	if r.length >= 0 {
		size = min(r.length, 64<<10) + 1 // one more, to see the end without growing
	}
	b := make([]byte, 0, size)
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, 1)
		}
		n, err := contentReader{r}.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Hijack takes over the connection of a 101 response. What was received behind the head
// comes with it. The caller closes the connection; no deadline is set on it, and the
// request's context does not end it any more.
func (r *ClientResponse) Hijack() (nc net.Conn, buffered []byte, err error) {
	x := r.x
	if r.status != 101 || x == nil {
		return nil, nil, fmt.Errorf("wire: Hijack: a response with status %d has no connection to take over", r.status)
	}
	r.x, r.err = nil, ErrHijacked
	if x.stop != nil && !x.stop() {
		x.stop = nil
		return nil, nil, x.fail(StageHead, r.method, r.url, ended(x.ctx))
	}
	x.stop = nil
	if err := x.cc.nc.SetDeadline(time.Time{}); err != nil {
		return nil, nil, x.fail(StageHead, r.method, r.url, err)
	}
	nc, buffered = x.cc.nc, bytes.Clone(x.in[x.from:x.to])
	x.c.pool.free(x.cc.key)
	x.release()
	return nc, buffered, nil
}
