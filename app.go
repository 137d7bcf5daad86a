package lithair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/devpage"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/observe"
	"github.com/lithair/lithair-go/openapi"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// App is an application: models, commands and routes over one data directory.
type App struct {
	cfg    Config
	log    *slog.Logger
	router *wire.Router
	ops    *wire.Router // of the operator socket
	engine *engine.Engine
	guard  *guard
	routes []routeInfo          // described ones
	served []openapi.Collection // models with a path
	errs   []error              // mistakes made before Start

	live      *live.Server
	liveViews []live.Model
	readable  map[string]*rest.ReadRule // by model
	rooms     appRooms

	metrics  *observe.Registry
	health   *observe.Health
	requests observe.HistogramVec

	works      []work                   // of the leader
	jobTable   systemRecords[job]       // nil: there are no queues
	cursors    systemRecords[cursor]    // nil: there are no consumers
	migrations systemRecords[migration] // nil: there are none

	remoteQueues map[string]*remoteQueue // nil: there are none

	mu           sync.Mutex
	files        disk.FS
	events       *eventlog.Log
	segmentBytes int64 // of the log; 0: its default
	listener     net.Listener
	server       *wire.Server
	transport    transport
	cluster      atomic.Pointer[cluster] // nil: this node stands alone
	keys         eventlog.KeyProvider    // of data at rest; nil: it is not encrypted
	backedUp     atomic.Int64            // when the last backup was done, Unix ns
	blobs        atomic.Pointer[blob.Store]
	copying      sync.RWMutex // files beside the log are read by a backup, or removed
	takesBlobs   bool
	named        map[string]bool    // files that history names; guarded by copying
	namedFrom    uint64             // where the log began then
	starting     context.Context    // of Start, for what waits for other nodes
	background   context.CancelFunc // ends collectBlobs and scrubLog
	behind       sync.WaitGroup     // until they have ended
	working      []working          // among them, of the leader
	scrub        scrub
	repairs      repairs
	operator     *operator
	serving      chan error // what Serve returned
	started      time.Time
	restored     restored
	memory       memory
	identity     identity
	tx           atomic.Pointer[wire.Handler] // of /api/_tx, once all models are known
	durations    sync.Map                     // seriesKey -> *observe.Histogram
	opened       chan struct{}                // closed when requests are let in
	ready        atomic.Bool                  // the same
	probe        probe                        // of the disk
	draining     atomic.Bool
}

// restored is what a start found on disk.
type restored struct {
	snapshot uint64 // sequence of the snapshot; 0 without one
	records  uint64 // of the log, behind that
	took     time.Duration
}

// String tells it for the banner.
func (r restored) String() string {
	if r.snapshot == 0 {
		return fmt.Sprintf("%d log records restored", r.records)
	}
	return fmt.Sprintf("the snapshot at sequence %d and %d log records restored", r.snapshot, r.records)
}

// New returns an application that is not started. Nothing is opened yet.
func New(cfg Config) *App {
	cfg.defaults()
	a := &App{cfg: cfg, router: wire.NewRouter(), ops: wire.NewRouter(), guard: &guard{},
		metrics: observe.NewRegistry(), health: &observe.Health{}, opened: make(chan struct{})}
	a.router.Use(a.measure, wire.RequestID(), a.gate)
	e, err := engine.New(engine.Config{
		ExecutorConfig: engine.ExecutorConfig{Room: a.memory.room, CheckpointEvery: cfg.checkpointEvery},

		Open:      a.openOrder,
		Clock:     cfg.Clock,
		Positions: lazyPositions{a},
		Logger:    slog.New(lateHandler{a: a}),
	})
	a.note(err)
	a.engine = e
	a.requests = a.metrics.HistogramVec("http_server_request_duration_seconds", "Duration of HTTP requests by method, route and status.",
		observe.RequestBuckets, "http_request_method", "http_route", "http_response_status_code")
	a.note(a.operations())
	a.note(a.openLive())
	return a
}

// note keeps a mistake for Start. Behind Start it has nobody to tell but the log.
func (a *App) note(err error) {
	switch {
	case err == nil:
	case a.ready.Load():
		a.log.Error("registered too late, without effect", "error", err)
	default:
		a.errs = append(a.errs, err)
	}
}

