package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"path"
	"strings"

	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/state"
)

// builder is the sink of a restore.
type builder struct {
	fs      disk.FS
	dir     string
	keys    eventlog.KeyProvider
	segment int64
	dry     bool   // there is no log, and files beside it are read only
	seq     uint64 // what is to be reached at most
	when    int64

	from     eventlog.Position
	out      disk.File // that content goes to
	off      int64
	gathered []byte // of a snapshot
	left     int64
	name     string       // of the file
	sum      hash.Hash    // of its content
	blob     *blob.Writer // nil: no blob is being written
	replay   *engine.Replay
	log      *eventlog.Log
	held     []heldKey // records of keys that wait for the entry they belong to
	batch    []eventlog.Record
	bytes    int
	oldest   uint64
	root     *state.Root       // the state to be restored, once it is reached
	at       eventlog.Position // where the restored log ends
	small    map[string][]byte // files that are written in the end
}

func (b *builder) path(name string) string { return path.Join(b.dir, name) }

func (b *builder) mkdir(name string) error {
	if b.dry {
		return nil
	}
	return b.fs.MkdirAll(b.path(name))
}

// base begins the log, and the snapshot where there is one.
func (b *builder) base(at eventlog.Position, snapshot int64) (err error) {
	b.from, b.at, b.small = at, at, map[string][]byte{}
	for _, d := range []string{"log", "snapshots"} {
		if err := b.mkdir(d); err != nil {
			return err
		}
	}
	if snapshot == 0 {
		return b.begin(state.Empty())
	}
	b.left, b.off = snapshot, 0
	if b.dry || b.keys != nil {
		return nil // it is gathered in memory: what is to be sealed is not written before
	}
	b.out, err = b.fs.Open(b.path("snapshots/"+engine.SnapshotName(at.Index)), disk.Create)
	return err
}

func (b *builder) begin(root *state.Root) (err error) {
	b.oldest = root.Seq()
	if b.seq < root.Seq() || b.when < root.Time() {
		b.root = root // for the message; finish refuses
	}
	b.replay = engine.NewReplay(root, b.from.Index)
	if b.dry {
		return nil
	}
	b.log, err = eventlog.Open(eventlog.Config{Dir: b.path("log"), FS: b.fs, Keys: b.keys, Begin: b.from, SegmentBytes: b.segment, Logger: slog.New(slog.DiscardHandler)}) // what goes wrong is returned
	return err
}

