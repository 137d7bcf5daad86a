package engine

import (
	"context"
	secrets "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Config says how an engine works. Open is required; zero values elsewhere take the
// defaults.
type Config struct {
	ExecutorConfig

	// Open makes the order with the engine as its sink. It replays what is durable
	// before it returns.
	Open func(sink Sink) (Order, error)

	MaxQueue int              // commands waiting; more end with ErrBusy. Default 10,000
	Gather   int              // commands that begin an entry while another is in flight, see pace.go. Default 256; 1: no waiting
	SlowTx   time.Duration    // a function running longer is logged with its stack; default 1 s
	Clock    func() time.Time // default time.Now
	Logger   *slog.Logger     // default slog.Default()
	Manual   bool             // no goroutine, no timer: the owner calls Step, see manual.go

	// Positions keeps how far each Committed hook has come. Required only when there
	// are such hooks.
	Positions Positions
}

// Engine runs the write path and publishes the state. All methods are safe for
// concurrent use; Register, Before and Committed come before Start.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	tables []*Table
	hooks  []*hook
	store  *state.Store
	order  Order
	watch  *watchdog
	calls  callPool

	mu       sync.Mutex
	work     sync.Cond // inbox or events is not empty, or closing
	inbox    callList
	wakeAt   int // calls in the inbox that wake the loop
	queued   int // calls in the inbox or the executor's queue
	events   []event
	waiters  []*waiter
	barriers map[uint64]*barrier
	tickets  uint64 // from a number drawn at the start: none comes again, over restarts neither
	started  bool
	renames  bool // AllowRenames was called
	closing  bool
	member   bool // of a cluster where others may lead
	closed   bool // Close was called: it closes the order, once
	failure  error

	pace       pace      // the loop's own
	lostAt     time.Time // of the last lost epoch that was logged; the loop's own
	lostSilent int       // lost since, and not logged

	due     alarm         // the loop's own
	ex      *Executor     // owned by the loop once that runs
	settled chan struct{} // closed when the first leadership is settled
	idle    chan struct{} // closed when the loop has ended
	changed atomic.Pointer[chan struct{}]
	behind  atomic.Int64          // reads that wait for a log index
	point   atomic.Pointer[point] // the published root and where it stands in the log
	stats   counters
	past    past

	erasing  [][16]byte    // ids of keys that are to be taken off the disk; guarded by mu
	eraseAsk chan struct{} // something was added to erasing

	held      snapshotPlace // what a snapshot brought
	restored  *state.Root   // by it, until it is verified
	snaps     *snapshots    // owned by keepSnapshots once that runs
	snapsAsk  chan func()
	snapsStop context.CancelFunc
	snapsDone chan struct{} // closed when keepSnapshots has ended
}

// event is what the order said, on its way to the loop.
type event struct {
	records []eventlog.Record
	epoch   uint64
	leading bool
	lost    bool
	known   bool
	cause   error
	fatal   error  // the engine is to stop
	tick    bool   // something may be due
	round   uint64 // a barrier was answered, see Executor.Confirmed
	install *point // a snapshot of another node
}

