package eventlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/lithair/lithair-go/internal/disk"
)

// damagedSuffix is behind the names of the segments that a repair put aside.
const damagedSuffix = ".damaged"

// Plan is what [Repair] would do to a damaged log. It never invents or skips a record: the
// log ends before the first damage, and what lay behind is put aside.
type Plan struct {
	Survey Survey
	Keep   uint64   // the log ends at this index
	Lost   uint64   // readable records behind it, which are put aside with the rest
	Aside  []string // files that are kept under their name and ".damaged", and leave the log
	Cut    string   // the one of them whose sound beginning, up to CutAt, stays; "" for none
	CutAt  int64
}

// PlanRepair says what Repair would do. A sound log, torn tail or not, needs none: the plan
// has nothing Aside.
//
// Errors: [ErrNothingSound], *disk.LockedError, those of the file system.
func PlanRepair(cfg Config) (p Plan, err error) {
	past := uint64(0)
	if p.Survey, err = Salvage(cfg, nil); err != nil {
		return p, err
	}
	s := &p.Survey
	if p.Keep = s.Sound; len(s.Damaged) == 0 {
		return p, nil
	}
	names, _, err := listSegments(orReal(cfg.FS), cfg.Dir)
	if err != nil {
		return p, err
	}
	for _, n := range names[s.soundSeg:] {
		p.Aside = append(p.Aside, path.Join(cfg.Dir, n))
	}
	switch d := s.Damaged[0]; {
	case d.Offset >= headerSize:
		p.Cut, p.CutAt = p.Aside[0], d.Offset
	case s.soundSeg == 0:
		return p, ErrNothingSound
	}
	_, err = Salvage(cfg, func(r Record) error {
		if r.Index > p.Keep {
			past++
		}
		return nil
	})
	p.Lost = past
	return p, err
}

func orReal(fs FS) FS {
	if fs == nil {
		return disk.Real()
	}
	return fs
}

// ErrNothingSound: the log is damaged from its beginning, so that nothing would be left.
var ErrNothingSound = errors.New("eventlog: the log is damaged from its first header on; no part of it can be kept, restore a backup")

// ErrPlan: the log is not as it was when the repair was planned.
var ErrPlan = errors.New("eventlog: the log has changed since the repair was planned")

// Repair carries out a plan. Each damaged file is copied before anything is taken from the
// log, newest first, so that a crash at any point leaves a log that is refused, or
// repaired; Repair can be run again then.
//
// Errors: [ErrPlan], *disk.LockedError, those of the file system.
func Repair(cfg Config, p Plan) error {
	now, err := PlanRepair(cfg)
	if err != nil {
		return err
	}
	if now.Keep != p.Keep || now.Cut != p.Cut || now.CutAt != p.CutAt || fmt.Sprint(now.Aside) != fmt.Sprint(p.Aside) {
		return ErrPlan
	}
	fs, dir := orReal(cfg.FS), cfg.Dir
	lock, err := fs.Lock(path.Join(dir, "LOCK"))
	if err != nil {
		return fmt.Errorf("eventlog: %w", err)
	}
	if err = putAside(fs, dir, p); err != nil {
		err = fmt.Errorf("eventlog: repair: %w", err)
	}
	return errors.Join(err, lock.Close())
}

func putAside(fs FS, dir string, p Plan) error {
	for i := len(p.Aside) - 1; i >= 0; i-- {
		name := p.Aside[i]
		size, err := sizeOf(fs, name)
		if err != nil {
			return err
		}
		if err := copyFile(fs, name, name+damagedSuffix, size, size); err != nil {
			return err
		}
		if err := fs.Remove(indexName(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if name == p.Cut {
			if err := copyFile(fs, name, name, p.CutAt, size); err != nil {
				return err
			}
		} else if err := fs.Remove(name); err != nil {
			return err
		}
		if err := fs.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func sizeOf(fs FS, name string) (int64, error) {
	f, err := fs.Open(name, disk.ReadOnly)
	if err != nil {
		return 0, err
	}
	size, err := f.Size()
	return size, errors.Join(err, f.Close())
}

// copyFile puts the first n bytes of a file, and zeros up to size, durably under another
// name, or in the file's own place.
func copyFile(fs FS, from, to string, n, size int64) (err error) {
	temp := to + ".tmp"
	in, err := fs.Open(from, disk.ReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := fs.Open(temp, disk.Create)
	if err != nil {
		return err
	}
	if err = copyBytes(out, in, n, size); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := fs.Rename(temp, to); err != nil {
		return err
	}
	return fs.SyncDir(path.Dir(to))
}

func copyBytes(out, in File, n, size int64) error {
	if err := out.Truncate(0); err != nil {
		return err
	}
	if err := out.Allocate(0, size); err != nil {
		return err
	}
	buf := make([]byte, min(n, windowBytes))
	for off := int64(0); off < n; {
		b := buf[:min(n-off, windowBytes)]
		if got, err := in.ReadAt(b, off); err != nil && !(err == io.EOF && got == len(b)) {
			return err
		}
		if _, err := out.WriteAt(b, off); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}
