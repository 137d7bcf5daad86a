package crypt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed stream is a file of any length that can be read from any place:
//
//	0   magic "LITHSEA", version 1    8 bytes
//	8   crypt.Header                 52
//	60  chunks: 64 KiB each, sealed, the last one shorter, by one byte at least, and
//	    possibly empty
//
// The place of a chunk is its number (8 bytes, from 0, little-endian) and whether it is
// the last one (1 byte). So a file that was cut, also between two chunks, does not open.
const (
	streamFront = 8 + HeaderSize
	chunkBytes  = 64 << 10
	sealedChunk = chunkBytes + Overhead
)

var streamMagic = [8]byte{'L', 'I', 'T', 'H', 'S', 'E', 'A', 1}

func chunkPlace(number int64, last bool) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 9), uint64(number))
	if last {
		return append(b, 1)
	}
	return append(b, 0)
}

// StreamWriter seals what is written to it. It belongs to one goroutine.
type StreamWriter struct {
	w      io.Writer
	s      *Sealer
	plain  []byte
	sealed []byte
	number int64
	err    error
}

// NewStreamWriter begins a sealed stream on w under the current key. Nothing is whole
// before Close.
func NewStreamWriter(w io.Writer, keys KeyProvider, purpose string) (*StreamWriter, error) {
	s, err := NewSealer(keys, purpose, nil)
	if err != nil {
		return nil, err
	}
	t := &StreamWriter{w: w, s: s, plain: make([]byte, 0, chunkBytes), sealed: make([]byte, 0, sealedChunk)}
	t.put(s.Header().Append(append(t.sealed, streamMagic[:]...)))
	return t, t.err
}

func (t *StreamWriter) put(b []byte) {
	if t.err != nil {
		return
	}
	n, err := t.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	t.err = err
}

func (t *StreamWriter) flush(last bool) {
	b, err := t.s.Seal(t.sealed[:0], t.plain, chunkPlace(t.number, last))
	if err != nil && t.err == nil {
		t.err = err
	}
	t.put(b)
	t.plain = t.plain[:0]
	t.number++
}

// Write implements io.Writer. Errors are those of the writer below, and stay.
func (t *StreamWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && t.err == nil {
		k := min(chunkBytes-len(t.plain), len(p)-n)
		t.plain = append(t.plain, p[n:n+k]...)
		if n += k; len(t.plain) == chunkBytes {
			t.flush(false)
		}
	}
	return n, t.err
}

// Close writes the end. It does not close the writer below.
func (t *StreamWriter) Close() error {
	if t.err == nil {
		t.flush(true)
	}
	return t.err
}

// IsStream says whether a file is a sealed stream, by its front.
func IsStream(src io.ReaderAt) (bool, error) {
	var b [8]byte
	n, err := src.ReadAt(b[:], 0)
	if n < len(b) && (err == io.EOF || err == io.ErrUnexpectedEOF) {
		return false, nil
	}
	if n == len(b) {
		err = nil
	}
	return b == streamMagic, err
}

// StreamReader reads a sealed stream. It is safe for concurrent use if the source is.
type StreamReader struct {
	src  io.ReaderAt
	o    *Opener
	size int64 // of what was sealed
	last int64 // number of the last chunk
}

// OpenStream opens a sealed stream of that size, and checks its last chunk.
//
// Errors: [ErrDamaged] for a file that is no whole stream; as [NewOpener].
func OpenStream(src io.ReaderAt, size int64, keys KeyProvider, purpose string) (*StreamReader, error) {
	rest := size - streamFront
	last, tail := rest/sealedChunk, rest%sealedChunk
	if rest < 0 || tail < Overhead {
		return nil, fmt.Errorf("%w: %d bytes are no length of a sealed stream", ErrDamaged, size)
	}
	front := make([]byte, streamFront)
	if err := readFull(src, front, 0); err != nil {
		return nil, err
	}
	if string(front[:8]) != string(streamMagic[:]) {
		return nil, fmt.Errorf("%w: this is no sealed stream", ErrDamaged)
	}
	h, err := ParseHeader(front[8:])
	if err != nil {
		return nil, errors.Join(ErrDamaged, err)
	}
	o, err := NewOpener(keys, purpose, h)
	if err != nil {
		return nil, err
	}
	r := &StreamReader{src: src, o: o, size: last*chunkBytes + tail - Overhead, last: last}
	_, err = r.chunk(nil, last)
	return r, err
}

func readFull(src io.ReaderAt, b []byte, off int64) error {
	n, err := src.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Size returns how many bytes were sealed.
func (r *StreamReader) Size() int64 { return r.size }

// chunk opens a chunk, into buf if that is large enough.
func (r *StreamReader) chunk(buf []byte, number int64) ([]byte, error) {
	n := int64(chunkBytes)
	if number == r.last {
		n = r.size - number*chunkBytes
	}
	if int64(cap(buf)) < n+Overhead {
		buf = make([]byte, n+Overhead)
	}
	buf = buf[:n+Overhead]
	if err := readFull(r.src, buf, streamFront+number*sealedChunk); err != nil {
		return nil, err
	}
	plain, err := r.o.Open(buf[NonceSize:NonceSize], buf, chunkPlace(number, number == r.last))
	if err != nil {
		return nil, fmt.Errorf("chunk %d: %w", number, err)
	}
	return plain, nil
}

// ReadAt implements io.ReaderAt. Whole chunks are opened, so many small reads cost more
// than few large ones.
func (r *StreamReader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("crypt: negative offset")
	}
	var buf []byte
	for n < len(p) && off < r.size {
		number := off / chunkBytes
		plain, err := r.chunk(buf, number)
		if err != nil {
			return n, err
		}
		k := copy(p[n:], plain[off-number*chunkBytes:])
		n, off, buf = n+k, off+int64(k), plain[:0]
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
