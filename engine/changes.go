package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lithair/lithair-go/state"
)

// A snapshot of a large state takes seconds of work, however little has changed since the
// one before. So while that is little, what is written every SnapshotConfig.EveryBytes of log
// is what the state has beyond the newest snapshot (state.Root.WriteChanges), and a whole one
// comes four times as seldom. A start reads both, and the log behind.
//
// Files of changes are there for a short start alone: the log is kept from a snapshot on as
// if there were none, other nodes and backups get snapshots, and one that is damaged or does
// not fit is passed over. Each is beyond a snapshot, never beyond another file of changes,
// and replaces the one before.

const (
	changesSuffix  = ".diff"
	littleChanges  = 8 // a file of changes is little as long as the snapshot is so many times as large
	seldomSnapshot = 4 // meanwhile whole snapshots come when the log has grown to so many times their size
)

// beyond is the snapshot that changes are written beyond. It belongs to the goroutine that
// owns the snapshots.
type beyond struct {
	root  *state.Root // nil: none is held
	index uint64
	told  int64 // how much log had gathered at the last file of changes
}

// changesName names a file of changes by the log indexes of its snapshot and its own.
func changesName(base, index uint64) string {
	return fmt.Sprintf("%020d-%020d%s", base, index, changesSuffix)
}

// hold keeps a snapshot's root, so that changes can be found, where snapshots are large.
func (s *snapshots) hold(root *state.Root, index uint64, size int64) {
	s.beyond = beyond{}
	if size > s.cfg.EveryBytes {
		s.beyond = beyond{root: root, index: index}
	}
}

// changesDue says whether a file of changes is to be written.
func (s *snapshots) changesDue(gathered int64) bool {
	return s.beyond.root != nil && s.beyond.index == s.newest() && gathered-s.beyond.told >= s.cfg.EveryBytes
}

// changesFiles lists the files of changes beyond a snapshot, newest first; beyond any with all.
func (s *snapshots) changesFiles(base uint64, all bool) (list []string, err error) {
	names, err := s.cfg.FS.List(s.cfg.Dir)
	for _, n := range names {
		if strings.HasSuffix(n, changesSuffix) && (all || strings.HasPrefix(n, fmt.Sprintf("%020d-", base))) {
			list = append(list, path.Join(s.cfg.Dir, n))
		}
	}
	slices.Sort(list)
	slices.Reverse(list)
	return list, err
}

// loadChanges brings the root of a snapshot as far as changes beyond it lead. gathered is how
// much log there was in between.
func (s *snapshots) loadChanges(root *state.Root, at snapshotPlace) (_ *state.Root, _ snapshotPlace, gathered int64, err error) {
	files, err := s.changesFiles(at.Index, false)
	if err != nil {
		return nil, at, 0, err
	}
	for _, name := range files {
		later, place, gathered, err := readChangesFile(&s.cfg, name, root)
		if err == nil {
			return later, place, gathered, nil
		}
		var damage *state.SnapshotError
		if !errors.As(err, &damage) {
			return nil, at, 0, err
		}
		s.log.Error("changes beyond a snapshot cannot be used; the log is replayed in their place", "file", name, "error", err)
		s.damaged = append(s.damaged, name)
	}
	return root, at, 0, nil
}

func readChangesFile(cfg *SnapshotConfig, name string, base *state.Root) (root *state.Root, at snapshotPlace, gathered int64, err error) {
	o, err := openSnapshot(cfg, name)
	if err != nil {
		return nil, at, 0, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if root, _, err = state.ReadChanges(o, o.size, base); err != nil {
		return nil, at, 0, fmt.Errorf("%s: %w", name, damaged(err))
	}
	at = o.at
	n := len(at.note) - 8
	if n < 0 {
		return nil, at, 0, &state.SnapshotError{Reason: "the note is too short"}
	}
	gathered = int64(binary.LittleEndian.Uint64(at.note[n:]))
	if at.note = at.note[:n:n]; n == 0 {
		at.note = nil
	}
	return root, at, gathered, nil
}

// snapshotChanges writes down what the newest committed state has beyond the newest snapshot.
// The goroutine that owns the snapshots calls it.
func (e *Engine) snapshotChanges() error {
	s := e.snaps
	begun, gathered := e.cfg.Clock(), e.stats.gathered.Load()
	p, err := e.erasedPoint()
	if err != nil {
		return err
	}
	if p.index <= s.beyond.index {
		s.beyond.told = gathered
		return nil
	}
	if e.cfg.Room != nil && e.cfg.Room() != nil {
		s.beyond = beyond{} // memory is short
		return nil
	}
	at, err := e.order.Position(p.index)
	if err != nil {
		return err
	}
	note := append(at.Append(nil), e.order.Note(p.index)...)
	note = binary.LittleEndian.AppendUint64(note, uint64(gathered))
	name := path.Join(s.cfg.Dir, changesName(s.beyond.index, p.index))
	size, err := putSnapshotFile(&s.cfg, name, func(w io.Writer) error { return p.root.WriteChanges(w, s.beyond.root, note) })
	if err == nil && s.beyond.index == s.newest() {
		err = s.dropChanges(s.beyond.index, name)
	} else if err == nil { // a snapshot of another node has come, and this one's is gone
		err = s.dropChanges(s.beyond.index, "")
		s.beyond = beyond{}
	}
	if err != nil {
		e.stats.snapshotErrors.Add(1)
		return err
	}
	s.beyond.told = gathered
	if size > s.size.Load()/littleChanges {
		s.beyond = beyond{}
	}
	e.stats.snapshotSeq.Store(p.root.Seq())
	e.log.Info("wrote the changes since the last snapshot", "seq", p.root.Seq(), "bytes", size, "took", e.cfg.Clock().Sub(begun).Round(time.Millisecond).String())
	return nil
}

// dropChanges removes the files of changes beyond a snapshot but for one.
func (s *snapshots) dropChanges(base uint64, but string) error {
	files, err := s.changesFiles(base, false)
	some := false
	for _, name := range files {
		if err == nil && name != but {
			err, some = s.cfg.FS.Remove(name), true
		}
	}
	if err == nil && some {
		err = s.cfg.FS.SyncDir(s.cfg.Dir)
	}
	return err
}

// listStale adds files of changes to the leftovers whose snapshot is gone.
func (s *snapshots) listStale() error {
	files, err := s.changesFiles(0, true)
	for _, name := range files {
		if !slices.ContainsFunc(s.files, func(f snapshotFile) bool { return strings.HasPrefix(path.Base(name), fmt.Sprintf("%020d-", f.index)) }) {
			s.leftovers = append(s.leftovers, name)
		}
	}
	return err
}
