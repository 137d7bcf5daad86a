package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

// Offline reads what an engine left on disk, without the program it belongs to, and
// changes nothing. It keeps every other process out until Close. Its methods belong to
// one goroutine at a time.
type Offline struct {
	log   *eventlog.Log
	snaps *snapshots
}

// OpenOffline opens a log and a directory of snapshots for reading. A missing snapshot
// directory is one without snapshots. Records that are not committed by anything but being
// in the log count, as they do at a start. Of the configurations, Dir, FS and Keys are
// looked at.
//
// Errors: those of eventlog.OpenReadOnly.
func OpenOffline(cfg eventlog.Config, snaps SnapshotConfig) (*Offline, error) {
	if err := snaps.defaults(); err != nil {
		return nil, err
	}
	log, err := eventlog.OpenReadOnly(cfg)
	if err != nil {
		return nil, err
	}
	o := &Offline{log: log, snaps: newSnapshots(snaps, slog.Default())}
	if _, err := snaps.FS.List(snaps.Dir); errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err := o.snaps.list(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return o, nil
}

// Close lets others in.
func (o *Offline) Close() error { return o.log.Close() }

// Records calls fn with all records from a log index on. Payloads are valid during the
// call only.
func (o *Offline) Records(from uint64, fn func(r eventlog.Record) error) error {
	return o.log.Replay(from, fn)
}

// First returns the index of the oldest record.
func (o *Offline) First() uint64 { return o.log.First() }

// Oldest returns the oldest sequence that At can return.
func (o *Offline) Oldest() uint64 {
	if o.log.First() <= 1 {
		return 0
	}
	for _, f := range o.snaps.files {
		if f.index+1 >= o.log.First() {
			return f.seq
		}
	}
	return 0
}

// base returns the newest state at or before a sequence and a time that the log can be
// replayed from. Snapshots that are damaged are passed over.
func (o *Offline) base(seq uint64, when int64) (point, error) {
	for _, f := range slices.Backward(o.snaps.files) {
		if f.seq > seq || f.time > when || f.index+1 < o.log.First() {
			continue
		}
		root, at, _, err := readSnapshotFile(&o.snaps.cfg, f)
		if err == nil {
			err = o.joins(at.Position)
		}
		if err == nil {
			return point{root, at.Index}, nil
		}
		var damage *state.SnapshotError
		if !errors.As(err, &damage) {
			return point{}, err
		}
		o.snaps.log.Warn("a snapshot is damaged; an older one is tried, or the whole log", "snapshot", f.name, "error", err)
	}
	if o.log.First() > 1 {
		return point{}, &GoneError{Oldest: o.Oldest()}
	}
	return point{root: state.Empty()}, nil
}

// joins says whether the log continues a snapshot.
func (o *Offline) joins(at eventlog.Position) error {
	sum, err := o.log.ChainAt(at.Index)
	if err == nil && sum != at.Chain {
		err = fmt.Errorf("engine: the snapshot at log index %d is of another log", at.Index)
	}
	return err
}

// errEnough ends a replay that has come where it was to come.
var errEnough = errors.New("enough")

// At returns the state at a sequence, and the log index it stands at; the newest when seq
// is larger than that.
//
// Errors: *[GoneError], ctx's, those of the log and the snapshots.
func (o *Offline) At(ctx context.Context, seq uint64) (*state.Root, uint64, error) {
	return o.until(ctx, seq, math.MaxInt64)
}

// AtTime returns the state after the last entry at or before a time, as At does.
func (o *Offline) AtTime(ctx context.Context, when time.Time) (*state.Root, uint64, error) {
	return o.until(ctx, math.MaxUint64, when.UnixNano())
}

func (o *Offline) until(ctx context.Context, seq uint64, when int64) (*state.Root, uint64, error) {
	base, err := o.base(seq, when)
	if err != nil {
		return nil, 0, err
	}
	p := NewReplay(base.root, base.index)
	err = o.log.Replay(base.index+1, func(r eventlog.Record) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if r.Kind == KindBatch && (p.Seq() >= seq || r.Time > when) {
			return errEnough
		}
		return p.Apply(r, seq)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, 0, err
	}
	return p.Root(), p.Index(), nil
}

// Export is Engine.Export. The state at the end is made by replay and its hash computed
// anew, so that what is exported is known to be sound.
func (o *Offline) Export(ctx context.Context, fn func(x *Export) error) (err error) {
	x := &Export{}
	if x.Root, _, err = o.At(ctx, math.MaxUint64); err != nil {
		return err
	}
	if err := x.Root.VerifyHash(func() bool { return ctx.Err() == nil }); err != nil {
		return err
	}
	if last := o.log.Durable(); last >= o.log.First() {
		if x.End, err = o.log.Position(last); err != nil {
			return err
		}
	}
	if o.log.First() > 1 {
		file, err := o.oldest()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		x.Base, x.Snapshot, x.Size = file.at.Position, file, file.size
		if x.End.Index < x.Base.Index {
			x.End = x.Base
		}
	}
	x.records = func(fn func(r eventlog.Record) error) error {
		return o.log.Replay(x.Base.Index+1, func(r eventlog.Record) error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			return fn(r)
		})
	}
	return fn(x)
}

// oldest opens the oldest snapshot that the log continues.
func (o *Offline) oldest() (*openedSnapshot, error) {
	for _, f := range o.snaps.files {
		if f.index+1 >= o.log.First() {
			return openSnapshot(&o.snaps.cfg, f.name)
		}
	}
	return nil, fmt.Errorf("engine: the log begins at index %d, and no snapshot is left of what was before", o.log.First())
}
