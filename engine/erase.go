package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// A key is destroyed by a transaction, and so in the state of every node. Behind that each
// node takes it out of what it has on disk: the entry that brought it is redacted, and
// snapshots that hold it are written anew. No snapshot is written while that is due; so a
// node that is stopped half-way finds the transaction behind its newest snapshot when it
// starts, and does it again.

// Erase destroys the key of a subject: from then on nothing that was sealed for it can be
// read, in state, log and snapshots, and nothing more is sealed for it. On return no file of
// this node holds the key any more; other nodes see to theirs as they hear of it. It may be
// repeated.
//
// Copies of log and snapshots that were made before still hold the key, and so may a damaged
// snapshot, which is put aside as a start would. What a transaction sealed that was never
// committed, under a key of its own, stays behind the log's truncation until retention takes
// it, see Redaction in eventlog/SPEC.md.
//
// Errors: [ErrNotFound] when nothing was ever sealed for it; as [Engine.Do]; those of the
// disk, behind which the key is destroyed but may still stand in a file: the engine tries
// again, and so may the caller.
func (e *Engine) Erase(ctx context.Context, subject, actor string) error {
	_, err := e.Do(ctx, Command{Name: "erase", Actor: actor, Run: func(tx *Tx) (Answer, error) { return Answer{}, tx.erase(subject) }})
	if err != nil {
		return err
	}
	return e.Erased(ctx)
}

// Erased waits until no file of this node holds a key that is destroyed in [Engine.Root].
//
// Errors: those of the disk, [ErrClosed], ctx's.
func (e *Engine) Erased(ctx context.Context) error {
	answer, err := e.ask(ctx, e.eraseKeys)
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

// erase notes that a subject is erased, and destroys its key.
func (tx *Tx) erase(subject string) error {
	t := tx.ex.subjects
	s := subjectRow{Name: subject}
	if t.Codec() == nil {
		return ErrNotFound
	}
	key, err := t.Codec().Key(&s)
	if err != nil {
		return err
	}
	if _, err := tx.Load(t, key, &s); err != nil || !s.Erased.IsZero() {
		return err
	}
	if len(s.KeyID) != 16 {
		return errSealDamaged
	}
	id := [16]byte(s.KeyID)
	s.Erased = tx.Now()
	if err := tx.Put(t, &s); err != nil {
		return err
	}
	tx.erased = append(tx.erased, id)
	return tx.record(state.KeyDestroyed(id))
}

// show publishes a root together with which keys are to be taken off the disk for it: whoever
// sees that a key is destroyed finds it among them, or it is off the disk already.
func (e *Engine) show(p point) {
	ids := e.ex.TakeErased()
	e.mu.Lock()
	e.store.Publish(p.root)
	e.point.Store(&p)
	e.erasing = append(e.erasing, ids...)
	e.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	select {
	case e.eraseAsk <- struct{}{}:
	default: // somebody has asked
	}
}

// erasedPoint returns the newest committed root for a snapshot, once all keys that it has
// destroyed are off the disk: a start looks for erasures behind the newest snapshot only.
func (e *Engine) erasedPoint() (*point, error) {
	for {
		if err := e.eraseKeys(); err != nil {
			return nil, err
		}
		e.mu.Lock()
		p, due := e.point.Load(), len(e.erasing)
		e.mu.Unlock()
		if due == 0 {
			return p, nil
		}
	}
}

// erasesDue says whether keys are to be taken off the disk.
func (e *Engine) erasesDue() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.erasing) > 0
}

// eraseKeys takes the keys that were destroyed out of log and snapshots. The goroutine that
// owns the snapshots calls it.
func (e *Engine) eraseKeys() error {
	e.mu.Lock()
	due := slices.Clone(e.erasing)
	e.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	gone := map[[16]byte]bool{}
	for _, id := range due {
		gone[id] = true
	}
	err := e.eraseFromLog(gone)
	if err == nil && e.snaps != nil {
		before := len(e.snaps.kept())
		if err = e.snaps.eraseKeys(gone); len(e.snaps.kept()) < before {
			e.stats.gathered.Add(max(e.snaps.cfg.EveryBytes, e.snaps.size.Load())) // another one is due
		}
	}
	if err != nil {
		return fmt.Errorf("engine: a key that was destroyed still stands on the disk: %w", err)
	}
	e.mu.Lock()
	e.erasing = slices.Delete(e.erasing, 0, len(due))
	e.mu.Unlock()
	e.log.Info("keys were taken out of log and snapshots", "keys", len(gone))
	return nil
}