// New returns an engine that is not started.
func New(cfg Config) (*Engine, error) {
	if cfg.Open == nil {
		return nil, errors.New("engine: Config.Open is nil")
	}
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = 10_000
	}
	if cfg.Gather == 0 {
		cfg.Gather = 256
	}
	if cfg.SlowTx == 0 {
		cfg.SlowTx = time.Second
	}
	if cfg.MaxQueue < 0 || cfg.Gather < 0 || cfg.SlowTx < 0 {
		return nil, errors.New("engine: Config: MaxQueue, Gather and SlowTx cannot be negative")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Entropy == nil {
		cfg.Entropy = rand.Uint64
	}
	if cfg.Secrets == nil {
		cfg.Secrets = secrets.Reader
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	e := &Engine{cfg: cfg, log: cfg.Logger, store: state.NewStore(state.Empty()),
		barriers: map[uint64]*barrier{}, tickets: cfg.Entropy() >> 1, settled: make(chan struct{}), idle: make(chan struct{}),
		snapsAsk: make(chan func()), snapsDone: make(chan struct{}), eraseAsk: make(chan struct{}, 1), past: past{turn: make(chan struct{}, pastReaders)}}
	e.work.L = &e.mu
	e.watch = newWatchdog(e.log, cfg.SlowTx, e.suspect)
	if !cfg.Manual {
		e.cfg.Running = e.watch.running
	}
	ch := make(chan struct{})
	e.changed.Store(&ch)
	return e, nil
}

// Register adds a model. Its schema is declared in the log when this node leads.
func (e *Engine) Register(m *model.Model) (*Table, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started {
		return nil, errors.New("engine: Register after Start")
	}
	for _, t := range e.tables {
		if t.model.Name == m.Name {
			return nil, fmt.Errorf("engine: model %s is registered twice (%s and %s)", m.Name, t.model.Type, m.Type)
		}
	}
	t := &Table{model: m}
	e.tables = append(e.tables, t)
	return t, nil
}

// Tables returns the registered tables in order of registration.
func (e *Engine) Tables() []*Table { return append([]*Table(nil), e.tables...) }

// Before adds a hook that runs inside every transaction that changes a record of that
// table, before the change is checked. It may change the record or refuse it.
func (e *Engine) Before(t *Table, fn func(tx *Tx, c *Change) error) {
	t.before = append(t.before, fn)
}

// Start replays the log, takes up work and returns once this node leads and its models
// are declared, or with why that cannot be. A member of a cluster need not lead.
func (e *Engine) Start(ctx context.Context) error {
	ex, err := NewExecutor(e.cfg.ExecutorConfig, e.tables)
	if err != nil {
		return err
	}
	e.mu.Lock()
	if e.started {
		e.mu.Unlock()
		return errors.New("engine: started twice")
	}
	e.started, e.ex = true, ex
	e.mu.Unlock()
	if err = e.restore(); err == nil {
		e.order, err = e.cfg.Open(sink{e})
	}
	ex.EndReplay()
	if err == nil && e.snaps != nil {
		if err = e.snaps.tidy(); err == nil && e.member {
			err = e.snaps.forgetOld(e.order.First())
		}
		if err != nil {
			err = errors.Join(fmt.Errorf("engine: snapshots: %w", err), e.order.Close())
		}
	}
	if err == nil && e.order != nil {
		if err = checkReviewed(e.tables, ex.Root()); err == nil {
			err = e.CheckGone(ex.Root(), e.tellGone)
		}
		if _, renamed := errors.AsType[*model.RenameError](err); renamed && e.renames {
			e.log.Warn("a field may have a new name, whose values nobody sees any more: accepted in development, refused elsewhere", "error", err)
			err = nil
		}
		if err != nil {
			err = errors.Join(err, e.order.Close())
		}
	}
	if err != nil {
		close(e.idle)
		return err
	}
	e.stats.applied.Store(ex.Applied()) // before anything comes: in a cluster that rests nothing will
	e.setPoint(ex.Root())
	if e.cfg.Manual {
		return e.startManual()
	}
	go e.loop()
	e.startSnapshots()
	if err := e.startHooks(); err != nil {
		return errors.Join(err, e.Close(context.WithoutCancel(ctx)))
	}
	if e.member {
		return nil
	}
	select {
	case <-e.settled:
		return nil
	case <-e.idle:
		return errors.Join(e.Err(), e.Close(context.WithoutCancel(ctx)))
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), e.Close(context.WithoutCancel(ctx)))
	}
}

// Err returns why the engine stopped taking writes for good; nil while it works.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

// InCluster says that other nodes may lead: Start returns once the log is replayed, whoever
// leads, and reads ask the leader, see Barrier. It comes before Start.
func (e *Engine) InCluster() { e.member = true }

