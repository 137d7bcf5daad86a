package eventlog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"sync"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
)

// Config says where a log lives and how. Dir is required.
type Config struct {
	Dir            string
	FS             FS            // default: the real disk
	SegmentBytes   int64         // size of a segment; default 64 MiB
	MaxRecordBytes int           // of a payload; default 64 MiB
	MaxBatchBytes  int           // records written at once, a larger one alone; default 4 MiB
	Begin          Position      // a log made in an empty directory begins behind it; the zero value: with index 1
	MarkAfter      time.Duration // idle time after which a durable mark is written; default 50 ms
	CheckAll       bool          // Open reads every byte, not only the index files of sealed segments
	Salvage        bool          // Open is OpenReadOnly, and serves what is whole of a damaged log; see Log.Damaged
	NoChain        bool          // a log made in an empty directory has no chain and no Merkle roots; Open refuses a log that was begun otherwise
	Manual         bool          // no goroutine: the owner calls Begin, Work.Do and End, and Tend
	Keys           KeyProvider   // encrypts new segments with the current key, and opens old ones; default: no encryption
	Compress       bool          // sealed segments are compressed (DEFLATE), some time after
	Salt           func() uint64 // default: from crypto/rand; must not repeat, nor be guessed when there are Keys
	Logger         *slog.Logger  // default slog.Default()
}

