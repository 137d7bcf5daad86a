package wire

import (
	"bytes"
	"fmt"
	"strconv"
)

// maxHeld is how much body is gathered before it is sent in chunks; up to this size a
// response gets its Content-Length by itself.
const maxHeld = 64 << 10

// Response is the answer to a request. Up to 64 KiB of body are held back, so that
// Content-Length is set by itself; more, or Flush, make it chunked. It belongs to the
// handler until that returns.
type Response struct{ *heldResponse }

// heldResponse is what a Response writes to: part of its connection's working set while there
// is one, else [over].
type heldResponse struct {
	c        *conn
	status   int
	fields   []byte // "name: value\r\n"..., as set by the handler
	body     []byte // not sent yet
	written  int64  // bytes of body the handler wrote
	length   int64  // of Content-Length, when the handler set it; -1 otherwise
	hasDate  bool
	hasType  bool
	close    bool // the handler asked for it
	started  bool // the header section is out
	broken   bool // an error came after the start: the client must see a cut
	chunked  bool
	head     bool // the request was HEAD
	err      error
	trailers []byte
	coder    coder // nil unless a middleware offers a content coding
}

// coder is a content coding (RFC 9110 §8.4) on the way from the body that is held to the
// connection's output. Length checks count the bytes in front of it.
type coder interface {
	// begin runs once, before the header section is rendered, and may change fields.
	// final says that the body held is all there is; it may be replaced then. The coder
	// stays in place only when begin returns true.
	begin(w *Response, final bool) bool
	// code returns the coded form of p, valid until the next call.
	code(p []byte, step codeStep) []byte
	// release ends the use of the coder; begin does that itself when it returns false.
	release()
}

// codeStep says what is to follow the bytes given to a coder.
type codeStep uint8

const (
	codeMore  codeStep = iota // more bytes: what the coder holds back may wait
	codeFlush                 // all bytes so far must be decodable by the receiver
	codeEnd                   // nothing
)

func (w *Response) reset(c *conn, head bool) {
	if w.coder != nil {
		w.coder.release()
		w.coder = nil
	}
	w.c, w.status, w.length, w.written, w.head, w.err = c, 200, -1, 0, head, nil
	w.hasDate, w.hasType, w.close, w.started, w.broken, w.chunked = false, false, false, false, false, false
	w.fields, w.body, w.trailers = w.fields[:0], w.body[:0], w.trailers[:0]
}

// Status sets the status code; the default is 200. After the start it has no effect.
func (w *Response) Status(code int) {
	if !w.started && code >= 200 && code <= 999 {
		w.status = code
	}
}

// StatusCode returns the status code.
func (w *Response) StatusCode() int { return w.status }

// Started says whether the header section has been sent.
func (w *Response) Started() bool { return w.started }

// BytesWritten returns the bytes of body written so far.
func (w *Response) BytesWritten() int64 { return w.written }

// SetHeader sets a field, in place of those of the same name. A name or value that could
// break the header section is an error, kept and returned by the end of the response
// too: nothing of it is sent.
func (w *Response) SetHeader(name, value string) error {
	w.DelHeader(name)
	return w.AddHeader(name, value)
}

// AddHeader adds a field.
func (w *Response) AddHeader(name, value string) error {
	if w.started {
		return w.fail(ErrStarted)
	}
	if len(name) == 0 || !all(name, classToken) || !all(value, classValue) {
		return w.fail(fmt.Errorf("%w: %.40q: %.60q", ErrHeader, name, value))
	}
	switch {
	case len(name) == 14 && equalFold(name, "content-length"):
		n, ok := parseLength([]byte(value))
		if !ok {
			return w.fail(fmt.Errorf("%w: Content-Length: %.40q", ErrHeader, value))
		}
		w.length = n
		return nil
	case len(name) == 17 && equalFold(name, "transfer-encoding"):
		return w.fail(fmt.Errorf("%w: Transfer-Encoding is set by the server", ErrHeader))
	case len(name) == 10 && equalFold(name, "connection"):
		eachElement([]byte(value), func(e []byte) bool {
			w.close = w.close || equalFold(e, "close")
			return true
		})
		if w.close && equalFold(value, "close") {
			return nil // the server writes it
		}
	case len(name) == 4 && equalFold(name, "date"):
		w.hasDate = true
	case len(name) == 12 && equalFold(name, "content-type"):
		w.hasType = true
	}
	w.fields = append(append(append(append(w.fields, name...), ": "...), value...), "\r\n"...)
	return nil
}

