package eventlog

import (
	"errors"
	"fmt"
	"path"
)

// Report is what Verify found in a sound log.
type Report struct {
	Segments  int
	Records   uint64
	First     uint64 // index of the oldest record
	Last      uint64
	Chain     [32]byte // value at Last
	TornBytes int64    // at the end: a batch cut off by a crash, or the reserve behind it
}

// Verify checks every byte of the log in a directory that no process has open: the
// checksums of all frames and records, and the whole chain. It changes nothing. The
// first damage found is returned as a *[CorruptError]. progress, if not nil, is told how
// many bytes are done. Of cfg, Dir, FS and Keys are looked at.
func Verify(cfg Config, progress func(done, total int64)) (Report, error) {
	if err := cfg.defaults(); err != nil {
		return Report{}, err
	}
	lock, err := cfg.FS.Lock(path.Join(cfg.Dir, "LOCK"))
	if err != nil {
		return Report{}, fmt.Errorf("eventlog: %w", err)
	}
	s := &scanner{fs: cfg.FS, dir: cfg.Dir, keys: cfg.Keys, deep: true, readOnly: true, progress: progress}
	im, err := s.scan()
	if err != nil {
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			err = fmt.Errorf("eventlog: verify %s: %w", cfg.Dir, err)
		}
		return Report{}, errors.Join(err, lock.Close())
	}
	return Report{Segments: len(im.segments), Records: im.last - im.base, First: im.base + 1, Last: im.last, Chain: im.chain, TornBytes: im.cut},
		errors.Join(s.close(), lock.Close())
}
