package lithair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
)

// Queues are records: to push a job is part of the transaction that pushes it, and what its handler writes
// commits together with its end. The leader alone works on them, so nothing is leased among nodes; a
// leader that fails has done a job wholly or not at all.

// job is a job of any queue, in the state of the cluster.
type job struct {
	_ struct{} `lithair:"index=queue+dead+due"`

	ID       ID        `json:"id" lithair:"primary_key"`
	Queue    string    `json:"queue"`
	Dead     bool      `json:"dead"`
	Due      time.Time `json:"due"`
	Pushed   time.Time `json:"pushed"`
	Attempts int       `json:"attempts"`        // that failed, or were taken and not acknowledged
	Lease    int       `json:"lease,omitempty"` // another number whenever it is taken, or given back
	Error    string    `json:"error,omitempty"`
	Payload  []byte    `json:"payload"` // JSON

	// Of a consumer's event, the fields as they stand in the log: the names of files are looked for in records as they are, and
	// an event that fits into a transaction is to fit into one once more.
	Fields []byte `json:"event_fields,omitempty"`
}

// jobsName is the name of that model in the log.
const jobsName = "_jobs"

// jobIndex is its index by queue and time.
const jobIndex = "queue+dead+due"

// Limits of queues.
const (
	maxJobBytes   = 1 << 20 // of a job's JSON
	maxErrorBytes = 1 << 10 // of what is kept of an error
	jobBatch      = 64      // jobs in one transaction
)

// Errors of queues.
var (
	ErrJobTooLarge = errors.New("lithair: the job's JSON has more than 1 MiB")
	errMoved       = errors.New("lithair: another has done this meanwhile")
)

// QueueOptions say how a queue, or a consumer, deals with what fails. Zero values take the defaults.
type QueueOptions struct {
	MaxAttempts int           // after so many failures it is a dead letter; default 10
	Backoff     time.Duration // before the second attempt, then twice as long each time; default 1 s
	MaxBackoff  time.Duration // default 10 minutes
	Parallel    int           // of [Worker]: functions that run at once; default 4
}

func (o QueueOptions) withDefaults() QueueOptions {
	o.MaxAttempts = cmp.Or(o.MaxAttempts, 10)
	o.Backoff = cmp.Or(o.Backoff, time.Second)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, 10*time.Minute)
	o.Parallel = cmp.Or(o.Parallel, 4)
	return o
}

// pause is how long to wait after so many failures.
func (o *QueueOptions) pause(failures int) time.Duration {
	d := o.Backoff
	for ; failures > 1 && d < o.MaxBackoff; failures-- {
		d *= 2
	}
	return min(d, o.MaxBackoff)
}

// Job is a job of a queue, as its handler gets it.
type Job[T any] struct {
	ID       ID // the same however often it is tried: a key for effects outside
	Value    T
	Pushed   time.Time
	Due      time.Time // when it is, or was, tried next
	Attempts int       // that failed before
	Error    string    // of the last one
}

// QueueOf is a durable queue of jobs. It is safe for concurrent use.
type QueueOf[T any] struct {
	app  *App
	name string
	jobs systemRecords[job]
}

// Queue registers a queue whose jobs are done by fn, in a transaction that also ends the job: what fn writes is
// there once, whatever fails. An error or a panic of fn rolls back, and the job is tried again after a pause; after
// MaxAttempts it is a dead letter. Jobs are done in order of the time when they are due, several in one
// transaction where there are many; so fn may be called again for a job whose transaction was rolled
// back because of another. It must be short, as all transactions, and reach nothing outside: see [Worker].
//
// Names are of small letters, digits, - and _. Mistakes are reported by Start.
func Queue[T any](a *App, name string, o QueueOptions, fn func(tx *Tx, j Job[T]) error) *QueueOf[T] {
	q := newQueue[T](a, name)
	a.addWork(&queueWork{app: a, queue: name, opts: o.withDefaults(), run: func(tx *Tx, j *job) error {
		typed, err := decodeJob[T](j)
		if err != nil {
			return err
		}
		return fn(tx, typed)
	}})
	return q
}