func (c *Config) defaults() error {
	if c.Dir == "" {
		return errors.New("eventlog: Config.Dir is empty")
	}
	if c.FS == nil {
		c.FS = disk.Real()
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = 64 << 20
	}
	if c.MaxRecordBytes == 0 {
		c.MaxRecordBytes = 64 << 20
	}
	if c.MaxBatchBytes == 0 {
		c.MaxBatchBytes = 4 << 20
	}
	if c.MarkAfter == 0 {
		c.MarkAfter = 50 * time.Millisecond
	}
	if c.SegmentBytes < 2*headerSize || c.MaxRecordBytes < 0 || c.MaxRecordBytes > 1<<30 || c.MaxBatchBytes < 0 {
		return fmt.Errorf("eventlog: Config: SegmentBytes is at least %d, MaxRecordBytes at most %d", 2*headerSize, 1<<30)
	}
	if c.NoChain && c.Begin.Chain != (Sum{}) {
		return errors.New("eventlog: Config: Begin has a chain value, and NoChain is set")
	}
	if c.Salt == nil {
		c.Salt = func() uint64 {
			var b [8]byte
			if _, err := rand.Read(b[:]); err != nil {
				panic(err) // crypto/rand never fails on supported systems
			}
			return le.Uint64(b[:])
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}

// Recovery is what Open did to a log that was not closed.
type Recovery struct {
	Segments int    // read
	Records  uint64 // in the log
	CutBytes int64  // of a torn tail that cannot have been acknowledged, padding included
	CutFile  string // where
	CutAt    int64
}

// Log is an open log. See the package doc for what it promises.
type Log struct {
	cfg      Config
	lock     io.Closer
	recovery Recovery
	survey   Survey // of a log opened for salvage
	gaps     []gap  // of its damaged ranges

	mu          sync.Mutex
	wake        sync.Cond  // of the log's goroutine
	im          image      // what is durable; changed by whoever made the log busy, under mu
	queue       []*pending // in order
	free        []*pending // batches that are done, for their memory
	next        uint64     // index that the next record queued must have
	busy        bool       // work is out
	work        Work
	gathers     bool  // the goroutine waits for woken writers to append again
	wantEnd     bool  // the goroutine is to end when the queue is empty
	failed      error // poisoned
	refused     error // why the newest append was, as long as none was taken since
	wanted      int64 // so much room on the disk it would have taken
	closed      bool
	changed     chan struct{} // closed when something became durable, or the log ended; nil: nobody waits
	worked      time.Time     // when the last work ended
	idle        *time.Timer   // wakes the goroutine for a mark
	timed       bool          // idle is running
	tending     bool          // a goroutine calls Tend
	sealedNew   int           // segments without an index file, at least
	making      bool          // the next segment is being made
	sealed      []byte        // memory for an encrypted frame, of the one work under way
	spare       File          // the next segment, without a header; nil: there is none
	spareZeroed int64         // so many bytes of it were written

	rewriting sync.Mutex // held while a segment is written anew, until its swap is queued
	rewritten int        // segments so far; guarded by rewriting

	tenders sync.WaitGroup // who call Tend
	ended   chan struct{}
}

// Open opens the log in a directory, which is made if need be, and recovers it.
//
// An encrypted log goes on in a new segment, see SPEC.md; so does one that was not
// encrypted before Keys were given, or was encrypted under another key than the current
// one. A log whose keys are missing or wrong does not open, and nothing is changed.
//
// With Salvage it is [OpenReadOnly], which serves what is whole of a damaged log.
//
// Errors: *[CorruptError], *disk.LockedError, those of the file system, those of
// internal/crypt and of the key provider.
func Open(cfg Config) (*Log, error) {
	if cfg.Salvage {
		return OpenReadOnly(cfg)
	}
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, fmt.Errorf("eventlog: %w", err)
	}
	lock, err := cfg.FS.Lock(path.Join(cfg.Dir, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("eventlog: %w", err)
	}
	l := &Log{cfg: cfg, lock: lock, worked: time.Now(), ended: make(chan struct{})}
	l.wake.L = &l.mu
	if err := l.recover(); err != nil {
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			err = fmt.Errorf("eventlog: open %s: %w", cfg.Dir, err)
		}
		return nil, errors.Join(err, lock.Close())
	}
	l.next = l.im.last + 1
	if cfg.Manual {
		close(l.ended)
	} else {
		go l.run()
	}
	return l, nil
}

// recover reads the segments, cuts a torn tail and makes the first segment of a new log.
func (l *Log) recover() error {
	fs, dir := l.cfg.FS, l.cfg.Dir
	_, leftovers, err := listSegments(fs, dir)
	if err != nil {
		return err
	}
	for _, n := range leftovers {
		if err := fs.Remove(path.Join(dir, n)); err != nil {
			return err
		}
	}
	s := &scanner{fs: fs, dir: dir, keys: l.cfg.Keys, readAll: l.cfg.CheckAll, compress: l.cfg.Compress}
	im, err := s.scan()
	if err != nil {
		return err
	}
	l.im = *im
	for _, seg := range l.im.segments {
		if seg.summary != nil && (l.cfg.Compress || !seg.summary.noRoots) {
			l.sealedNew++
		}
	}
	if len(im.segments) > 0 && im.loose != l.cfg.NoChain {
		return errors.Join(chainError(im.loose), s.close())
	}
	if len(im.segments) == 0 {
		begin := l.cfg.Begin
		h := segmentHeader{first: begin.Index + 1, frame: 1, salt: l.cfg.Salt(), chain: begin.Chain, loose: l.cfg.NoChain}
		l.im.loose = l.cfg.NoChain
		l.im.base, l.im.baseSum, l.im.last, l.im.chain = begin.Index, begin.Chain, begin.Index, begin.Chain
		env, err := h.lock(l.cfg.Keys, l.cfg.Salt)
		if err != nil {
			return err
		}
		seg, err := l.createSegment(h, env, l.cfg.SegmentBytes)
		if err != nil {
			return err
		}
		l.im.segments = []*segment{seg}
	}
	l.recovery = Recovery{Segments: len(im.segments), Records: im.last - im.base}
	if err := l.settleTail(); err != nil {
		for _, s := range l.im.segments {
			err = errors.Join(err, s.file.Close())
		}
		return err
	}
	return nil
}

// settleTail makes what was read durable, since it may stand in the page cache only: the
// process may have been killed between write and sync, or a sync may have failed, after
// which the system holds pages for clean that never reached the disk. So the last frame
// is written once more, with the same bytes, and synced; all before it were durable when
// it was begun. Then a torn tail is cut.
func (l *Log) settleTail() error {
	seg := l.active()
	if l.im.tail > 0 {
		b := make([]byte, l.im.tailSize)
		if n, err := seg.file.ReadAt(b, l.im.tail); err != nil && !(err == io.EOF && n == len(b)) {
			return err
		}
		if _, err := seg.file.WriteAt(b, l.im.tail); err != nil {
			return err
		}
	}
	if l.im.cut > 0 {
		if err := l.cutTail(); err != nil {
			return err
		}
	} else if err := seg.file.Sync(); err != nil {
		return err
	}
	return l.cfg.FS.SyncDir(l.cfg.Dir)
}

// cutTail removes a torn tail, so that nothing of it can be read behind later frames.
func (l *Log) cutTail() error {
	seg := l.active()
	l.recovery.CutBytes, l.recovery.CutFile, l.recovery.CutAt = l.im.cut, seg.name, l.im.cutAt
	l.cfg.Logger.Warn("cut a torn tail off the log: a batch that is not whole, as a process leaves it that ends while writing",
		"segment", seg.name, "offset", l.im.cutAt, "last_index", l.im.last)
	return wipe(seg, l.im.cutAt)
}

// wipe makes everything from off on zeros, durably.
func wipe(seg *segment, off int64) error {
	if err := seg.file.Truncate(off); err != nil {
		return err
	}
	if err := seg.file.Allocate(off, seg.size-off); err != nil {
		if !disk.IsFull(err) {
			return err
		}
		seg.size = off // it grows again when there is room
	}
	seg.written = off
	return seg.file.Sync()
}

func (l *Log) active() *segment { return l.im.segments[len(l.im.segments)-1] }

// Recovery returns what Open found.
func (l *Log) Recovery() Recovery { return l.recovery }

// First returns the index of the oldest record; one more than Last in an empty log.
func (l *Log) First() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.im.base + 1
}

