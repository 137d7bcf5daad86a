package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

// SnapshotConfig says where and when the engine writes its state down, so that a start
// reads that and the end of the log. Dir is required.
type SnapshotConfig struct {
	Dir  string  // where
	FS   disk.FS // default: the real disk
	Keep int     // how many; default 2, so that one may be damaged

	// Keys seal new snapshots under the current key, and open old ones; default: snapshots
	// are not encrypted.
	Keys eventlog.KeyProvider

	// EveryBytes is how much log may gather before a snapshot is written; the size of
	// the newest snapshot counts where it is larger, so that no more than twice the log
	// is written in all. While little changes in a state whose snapshot is larger, what has
	// changed is written every EveryBytes, and a whole snapshot when four times its size has
	// gathered. Default 32 MiB.
	EveryBytes int64

	// Compact removes what lies in the log before the oldest snapshot kept, as far as
	// no Committed hook still needs it. The past cannot be read then.
	Compact bool

	// MaxAge removes segments of the log that are older, once a snapshot that is older
	// follows them; what is younger can be read as it was. MaxLogBytes removes the oldest
	// segments while the log is larger, as far as snapshots stand in for them. 0: no bound.
	// Both are looked at when a snapshot has been written, and for MaxAge one is written
	// every eighth of it, if anything happened.
	MaxAge      time.Duration
	MaxLogBytes int64

	// Archive is handed each segment before it is removed; an error keeps it, and those
	// behind it, for the next time.
	Archive func(s eventlog.Sealed) error
}

func (c *SnapshotConfig) defaults() error {
	if c.Dir == "" {
		return errors.New("engine: SnapshotConfig.Dir is empty")
	}
	if c.FS == nil {
		c.FS = disk.Real()
	}
	if c.Keep == 0 {
		c.Keep = 2
	}
	if c.EveryBytes == 0 {
		c.EveryBytes = 32 << 20
	}
	if c.Keep < 0 || c.EveryBytes < 0 || c.MaxAge < 0 || c.MaxLogBytes < 0 {
		return errors.New("engine: SnapshotConfig: Keep, EveryBytes, MaxAge and MaxLogBytes cannot be negative")
	}
	return nil
}

const snapshotSuffix = ".snap"

// SnapshotName returns the name of the file of the snapshot at a log index.
func SnapshotName(index uint64) string { return fmt.Sprintf("%020d", index) + snapshotSuffix }

// snapshotIndex returns the log index of the snapshot in a file of that name; ok is false
// for other files.
func snapshotIndex(name string) (index uint64, ok bool, err error) {
	digits, ok := strings.CutSuffix(name, snapshotSuffix)
	if !ok {
		return 0, false, nil
	}
	if index, err = strconv.ParseUint(digits, 10, 64); err != nil || len(digits) != 20 {
		return 0, true, fmt.Errorf("%s looks like a snapshot, but its name is not a number of 20 digits", name)
	}
	return index, true, nil
}

// snapshotFile is a snapshot on disk, named by the log index it holds.
type snapshotFile struct {
	index, seq uint64
	time       int64 // Unix ns, of the log's record at index
	name       string
}

// point is a committed root and the log index it stands at.
type point struct {
	root  *state.Root
	index uint64
}

// snapshots writes and reads the snapshots in a directory. It belongs to one goroutine
// at a time, but for kept.
type snapshots struct {
	cfg   SnapshotConfig
	log   *slog.Logger
	size  atomic.Int64 // of the newest
	begun int64        // when the engine started, Unix ns by its clock

	mu    sync.Mutex
	files []snapshotFile // oldest first; replaced, never changed in place

	pins    atomic.Int32               // exports that read snapshots and log: nothing is let go of
	sending map[uint64]*openedSnapshot // by index, guarded by mu: they stay
	bad     map[uint64]bool            // found damaged, guarded by mu: they are neither sent nor read
	least   uint64                     // log index of the snapshot of another node that was installed last, guarded by mu: older ones go
	beyond  beyond
	in      incoming
	adopted []incoming // in their places, and not shown yet, oldest first; guarded by mu

	leftovers []string // of writes that were interrupted
	damaged   []string
}