// lazyPositions reads the data directory's place when it is needed: flags may change it.
type lazyPositions struct{ a *App }

func (l lazyPositions) at() positions {
	return positions{l.a.cfg.FS, l.a.cfg.Dir + "/positions"}
}

// Load implements engine.Positions.
func (l lazyPositions) Load(name string) (uint64, error) { return l.at().Load(name) }

// Save implements engine.Positions.
func (l lazyPositions) Save(name string, index uint64) error { return l.at().Save(name, index) }

// lateHandler hands log records to the logger that Start makes.
type lateHandler struct {
	a     *App
	attrs []slog.Attr
}

func (h lateHandler) handler() slog.Handler {
	if h.a.log != nil {
		return h.a.log.Handler()
	}
	return slog.Default().Handler()
}

// Enabled implements slog.Handler.
func (h lateHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.handler().Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h lateHandler) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(h.attrs...)
	return h.handler().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h lateHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = append(append([]slog.Attr(nil), h.attrs...), attrs...)
	return h
}

// WithGroup implements slog.Handler; the layers below use no groups.
func (h lateHandler) WithGroup(string) slog.Handler { return h }

// Use adds middleware around all routes, REST included, and around 404 and 405. The
// operations endpoints are outside of it.
func (a *App) Use(mw ...wire.Middleware) {
	for _, m := range mw {
		a.router.Use(func(next wire.Handler) wire.Handler {
			wrapped := m(next)
			return func(w *wire.Response, r *wire.Request) error {
				if isOperation(r.RawPath()) {
					return next(w, r)
				}
				return wrapped(w, r)
			}
		})
	}
}

// Handle registers a handler for a pattern such as "GET /hello/{name}"; see wire.Router.
func (a *App) Handle(pattern string, h wire.Handler) {
	a.note(a.router.Handle(pattern, a.guard.route(pattern, h)))
}

// Get registers a handler for GET, and HEAD.
func (a *App) Get(path string, h wire.Handler) { a.Handle("GET "+path, h) }

// Post registers a handler for POST.
func (a *App) Post(path string, h wire.Handler) { a.Handle("POST "+path, h) }

// Put registers a handler for PUT.
func (a *App) Put(path string, h wire.Handler) { a.Handle("PUT "+path, h) }

// Patch registers a handler for PATCH.
func (a *App) Patch(path string, h wire.Handler) { a.Handle("PATCH "+path, h) }

// Delete registers a handler for DELETE.
func (a *App) Delete(path string, h wire.Handler) { a.Handle("DELETE "+path, h) }

// Routes lists all routes in order of registration.
func (a *App) Routes() []wire.Route { return a.router.Routes() }

// Before adds a hook to a model, by its name: it runs inside every transaction that
// changes a record, before the change is checked, and may alter or refuse it.
func (a *App) Before(modelName string, fn func(tx *Tx, c *Change) error) {
	for _, t := range a.engine.Tables() {
		if t.Name() == modelName {
			a.engine.Before(t, func(tx *engine.Tx, c *engine.Change) error { return fn(&Tx{tx: tx}, c) })
			return
		}
	}
	a.note(fmt.Errorf("lithair: Before: no model %s is registered (yet)", modelName))
}

var hookName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// Committed adds a function that is called behind the commit with every entry in order,
// at least once, on each node; its position is kept in the data directory under name.
// See engine.Committed.
func (a *App) Committed(name string, fn func(ctx context.Context, e Entry) error) {
	if !hookName.MatchString(name) {
		a.note(fmt.Errorf("lithair: Committed: %q is no name: want small letters, digits, - and _", name))
		return
	}
	a.note(a.engine.Committed(name, fn))
}

// Update runs fn as one transaction: alone, on the newest state, all or nothing. It
// returns when everything fn read and wrote is durable; an error or a panic of fn leaves
// no trace. fn must be short: nobody else writes meanwhile. With the context of a request
// the transaction carries that request's principal, id and trace id.
//
// On a node that follows it is refused: functions do not travel. Requests that write go to
// the leader by themselves.
//
// Errors: those of fn; *[NotLeaderError]; see engine.Do for the rest.
func (a *App) Update(ctx context.Context, fn func(tx *Tx) error) error {
	_, err := a.engine.Do(ctx, onBehalf(ctx, engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
		return engine.Answer{}, fn(&Tx{tx: tx})
	}}))
	return a.pointed(err)
}

