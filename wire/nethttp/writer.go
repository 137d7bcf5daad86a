package nethttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// writer is the ResponseWriter of an exchange. Like net/http's it is for one goroutine at
// a time, beside the one that reads the body.
type writer struct {
	x *exchange

	mu       sync.Mutex // held while the wire response is used
	header   http.Header
	status   int      // of WriteHeader; 0 before
	length   int64    // of Content-Length; -1 for none
	written  int64    // bytes of body
	trailers []string // announced
	typed    bool     // the content type is settled
	sniff    []byte   // the body's beginning, while it is not
	hijacked bool
	over     bool // the handler has returned: what is below belongs to another request
}

// errOver is what the writer returns to those who go on behind a handler's back.
var errOver = errors.New("nethttp: the handler has returned")

// usable says whether the wire response may be used. mu is held.
func (w *writer) usable() error {
	switch {
	case w.over:
		return errOver
	case w.hijacked:
		return http.ErrHijacked
	}
	return nil
}

// sniffLen is how much of a body http.DetectContentType looks at.
const sniffLen = 512

// Header implements http.ResponseWriter. What wire handlers and middleware have set
// before is in it.
func (w *writer) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header, 4)
		w.pull()
	}
	return w.header
}

// pull takes the fields of the wire response into the header.
func (w *writer) pull() {
	clear(w.header)
	for name, value := range w.x.w.Headers() {
		w.header.Add(name, value)
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("nethttp: invalid status %d", status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.usable() != nil || w.status != 0 || w.x.w.Started(): // superfluous
	case status < 200 && status != 101:
		w.x.w.Interim(status, w.interim()...) // an error comes again with the response
	default:
		w.begin(status)
	}
}

// interim are the fields of a 1xx response: what is set so far.
func (w *writer) interim() (list [][2]string) {
	for name, values := range w.Header() {
		switch {
		case name == "Content-Length" || name == "Transfer-Encoding" || name == "Connection" || !validName(name):
		default:
			for _, v := range values {
				list = append(list, [2]string{name, cleanValue(v)})
			}
		}
	}
	return list
}

// begin settles status and header section. They are not sent yet.
func (w *writer) begin(status int) {
	w.status = status
	if status != 101 {
		w.x.w.Status(status)
	}
	w.push()
	_, has := w.header["Content-Type"]
	_, coded := w.header["Content-Encoding"]
	w.typed = has || coded || status == 101 || status == 204 || status == 304
}

// push puts the header into the wire response, in place of what was there.
func (w *writer) push() {
	w.length = -1
	if w.header == nil {
		return // nobody asked for it, so it was not changed
	}
	out := w.x.w
	out.ClearHeaders()
	for name, values := range w.header {
		switch {
		case name == "Content-Length":
			if n, err := strconv.ParseInt(strings.Join(values, ","), 10, 64); err == nil && n >= 0 {
				w.length = n
				out.AddHeader(name, values[0])
			}
			continue
		case name == "Trailer":
			w.announce(values)
		case name == "Transfer-Encoding", strings.HasPrefix(name, http.TrailerPrefix), !validName(name):
			continue
		}
		if len(w.trailers) > 0 && w.isTrailer(name) {
			continue
		}
		for _, v := range values {
			out.AddHeader(name, cleanValue(v)) // it is valid: cleaned
		}
	}
}

func (w *writer) announce(lists []string) {
	w.trailers = w.trailers[:0]
	for name := range announced(lists) {
		w.trailers = append(w.trailers, name)
		w.x.w.DelHeader(name) // it may have come before the announcement
	}
}

func (w *writer) isTrailer(name string) bool {
	for _, t := range w.trailers {
		if t == name {
			return true
		}
	}
	return false
}

// validName says whether a name is a token (RFC 9110 §5.6.2).
func validName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c-'a' < 26, c-'A' < 26, c-'0' < 10, strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return name != ""
}

// cleanValue replaces what cannot stand in a field value.
func cleanValue(v string) string {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7F {
			b := []byte(v)
			for ; i < len(b); i++ {
				if b[i] < ' ' && b[i] != '\t' || b[i] == 0x7F {
					b[i] = ' '
				}
			}
			return strings.TrimSpace(string(b))
		}
	}
	return strings.Trim(v, " \t")
}

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(len(p)); err != nil {
		return 0, err
	}
	if !w.typed {
		w.look(p)
	}
	n, err := w.x.w.Write(p)
	w.written += int64(n)
	return n, err
}

