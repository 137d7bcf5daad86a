package lithair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/state"
)

// seen is a record that a handler makes for what it has handled: a second one with the same key is refused.
type seen struct {
	Key string `json:"key" lithair:"primary_key"`
	N   int    `json:"n"`
}

func update(t *testing.T, a *App, fn func(tx *Tx) error) {
	t.Helper()
	if err := a.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// holds returns what fn finds in the state.
func holds(a *App, fn func(s *Snapshot) bool) func() bool {
	return func() (is bool) {
		if err := a.View(func(s *Snapshot) error { is = fn(s); return nil }); err != nil {
			panic(err)
		}
		return is
	}
}

func TestQueue(t *testing.T) {
	a := newApp(t, Config{})
	marks := Model[seen](a, "")
	var mends atomic.Bool
	q := Queue(a, "mail", QueueOptions{MaxAttempts: 2, Backoff: time.Millisecond}, func(tx *Tx, j Job[string]) error {
		if err := marks.Insert(tx, &seen{Key: j.Value, N: j.Attempts}); err != nil {
			return err
		}
		switch {
		case j.Value == "panics" && !mends.Load():
			panic("no")
		case strings.HasPrefix(j.Value, "bad") && !mends.Load():
			return errors.New("bad value")
		}
		return nil
	})
	start(t, a)
	var later ID
	update(t, a, func(tx *Tx) (err error) {
		for _, v := range []string{"one", "bad1", "two", "panics", "three"} {
			if _, err := q.Push(tx, v); err != nil {
				return err
			}
		}
		later, err = q.PushAfter(tx, "later", time.Hour)
		return err
	})
	await(t, "all that can be done is", holds(a, func(s *Snapshot) bool { return marks.Len(s) == 3 && q.Waiting(s) == 1 }))
	var dead []ID
	if err := a.View(func(s *Snapshot) error {
		for j, err := range q.Dead(s) {
			if err != nil {
				return err
			}
			if j.Attempts != 2 || j.Error != "bad value" && j.Error != "panic: no" {
				t.Errorf("dead letter %+v", j)
			}
			dead = append(dead, j.ID)
		}
		return nil
	}); err != nil || len(dead) != 2 {
		t.Fatalf("%d dead letters, want 2 (%v)", len(dead), err)
	}
	mends.Store(true)
	update(t, a, func(tx *Tx) error {
		if err := q.Cancel(tx, later); err != nil {
			return err
		}
		for _, id := range dead {
			if err := q.Retry(tx, id); err != nil {
				return err
			}
		}
		if err := q.Retry(tx, later); !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("a job that is gone was tried again: %v", err)
		}
		_, err := q.Push(tx, strings.Repeat("x", maxJobBytes))
		if !errors.Is(err, ErrJobTooLarge) {
			return fmt.Errorf("a large job: %v", err)
		}
		return nil
	})
	await(t, "dead letters are done once they can be", holds(a, func(s *Snapshot) bool { return marks.Len(s) == 5 && q.Waiting(s) == 0 }))
}

// ward refers to a record of seen, which the end of a transaction checks.
type ward struct {
	Key string `json:"key" lithair:"primary_key"`
	Of  string `json:"of" lithair:"fk=seen"`
}