func (w *Response) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return err
}

// DelHeader removes all fields of a name.
func (w *Response) DelHeader(name string) {
	if w.started {
		return
	}
	if equalFold(name, "content-length") {
		w.length = -1
	}
	for at := 0; at < len(w.fields); {
		line := w.fields[at:]
		line = line[:lineLen(line)]
		if len(line) > len(name) && line[len(name)] == ':' && equalFold(line[:len(name)], name) {
			w.fields = append(w.fields[:at], w.fields[at+len(line):]...)
		} else {
			at += len(line)
		}
	}
	w.hasDate = w.hasDate && !equalFold(name, "date")
	w.hasType = w.hasType && !equalFold(name, "content-type")
}

func lineLen(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// HeaderValue returns the first value of a field set so far.
func (w *Response) HeaderValue(name string) string {
	for rest := w.fields; len(rest) > 0; {
		n := lineLen(rest)
		if n > len(name) && rest[len(name)] == ':' && equalFold(rest[:len(name)], name) {
			return string(rest[len(name)+2 : n-2])
		}
		rest = rest[n:]
	}
	return ""
}

// Write adds to the body. For HEAD the bytes count and are not sent.
func (w *Response) Write(p []byte) (int, error) {
	if err := w.admit(len(p)); err != nil {
		return 0, err
	}
	w.body = append(w.body, p...)
	return len(p), w.spill()
}

// WriteString adds to the body.
func (w *Response) WriteString(s string) (int, error) {
	if err := w.admit(len(s)); err != nil {
		return 0, err
	}
	w.body = append(w.body, s...)
	return len(s), w.spill()
}

func (w *Response) admit(n int) error {
	switch {
	case w.err != nil:
		return w.err
	case w.c.hijacked:
		return ErrHijacked
	case bodyless(w.status) && n > 0:
		return ErrNoBody
	case w.length >= 0 && w.written+int64(n) > w.length:
		return w.fail(ErrLength)
	}
	w.written += int64(n)
	return nil
}

// spill sends what is held when it is much.
func (w *Response) spill() error {
	if len(w.body) < maxHeld {
		return nil
	}
	return w.send(codeMore)
}

// Send sets status, content type and body at once.
func (w *Response) Send(status int, contentType string, body []byte) error {
	w.Status(status)
	if contentType != "" && !w.hasType {
		if err := w.setType(contentType); err != nil {
			return err
		}
	}
	_, err := w.Write(body)
	return err
}

// setType is AddHeader for Content-Type, which nearly every response has.
func (w *Response) setType(contentType string) error {
	if w.started || !all(contentType, classValue) {
		return w.AddHeader("Content-Type", contentType) // it knows the error
	}
	w.hasType = true
	w.fields = append(append(append(w.fields, "Content-Type: "...), contentType...), "\r\n"...)
	return nil
}

// Redirect answers with a Location. Only a path on this server is taken, or a URL whose
// host the caller has checked. Bytes that are not visible ASCII must be percent-encoded:
// browsers leave out tabs and line breaks, and so would see "/\t/host" as "//host".
func (w *Response) Redirect(status int, location string) error {
	if !all(location, classTarget) {
		return w.fail(fmt.Errorf("%w: Location: %.60q", ErrHeader, location))
	}
	slash := func(c byte) bool { return c == '/' || c == '\\' } // the same to browsers
	if len(location) > 1 && slash(location[0]) && slash(location[1]) {
		return fmt.Errorf("wire: redirect to %.60q would leave this host", location)
	}
	w.Status(status)
	return w.SetHeader("Location", location)
}

// Trailer adds a field behind the body, which makes the response chunked (RFC 9110
// §6.5). It may be called until the handler returns. Fields that decide on framing,
// routing or authentication are refused with [ErrHeader]; after a start with
// Content-Length it is too late, [ErrStarted]. A client of HTTP/1.0 gets no trailers.
func (w *Response) Trailer(name, value string) error {
	switch {
	case len(name) == 0 || !all(name, classToken) || !all(value, classValue) || forbiddenTrailer(name):
		return w.fail(fmt.Errorf("%w: trailer %.40q", ErrHeader, name))
	case w.started && w.length >= 0 && !w.chunked && !w.head && w.c.req.head.minor > 0:
		return w.fail(ErrStarted)
	}
	w.trailers = append(append(append(append(w.trailers, name...), ": "...), value...), "\r\n"...)
	return nil
}

// Flush sends what was written so far.
func (w *Response) Flush() error { return w.send(codeFlush) }

func (w *Response) send(step codeStep) error {
	if w.err != nil {
		return w.err
	}
	if w.c.hijacked {
		return ErrHijacked
	}
	if !w.started {
		w.start(false)
	}
	w.emit(step)
	return w.c.flush()
}

// start puts the header section into the connection's output. final says that the body
// held is all there is.
func (w *Response) start(final bool) {
	if w.coder != nil && !w.coder.begin(w, final) {
		w.coder = nil
	}
	w.started = true
	final = final && w.coder == nil // the length of a coded body is not known
	c := w.c
	out := c.out
	if w.hasDate {
		out = appendStatusLine(out, w.status)
	} else {
		out = c.srv.dates.append(out, w.status)
	}
	out = append(out, w.fields...)
	switch {
	case bodyless(w.status):
		if w.status == 304 && w.length >= 0 {
			out = appendLength(out, w.length)
		}
	case w.length >= 0 && w.coder == nil && (len(w.trailers) == 0 || c.req.head.minor == 0):
		out = appendLength(out, w.length)
	case final && w.head && len(w.body) == 0: // what GET would get is not known (RFC 9110 §8.6)
	case final && (len(w.trailers) == 0 || c.req.head.minor == 0):
		out = appendLength(out, int64(len(w.body)))
	case c.req.head.minor == 0:
		c.close = true // a 1.0 client reads to the end
	default:
		w.chunked = !w.head
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	// a client that was not told to continue may send its body or not: nobody knows
	c.close = c.close || w.close || c.awaits && !c.req.body.done() || c.srv.closing.Load()
	switch {
	case c.close:
		out = append(out, "Connection: close\r\n"...)
	case c.req.head.minor == 0:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	c.out = append(out, "\r\n"...)
}

func appendLength(out []byte, n int64) []byte {
	out = append(out, "Content-Length: "...)
	return append(strconv.AppendInt(out, n, 10), "\r\n"...)
}

// emit moves the held body into the output, as a chunk where need be.
func (w *Response) emit(step codeStep) {
	body := w.body
	w.body = w.body[:0]
	if w.coder != nil {
		body = w.coder.code(body, step)
	}
	switch {
	case len(body) == 0 || w.head || bodyless(w.status):
	case w.chunked:
		w.c.out = strconv.AppendUint(w.c.out, uint64(len(body)), 16)
		w.c.out = append(append(append(w.c.out, "\r\n"...), body...), "\r\n"...)
	default:
		w.c.out = append(w.c.out, body...)
	}
}

// finish completes the response in the connection's output.
func (w *Response) finish() error {
	if w.err != nil {
		return w.err
	}
	if w.length >= 0 && w.written != w.length && !w.head && !bodyless(w.status) {
		return ErrLength
	}
	if !w.started {
		w.start(true)
	}
	w.emit(codeEnd)
	if w.coder != nil {
		w.coder.release()
		w.coder = nil
	}
	if w.chunked {
		w.c.out = append(append(append(w.c.out, "0\r\n"...), w.trailers...), "\r\n"...)
	}
	return nil
}
