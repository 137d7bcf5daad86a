package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

type author struct {
	ID    model.ID `json:"id" lithair:"primary_key"`
	Email string   `json:"email" lithair:"unique" http:"validate=email"`
	Name  string   `json:"name" lithair:"indexed" http:"validate=length(1,40)"`
	Born  int      `json:"born" lifecycle:"immutable"`
}

type article struct {
	ID      model.ID  `json:"id" lithair:"primary_key"`
	Title   string    `json:"title"`
	Author  model.ID  `json:"author_id" lithair:"fk=author"`
	Made    time.Time `json:"created_at" lithair:"created"`
	Changed time.Time `json:"updated_at" lithair:"updated"`
}

type note struct {
	ID      string    `json:"id" lithair:"primary_key"`
	Article model.ID  `json:"article_id" lithair:"fk=article,on_delete=cascade"`
	Editor  *model.ID `json:"editor_id" lithair:"fk=author,on_delete=set_null"`
}

// order is an order under the test's control: it keeps what was proposed until the
// test commits or loses it.
type order struct {
	mu      sync.Mutex
	sink    engine.Sink
	auto    bool // commit at once
	refuse  error
	log     []eventlog.Record
	open    []eventlog.Record
	epoch   uint64
	arrived chan struct{}
}

func newOrder(sink engine.Sink, log []eventlog.Record) (*order, error) {
	o := &order{sink: sink, auto: true, log: log, epoch: 1, arrived: make(chan struct{}, 1000)}
	if err := sink.Replay(log); err != nil {
		return nil, err
	}
	sink.Leading(1)
	return o, nil
}

func (o *order) Propose(epoch uint64, kind uint8, time int64, payload []byte) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuse != nil {
		select {
		case o.arrived <- struct{}{}:
		default:
		}
		return 0, o.refuse
	}
	if epoch != o.epoch {
		return 0, errors.New("wrong epoch")
	}
	r := eventlog.Record{Index: uint64(len(o.log)+len(o.open)) + 1, Term: 1, Kind: kind, Time: time, Payload: payload}
	o.open = append(o.open, r)
	o.arrived <- struct{}{}
	if o.auto {
		go o.commit()
	}
	return r.Index, nil
}

func (o *order) commit() { o.commitFirst(math.MaxInt) }

// commitFirst commits the oldest entries, n at most.
func (o *order) commitFirst(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n = min(n, len(o.open)); n > 0 {
		first := o.open[:n:n]
		o.log = append(o.log, first...)
		o.sink.Committed(first)
		o.open = o.open[n:]
	}
}

func (o *order) lose(known bool, cause error, leadAgain bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = nil
	o.sink.Lost(o.epoch, known, cause)
	if leadAgain {
		o.epoch++
		o.sink.Leading(o.epoch)
	}
}

func (o *order) Barrier(level uint8, ticket uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sink.Barrier(ticket, uint64(len(o.log)), nil)
}

func (o *order) Read(from uint64, _ int) ([]eventlog.Record, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if from > uint64(len(o.log)) {
		return nil, nil
	}
	return append([]eventlog.Record(nil), o.log[from-1:]...), nil
}

func (o *order) Note(uint64) []byte { return nil }

func (o *order) Position(index uint64) (eventlog.Position, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return eventlog.Position{Index: index, Term: 1, Time: o.log[index-1].Time}, nil
}

func (o *order) First() uint64 { return 1 }

func (o *order) Redact(...uint64) error { return nil }

func (o *order) Compact(eventlog.Retention) (int, error) {
	return 0, errors.New("this order keeps everything")
}

func (o *order) Close() error { return nil }

// rig is an engine over such an order, with three models.
type rig struct {
	*testing.T
	e                        *engine.Engine
	o                        *order
	authors, articles, notes *engine.Table
}

func start(t *testing.T, log []eventlog.Record, change ...func(*engine.Config)) *rig {
	t.Helper()
	return startWith(t, log, nil, change...)
}

