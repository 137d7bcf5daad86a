package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

// Snapshots travel between nodes as what they are without a seal: each node seals those it
// keeps under its own keys. What arrives is written beside the snapshots under a name that the
// next start removes, checked whole, and gets its place by a rename, when the order says that
// it is to be installed; the state that was read for the check is the one that is shown then.

func newSnapshots(cfg SnapshotConfig, log *slog.Logger) *snapshots {
	return &snapshots{cfg: cfg, log: log, sending: map[uint64]*openedSnapshot{}, bad: map[uint64]bool{}}
}

// sound returns the snapshots that are not known to be damaged, oldest first.
func (s *snapshots) sound() []snapshotFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.files), func(f snapshotFile) bool { return s.bad[f.index] })
}

// Note implements [Sink].
func (s sink) Note() []byte { return s.e.held.note }

// NewestSnapshot implements [Sink].
func (s sink) NewestSnapshot() uint64 {
	if s.e.snaps == nil {
		return 0
	}
	return s.e.snaps.newest()
}

// OpenSnapshot implements [Sink].
func (s sink) OpenSnapshot(index uint64) (at eventlog.Position, note []byte, size int64, sum [32]byte, err error) {
	o, sum, err := s.e.snaps.open(index)
	var damage *state.SnapshotError
	if errors.As(err, &damage) {
		err = errors.Join(err, s.e.replaceSnapshot(index))
	}
	if err != nil {
		return at, nil, 0, sum, err
	}
	return o.at.Position, o.at.note, o.size, sum, nil
}