// keepErased takes keys off the disk where no snapshots are kept.
func (e *Engine) keepErased(ctx context.Context) {
	defer close(e.snapsDone)
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case fn := <-e.snapsAsk:
			fn()
			continue
		case <-e.eraseAsk:
		case <-retry.C:
		}
		if err := e.eraseKeys(); err != nil {
			e.log.Error("an erasure is not complete; it is tried again", "error", err)
			retry.Reset(snapshotRetry)
		}
	}
}

// eraseFromLog redacts the entries that brought keys.
func (e *Engine) eraseFromLog(gone map[[16]byte]bool) error {
	root, left := e.Root(), map[[16]byte]bool{}
	var indexes []uint64
	for id := range gone {
		index, found, err := e.keyEntry(root, id)
		if err != nil {
			return err
		}
		if found {
			indexes = append(indexes, index)
		} else {
			left[id] = true
		}
	}
	if len(left) > 0 { // it went with the log before a snapshot, or times go back there
		if err := e.scanKeys(left, func(index uint64) { indexes = append(indexes, index) }); err != nil {
			return err
		}
	}
	if len(indexes) == 0 {
		return nil
	}
	return e.order.Redact(indexes...)
}

// keyEntry finds the entry that brought a key by its time; it may be redacted already.
func (e *Engine) keyEntry(root *state.Root, id [16]byte) (index uint64, found bool, err error) {
	k, ok := state.KeyOf(root, id)
	if !ok || k.Time == 0 {
		return 0, false, nil
	}
	from, err := e.firstAt(k.Time)
	if err != nil {
		return 0, false, err
	}
	err = e.eachRecord(context.Background(), from, func(r eventlog.Record) (bool, error) {
		if found = is(&r, id); found {
			index = r.Index
		}
		return !found && (r.Kind < KindBatch || r.Time <= k.Time), nil
	})
	return index, found, err
}

// is says whether a record is the entry of a key.
func is(r *eventlog.Record, id [16]byte) bool {
	if r.Kind != KindKey {
		return false
	}
	got, _, err := KeyEntry(r)
	return err == nil && got == id
}

// firstAt returns the index of the first of the engine's records at a time or later. Times
// of others (no-ops) come from another clock, and are passed over.
func (e *Engine) firstAt(when int64) (index uint64, err error) {
	first := e.order.First()
	last := e.point.Load().index
	if last < first {
		return first, nil
	}
	n := sort.Search(int(last-first+1), func(i int) bool {
		if err != nil {
			return true
		}
		at := int64(0)
		err = e.eachRecord(context.Background(), first+uint64(i), func(r eventlog.Record) (bool, error) {
			at = r.Time
			return r.Kind < KindBatch, nil
		})
		return at >= when
	})
	return first + uint64(n), err
}

// scanKeys looks for the entries of keys in the whole log.
func (e *Engine) scanKeys(left map[[16]byte]bool, found func(index uint64)) error {
	return e.eachRecord(context.Background(), e.order.First(), func(r eventlog.Record) (bool, error) {
		if r.Kind != KindKey {
			return true, nil
		}
		id, _, err := KeyEntry(&r)
		if left[id] {
			delete(left, id)
			found(r.Index)
		}
		return len(left) > 0, err
	})
}

// eraseKeys writes the snapshots anew that hold one of the keys, without it.
func (s *snapshots) eraseKeys(gone map[[16]byte]bool) error {
	names, err := s.changesFiles(0, true)
	for _, f := range s.kept() {
		names = append(names, f.name)
	}
	for _, name := range names {
		if err != nil {
			break
		}
		err = s.eraseIn(name, func(id [16]byte) bool { return gone[id] })
		var damage *state.SnapshotError
		if errors.As(err, &damage) {
			s.log.Error("a snapshot is damaged and cannot be written anew without a key that was destroyed; it is put aside", "file", name+".damaged", "error", err)
			err = s.putAside(name)
		}
	}
	if err != nil {
		err = fmt.Errorf("snapshot: %w", err)
	}
	return err
}

// putAside does with a damaged file what a start would do, so that it holds up no erasure.
func (s *snapshots) putAside(name string) error {
	if err := s.cfg.FS.Rename(name, name+".damaged"); err != nil {
		return err
	}
	s.change(func(files []snapshotFile) []snapshotFile {
		return slices.DeleteFunc(files, func(f snapshotFile) bool { return f.name == name })
	})
	return s.cfg.FS.SyncDir(s.cfg.Dir)
}

func (s *snapshots) eraseIn(name string, gone func(id [16]byte) bool) (err error) {
	o, err := openSnapshot(&s.cfg, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	holds, err := state.HoldsKey(o, o.size, gone)
	if err != nil || !holds {
		return damaged(err)
	}
	_, err = putSnapshotFile(&s.cfg, name, func(w io.Writer) error { return state.DestroyKeys(w, o, o.size, gone) })
	return damaged(err)
}
