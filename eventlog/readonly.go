package eventlog

import (
	"errors"
	"fmt"
	"path"
)

// OpenReadOnly opens a log that no process has open, for reading alone: no byte of it is
// changed. A torn tail is passed over, and stays for the next Open to cut. Appends and
// truncations end with [ErrReadOnly]. The lock file is taken, so the directory must be
// writable, or its file system mounted read only. Of cfg, Dir, FS, Keys, CheckAll and Salvage are looked at.
//
// With Salvage, damage is no error: what is whole is served, and [Log.Damaged] says what
// is not.
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
	im, found, gaps, err := look(&cfg)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l := &Log{cfg: cfg, lock: lock, im: *im, survey: found, gaps: gaps, next: im.last + 1, failed: ErrReadOnly, ended: make(chan struct{})}
	l.wake.L = &l.mu
	l.recovery = Recovery{Segments: len(im.segments), Records: im.last - im.base}
	close(l.ended)
	return l, nil
}

// look reads the log, with Salvage over damage.
func look(cfg *Config) (*image, Survey, []gap, error) {
	if cfg.Salvage {
		return salvage(cfg)
	}
	s := &scanner{fs: cfg.FS, dir: cfg.Dir, keys: cfg.Keys, readOnly: true, readAll: cfg.CheckAll}
	im, err := s.scan()
	return im, Survey{}, nil, err
}
