package eventlog

import "fmt"

// Retention says which segments may go. A segment goes when it holds nothing that must
// stay and one of the bounds asks for it.
type Retention struct {
	Keep     uint64               // records at this index and behind stay: those that no snapshot covers, or that a follower still needs
	MaxBytes int64                // segments go while all of them together are larger; 0: no bound
	Before   int64                // segments go whose records all have a Time before this; 0: no bound. Times must not go back along the log
	Archive  func(s Sealed) error // nil: segments are removed without a copy
}

// Sealed is a segment that nothing is written to any more.
type Sealed struct {
	Name  string // of the file, which must not be changed
	First uint64 // index of its first record
	Last  uint64
	Bytes int64
}

// Retain removes the oldest segments as r says, and returns how many. Each is handed to
// r.Archive first, on the caller's goroutine, while the log goes on; an error of it keeps
// that segment and those behind. A crash between the two archives a segment again. The
// archived files in one directory are a log that Verify, Salvage and Open read.
//
// Errors: those of Archive and TruncateBefore.
func (l *Log) Retain(r Retention) (removed int, err error) {
	for _, s := range l.excess(r) {
		if r.Archive != nil {
			if err := r.Archive(s); err != nil {
				return removed, fmt.Errorf("eventlog: %s stays, it could not be archived: %w", s.Name, err)
			}
		}
		if err := l.TruncateBefore(s.Last + 1); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// excess lists what is to go, oldest first.
func (l *Log) excess(r Retention) (out []Sealed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := int64(0)
	for _, seg := range l.im.segments {
		all += seg.size
	}
	for i, seg := range l.im.segments {
		if !l.im.droppable(i, r.Keep) {
			break
		}
		next := l.im.segments[i+1]
		tooMuch := r.MaxBytes > 0 && all > r.MaxBytes
		tooOld := r.Before != 0 && l.im.begunBefore(next, r.Before)
		if !tooMuch && !tooOld {
			break
		}
		all -= seg.size
		out = append(out, Sealed{Name: seg.name, First: seg.header.first, Last: next.header.first - 1, Bytes: seg.size})
	}
	return out
}

// begunBefore says whether a segment has a record with a time before t: then all records
// of the segments before it are older.
func (im *image) begunBefore(seg *segment, t int64) bool {
	for i := range im.places {
		if p := &im.places[i]; p.seg == seg {
			return p.time < t
		}
	}
	return false
}
