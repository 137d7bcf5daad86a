package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/wire"
)

func startShop(t *testing.T) (*shop, string) {
	t.Helper()
	app := lithair.New(lithair.Config{Name: "shop", Addr: "127.0.0.1:0", Dir: t.TempDir(), LogLevel: "error"})
	s, err := newShop(app)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := s.stockUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, "http://" + app.Addr()
}

// browser is a customer: it follows redirects and keeps its cookie.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, base: base, http: &http.Client{Jar: jar, Transport: transport, Timeout: time.Minute}}
}

func (b *browser) read(resp *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	return b.read(b.http.Get(b.base + path))
}

func (b *browser) post(path string, fields ...string) (int, string) {
	b.t.Helper()
	v := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return b.read(b.http.PostForm(b.base+path, v))
}

func (s *shop) bySKU(t *testing.T, sku string) (p Product) {
	t.Helper()
	err := s.app.View(func(snap *lithair.Snapshot) (err error) {
		p, err = s.Products.BySKU(snap, sku)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLookFillCartOrder(t *testing.T) {
	s, base := startShop(t)
	b := newBrowser(t, base)
	if _, page := b.get("/"); !strings.Contains(page, "Enamel mug") || !strings.Contains(page, "€14.50") || !strings.Contains(page, "Only 5 left") {
		t.Errorf("front page: %s", page)
	}
	if _, page := b.get("/cart"); !strings.Contains(page, "nothing in it yet") {
		t.Errorf("empty cart: %s", page)
	}
	mug, key := s.bySKU(t, "MUG-01"), s.bySKU(t, "KEY-64")
	b.post("/cart", "product", mug.ID.String(), "quantity", "1", "how", "add")
	b.post("/cart", "product", mug.ID.String(), "quantity", "2", "how", "add")
	status, page := b.post("/cart", "product", key.ID.String(), "quantity", "1", "how", "add")
	if status != 200 || !strings.Contains(page, "€172.50") || !strings.Contains(page, `class="count">4<`) {
		t.Errorf("cart: %d %s", status, page)
	}
	status, page = b.post("/checkout", "email", "not an address")
	if status != 422 || !strings.Contains(page, "e-mail address") || !strings.Contains(page, `value="not an address"`) {
		t.Errorf("bad address: %d %s", status, page)
	}
	status, page = b.post("/checkout", "email", "ada@example.org")
	if status != 200 || !strings.Contains(page, "Thank you") || !strings.Contains(page, "3 × Enamel mug") || !strings.Contains(page, "€172.50") {
		t.Errorf("order: %d %s", status, page)
	}
	if got := s.bySKU(t, "MUG-01").Stock; got != mug.Stock-3 {
		t.Errorf("%d mugs left, want %d", got, mug.Stock-3)
	}
	if got := s.bySKU(t, "KEY-64").Stock; got != 0 {
		t.Errorf("%d keyboards left", got)
	}
	if _, page := b.get("/"); !strings.Contains(page, "Sold out") || strings.Contains(page, `class="count"`) {
		t.Errorf("front page after the order: %s", page)
	}

	late := newBrowser(t, base)
	late.post("/cart", "product", key.ID.String(), "quantity", "1", "how", "add")
	late.post("/cart", "product", mug.ID.String(), "quantity", "1", "how", "add")
	status, page = late.post("/checkout", "email", "bob@example.org")
	if status != 409 || !strings.Contains(page, "Mechanical keyboard is sold out") {
		t.Errorf("sold out: %d %s", status, page)
	}
	if got := s.bySKU(t, "MUG-01").Stock; got != mug.Stock-3 {
		t.Errorf("a refused order took a mug: %d left", got)
	}
	late.post("/cart", "product", key.ID.String(), "quantity", "0", "how", "set")
	if status, _ = late.post("/checkout", "email", "bob@example.org"); status != 200 {
		t.Errorf("the rest of the cart: %d", status)
	}
	if status, _ = late.get("/orders/01890000-0000-7000-8000-000000000000"); status != 404 {
		t.Errorf("an order that is none: %d", status)
	}
}

// TestNeverOversells lets 64 customers race for 40 pieces, each through its own
// connection, and some of them again with the same idempotency key.
func TestNeverOversells(t *testing.T) {
	const buyers, stock = 64, 40
	s, base := startShop(t)
	var p Product
	carts := make([]lithair.ID, buyers)
	err := s.app.Update(t.Context(), func(tx *lithair.Tx) error {
		p = Product{SKU: "RACE", Name: "Raced for", PriceCents: 100, Stock: stock}
		if err := s.Products.Insert(tx, &p); err != nil {
			return err
		}
		for i := range carts {
			carts[i] = tx.NewID()
			if _, err := s.change(tx, carts[i], p.ID, 1, true); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	statuses := make([]int, buyers)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range buyers {
		wg.Go(func() {
			<-begin
			for range 1 + i%2 { // every other one asks twice
				statuses[i] = order(t, base, carts[i], fmt.Sprint("race-", i))
			}
		})
	}
	close(begin)
	wg.Wait()
	won := 0
	for i, status := range statuses {
		switch status {
		case 200, 201:
			won++
		case 409:
		default:
			t.Errorf("buyer %d: status %d", i, status)
		}
	}
	if won != stock {
		t.Errorf("%d orders went through, want %d", won, stock)
	}
	if left := s.bySKU(t, "RACE").Stock; left != 0 {
		t.Errorf("%d left, want 0", left)
	}
	orders, pieces := 0, int64(0)
	err = s.app.View(func(snap *lithair.Snapshot) error {
		for o, err := range s.Orders.Scan(snap) {
			if err != nil {
				return err
			}
			orders, pieces = orders+1, pieces+count(o.Lines)
		}
		return nil
	})
	if err != nil || orders != stock || pieces != stock {
		t.Errorf("%d orders of %d pieces, want %d of %d; %v", orders, pieces, stock, stock, err)
	}
}

func order(t *testing.T, base string, cart lithair.ID, key string) int {
	body, err := json.Marshal(placeOrder{CartID: cart, Email: "buyer@example.org"})
	if err != nil {
		t.Error(err)
		return 0
	}
	req, err := http.NewRequest("POST", base+"/api/_command/place-order", strings.NewReader(string(body)))
	if err != nil {
		t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	return resp.StatusCode
}

func TestAnOrderEmptiesItsCartOnce(t *testing.T) {
	s, _ := startShop(t)
	tea := s.bySKU(t, "TEA-33")
	var cart lithair.ID
	err := s.app.Update(t.Context(), func(tx *lithair.Tx) error {
		cart = tx.NewID()
		_, err := s.change(tx, cart, tea.ID, 3, true)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.ordering.Run(t.Context(), placeOrder{CartID: cart, Email: "a@example.org"})
	if err != nil || o.TotalCents != 3*tea.PriceCents || o.ID.IsZero() {
		t.Fatalf("%+v, %v", o, err)
	}
	_, err = s.ordering.Run(t.Context(), placeOrder{CartID: cart, Email: "a@example.org"})
	if e, ok := errors.AsType[*wire.Error](err); !ok || e.Status != 409 {
		t.Errorf("ordering the same cart again: %v", err)
	}
	if got := s.bySKU(t, "TEA-33").Stock; got != tea.Stock-3 {
		t.Errorf("%d left", got)
	}
}

func TestSetLine(t *testing.T) {
	a, b := Product{ID: lithair.ID{1}, Name: "A", PriceCents: 5}, Product{ID: lithair.ID{2}, Name: "B"}
	var lines []Line
	lines = setLine(lines, a, 2, true)
	lines = setLine(lines, b, 1, true)
	lines = setLine(lines, a, 3, true)
	if len(lines) != 2 || lines[0].Quantity != 5 || total(lines) != 25 || count(lines) != 6 {
		t.Errorf("%+v", lines)
	}
	if lines = setLine(lines, a, 1000, true); lines[0].Quantity != maxQuantity {
		t.Errorf("%+v", lines)
	}
	lines = setLine(lines, a, 0, false)
	if lines = setLine(lines, a, -1, true); len(lines) != 1 || lines[0].ProductID != b.ID {
		t.Errorf("%+v", lines)
	}
}

func TestMoney(t *testing.T) {
	for cents, want := range map[int64]string{0: "€0.00", 5: "€0.05", 1450: "€14.50", 100000: "€1000.00"} {
		if got := money(cents); got != want {
			t.Errorf("%d: %s", cents, got)
		}
	}
}
