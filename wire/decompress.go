package wire

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"sync"
)

// Errors of a body in a content coding.
var (
	// ErrInflated: the body is larger, once decoded, than is allowed.
	ErrInflated = errors.New("wire: the decoded body is larger than is allowed")
	// ErrCoding: the body is not what its content coding says.
	ErrCoding = errors.New("wire: the body is broken in its content coding")
)

// inflater undoes the gzip content coding (RFC 9110 §8.4.1.3, RFC 1952) as the bytes are
// read. However much a small body would grow to, at most left bytes come out: memory is
// what the reader of it uses, and time is bounded by what comes in and left.
//
// Errors: ErrInflated, ErrCoding, io.ErrUnexpectedEOF when the body ends early, and
// those of the source as they are.
type inflater struct {
	z    *gunzip // nil before the first Read and after the end
	src  io.Reader
	left int64 // bytes that may still come out
	err  error // sticky
}

// newInflater reads gzip from src and gives at most max bytes.
func newInflater(src io.Reader, max int64) *inflater { return &inflater{src: src, left: max} }

// gunzip is what a decoder needs, about 45 KiB; kept in a pool.
type gunzip struct {
	zr  gzip.Reader
	br  *bufio.Reader
	src watchedReader
}

// watchedReader remembers how its reader ended, so that an error of the source can be
// told from one of the coding.
type watchedReader struct {
	r   io.Reader
	err error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

var gunzips = sync.Pool{New: func() any { return &gunzip{br: bufio.NewReaderSize(nil, 4<<10)} }}

// Read implements io.Reader.
func (f *inflater) Read(p []byte) (n int, err error) {
	if f.err != nil {
		return 0, f.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if f.z == nil {
		if err := f.open(); err != nil {
			return 0, f.end(err)
		}
	}
	// one byte more than allowed is asked for: only if it comes the body is too large
	if int64(len(p)) > f.left {
		p = p[:f.left+1]
	}
	n, err = f.z.zr.Read(p)
	if int64(n) > f.left {
		return 0, f.end(ErrInflated)
	}
	f.left -= int64(n)
	if err != nil {
		err = f.end(err)
	}
	return n, err
}

func (f *inflater) open() error {
	f.z = gunzips.Get().(*gunzip)
	f.z.src = watchedReader{r: f.src}
	f.z.br.Reset(&f.z.src)
	err := f.z.zr.Reset(f.z.br)
	if err == io.EOF { // no byte at all is no gzip
		err = io.ErrUnexpectedEOF
	}
	return err
}

// end settles the error and gives the decoder back.
func (f *inflater) end(err error) error {
	src := f.z.src.err
	f.z.src = watchedReader{}
	gunzips.Put(f.z)
	f.z = nil
	switch {
	case err == io.EOF || err == ErrInflated:
	case src != nil && src != io.EOF:
		err = src
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = io.ErrUnexpectedEOF
	default:
		err = ErrCoding
	}
	f.err = err
	return err
}

// Decompress lets clients send their bodies in the gzip content coding; handlers read
// what it decodes to. Put it around the handlers that want it. All limits of the body
// count decoded bytes then; what is sent may be longer only by what gzip adds. Any other coding is
// answered with 415 and an Accept-Encoding field (RFC 9110 §12.5.3), a broken one with
// 400, too much of it with 413.
func Decompress() Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if err := r.Decompress(); err != nil {
				return err
			}
			return next(w, r)
		}
	}
}

// Decompress does what the middleware of that name does, for a handler that reads the body itself. It comes before anything
// of the body is read.
func (r *Request) Decompress() error { return r.body.decompress() }

// decompress puts the decoder for the request's Content-Encoding in place.
func (b *body) decompress() error {
	if b.dec != nil {
		return nil
	}
	coded := false
	for i := range b.c.req.head.fields {
		f := &b.c.req.head.fields[i]
		if !equalFold(f.name.of(b.c.req.head.buf), "content-encoding") {
			continue
		}
		bad := false
		eachElement(f.value.of(b.c.req.head.buf), func(e []byte) bool {
			gz := equalFold(e, "gzip") || equalFold(e, "x-gzip")
			bad = bad || coded && gz || !gz && !equalFold(e, "identity") // no coding twice: a bomb in a bomb
			coded = coded || gz
			return !bad
		})
		if bad {
			return &Error{Status: 415, Detail: "the only content coding that is taken here is gzip, once", Header: [][2]string{{"Accept-Encoding", "gzip"}}}
		}
	}
	if coded && b.kind != bodyNone {
		b.dec = &decoder{b: b, f: newInflater(codedBody{b}, 0), sent: codedLimit(b.limit)}
	}
	return nil
}

// codedLimit bounds what is sent for at most limit bytes: gzip adds a header, a checksum
// and 5 bytes to each 64 KiB that it cannot make shorter.
func codedLimit(limit int64) int64 {
	const margin = 1 << 10
	return min(limit, 1<<62) + limit>>12 + margin
}

// decoder is a request's body behind its content coding.
type decoder struct {
	b    *body
	f    *inflater
	sent int64 // bytes of coded body still allowed
}

// Read implements io.Reader.
func (d *decoder) Read(p []byte) (int, error) {
	d.f.left = d.b.limit // middleware may have lowered it
	n, err := d.f.Read(p)
	d.b.limit -= int64(n)
	switch {
	case err == ErrInflated:
		err = tooLarge()
	case err == ErrCoding || err == io.ErrUnexpectedEOF:
		err = &Error{Status: 400, Detail: "the body is no whole gzip", Err: err}
	}
	return n, err
}

// codedBody reads a body as it was sent.
type codedBody struct{ b *body }

func (c codedBody) Read(p []byte) (int, error) { return c.b.read(p) }

// borrowDecoded is borrow for a body with a content coding.
func (b *body) borrowDecoded(limit int64) ([]byte, error) {
	for {
		if len(b.buf) == cap(b.buf) {
			b.buf = slices.Grow(b.buf, max(4<<10, len(b.buf)))
		}
		n, err := b.dec.Read(b.buf[len(b.buf):cap(b.buf)])
		b.buf = b.buf[:len(b.buf)+n]
		if int64(len(b.buf)) > limit {
			return nil, tooLarge()
		}
		if err == io.EOF {
			return b.buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