// startWith is start with more models, which the function registers.
func startWith(t *testing.T, log []eventlog.Record, models func(*rig), change ...func(*engine.Config)) *rig {
	t.Helper()
	r := &rig{T: t}
	cfg := engine.Config{
		Open: func(sink engine.Sink) (_ engine.Order, err error) {
			r.o, err = newOrder(sink, log)
			return r.o, err
		},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Gather: 1, // commits are up to the test
	}
	for _, fn := range change {
		fn(&cfg)
	}
	var err error
	if r.e, err = engine.New(cfg); err != nil {
		t.Fatal(err)
	}
	r.authors, r.articles, r.notes = register[author](r), register[article](r), register[note](r)
	if models != nil {
		models(r)
	}
	if err := r.e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func register[T any](r *rig) *engine.Table {
	r.Helper()
	m, err := model.Of(reflect.TypeFor[T]())
	if err != nil {
		r.Fatal(err)
	}
	table, err := r.e.Register(m)
	if err != nil {
		r.Fatal(err)
	}
	return table
}

func (r *rig) do(fn func(tx *engine.Tx) error) error {
	_, err := r.e.Do(r.Context(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) { return engine.Answer{}, fn(tx) }})
	return err
}

func (r *rig) must(fn func(tx *engine.Tx) error) {
	r.Helper()
	if err := r.do(fn); err != nil {
		r.Fatal(err)
	}
}

// key is the key of a record in its table.
func (r *rig) key(t *engine.Table, v any) string {
	r.Helper()
	k, err := t.Codec().Key(v)
	if err != nil {
		r.Fatal(err)
	}
	return k
}

func ada() *author { return &author{Email: "ada@example.org", Name: "Ada", Born: 1815} }

func TestInsertAssignsIDAndTimes(t *testing.T) {
	r := start(t, nil)
	a := ada()
	art := &article{Title: "Notes"}
	r.must(func(tx *engine.Tx) error {
		if err := tx.Insert(r.authors, a); err != nil {
			return err
		}
		art.Author = a.ID
		if err := tx.Insert(r.articles, art); err != nil {
			return err
		}
		if !art.Made.Equal(tx.Now()) || !art.Changed.Equal(tx.Now()) {
			return fmt.Errorf("times %v and %v, not %v", art.Made, art.Changed, tx.Now())
		}
		return nil
	})
	if a.ID.IsZero() || art.ID.IsZero() {
		t.Fatal("no id was made")
	}
	var got article
	row := r.e.Root().Get(r.articles.Number(), r.key(r.articles, art))
	if row == nil {
		t.Fatal("the article is not there")
	}
	if err := r.articles.Codec().Decode(row.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Title != "Notes" || got.Author != a.ID || !got.Made.Equal(art.Made) {
		t.Fatalf("stored %+v, want %+v", got, art)
	}
	if row.Seq() != r.e.Root().Seq() {
		t.Errorf("version %d, want the newest sequence %d", row.Seq(), r.e.Root().Seq())
	}
}

func TestConstraints(t *testing.T) {
	r := start(t, nil)
	a := ada()
	art := &article{Title: "x"}
	r.must(func(tx *engine.Tx) error {
		if err := tx.Insert(r.authors, a); err != nil {
			return err
		}
		art.Author = a.ID
		return tx.Insert(r.articles, art)
	})
	before := r.e.Root()
	for _, c := range []struct {
		name string
		kind string
		fn   func(tx *engine.Tx) error
	}{
		{"same key", engine.ConflictExists, func(tx *engine.Tx) error {
			return tx.Insert(r.authors, &author{ID: a.ID, Email: "b@example.org", Name: "B"})
		}},
		{"same unique value", engine.ConflictUnique, func(tx *engine.Tx) error {
			return tx.Insert(r.authors, ada())
		}},
		{"unique value by put", engine.ConflictUnique, func(tx *engine.Tx) error {
			b := &author{Email: "b@example.org", Name: "B"}
			if err := tx.Insert(r.authors, b); err != nil {
				return err
			}
			b.Email = a.Email
			return tx.Put(r.authors, b)
		}},
		{"missing reference", engine.ConflictReference, func(tx *engine.Tx) error {
			return tx.Insert(r.articles, &article{Title: "y", Author: tx.NewID()})
		}},
		{"zero reference", engine.ConflictReference, func(tx *engine.Tx) error {
			return tx.Insert(r.articles, &article{Title: "y"})
		}},
		{"referenced", engine.ConflictReferenced, func(tx *engine.Tx) error {
			return tx.Delete(r.authors, r.key(r.authors, a))
		}},
		{"immutable", engine.ConflictImmutable, func(tx *engine.Tx) error {
			b := *a
			b.Born = 1900
			return tx.Put(r.authors, &b)
		}},
		{"created time", engine.ConflictReadOnly, func(tx *engine.Tx) error {
			b := *art
			b.Made = b.Made.Add(time.Hour)
			return tx.Put(r.articles, &b)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := r.do(c.fn)
			var conflict *engine.ConflictError
			if !errors.As(err, &conflict) || conflict.Kind != c.kind {
				t.Fatalf("got %v, want a conflict of kind %s", err, c.kind)
			}
			if r.e.Root().Seq() != before.Seq() || r.e.Root().Hash() != before.Hash() {
				t.Error("the refused transaction left a trace")
			}
		})
	}
}

func TestValidationListsEveryField(t *testing.T) {
	r := start(t, nil)
	err := r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, &author{Email: "nobody"}) })
	var v *engine.ValidationError
	if !errors.As(err, &v) || len(v.Violations) != 2 {
		t.Fatalf("got %v, want two violations", err)
	}
}

