package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

type payment struct {
	_ struct{} `lifecycle:"immutable"`

	ID    uint64 `json:"id"`
	Payer string `json:"payer" lithair:"fk=account,on_delete=cascade"`
	Cents int    `json:"cents"`
}

type account struct {
	ID    string  `json:"id"`
	Owner *string `json:"owner,omitempty" lithair:"fk=account,on_delete=set_null" lifecycle:"immutable"`
}

// What is immutable is not changed, on whatever way.
func TestImmutable(t *testing.T) {
	var payments, accounts *engine.Table
	r := startWith(t, nil, func(r *rig) { payments, accounts = register[payment](r), register[account](r) })
	owner := "a"
	r.must(func(tx *engine.Tx) error {
		return errors.Join(tx.Insert(accounts, &account{ID: "a"}), tx.Insert(accounts, &account{ID: "b", Owner: &owner}), tx.Insert(accounts, &account{ID: "c"}),
			tx.Insert(payments, &payment{ID: 1, Payer: "c", Cents: 5}))
	})
	hash := r.e.Root().Hash()
	key := func(tbl *engine.Table, v any) string { return r.key(tbl, v) }
	for name, fn := range map[string]func(tx *engine.Tx) error{
		"put":      func(tx *engine.Tx) error { return tx.Put(payments, &payment{ID: 1, Payer: "c", Cents: 6}) },
		"upsert":   func(tx *engine.Tx) error { return tx.Upsert(payments, &payment{ID: 1, Payer: "a", Cents: 5}) },
		"delete":   func(tx *engine.Tx) error { return tx.Delete(payments, key(payments, &payment{ID: 1})) },
		"cascade":  func(tx *engine.Tx) error { return tx.Delete(accounts, key(accounts, &account{ID: "c"})) },
		"set null": func(tx *engine.Tx) error { return tx.Delete(accounts, key(accounts, &account{ID: "a"})) },
		"field":    func(tx *engine.Tx) error { return tx.Put(accounts, &account{ID: "b"}) },
	} {
		err := r.do(fn)
		var c *engine.ConflictError
		if !errors.As(err, &c) || c.Kind != engine.ConflictImmutable || !strings.Contains(err.Error(), "immutable") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.must(func(tx *engine.Tx) error { return tx.Put(payments, &payment{ID: 1, Payer: "c", Cents: 5}) }) // changes nothing
	if r.e.Root().Hash() != hash {
		t.Error("something was changed")
	}
}

type page struct {
	_ struct{} `lifecycle:"versioned=3,audited"`

	ID   string `json:"id"`
	Text string `json:"text"`
	Tag  string `json:"tag"`
}

type memo struct {
	ID   string `json:"id"`
	Text string `json:"text" lifecycle:"audited"`
	Note string `json:"note"`
}

// onDisk is an engine with snapshots over a log on a simulated disk, with models of the
// caller's.
func onDisk(t *testing.T, sim *disk.Sim, models func(e *engine.Engine)) *engine.Engine {
	t.Helper()
	e, err := onDiskOr(t, sim, models)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// onDiskOr is onDisk with the error of the start.
func onDiskOr(t *testing.T, sim *disk.Sim, models func(e *engine.Engine)) (*engine.Engine, error) {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	e, err := engine.New(engine.Config{Logger: quiet, Open: func(sink engine.Sink) (engine.Order, error) {
		log, err := eventlog.Open(eventlog.Config{Dir: "log", FS: sim, SegmentBytes: 12 << 10, Logger: quiet})
		if err != nil {
			return nil, err
		}
		n, err := node.Start(node.Config{Log: log, Sink: sink})
		if err != nil {
			return nil, errors.Join(err, log.Close())
		}
		return n, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	models(e)
	if err := e.KeepSnapshots(engine.SnapshotConfig{Dir: "snapshots", FS: sim, EveryBytes: 1 << 30, Compact: true}); err != nil {
		t.Fatal(err)
	}
	return e, e.Start(t.Context())
}

func registered[T any](t *testing.T, e *engine.Engine) *engine.Table {
	t.Helper()
	m, err := model.Of(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	table, err := e.Register(m)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// The last versions of a record, and who gave its audited fields their values, are there
// when the log that told of them is gone.
func TestVersionsAndAuditsOutliveTheLog(t *testing.T) {
	sim := disk.NewSim(1)
	var pages, memos *engine.Table
	models := func(e *engine.Engine) { pages, memos = registered[page](t, e), registered[memo](t, e) }
	e := onDisk(t, sim, models)
	do := func(actor string, fn func(tx *engine.Tx) error) uint64 {
		t.Helper()
		res, err := e.Do(t.Context(), engine.Command{Name: "edit", Actor: actor, RequestID: "r-" + actor, Run: func(tx *engine.Tx) (engine.Answer, error) { return engine.Answer{}, fn(tx) }})
		if err != nil {
			t.Fatal(err)
		}
		return res.Seq
	}
	var seqs []uint64
	for i := range 6 {
		seqs = append(seqs, do(fmt.Sprint("u", i), func(tx *engine.Tx) error {
			if err := tx.Upsert(pages, &page{ID: "p", Text: "draft"}); err != nil {
				return err
			}
			if err := tx.Upsert(memos, &memo{ID: "m", Text: fmt.Sprint(i / 3), Note: fmt.Sprint(i)}); err != nil {
				return err
			}
			return tx.Upsert(pages, &page{ID: "p", Text: fmt.Sprint("text ", i), Tag: fmt.Sprint(i / 2)})
		}))
	}
	do("x", func(tx *engine.Tx) error {
		return errors.Join(tx.Insert(pages, &page{ID: "gone", Text: "1"}), tx.Insert(pages, &page{ID: "p2", Text: "1"}))
	})
	do("x", func(tx *engine.Tx) error { key, _ := pages.Codec().KeyOf("gone"); return tx.Delete(pages, key) })
	for i := range 300 { // until the log above is let go of
		do("y", func(tx *engine.Tx) error { return tx.Upsert(memos, &memo{ID: "other", Note: fmt.Sprint(i)}) })
		if i%100 == 50 {
			if err := e.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(when string) {
		t.Helper()
		key, err := pages.Codec().KeyOf("p")
		if err != nil {
			t.Fatal(err)
		}
		var kept []uint64
		for v, err := range e.Versions(e.Root(), pages, key) {
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, v.Seq)
		}
		if !slices.Equal(kept, []uint64{seqs[5], seqs[4], seqs[3]}) {
			t.Errorf("%s: versions %v are kept, want the last three of %v", when, kept, seqs)
		}
		versions, more, complete, err := e.History(t.Context(), pages, key, 0, 10)
		if err != nil || more || complete || len(versions) != 3 {
			t.Fatalf("%s: %+v, %v, %v, %v", when, versions, more, complete, err)
		}
		for i, v := range versions {
			var p page
			if err := pages.Codec().Decode(v.Record, &p); err != nil {
				t.Fatal(err)
			}
			if v.Seq != seqs[3+i] || v.Actor != fmt.Sprint("u", 3+i) || v.RequestID != "r-"+v.Actor || v.Command != "edit" || v.Kind != state.Updated || p.Text != fmt.Sprint("text ", 3+i) || v.Time == 0 {
				t.Errorf("%s: version %d is %+v of %+v", when, i, v, p)
			}
		}
		by, _, err := e.Blame(t.Context(), pages, key)
		if err != nil {
			t.Fatal(err)
		}
		s := pages.Schema()
		for field, actor := range map[string]string{"id": "u0", "text": "u5", "tag": "u4"} {
			if v := by[s.Field(field).Number]; v.Actor != actor {
				t.Errorf("%s: %s is by %+v, want %s", when, field, v, actor)
			}
		}
		if key, err = memos.Codec().KeyOf("m"); err != nil {
			t.Fatal(err)
		}
		if by, _, err = e.Blame(t.Context(), memos, key); err != nil {
			t.Fatal(err)
		}
		if s = memos.Schema(); by[s.Field("text").Number].Actor != "u3" || len(by) != 1 {
			t.Errorf("%s: memo is by %+v, want its text alone by u3", when, by)
		}
		if s := e.Root().SchemaByName("_versions"); e.Root().Len(s.Number) != 4 { // 3 of p, 1 of p2, none of gone
			t.Errorf("%s: %d versions are kept", when, e.Root().Len(s.Number))
		}
		if s := e.Root().SchemaByName("_audit"); e.Root().Len(s.Number) != 3 {
			t.Errorf("%s: %d audits are kept", when, e.Root().Len(s.Number))
		}
	}
	check("live")
	hash := e.Root().Hash()
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e = onDisk(t, sim, models); e.Root().Hash() != hash {
		t.Error("the state is another after a restart")
	}
	check("restarted")
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type session struct {
	_ struct{} `lifecycle:"retention=2,versioned=2"`

	ID   uint64    `json:"id"`
	Made time.Time `json:"made" lithair:"created"`
}

type visit struct {
	ID      uint64     `json:"id"`
	Session uint64     `json:"session" lithair:"fk=session"`
	Ends    *time.Time `json:"ends" lifecycle:"retention=1"`
}

// clock is a clock under the test's control.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(0, c.ns.Load()) }

func (c *clock) add(d time.Duration) { c.ns.Add(int64(d)) }

// Records go when they are due, by entry time, in system transactions, as soon as anything
// is written; those that others refer to stay until nothing does.
func TestRetention(t *testing.T) {
	c := &clock{}
	c.ns.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	var sessions, visits *engine.Table
	models := func(r *rig) { sessions, visits = register[session](r), register[visit](r) }
	r := startWith(t, nil, models, func(cfg *engine.Config) { cfg.Clock = c.now })
	day := 24 * time.Hour
	at := c.now().Add(2 * day)
	r.must(func(tx *engine.Tx) error {
		for i := range 600 { // more than one step
			if err := tx.Insert(sessions, &session{ID: uint64(i)}); err != nil {
				return err
			}
		}
		return errors.Join(tx.Insert(visits, &visit{ID: 1, Session: 3, Ends: &at}), tx.Insert(visits, &visit{ID: 2, Session: 5}))
	})
	left := func() string {
		return fmt.Sprint(r.e.Root().Len(sessions.Number()), " ", r.e.Root().Len(visits.Number()))
	}
	// write runs commands until the state is as wanted: the removal has its steps.
	write := func(want string) {
		t.Helper()
		for range 50 {
			r.must(func(tx *engine.Tx) error { return nil })
			if left() == want {
				break
			}
		}
		if got := left(); got != want {
			t.Fatalf("%s are left, want %s", got, want)
		}
	}
	write("600 2")
	c.add(2*day - time.Second)
	write("600 2")
	c.add(2 * time.Second)
	write("2 2") // 3 and 5 are referred to
	c.add(day)
	write("2 1") // the visit that ends goes
	c.add(2 * time.Minute)
	write("1 1") // and so does session 3, when it is tried again
	r.must(func(tx *engine.Tx) error { return tx.Delete(visits, r.key(visits, &visit{ID: 2})) })
	c.add(2 * time.Minute)
	write("0 0")
	system := 0
	for _, rec := range r.o.log {
		e, err := engine.DecodeEntry(rec.Payload)
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range e.Txs {
			if tx.Command == "retention" {
				if system++; tx.Actor != engine.System || tx.Events[0].Kind != state.Deleted {
					t.Errorf("%+v", tx)
				}
			}
		}
	}
	if system != 601 {
		t.Errorf("%d transactions of the system removed a record, want 601", system)
	}
	if s := r.e.Root().SchemaByName("_versions"); r.e.Root().Len(s.Number) != 0 {
		t.Errorf("%d versions are kept of no record", r.e.Root().Len(s.Number))
	}
	again := startWith(t, r.o.log, models, func(cfg *engine.Config) { cfg.Clock = c.now })
	if again.e.Root().Hash() != r.e.Root().Hash() {
		t.Error("replay gives another state")
	}
}

type brief struct {
	ID   uint64    `json:"id"`
	Ends time.Time `json:"ends" lifecycle:"retention=1"`
}

// What comes due goes without a command, too.
func TestRetentionWakesUp(t *testing.T) {
	var briefs *engine.Table
	r := startWith(t, nil, func(r *rig) { briefs = register[brief](r) })
	r.must(func(tx *engine.Tx) error {
		ends := tx.Now().Add(-24 * time.Hour)
		return errors.Join(tx.Insert(briefs, &brief{ID: 1, Ends: ends.Add(20 * time.Millisecond)}), tx.Insert(briefs, &brief{ID: 2, Ends: ends.Add(40 * time.Millisecond)}),
			tx.Insert(briefs, &brief{ID: 3}), tx.Insert(briefs, &brief{ID: 4, Ends: ends.Add(time.Hour)}), tx.Insert(briefs, &brief{ID: 5, Ends: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	root, err := r.e.Wait(ctx, r.e.Root().Seq())
	for err == nil && root.Len(briefs.Number()) > 3 {
		root, err = r.e.Wait(ctx, root.Seq()+1)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []uint64{3, 4, 5} {
		if root.Get(briefs.Number(), r.key(briefs, &brief{ID: id})) == nil {
			t.Errorf("record %d is gone, too", id)
		}
	}
}

// When the order takes nothing, what is due is not tried without end.
func TestRetentionWaitsWhenNothingIsTaken(t *testing.T) {
	for name, spoil := range map[string]func(o *order){
		"refused": func(o *order) { o.refuse = errors.New("full") },
		"lost":    func(o *order) { o.auto = false },
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{}
			c.ns.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
			var briefs *engine.Table
			r := startWith(t, nil, func(r *rig) { briefs = register[brief](r) }, func(cfg *engine.Config) { cfg.Clock = c.now })
			r.must(func(tx *engine.Tx) error { return tx.Insert(briefs, &brief{ID: 1, Ends: tx.Now()}) })
			drain(r.o.arrived)
			r.o.mu.Lock()
			spoil(r.o)
			r.o.mu.Unlock()
			tries := 0
			c.add(25 * time.Hour)
			go r.do(func(tx *engine.Tx) error { return nil }) // it may be lost with the others
			end := time.After(150 * time.Millisecond)
			for waiting := true; waiting; {
				select {
				case <-r.o.arrived:
					if tries++; name == "lost" {
						r.o.lose(true, errors.New("full"), true)
					}
				case <-end:
					waiting = false
				}
			}
			if tries > 5 { // with a pause of a second between two there is time for one or two
				t.Errorf("%d tries", tries)
			}
			r.o.mu.Lock()
			r.o.refuse, r.o.auto = nil, true
			r.o.mu.Unlock()
			r.o.commit()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			root, err := r.e.Wait(ctx, r.e.Root().Seq())
			for err == nil && root.Len(briefs.Number()) > 0 {
				root, err = r.e.Wait(ctx, root.Seq()+1)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A hook that refuses is heeded, told of, and asked again later.
func TestRetentionThatCannotBe(t *testing.T) {
	c := &clock{}
	c.ns.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	var sessions *engine.Table
	var out bytesBuffer
	asked := 0
	r := startWith(t, nil, func(r *rig) {
		sessions = register[session](r)
		r.e.Before(sessions, func(tx *engine.Tx, ch *engine.Change) error {
			if ch.Kind == state.Deleted && ch.Old.(*session).ID < 300 {
				asked++
				return errors.New("this one is dear to us")
			}
			return nil
		})
	}, func(cfg *engine.Config) { cfg.Clock, cfg.Logger = c.now, slog.New(slog.NewTextHandler(&out, nil)) })
	r.must(func(tx *engine.Tx) error {
		for i := range 310 {
			if err := tx.Insert(sessions, &session{ID: uint64(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	c.add(3 * 24 * time.Hour)
	nothing := func(tx *engine.Tx) error { return nil }
	for range 20 {
		r.must(nothing)
	}
	if n := r.e.Root().Len(sessions.Number()); n != 300 || asked != 300 {
		t.Fatalf("%d are left, %d were asked for; want the 300 refused, once each", n, asked)
	}
	if !strings.Contains(out.String(), "dear to us") {
		t.Errorf("nothing tells of it: %s", out.String())
	}
	c.add(2 * time.Minute)
	for range 20 {
		r.must(nothing)
	}
	if asked != 600 {
		t.Errorf("asked %d times, want a second round", asked)
	}
}

// bytesBuffer is a buffer that several goroutines may write to.
type bytesBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *bytesBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *bytesBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