// list finds the snapshots there are.
func (s *snapshots) list() error {
	if err := s.cfg.FS.MkdirAll(s.cfg.Dir); err != nil {
		return err
	}
	names, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasSuffix(n, snapshotSuffix+".tmp") || strings.HasSuffix(n, changesSuffix+".tmp") {
			s.leftovers = append(s.leftovers, path.Join(s.cfg.Dir, n))
			continue
		}
		index, ok, err := snapshotIndex(n)
		if err != nil {
			return fmt.Errorf("%s: %w", s.cfg.Dir, err)
		}
		if !ok {
			continue
		}
		f := snapshotFile{index: index, name: path.Join(s.cfg.Dir, n)}
		if err := f.head(&s.cfg); err != nil {
			return err
		}
		s.files = append(s.files, f)
	}
	slices.SortFunc(s.files, byIndex)
	return s.listStale()
}

// kept returns the snapshots there are, oldest first. It may be called by any goroutine.
func (s *snapshots) kept() []snapshotFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files
}

// change makes another list of the present one, which stays as it is.
func (s *snapshots) change(fn func(files []snapshotFile) []snapshotFile) {
	s.mu.Lock()
	s.files = fn(slices.Clone(s.files))
	s.mu.Unlock()
}

func byIndex(a, b snapshotFile) int { return cmp.Compare(a.index, b.index) }

// head reads what a snapshot's header says; nothing when that is damaged, which shows when
// the snapshot is read.
func (f *snapshotFile) head(cfg *SnapshotConfig) error {
	o, err := openSnapshot(cfg, f.name)
	var damage *state.SnapshotError
	if err == nil {
		f.seq, f.time = o.seq, o.at.Time
		err = o.Close()
	} else if errors.As(err, &damage) {
		return nil
	}
	return err
}

// load reads the newest snapshot that is whole. One that is damaged is told of; without
// any, the state is what the log says from its beginning.
func (s *snapshots) load() (*state.Root, snapshotPlace, error) {
	for i := len(s.files) - 1; i >= 0; i-- {
		f := s.files[i]
		root, at, size, err := readSnapshotFile(&s.cfg, f)
		if err == nil {
			s.size.Store(size)
			return root, at, nil
		}
		var damage *state.SnapshotError
		if !errors.As(err, &damage) {
			return nil, at, err
		}
		s.log.Error("a snapshot is damaged; an older one is tried, or the whole log", "snapshot", f.name, "error", err)
		s.files = slices.Delete(s.files, i, i+1)
		s.damaged = append(s.damaged, f.name)
	}
	return nil, snapshotPlace{}, nil
}

// snapshotPlace is where a snapshot stands in the log, and what the order wanted kept with it.
type snapshotPlace struct {
	eventlog.Position
	note []byte
}

// tidy removes what interrupted writes left and puts damaged snapshots aside, once the
// order is open: from then on no other process uses the directory.
func (s *snapshots) tidy() error {
	for _, name := range s.leftovers {
		if err := s.cfg.FS.Remove(name); err != nil {
			return err
		}
	}
	for _, name := range s.damaged {
		if err := s.cfg.FS.Rename(name, name+".damaged"); err != nil {
			return err
		}
	}
	s.leftovers, s.damaged = nil, nil
	return nil
}

// openedSnapshot is a snapshot's file, unsealed where it is sealed.
type openedSnapshot struct {
	io.ReaderAt
	io.Closer
	size int64 // of the snapshot; that of the file may be larger
	seq  uint64
	at   snapshotPlace
}

// snapshotPurpose keeps keys of snapshots apart from those of other files.
const snapshotPurpose = "lithair/snapshot"