// WriteString implements io.StringWriter.
func (w *writer) WriteString(s string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(len(s)); err != nil {
		return 0, err
	}
	if !w.typed {
		w.look([]byte(s[:min(len(s), sniffLen)]))
	}
	n, err := w.x.w.WriteString(s)
	w.written += int64(n)
	return n, err
}

// admit begins the response if need be and says whether n more bytes may be written.
func (w *writer) admit(n int) error {
	if err := w.usable(); err != nil {
		return err
	}
	if w.status == 0 {
		w.begin(200)
	}
	switch {
	case n == 0:
		return nil
	case w.status < 200 || w.status == 204 || w.status == 304:
		return http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(n) > w.length:
		return http.ErrContentLength
	}
	return nil
}

// look gathers the beginning of a body whose content type nobody has set.
func (w *writer) look(p []byte) {
	if len(w.sniff) == 0 && len(p) >= sniffLen {
		w.settleType(p)
		return
	}
	w.sniff = append(w.sniff, p[:min(len(p), sniffLen-len(w.sniff))]...)
	if len(w.sniff) == sniffLen {
		w.settleType(w.sniff)
	}
}

func (w *writer) settleType(beginning []byte) {
	w.typed = true
	if len(beginning) > 0 && !w.x.w.Started() {
		w.x.w.AddHeader("Content-Type", http.DetectContentType(beginning)) // it is valid
	}
	w.sniff = nil
}

// copyBuffers are what ReadFrom copies through.
var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ReadFrom implements io.ReaderFrom.
func (w *writer) ReadFrom(src io.Reader) (n int64, err error) {
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{src}, buf[:])
}

// Flush implements http.Flusher.
func (w *writer) Flush() { w.FlushError() }

// FlushError is what http.ResponseController calls for Flush.
func (w *writer) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return err
	}
	if w.status == 0 {
		w.begin(200)
	}
	if !w.typed {
		w.settleType(w.sniff)
	}
	return w.x.w.Flush()
}

// SetReadDeadline is what http.ResponseController calls.
func (w *writer) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return err
	}
	return w.x.r.SetReadDeadline(t)
}

// SetWriteDeadline is what http.ResponseController calls.
func (w *writer) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return err
	}
	return w.x.w.SetWriteDeadline(t)
}

// EnableFullDuplex is what http.ResponseController calls. It is always on.
func (w *writer) EnableFullDuplex() error { return nil }

// Hijack implements http.Hijacker. A header section that was written goes out first.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return nil, nil, err
	}
	head := w.pending()
	nc, buffered, err := w.x.r.Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.hijacked = true
	if len(head) > 0 {
		if _, err := nc.Write(head); err != nil {
			nc.Close()
			return nil, nil, err
		}
	}
	return nc, bufio.NewReadWriter(readerOf(nc, buffered), bufio.NewWriter(nc)), nil
}

// pending renders the header section that WriteHeader settled and nothing has sent.
func (w *writer) pending() []byte {
	if w.status == 0 || w.x.w.Started() {
		return nil
	}
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n", w.status, wire.StatusText(w.status))
	for name, value := range w.x.w.Headers() {
		b = fmt.Appendf(b, "%s: %s\r\n", name, value)
	}
	return append(b, "\r\n"...)
}

// readerOf returns a reader that has buffered in its buffer, where those who take
// connections over look for it.
func readerOf(nc net.Conn, buffered []byte) *bufio.Reader {
	if len(buffered) == 0 {
		return bufio.NewReader(nc)
	}
	br := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(buffered), nc), max(len(buffered), 4<<10))
	br.Peek(len(buffered)) // it is all there
	return br
}

// end completes the response when the handler has returned; aborted says that there is
// nothing to complete.
func (w *writer) end(aborted bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if aborted {
		return nil
	}
	switch {
	case w.hijacked || w.x.result != nil:
		return nil
	case w.x.passed: // a wire handler behind a middleware has done it
		if !w.x.w.Started() {
			w.push()
		}
		return nil
	case w.status == 0:
		w.begin(200)
	}
	if !w.typed {
		w.settleType(w.sniff)
	}
	return w.sendTrailers()
}

// sendTrailers puts the trailers behind the body: those announced, and those marked by
// http.TrailerPrefix.
func (w *writer) sendTrailers() error {
	for _, name := range w.trailers {
		for _, v := range w.header[name] {
			if err := w.x.w.Trailer(name, cleanValue(v)); err != nil {
				return err
			}
		}
	}
	for name, values := range w.header {
		if after, ok := strings.CutPrefix(name, http.TrailerPrefix); ok && validName(after) {
			for _, v := range values {
				if err := w.x.w.Trailer(http.CanonicalHeaderKey(after), cleanValue(v)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
