package eventlog

import (
	"errors"
	"fmt"
	"path"

	"github.com/lithair/lithair-go/internal/disk"
)

// Report is what Verify found in a sound log.
type Report struct {
	Segments  int
	Records   uint64
	First     uint64 // index of the oldest record
	Last      uint64
	Chain     [32]byte // value at Last
	Chained   bool     // false: there is no chain and there are no roots; checksums alone were looked at
	TornBytes int64    // at the end: a batch cut off by a crash, or the reserve behind it
	Indexes   int      // index files that say what the segments hold
	Stale     []string // index files that cannot be used; the next start makes them anew
	Roots     int      // Merkle roots that are those of the records
}

// Verify checks every byte of the log in a directory that no process has open: the
// checksums of all frames and records, the whole chain, the index files and the Merkle
// roots in them. It changes nothing. The
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
	rep := Report{Segments: len(im.segments), Records: im.last - im.base, First: im.base + 1, Last: im.last, Chain: im.chain, Chained: !im.loose, TornBytes: im.cut}
	err = rep.indexes(&Log{cfg: cfg, im: *im})
	return rep, errors.Join(err, s.close(), lock.Close())
}

// indexes checks the index files of a log whose segments were read: one that can be used
// must say what the segment says, and its roots must be those of the records.
func (rep *Report) indexes(l *Log) error {
	for i, seg := range l.im.segments {
		last := i == len(l.im.segments)-1
		name := indexName(seg.name)
		sum, problem := readIndex(l.cfg.FS, seg, l.cfg.Keys)
		if problem != "" || !last && !sum.continuedBy(&l.im.segments[i+1].header) {
			if f, err := l.cfg.FS.Open(name, disk.ReadOnly); err == nil {
				rep.Stale = append(rep.Stale, name)
				if err := f.Close(); err != nil {
					return err
				}
			}
			continue
		}
		if last {
			if sum.end != seg.end { // frames came since it was written; Open reads on from there
				continue
			}
			seg.summary = l.im.summarize(seg)
		}
		rep.Indexes++
		same := sum.equal(seg.summary)
		if seg.header.packed { // places may be cut in another way, but must hold what they say
			same = sum.equalBut(seg.summary)
			for i := range sum.places {
				p := sum.places[i]
				p.seg = seg
				if err := p.each(new(memory), p.first, func(*frame) (bool, error) { return true, nil }); err != nil {
					return err
				}
			}
		}
		if !same {
			return &CorruptError{Segment: name, Index: seg.header.first, Reason: "the index file says something else than its segment"}
		}
		for _, r := range sum.roots {
			r.seg = seg
			if !l.im.addRoot(r) {
				continue // truncated since
			}
			leaves, err := l.leaves(r.n)
			switch {
			case errors.Is(err, ErrCompacted): // it began in segments that are gone
				continue
			case err != nil:
				return err
			case fold(leaves, 0, nil) != r.sum:
				return wrongRoot(&r)
			}
			rep.Roots++
		}
	}
	return nil
}