// openSnapshot opens a snapshot and reads its header.
//
// Errors: *state.SnapshotError for damage; those of the keys and of the disk.
func openSnapshot(cfg *SnapshotConfig, name string) (o *openedSnapshot, err error) {
	file, err := cfg.FS.Open(name, disk.ReadOnly)
	if err != nil {
		return nil, err
	}
	o = &openedSnapshot{ReaderAt: file, Closer: file}
	if o.size, err = file.Size(); err == nil {
		err = o.unseal(cfg.Keys)
	}
	var note []byte
	if err == nil {
		o.seq, note, err = state.SnapshotNote(o, o.size)
	}
	if n := min(len(note), eventlog.PositionBytes); err == nil {
		o.at.note = note[n:]
		o.at.Position, err = eventlog.ParsePosition(note[:n])
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, damaged(err)), file.Close())
	}
	return o, nil
}

// unseal puts the opened stream in place of a sealed one.
func (o *openedSnapshot) unseal(keys eventlog.KeyProvider) error {
	sealed, err := crypt.IsStream(o.ReaderAt)
	if err != nil || !sealed {
		return err
	}
	r, err := crypt.OpenStream(o.ReaderAt, o.size, keys, snapshotPurpose)
	if err == nil {
		o.ReaderAt, o.size = r, r.Size()
	}
	return err
}

// damaged makes damage of a seal that of a snapshot.
func damaged(err error) error {
	if errors.Is(err, crypt.ErrDamaged) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &state.SnapshotError{Reason: err.Error()}
	}
	return err
}

// readSnapshotFile reads a snapshot. size is that of the snapshot.
func readSnapshotFile(cfg *SnapshotConfig, f snapshotFile) (root *state.Root, at snapshotPlace, size int64, err error) {
	o, err := openSnapshot(cfg, f.name)
	if err != nil {
		return nil, at, 0, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if root, _, err = state.ReadSnapshot(o, o.size, state.RestoreOptions{}); err != nil {
		return nil, at, 0, fmt.Errorf("%s: %w", f.name, damaged(err))
	}
	if o.at.Index != f.index {
		err = fmt.Errorf("%s is the snapshot at log index %d", f.name, o.at.Index)
	}
	return root, o.at, o.size, err
}

// write makes a snapshot durable, then forgets the oldest ones beyond Keep. After a crash
// at any step the snapshots that were there still are, or the new one is, whole.
func (s *snapshots) write(root *state.Root, at snapshotPlace) error {
	f := snapshotFile{at.Index, root.Seq(), at.Time, path.Join(s.cfg.Dir, SnapshotName(at.Index))}
	size, err := writeSnapshotFile(&s.cfg, f.name, root, at)
	if err != nil {
		return err
	}
	s.add(f, size)
	s.hold(root, f.index, size)
	return s.remove(append(s.surplus(s.kept()), s.superseded()...))
}

// add lists a snapshot that was written. It need not be the newest: one of another node may have
// been installed meanwhile.
func (s *snapshots) add(f snapshotFile, size int64) {
	s.change(func(files []snapshotFile) []snapshotFile {
		delete(s.bad, f.index)
		files = slices.DeleteFunc(files, func(o snapshotFile) bool { return o.index == f.index })
		files = append(files, f)
		slices.SortFunc(files, byIndex)
		return files
	})
	s.size.Store(size)
}

// WriteSnapshot writes a state down in cfg.Dir where an engine finds it, durably. at is the
// place in the log that the state stands at. Of cfg, Dir, FS and Keys are looked at.
func WriteSnapshot(cfg SnapshotConfig, root *state.Root, at eventlog.Position) error {
	if err := cfg.defaults(); err != nil {
		return err
	}
	_, err := writeSnapshotFile(&cfg, path.Join(cfg.Dir, SnapshotName(at.Index)), root, snapshotPlace{Position: at})
	return err
}

func writeSnapshotFile(cfg *SnapshotConfig, name string, root *state.Root, at snapshotPlace) (size int64, err error) {
	return putSnapshotFile(cfg, name, func(w io.Writer) error { return root.WriteSnapshot(w, append(at.Append(nil), at.note...)) })
}

// putSnapshotFile puts what write writes into a file, sealed where there are keys, durably
// and whole or not at all.
func putSnapshotFile(cfg *SnapshotConfig, name string, write func(w io.Writer) error) (size int64, err error) {
	file, err := cfg.FS.Open(name+".tmp", disk.Create)
	if err != nil {
		return 0, err
	}
	w := &fileWriter{file: file}
	err = file.Truncate(0)
	if err == nil {
		err = writeSealed(cfg.Keys, w, write)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return 0, errors.Join(err, cfg.FS.Remove(name+".tmp"))
	}
	if err := cfg.FS.Rename(name+".tmp", name); err != nil {
		return 0, err
	}
	return w.off, cfg.FS.SyncDir(path.Dir(name))
}

// writeSealed has fn write to w, sealed where there are keys.
func writeSealed(keys eventlog.KeyProvider, w io.Writer, fn func(w io.Writer) error) error {
	if keys == nil {
		return fn(w)
	}
	s, err := crypt.NewStreamWriter(w, keys, snapshotPurpose)
	if err == nil {
		err = fn(s)
	}
	if err != nil {
		return err
	}
	return s.Close()
}

// fileWriter writes a file from its beginning on.
type fileWriter struct {
	file disk.File
	off  int64
}

func (w *fileWriter) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	w.off += int64(n)
	return n, err
}

