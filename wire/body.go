package wire

import (
	"errors"
	"io"
)

// body reads a request's message body from the connection.
type body struct {
	c     *conn
	left  int64 // of a body with a length
	limit int64 // bytes of content still allowed
	chunk chunkReader
	kind  bodyKind
	err   error    // sticky
	buf   []byte   // of borrow
	dec   *decoder // undoes the content coding; nil without
}

type bodyKind uint8

const (
	bodyNone bodyKind = iota
	bodyLength
	bodyChunked
)

func (b *body) reset(c *conn) {
	f := &c.req.head.framing
	b.c, b.limit, b.err, b.dec = c, c.srv.cfg.MaxBodyBytes, nil, nil
	switch {
	case f.chunked:
		b.kind, b.buf = bodyChunked, b.buf[:0]
		b.chunk = chunkReader{limit: c.srv.cfg.MaxTrailerBytes}
	case f.length > 0:
		b.kind, b.left, b.buf = bodyLength, f.length, b.buf[:0]
		b.chunk.trailers = nil
	default:
		b.kind, b.err = bodyNone, io.EOF
		b.chunk.trailers = nil
	}
}

// done says that the body has been read to its end.
func (b *body) done() bool { return b.err == io.EOF }

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.dec != nil {
		return b.dec.Read(p)
	}
	return b.read(p)
}

// read reads content as it was sent, in its content coding.
func (b *body) read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	data, err := b.next(len(p))
	copy(p, data)
	return len(data), err
}

// next returns up to max bytes of content, aliasing the connection's buffer.
func (b *body) next(max int) ([]byte, error) {
	for b.err == nil {
		data, need := b.take(max)
		if len(data) > 0 {
			limit := &b.limit
			if b.dec != nil {
				limit = &b.dec.sent
			}
			if *limit -= int64(len(data)); *limit < 0 {
				b.err = tooLarge()
				return nil, b.err
			}
			return data, nil
		}
		if need && b.err == nil {
			b.err = b.fill()
		}
	}
	return nil, b.err
}

// take takes content out of what is buffered; need says that there is none.
func (b *body) take(max int) (data []byte, need bool) {
	in := b.c.in[b.c.from:b.c.to]
	if b.kind == bodyLength {
		if b.left == 0 {
			b.err = io.EOF
			return nil, false
		}
		n := min(int64(len(in)), b.left, int64(max))
		b.c.from += int(n)
		b.left -= n
		return in[:n], n == 0
	}
	if b.chunk.state == chunkData && len(in) > max {
		in = in[:max]
	}
	data, n, err := b.chunk.next(in)
	if over := len(data) - max; over > 0 { // the chunk's first bytes came with its size
		n -= over
		data = data[:max]
		b.chunk.unread(over)
	}
	b.c.from += n
	switch {
	case err != nil:
		b.err = err
	case b.chunk.state == chunkDone && len(data) == 0:
		b.err = io.EOF
	}
	return data, len(data) == 0
}

// fill receives more.
func (b *body) fill() error {
	if err := b.c.beginBody(); err != nil {
		return err
	}
	if b.c.from == b.c.to && (b.kind == bodyChunked || b.left > readBuffer) {
		b.c.widen()
	}
	n, err := b.c.receive()
	b.c.received += int64(n)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return &Error{Status: 400, Detail: "the connection ended inside the body", Close: true, Err: io.ErrUnexpectedEOF}
	case isTimeout(err):
		return &Error{Status: 408, Detail: "the body comes too slowly", Close: true, Err: err}
	}
	return &Error{Status: 400, Detail: "the body could not be received", Close: true, Err: err}
}

func tooLarge() *Error {
	return &Error{Status: 413, Detail: "the body is larger than is allowed here", Close: true}
}

// borrow implements Request.BorrowBody.
func (b *body) borrow(max int64) ([]byte, error) {
	if max <= 0 || max > b.limit {
		max = b.limit
	}
	if b.dec != nil {
		return b.borrowDecoded(max)
	}
	if b.done() && b.kind == bodyNone {
		return nil, nil
	}
	if b.kind == bodyLength && b.err == nil {
		if b.left > max {
			b.err = tooLarge()
			return nil, b.err
		}
		if in := b.c.in[b.c.from:b.c.to]; int64(len(in)) >= b.left { // all of it is here: nothing to copy
			n := int(b.left)
			b.c.from += n
			b.left, b.err = 0, io.EOF
			return in[:n:n], nil
		}
	}
	for {
		data, err := b.next(len(b.c.in))
		if err == io.EOF {
			return b.buf, nil
		}
		if err != nil {
			return nil, err
		}
		if int64(len(b.buf)+len(data)) > max {
			b.err = tooLarge()
			return nil, b.err
		}
		b.buf = append(b.buf, data...)
	}
}

// drain reads what the handler left, so that the connection can be used again. false:
// it is too much, or broken.
func (b *body) drain(max int64) bool {
	if b.kind == bodyLength && b.left > max {
		return false
	}
	for max >= 0 {
		data, err := b.next(1 << 16)
		if err != nil {
			return err == io.EOF
		}
		max -= int64(len(data))
	}
	return false
}
