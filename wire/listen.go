package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// listen is net.Listen, and [ListenUnix] for Unix sockets.
func listen(network, addr string) (net.Listener, error) {
	if network == "unix" {
		l, err := ListenUnix(addr, 0)
		if err != nil {
			return nil, err // not l: a nil pointer in an interface
		}
		return l, nil
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	return l, nil
}

// ErrSocketInUse is returned by [ListenUnix] when another process listens.
var ErrSocketInUse = errors.New("wire: another process listens on this socket")

// ListenUnix listens on a Unix socket at path. mode is the socket's permissions; 0: 0o600,
// this user alone. On Linux it has them from the first moment, elsewhere a moment later.
// A socket left behind by a process that is gone is replaced; one on which somebody listens
// is not ([ErrSocketInUse]), and neither is a file of another kind. On Linux two processes
// that start at the same moment cannot both take the place of the dead one. Close removes
// the socket. A path that begins with "@" is in Linux's abstract space, without a file.
func ListenUnix(path string, mode fs.FileMode) (*net.UnixListener, error) {
	if mode == 0 {
		mode = 0o600
	}
	if path == "" || mode&^fs.ModePerm != 0 {
		return nil, fmt.Errorf("wire: ListenUnix(%q, %v): want a path, and permission bits alone", path, mode)
	}
	if path[0] == '@' {
		return bindUnix(path, net.ListenConfig{})
	}
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	l, err := bindUnix(path, net.ListenConfig{Control: limitSocket(mode)})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(fmt.Errorf("wire: %w", err), l.Close())
	}
	return l, nil
}

func bindUnix(path string, lc net.ListenConfig) (*net.UnixListener, error) {
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	return l.(*net.UnixListener), nil
}

// clearStale removes a socket on which nobody listens.
func clearStale(path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("wire: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("wire: %s is there already and is no socket", path)
	}
	if err := nobodyListens(path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("wire: %w", err)
	}
	return nil
}

func nobodyListens(path string) error {
	nc, err := net.Dial("unix", path)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("%w: %s", ErrSocketInUse, path), nc.Close())
	case dialRefused(err):
		return nil
	}
	return fmt.Errorf("wire: whether somebody listens on %s is not known: %w", path, err)
}