// write puts content into the file that is open, if one is; done says that it is whole,
// and synced.
func (b *builder) write(p []byte) (done bool, err error) {
	if b.out == nil {
		b.left -= int64(len(p))
		return b.left == 0, nil
	}
	n, err := b.out.WriteAt(p, b.off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	b.off += int64(n)
	if b.left -= int64(n); err != nil || b.left > 0 {
		return false, err
	}
	return true, b.out.Sync()
}

func (b *builder) snapshot(p []byte) error {
	if b.out == nil {
		b.gathered = append(b.gathered, p...)
	}
	done, err := b.write(p)
	if err != nil || !done {
		return err
	}
	var src io.ReaderAt = b.out
	if b.out == nil {
		src, b.off = bytes.NewReader(b.gathered), int64(len(b.gathered))
	}
	root, note, err := state.ReadSnapshot(src, b.off, state.RestoreOptions{})
	if err == nil && !bytes.HasPrefix(note, b.from.Append(nil)) { // behind it stands what the order wants kept
		err = errors.New("backup: the snapshot does not stand where the records begin")
	}
	if err == nil {
		err = root.VerifyHash(func() bool { return true })
	}
	if err == nil && b.keys != nil && !b.dry {
		err = b.writeSnapshot(root, b.from)
	}
	b.gathered = nil
	if err = errors.Join(err, b.closeFile()); err != nil {
		return err
	}
	return b.begin(root)
}

func (b *builder) closeFile() (err error) {
	if b.out != nil {
		err = b.out.Close()
		b.out = nil
	}
	return err
}

// record applies every record, and writes those up to the place that is asked for.
func (b *builder) record(r *eventlog.Record, at eventlog.Position) error {
	if b.replay == nil {
		return errors.New("backup: records without a base")
	}
	if b.root == nil && r.Kind == engine.KindKey {
		if r.Time <= b.when {
			return b.hold(r, at)
		}
		b.root = b.replay.Root() // the log ends before it, whatever of the order's own follows
	}
	if b.root == nil && r.Kind == engine.KindBatch {
		first, count, err := engine.EntrySpan(r.Payload)
		if err != nil {
			return err
		}
		switch {
		case r.Time > b.when || first > b.seq:
			b.root = b.replay.Root()
		case first+count-1 > b.seq:
			if err := b.release(true); err != nil {
				return err
			}
			return b.split(r)
		}
	}
	here := b.root == nil && (r.Kind < engine.KindBatch || r.Time <= b.when) // times of the order's own come from another clock
	if err := b.release(here); err != nil {
		return err
	}
	if here {
		if err := b.append(*r); err != nil {
			return err
		}
		b.at = at
	}
	return b.replay.Apply(*r, math.MaxUint64)
}

// heldKey is a record of a key, and the place behind it.
type heldKey struct {
	record eventlog.Record
	at     eventlog.Position
}

// maxHeld bounds the keys that wait for their entry; more are written without it.
const maxHeld = 4096

// hold keeps a record of a key until the one behind it comes: a restored log that ends before
// an entry does not end with its keys, which nobody would erase with their subjects. Where it
// ends inside an entry, that entry's keys stay, those of the transactions left out too.
func (b *builder) hold(r *eventlog.Record, at eventlog.Position) error {
	key := *r
	key.Payload = bytes.Clone(r.Payload)
	if b.held = append(b.held, heldKey{key, at}); len(b.held) < maxHeld {
		return nil
	}
	return b.release(true)
}

// release applies the keys that were held, and writes them where they belong to the log.
func (b *builder) release(written bool) error {
	for i := range b.held {
		k := &b.held[i]
		if written {
			if err := b.append(k.record); err != nil {
				return err
			}
			b.at = k.at
		}
		if err := b.replay.Apply(k.record, math.MaxUint64); err != nil {
			return err
		}
	}
	b.held = b.held[:0]
	return nil
}

// split ends the restored log inside an entry.
func (b *builder) split(r *eventlog.Record) error {
	short, err := engine.CutEntry(r.Payload, b.seq)
	if err != nil {
		return err
	}
	if err := b.replay.Apply(*r, b.seq); err != nil {
		return err
	}
	b.root = b.replay.Root()
	cut := *r
	cut.Payload = short
	b.at = b.at.Next(&cut)
	if err := b.append(cut); err != nil {
		return err
	}
	return b.replay.Apply(*r, math.MaxUint64)
}

// batchBytes is how much is written to the log at once.
const batchBytes = 4 << 20

func (b *builder) append(r eventlog.Record) error {
	if b.dry {
		return nil
	}
	r.Payload = append([]byte(nil), r.Payload...)
	b.batch = append(b.batch, r)
	if b.bytes += len(r.Payload); b.bytes < batchBytes {
		return nil
	}
	return b.flush()
}

func (b *builder) flush() error {
	if len(b.batch) == 0 {
		return nil
	}
	err := b.log.Append(b.batch...)
	b.batch, b.bytes = b.batch[:0], 0
	return err
}

// finish checks what was built against what the source had, and completes it.
func (b *builder) finish(w *walk) error {
	if err := b.release(b.root == nil); err != nil {
		return err
	}
	newest := b.replay.Root()
	if newest.Seq() != w.end.seq || newest.Hash() != w.end.hash {
		return fmt.Errorf("backup: the records make the state at sequence %d with hash %x, and the source had sequence %d with hash %x", newest.Seq(), newest.Hash(), w.end.seq, w.end.hash)
	}
	late := b.when != math.MaxInt64 && b.when > w.head.made
	if late || b.seq < b.oldest || b.root != nil && b.when < b.root.Time() || b.seq != math.MaxUint64 && b.seq > newest.Seq() {
		return &RangeError{Oldest: b.oldest, Newest: newest.Seq()}
	}
	if b.root == nil {
		b.root = newest
	}
	if b.dry {
		return nil
	}
	if err := b.flush(); err != nil {
		return err
	}
	if index, sum := b.log.Chain(); index != b.at.Index || sum != b.at.Chain {
		return fmt.Errorf("backup: the restored log ends at index %d with chain %x, and must end at %d with %x", index, sum, b.at.Index, b.at.Chain)
	}
	return b.complete()
}

// complete writes what stands beside the log.
func (b *builder) complete() error {
	if b.at.Index > b.from.Index { // spares the first start the replay that was just made
		if err := b.writeSnapshot(b.root, b.at); err != nil {
			return err
		}
	}
	for name, text := range b.small {
		if err := disk.WriteFileAtomic(b.fs, b.path(name), clip(text, b.at.Index)); err != nil {
			return err
		}
	}
	return disk.WriteFileAtomic(b.fs, b.path("reached"), fmt.Appendf(nil, "%d\n", b.at.Index))
}

func (b *builder) writeSnapshot(root *state.Root, at eventlog.Position) error {
	return engine.WriteSnapshot(engine.SnapshotConfig{Dir: b.path("snapshots"), FS: b.fs, Keys: b.keys}, root, at)
}

// clip is a position, not behind the end of the log.
func clip(text []byte, last uint64) []byte {
	var index uint64
	if n, err := fmt.Sscanf(string(text), "%d\n", &index); n != 1 || err != nil {
		return text // whoever reads it says so
	}
	return fmt.Appendf(nil, "%d\n", min(index, last))
}

func (b *builder) close() (err error) {
	err = b.closeFile()
	if b.blob != nil {
		err = errors.Join(err, b.blob.Abort())
	}
	if b.log == nil {
		return err
	}
	err = errors.Join(err, b.log.Close())
	lock := b.path("log/LOCK")
	if e := b.fs.Remove(lock); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

// maxSmall bounds the files that are held in memory: positions of hooks.
const maxSmall = 64 << 10

// isSmall says that a file is written in the end, when all is known.
func isSmall(name string) bool {
	return strings.HasPrefix(name, "positions/")
}

func (b *builder) file(name string, size int64) (err error) {
	if err := b.mkdir(path.Dir(name)); err != nil {
		return err
	}
	b.name, b.left, b.off, b.sum = name, size, 0, sha256.New()
	if isSmall(name) {
		if size > maxSmall {
			return fmt.Errorf("backup: %s has %d bytes", name, size)
		}
		b.small[name] = nil
		return nil
	}
	if !b.dry {
		if b.blob, err = blob.Create(b.fs, b.path(name), b.keys); err != nil {
			return err
		}
	}
	if size > 0 {
		return nil
	}
	return b.blobEnds()
}

func (b *builder) content(p []byte) error {
	if isSmall(b.name) {
		b.small[b.name] = append(b.small[b.name], p...)
		return nil
	}
	b.sum.Write(p)
	if b.blob != nil {
		if _, err := b.blob.Write(p); err != nil {
			return err
		}
	}
	if b.left -= int64(len(p)); b.left > 0 {
		return nil
	}
	return b.blobEnds()
}

// blobEnds checks that a blob is what its name says.
func (b *builder) blobEnds() error {
	if got := hex.EncodeToString(b.sum.Sum(nil)); got != path.Base(b.name) {
		return fmt.Errorf("backup: the content of %s has another hash: %s", b.name, got)
	}
	if b.blob == nil {
		return nil
	}
	_, err := b.blob.Finish()
	b.blob = nil
	return errors.Join(err, b.fs.SyncDir(path.Dir(b.path(b.name))))
}