func TestReferencesMayComeLater(t *testing.T) {
	r := start(t, nil)
	r.must(func(tx *engine.Tx) error {
		a := ada()
		a.ID = tx.NewID()
		if err := tx.Insert(r.articles, &article{Title: "first", Author: a.ID}); err != nil {
			return err
		}
		return tx.Insert(r.authors, a)
	})
}

func TestOnDelete(t *testing.T) {
	r := start(t, nil)
	a, editor := ada(), &author{Email: "e@example.org", Name: "E"}
	art := &article{Title: "x"}
	r.must(func(tx *engine.Tx) error {
		if err := errors.Join(tx.Insert(r.authors, a), tx.Insert(r.authors, editor)); err != nil {
			return err
		}
		art.Author = a.ID
		if err := tx.Insert(r.articles, art); err != nil {
			return err
		}
		return errors.Join(tx.Insert(r.notes, &note{ID: "1", Article: art.ID, Editor: &editor.ID}), tx.Insert(r.notes, &note{ID: "2", Article: art.ID}))
	})
	r.must(func(tx *engine.Tx) error { return tx.Delete(r.authors, r.key(r.authors, editor)) })
	r.must(func(tx *engine.Tx) error {
		var n note
		if _, err := tx.Load(r.notes, r.key(r.notes, &note{ID: "1"}), &n); err != nil {
			return err
		}
		if n.Editor != nil {
			return fmt.Errorf("the reference is still %v", n.Editor)
		}
		return tx.Delete(r.articles, r.key(r.articles, art))
	})
	if n := r.e.Root().Len(r.notes.Number()); n != 0 {
		t.Errorf("%d notes left, want none", n)
	}
}

func TestPanicRollsBackAndTheEngineGoesOn(t *testing.T) {
	r := start(t, nil)
	before := r.e.Root()
	err := r.do(func(tx *engine.Tx) error {
		if err := tx.Insert(r.authors, ada()); err != nil {
			return err
		}
		panic("boom")
	})
	var p *engine.PanicError
	if !errors.As(err, &p) || p.Value != "boom" || !strings.Contains(string(p.Stack), "engine_test") {
		t.Fatalf("got %v", err)
	}
	if r.e.Root().Hash() != before.Hash() {
		t.Error("the panic left a trace")
	}
	r.must(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) })
}

func TestTxUsedAfterReturn(t *testing.T) {
	r := start(t, nil)
	var kept *engine.Tx
	r.must(func(tx *engine.Tx) error { kept = tx; return nil })
	if err := kept.Insert(r.authors, ada()); !errors.Is(err, engine.ErrTxDone) {
		t.Errorf("Insert: %v", err)
	}
	defer func() {
		if v := recover(); v != engine.ErrTxDone {
			t.Errorf("Len: panic %v, want ErrTxDone", v)
		}
	}()
	kept.Len(r.authors.Number())
}

func TestNestedUpdateIsAnError(t *testing.T) {
	r := start(t, nil)
	var inner error
	r.must(func(tx *engine.Tx) error {
		inner = r.do(func(*engine.Tx) error { return nil })
		return nil
	})
	if !errors.Is(inner, engine.ErrNested) {
		t.Errorf("got %v, want ErrNested", inner)
	}
}

