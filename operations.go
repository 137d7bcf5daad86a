package lithair

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/observe"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// operations registers the endpoints for operating the application: on the public
// listener and on the operator's socket.
func (a *App) operations() error {
	a.health.Add("replayed", func() error {
		if !a.ready.Load() {
			return errors.New("the log is being replayed")
		}
		return nil
	})
	a.health.Add("leader", a.checkLeader)
	a.health.Add("disk", a.checkDisk)
	a.health.Add("memory", a.memory.room)
	a.health.Add("lag", a.checkLag)
	a.health.Add("draining", func() error {
		if a.draining.Load() {
			return errors.New("the application is stopping")
		}
		return nil
	})
	live := (&observe.Health{}).Handler()
	ready := a.health.Handler()
	metrics := a.metrics.Handler()
	observe.Runtime(a.metrics)
	var errs []error
	for _, route := range []struct {
		path    string
		h       wire.Handler
		private bool
	}{
		{"/health", live, false}, {"/livez", live, false}, {"/ready", ready, false}, {"/readyz", ready, false}, {"/status", a.info, false},
		{"/info", a.info, false}, {"/observe/metrics", metrics, true}, {"/metrics", metrics, true},
		{"/observe/perf/json", perfJSON, true}, {"/observe/perf/bytes", perfBytes, true},
	} {
		errs = append(errs, a.ops.Get(route.path, route.h))
		if route.private {
			route.h = a.private(route.h)
		}
		errs = append(errs, a.router.Get(route.path, route.h))
	}
	errs = append(errs, a.ops.Get("/backup", a.serveBackup), a.ops.Post("/erase", a.serveErase), a.ops.Get("/cluster", a.serveStatus), a.ops.Post("/cluster", a.serveChange), a.ops.Post("/cluster/token", a.serveToken), a.ops.Get("/cluster/agreement", a.serveAgreement), a.ops.Get("/connections", a.serveConnections), a.ops.Post("/connections/kick", a.serveKick), a.ops.Get("/log", a.serveLog))
	errs = append(errs, a.router.Post("/observe/perf/echo", a.private(perfEcho)))
	errs = append(errs, a.router.Post("/api/_tx", a.transaction))
	return errors.Join(errs...)
}

// transaction hands a request on to what mountTx made.
func (a *App) transaction(w *wire.Response, r *wire.Request) error {
	if h := a.tx.Load(); h != nil {
		return (*h)(w, r)
	}
	return &wire.Error{Status: 404, Detail: "there are no models"}
}

// checkLeader says whether writes are taken.
func (a *App) checkLeader() error {
	if err := a.engine.Err(); err != nil {
		return err
	}
	if c := a.cluster.Load(); c != nil {
		return a.checkCluster(c)
	}
	if !a.engine.Stats().Leading {
		return errors.New("this node takes no writes")
	}
	return nil
}

// lowDisk is how little room makes the application unready.
const lowDisk = 16 << 20

// checkDisk says whether the log takes writes, files can be made, and room is left, for the log's next segment too where that found none.
func (a *App) checkDisk() error {
	if !a.ready.Load() {
		return nil // the log is being opened
	}
	if err := a.events.Err(); err != nil {
		return err
	}
	if err := a.probe.write(a.cfg.FS, a.cfg.Dir); err != nil {
		return err
	}
	free, err := a.cfg.FS.Free(a.cfg.Dir)
	if err != nil {
		return err
	}
	if free >= 0 && free < lowDisk {
		return fmt.Errorf("only %d bytes are free", free)
	}
	if wanted, err := a.events.Refused(); err != nil && free < wanted {
		return fmt.Errorf("writes are refused until %d bytes are free: %w", wanted, err)
	}
	return nil
}

// probe tries now and then whether files can be made, which no other call would tell on
// a disk that went read-only while nobody wrote.
type probe struct {
	mu   sync.Mutex
	last time.Time
	err  error
}

// probeEvery bounds how often a probe touches the disk.
const probeEvery = 5 * time.Second

func (p *probe) write(files disk.FS, dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.last) >= probeEvery {
		p.last, p.err = now, touch(files, path.Join(dir, "probe.tmp"))
	}
	return p.err
}

// touch makes a file and removes it.
func touch(files disk.FS, name string) error {
	f, err := files.Open(name, disk.Create)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), files.Remove(name))
}

// maxLag is how many log entries the state may be behind the log while the application
// is ready.
const maxLag = 10_000

func (a *App) checkLag() error {
	if !a.ready.Load() {
		return nil // "replayed" says so
	}
	if last, applied := a.events.Last(), a.engine.Stats().Applied; last > applied+maxLag {
		return fmt.Errorf("the state is %d entries behind the log; the limit is %d", last-applied, maxLag)
	}
	return nil
}

