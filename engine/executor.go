package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// ExecutorConfig holds the executor's limits. Zero fields take the defaults.
type ExecutorConfig struct {
	MaxTxBytes      int64         // events of one transaction; default 16 MiB
	MaxBatch        int           // commands in one entry; default 1024
	MaxBatchBytes   int           // an entry is closed when its transactions pass this; default 1 MiB
	MaxInflight     int           // entries proposed and not yet committed; default 4
	CheckpointEvery int           // records of the log between two hashes that nodes compare; default 1024
	MaxCascade      int           // records that one delete may delete or change besides its own; default 10,000
	Entropy         func() uint64 // chance; required
	Room            func() error  // says why no record may be added or grow now, as ErrNoRoom; may be nil
	Secrets         io.Reader     // chance that nobody can guess, for keys; required when a model has sealed fields
	Running         func(*Call)   // told before each function runs; may be nil
}

func (c *ExecutorConfig) defaults() error {
	if c.MaxTxBytes == 0 {
		c.MaxTxBytes = 16 << 20
	}
	if c.MaxBatch == 0 {
		c.MaxBatch = 1024
	}
	if c.MaxBatchBytes == 0 {
		c.MaxBatchBytes = 1 << 20
	}
	if c.MaxInflight == 0 {
		c.MaxInflight = 4
	}
	if c.MaxCascade == 0 {
		c.MaxCascade = 10_000
	}
	if c.CheckpointEvery == 0 {
		c.CheckpointEvery = 1024
	}
	if c.CheckpointEvery < 0 || c.MaxCascade < 0 || c.MaxTxBytes < 0 || c.MaxBatch < 0 || c.MaxBatchBytes < 0 || c.MaxInflight < 0 {
		return errors.New("engine: ExecutorConfig: a limit is negative")
	}
	if c.Entropy == nil {
		return errors.New("engine: ExecutorConfig.Entropy is nil")
	}
	return nil
}

// Proposal is an entry to be ordered.
type Proposal struct {
	Epoch   uint64
	Time    int64 // Unix ns, later than that of every entry before
	Payload []byte
	Keys    [][]byte // payloads of entries of KindKey, with the same time, that come before it
}

// flight is an entry that was proposed and is not committed yet.
type flight struct {
	first uint64
	round uint64      // of the Execute that made it
	root  *state.Root // what the state will be

	keys   []madeKey  // that come before it
	erased [][16]byte // ids of keys that it destroys
}

// Executor is the core of the write path. Its owner steps it: it hands in commands
// (Submit), what the order says (Committed, Leading, Lost) and the time (Execute), and
// takes out proposals, finished calls and the newest committed root. It is not safe for
// concurrent use.
type Executor struct {
	cfg             ExecutorConfig
	tables          []*Table
	stored          *Table // answers kept for idempotency keys
	versions, audit *Table // what lifecycles keep
	subjects        *Table // whose keys fields are sealed under
	keys            *keyring
	erased          [][16]byte // ids of keys that committed entries destroyed, until taken
	ids             *model.Generator

	committed *state.Root // what readers see
	head      *state.Root // committed plus everything in flight
	applied   uint64      // log index of the newest record seen
	schemaSeq uint64      // sequence of the newest schema declaration in head
	kept      int64       // bytes of answers kept, about

	checkpoints []Checkpoint // until taken

	retired map[*Table]*retired
	stuck   []*RetentionError // until taken
	ticked  bool              // something may be due

	leading  bool
	epoch    uint64
	declared bool // schemas are declared in this epoch
	resumes  bool // not leading, but the next epoch begins at once
	lost     error

	queue    callList
	inflight []flight
	waiting  []*Call // by wait, ascending
	finished []*Call

	round     uint64 // of the newest Execute
	confirmed uint64 // rounds up to here: this node led when they were run
	doubtful  uint64 // the newest that has an answer which needs to know that
	asked     uint64 // the newest that Unconfirmed has given out

	replay     *following // until EndReplay
	proposed   flight     // of the last Execute, until Proposed
	beforeHead int        // len(waiting) when that Execute began
	scratch    []byte
	work       work   // of the transaction that runs
	record     []byte // that is being written, used again
	txs        []byte // of one entry at a time, used again
	failure    error  // the log holds something this code cannot apply
}