// Worker registers a queue whose jobs are done by fn outside of any transaction, for what reaches out of the
// application, on the leader, Parallel of them at once. A job ends when fn has returned nil and that is committed; when the
// leader fails in between, the next one calls fn again: Job.ID tells the receiver that it is the same. fn ends with ctx, when
// the application stops or another node leads.
func Worker[T any](a *App, name string, o QueueOptions, fn func(ctx context.Context, j Job[T]) error) *QueueOf[T] {
	q := newQueue[T](a, name)
	a.addWork(&queueWork{app: a, queue: name, opts: o.withDefaults(), outside: func(ctx context.Context, j *job) error {
		typed, err := decodeJob[T](j)
		if err != nil {
			return err
		}
		return fn(ctx, typed)
	}})
	return q
}

// newQueue returns a queue, with the model of all of them registered.
func newQueue[T any](a *App, name string) *QueueOf[T] {
	if !hookName.MatchString(name) {
		a.note(fmt.Errorf("lithair: Queue: %q is no name: want small letters, digits, - and _", name))
	}
	a.queueFigures(name)
	return &QueueOf[T]{app: a, name: name, jobs: a.jobs()}
}

// queueFigures registers the figures of a queue.
func (a *App) queueFigures(name string) {
	for _, state := range []string{"waiting", "dead"} {
		a.metrics.GaugeFunc("lithair_queue_jobs", "Jobs that are not done, by queue and by whether they are dead letters.", func() (n float64) {
			if !a.ready.Load() {
				return 0
			}
			s := &Snapshot{root: a.engine.Root()}
			defer s.close()
			return float64(countJobs(a.jobTable, s, name, state == "dead"))
		}, [2]string{"queue", name}, [2]string{"state", state})
	}
}

// jobs returns the model of jobs, registered.
func (a *App) jobs() systemRecords[job] {
	if a.jobTable == nil {
		a.jobTable = systemModel[job](a, jobsName)
	}
	return a.jobTable
}

// systemRecords is what the framework needs of the collections of its own models. It is an interface because programs
// that import the package would else compile those collections once more: a generic type is, wherever one that is known
// there has it in a field or in the signature of a method.
type systemRecords[T any] interface {
	Get(r Reader, key any) (T, error)
	Insert(tx *Tx, v *T) error
	Put(tx *Tx, v *T) error
	Upsert(tx *Tx, v *T) error
	Delete(tx *Tx, key any) error
	Range(r Reader, s Span) iter.Seq2[T, error]
	Count(r Reader, s Span) (int, error)
}

// systemModel registers a model of the framework's own.
func systemModel[T any](a *App, name string) systemRecords[T] {
	c := &Collection[T]{base: collection{app: a}}
	m, err := model.Of(reflect.TypeFor[T]())
	if err == nil {
		m.Name = name
		c.base.table, err = a.engine.Register(m)
	}
	a.note(err)
	return c
}

func decodeJob[T any](j *job) (Job[T], error) {
	typed := Job[T]{ID: j.ID, Pushed: j.Pushed, Due: j.Due, Attempts: j.Attempts, Error: j.Error}
	if err := jsonx.Unmarshal(j.Payload, &typed.Value); err != nil {
		return typed, fmt.Errorf("lithair: a job's value: %w", err)
	}
	return typed, nil
}

// Push adds a job, which is done once the transaction is committed.
func (q *QueueOf[T]) Push(tx *Tx, v T) (ID, error) { return q.PushAt(tx, v, tx.Now()) }

// PushAfter adds a job that is done after a time, as the log's clock has it.
func (q *QueueOf[T]) PushAfter(tx *Tx, v T, d time.Duration) (ID, error) {
	return q.PushAt(tx, v, tx.Now().Add(d))
}

// PushAt adds a job that is done at a time, or at once where that has passed.
func (q *QueueOf[T]) PushAt(tx *Tx, v T, due time.Time) (ID, error) {
	b, err := jsonx.Marshal(v)
	if err != nil {
		return ID{}, err
	}
	return push(q.jobs, tx, q.name, b, due)
}

