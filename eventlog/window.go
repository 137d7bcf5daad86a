package eventlog

import (
	"io"

	"github.com/lithair/lithair-go/internal/disk"
)

// windowBytes is how much of a segment is read at once.
const windowBytes = 1 << 20

// window reads a file forwards through a buffer. What it returns is valid until the next
// call.
type window struct {
	file    File
	size    int64
	written int64 // nothing but zeros stands behind
	buf     []byte
	at      int64  // offset of buf[0]
	open    []byte // what was sealed in the last frame

	unpacker unpacker
}

// newWindow returns a window on a segment, with the buffer of one before. Most of a segment
// that was begun a moment ago is room that nobody has written to: where the file tells,
// that is not read.
func newWindow(seg *segment, buf []byte) (window, error) {
	w := window{file: seg.file, size: seg.size, written: seg.size, buf: buf[:0]}
	if sparse, ok := seg.file.(disk.Sparse); ok {
		written, err := sparse.Written()
		if err != nil {
			return w, err
		}
		w.written = min(written, seg.size)
	}
	return w, nil
}

// bytes returns n bytes at off, fewer at the end of the file.
func (w *window) bytes(off, n int64) ([]byte, error) {
	if n = min(n, w.size-off); n <= 0 {
		return nil, nil
	}
	if off < w.at || off+n > w.at+int64(len(w.buf)) {
		want := min(max(n, min(windowBytes, w.written-off)), w.size-off)
		if int64(cap(w.buf)) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.at = w.buf[:want], off
		if got, err := w.file.ReadAt(w.buf, off); err != nil && !(err == io.EOF && got == len(w.buf)) {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.at : off-w.at+n], nil
}

// frame returns the frame at off; problem says why there is none.
func (w *window) frame(off int64, e *envelope) (f frame, problem string, err error) {
	b, err := w.bytes(off, frameHead)
	if err != nil {
		return f, "", err
	}
	if f, problem = e.parseHead(b, w.size-off); problem != "" {
		return f, problem, nil
	}
	if b, err = w.bytes(off, f.size); err != nil {
		return f, "", err
	}
	f, problem = e.parse(b, &w.open)
	return f, problem, nil
}

// zeroFrom says whether nothing but zeros stands from off on.
func (w *window) zeroFrom(off int64) (bool, error) {
	for off < w.written {
		b, err := w.bytes(off, min(windowBytes, w.written-off))
		if err != nil || !allZero(b) {
			return false, err
		}
		off += int64(len(b))
	}
	return true, nil
}

// findFrame looks behind off for the head of a frame that was written at or after the
// one with a given number; -1: there is none. A whole head is proof enough: the salt
// makes it unlikely by chance, and a frame is only begun when those before it are
// durable.
func (w *window) findFrame(off int64, e *envelope, number uint64) (int64, error) {
	for at := off + frameAlign; at+frameHead <= w.size; at += frameAlign {
		b, err := w.bytes(at, frameHead)
		if err != nil {
			return -1, err
		}
		if le.Uint32(b) != frameMagic {
			continue
		}
		if f, problem := e.parseHead(b, w.size-at); problem == "" && f.number >= number {
			return at, nil
		}
	}
	return -1, nil
}