func TestTransactionTooLarge(t *testing.T) {
	r := start(t, nil, func(c *engine.Config) { c.MaxTxBytes = 1 << 10 })
	err := r.do(func(tx *engine.Tx) error {
		a := ada()
		if err := tx.Insert(r.authors, a); err != nil {
			return err
		}
		return tx.Insert(r.articles, &article{Title: strings.Repeat("x", 2<<10), Author: a.ID})
	})
	var large *engine.TooLargeError
	if !errors.As(err, &large) || large.Limit != 1<<10 {
		t.Errorf("got %v", err)
	}
}

func TestCancelledContextIsNotProposed(t *testing.T) {
	r := start(t, nil)
	seq := r.e.Root().Seq()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.e.Do(ctx, engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
		cancel()
		return engine.Answer{}, tx.Insert(r.authors, ada())
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	r.must(func(tx *engine.Tx) error { return nil }) // behind it
	if r.e.Root().Seq() != seq {
		t.Error("the cancelled transaction was committed")
	}
}

func TestAnswersWaitForTheirCommit(t *testing.T) {
	r := start(t, nil)
	r.o.mu.Lock()
	r.o.auto = false
	r.o.mu.Unlock()
	drain(r.o.arrived)
	write, read := make(chan error, 1), make(chan error, 1)
	go func() { write <- r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) }) }()
	<-r.o.arrived
	go func() {
		read <- r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) }) // refused: reads what is not committed
	}()
	for r.e.Stats().Queued != 2 {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-write:
		t.Fatalf("the write was answered before its commit: %v", err)
	case err := <-read:
		t.Fatalf("the refusal was answered before what it read was committed: %v", err)
	default:
	}
	if n := r.e.Root().Len(r.authors.Number()); n != 0 {
		t.Fatalf("%d authors visible before the commit", n)
	}
	r.o.commit()
	if err := <-write; err != nil {
		t.Error(err)
	}
	var conflict *engine.ConflictError
	if err := <-read; !errors.As(err, &conflict) {
		t.Errorf("got %v", err)
	}
}

func TestLost(t *testing.T) {
	disk := errors.New("disk broke")
	for _, c := range []struct {
		name  string
		known bool
		want  error
	}{{"known", true, engine.ErrNotCommitted}, {"unknown", false, engine.ErrOutcomeUnknown}} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, nil)
			before := r.e.Root()
			r.o.mu.Lock()
			r.o.auto = false
			r.o.mu.Unlock()
			drain(r.o.arrived)
			got := make(chan error, 1)
			go func() { got <- r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) }) }()
			<-r.o.arrived
			r.o.lose(c.known, disk, true)
			if err := <-got; !errors.Is(err, c.want) || !errors.Is(err, disk) {
				t.Errorf("got %v, want %v and the cause", err, c.want)
			}
			if r.e.Root().Hash() != before.Hash() {
				t.Error("the lost write is visible")
			}
			r.o.mu.Lock()
			r.o.auto = true
			r.o.mu.Unlock()
			r.must(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) })
		})
	}
}

// TestWriteBetweenEpochs: a write that comes when a full disk has ended an epoch, and the
// next one has not begun, is carried out in that.
func TestWriteBetweenEpochs(t *testing.T) {
	r := start(t, nil)
	r.o.lose(true, fmt.Errorf("no room: %w", eventlog.ErrFull), false)
	for r.e.Stats().Leading {
		time.Sleep(time.Millisecond)
	}
	got := make(chan error, 1)
	go func() { got <- r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) }) }()
	for r.e.Stats().Queued == 0 {
		select {
		case err := <-got:
			t.Fatalf("it was not waited for: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	r.o.mu.Lock()
	r.o.epoch++
	r.o.sink.Leading(r.o.epoch)
	r.o.mu.Unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
	r.o.lose(true, errors.New("something else"), false)
	for r.e.Stats().Leading {
		time.Sleep(time.Millisecond)
	}
	if err := r.do(func(tx *engine.Tx) error { return nil }); !errors.Is(err, engine.ErrNotLeader) {
		t.Errorf("after another failure: %v", err)
	}
}

func TestRefusedProposalLeavesNoTrace(t *testing.T) {
	r := start(t, nil)
	r.o.mu.Lock()
	r.o.refuse = errors.New("no room")
	r.o.mu.Unlock()
	err := r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) })
	if !errors.Is(err, engine.ErrNotCommitted) {
		t.Errorf("got %v", err)
	}
	r.o.mu.Lock()
	r.o.refuse = nil
	r.o.mu.Unlock()
	r.must(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) })
}