// Declared waits, in a cluster, until the first leader has declared its models, and that
// is known here. Elsewhere Start has seen to it.
func (e *Engine) Declared(ctx context.Context) error {
	if !e.member {
		return nil
	}
	_, err := e.Wait(ctx, 1)
	return err
}

// Root returns the newest committed state: an immutable snapshot, without waiting.
func (e *Engine) Root() *state.Root { return e.store.Load() }

// Do runs a command and returns when everything its answer depends on is committed.
//
// Errors: those of the function; *[PanicError]; [ErrBusy], [ErrNotLeader], [ErrClosed],
// [ErrNested] (it did not run); *[LostError] (see there); and ctx's error: alone when
// the command was not proposed, with [ErrOutcomeUnknown] when it was.
func (e *Engine) Do(ctx context.Context, cmd Command) (Result, error) {
	c := e.calls.get(ctx, cmd)
	if err := e.enqueue(c); err != nil {
		e.calls.put(c)
		return Result{}, err
	}
	for {
		select {
		case <-c.news:
			if c.over.Load() {
				res, err := c.Result, c.Err
				e.calls.put(c)
				return res, err
			}
			if e.watch.inside() && c.Withdraw() {
				e.unqueue()
				return Result{}, ErrNested
			}
		case <-ctx.Done():
			if c.Withdraw() {
				e.unqueue()
				return Result{}, context.Cause(ctx)
			}
			if c.over.Load() {
				return c.Result, c.Err
			}
			return Result{}, errors.Join(ErrOutcomeUnknown, context.Cause(ctx))
		}
	}
}

// suspect has those who wait look whether it is they who block the function that runs: their
// calls came while it did, so they are in the inbox.
func (e *Engine) suspect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.inbox.calls {
		select {
		case c.news <- struct{}{}:
		default: // there are news already
		}
	}
}

func (e *Engine) enqueue(c *Call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.failure != nil:
		return fmt.Errorf("%w: %w", ErrNotLeader, e.failure)
	case e.closing || !e.started:
		return ErrClosed
	case e.queued >= e.cfg.MaxQueue:
		e.stats.busy.Add(1)
		return ErrBusy
	}
	e.queued++
	e.inbox.add(c)
	if len(e.inbox.calls) == e.wakeAt {
		e.work.Signal()
	}
	return nil
}

// unqueue gives back the place of a call that was withdrawn.
func (e *Engine) unqueue() {
	e.mu.Lock()
	e.queued--
	e.mu.Unlock()
}

// Close takes no more commands, finishes those it has, stops the hooks and closes the
// order. When ctx ends first, commands still open end with *[LostError].
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	if !e.started {
		e.closing = true
		e.mu.Unlock()
		return nil
	}
	already := e.closed
	e.closing, e.closed = true, true
	e.work.Signal()
	e.mu.Unlock()
	if e.cfg.Manual && !already {
		e.endManual()
	}
	var err error
	select {
	case <-e.idle:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if already {
		return err
	}
	err = errors.Join(err, e.stopHooks(ctx))
	err = errors.Join(err, e.stopSnapshots())
	if e.order != nil {
		err = errors.Join(err, e.order.Close())
	}
	return err
}

// sink is the engine's face to the order.
type sink struct{ e *Engine }

// Holds implements [Sink].
func (s sink) Holds() eventlog.Position { return s.e.held.Position }

// Replay implements [Sink].
func (s sink) Replay(records []eventlog.Record) error {
	s.e.ex.Replay(records)
	s.e.stats.replayed.Add(uint64(len(records)))
	s.e.stats.gather(records)
	return s.e.ex.Failure()
}

// Committed implements [Sink].
func (s sink) Committed(records []eventlog.Record) { s.e.tell(event{records: records}) }

// Applied implements [Sink].
func (s sink) Applied() uint64 { return s.e.stats.applied.Load() }

// Leading implements [Sink].
func (s sink) Leading(epoch uint64) { s.e.tell(event{leading: true, epoch: epoch}) }