func push(jobs systemRecords[job], tx *Tx, queue string, payload []byte, due time.Time) (ID, error) {
	if len(payload) > maxJobBytes {
		return ID{}, ErrJobTooLarge
	}
	j := job{ID: tx.NewID(), Queue: queue, Due: due.UTC(), Pushed: tx.Now(), Payload: payload}
	return j.ID, jobs.Insert(tx, &j)
}

// Waiting returns how many jobs are not done, those that are not due included; dead ones are not counted.
func (q *QueueOf[T]) Waiting(r Reader) int { return countJobs(q.jobs, r, q.name, false) }

func countJobs(jobs systemRecords[job], r Reader, queue string, dead bool) int {
	n, err := jobs.Count(r, Span{Index: jobIndex, Equal: []any{queue, dead}})
	if err != nil {
		return 0 // before Start
	}
	return n
}

// Dead iterates over the dead letters, the oldest first.
func (q *QueueOf[T]) Dead(r Reader) iter.Seq2[Job[T], error] { return deadJobs[T](q.jobs, r, q.name) }

func deadJobs[T any](jobs systemRecords[job], r Reader, queue string) iter.Seq2[Job[T], error] {
	return func(yield func(Job[T], error) bool) {
		for j, err := range jobs.Range(r, Span{Index: jobIndex, Equal: []any{queue, true}}) {
			var typed Job[T]
			if err == nil {
				typed, err = decodeJob[T](&j)
			}
			if !yield(typed, err) {
				return
			}
		}
	}
}

// Retry has a dead letter tried again, as if it had never failed.
func (q *QueueOf[T]) Retry(tx *Tx, id ID) error { return retryJob(q.jobs, tx, q.name, id) }

func retryJob(jobs systemRecords[job], tx *Tx, queue string, id ID) error {
	j, err := jobs.Get(tx, id)
	if err != nil || j.Queue != queue || !j.Dead {
		return cmp.Or(err, error(ErrNotFound))
	}
	j.Dead, j.Attempts, j.Due = false, 0, tx.Now()
	return jobs.Put(tx, &j)
}

// Cancel removes a job, dead or not. [ErrNotFound] when it has been done.
func (q *QueueOf[T]) Cancel(tx *Tx, id ID) error {
	j, err := q.jobs.Get(tx, id)
	if err != nil || j.Queue != q.name {
		return cmp.Or(err, error(ErrNotFound))
	}
	return q.jobs.Delete(tx, id)
}

// queueWork does the jobs of one queue, on the node that leads.
type queueWork struct {
	app     *App
	queue   string
	opts    QueueOptions
	run     func(tx *Tx, j *job) error // or
	outside func(ctx context.Context, j *job) error
	busy    map[ID]bool // under way outside; of the work's goroutine
	ended   chan ID
}

func (w *queueWork) workName() string { return "queue " + w.queue }

// work does what is due until ctx ends, which it does when the node leads no more.
func (w *queueWork) work(ctx context.Context) error {
	w.busy, w.ended = map[ID]bool{}, make(chan ID, w.opts.Parallel)
	defer func() {
		for range w.busy {
			<-w.ended
		}
	}()
	for {
		changed := w.app.engine.Changed()
		due, next, err := w.due()
		if err != nil {
			return err
		}
		if len(due) > 0 {
			if err := w.do(ctx, due); err != nil {
				return err
			}
			continue
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(max(time.Until(next), time.Millisecond))
		}
		select {
		case <-changed:
		case <-timer:
		case id := <-w.ended:
			delete(w.busy, id)
		case <-ctx.Done():
			return nil
		}
	}
}

// due returns jobs whose time has come, or when that of the next one comes; zero: there is none.
func (w *queueWork) due() (list []job, next time.Time, err error) {
	room := jobBatch
	if w.outside != nil {
		room = w.opts.Parallel - len(w.busy)
	}
	err = w.app.View(func(s *Snapshot) error {
		now := time.Now()
		for j, err := range w.app.jobTable.Range(s, Span{Index: jobIndex, Equal: []any{w.queue, false}}) {
			switch {
			case err != nil:
				return err
			case w.busy[j.ID]:
				continue
			case len(list) >= room:
				return nil
			case j.Due.After(now):
				next = j.Due
				return nil
			}
			list = append(list, j)
		}
		return nil
	})
	return list, next, err
}

