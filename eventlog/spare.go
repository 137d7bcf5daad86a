package eventlog

import (
	"errors"
	"path"

	"github.com/lithair/lithair-go/internal/disk"
)

// A sync costs most when the file system has to write down more than the data. Blocks
// that are only reserved change their state when they are first written, which the sync
// has to put into the journal; blocks that hold zeros do not. So frames of a few KiB go
// where zeros were written before: a stretch ahead in the first segment, all of it in
// later ones, which are made in the background unless frames are large. SPEC.md has the
// figures.

const (
	spareName     = "spare" + segmentSuffix + ".tmp" // removed at open like any unfinished segment
	zeroAheadMin  = 64 << 10
	zeroAheadMax  = 1 << 20
	spareSyncStep = 4 << 20   // zeros that are synced at once, so that no append waits long for the disk
	largeFrame    = 512 << 10 // from this size on writing twice costs more than the journal
	streamFrame   = 96 << 10  // mean frame from which on the next segment is not zeroed but reserved: it would double what the disk has to do
)

var zeros [zeroAheadMax]byte

// zeroAhead writes zeros ahead of a frame that stands from off to end, where none were
// written yet. They change no content, so a crash cannot tell.
func (s *segment) zeroAhead(off, end int64) error {
	if end <= s.written {
		return nil
	}
	s.written = end
	to := min((end+min(max(end, zeroAheadMin), zeroAheadMax))&^(headerSize-1), s.size)
	if end-off >= largeFrame || to <= end {
		return nil
	}
	_, err := s.file.WriteAt(zeros[:to-end], end)
	if disk.IsFull(err) { // where writing takes room although it is reserved
		return nil
	}
	if err == nil {
		s.written = to
	}
	return err
}

// spareDue says whether the next segment is to be made, and that somebody is about to do
// so. It is tried once for each segment. l.mu is held.
func (l *Log) spareDue() bool {
	if !l.spareWanted() {
		return false
	}
	l.active().spared, l.making = true, true
	return true
}

// spareWanted says whether the next segment is to be made. l.mu is held.
func (l *Log) spareWanted() bool {
	seg := l.active()
	return !l.making && l.spare == nil && !seg.spared && !l.closed && l.failed == nil && seg.end >= (headerSize+l.cfg.SegmentBytes)/2
}

func (l *Log) makeSpare() error {
	l.mu.Lock()
	seg, zeroed := l.active(), l.cfg.SegmentBytes
	if frames := int64(l.im.frame - seg.header.frame); (seg.end-headerSize)/max(frames, 1) >= streamFrame {
		zeroed = headerSize
	}
	l.mu.Unlock()
	f, err := l.blankFile(path.Join(l.cfg.Dir, spareName), zeroed)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.making = false
	if err == nil {
		l.spare, l.spareZeroed = f, zeroed
	}
	return err
}

// errStopping ends the making of a spare segment when the log is closed.
var errStopping = errors.New("eventlog: closing")

// blankFile makes a file of a segment's size and writes zeros over its first bytes.
func (l *Log) blankFile(name string, zeroed int64) (_ File, err error) {
	fs, size := l.cfg.FS, l.cfg.SegmentBytes
	f, err := fs.Open(name, disk.Create)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), fs.Remove(name))
		}
	}()
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	if err := f.Allocate(0, size); err != nil {
		return nil, err
	}
	for off := int64(0); off < zeroed; off += zeroAheadMax {
		n := min(zeroed-off, zeroAheadMax)
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return nil, err
		}
		if end := off + n; end%spareSyncStep == 0 || end == zeroed {
			if err := f.Sync(); err != nil {
				return nil, err
			}
		}
		if l.stopping() {
			return nil, errStopping
		}
	}
	return f, nil
}

func (l *Log) stopping() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// takeSpare returns the segment that was made ready, and up to where it was zeroed; nil
// when there is none of that size.
func (l *Log) takeSpare(size int64) (f File, zeroed int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if size == l.cfg.SegmentBytes && l.spare != nil {
		f, l.spare = l.spare, nil
		// Until it has a name of its own no other may be made: it would be made of the
		// same file. The active segment changes after that.
		l.active().spared = true
	}
	return f, l.spareZeroed
}

// dropSpare removes the segment that was made ready and not used. The maker has ended.
func (l *Log) dropSpare() error {
	f, _ := l.takeSpare(l.cfg.SegmentBytes)
	if f == nil {
		return nil
	}
	return errors.Join(f.Close(), l.cfg.FS.Remove(path.Join(l.cfg.Dir, spareName)))
}
