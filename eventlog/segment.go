package eventlog

import (
	"errors"
	"fmt"
	"math"
	"path"
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
	size   int64 // bytes reserved
	end    int64 // where the next frame goes

	low    uint64 // lowest index that a truncation in this file went back to
	lowSum Sum    // chain value there

	readers int  // guarded by Log.mu
	removed bool // to be closed when the last reader is done; guarded by Log.mu
}

// segmentName names a segment after its first frame: frame numbers never go back, while
// indexes do when a tail is truncated.
func segmentName(frame uint64) string { return fmt.Sprintf("%020d", frame) + segmentSuffix }

// listSegments returns the segments' names in order, and the leftovers of unfinished
// rotations.
func listSegments(fs FS, dir string) (names, leftovers []string, err error) {
	all, err := fs.List(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range all {
		switch digits, isSegment := strings.CutSuffix(n, segmentSuffix); {
		case strings.HasSuffix(n, segmentSuffix+".tmp"):
			leftovers = append(leftovers, n)
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
func createSegment(fs FS, dir string, h segmentHeader, size int64) (_ *segment, err error) {
	name := path.Join(dir, segmentName(h.frame))
	f, err := fs.Open(name+".tmp", disk.Create)
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
			if gone := fs.Remove(name + ".tmp"); gone != nil && !errors.Is(gone, disk.ErrPower) {
				err = errors.Join(err, gone)
			}
		}
	}()
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	if err := f.Allocate(0, size); err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := fs.Rename(name+".tmp", name); err != nil {
		return nil, err
	}
	renamed = true
	if err := fs.SyncDir(dir); err != nil {
		return nil, &namedError{err}
	}
	return &segment{name: name, file: f, header: h, size: size, end: headerSize, low: math.MaxUint64}, nil
}

// namedError is a failure after a segment got its name.
type namedError struct{ err error }

func (e *namedError) Error() string { return "the directory could not be synced: " + e.err.Error() }
func (e *namedError) Unwrap() error { return e.err }