// do does jobs that are due.
func (w *queueWork) do(ctx context.Context, list []job) error {
	if w.outside == nil {
		return w.inside(ctx, list)
	}
	for i := range list {
		w.busy[list[i].ID] = true
		go func() {
			w.once(ctx, &list[i])
			w.ended <- list[i].ID
		}()
	}
	return nil
}

// errJob is what ends a transaction because one of its jobs failed.
type errJob struct {
	at  int
	err error
}

// Error implements error.
func (e *errJob) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *errJob) Unwrap() error { return e.err }

// inside does jobs in one transaction. Where one fails, those before it are done without it, and it is put off.
func (w *queueWork) inside(ctx context.Context, list []job) error {
	for len(list) > 0 {
		err := w.app.Update(ctx, func(tx *Tx) error { return w.batch(tx, list) })
		var failed *errJob
		switch {
		case err == nil:
			return nil
		case refusedWhole(err) && len(list) > 1:
			list = list[:len(list)/2] // until it is known whose it is
		case refusedWhole(err):
			return w.failed(ctx, &list[0], err)
		case !errors.As(err, &failed):
			return err
		case failed.at == 0:
			if err := w.failed(ctx, &list[0], failed.err); err != nil {
				return err
			}
			list = list[1:]
		default:
			list = list[:failed.at] // the rest is due still
		}
	}
	return nil
}

// refusedWhole says that a transaction was refused for what its functions wrote, but behind them: a
// reference that leads nowhere, or more than a transaction may hold.
func refusedWhole(err error) bool {
	if _, one := errors.AsType[*errJob](err); one {
		return false
	}
	_, conflict := errors.AsType[*ConflictError](err)
	_, large := errors.AsType[*engine.TooLargeError](err)
	return conflict || large
}

// batch does jobs within a transaction.
func (w *queueWork) batch(tx *Tx, list []job) error {
	for i := range list {
		j, err := w.app.jobTable.Get(tx, list[i].ID)
		if errors.Is(err, ErrNotFound) || err == nil && (j.Dead || j.Due.After(tx.Now())) {
			continue // done, or put off, by another leader
		}
		if err == nil {
			err = w.app.jobTable.Delete(tx, j.ID)
		}
		if err != nil {
			return err
		}
		if err := guarded(func() error { return w.run(tx, &j) }); err != nil {
			return &errJob{i, err}
		}
	}
	return nil
}

// guarded makes an error of a panic.
func guarded(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return fn()
}

// once does a job outside, and ends it.
func (w *queueWork) once(ctx context.Context, j *job) {
	err := guarded(func() error { return w.outside(ctx, j) })
	if ctx.Err() != nil && err != nil {
		return // it is called again, here or elsewhere
	}
	if err != nil {
		err = w.failed(ctx, j, err)
	} else {
		err = w.app.Update(ctx, func(tx *Tx) error {
			if err := w.app.jobTable.Delete(tx, j.ID); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			return nil
		})
	}
	if err != nil && ctx.Err() == nil {
		w.app.log.Warn("the end of a job could not be written; it is done again", "queue", w.queue, "job", j.ID.String(), "error", err)
	}
}

// failed notes that a job failed: it comes again after a pause, or is a dead letter.
func (w *queueWork) failed(ctx context.Context, j *job, cause error) error {
	w.app.log.Warn("a job failed", "queue", w.queue, "job", j.ID.String(), "attempt", j.Attempts+1, "error", cause)
	return w.app.Update(ctx, func(tx *Tx) error {
		now, err := w.app.jobTable.Get(tx, j.ID)
		if errors.Is(err, ErrNotFound) || err == nil && now.Attempts != j.Attempts {
			return nil // another leader has dealt with it
		}
		if err != nil {
			return err
		}
		now.fail(tx, &w.opts, cause)
		return w.app.jobTable.Put(tx, &now)
	})
}

// fail counts a failure of a job.
func (j *job) fail(tx *Tx, o *QueueOptions, cause error) {
	j.Attempts++
	j.Error = cut(cause.Error(), maxErrorBytes)
	j.Due = tx.Now().Add(o.pause(j.Attempts))
	j.Dead = j.Attempts >= o.MaxAttempts
}