// NewExecutor returns an executor over an empty state.
func NewExecutor(cfg ExecutorConfig, tables []*Table) (*Executor, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	own, err := newStoredTable()
	if err != nil {
		return nil, err
	}
	ex := &Executor{cfg: cfg, stored: own, ids: &model.Generator{}, committed: state.Empty()}
	ex.tables = append(append(ex.tables, tables...), own)
	if err := ex.addTrails(); err != nil {
		return nil, err
	}
	if err := ex.addSubjects(); err != nil {
		return nil, err
	}
	return ex, ex.addLocal()
}

// Submit queues a call. Without leadership it ends at once, unless that is about to come back:
// who was told that a write found no room, and comes again, is not told that nobody leads.
func (ex *Executor) Submit(c *Call) {
	if !ex.leading && !ex.resumes {
		ex.refuse(c, ex.notLeader())
		return
	}
	ex.queue.add(c)
}

func (ex *Executor) notLeader() error {
	if ex.lost != nil {
		return fmt.Errorf("%w: %w", ErrNotLeader, ex.lost)
	}
	return ErrNotLeader
}

// Leads says whether commands are taken.
func (ex *Executor) Leads() bool { return ex.leading }

// Queued returns how many calls wait to be run.
func (ex *Executor) Queued() int { return len(ex.queue.calls) }

// Inflight returns how many entries are proposed and not committed.
func (ex *Executor) Inflight() int { return len(ex.inflight) }

// Outstanding returns how many calls wait for a commit.
func (ex *Executor) Outstanding() int { return len(ex.waiting) }

// abandon ends the calls that wait for a commit nobody will report any more.
func (ex *Executor) abandon(cause error) {
	for _, c := range ex.waiting {
		ex.end(c, &LostError{Unknown: c.wrote, Cause: cause})
	}
	ex.waiting = nil
}

// Applied returns the log index of the newest record handed in.
func (ex *Executor) Applied() uint64 { return ex.applied }

// Root returns the newest committed state.
func (ex *Executor) Root() *state.Root { return ex.committed }

// Failure returns why the log could not be applied, if that happened. The executor
// then takes nothing more.
func (ex *Executor) Failure() error { return ex.failure }

// TakeFinished returns the calls that ended since the last time.
func (ex *Executor) TakeFinished() []*Call {
	done := ex.finished
	ex.finished = nil
	return done
}

// Ready says whether Execute would do something.
func (ex *Executor) Ready() bool {
	return ex.leading && ex.failure == nil && len(ex.inflight) < ex.cfg.MaxInflight && (ex.Queued() > 0 || !ex.declared || ex.ticked)
}

// Execute runs the next batch of commands at the given time, in Unix nanoseconds. When
// it returns a proposal, the owner hands it to the order and says how that went by
// Proposed, before anything else.
func (ex *Executor) Execute(clock int64) (p Proposal, ok bool) {
	if !ex.Ready() {
		return p, false
	}
	b := &batchRun{ex: ex, batch: ex.head.Begin(), now: max(ex.head.Time()+1, clock), seq: ex.head.Seq(), txs: ex.txs[:0]}
	ex.beforeHead = len(ex.waiting)
	ex.round++
	retire := ex.ticked || ex.Queued() > 0
	ex.ticked = false
	ex.systemWork(b)
	if retire && ex.failure == nil { // not for a declaration alone: that follows every failure, at once
		ex.retire(b)
	}
	if ex.failure != nil {
		return p, false // what was tried must not come into the log
	}
	n := 0
	for n < ex.Queued() && n < ex.cfg.MaxBatch && len(b.txs) < ex.cfg.MaxBatchBytes {
		b.run(ex.queue.calls[n])
		n++
	}
	ex.queue.drop(n)
	if b.count == 0 {
		if b.local {
			ex.adopt(b.batch.Seal(b.seq, ex.head.Time()))
		}
		ex.release()
		return p, false
	}
	for _, c := range ex.waiting[ex.beforeHead:] {
		if c.local {
			c.wait = b.seq // what it changed becomes visible with the entry
		}
	}
	if ex.txs = b.txs; cap(b.txs) > 4*keptBuffer {
		ex.txs = nil
	}
	first := ex.head.Seq() + 1
	ex.proposed = flight{first: first, round: ex.round, root: b.batch.Seal(b.seq, b.now), keys: b.keys, erased: b.erased}
	p = Proposal{Epoch: ex.epoch, Time: b.now, Payload: encodeEntry(first, b.count, b.txs)}
	for i := range b.keys {
		p.Keys = append(p.Keys, b.keys[i].payload)
	}
	return p, true
}

