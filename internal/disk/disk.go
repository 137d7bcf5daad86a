// Package disk is the door to files: a small interface, the real disk behind it, and a
// simulated one that loses power, fills up and fails on command.
//
// Durability is explicit: what was written is durable after File.Sync, a new, renamed
// or removed name after SyncDir of its directory.
package disk

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// FS is a file system. Names are slash-separated paths. It is safe for concurrent use.
type FS interface {
	// Open opens a file in the given mode.
	Open(name string, how Mode) (File, error)
	// Rename gives a file another name, in place of a file of that name.
	Rename(oldname, newname string) error
	// Remove removes a file.
	Remove(name string) error
	// List returns the base names in a directory, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory and those above it; they are durable when it returns.
	MkdirAll(dir string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock keeps every other process out until the result is closed. When another
	// holds it, the error is a *[LockedError].
	Lock(name string) (io.Closer, error)
	// Free returns how many bytes may be written below dir; -1 when nobody knows.
	Free(dir string) (int64, error)
}

// File is an open file. ReadAt and WriteAt may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes what was written durable, as fdatasync does. After an error nobody
	// knows what is durable: the file must not be trusted until it is read again.
	Sync() error
	// Truncate sets the size; a longer file reads as zeros.
	Truncate(size int64) error
	// Allocate reserves room for a range, which grows the file if need be and reads as
	// zeros where nothing was written.
	Allocate(off, n int64) error
	// Size returns the size in bytes.
	Size() (int64, error)
	// Name returns the name the file was opened by.
	Name() string
}

// Sparse is a [File] that knows where nothing was written.
type Sparse interface {
	// Written returns an offset behind which nothing but zeros stands, at most the
	// file's size. A file system that does not know says its size.
	Written() (int64, error)
}

// Mode says how a file is opened.
type Mode int

// The modes.
const (
	ReadOnly  Mode = iota // must exist
	ReadWrite             // must exist
	Create                // for reading and writing, made when absent
	Exclusive             // for reading and writing, must not exist
)

// LockedError says that another process holds a lock.
type LockedError struct {
	Path string
	PID  int // of the holder; 0 when unknown
}

// Error names the file and the process.
func (e *LockedError) Error() string {
	if e.PID > 0 {
		return fmt.Sprintf("disk: %s is locked by process %d", e.Path, e.PID)
	}
	return fmt.Sprintf("disk: %s is locked by another process", e.Path)
}

// ReadFile returns the whole of a file.
func ReadFile(fs FS, name string) ([]byte, error) {
	f, err := fs.Open(name, ReadOnly)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b := make([]byte, size)
	if _, err = f.ReadAt(b, 0); err == io.EOF {
		err = nil
	}
	return b, errors.Join(err, f.Close())
}

// WriteFileAtomic puts data into a file so that after a crash there is either the old
// content or the new, whole; it is durable on return.
func WriteFileAtomic(fs FS, name string, data []byte) error {
	temp := name + ".tmp"
	f, err := fs.Open(temp, Create)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(temp, name); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(name))
}
