package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

type town struct {
	Name   string `json:"name" lithair:"primary_key"`
	People int64  `json:"people" lithair:"indexed"`
	Note   string `json:"note"`
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// app is an engine on a data directory.
type app struct {
	t     testing.TB
	keys  eventlog.KeyProvider
	e     *engine.Engine
	towns *engine.Table
	clock atomic.Int64 // Unix seconds
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// start opens a data directory; a second of the clock passes with each transaction.
func start(t testing.TB, files disk.FS, dir string, cfg engine.SnapshotConfig) *app {
	t.Helper()
	a, err := tryStart(t, files, dir, cfg)
	must(t, err)
	return a
}

func tryStart(t testing.TB, files disk.FS, dir string, cfg engine.SnapshotConfig) (*app, error) {
	t.Helper()
	return tryStartAt(t, files, dir, cfg, 1_000_000)
}

// tryStartAt starts with the clock at a Unix time.
func tryStartAt(t testing.TB, files disk.FS, dir string, cfg engine.SnapshotConfig, clockAt int64) (*app, error) {
	t.Helper()
	must(t, backup.Finish(files, dir))
	a := &app{t: t, keys: cfg.Keys}
	a.clock.Store(clockAt)
	clock := func() time.Time { return time.Unix(a.clock.Load(), 0) }
	var err error
	a.e, err = engine.New(engine.Config{Logger: quiet, Clock: clock, Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: path.Join(dir, "log"), FS: files, SegmentBytes: 16 << 10, Keys: cfg.Keys, Logger: quiet})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: l, Sink: sink, Clock: clock})
	}})
	must(t, err)
	m, err := model.Of(reflect.TypeFor[town]())
	must(t, err)
	a.towns, err = a.e.Register(m)
	must(t, err)
	cfg.Dir, cfg.FS = path.Join(dir, "snapshots"), files
	must(t, a.e.KeepSnapshots(cfg))
	return a, a.e.Start(context.Background())
}

// put writes a town, new or changed, and returns the sequence.
func (a *app) put(i int) uint64 {
	a.t.Helper()
	a.clock.Add(1)
	res, err := a.e.Do(context.Background(), engine.Command{Name: "put", Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, a.write(tx, i)
	}})
	must(a.t, err)
	return res.Seq
}

func (a *app) write(tx *engine.Tx, i int) error {
	return tx.Upsert(a.towns, &town{Name: fmt.Sprintf("town-%03d", i%50), People: int64(i), Note: fmt.Sprintf("%0100d", i)})
}

func (a *app) close() {
	a.t.Helper()
	must(a.t, a.e.Close(context.Background()))
}

// hot takes a backup of a running engine.
func (a *app) hot() []byte {
	a.t.Helper()
	var b bytes.Buffer
	must(a.t, a.e.Export(context.Background(), func(x *engine.Export) error {
		src := backup.Of(x, backup.Info{Name: "towns"})
		src.Keys = a.keys
		_, err := backup.Write(&b, src)
		return err
	}))
	return b.Bytes()
}

func offline(files disk.FS, dir string) (*engine.Offline, error) {
	return engine.OpenOffline(eventlog.Config{Dir: path.Join(dir, "log"), FS: files}, engine.SnapshotConfig{Dir: path.Join(dir, "snapshots"), FS: files})
}

// root returns the state of a stopped directory at a sequence.
func root(t *testing.T, files disk.FS, dir string, seq uint64) *state.Root {
	t.Helper()
	o, err := offline(files, dir)
	must(t, err)
	r, _, err := o.At(context.Background(), seq)
	must(t, err)
	must(t, o.Close())
	must(t, r.VerifyHash(func() bool { return true }))
	return r
}

const newest = math.MaxUint64
