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

func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := retry(func() error { return syscall.Statfs(dir, &s) }); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
