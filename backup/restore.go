package backup

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// Options say what to make of a backup. Dir is required but for a dry run.
type Options struct {
	Dir     string  // data directory; made if need be
	FS      disk.FS // default: the real disk
	Replace bool    // what stands in Dir is moved aside
	DryRun  bool    // build the state and check everything, and write nothing

	// Keys open an encrypted backup, and seal what is restored; nil: neither.
	Keys eventlog.KeyProvider

	SegmentBytes int64 // of the restored log; default that of eventlog

	// At stops at a sequence, Time at the last entry not later than it; both zero: the
	// newest state. At most one of them is set.
	At   *uint64
	Time time.Time
}

// Restored says what a restore made.
type Restored struct {
	Summary
	At      uint64 // sequence of the restored state
	Time    time.Time
	AtHash  [16]byte       // of the restored state
	Records map[string]int // by model
	Aside   string         // folder below Dir with what stood there before; "" when nothing did
}

// Restore makes a data directory of a backup. Everything is built and checked in a folder
// of its own before anything in place is touched; SPEC.md has the steps and what a crash
// leaves. The state is built in memory.
//
// Errors: *[DamageError]; *[RangeError]; [ErrNotEmpty]; *disk.LockedError when an
// application runs there; those of r and of the disk.
func Restore(r io.Reader, opt Options) (Restored, error) {
	switch {
	case opt.At != nil && !opt.Time.IsZero():
		return Restored{}, errors.New("backup: Options.At and Options.Time exclude each other")
	case opt.Dir == "" && !opt.DryRun:
		return Restored{}, errors.New("backup: Options.Dir is empty")
	}
	if opt.FS == nil {
		opt.FS = disk.Real()
	}
	if opt.DryRun {
		return build(r, nil, "", opt)
	}
	place, err := takePlace(opt)
	if err != nil {
		return Restored{}, err
	}
	done, err := build(r, opt.FS, place.staging(), opt)
	if err == nil {
		done.Aside, err = place.commit(time.Now())
	} else {
		err = errors.Join(err, removeAll(opt.FS, place.staging()))
	}
	return done, errors.Join(err, place.close())
}

// build makes a whole data directory in dir.
func build(r io.Reader, files disk.FS, dir string, opt Options) (done Restored, err error) {
	b := &builder{fs: files, dir: dir, dry: opt.DryRun, keys: opt.Keys, segment: opt.SegmentBytes, seq: math.MaxUint64, when: math.MaxInt64}
	if opt.At != nil {
		b.seq = *opt.At
	}
	if !opt.Time.IsZero() {
		b.when = opt.Time.UnixNano()
	}
	w, err := read(r, opt.Keys, b)
	if err == nil {
		err = b.finish(w)
	}
	if err == nil && !opt.DryRun && w.sum.Info.Cluster != 0 {
		err = disk.WriteFileAtomic(files, path.Join(dir, restoredFile), fmt.Appendf(nil, "%d\n", w.sum.Info.Cluster))
	}
	if err = errors.Join(err, b.close()); err != nil {
		return done, err
	}
	done = Restored{Summary: w.sum, At: b.root.Seq(), Time: time.Unix(0, b.root.Time()), AtHash: b.root.Hash(), Records: map[string]int{}}
	done.Oldest = b.oldest
	for _, m := range b.root.Models() {
		if !strings.HasPrefix(m.Model, "_") { // those are the engine's own
			done.Records[m.Model] = b.root.Len(m.Number)
		}
	}
	return done, nil
}
