package lithair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// operator serves what is for operators on a Unix socket in the data directory, which
// only the user that runs the application can open.
type operator struct {
	server  *wire.Server
	path    string
	serving chan error
}

// maxSocketPath is how long a socket's path may be on all systems (sun_path).
const maxSocketPath = 103

// startOperator begins to serve the socket; nil where the data directory is not on a
// real disk, or its path is too long for a socket, which is logged.
func (a *App) startOperator() (*operator, error) {
	if a.cfg.FS != disk.Real() {
		return nil, nil
	}
	path, err := filepath.Abs(filepath.Join(a.cfg.Dir, "operator.sock"))
	if err != nil {
		return nil, err
	}
	if len(path) > maxSocketPath {
		a.log.Warn("no operator socket: the path of the data directory is too long for one", "path", path, "limit_bytes", maxSocketPath)
		return nil, nil
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("operator socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("operator socket: %w", err), l.Close())
	}
	s, err := wire.NewServer(wire.Config{Handler: a.ops.Handler(), Logger: a.log, ErrorBody: rest.ErrorBody})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	o := &operator{server: s, path: path, serving: make(chan error, 1)}
	go func() { o.serving <- s.Serve(l) }()
	return o, nil
}

// removeStale removes the socket that a killed process left. The data directory is
// locked by now, so that nobody else can be serving it; if somebody answers, it stays.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is in the way of the operator socket", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		return errors.Join(fmt.Errorf("another process serves %s", path), c.Close())
	}
	return os.Remove(path)
}

func (o *operator) close(ctx context.Context) error {
	err := o.server.Shutdown(ctx)
	if e := <-o.serving; !errors.Is(e, wire.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	if e := os.Remove(o.path); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e) // closing the listener removes it as a rule
	}
	return err
}
