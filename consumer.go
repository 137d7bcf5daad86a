package lithair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/state"
)

// cursor is where a consumer stands, in the state of the cluster.
type cursor struct {
	Name string `json:"name" lithair:"primary_key"`
	Seq  uint64 `json:"seq"` // all before the event N of the transaction Seq has been dealt with
	N    int    `json:"n"`

	// Of that event, where the consumer is ordered and it failed:
	Attempts int       `json:"attempts"`
	Due      time.Time `json:"due"`
	Error    string    `json:"error,omitempty"`
}

// cursorsName is the name of that model in the log.
const cursorsName = "_consumers"

// Bounds of a consumer's steps.
const (
	consumerReadBytes = 1 << 20
	consumerSkips     = 4096 // sequences without an event for it, before that is written down
)

// ConsumerOptions say what a consumer gets, and how it deals with what fails.
type ConsumerOptions struct {
	QueueOptions
	Kinds []EventKind // default: all

	// Ordered has nothing handled before an event that failed: the consumer waits until it succeeds, or is a
	// dead letter. By default such an event is put aside and tried again while others go on; one that fills a transaction, less
	// some hundred bytes, is waited for, and as a dead letter it cannot be tried again.
	Ordered bool
	// FromNow begins a consumer of a new name with what is committed from then on; by default it begins with the oldest
	// event in the log.
	FromNow bool
	// SkipGone goes on where retention has taken events away that the consumer had not seen. By default it stops,
	// and says so in the log of the program.
	SkipGone bool
}

// ConsumerOf is a durable consumer of events. It is safe for concurrent use.
type ConsumerOf[T any] struct{ c consumer }

type consumer struct {
	app  *App
	name string
}

// Consumer registers a durable consumer of the events of T: on the leader, in order, fn is called for each in a
// transaction that also moves the consumer on. So what fn writes is there exactly once per event, whatever fails; fn itself
// may be called again where its transaction was rolled back. Many events share a transaction where many wait. An error or a panic
// of fn is a failure: the event is tried again after a pause, and after MaxAttempts it is a dead letter.
//
// fn must be short, as all transactions, and reach nothing outside: it may push a job for a [Worker]. What it writes must not
// be events that it consumes, or it never ends.
//
// [As] reads custom events, of those that were put aside too.
//
// Names are of small letters, digits, - and _. Mistakes are reported by Start.
func (c *Collection[T]) Consumer(name string, o ConsumerOptions, fn func(tx *Tx, e Event[T]) error) *ConsumerOf[T] {
	return &ConsumerOf[T]{c.base.consume(name, o, func(tx *Tx, x rawEvent) error {
		e, err := c.event(x)
		if err != nil {
			return err
		}
		return fn(tx, e)
	})}
}

func (c *collection) consume(name string, o ConsumerOptions, fn func(tx *Tx, x rawEvent) error) consumer {
	a := c.app
	if !hookName.MatchString(name) {
		a.note(fmt.Errorf("lithair: Consumer: %q is no name: want small letters, digits, - and _", name))
	}
	if a.cursors == nil {
		a.cursors = systemModel[cursor](a, cursorsName)
	}
	a.jobs() // where what failed is put aside
	o.QueueOptions = o.QueueOptions.withDefaults()
	handle := func(tx *Tx, x *storedEvent) error {
		return fn(tx, rawEvent{x.Time, &engine.Transaction{Seq: x.Seq, Actor: x.Actor, RequestID: x.RequestID, TraceID: x.TraceID, Command: x.Command},
			&state.Event{Model: c.table.Number(), Kind: x.Kind, Key: string(x.Key), Fields: x.Fields, Cleared: x.Cleared, Custom: x.custom()}})
	}
	a.addWork(&consumerWork{app: a, name: name, opts: o, handle: handle, model: func() uint32 { return c.table.Number() }})
	a.addWork(&queueWork{app: a, queue: asideOf(name), opts: o.QueueOptions, run: func(tx *Tx, j *job) error {
		var x storedEvent
		if err := jsonx.Unmarshal(j.Payload, &x); err != nil {
			return err
		}
		if x.Large {
			return fmt.Errorf("lithair: the event %d of the transaction %d is too large to be kept beside the log", x.N, x.Seq)
		}
		if x.Fields == nil {
			x.Fields = j.Fields
		}
		return handle(tx, &x)
	}})
	a.queueFigures(asideOf(name))
	made := consumer{app: a, name: name}
	a.metrics.GaugeFunc("lithair_consumer_position", "Sequence up to which a consumer has dealt with everything, at least.", func() float64 {
		if !a.ready.Load() {
			return 0
		}
		s := &Snapshot{root: a.engine.Root()}
		defer s.close()
		return float64(made.position(s))
	}, [2]string{"consumer", name})
	return made
}

