package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

// File is an open file. Its position belongs to one goroutine; ReadAt is free of it.
type File struct {
	*io.SectionReader
	file disk.File
}

// Close closes it.
func (f *File) Close() error { return f.file.Close() }

// Open opens the file with that hash for reading.
//
// Errors: [ErrNotFound]; [ErrDamaged]; those of the disk and of the keys.
func (s *Store) Open(hash string) (*File, error) {
	if !ValidHash(hash) {
		return nil, ErrNotFound
	}
	return s.open(hash)
}

// OpenFile is Store.Open without a store. Of cfg, Dir, FS and Keys are looked at.
func OpenFile(cfg Config, hash string) (*File, error) { return (&Store{cfg: cfg}).Open(hash) }

func (s *Store) open(hash string) (*File, error) {
	file, err := s.cfg.FS.Open(s.path(hash), disk.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	size, err := file.Size()
	var src io.ReaderAt = file
	var stream bool
	if err == nil {
		stream, err = crypt.IsStream(file)
	}
	if err == nil && stream && s.cfg.Keys == nil {
		err = s.plainStream(file, size, hash)
	} else if err == nil && stream {
		var r *crypt.StreamReader
		if r, err = crypt.OpenStream(file, size, s.cfg.Keys, sealed); err == nil {
			src, size = r, r.Size()
		}
	}
	if errors.Is(err, crypt.ErrDamaged) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("blob: %s: %w", hash, err), file.Close())
	}
	return &File{io.NewSectionReader(src, 0, size), file}, nil
}

// plainStream tells a file that was put as it is, and looks like a sealed one, from one
// that takes keys.
func (s *Store) plainStream(file disk.File, size int64, hash string) error {
	if sum(io.NewSectionReader(file, 0, size)) == hash {
		return nil
	}
	return crypt.ErrNoKeys
}

// sum returns the hash of what r holds; "" when it cannot be read.
func sum(r io.Reader) string {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Verify reads a file and says whether its content is what its name says.
//
// Errors: as Open.
func (s *Store) Verify(hash string) error {
	f, err := s.Open(hash)
	if err != nil {
		return err
	}
	got := sum(f)
	if err := f.Close(); err != nil {
		return err
	}
	if got != hash {
		return fmt.Errorf("%w: %s has the content of %q", ErrDamaged, hash, got)
	}
	return nil
}