// View gives fn an immutable snapshot of everything. It never waits: on a node that follows
// it may be older than what was acknowledged elsewhere, see Barrier. The snapshot must not
// be used after fn has returned.
func (a *App) View(fn func(s *Snapshot) error) error {
	s := &Snapshot{root: a.engine.Root()}
	defer s.close()
	return fn(s)
}

// Barrier waits until View on this node shows everything that was acknowledged anywhere
// before the call. A node that stands alone, or leads and is asked for engine.Weak, need not
// wait. While nobody leads, the call waits for that, as long as ctx lasts.
func (a *App) Barrier(ctx context.Context, level engine.Level) error {
	_, err := a.engine.Barrier(ctx, level)
	return err
}

// ViewAt is View on the state as it was when the transaction with that index (its
// Lithair-Index) was the newest. What is not recent is replayed from the nearest snapshot.
//
// Errors: those of fn; engine.ErrFuture; *engine.GoneError when the log before is gone.
func (a *App) ViewAt(ctx context.Context, index uint64, fn func(s *Snapshot) error) error {
	root, err := a.engine.At(ctx, index)
	if err != nil {
		return err
	}
	s := &Snapshot{root: root}
	defer s.close()
	return fn(s)
}

// Snapshot writes the state down now, beside everything else, so that a start reads that
// and replays only what came after. The application does so by itself as its log grows.
func (a *App) Snapshot(ctx context.Context) error { return a.engine.Snapshot(ctx) }

// Metrics returns the registry, for metrics of the application's own.
func (a *App) Metrics() *observe.Registry { return a.metrics }

// Health returns the checks behind /ready, for checks of the application's own.
func (a *App) Health() *observe.Health { return a.health }

// logDir is where the log lives.
func (a *App) logDir() string { return a.cfg.Dir + "/log" }

// snapshotDir is where the state is written down.
func (a *App) snapshotDir() string { return a.cfg.Dir + "/snapshots" }

// logConfig says where the log lives and how.
func (a *App) logConfig() eventlog.Config {
	return eventlog.Config{Dir: a.logDir(), FS: a.cfg.FS, SegmentBytes: a.segmentBytes, Keys: a.keys, Compress: a.cfg.LogCompress, Logger: a.log}
}

// openOrder opens the log and has one node order it, alone or with others; called by engine.Start.
func (a *App) openOrder(sink engine.Sink) (engine.Order, error) {
	cc, err := a.cfg.clusterConfig()
	switch {
	case err != nil:
		return nil, err
	case cc != nil:
		return a.openMember(cc, sink)
	}
	log, err := eventlog.Open(a.logConfig())
	if err != nil {
		return nil, err
	}
	if err := a.checkReached(log.Last()); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	n, err := node.Start(node.Config{Log: log, Sink: sink, Clock: a.cfg.Clock, Formats: a.cfg.formats()})
	if err != nil {
		return nil, errors.Join(a.cfg.heldTooLate(err), log.Close()) // not a node that is nil and an order that is not
	}
	a.events = log
	return n, nil
}

