package eventlog

import (
	"errors"
	"io"
	"os"

	"github.com/lithair/lithair-go/internal/disk"
)

// Tend does what nobody waits for: it makes the next segment ready when the active one is
// half full, so that a rotation need not, cuts sealed segments to their length,
// compresses them if it is to, and writes their index files. In Manual mode the owner calls it now and then, from any
// goroutine; otherwise the log does. Its failure costs speed alone.
func (l *Log) Tend() error {
	l.mu.Lock()
	spare := l.spareDue()
	l.mu.Unlock()
	var err error
	if spare {
		err = l.makeSpare()
	}
	for {
		l.mu.Lock()
		seg := l.untended()
		l.mu.Unlock()
		if seg == nil {
			return err
		}
		err = errors.Join(err, l.tend(seg))
	}
}

// tendDue says whether Tend has something to do, and that somebody is about to call it.
// l.mu is held.
func (l *Log) tendDue() bool {
	if l.tending || l.closed || l.failed != nil || l.sealedNew == 0 && !l.spareWanted() {
		return false
	}
	l.tending = true
	return true
}

// untended takes the oldest segment that has no index file; nil: there is none, or the
// log is ending. l.mu is held.
func (l *Log) untended() *segment {
	if l.sealedNew == 0 || l.failed != nil {
		return nil
	}
	for _, seg := range l.im.segments {
		if seg.summary != nil && !seg.tended {
			seg.tended = true
			l.sealedNew--
			if l.hold(seg) == nil {
				return seg
			}
		}
	}
	l.sealedNew = 0 // those that are left were removed
	return nil
}

// tend looks after a sealed segment that is held.
func (l *Log) tend(seg *segment) error {
	err := l.trim(seg)
	queued := false
	if err == nil && l.compressDue(seg) {
		queued, err = l.compress(seg)
		seg.summary.tried = err == nil
	}
	if !queued { // else when the other has taken its place
		err = errors.Join(err, l.writeIndex(seg))
	}
	l.mu.Lock()
	seg.summary = nil
	l.mu.Unlock()
	return errors.Join(err, l.release(seg))
}

// trim gives back what was reserved behind the last frame. It needs no sync: a crash
// leaves the zeros there or not.
func (l *Log) trim(seg *segment) error {
	if seg.size <= seg.end {
		return nil
	}
	if err := seg.file.Truncate(seg.end); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seg.size = seg.end
	return nil
}

// writeIndex computes the Merkle roots that end in a segment and writes its index file.
// The file is whole when it has its name; whether the name is durable does not matter. A
// log that is closing does not wait for the roots: they are computed when the log is open
// again and the next segment is sealed.
func (l *Log) writeIndex(seg *segment) error {
	s := seg.summary
	roots, err := l.rootsOf(seg)
	if s.noRoots = err == errStopping; err != nil && !s.noRoots {
		return err
	}
	s.roots = nil
	l.mu.Lock()
	for _, r := range roots {
		if l.im.addRoot(r) {
			s.roots = append(s.roots, r)
		}
	}
	l.mu.Unlock()
	b, err := s.encode(seg.header.salt, l.cfg.Keys, l.cfg.Salt)
	if err != nil {
		return err
	}
	return writeWhole(l.cfg.FS, indexName(seg.name), b)
}

// indexActive writes what is known of the active segment when the log is closed, so that
// the next Open reads no more of it than its last mark and what comes behind, and takes
// the reserve off. A small segment is read as fast.
func (l *Log) indexActive() error {
	l.mu.Lock()
	seg, sum := l.active(), (*summary)(nil)
	if l.im.marked && l.im.frame > seg.header.frame && l.failed == nil && seg.end >= l.cfg.SegmentBytes/16 {
		sum = l.im.summarize(seg)
		sum.noRoots = true
	}
	l.mu.Unlock()
	if sum == nil {
		return nil
	}
	if err := l.trim(seg); err != nil {
		return err
	}
	b, err := sum.encode(seg.header.salt, l.cfg.Keys, l.cfg.Salt)
	if err != nil {
		return err
	}
	return writeWhole(l.cfg.FS, indexName(seg.name), b)
}

// writeWhole writes a file under another name, syncs and renames it.
func writeWhole(fs FS, name string, b []byte) (err error) {
	temp := name + ".tmp"
	f, err := fs.Open(temp, disk.Create)
	if err != nil {
		return err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fs.Rename(temp, name)
	}
	if err != nil {
		if gone := fs.Remove(temp); gone != nil && !errors.Is(gone, disk.ErrPower) && !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// maxIndexBytes is the most that an index file may hold: that of a segment of a TiB.
const maxIndexBytes = 2 << 30

// readIndex reads the index file of a segment whose header was read; problem says why
// there is none that can be used.
func readIndex(fs FS, seg *segment, keys KeyProvider) (s *summary, problem string) {
	f, err := fs.Open(indexName(seg.name), disk.ReadOnly)
	if err != nil {
		return nil, err.Error()
	}
	b, err := readUpTo(f, maxIndexBytes)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err.Error()
	}
	if s, problem = decodeIndex(b, &seg.header, keys); problem == "" && s.end > seg.size {
		problem = "the segment is shorter than it says"
	}
	return s, problem
}

func readUpTo(f File, limit int64) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(size, limit))
	if n, err := f.ReadAt(b, 0); err != nil && !(err == io.EOF && n == len(b)) {
		return nil, err
	}
	return b, nil
}
