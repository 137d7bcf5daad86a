package nethttp

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// body is the request's body. It may be read and closed by any goroutine, one at a time,
// until the handler returns.
type body struct {
	x *exchange

	mu      sync.Mutex // held while reading
	over    sync.Mutex // protects the following
	reading bool
	used    bool // it was read
	done    bool // read to its end
	ended   bool // the handler has returned
	closed  bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.enter() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.x.r.Body().Read(p)
	b.leave()
	if err == io.EOF {
		b.finished()
	}
	return n, err
}

func (b *body) enter() bool {
	b.over.Lock()
	defer b.over.Unlock()
	b.reading = !b.ended && !b.closed
	b.used = true
	return b.reading
}

func (b *body) leave() {
	b.over.Lock()
	b.reading = false
	b.over.Unlock()
}

// finished makes what comes behind the body known: its trailers, and from now on the
// client's leaving.
func (b *body) finished() {
	for _, t := range b.x.r.Trailers() {
		if b.x.req.Trailer == nil {
			b.x.req.Trailer = http.Header{}
		}
		b.x.req.Trailer.Add(t.Name, t.Value)
	}
	for x := b.x; x != nil; x = x.outer {
		x.body.over.Lock()
		x.body.done = true
		x.body.over.Unlock()
		x.ctx.bodyRead()
	}
}

// whenRead calls f at once if the body has been read. If not, finished will ask.
func (b *body) whenRead(f func()) {
	b.over.Lock()
	done := b.done
	b.over.Unlock()
	if done {
		f()
	}
}

// touched says whether anybody has read or closed it.
func (b *body) touched() bool {
	b.over.Lock()
	defer b.over.Unlock()
	return b.used || b.closed
}

// Close implements io.Closer. What is left is drained by wire, or the connection closed.
func (b *body) Close() error {
	b.over.Lock()
	b.closed = true
	b.over.Unlock()
	return nil
}

// end keeps everybody from reading behind the handler's back, and ends a Read that is
// under way.
func (b *body) end() {
	b.over.Lock()
	b.ended = true
	reading := b.reading
	b.over.Unlock()
	if reading {
		b.x.writer.SetReadDeadline(time.Unix(1, 0)) // fails when it is hijacked or closed: that ends a Read too
	}
	b.mu.Lock() // until that has ended
	b.mu.Unlock()
}