// Proposed tells how handing over the last proposal went.
func (ex *Executor) Proposed(err error) {
	if err == nil {
		ex.inflight = append(ex.inflight, ex.proposed)
		ex.head = ex.proposed.root
	} else {
		ex.keys.drop(ex.proposed.keys)
		waiting := ex.waiting[:ex.beforeHead]
		for _, c := range ex.waiting[ex.beforeHead:] {
			if c.wait > ex.head.Seq() {
				ex.end(c, &LostError{Cause: err})
			} else { // it changed nothing, but may have read what is in flight
				waiting = append(waiting, c)
			}
		}
		clear(ex.waiting[len(waiting):])
		ex.waiting = waiting
		ex.measure()
	}
	ex.proposed = flight{}
	ex.release()
}

// systemWork runs what the engine itself has to do in front of a batch.
func (ex *Executor) systemWork(b *batchRun) {
	if !ex.declared {
		c := &Call{ctx: context.Background(), system: true, cmd: Command{Name: "schema", Actor: System,
			Run: func(tx *Tx) (Answer, error) { return Answer{}, tx.declare() }}}
		b.run(c)
		ex.declared = true
		if c.Err != nil {
			ex.fail(c.Err)
			return
		}
		if err := bindTables(ex.tables, b.batch); err != nil {
			ex.fail(err)
			return
		}
	}
	if ex.expiryDue(b.now) {
		c := &Call{ctx: context.Background(), system: true, cmd: Command{Name: "expire", Actor: System,
			Run: func(tx *Tx) (Answer, error) { return Answer{}, tx.expire() }}}
		b.run(c)
		if c.Err != nil {
			ex.fail(c.Err)
		}
	}
}

// fail stops the executor: everything queued ends with the reason.
func (ex *Executor) fail(err error) {
	ex.failure = err
	ex.leading, ex.resumes, ex.lost = false, false, err
	for _, c := range ex.queue.take() {
		ex.refuse(c, ex.notLeader())
	}
}

// Committed applies records that are final. Own entries are in the head already; those
// of others are applied to the committed state.
func (ex *Executor) Committed(records []eventlog.Record) {
	for len(records) > 0 && len(ex.inflight) > 0 && ex.failure == nil {
		r := records[0]
		if r.Kind == KindKey {
			if err := ex.takeKey(&r); err != nil {
				ex.fail(err)
			}
		}
		if r.Kind == KindBatch {
			f := ex.inflight[0]
			if h, err := decodeEntryHead(r.Payload); err != nil || h.first != f.first {
				panic(fmt.Sprintf("engine: entry %d committed while leading is not the one in flight (sequence %d, want %d, %v)", r.Index, h.first, f.first, err))
			}
			ex.commit(f.root)
			ex.keys.drop(f.keys)
			ex.erased = append(ex.erased, f.erased...)
			ex.inflight = ex.inflight[1:]
			ex.confirmed = max(ex.confirmed, f.round) // nobody else has led, or it would not be in the log
		}
		ex.applied = r.Index
		ex.checkpointed(&r)
		records = records[1:]
	}
	if len(records) > 0 && ex.failure == nil {
		if err := ex.apply(records); err != nil {
			ex.fail(err)
		}
	}
	ex.release()
}

// commit makes a root the committed one.
func (ex *Executor) commit(root *state.Root) {
	ex.committed = root
	ex.keys.root.Store(root)
}

// takeKey applies an entry of a key that is committed while this node leads. What is in
// flight has it already; without that, should this node be deposed, it is needed by an
// entry that another leader commits.
func (ex *Executor) takeKey(r *eventlog.Record) error {
	b := ex.committed.Begin()
	if err := applyKey(b, ex.committed.Seq(), r); err != nil {
		return err
	}
	ex.commit(b.Seal(ex.committed.Seq(), ex.committed.Time()))
	return nil
}

// TakeErased returns the ids of the keys that were destroyed since the last time, for whoever
// takes them out of log and snapshots. Some may come again.
func (ex *Executor) TakeErased() [][16]byte {
	ids := ex.erased
	ex.erased = nil
	return ids
}

// Restore sets the state that a snapshot brought, with the log index it holds, in place
// of an empty one. It comes before anything else.
func (ex *Executor) Restore(root *state.Root, index uint64) {
	root = root.KeepLocal(ex.committed)
	ex.commit(root)
	ex.head, ex.applied = root, index
	rebindTables(ex.tables, root)
}