// Start opens the data directory, replays it and serves. It returns when requests are
// answered, or with what is wrong. Until then operations endpoints are answered already,
// and other requests wait. Flags and environment are left alone; see Run.
func (a *App) Start(ctx context.Context) (err error) {
	if a.log == nil {
		a.log = a.cfg.logger(os.Stderr)
	}
	if err := errors.Join(append(a.errs, a.cfg.settle())...); err != nil {
		return &startError{err: err, kind: startConfig}
	}
	if err := errors.Join(a.mountTx(), a.mountDocs(), a.checkReview()); err != nil {
		return &startError{err: err, kind: startConfig}
	}
	t, err := a.openTransport()
	if err != nil {
		return &startError{err: err, kind: startConfig}
	}
	a.transport = t
	if err := a.openKeys(); err != nil {
		return &startError{err: err, kind: startConfig}
	}
	a.started = time.Now()
	inherited, l, err := a.listen()
	if err != nil {
		return &startError{err: err, kind: startListen, addr: a.cfg.Addr}
	}
	defer func() { err = errors.Join(err, inherited.Close()) }()
	if err := a.serve(l); err != nil {
		return errors.Join(err, l.Close())
	}
	a.starting = ctx
	if err := a.openData(ctx); err != nil {
		return errors.Join(err, a.stopServing((*wire.Server).Close))
	}
	op, err := a.startOperator()
	if err != nil {
		return errors.Join(err, a.live.Shutdown(context.WithoutCancel(ctx), 0), a.stopServing((*wire.Server).Close), a.engine.Close(context.WithoutCancel(ctx)))
	}
	a.mu.Lock()
	a.operator = op
	a.mu.Unlock()
	background, cancel := context.WithCancel(context.Background())
	a.background = cancel
	a.behind.Go(func() { a.collectBlobs(background) })
	a.startWork(background)
	if err := a.startRooms(); err != nil {
		return errors.Join(err, a.Shutdown(context.WithoutCancel(ctx)))
	}
	if c := a.cluster.Load(); c != nil {
		a.behind.Go(func() { a.sound(background, c) })
		if a.holdsBlobs() {
			a.behind.Go(func() { a.keepBlobs(background, c) })
		}
	}
	if a.cfg.ScrubInterval > 0 {
		a.behind.Go(func() { a.scrubLog(background) })
	}
	a.ready.Store(true)
	close(a.opened)
	if err := inherited.Ready(); err != nil {
		a.log.Warn("whoever started this process does not hear that it serves", "error", err)
	}
	return nil
}

// listen returns the listener called http that this process was started with, by systemd or
// by who hands over to it, or one of its own.
func (a *App) listen() (*wire.Inherited, net.Listener, error) {
	in, err := wire.Inherit()
	if err != nil {
		return nil, nil, err
	}
	if l := in.Listener("http"); l != nil {
		return in, l, nil
	}
	if a.cfg.Listener != nil {
		return in, a.cfg.Listener, nil
	}
	l, err := net.Listen("tcp", a.cfg.Addr)
	if err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	return in, l, nil
}

// openData makes the state ready.
func (a *App) openData(ctx context.Context) error {
	dir := a.cfg.Dir
	if err := a.cfg.FS.MkdirAll(dir); err != nil {
		return &startError{err: err, kind: startData, dir: dir, name: a.cfg.Name}
	}
	a.memory.start(a.cfg.MaxMemory)
	if err := a.openState(ctx, dir); err != nil {
		a.memory.close()
		return err
	}
	return nil
}

// openState reads snapshot and log, and begins to order writes.
func (a *App) openState(ctx context.Context, dir string) error {
	before := time.Now()
	if err := backup.Finish(a.cfg.FS, dir); err != nil {
		return &startError{err: err, kind: startData, dir: dir, name: a.cfg.Name}
	}
	replaced, err := backup.Replaced(a.cfg.FS, dir)
	if err != nil {
		return &startError{err: err, kind: startData, dir: dir, name: a.cfg.Name}
	}
	for _, folder := range replaced {
		a.log.Warn("a folder holds what a restore replaced: nothing is erased in it, and it takes room; remove it when it is not needed", "folder", folder)
	}
	snaps, err := parseRetention(a.cfg.Retention)
	if err != nil {
		return &startError{err: err, kind: startConfig}
	}
	snaps.Dir, snaps.FS, snaps.Keys, snaps.Archive = a.snapshotDir(), a.cfg.FS, a.keys, a.cfg.Archive
	if err := a.engine.KeepSnapshots(snaps); err != nil {
		return &startError{err: err, kind: startData, dir: dir, name: a.cfg.Name}
	}
	if err := a.openBlobs(); err != nil {
		return &startError{err: err, kind: startData, dir: dir, name: a.cfg.Name}
	}
	if a.cfg.Cluster != "" {
		a.engine.InCluster()
	}
	if err := a.engine.Start(ctx); err != nil {
		var known *startError
		if errors.As(err, &known) {
			return known // the address for other nodes
		}
		return &startError{err: err, kind: startData, dir: dir, name: a.cfg.Name, member: a.cfg.Cluster != ""}
	}
	id, err := loadIdentity(a.cfg.FS, dir, time.Now())
	if err != nil {
		return &startError{err: errors.Join(err, a.engine.Close(context.WithoutCancel(ctx))), kind: startData, dir: dir}
	}
	a.identity = id
	a.restored = restored{a.engine.Stats().RestoredSeq, a.engine.Stats().Replayed, time.Since(before)}
	a.registerStats()
	a.live.Start()
	a.saveReached()
	return nil
}