// Lost implements [Sink].
func (s sink) Lost(epoch uint64, known bool, cause error) {
	s.e.tell(event{lost: true, epoch: epoch, known: known, cause: cause})
}

// Barrier implements [Sink].
func (s sink) Barrier(ticket, index uint64, err error) { s.e.barrierDone(ticket, index, err) }

func (e *Engine) tell(ev event) {
	e.mu.Lock()
	e.events = append(e.events, ev)
	e.work.Signal()
	e.mu.Unlock()
}

// loop is the goroutine that owns the executor.
func (e *Engine) loop() {
	e.watch.enter()
	defer e.due.stop()
	returned := false
	defer func() {
		if !returned { // a transaction function ended the goroutine, by runtime.Goexit
			e.stop(errors.New("engine: a transaction function ended its goroutine (runtime.Goexit, as t.FailNow does)"))
		}
		close(e.idle)
	}()
	for goesOn := true; goesOn; {
		e.await()
		goesOn = e.pass()
		e.due.set(e)
	}
	returned = true
}

// await waits for something to do.
func (e *Engine) await() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.hasWork() {
		e.wakeAt = e.least()
		e.work.Wait()
	}
}

// hasWork says whether a pass would do something. e.mu is held.
func (e *Engine) hasWork() bool {
	return len(e.inbox.calls) >= e.least() || len(e.events) > 0 || e.ex.Ready() || e.drained()
}

// pass is one round of the loop: what has come in, commands, what is new for readers. It
// returns false when the engine has stopped.
func (e *Engine) pass() (goesOn bool) {
	e.mu.Lock()
	calls, events, closing := e.inbox.take(), e.events, e.closing
	e.events = nil
	e.mu.Unlock()
	for _, ev := range events {
		e.handle(ev)
	}
	for _, c := range calls {
		e.ex.Submit(c)
	}
	// those who are answered now may be part of the next entry, if they come again
	if n := len(e.ex.finished); n > 1 && !closing && !e.cfg.Manual && e.cfg.Gather > 1 {
		e.publish()
		e.gather(n)
		for _, c := range e.takeInbox() {
			e.ex.Submit(c)
		}
	}
	e.execute()
	e.confirm()
	e.publish()
	e.reportCheckpoints()
	if err := e.ex.Failure(); err != nil {
		e.stop(err)
		return false
	}
	if closing && e.ex.Queued() == 0 && e.ex.Outstanding() == 0 {
		e.stop(nil)
		return false
	}
	return true
}

// takeInbox returns the calls that have come.
func (e *Engine) takeInbox() []*Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.inbox.take()
}

// drained says that the engine is closing and nothing is left to wait for.
func (e *Engine) drained() bool {
	return e.closing && e.ex.Queued() == 0 && e.ex.Outstanding() == 0
}

func (e *Engine) handle(ev event) {
	switch {
	case ev.fatal != nil:
		e.ex.fail(ev.fatal)
	case ev.round > 0:
		e.ex.Confirmed(ev.round, ev.cause)
	case ev.tick:
		e.due.ring(e.ex.head.Seq())
		e.ex.Tick()
	case ev.leading:
		e.ex.Leading(ev.epoch)
	case ev.install != nil:
		e.install(ev.install)
	case ev.lost:
		e.reportLost(ev)
		e.ex.Lost(ev.epoch, ev.known, ev.cause)
		e.pace.sent = e.pace.sent[:e.ex.Inflight()]
		if errors.Is(ev.cause, eventlog.ErrPoisoned) && !e.isSettled() {
			e.ex.fail(ev.cause) // nobody would ever lead: Start is not to wait for it
		}
	default:
		e.ex.Committed(ev.records)
		e.pace.left(e.ex.Inflight())
		e.stats.gather(ev.records)
	}
}

// lostEvery bounds how often lost epochs are logged: on a full disk there is one for every
// write, and the log of the program may be on the same disk.
const lostEvery = 10 * time.Second