// Leading begins a stint of leadership. All earlier entries must have been handed in.
func (ex *Executor) Leading(epoch uint64) {
	if ex.failure != nil {
		return
	}
	ex.leading, ex.resumes, ex.epoch, ex.lost = true, false, epoch, nil
	ex.head = ex.committed
	ex.measure()
}

// measure computes from the head what is otherwise carried along. Schemas are declared
// again, which does nothing where they are.
func (ex *Executor) measure() {
	ex.declared, ex.retired = false, nil
	ex.schemaSeq = 0
	for _, row := range ex.head.Scan(state.SchemaModel, state.Range{}) {
		ex.schemaSeq = max(ex.schemaSeq, row.Seq())
	}
	ex.measureKept()
}

// Settled says that this node leads and that all its models are declared and committed.
func (ex *Executor) Settled() bool {
	return ex.leading && ex.declared && ex.schemaSeq <= ex.committed.Seq()
}

// Lost ends a stint. The head falls back to the committed state; calls whose answer
// depends on something uncommitted end with a *[LostError].
func (ex *Executor) Lost(epoch uint64, known bool, cause error) {
	if epoch != ex.epoch || !ex.leading {
		return
	}
	ex.leading, ex.lost = false, cause
	ex.resumes = known && errors.Is(cause, eventlog.ErrFull)
	for i := range ex.inflight {
		ex.keys.drop(ex.inflight[i].keys)
	}
	ex.head, ex.inflight = ex.committed, nil
	for _, c := range ex.waiting {
		// one that wrote nothing has nothing in doubt but what it read
		ex.end(c, &LostError{Unknown: !known && c.wrote, Cause: cause})
	}
	ex.waiting = nil
	for _, c := range ex.queue.take() {
		ex.refuse(c, &LostError{Cause: cause})
	}
}

// Unconfirmed says whether answers wait for word that this node led in a round. What a
// transaction that changed nothing has read, a refusal too, is the newest state only if no other
// node leads by then, which only a quorum can tell: an entry of the same round that
// is committed, or a barrier. The owner asks the order for a linearizable one, and reports
// by Confirmed. Each round is given out once.
func (ex *Executor) Unconfirmed() (round uint64, ok bool) {
	if !ex.leading || ex.doubtful <= max(ex.confirmed, ex.asked) {
		return 0, false
	}
	if n := len(ex.inflight); n > 0 && ex.inflight[n-1].round >= ex.doubtful {
		return 0, false // its commit will tell
	}
	ex.asked = ex.doubtful
	return ex.asked, true
}

// Confirmed reports what came of a barrier that was asked for behind a round. One that
// failed is asked for again.
func (ex *Executor) Confirmed(round uint64, err error) {
	if err != nil {
		ex.asked = ex.confirmed
		return
	}
	ex.confirmed = max(ex.confirmed, round)
	ex.release()
}

// release finishes the calls whose answers depend on nothing uncommitted any more.
func (ex *Executor) release() {
	n := 0
	for n < len(ex.waiting) && ex.waiting[n].wait <= ex.committed.Seq() && ex.waiting[n].round <= ex.confirmed {
		ex.end(ex.waiting[n], ex.waiting[n].Err)
		n++
	}
	if n == 0 {
		return
	}
	clear(ex.waiting[:n])
	if ex.waiting = ex.waiting[n:]; len(ex.waiting) == 0 {
		ex.waiting = nil
	}
}

// refuse ends a call that did not run, unless it was withdrawn: whoever did that has given its place back.
func (ex *Executor) refuse(c *Call, err error) {
	if c.taken.CompareAndSwap(false, true) {
		ex.end(c, err)
	}
}

func (ex *Executor) end(c *Call, err error) {
	if c.Err = err; err != nil {
		c.Result = Result{Seq: c.Result.Seq}
	}
	if !c.system {
		ex.finished = append(ex.finished, c)
	}
}

func (ex *Executor) tableByNumber(number uint32) *Table {
	for _, t := range ex.tables {
		if t.Number() == number && t.Schema() != nil {
			return t
		}
	}
	return nil
}

// keyText renders a key for an error message.
func (ex *Executor) keyText(number uint32, key string) string {
	if t := ex.tableByNumber(number); t != nil {
		return t.Codec().KeyText(key)
	}
	return fmt.Sprintf("%x", key)
}
