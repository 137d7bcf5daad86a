package eventlog

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/internal/disk"
)

// FS is the file system a log lives on; nil stands for the real one.
type FS = disk.FS

// File is an open file of an [FS].
type File = disk.File

const segmentSuffix = ".seg"

// segment is one file of the log.
type segment struct {
	name   string
	file   File
	header segmentHeader
	env    envelope
	size   int64 // bytes reserved
	end    int64 // where the next frame goes

	written int64 // blocks up to here were written, so that writing them again needs no journal
	spared  bool  // the segment after this one was made, or failed to be; guarded by Log.mu

	low    uint64 // lowest index that a truncation in this file went back to
	lowSum Sum    // chain value there

	leaves   leaves   // of its records; guarded by Log.mu
	summary  *summary // sealed, to be written to the index file by Tend
	replaced bool     // another is about to take its place, without what this one holds; guarded by Log.mu
	tended   bool     // by whoever has taken the summary; guarded by Log.mu

	readers int  // guarded by Log.mu
	removed bool // to be closed when the last reader is done; guarded by Log.mu
}

// segmentName names a segment after its first frame: frame numbers never go back, while
// indexes do when a tail is truncated.
func segmentName(frame uint64) string { return fmt.Sprintf("%020d", frame) + segmentSuffix }

// listSegments returns the segments' names in order, and the leftovers of unfinished
// rotations, and index files without a segment.
func listSegments(fs FS, dir string) (names, leftovers []string, err error) {
	all, err := fs.List(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range all {
		switch digits, isSegment := strings.CutSuffix(n, segmentSuffix); {
		case strings.HasSuffix(n, segmentSuffix+".tmp"), strings.HasSuffix(n, segmentSuffix+damagedSuffix+".tmp"), strings.HasSuffix(n, indexSuffix+".tmp"):
			leftovers = append(leftovers, n)
		case strings.HasSuffix(n, indexSuffix):
			if !slices.Contains(all, strings.TrimSuffix(n, indexSuffix)+segmentSuffix) {
				leftovers = append(leftovers, n)
			}
		case isSegment:
			if _, err := strconv.ParseUint(digits, 10, 64); err != nil || len(digits) != 20 {
				return nil, nil, fmt.Errorf("eventlog: %s looks like a segment, but its name is not a number of 20 digits", path.Join(dir, n))
			}
			names = append(names, n)
		}
	}
	return names, leftovers, nil
}

// createSegment makes a segment durable before it gets its name, so that a file with a
// segment's name always has a whole header. An error after the rename is never one of a
// full disk: the segment may be there, so the log must not go on in another.
func (l *Log) createSegment(h segmentHeader, env envelope, size int64) (_ *segment, err error) {
	fs, dir := l.cfg.FS, l.cfg.Dir
	name := path.Join(dir, segmentName(h.frame))
	f, temp, written, err := l.blank(name, size)
	if err != nil {
		return nil, err
	}
	renamed := false
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			if renamed {
				return
			}
			if gone := fs.Remove(temp); gone != nil && !errors.Is(gone, disk.ErrPower) {
				err = errors.Join(err, gone)
			}
		}
	}()
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := fs.Rename(temp, name); err != nil {
		return nil, err
	}
	renamed = true
	if err := fs.SyncDir(dir); err != nil {
		return nil, &namedError{err}
	}
	return &segment{name: name, file: f, header: h, env: env, size: size, end: headerSize, written: written, low: math.MaxUint64}, nil
}

// reserve makes the active segment as large as segments are, or, where there is no room
// for that, just large enough.
func (l *Log) reserve(seg *segment, end int64) error {
	size := max(end, l.cfg.SegmentBytes)
	err := seg.file.Allocate(seg.size, size-seg.size)
	if disk.IsFull(err) && size > end {
		size = end
		err = seg.file.Allocate(seg.size, size-seg.size)
	}
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		seg.size = size
	}
	return err
}

// blank returns a file that holds nothing but zeros, under a temporary name, and up to
// where its blocks were written: the one that was made ready, or a new one.
func (l *Log) blank(name string, size int64) (f File, temp string, written int64, err error) {
	if f, written = l.takeSpare(size); f != nil {
		return f, path.Join(l.cfg.Dir, spareName), written, nil
	}
	temp = name + ".tmp"
	if f, err = l.cfg.FS.Open(temp, disk.Create); err != nil {
		return nil, "", 0, err
	}
	if err = f.Truncate(0); err == nil {
		err = f.Allocate(0, size)
	}
	if err != nil {
		err = errors.Join(err, f.Close())
		if gone := l.cfg.FS.Remove(temp); gone != nil && !errors.Is(gone, disk.ErrPower) {
			err = errors.Join(err, gone)
		}
		return nil, "", 0, err
	}
	return f, temp, headerSize, nil
}

// namedError is a failure after a segment got its name.
type namedError struct{ err error }

func (e *namedError) Error() string { return "the directory could not be synced: " + e.err.Error() }
func (e *namedError) Unwrap() error { return e.err }