// open checks a snapshot's bytes and keeps it.
func (s *snapshots) open(index uint64) (o *openedSnapshot, sum [32]byte, err error) {
	files := s.kept()
	i := slices.IndexFunc(files, func(f snapshotFile) bool { return f.index == index })
	if i < 0 {
		return nil, sum, fmt.Errorf("engine: no snapshot at log index %d", index)
	}
	if o, err = openSnapshot(&s.cfg, files[i].name); err != nil {
		return nil, sum, err
	}
	if err = state.CheckSnapshot(o, o.size); err == nil {
		sum, err = sumOf(o, o.size)
	}
	if err == nil && o.at.Index != index {
		err = fmt.Errorf("%s is the snapshot at log index %d", files[i].name, o.at.Index)
	}
	if err != nil {
		return nil, sum, errors.Join(fmt.Errorf("%s: %w", files[i].name, damaged(err)), o.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending[index] = o
	return o, sum, nil
}

// replaceSnapshot has another snapshot written in place of one that was found damaged.
func (e *Engine) replaceSnapshot(index uint64) error {
	s := e.snaps
	s.mu.Lock()
	s.bad[index] = true
	s.mu.Unlock()
	if e.cfg.Manual {
		return e.snapshot()
	}
	e.stats.gathered.Add(max(s.cfg.EveryBytes, s.size.Load())) // one is due
	return nil
}

func sumOf(r io.ReaderAt, size int64) (sum [32]byte, err error) {
	h := sha256.New()
	if _, err = io.CopyBuffer(h, io.NewSectionReader(r, 0, size), make([]byte, 256<<10)); err == nil {
		h.Sum(sum[:0])
	}
	return sum, err
}

// ReadSnapshot implements [Sink].
func (s sink) ReadSnapshot(index uint64, p []byte, off int64) error {
	s.e.snaps.mu.Lock()
	o := s.e.snaps.sending[index]
	s.e.snaps.mu.Unlock()
	if o == nil {
		return fmt.Errorf("engine: the snapshot at log index %d is not open", index)
	}
	n, err := o.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	return err
}

// CloseSnapshot implements [Sink].
func (s sink) CloseSnapshot(index uint64) error {
	s.e.snaps.mu.Lock()
	o := s.e.snaps.sending[index]
	delete(s.e.snaps.sending, index)
	s.e.snaps.mu.Unlock()
	if o == nil {
		return nil
	}
	return errors.Join(o.Close(), s.e.snaps.remove(s.e.snaps.superseded()))
}

// incoming is a snapshot that arrives. It belongs to the order, which calls one method at a time.
type incoming struct {
	file   disk.File // nil: none
	out    io.Writer
	sealed *crypt.StreamWriter // nil: there are no keys
	size   int64               // taken so far

	root *state.Root // of one that is whole
	at   snapshotPlace
	kept int64 // bytes of it
}

// incomingName is removed by the next start, see snapshots.tidy.
const incomingName = "incoming" + snapshotSuffix + ".tmp"

func (s *snapshots) incomingPath() string { return path.Join(s.cfg.Dir, incomingName) }

// WriteIncoming implements [Sink].
func (s sink) WriteIncoming(p []byte, off int64) error {
	if s.e.snaps == nil {
		return errors.New("engine: no snapshots are kept, see KeepSnapshots: none can be taken from another node")
	}
	in := &s.e.snaps.in
	if off == 0 {
		if err := s.e.snaps.beginIncoming(); err != nil {
			return err
		}
	}
	if in.file == nil || in.size != off {
		return fmt.Errorf("engine: bytes at %d of a snapshot of which %d have arrived", off, in.size)
	}
	if _, err := in.out.Write(p); err != nil {
		return err
	}
	in.size += int64(len(p))
	return nil
}

func (s *snapshots) beginIncoming() error {
	if err := s.closeIncoming(); err != nil {
		return err
	}
	file, err := s.cfg.FS.Open(s.incomingPath(), disk.Create)
	if err != nil {
		return err
	}
	s.in.file, s.in.out = file, &fileWriter{file: file}
	if err := file.Truncate(0); err != nil {
		return err
	}
	if s.cfg.Keys != nil {
		if s.in.sealed, err = crypt.NewStreamWriter(s.in.out, s.cfg.Keys, snapshotPurpose); err != nil {
			return err
		}
		s.in.out = s.in.sealed
	}
	return nil
}

// closeIncoming forgets what has arrived, but for its file.
func (s *snapshots) closeIncoming() (err error) {
	if s.in.file != nil {
		err = s.in.file.Close()
	}
	s.in = incoming{}
	return err
}

// CheckIncoming implements [Sink].
func (s sink) CheckIncoming(size int64, sum [32]byte) (at eventlog.Position, note []byte, err error) {
	in := &s.e.snaps.in
	if in.file == nil || in.size != size {
		return at, nil, fmt.Errorf("engine: %d bytes of a snapshot of %d have arrived", in.size, size)
	}
	if in.sealed != nil {
		err = in.sealed.Close()
	}
	if err == nil {
		err = in.file.Sync()
	}
	file := in.file
	in.file = nil
	if err = errors.Join(err, file.Close()); err != nil {
		return at, nil, err
	}
	if err = s.e.snaps.readIncoming(size, sum); err != nil {
		return at, nil, fmt.Errorf("engine: a snapshot that arrived: %w", err)
	}
	return in.at.Position, in.at.note, nil
}

// readIncoming reads all of what has arrived, from the disk.
func (s *snapshots) readIncoming(size int64, sum [32]byte) (err error) {
	o, err := openSnapshot(&s.cfg, s.incomingPath())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	got, err := sumOf(o, min(o.size, size))
	switch {
	case err != nil:
		return err
	case o.size != size || got != sum:
		return fmt.Errorf("its %d bytes have the sum %x, announced were %d and %x", o.size, got[:8], size, sum[:8])
	}
	root, _, err := state.ReadSnapshot(o, o.size, state.RestoreOptions{})
	if err == nil {
		err = root.VerifyHash(func() bool { return true })
	}
	if err != nil {
		return err
	}
	s.in.root, s.in.at, s.in.kept = root, snapshotPlace{o.at.Position, bytes.Clone(o.at.note)}, o.size
	return nil
}

// AdoptIncoming implements [Sink].
func (s sink) AdoptIncoming() error {
	snaps := s.e.snaps
	if snaps.in.root == nil {
		return errors.New("engine: no snapshot has arrived")
	}
	err := snaps.cfg.FS.Rename(snaps.incomingPath(), path.Join(snaps.cfg.Dir, SnapshotName(snaps.in.at.Index)))
	if err == nil {
		err = snaps.cfg.FS.SyncDir(snaps.cfg.Dir)
	}
	if err != nil {
		return err
	}
	snaps.mu.Lock()
	defer snaps.mu.Unlock()
	snaps.adopted, snaps.in = append(snaps.adopted, snaps.in), incoming{} // another may get its place before this one is shown
	return nil
}

// DropIncoming implements [Sink].
func (s sink) DropIncoming() error {
	err := s.e.snaps.closeIncoming()
	if e := s.e.snaps.cfg.FS.Remove(s.e.snaps.incomingPath()); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

// Installed implements [Sink]. The snapshots there were go: the log does not continue them.
func (s sink) Installed() {
	e, snaps := s.e, s.e.snaps
	snaps.mu.Lock()
	in := snaps.adopted[0]
	snaps.adopted = slices.Delete(snaps.adopted, 0, 1)
	snaps.least = max(snaps.least, in.at.Index)
	snaps.mu.Unlock()
	e.tell(event{install: &point{in.root, in.at.Index}})
	snaps.add(snapshotFile{in.at.Index, in.root.Seq(), in.at.Time, path.Join(snaps.cfg.Dir, SnapshotName(in.at.Index))}, in.kept)
	if err := snaps.remove(snaps.superseded()); err != nil {
		e.log.Warn("snapshots that the log does not continue any more could not be removed", "error", err)
	}
	e.stats.gathered.Store(0)
	e.stats.snapshotSeq.Store(in.root.Seq())
}

// superseded returns the snapshots that one of another node has taken the place of. One that is
// being written, or sent, while that is installed goes when it is written or sent.
func (s *snapshots) superseded() []snapshotFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.files), func(f snapshotFile) bool { return f.index >= s.least })
}

// forgetOld removes the snapshots that the log, which begins at first, does not continue: one that
// was installed has taken their place, and no key that is destroyed in that may be found in them.
func (s *snapshots) forgetOld(first uint64) error {
	return s.remove(slices.DeleteFunc(slices.Clone(s.kept()), func(f snapshotFile) bool { return f.index+1 >= first }))
}

// install shows the state of another node's snapshot.
func (e *Engine) install(p *point) {
	e.past.forget()
	e.ex.Install(p.root, p.index)
	e.log.Info("the state is that of a snapshot of the leader", "seq", p.root.Seq(), "index", p.index)
}

// Install puts the state of a snapshot, which holds the log up to an index, in place of a
// committed one that is older. The executor does not lead.
func (ex *Executor) Install(root *state.Root, index uint64) {
	ex.EndReplay()
	if ex.failure != nil {
		return
	}
	if ex.leading || index <= ex.applied || root.Seq() < ex.committed.Seq() {
		panic(fmt.Sprintf("engine: a snapshot at log index %d, sequence %d is installed over index %d, sequence %d (leading %v)", index, root.Seq(), ex.applied, ex.committed.Seq(), ex.leading))
	}
	root = root.KeepLocal(ex.committed)
	ex.commit(root)
	ex.head, ex.applied = root, index
	rebindTables(ex.tables, root)
}
