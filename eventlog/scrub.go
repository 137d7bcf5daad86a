package eventlog

import (
	"context"
	"errors"
	"os"
	"time"
)

// Scrub reads all records that are durable now, checks their checksums and, where the log
// is encrypted, their seals, while the log goes on. Open believes the index files of
// sealed segments, and a record is checked each time it is read; so this finds damage in
// what nobody reads. It reads bytesPerSecond at most, 0 for no bound, and returns how many
// bytes it has read. Marks and records that a truncation took back are left to [Verify].
//
// Errors: ctx's, [ErrClosed], *[CorruptError].
func (l *Log) Scrub(ctx context.Context, bytesPerSecond int64) (bytes int64, err error) {
	return l.scrub(ctx, l.First(), bytesPerSecond)
}

// CheckFrom is Scrub of the records from an index on, as fast as it goes: for who is about to read
// them all and must not stop in the middle.
func (l *Log) CheckFrom(from uint64) error {
	_, err := l.scrub(context.Background(), max(from, l.First()), 0)
	return err
}

func (l *Log) scrub(ctx context.Context, next uint64, bytesPerSecond int64) (bytes int64, err error) {
	var m memory
	begun, last := time.Now(), l.Durable()
	for next <= last {
		p, err := l.find(next)
		switch {
		case errors.Is(err, ErrCompacted):
			next = l.First()
			continue
		case errors.Is(err, ErrOutOfRange):
			return bytes, nil
		case err != nil:
			return bytes, err
		}
		err = p.each(&m, max(next, p.first), func(f *frame) (bool, error) { return true, nil })
		if err = errors.Join(err, l.release(p.seg)); err != nil {
			return bytes, err
		}
		bytes, next = bytes+p.size, p.last+1
		if err := pace(ctx, begun, bytes, bytesPerSecond); err != nil {
			return bytes, err
		}
	}
	return bytes, nil
}

// pace waits until so many bytes may have been read since begun.
func pace(ctx context.Context, begun time.Time, bytes, perSecond int64) error {
	if err := context.Cause(ctx); err != nil || perSecond <= 0 {
		return err
	}
	wait := time.NewTimer(time.Duration(float64(bytes)/float64(perSecond)*float64(time.Second)) - time.Since(begun))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Suspect has the next Open read the segment that a *[CorruptError] names, instead of believing its
// index file. Another error is passed over.
func (l *Log) Suspect(err error) error {
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Segment == "" {
		return nil
	}
	gone := l.cfg.FS.Remove(indexName(corrupt.Segment))
	if errors.Is(gone, os.ErrNotExist) {
		return nil
	}
	return errors.Join(gone, l.cfg.FS.SyncDir(l.cfg.Dir))
}