// due says whether enough log has gathered since the newest snapshot.
func (s *snapshots) due(gathered int64) bool {
	least := max(s.cfg.EveryBytes, s.size.Load())
	if s.beyond.root != nil && s.beyond.index == s.newest() {
		least *= seldomSnapshot
	}
	return gathered >= least
}

// KeepSnapshots makes Start read the newest snapshot in a directory and the engine write
// new ones there. Without it a start replays the whole log. It comes before Start.
func (e *Engine) KeepSnapshots(cfg SnapshotConfig) error {
	if err := cfg.defaults(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started {
		return errors.New("engine: KeepSnapshots after Start")
	}
	e.snaps = newSnapshots(cfg, e.log)
	return nil
}

// restore brings the executor to the newest snapshot.
func (e *Engine) restore() error {
	s := e.snaps
	if s == nil {
		return nil
	}
	err := s.list()
	var root *state.Root
	if err == nil {
		root, e.held, err = s.load()
	}
	gathered := int64(0)
	if err == nil && root != nil {
		s.hold(root, e.held.Index, s.size.Load())
		root, e.held, gathered, err = s.loadChanges(root, e.held)
	}
	if err != nil {
		return fmt.Errorf("engine: snapshots: %w", err)
	}
	if root == nil {
		return nil
	}
	s.beyond.told = gathered
	e.stats.gathered.Store(gathered)
	e.restored = root
	e.stats.restoredSeq.Store(root.Seq())
	e.stats.snapshotSeq.Store(root.Seq())
	e.ex.Restore(root, e.held.Index)
	return nil
}

// startSnapshots starts the goroutine that keeps them, or, where none are kept, the one that
// takes keys off the disk.
func (e *Engine) startSnapshots() {
	ctx, cancel := context.WithCancel(context.Background())
	e.snapsStop = cancel
	if e.snaps == nil {
		go e.keepErased(ctx)
		return
	}
	e.snaps.begun = e.cfg.Clock().UnixNano()
	restored := e.restored
	e.restored = nil // it is not to be held longer than it takes to verify
	go e.keepSnapshots(ctx, restored)
}

// keepSnapshots is the goroutine that owns the snapshots: it holds the one that was
// restored against its hash, then writes new ones as the log grows, or when asked.
func (e *Engine) keepSnapshots(ctx context.Context, restored *state.Root) {
	defer close(e.snapsDone)
	if err := e.verifyRestored(ctx, restored); err != nil {
		e.tell(event{fatal: err})
		return
	}
	restored = nil
	pause := time.NewTimer(0) // runs while a snapshot that failed is not to be tried again
	defer pause.Stop()
	rested := true
	var look <-chan time.Time
	if age := e.snaps.cfg.MaxAge; age > 0 {
		t := time.NewTicker(max(age/baseSnapshots/4, time.Second))
		defer t.Stop()
		look = t.C
	}
	for {
		changed := *e.changed.Load()
		if rested && e.erasesDue() {
			if err := e.eraseKeys(); err != nil {
				e.log.Error("an erasure is not complete; it is tried again, and no snapshot is written before", "error", err)
				rested = false
				pause.Reset(snapshotRetry)
			}
			continue
		}
		if rested && (e.snaps.due(e.stats.gathered.Load()) || e.snaps.stale(e.cfg.Clock) && e.point.Load().index != e.snaps.newest()) {
			if err := e.snapshot(); err != nil {
				e.log.Error("no snapshot could be written; a start takes longer until one is", "error", err)
				rested = false
				pause.Reset(snapshotRetry)
			}
			continue
		}
		if rested && e.snaps.changesDue(e.stats.gathered.Load()) {
			if err := e.snapshotChanges(); err != nil {
				e.log.Error("what has changed since the last snapshot could not be written; a start takes longer until it is", "error", err)
				rested = false
				pause.Reset(snapshotRetry)
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case fn := <-e.snapsAsk:
			fn()
		case <-pause.C:
			rested = true
		case <-look:
		case <-e.eraseAsk:
		case <-changed:
		}
	}
}

// verifyRestored holds what a snapshot brought, if one did, against its hash.
func (e *Engine) verifyRestored(ctx context.Context, restored *state.Root) error {
	if restored == nil {
		return nil
	}
	if err := restored.VerifyHash(func() bool { return ctx.Err() == nil }); err != nil {
		return fmt.Errorf("the state that was restored is not the one that was written down: %w; remove the newest file in %s to start from an older one, or from the log", err, e.snaps.cfg.Dir)
	}
	return nil
}

// snapshotRetry is the pause after a snapshot that could not be written.
const snapshotRetry = 10 * time.Second

// snapshot writes the newest committed state down, then compacts. The goroutine that
// owns the snapshots calls it.
func (e *Engine) snapshot() error {
	begun, gathered := e.cfg.Clock(), e.stats.gathered.Load()
	p, err := e.erasedPoint()
	if err != nil {
		return err
	}
	if p.index == e.snaps.newest() {
		return nil // nothing has happened
	}
	at := snapshotPlace{note: e.order.Note(p.index)}
	if at.Position, err = e.order.Position(p.index); err == nil {
		err = e.snaps.write(p.root, at)
	}
	if e.member && errors.Is(err, eventlog.ErrCompacted) {
		e.stats.taken(gathered) // a snapshot of another node is about to take its place
		return nil
	}
	if err != nil {
		e.stats.snapshotErrors.Add(1)
		return err
	}
	e.stats.taken(gathered)
	e.stats.snapshotSeq.Store(p.root.Seq())
	e.log.Info("wrote a snapshot", "seq", p.root.Seq(), "bytes", e.snaps.size.Load(), "took", e.cfg.Clock().Sub(begun).Round(time.Millisecond).String())
	if e.snaps.cfg.retains() {
		return e.compact()
	}
	return nil
}

// newest returns the log index of the newest snapshot that is not known to be damaged; 0
// without any. It may be called by any goroutine.
func (s *snapshots) newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range slices.Backward(s.files) {
		if !s.bad[f.index] {
			return f.index
		}
	}
	return 0
}

// Snapshot writes the newest committed state down now, however little has gathered. The
// engine does so by itself as the log grows.
//
// Errors: those of the disk and of the order; [ErrClosed]; ctx's.
func (e *Engine) Snapshot(ctx context.Context) error {
	if e.snaps == nil {
		return errors.New("engine: no snapshots are kept, see KeepSnapshots")
	}
	answer, err := e.ask(ctx, e.snapshot)
	if err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stopSnapshots ends the goroutine, and spares the next start a replay that would take
// longer than writing the state down.
func (e *Engine) stopSnapshots() error {
	if e.snapsStop == nil {
		return nil
	}
	e.snapsStop()
	<-e.snapsDone
	if e.snaps == nil || e.Err() != nil {
		return nil
	}
	gathered := e.stats.gathered.Load()
	switch s := e.snaps; {
	case s.changesDue(s.beyond.told + closingWeight*(gathered-s.beyond.told)):
		return e.snapshotChanges()
	case s.due(closingWeight * gathered):
		return e.snapshot()
	}
	return nil
}

// closingWeight: at the end a quarter of EveryBytes is enough for a snapshot.
const closingWeight = 4