// trusted says whether a request may see what is for operators: it comes over loopback
// from this machine and no proxy passed it on, or everybody may.
func (a *App) trusted(r *wire.Request) bool {
	if a.cfg.ObservePublic {
		return true
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.HasHeader(name) {
			return false
		}
	}
	addr := r.ClientAddr()
	return addr.IsLoopback() || addr == netip.Addr{}
}

// private hides an endpoint from other machines, as if it were not there.
func (a *App) private(h wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		if !a.trusted(r) {
			return &wire.Error{Status: 404, Detail: "nothing is here"}
		}
		return h(w, r)
	}
}

// info tells what runs here; details only to those who may see them.
func (a *App) info(w *wire.Response, r *wire.Request) error {
	info := map[string]any{"name": a.cfg.Name, "status": "healthy"}
	if !a.ready.Load() {
		info["status"] = "starting"
	} else if a.trusted(r) {
		stats := a.engine.Stats()
		root := a.engine.Root()
		models := map[string]int{}
		for _, t := range a.engine.Tables() {
			models[t.Name()] = root.Len(t.Number())
		}
		hash := root.Hash()
		info["node_id"], info["cluster_id"] = a.identity.NodeID, a.identity.ClusterID
		info["version"], info["go"] = buildVersion()
		info["data"], info["durability"], info["encrypted"] = a.cfg.Dir, durability, a.keys != nil
		info["uptime_seconds"] = int64(time.Since(a.started) / time.Second)
		info["seq"], info["state_hash"], info["leader"] = root.Seq(), fmt.Sprintf("%x", hash), stats.Leading
		info["records"], info["restored_records"], info["restored_in_seconds"] = models, a.restored.records, a.restored.took.Seconds()
		info["memory_budget"], info["memory_live"] = a.memory.budget, a.memory.live.Load()
		info["snapshot_seq"], info["retention"] = stats.SnapshotSeq, a.cfg.Retention
		info["config"] = a.cfg.origins()
		if c := a.cluster.Load(); c != nil {
			a.clusterInfo(c, info)
		}
	}
	b, err := jsonx.Marshal(info)
	if err != nil {
		return err
	}
	return w.Send(200, "application/json", append(b, '\n'))
}

// durability names what an acknowledgement means.
const durability = "fdatasync before every acknowledgement, group commit"

func buildVersion() (version, goVersion string) {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "unknown"
	}
	version = b.Main.Version
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			version = s.Value
		}
	}
	if version == "" {
		version = "(devel)"
	}
	return version, b.GoVersion
}