func TestReplayGivesTheSameState(t *testing.T) {
	r := start(t, nil)
	for i := range 50 {
		r.must(func(tx *engine.Tx) error {
			a := &author{Email: fmt.Sprintf("a%d@example.org", i), Name: fmt.Sprint("A", i%7)}
			if err := tx.Insert(r.authors, a); err != nil {
				return err
			}
			return tx.Insert(r.articles, &article{Title: fmt.Sprint("t", i), Author: a.ID})
		})
	}
	want := r.e.Root()
	again := start(t, r.o.log)
	if got := again.e.Root(); got.Seq() != want.Seq() || got.Hash() != want.Hash() {
		t.Errorf("replayed: sequence %d hash %x, want %d %x", got.Seq(), got.Hash(), want.Seq(), want.Hash())
	}
	if s := again.e.Stats(); s.Replayed != uint64(len(r.o.log)) {
		t.Errorf("replayed %d records, want %d", s.Replayed, len(r.o.log))
	}
}

func TestIdempotency(t *testing.T) {
	r := start(t, nil)
	runs := 0
	cmd := engine.Command{IdemKey: "k1", IdemHash: [32]byte{1}, Actor: "ada", Run: func(tx *engine.Tx) (engine.Answer, error) {
		runs++
		return engine.Answer{Status: 201, Header: [][2]string{{"Location", "/x"}}, Body: []byte("made")}, tx.Insert(r.authors, ada())
	}}
	first, err := r.e.Do(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	check := func(r *rig) {
		t.Helper()
		again, err := r.e.Do(t.Context(), cmd)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Replayed || again.Seq != first.Seq || !reflect.DeepEqual(again.Answer.Body, first.Answer.Body) || !reflect.DeepEqual(again.Header, first.Header) || again.Status != 201 {
			t.Errorf("replayed %+v, want %+v", again, first)
		}
	}
	check(r)
	other := cmd
	other.IdemHash[0] = 2
	var idem *engine.IdempotencyError
	if _, err := r.e.Do(t.Context(), other); !errors.As(err, &idem) {
		t.Errorf("another request with the key: %v", err)
	}
	check(start(t, r.o.log)) // after a restart
	if runs != 1 {
		t.Errorf("the function ran %d times", runs)
	}
}

func TestRefusedIdempotentRequestRunsAfresh(t *testing.T) {
	r := start(t, nil)
	runs := 0
	cmd := engine.Command{IdemKey: "k", Run: func(tx *engine.Tx) (engine.Answer, error) {
		if runs++; runs == 1 {
			return engine.Answer{}, errors.New("no")
		}
		return engine.Answer{}, nil
	}}
	if _, err := r.e.Do(t.Context(), cmd); err == nil {
		t.Fatal("no error")
	}
	if res, err := r.e.Do(t.Context(), cmd); err != nil || res.Replayed {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestIdempotencyKeysExpire(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	r := start(t, nil, func(c *engine.Config) {
		c.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	runs := 0
	cmd := engine.Command{IdemKey: "k", Run: func(tx *engine.Tx) (engine.Answer, error) { runs++; return engine.Answer{}, nil }}
	for range 3 {
		if _, err := r.e.Do(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	now = now.Add(engine.IdempotencyWindow + time.Second)
	mu.Unlock()
	if _, err := r.e.Do(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	if runs != 2 {
		t.Errorf("ran %d times, want once before and once after the window", runs)
	}
}

func TestQueueFull(t *testing.T) {
	r := start(t, nil, func(c *engine.Config) { c.MaxQueue = 2 })
	hold, in := make(chan struct{}), make(chan struct{})
	results := make(chan error, 2)
	go func() { results <- r.do(func(*engine.Tx) error { close(in); <-hold; return nil }) }()
	<-in
	go func() { results <- r.do(func(*engine.Tx) error { return nil }) }()
	for r.e.Stats().Queued != 2 {
		time.Sleep(time.Millisecond)
	}
	if err := r.do(func(*engine.Tx) error { return nil }); !errors.Is(err, engine.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	close(hold)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// TestWithdrawnGiveTheirPlaceBackOnce: a call that was withdrawn and then meets a node that leads no more frees
// one place in the queue, not two.
func TestWithdrawnGiveTheirPlaceBackOnce(t *testing.T) {
	r := start(t, nil, func(c *engine.Config) { c.MaxQueue = 3 })
	r.o.mu.Lock()
	r.o.auto = false
	r.o.mu.Unlock()
	drain(r.o.arrived)
	lost := make(chan error, 1)
	go func() {
		lost <- r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, &author{Email: "a@example.org", Name: "a"}) })
	}()
	<-r.o.arrived
	gone := errors.New("gone")
	for range 2 { // they wait for the entry in flight
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := r.e.Do(ctx, engine.Command{Run: func(*engine.Tx) (engine.Answer, error) { return engine.Answer{}, nil }})
			done <- err
		}()
		for r.e.Stats().Queued != 2 {
			time.Sleep(time.Millisecond)
		}
		cancel(gone)
		if err := <-done; !errors.Is(err, gone) {
			t.Errorf("got %v, want that it was withdrawn", err)
		}
	}
	r.o.lose(true, errors.New("deposed"), false)
	if err := <-lost; !errors.Is(err, engine.ErrNotCommitted) {
		t.Errorf("got %v, want ErrNotCommitted", err)
	}
	if err := r.do(func(*engine.Tx) error { return nil }); !errors.Is(err, engine.ErrNotLeader) {
		t.Errorf("got %v, want ErrNotLeader", err)
	}
	if n := r.e.Stats().Queued; n != 0 {
		t.Errorf("%d calls are queued, want none", n)
	}
}

// TestWithdrawnAreLetGo: what callers held who gave up is freed, also while a function hangs, or a commit.
func TestWithdrawnAreLetGo(t *testing.T) {
	r := start(t, nil, func(c *engine.Config) { c.MaxQueue, c.MaxInflight, c.Gather = 10, 1, 1 })
	give := func(when string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var held []weak.Pointer[[64]byte]
		for range 10_000 {
			body := new([64]byte)
			held = append(held, weak.Make(body))
			if _, err := r.e.Do(ctx, engine.Command{Run: func(*engine.Tx) (engine.Answer, error) { return engine.Answer{Value: body}, nil }}); !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: %v", when, err)
			}
		}
		runtime.GC()
		n := 0
		for _, w := range held {
			if w.Value() != nil {
				n++
			}
		}
		if t.Logf("%s: %d of %d are held", when, n, len(held)); n > 3000 {
			t.Errorf("%s: %d of %d are held", when, n, len(held))
		}
	}
	hold, in, results := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	go func() { results <- r.do(func(*engine.Tx) error { close(in); <-hold; return nil }) }()
	<-in
	give("a function hangs")
	close(hold)
	r.o.mu.Lock()
	r.o.auto = false
	r.o.mu.Unlock()
	drain(r.o.arrived)
	go func() {
		results <- r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, &author{Email: "a@example.org", Name: "a"}) })
	}()
	<-r.o.arrived
	give("a commit hangs")
	r.o.commit()
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	r.must(func(*engine.Tx) error { return nil })
	if n := r.e.Stats().Queued; n != 0 {
		t.Errorf("%d calls are queued, want none", n)
	}
}

func TestSlowTransactionIsLoggedWithNameAndStack(t *testing.T) {
	var mu sync.Mutex
	var out strings.Builder
	logged := make(chan struct{}, 10)
	r := start(t, nil, func(c *engine.Config) {
		c.SlowTx = 30 * time.Millisecond
		c.Logger = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			out.Write(b)
			logged <- struct{}{}
			return len(b), nil
		}), nil))
	})
	_, err := r.e.Do(t.Context(), engine.Command{Name: "sleeper", Run: func(*engine.Tx) (engine.Answer, error) {
		<-logged
		return engine.Answer{}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if s := out.String(); !strings.Contains(s, "command=sleeper") || !strings.Contains(s, "TestSlowTransaction") {
		t.Errorf("logged %q", s)
	}
}

func TestBeforeHookAltersAndRefuses(t *testing.T) {
	refuse := errors.New("not you")
	var r *rig
	r = start(t, nil, func(c *engine.Config) {})
	_ = r
	e := r
	e.e.Before(e.authors, func(tx *engine.Tx, c *engine.Change) error {
		if a, ok := c.New.(*author); ok {
			if a.Name == "Eve" {
				return refuse
			}
			a.Name = strings.ToUpper(a.Name)
		}
		return nil
	})
	a := ada()
	r.must(func(tx *engine.Tx) error { return tx.Insert(r.authors, a) })
	if a.Name != "ADA" {
		t.Errorf("name %q", a.Name)
	}
	if err := r.do(func(tx *engine.Tx) error {
		return tx.Insert(r.authors, &author{Email: "eve@example.org", Name: "Eve"})
	}); !errors.Is(err, refuse) {
		t.Errorf("got %v", err)
	}
}

func TestScanWhileDeleting(t *testing.T) {
	r := start(t, nil)
	r.must(func(tx *engine.Tx) error {
		for i := range 500 {
			if err := tx.Insert(r.authors, &author{Email: fmt.Sprintf("a%d@example.org", i), Name: "A"}); err != nil {
				return err
			}
		}
		n := 0
		for key := range tx.Scan(r.authors.Number(), state.Range{}) {
			if err := tx.Delete(r.authors, key); err != nil {
				return err
			}
			n++
		}
		if n != 500 {
			return fmt.Errorf("the scan saw %d records", n)
		}
		return nil
	})
	if n := r.e.Root().Len(r.authors.Number()); n != 0 {
		t.Errorf("%d records left", n)
	}
}

type memoryPositions struct {
	mu sync.Mutex
	m  map[string]uint64
}

func (p *memoryPositions) Load(name string) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.m[name], nil
}

func (p *memoryPositions) Save(name string, index uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m[name] = index
	return nil
}

func TestCommittedHookSeesEveryEntryInOrder(t *testing.T) {
	positions := &memoryPositions{m: map[string]uint64{}}
	seen := make(chan engine.Entry, 100)
	failed := false
	r := &rig{T: t}
	cfg := engine.Config{Positions: positions, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Open: func(sink engine.Sink) (_ engine.Order, err error) { r.o, err = newOrder(sink, nil); return r.o, err }}
	var err error
	if r.e, err = engine.New(cfg); err != nil {
		t.Fatal(err)
	}
	r.authors = register[author](r)
	err = r.e.Committed("test", func(_ context.Context, e engine.Entry) error {
		if !failed {
			failed = true
			return errors.New("once more, please")
		}
		seen <- e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		r.must(func(tx *engine.Tx) error {
			return tx.Insert(r.authors, &author{Email: fmt.Sprintf("a%d@example.org", i), Name: "A"})
		})
	}
	want := r.e.Root().Seq()
	next := uint64(1)
	for next <= want {
		e := <-seen
		if e.First != next {
			t.Fatalf("entry begins at sequence %d, want %d", e.First, next)
		}
		next += uint64(len(e.Txs))
	}
	if err := r.e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := positions.m["test"]; got != uint64(len(r.o.log)) {
		t.Errorf("saved position %d, want %d", got, len(r.o.log))
	}
}

func TestRacingUniqueInserts(t *testing.T) {
	r := start(t, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 32 {
		wg.Go(func() {
			if err := r.do(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) }); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 32 racing inserts of one unique value won", won)
	}
}

func TestWait(t *testing.T) {
	r := start(t, nil)
	got := make(chan error, 1)
	target := r.e.Root().Seq() + 1
	go func() {
		root, err := r.e.Wait(t.Context(), target)
		if err == nil && root.Seq() < target {
			err = fmt.Errorf("sequence %d", root.Seq())
		}
		got <- err
	}()
	r.must(func(tx *engine.Tx) error { return tx.Insert(r.authors, ada()) })
	if err := <-got; err != nil {
		t.Error(err)
	}
	for _, level := range []engine.Level{engine.None, engine.Weak, engine.Linearizable, engine.Strong} {
		if root, err := r.e.Barrier(t.Context(), level); err != nil || root.Seq() < target {
			t.Errorf("%s: %v", level, err)
		}
	}
}

func drain(ch chan struct{}) {
	for {
		select {
		case <-ch:
		default:
			return
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
