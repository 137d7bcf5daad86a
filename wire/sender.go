package wire

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// sender sends a request's body while the response is being read, so that neither end
// waits for the other. It is the only writer of its connection.
type sender struct {
	cc      *clientConn
	body    io.Reader
	length  int64 // -1: chunked
	again   bool  // the body can be rewound
	trailer func() []Trailer
	timeout time.Duration // for one write
	head    time.Duration // for the response's head, once all is sent

	last atomic.Bool   // the last bytes are being written
	done chan struct{} // closed when nothing is sent any more
	once sync.Once     // closes the body

	mu       sync.Mutex // protects the following
	answered bool       // the final head came, or will not
	err      *sendError // why the body was not sent to its end
}

// sendError is what kept a request body from being sent.
type sendError struct {
	stage Stage
	err   error
}

// bodyBuffers hold what is read of request bodies.
var bodyBuffers = sync.Pool{New: func() any { return new([sendBuffer + 32]byte) }}

const sendBuffer = 32 << 10

// startSender sends the body of o, which is the sender's from here on.
func startSender(cc *clientConn, o *outgoing, cfg *ClientConfig) *sender {
	s := &sender{cc: cc, body: o.body, length: o.length, again: o.rewind != nil, trailer: o.q.Trailers, timeout: cfg.WriteTimeout, head: cfg.HeadTimeout, done: make(chan struct{})}
	o.body = nil
	cc.nc.SetReadDeadline(time.Time{}) // an error comes again with the read
	go s.run()
	return s
}

func (s *sender) run() {
	defer close(s.done)
	err := s.sendAll()
	s.closeBody()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	switch {
	case s.answered:
	case err == nil:
		s.cc.nc.SetReadDeadline(time.Now().Add(s.head))
	case err.stage == StageRequest:
		s.cc.closeQuietly() // the server must see that the body is not whole
	default: // it may have answered before it closed
		s.cc.nc.SetReadDeadline(time.Now().Add(afterFailedWrite))
	}
}

func (s *sender) sendAll() *sendError {
	buf := bodyBuffers.Get().(*[sendBuffer + 32]byte)
	defer bodyBuffers.Put(buf)
	if s.length < 0 {
		return s.sendChunks(buf)
	}
	for left := s.length; left > 0; {
		n, err := s.body.Read(buf[:min(sendBuffer, left)])
		if left -= int64(n); n > 0 {
			s.last.Store(left == 0)
			if werr := s.write(buf[:n]); werr != nil {
				return werr
			}
		}
		if left > 0 && err == io.EOF {
			return &sendError{StageRequest, fmt.Errorf("%w: %d bytes are missing", ErrLength, left)}
		}
		if left > 0 && err != nil {
			return &sendError{StageRequest, fmt.Errorf("reading the request body: %w", err)}
		}
	}
	return nil
}

// sendChunks sends what each Read returns as one chunk (RFC 9112 §7.1).
func (s *sender) sendChunks(buf *[sendBuffer + 32]byte) *sendError {
	const room = 10 // for the size in front
	for {
		n, err := s.body.Read(buf[room : room+sendBuffer])
		end := room
		if n > 0 {
			end = room + n + copy(buf[room+n:], "\r\n")
		}
		if err != nil && err != io.EOF {
			return &sendError{StageRequest, fmt.Errorf("reading the request body: %w", err)}
		}
		if err == io.EOF {
			return s.sendLast(buf[:], n, end)
		}
		if n > 0 {
			if err := s.write(chunkFrom(buf[:end], room, n)); err != nil {
				return err
			}
		}
	}
}

// chunkFrom writes the chunk size in front of the data at room, and returns the chunk.
func chunkFrom(b []byte, room, n int) []byte {
	if n == 0 {
		return b[room:]
	}
	var size [10]byte // sendBuffer has four hex digits, then CRLF
	line := append(strconv.AppendUint(size[:0], uint64(n), 16), "\r\n"...)
	at := room - len(line)
	copy(b[at:], line)
	return b[at:]
}

// sendLast sends the last data, the last chunk and the trailer section.
func (s *sender) sendLast(buf []byte, n, end int) *sendError {
	out := append(chunkFrom(buf[:end:end], 10, n), "0\r\n"...)
	if s.trailer != nil {
		for _, f := range s.trailer() {
			if f.Name == "" || !all(f.Name, classToken) || !all(f.Value, classValue) || forbiddenTrailer(f.Name) {
				return &sendError{StageRequest, fmt.Errorf("%w: trailer %.40q", ErrHeader, f.Name)}
			}
			out = appendField(out, f.Name, f.Value)
		}
	}
	s.last.Store(true)
	return s.write(append(out, "\r\n"...))
}

func (s *sender) write(b []byte) *sendError {
	err := s.cc.nc.SetWriteDeadline(time.Now().Add(s.timeout))
	if err == nil {
		_, err = s.cc.nc.Write(b)
	}
	if err != nil {
		return &sendError{StageWrite, err}
	}
	return nil
}

// settled notes that the response's head is here, or that none will come, and returns
// what went wrong with the body so far.
func (s *sender) settled() *sendError {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
	return s.err
}

// finish is called at the end of the response. It says whether the request was sent
// whole, which the connection needs to be used again; else it stops the sending: the
// connection is closed, and so is the body, where it can be.
func (s *sender) finish() (whole bool) {
	if !s.last.Load() {
		select {
		case <-s.done:
		default:
			s.abort()
			return false
		}
	}
	// The last write is under way, or was: a server that has answered takes it at once.
	s.cc.nc.SetWriteDeadline(time.Now().Add(lastWriteGrace))
	<-s.done
	return s.err == nil
}

// lastWriteGrace is what the end of a request's body may take after the response's end.
const lastWriteGrace = 100 * time.Millisecond

func (s *sender) abort() {
	s.cc.closeQuietly()
	s.closeBody() // ends a Read under way
}

func (s *sender) closeBody() {
	if c, ok := s.body.(io.Closer); ok {
		s.once.Do(func() { c.Close() }) // it was only read: nothing can be lost
	}
}

// wait waits until the body is not read any more; false when ctx ends before.
func (s *sender) wait(ctx context.Context) bool {
	select {
	case <-s.done:
		return true
	case <-ctx.Done():
		return false
	}
}