// registerStats registers the figures of the write path and of the models.
func (a *App) registerStats() {
	m, e := a.metrics, a.engine
	stat := func(fn func() float64) func() float64 { return fn }
	m.CounterFunc("lithair_transactions_committed_total", "Transactions committed since the start.", stat(func() float64 { return float64(e.Stats().Transactions) }))
	m.CounterFunc("lithair_transactions_refused_total", "Commands that ended with an error.", stat(func() float64 { return float64(e.Stats().Refused) }))
	m.CounterFunc("lithair_transactions_panics_total", "Commands that ended by a panic.", stat(func() float64 { return float64(e.Stats().Panics) }))
	m.CounterFunc("lithair_queue_full_total", "Commands turned away because the queue was full.", stat(func() float64 { return float64(e.Stats().Busy) }))
	m.GaugeFunc("lithair_queue_length", "Commands waiting or in flight.", stat(func() float64 { return float64(e.Stats().Queued) }))
	m.GaugeFunc("lithair_entries_inflight", "Log entries proposed and not yet committed.", stat(func() float64 { return float64(e.Stats().Inflight) }))
	m.GaugeFunc("lithair_raft_has_leader", "1 while a leader is known that takes writes.", stat(func() float64 {
		if a.checkLeader() == nil {
			return 1
		}
		return 0
	}))
	if c := a.cluster.Load(); c != nil {
		a.clusterStats(c)
	}
	m.GaugeFunc("lithair_sequence", "Sequence of the newest committed transaction.", stat(func() float64 { return float64(e.Root().Seq()) }))
	m.GaugeFunc("lithair_log_index", "Log index of the newest entry applied.", stat(func() float64 { return float64(e.Stats().Applied) }))
	m.GaugeFunc("lithair_log_size_bytes", "Bytes of all log segments, reserved ones included.", stat(func() float64 { return float64(a.events.Size()) }))
	m.GaugeFunc("lithair_restored_records", "Log records replayed at the start.", stat(func() float64 { return float64(a.restored.records) }))
	m.GaugeFunc("lithair_restored_sequence", "Sequence of the snapshot that the start read; 0 without one.", stat(func() float64 { return float64(a.restored.snapshot) }))
	m.GaugeFunc("lithair_snapshot_sequence", "Sequence of the newest snapshot; 0 without any.", stat(func() float64 { return float64(e.Stats().SnapshotSeq) }))
	m.CounterFunc("lithair_snapshot_errors_total", "Snapshots that could not be written.", stat(func() float64 { return float64(e.Stats().SnapshotErrors) }))
	m.GaugeFunc("lithair_restore_duration_seconds", "How long the start took to read the newest snapshot and replay the log behind it.", stat(func() float64 { return a.restored.took.Seconds() }))
	m.GaugeFunc("lithair_backup_last_success_timestamp_seconds", "When the last backup of this process was done; 0 when none was.", stat(func() float64 { return float64(a.backedUp.Load()) / 1e9 }))
	m.GaugeFunc("lithair_scrub_last_success_timestamp_seconds", "When the whole log was last read again and found whole; 0 when it was not.", stat(func() float64 { return float64(a.scrub.done.Load()) / 1e9 }))
	m.GaugeFunc("lithair_log_damaged", "1 when the last reading of the whole log found damage.", stat(func() float64 {
		if a.scrub.damaged.Load() {
			return 1
		}
		return 0
	}))
	m.GaugeFunc("lithair_memory_budget_bytes", "Memory budget; 0 without one.", stat(func() float64 { return float64(a.memory.budget) }))
	m.GaugeFunc("lithair_memory_live_bytes", "Bytes of live objects at the last garbage collection.", stat(func() float64 { return float64(a.memory.live.Load()) }))
	m.GaugeFunc("lithair_disk_free_bytes", "Bytes free where the data directory is; -1 when unknown.", stat(func() float64 {
		free, err := a.cfg.FS.Free(a.cfg.Dir)
		if err != nil {
			return -1
		}
		return float64(free)
	}))
	for _, t := range e.Tables() {
		label := [2]string{"model", t.Name()}
		m.GaugeFunc("lithair_state_entries", "Records by model.", func() float64 { return float64(e.Root().Len(t.Number())) }, label)
		m.GaugeFunc("lithair_state_bytes", "Bytes of keys and records by model, indexes left out.", func() float64 { return float64(e.Root().Bytes(t.Number())) }, label)
	}
	for _, r := range a.router.Routes() {
		method := r.Method
		if method == "" {
			method = "GET"
		}
		a.requests.With(method, r.Path, "200") // every series from the start
	}
}

// series is the histogram of a request.
func (a *App) series(r *wire.Request, status int) *observe.Histogram {
	key := seriesKey{r.Method(), r.Route(), status}
	if h, ok := a.durations.Load(key); ok {
		return h.(*observe.Histogram)
	}
	method, route := key.method, key.route
	if !knownMethod(method) {
		method = "_OTHER"
	}
	for i := range len(route) {
		if route[i] == '/' {
			route = route[i:]
			break
		}
	}
	h := a.requests.With(method, route, strconv.Itoa(status))
	if knownMethod(key.method) {
		a.durations.Store(key, h) // few: methods, routes and statuses are
	}
	return h
}

type seriesKey struct {
	method, route string
	status        int
}

func knownMethod(m string) bool {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// maxPerf bounds the answers of the perf endpoints.
const maxPerf = 16 << 20

func perfSize(r *wire.Request, name string) (int, error) {
	text := r.Query().Get(name)
	if text == "" {
		return 1024, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxPerf {
		return 0, &wire.Error{Status: 400, Code: rest.CodeQuery.Code, Detail: fmt.Sprintf("%s must be a whole number up to %d", name, maxPerf)}
	}
	return n, nil
}

// perfBytes answers n bytes, to measure a network.
func perfBytes(w *wire.Response, r *wire.Request) error {
	n, err := perfSize(r, "n")
	if err != nil {
		return err
	}
	return w.Send(200, "application/octet-stream", make([]byte, n))
}

// perfJSON answers about that many bytes of JSON.
func perfJSON(w *wire.Response, r *wire.Request) error {
	n, err := perfSize(r, "bytes")
	if err != nil {
		return err
	}
	b := append(make([]byte, 0, n+16), `{"data":"`...)
	for len(b) < n-2 {
		b = append(b, 'x')
	}
	return w.Send(200, "application/json", append(b, `"}`...))
}

// perfEcho sends a body back.
func perfEcho(w *wire.Response, r *wire.Request) error {
	b, err := r.BorrowBody(0)
	if err != nil {
		return err
	}
	return w.Send(200, "application/octet-stream", b)
}