// asideOf is the queue of a consumer's events that failed; no other queue can have its name.
func asideOf(consumer string) string { return "consumer:" + consumer }

// storedEvent is an event as it is kept in a job.
type storedEvent struct {
	Seq       uint64    `json:"seq"`
	N         int       `json:"n"`
	Time      int64     `json:"time"`
	Actor     string    `json:"actor,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	TraceID   string    `json:"trace_id,omitempty"`
	Command   string    `json:"command,omitempty"`
	Kind      EventKind `json:"kind"`
	Key       []byte    `json:"key"`
	Cleared   []uint32  `json:"cleared,omitempty"`
	Large     bool      `json:"large,omitempty"`  // too large to be kept with its fields
	Fields    []byte    `json:"fields,omitempty"` // only in jobs from before they stood beside it, as job.Fields

	// What the application called it, and said of it.
	Name    string `json:"name,omitempty"`
	Version uint32 `json:"version,omitempty"`
	Payload []byte `json:"payload,omitempty"`
}

// custom is what the application said of the event; nil where it has no name.
func (x *storedEvent) custom() *state.Custom {
	if x.Name == "" {
		return nil
	}
	return &state.Custom{Name: x.Name, Version: x.Version, Payload: x.Payload}
}

// Position returns the sequence up to which the consumer has dealt with everything, at least; events that were put aside count
// as dealt with.
func (c *ConsumerOf[T]) Position(r Reader) uint64 { return c.c.position(r) }

func (c *consumer) position(r Reader) uint64 {
	cur, err := c.app.cursors.Get(r, c.name)
	if err != nil || cur.Seq == 0 {
		return 0
	}
	return cur.Seq - 1
}

// Aside returns how many events have failed and will be tried again.
func (c *ConsumerOf[T]) Aside(r Reader) int { return c.c.aside(r) }

func (c *consumer) aside(r Reader) int { return countJobs(c.app.jobTable, r, asideOf(c.name), false) }

// DeadEvent is an event that failed too often.
type DeadEvent struct {
	ID       ID     // for Retry
	Seq      uint64 // and N say which event of the log
	N        int
	Attempts int
	Error    string // of the last one
}

// Dead iterates over the dead letters, the oldest first.
func (c *ConsumerOf[T]) Dead(r Reader) iter.Seq2[DeadEvent, error] { return c.c.dead(r) }

func (c *consumer) dead(r Reader) iter.Seq2[DeadEvent, error] {
	return func(yield func(DeadEvent, error) bool) {
		for j, err := range deadJobs[storedEvent](c.app.jobTable, r, asideOf(c.name)) {
			if !yield(DeadEvent{j.ID, j.Value.Seq, j.Value.N, j.Attempts, j.Error}, err) {
				return
			}
		}
	}
}

// Retry has a dead letter tried again, as if it had never failed; not in its order.
func (c *ConsumerOf[T]) Retry(tx *Tx, id ID) error { return c.c.retry(tx, id) }

func (c *consumer) retry(tx *Tx, id ID) error {
	return retryJob(c.app.jobTable, tx, asideOf(c.name), id)
}

// consumerWork is a consumer on the node that leads.
type consumerWork struct {
	app    *App
	name   string
	opts   ConsumerOptions
	model  func() uint32
	handle func(tx *Tx, x *storedEvent) error
}

func (w *consumerWork) workName() string { return "consumer " + w.name }

// work follows the log from the cursor on. It ends with ctx; when the state shows that another has moved the cursor, it
// begins anew.
func (w *consumerWork) work(ctx context.Context) error {
	for {
		err := w.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, errMoved):
			return err
		}
		select { // the state may still be on its way here
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *consumerWork) follow(ctx context.Context) error {
	e := w.app.engine
	root, err := e.Barrier(ctx, engine.Linearizable)
	if err != nil {
		return err
	}
	at, stored, err := w.begin(root)
	if err != nil {
		return err
	}
	written := at
	if !stored {
		if written, err = w.move(ctx, at, at); err != nil {
			return err
		}
	}
	stream, err := e.Stream(ctx, max(at.Seq, 1)-1)
	if err != nil {
		return err
	}
	for {
		changed := e.Changed()
		entries, err := stream.Next(consumerReadBytes)
		if err != nil {
			return err
		}
		for i := range entries {
			list, end := w.wanted(&entries[i], at)
			if written, err = w.deal(ctx, written, list); err != nil {
				return err
			}
			at = cursor{Name: w.name, Seq: end}
		}
		if at.Seq > written.Seq+consumerSkips {
			if written, err = w.move(ctx, written, at); err != nil {
				return err
			}
		}
		if len(entries) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// begin returns the cursor, which it makes up where there is none.
func (w *consumerWork) begin(root *state.Root) (at cursor, stored bool, err error) {
	s := &Snapshot{root: root}
	defer s.close()
	at, err = w.app.cursors.Get(s, w.name)
	if errors.Is(err, ErrNotFound) {
		at, err = cursor{Name: w.name, Seq: w.app.engine.Oldest() + 1}, nil
		if w.opts.FromNow {
			at.Seq = root.Seq() + 1
		}
		return at, false, nil
	}
	if oldest := w.app.engine.Oldest(); err == nil && w.opts.SkipGone && at.Seq <= oldest {
		w.app.log.Error("a consumer does not see events: the log does not have them any more", "consumer", w.name, "from", at.Seq, "to", oldest)
		at.Seq, at.N = oldest+1, 0
	}
	return at, true, err
}

// wanted returns the events of an entry that the consumer has not dealt with, and the sequence behind it.
func (w *consumerWork) wanted(entry *Entry, at cursor) (list []storedEvent, end uint64) {
	number := w.model()
	for i := range entry.Txs {
		tx := &entry.Txs[i]
		end = tx.Seq + 1
		for n := range tx.Events {
			ev := &tx.Events[n]
			if ev.Model != number || tx.Seq < at.Seq || tx.Seq == at.Seq && n < at.N || !w.takes(ev.Kind) {
				continue
			}
			x := storedEvent{Seq: tx.Seq, N: n, Time: entry.Time, Actor: tx.Actor, RequestID: tx.RequestID, TraceID: tx.TraceID, Command: tx.Command,
				Kind: ev.Kind, Key: []byte(ev.Key), Fields: ev.Fields, Cleared: ev.Cleared}
			if ev.Custom != nil {
				x.Name, x.Version, x.Payload = ev.Custom.Name, ev.Custom.Version, ev.Custom.Payload
			}
			list = append(list, x)
		}
	}
	return list, end
}

func (w *consumerWork) takes(k EventKind) bool {
	for _, x := range w.opts.Kinds {
		if x == k {
			return true
		}
	}
	return len(w.opts.Kinds) == 0
}

// deal handles events in order, many in one transaction, and returns where the cursor stands in the state.
func (w *consumerWork) deal(ctx context.Context, at cursor, list []storedEvent) (cursor, error) {
	n := jobBatch
	for len(list) > 0 {
		if err := pauseUntil(ctx, at.Due); err != nil {
			return at, err
		}
		n = min(n, len(list))
		next, err := w.update(ctx, at, func(tx *Tx, c *cursor) error {
			for i := range list[:n] {
				if err := guarded(func() error { return w.handle(tx, &list[i]) }); err != nil {
					return &errJob{i, err}
				}
			}
			*c = behind(w.name, &list[n-1])
			return nil
		})
		failed := &errJob{0, err}
		switch {
		case err == nil:
			at, list, n = next, list[n:], jobBatch
		case refusedWhole(err) && n > 1:
			n /= 2 // until it is known whose it is
		case !refusedWhole(err) && !errors.As(err, &failed):
			return at, err
		case failed.at > 0:
			n = failed.at // those before it, without it
		default:
			var handled bool
			if at, handled, err = w.failed(ctx, at, &list[0], failed.err); err != nil {
				return at, err
			}
			if handled {
				list = list[1:]
			}
			n = jobBatch
		}
	}
	return at, nil
}

// behind is the cursor behind an event.
func behind(name string, x *storedEvent) cursor { return cursor{Name: name, Seq: x.Seq, N: x.N + 1} }

// pauseUntil waits.
func pauseUntil(ctx context.Context, due time.Time) error {
	d := time.Until(due)
	if due.IsZero() || d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// update changes the cursor in a transaction, if it still is where it was.
// fn may run still when ctx has ended this with an error: only without one is what it wrote to be read.
func (w *consumerWork) update(ctx context.Context, was cursor, fn func(tx *Tx, c *cursor) error) (cursor, error) {
	var next cursor
	err := w.app.Update(ctx, func(tx *Tx) error {
		stored, err := w.app.cursors.Get(tx, w.name)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return err
		case stored.Seq > was.Seq || stored.Seq == was.Seq && (stored.N != was.N || stored.Attempts != was.Attempts):
			return errMoved
		}
		next = was
		if err := fn(tx, &next); err != nil {
			return err
		}
		return w.app.cursors.Upsert(tx, &next)
	})
	if err != nil {
		return was, err
	}
	return next, nil
}

// failed puts an event aside, or notes that it has to be waited for; handled says that the consumer goes on behind it.
func (w *consumerWork) failed(ctx context.Context, at cursor, x *storedEvent, cause error) (next cursor, handled bool, err error) {
	w.app.log.Warn("a consumer's event failed", "consumer", w.name, "seq", x.Seq, "n", x.N, "attempt", at.Attempts+1, "error", cause)
	next, handled, err = w.note(ctx, at, x, cause, w.opts.Ordered)
	if _, large := errors.AsType[*engine.TooLargeError](err); large { // it filled its transaction, and a job is a little more
		bare := *x
		bare.Fields, bare.Payload, bare.Large = nil, nil, true
		return w.note(ctx, at, &bare, cause, true)
	}
	return next, handled, err
}

// note puts an event that failed aside or, where it is to be waited for, counts the failure, and puts it aside as a dead letter
// after the last one.
func (w *consumerWork) note(ctx context.Context, at cursor, x *storedEvent, cause error, waits bool) (next cursor, handled bool, err error) {
	text := *x
	text.Fields = nil
	payload, err := jsonx.Marshal(&text)
	if err != nil {
		return at, false, err
	}
	var dealt bool
	next, err = w.update(ctx, at, func(tx *Tx, c *cursor) error {
		j := job{ID: tx.NewID(), Queue: asideOf(w.name), Pushed: tx.Now(), Attempts: at.Attempts, Payload: payload, Fields: x.Fields}
		j.fail(tx, &w.opts.QueueOptions, cause)
		if dealt = !waits || j.Dead; !dealt {
			c.Seq, c.N, c.Attempts, c.Due, c.Error = x.Seq, x.N, j.Attempts, j.Due, j.Error
			return nil
		}
		*c = behind(w.name, x)
		return w.app.jobTable.Insert(tx, &j)
	})
	return next, err == nil && dealt, err
}

// move writes down that nothing for the consumer lies before a place.
func (w *consumerWork) move(ctx context.Context, was, to cursor) (cursor, error) {
	return w.update(ctx, was, func(_ *Tx, c *cursor) error {
		c.Seq, c.N = to.Seq, to.N
		return nil
	})
}

// cut shortens a text to n bytes, and says so.
func cut(s string, n int) string {
	const more = "..."
	if len(s) > n {
		s = s[:n-len(more)] + more
	}
	return cmp.Or(strings.ToValidUTF8(s, ""), "an error without a text")
}
