package engine

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/lithair/lithair-go/eventlog"
)

// baseSnapshots is how many snapshots are kept beyond SnapshotConfig.Keep while history is
// kept by age or by bytes: from one of them the past behind it is replayed when the log
// before is gone. So what can be read begins up to an eighth of the span, about, behind
// where the log begins.
const baseSnapshots = 8

// retains says whether some of the log is let go of.
func (c *SnapshotConfig) retains() bool { return c.Compact || c.MaxAge > 0 || c.MaxLogBytes > 0 }

// stale says that history is kept by age, and that the newest snapshot, or the start where
// there is none, is so long ago that the log would be kept for much longer.
func (s *snapshots) stale(now func() time.Time) bool {
	if s.cfg.MaxAge == 0 {
		return false
	}
	last := s.begun
	if files := s.kept(); len(files) > 0 {
		last = files[len(files)-1].time
	}
	return now().UnixNano()-last > int64(s.cfg.MaxAge/baseSnapshots)
}

// surplus returns the snapshots that are to go, of files, oldest first: those beyond Keep,
// but for some from which the past is read.
func (s *snapshots) surplus(files []snapshotFile) (drop []snapshotFile) {
	if s.pins.Load() > 0 {
		return nil // they go with the next ones
	}
	most := s.cfg.Keep
	if !s.cfg.Compact && s.cfg.retains() {
		most += baseSnapshots
	}
	rest := slices.Clone(files)
	for len(rest) > most {
		i := 0
		if most > s.cfg.Keep {
			i = s.closest(rest)
		}
		drop = append(drop, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return drop
}

// closest returns which of the snapshots before the newest Keep has its neighbours nearest
// to each other. The oldest one is none: the log is read from there.
func (s *snapshots) closest(files []snapshotFile) (best int) {
	span := func(i int) int64 {
		if s.cfg.MaxAge > 0 {
			return files[i+1].time - files[i-1].time
		}
		return int64(files[i+1].index - files[i-1].index)
	}
	best = 1
	for i := 1; i < len(files)-s.cfg.Keep; i++ {
		if span(i) < span(best) {
			best = i
		}
	}
	return best
}

// compact lets go of what the policy does not keep: of the log whole segments before a
// snapshot, as far as every hook has dealt with them, and of snapshots those that the log
// does not continue any more. With fewer snapshots than Keep nothing goes: the log stands
// in for those missing. The goroutine that owns the snapshots calls it.
func (e *Engine) compact() error {
	s := e.snaps
	files := s.sound()
	if len(files) < s.cfg.Keep || s.pins.Load() > 0 {
		return nil
	}
	needed := files[len(files)-s.cfg.Keep].index + 1 // whatever the policy
	for _, h := range e.hooks {
		needed = min(needed, h.saved.Load()+1)
	}
	if s.cfg.Compact {
		if err := e.letGo(eventlog.Retention{Keep: needed, MaxBytes: 1}); err != nil {
			return err
		}
	}
	if s.cfg.MaxAge > 0 {
		old := uint64(0) // the log before the newest snapshot that is old enough is all too old
		for _, f := range files {
			if f.time <= e.cfg.Clock().Add(-s.cfg.MaxAge).UnixNano() {
				old = f.index + 1
			}
		}
		if err := e.letGo(eventlog.Retention{Keep: min(old, needed), MaxBytes: 1}); err != nil {
			return err
		}
	}
	if s.cfg.MaxLogBytes > 0 {
		if err := e.letGo(eventlog.Retention{Keep: needed, MaxBytes: s.cfg.MaxLogBytes}); err != nil {
			return err
		}
	}
	return s.forget(e.order.First())
}

func (e *Engine) letGo(r eventlog.Retention) error {
	if r.Keep <= e.order.First() {
		return nil
	}
	r.Archive = e.snaps.cfg.Archive
	_, err := e.order.Compact(r)
	return err
}

// forget removes the snapshots that the log, which begins at first, does not continue.
func (s *snapshots) forget(first uint64) error {
	files := s.kept()
	n := 0
	for n < len(files)-s.cfg.Keep && files[n].index+1 < first {
		n++
	}
	return s.remove(files[:n])
}

// remove forgets snapshots and removes their files, durably, but for those that are being
// sent: they go with the next ones.
func (s *snapshots) remove(drop []snapshotFile) error {
	s.change(func(files []snapshotFile) []snapshotFile {
		drop = slices.DeleteFunc(slices.Clone(drop), func(f snapshotFile) bool { return s.sending[f.index] != nil })
		return slices.DeleteFunc(files, func(f snapshotFile) bool { return slices.Contains(drop, f) })
	})
	if len(drop) == 0 {
		return nil
	}
	for _, f := range drop {
		if err := s.cfg.FS.Remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := s.dropChanges(f.index, ""); err != nil {
			return err
		}
	}
	return s.cfg.FS.SyncDir(s.cfg.Dir)
}