// mountTx makes the handler of /api/_tx, for the models that are served, when all are registered.
// Without any there is none.
func (a *App) mountTx() error {
	tables := slices.DeleteFunc(a.engine.Tables(), func(t *engine.Table) bool {
		return !slices.ContainsFunc(a.served, func(c openapi.Collection) bool { return c.Model.Name == t.Name() })
	})
	if len(tables) == 0 {
		return nil
	}
	r := wire.NewRouter()
	if err := rest.MountTx(r, a.engine, tables, "/api/_tx", a.restOptions(), func(t *engine.Table) *rest.ReadRule { return a.readable[t.Name()] }); err != nil {
		return err
	}
	h := r.Handler()
	a.tx.Store(&h)
	return nil
}

// serve begins to answer requests.
func (a *App) serve(l net.Listener) error {
	handler := a.router.Handler()
	if a.cfg.wrong != "" {
		handler = devpage.Wrap(a.cfg.wrong, handler)
	}
	s, err := wire.NewServer(wire.Config{
		Handler: handler, Logger: a.log, MaxBodyBytes: a.cfg.MaxBodyBytes, ErrorBody: rest.ErrorBody,
		Proxies: a.transport.proxies,
	})
	if err != nil {
		return err
	}
	serving := make(chan error, 1)
	a.mu.Lock()
	a.listener, a.server, a.serving = l, s, serving
	a.mu.Unlock()
	go func() { serving <- a.transport.serve(s, l) }()
	return nil
}

// stopServing stops the server in the given way, once.
func (a *App) stopServing(stop func(*wire.Server) error) error {
	a.mu.Lock()
	server, serving := a.server, a.serving
	a.server = nil
	a.mu.Unlock()
	if server == nil {
		return nil
	}
	err := stop(server)
	if e := <-serving; !errors.Is(e, wire.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// Addr returns the address that is listened on, such as "127.0.0.1:8080"; "" before
// Start. It is known before the state is restored: see Started.
func (a *App) Addr() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listener == nil {
		return ""
	}
	return a.listener.Addr().String()
}

// Started returns a channel that is closed when the state is restored and requests are
// answered. Where the start fails it never is.
func (a *App) Started() <-chan struct{} { return a.opened }

// Shutdown takes no more requests, finishes those in flight and closes the data
// directory. When ctx ends first, what is left is cut off, and its error returned;
// acknowledged writes are durable in any case.
func (a *App) Shutdown(ctx context.Context) error {
	a.draining.Store(true)
	if c := a.cluster.Load(); c != nil {
		c.stepDown(ctx, a.log)
	}
	err := errors.Join(a.live.Shutdown(ctx, a.liveSpread()), a.closeRooms())
	err = errors.Join(err, a.stopServing(func(s *wire.Server) error { return s.Shutdown(ctx) }))
	a.mu.Lock()
	op := a.operator
	a.operator = nil
	a.mu.Unlock()
	if op != nil {
		err = errors.Join(err, op.close(ctx))
	}
	a.memory.close()
	if c := a.cluster.Load(); c != nil {
		c.fetches.end()
	}
	if a.background != nil {
		err = errors.Join(err, a.endBackground(ctx))
	}
	if e := a.engine.Close(ctx); e != nil || !a.ready.Load() {
		return errors.Join(err, e)
	}
	a.saveReached()
	return err
}

// measure counts requests and their durations.
func (a *App) measure(next wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		start := time.Now()
		err := next(w, r)
		a.series(r, wire.StatusOf(w, err)).Observe(time.Since(start).Seconds())
		return err
	}
}

// ID is a 128-bit time-ordered identifier, see model.ID.
type ID = model.ID

// ParseID reads the text of an id.
func ParseID(s string) (ID, error) { return model.ParseID(s) }
