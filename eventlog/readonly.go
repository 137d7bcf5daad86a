package eventlog

import (
	"errors"
	"fmt"
	"path"
)

// OpenReadOnly opens a log that no process has open, for reading alone: no byte of it is
// changed. A torn tail is passed over, and stays for the next Open to cut. Appends and
// truncations end with [ErrReadOnly]. The lock file is taken, so the directory must be
// writable, or hold one. Of cfg, Dir, FS and Keys are looked at.
//
// Errors: as Open; that of a missing directory, which is not made.
func OpenReadOnly(cfg Config) (*Log, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	if _, err := cfg.FS.List(cfg.Dir); err != nil {
		return nil, fmt.Errorf("eventlog: %w", err)
	}
	lock, err := cfg.FS.Lock(path.Join(cfg.Dir, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("eventlog: %w", err)
	}
	s := &scanner{fs: cfg.FS, dir: cfg.Dir, keys: cfg.Keys, readOnly: true}
	im, err := s.scan()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l := &Log{cfg: cfg, lock: lock, im: *im, next: im.last + 1, failed: ErrReadOnly, ended: make(chan struct{})}
	l.wake.L = &l.mu
	l.recovery = Recovery{Segments: len(im.segments), Records: im.last - im.base}
	close(l.ended)
	return l, nil
}
