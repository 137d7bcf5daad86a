package disk

import (
	"errors"
	"os"
	"syscall"
)

var errLocked = errors.New("disk: locked")

// retry calls fn until it is not interrupted by a signal.
func retry(fn func() error) error {
	for {
		if err := fn(); err != syscall.EINTR {
			return err
		}
	}
}

func onFD(f *os.File, fn func(fd int) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := c.Control(func(fd uintptr) { inner = retry(func() error { return fn(int(fd)) }) }); err != nil {
		return err
	}
	return inner
}

func syncData(f *os.File) error {
	if err := onFD(f, syscall.Fdatasync); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

func syncDir(f *os.File) error { return f.Sync() }

func lockFile(f *os.File) error {
	err := onFD(f, func(fd int) error { return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) })
	if err == syscall.EWOULDBLOCK {
		return errLocked
	}
	return err
}

func allocate(f *os.File, off, n int64) error {
	err := onFD(f, func(fd int) error { return syscall.Fallocate(fd, 0, off, n) })
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		return extend(f, off, n)
	}
	if err != nil {
		return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	return nil
}

// SEEK_DATA and SEEK_HOLE of lseek(2), which package syscall does not name.
const (
	seekData = 3
	seekHole = 4
)

// written walks the stretches of a file that hold data. Room that was allocated and not
// written counts as a hole, but where the page cache has something of it, by reading ahead
// too. The file's own offset, which this moves, is used by nobody.
func written(f *os.File, size int64) (end int64, err error) {
	seek := func(off int64, whence int) (at int64, err error) {
		err = onFD(f, func(fd int) (err error) { at, err = syscall.Seek(fd, off, whence); return err })
		return at, err
	}
	for end < size {
		data, err := seek(end, seekData)
		if err == syscall.ENXIO {
			return end, nil
		}
		if err == nil {
			end, err = seek(data, seekHole)
		}
		switch err {
		case nil:
		case syscall.EINVAL, syscall.EOPNOTSUPP, syscall.ENXIO: // it does not know, or was cut meanwhile
			return size, nil
		default:
			return 0, &os.PathError{Op: "lseek", Path: f.Name(), Err: err}
		}
	}
	return min(end, size), nil
}

func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := retry(func() error { return syscall.Statfs(dir, &s) }); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