func (e *Engine) reportLost(ev event) {
	if now := e.cfg.Clock(); now.Sub(e.lostAt) >= lostEvery {
		e.log.Warn("writes interrupted", "epoch", ev.epoch, "cause", ev.cause, "interrupted_since_last_report", e.lostSilent)
		e.lostAt, e.lostSilent = now, 0
		return
	}
	e.lostSilent++
}

func (e *Engine) execute() {
	if !e.ex.Ready() {
		return
	}
	if !e.cfg.Manual {
		e.watch.arm()
	}
	p, ok := e.ex.Execute(e.cfg.Clock().UnixNano())
	if !e.cfg.Manual {
		e.watch.disarm()
	}
	if !ok {
		return
	}
	err := e.propose(&p)
	if e.ex.Proposed(err); err == nil {
		e.pace.proposed()
	}
}

// propose hands an entry over, behind those of the keys that it needs.
func (e *Engine) propose(p *Proposal) error {
	for _, k := range p.Keys {
		if _, err := e.order.Propose(p.Epoch, KindKey, p.Time, k); err != nil {
			return err
		}
	}
	_, err := e.order.Propose(p.Epoch, KindBatch, p.Time, p.Payload)
	return err
}

// confirm asks whether this node still leads, where answers wait for that.
func (e *Engine) confirm() {
	round, ok := e.ex.Unconfirmed()
	if !ok {
		return
	}
	b := &barrier{round: round, done: make(chan struct{})}
	e.mu.Lock()
	e.tickets++
	b.ticket = e.tickets
	e.barriers[b.ticket] = b
	e.mu.Unlock()
	e.order.Barrier(uint8(Linearizable), b.ticket)
}

// isSettled says that this node has led before, with its models declared.
func (e *Engine) isSettled() bool {
	select {
	case <-e.settled:
		return true
	default:
		return false
	}
}

// setPoint publishes a root, notes where it stands, and holds it for reads of the past.
func (e *Engine) setPoint(root *state.Root) {
	p := point{root, e.ex.Applied()}
	e.show(p)
	e.past.hold(p, e.stats.logged, e.cfg.Room != nil && e.cfg.Room() != nil)
}

// publish makes the newest committed root visible, then lets answers go.
func (e *Engine) publish() {
	root := e.ex.Root()
	old, applied := e.store.Load(), e.ex.Applied()
	if root != old {
		if root.Seq() == old.Seq() { // local records, or keys, alone have changed
			e.show(point{root, applied})
		} else {
			e.stats.transactions.Add(root.Seq() - old.Seq())
			e.stats.entries.Add(1)
			e.setPoint(root)
		}
	}
	e.stats.leading.Store(e.ex.Leads())
	e.stats.inflight.Store(int64(e.ex.Inflight()))
	if before := e.stats.applied.Swap(applied); root != old || before != applied && e.behind.Load() > 0 {
		ch := make(chan struct{})
		close(*e.changed.Swap(&ch))
	}
	if e.ex.Settled() && !e.isSettled() {
		close(e.settled)
	}
	done := e.ex.TakeFinished()
	e.mu.Lock()
	e.queued -= len(done)
	e.wakeWaiters(root)
	e.mu.Unlock()
	for _, c := range done {
		e.count(c)
		c.finish()
	}
}

// stop ends everything still open; err is nil after a clean drain.
func (e *Engine) stop(err error) {
	e.mu.Lock()
	e.closing = true
	if err != nil {
		e.failure = err
	}
	rest := e.inbox.take()
	for _, w := range e.waiters {
		close(w.done)
	}
	e.waiters = nil
	for _, b := range e.barriers {
		b.finish(0, ErrClosed)
	}
	clear(e.barriers)
	e.mu.Unlock()
	if err != nil {
		e.ex.fail(err)
		e.ex.abandon(err)
	}
	for _, c := range e.ex.TakeFinished() {
		c.finish()
	}
	for _, c := range rest {
		c.Err = errors.Join(ErrClosed, err)
		c.finish()
	}
}
