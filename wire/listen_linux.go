package wire

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// limitSocket sets the permissions that a socket's file gets when it is bound. Without
// this, the file would be open to all whom the umask lets for as long as it takes until
// its permissions are changed.
func limitSocket(mode fs.FileMode) func(network, addr string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		cerr := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
		return errors.Join(cerr, err)
	}
}

// dialRefused says that a dial found a socket on which nobody listens.
func dialRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// lockFolder keeps others that call it out of a folder until it is unlocked: between
// bind and listen a socket looks like one on which nobody listens. A folder that cannot
// be opened for reading is used without a lock.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { f.Close() }, nil // which unlocks
		case err == syscall.EINTR, err == syscall.EWOULDBLOCK && time.Now().Before(end):
		default:
			return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
		}
	}
}