// Last returns the index of the newest record that was taken, durable or not; 0 in an
// empty log.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1
}

// Chained says whether the log has a chain, see Config.NoChain.
func (l *Log) Chained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.im.loose
}

// Durable returns the index up to which everything is durable.
func (l *Log) Durable() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.im.last
}

// Chain returns the durable index and the chain value there, zeros where there is no chain.
func (l *Log) Chain() (index uint64, sum [32]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.im.last, l.im.chain
}

// Size returns the bytes of all segments, reserved ones included.
func (l *Log) Size() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.im.segments {
		n += s.size
	}
	return n
}

// SizeFrom returns about how many bytes the records from an index on take: those of the place that
// it is in (64 KiB, or a larger batch) by its share of the records.
func (l *Log) SizeFrom(index uint64) (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.im.places) - 1; i >= 0; i-- {
		p := &l.im.places[i]
		switch {
		case p.last < index:
			return n
		case p.first < index:
			return n + p.size*int64(p.last-index+1)/int64(p.last-p.first+1)
		}
		n += p.size
	}
	return n
}

// Err returns why the log takes nothing more; nil while it does.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Refused returns why the newest append found no room, an [ErrFull], and how many bytes there must be for it; nil once one
// was taken again. A short append may find room where a longer one did not.
func (l *Log) Refused() (wanted int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted, l.refused
}

// Close finishes what is queued, writes a durable mark and closes the files.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed, l.wantEnd = true, true
	l.wake.Broadcast()
	l.mu.Unlock()
	<-l.ended
	l.tenders.Wait()
	l.drain() // a Manual log, and what Tend has queued
	err := errors.Join(l.mark(), l.dropSpare())
	if e := l.indexActive(); e != nil {
		l.cfg.Logger.Info("no index file could be written at the end; the next start reads the segment", "error", e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.im.segments {
		if s.removed = true; s.readers == 0 {
			err = errors.Join(err, s.file.Close())
		}
	}
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return errors.Join(err, l.lock.Close())
}
