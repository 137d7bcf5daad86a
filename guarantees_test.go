package lithair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/wire"
)

type ticket struct {
	ID   ID     `json:"id" lithair:"primary_key"`
	Seat string `json:"seat" lithair:"unique"`
}

// TestRetriesInFlight: of many requests with one idempotency key at the same time one is
// carried out, and all get its answer; also after a restart.
func TestRetriesInFlight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	body := `{"seat":"12A"}`
	var first string
	for run := range 2 {
		a := newApp(t, Config{Dir: dir})
		tickets := Model[ticket](a, "/api/tickets")
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		fresh := 0
		for range 32 {
			wg.Go(func() {
				got := call(t, a, "POST", "/api/tickets", body, "Idempotency-Key: k")
				mu.Lock()
				defer mu.Unlock()
				if got.Header.Get("Idempotency-Replayed") == "" {
					fresh++
				}
				if first == "" {
					first = got.body
				}
				if got.StatusCode != 201 || got.body != first || got.Header.Get("ETag") != `"2"` || got.Header.Get("Lithair-Index") != "2" {
					t.Errorf("run %d: %d %v %s", run, got.StatusCode, got.Header, got.body)
				}
			})
		}
		wg.Wait()
		if fresh != 1-run {
			t.Errorf("run %d: %d were carried out", run, fresh)
		}
		if got := call(t, a, "POST", "/api/tickets", `{"seat":"12B"}`, "Idempotency-Key: k"); got.StatusCode != 422 || !strings.Contains(got.body, "LTH1024") {
			t.Errorf("another body: %d %s", got.StatusCode, got.body)
		}
		a.View(func(s *Snapshot) error {
			if n := tickets.Len(s); n != 1 {
				t.Errorf("%d records", n)
			}
			return nil
		})
		if err := a.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOneSeatForMany: of racing requests for one unique value one wins; the others are told
// the field.
func TestOneSeatForMany(t *testing.T) {
	t.Parallel()
	a := newApp(t, Config{})
	Model[ticket](a, "/api/tickets")
	start(t, a)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 64 {
		wg.Go(func() {
			got := call(t, a, "POST", "/api/tickets", `{"seat":"1"}`)
			if got.StatusCode == 409 && !strings.Contains(got.body, `"details":{"seat":`) {
				t.Error(got.body)
			}
			mu.Lock()
			statuses[got.StatusCode]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if statuses[201] != 1 || statuses[409] != 63 {
		t.Error(statuses)
	}
}

// TestFailuresAreLogged: the client learns the request id, and the log the cause.
func TestFailuresAreLogged(t *testing.T) {
	var out lockedBuffer
	a := newApp(t, Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	a.Get("/fail", func(w *wire.Response, r *wire.Request) error { return errors.New("a secret cause") })
	a.Get("/panic", func(w *wire.Response, r *wire.Request) error { panic("a secret panic") })
	a.Get("/refuse", func(w *wire.Response, r *wire.Request) error { return &wire.Error{Status: 400, Detail: "a refusal"} })
	start(t, a)
	for path, want := range map[string]int{"/fail": 500, "/panic": 500, "/refuse": 400} {
		if got := call(t, a, "GET", path, "", "X-Request-Id: id-of"+path); got.StatusCode != want || strings.Contains(got.body, "secret") {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
	for _, want := range []string{"a secret cause", "id-of/fail", "a secret panic", "id-of/panic"} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%q should be in the log once:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "refus") {
		t.Errorf("a client's mistake is in the log:\n%s", out.String())
	}
}

func TestMistakesInTransactions(t *testing.T) {
	var out lockedBuffer
	a := newApp(t, Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	tickets := Model[ticket](a, "/api/tickets")
	Command(a, "boom", func(tx *Tx, in struct{}) (int, error) {
		if err := tickets.Insert(tx, &ticket{Seat: "gone"}); err != nil {
			return 0, err
		}
		panic("a secret reason")
	})
	start(t, a)
	got := call(t, a, "POST", "/api/_command/boom", "{}", "X-Request-Id: req-77")
	if got.StatusCode != 500 || strings.Contains(got.body, "secret") || !strings.Contains(got.body, "req-77") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	for _, want := range []string{"a secret reason", "req-77", "guarantees_test.go"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, out.String())
		}
	}
	var leaked *Tx
	err := a.Update(t.Context(), func(tx *Tx) error {
		leaked = tx
		return deep(400, func() error { return a.Update(t.Context(), func(*Tx) error { return nil }) })
	})
	if !errors.Is(err, ErrNested) {
		t.Errorf("Update inside Update: %v", err)
	}
	if err := tickets.Insert(leaked, &ticket{Seat: "late"}); !errors.Is(err, ErrTxDone) {
		t.Errorf("a Tx used after its function: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Update(ctx, func(tx *Tx) error { return tickets.Insert(tx, &ticket{Seat: "cancelled"}) }); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
	if got := call(t, a, "GET", "/api/tickets/count", ""); got.body != `{"count":0}` {
		t.Error(got.body)
	}
	if got := call(t, a, "POST", "/api/tickets", `{"seat":"fine"}`); got.StatusCode != 201 {
		t.Errorf("afterwards: %d %s", got.StatusCode, got.body)
	}
}

// deep calls fn below n more frames.
//
//go:noinline
func deep(n int, fn func() error) error {
	if n > 0 {
		return deep(n-1, fn)
	}
	return fn()
}

func TestATransactionTooLargeIsRefused(t *testing.T) {
	a := newApp(t, Config{MaxBodyBytes: 64 << 20})
	Model[note](a, "/api/notes")
	start(t, a)
	got := call(t, a, "POST", "/api/notes", fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 17<<20)))
	if got.StatusCode != 413 || !strings.Contains(got.body, "limit of 16777216 bytes") {
		t.Errorf("%d %.300s", got.StatusCode, got.body)
	}
	if got := call(t, a, "POST", "/api/notes", fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 15<<20))); got.StatusCode != 201 {
		t.Errorf("below the limit: %d %.300s", got.StatusCode, got.body)
	}
	b := newApp(t, Config{MaxBodyBytes: 1000})
	Model[note](b, "/api/notes")
	start(t, b)
	if got := call(t, b, "POST", "/api/notes", fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 1000))); got.StatusCode != 413 {
		t.Errorf("a body over max-body-size: %d", got.StatusCode)
	}
}

func TestSlowTransactionsAreNamed(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes more than a second")
	}
	var out lockedBuffer
	a := newApp(t, Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	slow := Command(a, "slow-one", func(tx *Tx, in struct{}) (int, error) {
		for end := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "slow-one") && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		return 0, nil
	})
	start(t, a)
	if _, err := slow.Run(t.Context(), struct{}{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"slow transaction", "slow-one", "time.Sleep"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, out.String())
		}
	}
}

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestAHookCannotHoldUpTheEnd: one that does not heed its context is named and left.
func TestAHookCannotHoldUpTheEnd(t *testing.T) {
	a := newApp(t, Config{Dir: "data", FS: disk.NewSim(1)}) // not a real one: let go, the hook writes to it once more
	Model[note](a, "/api/notes")
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	var once sync.Once
	a.Committed("stubborn", func(context.Context, Entry) error {
		once.Do(func() { close(entered) })
		<-release
		return nil
	})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed(t, "the hook is called", entered)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "hook stubborn does not end") {
		t.Errorf("%v", err)
	}
}
