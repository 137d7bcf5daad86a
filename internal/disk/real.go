package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Real returns the operating system's file system.
func Real() FS { return real{} }

type real struct{}

func (real) Open(name string, how Mode) (File, error) {
	flags := map[Mode]int{ReadOnly: os.O_RDONLY, ReadWrite: os.O_RDWR, Create: os.O_RDWR | os.O_CREATE, Exclusive: os.O_RDWR | os.O_CREATE | os.O_EXCL}[how]
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return &realFile{f}, nil
}

func (real) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }
func (real) Remove(name string) error             { return os.Remove(name) }

func (real) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (fs real) MkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("disk: %s is a file, not a directory", dir)
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := fs.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return fs.SyncDir(parent)
}

func (real) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(d), d.Close())
}

// realLock is a locked file; the lock goes with the descriptor, so a crash releases it.
type realLock struct{ f *os.File }

func (l realLock) Close() error { return l.f.Close() }

// noLock is that of a file that cannot be there: its file system is read only.
type noLock struct{}

func (noLock) Close() error { return nil }

// Lock locks a file, which it makes. On a file system that is mounted read only, for looking at a copy, what is there is locked as it
// is: somebody may have it mounted otherwise, too.
func (real) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	readOnly := errors.Is(err, syscall.EROFS)
	if readOnly {
		if f, err = os.Open(name); errors.Is(err, os.ErrNotExist) {
			return noLock{}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		if !errors.Is(err, errLocked) {
			return nil, errors.Join(err, f.Close())
		}
		b := make([]byte, 20)
		n, _ := f.ReadAt(b, 0) // the pid is a courtesy: without it the message names none
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
		return nil, errors.Join(&LockedError{Path: name, PID: pid}, f.Close())
	}
	if readOnly {
		return realLock{f}, nil
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return realLock{f}, nil
}

func (real) Free(dir string) (int64, error) { return freeBytes(dir) }

type realFile struct{ f *os.File }

func (r *realFile) ReadAt(p []byte, off int64) (int, error)  { return r.f.ReadAt(p, off) }
func (r *realFile) WriteAt(p []byte, off int64) (int, error) { return r.f.WriteAt(p, off) }
func (r *realFile) Close() error                             { return r.f.Close() }
func (r *realFile) Sync() error                              { return syncData(r.f) }
func (r *realFile) Truncate(size int64) error                { return r.f.Truncate(size) }
func (r *realFile) Allocate(off, n int64) error              { return allocate(r.f, off, n) }
func (r *realFile) Name() string                             { return r.f.Name() }

// Written implements [Sparse].
func (r *realFile) Written() (int64, error) {
	size, err := r.Size()
	if err != nil {
		return 0, err
	}
	return written(r.f, size)
}

func (r *realFile) Size() (int64, error) {
	info, err := r.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// extend is Allocate where the system cannot reserve room: the file is made longer.
func extend(f *os.File, off, n int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() >= off+n {
		return err
	}
	return f.Truncate(off + n)
}
