package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

// Writer writes one file of a store from its beginning on. It belongs to one goroutine.
type Writer struct {
	file disk.File
	off  int64
	seal *crypt.StreamWriter // nil: not sealed
	sum  hash.Hash
	size int64
}

// Create begins a file; one of that name is overwritten. Keys seal it; nil: it is not
// sealed.
func Create(files disk.FS, name string, keys crypt.KeyProvider) (*Writer, error) {
	file, err := files.Open(name, disk.Create)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	w := &Writer{file: file, sum: sha256.New()}
	err = file.Truncate(0)
	if err == nil && keys != nil {
		w.seal, err = crypt.NewStreamWriter(rawWriter{w}, keys, sealed)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("blob: %w", err), file.Close())
	}
	return w, nil
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.seal != nil {
		n, err = w.seal.Write(p)
	} else {
		n, err = rawWriter{w}.Write(p)
	}
	w.sum.Write(p[:n])
	w.size += int64(n)
	return n, err
}

// Finish makes the file durable, but for its name, closes it, and says what it holds.
func (w *Writer) Finish() (ref Ref, err error) {
	if w.seal != nil {
		err = w.seal.Close()
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		return ref, err
	}
	return Ref{hex.EncodeToString(w.sum.Sum(nil)), w.size}, nil
}

// Abort closes the file as it is.
func (w *Writer) Abort() error { return w.file.Close() }

// rawWriter writes below the seal.
type rawWriter struct{ w *Writer }

func (r rawWriter) Write(p []byte) (int, error) {
	n, err := r.w.file.WriteAt(p, r.w.off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	r.w.off += int64(n)
	return n, err
}
