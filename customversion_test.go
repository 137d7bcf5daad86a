package lithair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/jsonx"
)

type good struct {
	ID    string `json:"id"`
	Cents int64  `json:"cents"`
}

// pricedEuros and pricedCents are what one event was and is; pricedParts is what it will be.
type pricedEuros struct {
	Amount float64 `json:"amount"`
}

func (e pricedEuros) Apply(g *good) error { g.Cents = int64(e.Amount * 100); return nil }
func (pricedEuros) EventName() string     { return "Priced" }

type pricedCents struct {
	Amount int64 `json:"amount"`
}

func (e pricedCents) Apply(g *good) error { g.Cents = e.Amount; return nil }
func (pricedCents) EventName() string     { return "Priced" }
func (pricedCents) EventVersion() int     { return 2 }

func (pricedCents) Upcast(from int, payload []byte) ([]byte, error) {
	var old pricedEuros
	if err := jsonx.Unmarshal(payload, &old); from != 1 || err != nil {
		return nil, fmt.Errorf("version %d: %w", from, err)
	}
	if old.Amount < 0 {
		return nil, errors.New("a price below nothing")
	}
	return jsonx.Marshal(pricedCents{int64(old.Amount * 100)})
}

type pricedParts struct {
	Whole int64 `json:"whole"`
	Part  int64 `json:"part"`
}

func (e pricedParts) Apply(g *good) error { g.Cents = 100*e.Whole + e.Part; return nil }
func (pricedParts) EventName() string     { return "Priced" }
func (pricedParts) EventVersion() int     { return 3 }

func (pricedParts) Upcast(from int, payload []byte) ([]byte, error) {
	if from == 1 {
		return pricedCents{}.Upcast(from, payload)
	}
	var old pricedCents
	err := jsonx.Unmarshal(payload, &old)
	return append([]byte(nil), fmt.Sprintf(`{"whole":%d,"part":%d}`, old.Amount/100, old.Amount%100)...), err
}

// TestEventVersions: payloads of older programs are lifted where they are read, over a restart from a
// snapshot, and state is what it was; one of a newer program is kept for it.
func TestEventVersions(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	emit := func(a *App, goods *Collection[good], e ...CustomEvent[good]) {
		t.Helper()
		must(a.Update(t.Context(), func(tx *Tx) error {
			for _, e := range e {
				if err := goods.Emit(tx, "a", e); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	// A program of version 1, whose hook never gets through.
	a := New(cfg)
	goods := Model[good](a, "/goods")
	OnEvent(goods, "prices", func(context.Context, Event[good], pricedEuros) error { return errors.New("not now") })
	must(a.Start(t.Context()))
	must(a.Update(t.Context(), func(tx *Tx) error { return goods.Insert(tx, &good{ID: "a"}) }))
	emit(a, goods, pricedEuros{1.5}, pricedEuros{2.25})
	must(a.Snapshot(t.Context()))
	must(stop(a))

	// One of version 3 goes on in its place.
	a = New(cfg)
	goods = Model[good](a, "/goods")
	seen := make(chan string, 10)
	OnEvent(goods, "prices", func(_ context.Context, e Event[good], v pricedParts) error {
		seen <- fmt.Sprintf("%s %d: %d.%02d", e.Name, e.Version, v.Whole, v.Part)
		return nil
	})
	stuck := make(chan error, 1)
	goods.OnCommit("behind", func(_ context.Context, e Event[good]) error {
		if _, ok, err := As[pricedCents](&e); ok && err != nil {
			select {
			case stuck <- err:
			default:
			}
		}
		return nil
	})
	must(a.Start(t.Context()))
	emit(a, goods, pricedCents{375}, pricedParts{4, 99})
	var got []string
	for range 4 {
		got = append(got, receive(t, "what the hook sees", seen))
	}
	if want := []string{"Priced 1: 1.50", "Priced 1: 2.25", "Priced 2: 3.75", "Priced 3: 4.99"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := receive(t, "the error of a program of version 2", stuck); !errors.Is(err, ErrEventVersion) || !strings.Contains(err.Error(), "it is of version 3") {
		t.Errorf("a program of version 2: %v", err)
	}
	body := call(t, a, "GET", "/goods/a/history", "").body
	if !strings.Contains(body, `{"name":"Priced","payload":{"amount":1.5}}`) || !strings.Contains(body, `{"name":"Priced","payload":{"whole":4,"part":99},"version":3}`) {
		t.Error(body)
	}
	if body := call(t, a, "GET", "/goods/a", "").body; !strings.Contains(body, `"cents":499`) {
		t.Error(body)
	}
	must(stop(a))

	e := Event[good]{Name: "Priced", Version: 1, Payload: []byte(`{"amount":-1}`)}
	if _, ok, err := As[pricedParts](&e); !ok || err == nil || !strings.Contains(err.Error(), "from version 1 to 2: a price below nothing") {
		t.Errorf("%v %v", ok, err)
	}
}

// TestEventVersionsInCluster: each node lifts for itself, of what was emitted anywhere.
func TestEventVersionsInCluster(t *testing.T) {
	seen := make(chan string, 30)
	all := map[*App]*Collection[good]{}
	m := startCluster(t, 3, func(a *App) {
		goods := Model[good](a, "/goods")
		all[a] = goods
		OnEvent(goods, "prices", func(_ context.Context, e Event[good], v pricedParts) error {
			seen <- fmt.Sprintf("%d: %d.%02d", e.Version, v.Whole, v.Part)
			return nil
		})
	})
	a := m.apps[m.leader()]
	if err := a.Update(t.Context(), func(tx *Tx) error {
		goods := all[a]
		return errors.Join(goods.Insert(tx, &good{ID: "a"}), goods.Emit(tx, "a", pricedEuros{1.5}), goods.Emit(tx, "a", pricedCents{375}), goods.Emit(tx, "a", pricedParts{4, 99}))
	}); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for range 9 {
		count[receive(t, "what the hooks see", seen)]++
	}
	for _, want := range []string{"1: 1.50", "2: 3.75", "3: 4.99"} {
		if count[want] != 3 {
			t.Errorf("%d of 3 nodes saw %s: %v", count[want], want, count)
		}
	}
}