// TestRefusedBehindHandlers: what a handler wrote may be refused when all handlers of the transaction
// have returned. Its job, or event, is a dead letter in the end, and holds up no other.
func TestRefusedBehindHandlers(t *testing.T) {
	a := newApp(t, Config{})
	marks, children := Model[seen](a, ""), Model[ward](a, "")
	opts := QueueOptions{MaxAttempts: 2, Backoff: time.Millisecond}
	q := Queue(a, "adopt", opts, func(tx *Tx, j Job[string]) error {
		return children.Insert(tx, &ward{Key: j.Value, Of: j.Value})
	})
	c := marks.Consumer("adopted", ConsumerOptions{QueueOptions: opts, Kinds: []EventKind{Created}}, func(tx *Tx, e Event[seen]) error {
		of := e.Record.Key
		if of == "c" {
			of = "nobody"
		}
		return children.Insert(tx, &ward{Key: "event-" + e.Record.Key, Of: of})
	})
	start(t, a)
	update(t, a, func(tx *Tx) error {
		for _, v := range []string{"a", "b", "c", "d", "e"} {
			if v != "d" { // whose job refers to nothing
				if err := marks.Insert(tx, &seen{Key: v}); err != nil {
					return err
				}
			}
			if _, err := q.Push(tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	await(t, "jobs and events beside those that are refused are done", holds(a, func(s *Snapshot) bool {
		return children.Len(s) == 4+3 && q.Waiting(s) == 0 && c.Aside(s) == 0
	}))
	update(t, a, func(tx *Tx) error {
		for j, err := range q.Dead(tx) {
			if err != nil || j.Value != "d" || j.Attempts != 2 || !strings.Contains(j.Error, "does not exist") {
				t.Errorf("dead letter %+v, %v", j, err)
			}
		}
		return nil
	})
	var dead []DeadEvent
	if err := a.View(func(s *Snapshot) error {
		for e, err := range c.Dead(s) {
			if err != nil {
				return err
			}
			dead = append(dead, e)
		}
		return nil
	}); err != nil || len(dead) != 1 || dead[0].Attempts != 2 || !strings.Contains(dead[0].Error, "nobody") {
		t.Errorf("dead events: %+v, want one (%v)", dead, err)
	}
}

// TestQueueFollowsTheLogsTime pushes jobs that are due in another order than they were pushed in.
func TestQueueFollowsTheLogsTime(t *testing.T) {
	a := newApp(t, Config{})
	var mu sync.Mutex
	var got []string
	q := Queue(a, "q", QueueOptions{}, func(tx *Tx, j Job[string]) error {
		if tx.Now().Before(j.Due) {
			return errors.New("too early")
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, j.Value)
		return nil
	})
	start(t, a)
	update(t, a, func(tx *Tx) error {
		for i, v := range []string{"c", "b", "a"} {
			if _, err := q.PushAfter(tx, v, time.Duration(3-i)*20*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
	await(t, "all are done", holds(a, func(s *Snapshot) bool { return q.Waiting(s) == 0 }))
	if mu.Lock(); strings.Join(got, "") != "abc" {
		t.Errorf("done in order %v", got)
	}
	mu.Unlock()
}

func TestWorker(t *testing.T) {
	a := newApp(t, Config{})
	var calls, at, most atomic.Int64
	w := Worker(a, "w", QueueOptions{Parallel: 3, Backoff: time.Millisecond}, func(ctx context.Context, j Job[int]) error {
		if n := at.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer at.Add(-1)
		calls.Add(1)
		if j.Value%5 == 0 && j.Attempts == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	start(t, a)
	update(t, a, func(tx *Tx) error {
		for i := range 20 {
			if _, err := w.Push(tx, i); err != nil {
				return err
			}
		}
		return nil
	})
	await(t, "all are done", holds(a, func(s *Snapshot) bool { return w.Waiting(s) == 0 }))
	if calls.Load() != 24 || most.Load() > 3 {
		t.Errorf("%d calls, want 24; %d at once, want 3 at most", calls.Load(), most.Load())
	}
}

// TestAWorkerCannotHoldUpTheEnd: a function that does not heed its context is named and left.
func TestAWorkerCannotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	a := newApp(t, Config{Dir: "data", FS: disk.NewSim(1)}) // not a real one: let go, the work ends there
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	w := Worker(a, "stubborn", QueueOptions{}, func(context.Context, Job[int]) error {
		close(entered)
		<-release
		return nil
	})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	update(t, a, func(tx *Tx) error { _, err := w.Push(tx, 1); return err })
	closed(t, "the worker is called", entered)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "queue stubborn does not end") {
		t.Errorf("%v", err)
	}
}

func TestConsumer(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered=", ordered), func(t *testing.T) {
			a := newApp(t, Config{})
			in := Model[note](a, "")
			marks := Model[seen](a, "")
			var failures atomic.Int64
			c := in.Consumer("c", ConsumerOptions{QueueOptions: QueueOptions{MaxAttempts: 3, Backoff: time.Millisecond}, Ordered: ordered, Kinds: []EventKind{Created}}, func(tx *Tx, e Event[note]) error {
				if err := marks.Insert(tx, &seen{Key: e.Record.Text, N: marks.Len(tx)}); err != nil {
					return err
				}
				if e.Record.Text == "5" && failures.Add(1) < 3 || e.Record.Text == "7" {
					return errors.New("not now")
				}
				return nil
			})
			start(t, a)
			for i := range 10 {
				update(t, a, func(tx *Tx) error { return in.Insert(tx, &note{Text: fmt.Sprint(i)}) })
			}
			await(t, "nine are handled and one is dead", holds(a, func(s *Snapshot) bool { return marks.Len(s) == 9 && c.Aside(s) == 0 && countDead(t, c, s) == 1 }))
			if err := a.View(func(s *Snapshot) error {
				for m, err := range marks.Scan(s) {
					if err != nil {
						return err
					}
					if want := strings.Index("012345689", m.Key); ordered && m.N != want {
						t.Errorf("%s was handled as number %d, want %d", m.Key, m.N, want)
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func countDead[T any](t *testing.T, c *ConsumerOf[T], s *Snapshot) (n int) {
	for d, err := range c.Dead(s) {
		if err != nil || d.Attempts != 3 || d.Error != "not now" {
			t.Errorf("dead letter %+v: %v", d, err)
		}
		n++
	}
	return n
}

// TestConsumerOfCustomEvents: a consumer hears what an event is called and says, also of one that was put aside.
func TestConsumerOfCustomEvents(t *testing.T) {
	a := newApp(t, Config{})
	goods := Model[good](a, "")
	marks := Model[seen](a, "")
	var failures atomic.Int64
	c := goods.Consumer("c", ConsumerOptions{QueueOptions: QueueOptions{MaxAttempts: 3, Backoff: time.Millisecond}, Kinds: []EventKind{Updated}}, func(tx *Tx, e Event[good]) error {
		v, ok, err := As[pricedParts](&e)
		if !ok || err != nil {
			return cmp.Or(err, fmt.Errorf("an event without its name: %+v", e))
		}
		if v.Part == 5 && failures.Add(1) == 1 {
			return errors.New("not now")
		}
		return marks.Insert(tx, &seen{Key: fmt.Sprintf("%d: %d.%02d", e.Version, v.Whole, v.Part), N: marks.Len(tx)})
	})
	start(t, a)
	update(t, a, func(tx *Tx) error { return goods.Insert(tx, &good{ID: "a"}) })
	for _, e := range []CustomEvent[good]{pricedParts{3, 5}, pricedEuros{1.5}, pricedCents{275}} {
		update(t, a, func(tx *Tx) error { return goods.Emit(tx, "a", e) })
	}
	await(t, "all are handled", holds(a, func(s *Snapshot) bool { return marks.Len(s) == 3 && c.Aside(s) == 0 }))
	if err := a.View(func(s *Snapshot) error {
		for _, key := range []string{"1: 1.50", "2: 2.75", "3: 3.05"} {
			if _, err := marks.Get(s, key); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	}); err != nil || failures.Load() != 2 {
		t.Errorf("%v, %d calls for the one that failed once", err, failures.Load())
	}
}

// TestLargeEventFails: an event that leaves no room in its transaction for what a job is more than its fields is tried, and put
// aside, as any other; one that fills it is waited for.
func TestLargeEventFails(t *testing.T) {
	t.Parallel()
	a := newApp(t, Config{})
	in := Model[note](a, "")
	marks := Model[seen](a, "")
	var tried sync.Map // length of a text, to failures
	c := in.Consumer("c", ConsumerOptions{QueueOptions: QueueOptions{MaxAttempts: 3, Backoff: time.Millisecond}}, func(tx *Tx, e Event[note]) error {
		n, _ := tried.LoadOrStore(len(e.Record.Text), new(atomic.Int64))
		if n.(*atomic.Int64).Add(1) < 3 || e.Record.Text[0] == 'x' {
			return errors.New("not now")
		}
		return marks.Insert(tx, &seen{Key: fmt.Sprint(len(e.Record.Text)), N: marks.Len(tx)})
	})
	start(t, a)
	const limit = 16 << 20
	for _, text := range []string{"a", strings.Repeat("b", 13<<20), strings.Repeat("c", limit-100), strings.Repeat("x", limit-101), "dd"} {
		update(t, a, func(tx *Tx) error { return in.Insert(tx, &note{Text: text}) })
	}
	await(t, "four are handled and one is dead", holds(a, func(s *Snapshot) bool { return marks.Len(s) == 4 && c.Aside(s) == 0 && countDead(t, c, s) == 1 }))
	var dead ID
	if err := a.View(func(s *Snapshot) error {
		for d := range c.Dead(s) {
			dead = d.ID
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	update(t, a, func(tx *Tx) error { return c.Retry(tx, dead) })
	await(t, "it fails again, for it was not kept", holds(a, func(s *Snapshot) bool {
		for d := range c.Dead(s) {
			return strings.Contains(d.Error, "too large to be kept")
		}
		return false
	}))
}

// TestAsideNamesItsFiles: a file stays as long as an event that was put aside names it, when log and record no longer do; a job
// from before its fields stood beside the rest is done as well.
func TestAsideNamesItsFiles(t *testing.T) {
	a := newApp(t, Config{})
	in := Model[photo](a, "")
	var fails atomic.Bool
	fails.Store(true)
	var image atomic.Pointer[Blob]
	c := in.Consumer("c", ConsumerOptions{QueueOptions: QueueOptions{MaxAttempts: 1}}, func(_ *Tx, e Event[photo]) error {
		if fails.Load() {
			return errors.New("not now")
		}
		image.Store(e.Record.Image)
		return nil
	})
	start(t, a)
	b, err := a.PutBlob(strings.NewReader("a file"), "f", "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	update(t, a, func(tx *Tx) error { return in.Insert(tx, &photo{Image: &b}) })
	old := job{}
	await(t, "the event is dead", holds(a, func(s *Snapshot) bool {
		for j, err := range a.jobTable.(*Collection[job]).Scan(s) {
			if err != nil {
				t.Fatal(err)
			}
			old = j
		}
		return old.Dead
	}))
	unused := map[string]bool{b.ID: true}
	for _, row := range a.engine.Root().Scan(a.jobTable.(*Collection[job]).base.table.Number(), state.Range{}) {
		blob.Named(row.Bytes(), unused)
	}
	if len(unused) > 0 {
		t.Error("the dead letter does not name the file")
	}
	var x storedEvent
	if err := jsonx.Unmarshal(old.Payload, &x); err != nil || x.Fields != nil {
		t.Fatalf("%+v, %v", x, err)
	}
	x.Fields, old.Fields = old.Fields, nil
	if old.Payload, err = jsonx.Marshal(&x); err != nil {
		t.Fatal(err)
	}
	fails.Store(false)
	for _, before := range []bool{false, true} {
		image.Store(nil)
		update(t, a, func(tx *Tx) error {
			if before {
				old.ID = tx.NewID()
				if err := a.jobTable.Insert(tx, &old); err != nil {
					return err
				}
			}
			return c.Retry(tx, old.ID)
		})
		await(t, "it is done", func() bool { return image.Load() != nil })
		if got := image.Load(); got.ID != b.ID {
			t.Errorf("the event has the file %s, want %s", got.ID, b.ID)
		}
	}
}

// TestConsumerFailsOver stops leaders while a consumer counts: each event counts once.
func TestConsumerFailsOver(t *testing.T) {
	events, stops := 60, 3
	if os.Getenv("LITHAIR_LONG") != "" {
		events, stops = 600, 12
	}
	type parts struct {
		in    *Collection[note]
		marks *Collection[seen]
		q     *QueueOf[string]
	}
	var mu sync.Mutex
	of := map[*App]parts{}
	m := startCluster(t, 3, func(a *App) {
		p := parts{in: Model[note](a, "/notes"), marks: Model[seen](a, "")}
		p.q = Queue(a, "second", QueueOptions{Backoff: time.Millisecond}, func(tx *Tx, j Job[string]) error {
			return p.marks.Insert(tx, &seen{Key: "job " + j.Value}) // twice would be a conflict, and a dead letter
		})
		p.in.Consumer("count", ConsumerOptions{QueueOptions: QueueOptions{MaxAttempts: 1}}, func(tx *Tx, e Event[note]) error {
			total, err := p.marks.Get(tx, "total")
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			total.Key, total.N = "total", total.N+1
			if _, err := p.q.PushAfter(tx, e.Record.Text, 5*time.Millisecond); err != nil {
				return err
			}
			return errors.Join(p.marks.Upsert(tx, &total), p.marks.Insert(tx, &seen{Key: "event " + e.Record.Text}))
		})
		mu.Lock()
		of[a] = p
		mu.Unlock()
	})
	for i := range events {
		if at := m.leader(); i > 0 && i%(events/stops) == 0 {
			m.stop(at)
			m.leader()
			m.start(at)
			m.leader()
		}
		m.await("an event", func() bool { // again with its key, where a leader went away meanwhile
			got := call(t, m.apps[m.follower()], "POST", "/notes", fmt.Sprintf(`{"text":"%d"}`, i), fmt.Sprint("Idempotency-Key: event-", i))
			if got.StatusCode != 201 && got.StatusCode != 503 {
				t.Fatalf("%d %s", got.StatusCode, got.body)
			}
			return got.StatusCode == 201
		})
	}
	a := m.apps[m.leader()]
	p := of[a]
	await(t, "all events and jobs are done", holds(a, func(s *Snapshot) bool { return p.marks.Len(s) == 2*events+1 && p.q.Waiting(s) == 0 }))
	if err := a.View(func(s *Snapshot) error {
		total, err := p.marks.Get(s, "total")
		if err == nil && total.N != events {
			err = fmt.Errorf("%d events were counted, of %d", total.N, events)
		}
		for range p.q.Dead(s) {
			err = errors.Join(err, errors.New("a job was done twice"))
		}
		if n := countJobs(a.jobTable, s, asideOf("count"), true); n > 0 {
			err = errors.Join(err, fmt.Errorf("%d events were handled twice", n))
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	t.Logf("%d events, %d leaders stopped", events, stops-1)
}

// TestTakePassesOverDead: a job that was taken as often as may be does not stand in the place of another.
func TestTakePassesOverDead(t *testing.T) {
	a := newApp(t, Config{})
	q := RemoteQueue[string](a, "r", QueueOptions{MaxAttempts: 1})
	start(t, a)
	push := func(v string) {
		update(t, a, func(tx *Tx) error { _, err := q.Push(tx, v); return err })
	}
	take := func() (list takeAnswer) {
		got := call(t, a, "POST", "/api/_queue/r/take", `{"lease_ms":1}`)
		if err := jsonx.Unmarshal([]byte(got.body), &list); err != nil {
			t.Fatalf("%s: %v", got.body, err)
		}
		return list
	}
	push("a")
	first := take().Jobs
	if len(first) != 1 {
		t.Fatalf("%+v was taken", first)
	}
	await(t, "its lease is over", func() bool { return time.Now().After(first[0].Until) })
	push("b")
	if got := take().Jobs; len(got) != 1 || string(got[0].Value) != `"b"` {
		t.Errorf("%+v was taken behind a job that dies", got)
	}
	if err := a.View(func(s *Snapshot) error {
		if n := countJobs(a.jobTable, s, "r", true); n != 1 {
			return fmt.Errorf("%d dead letters", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestRemoteQueue(t *testing.T) {
	a := newApp(t, Config{})
	q := RemoteQueue[string](a, "r", QueueOptions{MaxAttempts: 2, Backoff: time.Millisecond})
	start(t, a)
	update(t, a, func(tx *Tx) error {
		for _, v := range []string{"a", "b"} {
			if _, err := q.Push(tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	ask := func(what, body string, status int) takeAnswer {
		t.Helper()
		got := call(t, a, "POST", "/api/_queue/r/"+what, body)
		if got.StatusCode != status {
			t.Fatalf("%s %s: %d %s, want %d", what, body, got.StatusCode, got.body, status)
		}
		var list takeAnswer
		if what == "take" && status == 200 {
			if err := jsonx.Unmarshal([]byte(got.body), &list); err != nil {
				t.Fatal(err)
			}
		}
		return list
	}
	settle := func(j takenJob) string { return fmt.Sprintf(`{"id":"%s","lease":%d,"error":"no"}`, j.ID, j.Lease) }
	first := ask("take", `{"max":5}`, 200).Jobs
	if len(first) != 2 || string(first[0].Value) != `"a"` {
		t.Fatalf("%+v was taken", first)
	}
	if got := ask("take", `{}`, 200).Jobs; len(got) != 0 {
		t.Errorf("%+v was taken twice", got)
	}
	ask("ack", settle(first[0]), 204)
	ask("ack", settle(first[0]), 409)
	ask("nack", settle(first[1]), 204)
	ask("ack", settle(first[1]), 409)
	var again []takenJob
	await(t, "the job comes again", func() bool { again = ask("take", `{"lease_ms":1}`, 200).Jobs; return len(again) == 1 })
	if again[0].Attempts != 1 {
		t.Errorf("attempt %d, want 1", again[0].Attempts)
	}
	await(t, "a job that is never acknowledged dies", func() bool {
		if got := ask("take", `{}`, 200).Jobs; len(got) > 0 {
			t.Fatalf("%+v is taken too often", got)
		}
		return holds(a, func(s *Snapshot) bool { return countJobs(a.jobTable, s, "r", true) == 1 })()
	})
	ask("ack", settle(again[0]), 409)
	update(t, a, func(tx *Tx) error {
		for range 6 {
			if _, err := q.Push(tx, strings.Repeat("v", maxJobBytes-2)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, want := range []int{4, 2, 0} { // 4 MiB, and the rest
		if got := ask("take", `{"max":100}`, 200).Jobs; len(got) != want {
			t.Errorf("%d large jobs were taken at once, want %d", len(got), want)
		}
	}
	ask("take", `{"max":101}`, 400)
	ask("take", `{"lease_ms":3600001}`, 400)
	if body := call(t, a, "GET", "/observe/metrics", "").body; !strings.Contains(body, `lithair_queue_jobs{queue="r",state="dead"} 1`) {
		t.Error("no figure of the dead letter")
	}
}
