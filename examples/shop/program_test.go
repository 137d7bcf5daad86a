package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/program"
	"github.com/lithair/lithair-go/jsonx"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m, main)) }

// TestProgram: the program fills its shelves once, and has its orders when it starts again.
func TestProgram(t *testing.T) {
	args := []string{"-addr", "127.0.0.1:0", "-data", t.TempDir(), "-log-level", "info"}
	p := program.Start(t, args...)
	b := newBrowser(t, p.URL)
	stocked := func() (list string) {
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // the shelves are filled while it serves
			status, list := b.get("/api/products")
			if status != 200 {
				t.Fatalf("products: %d %s", status, list)
			}
			if !strings.Contains(list, `"total":0`) {
				return list
			}
			if time.Now().After(end) {
				t.Fatalf("the shelves stay empty: %s\n%s", list, p.Output())
			}
		}
	}
	list := stocked()
	if want := fmt.Sprintf(`"total":%d`, len(assortment)); !strings.Contains(list, want) {
		t.Errorf("no %s: %s", want, list)
	}
	p.Stop()
	p = program.Start(t, args...)
	b.base = p.URL
	if again := stocked(); again != list {
		t.Errorf("behind a restart there is\n%s\nand was\n%s", again, list)
	}
	p.Stop()
}

// TestWrongRequests: what no page sends is refused and changes nothing.
func TestWrongRequests(t *testing.T) {
	s, base := startShop(t)
	mug := s.bySKU(t, "MUG-01")
	b := newBrowser(t, base)
	for _, c := range []struct {
		path   string
		fields []string
		status int
		has    string
	}{
		{"/cart", []string{"product", "x", "quantity", "1"}, 400, "no such product"},
		{"/cart", []string{"product", mug.ID.String(), "quantity", "many"}, 400, "no number"},
		{"/cart", []string{"product", mug.ID.String(), "quantity", "99999999999"}, 400, "no number"},
		{"/cart", []string{"product", "01890000-0000-7000-8000-000000000000", "quantity", "1"}, 404, ""},
		{"/checkout", []string{"email", "ada@example.org"}, 200, "nothing in it yet"}, // back to the cart, which nobody has
	} {
		if status, page := b.post(c.path, c.fields...); status != c.status || !strings.Contains(page, c.has) {
			t.Errorf("%s %q: %d %s, want %d with %q", c.path, c.fields, status, page, c.status, c.has)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/cart", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: cartCookie, Value: "not-an-id"})
	if status, page := b.read(b.http.Do(req)); status != 200 || !strings.Contains(page, "nothing in it yet") {
		t.Errorf("a cookie that is none: %d %s", status, page)
	}
	b.post("/cart", "product", mug.ID.String(), "quantity", "99", "how", "add") // more than there are
	if status, page := b.post("/checkout", "email", "ada@example.org"); status != 409 || !strings.Contains(page, "Only 40 of Enamel mug left.") {
		t.Errorf("too many: %d %s", status, page)
	}
	if got := s.bySKU(t, "MUG-01").Stock; got != mug.Stock {
		t.Errorf("%d mugs left, want all %d", got, mug.Stock)
	}
	if s := (Product{}).Initial(); s != "?" {
		t.Errorf("the initial of nothing is %q", s)
	}
}

// TestWhatTheAPIShows: products are served as the model says, carts and orders to nobody; what is generated encodes as encoding/json does.
func TestWhatTheAPIShows(t *testing.T) {
	s, base := startShop(t)
	b := newBrowser(t, base)
	tea := s.bySKU(t, "TEA-33")
	b.post("/cart", "product", tea.ID.String(), "quantity", "2", "how", "add")
	if _, page := b.post("/checkout", "email", "ada@example.org"); !strings.Contains(page, "Thank you") {
		t.Fatal(page)
	}
	for _, c := range []struct {
		path   string
		status int
		has    string
	}{
		{"/api/products?sku=TEA-33", 200, `"stock":118`},
		{"/api/products/" + tea.ID.String(), 200, `"price_cents":890`},
		{"/api/carts", 404, ""},
		{"/api/orders", 404, ""},
	} {
		if status, text := b.get(c.path); status != c.status || !strings.Contains(text, c.has) {
			t.Errorf("%s: %d %s, want %d with %s", c.path, status, text, c.status, c.has)
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	lines := []Line{{ProductID: tea.ID, Name: "<tea> & \"milk\"", PriceCents: 890, Quantity: 2}, {}}
	for _, v := range []any{&tea, &lines[0], &Cart{}, &Cart{ID: tea.ID, Lines: lines, CreatedAt: at, UpdatedAt: at}, &Order{}, &Order{Email: "a@b", Lines: lines, TotalCents: 1780, CreatedAt: at}} {
		got, err := jsonx.Marshal(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var x, y any
		if err := errors.Join(json.Unmarshal(got, &x), json.Unmarshal(want, &y)); err != nil || !reflect.DeepEqual(x, y) {
			t.Errorf("%T becomes %s, want %s; %v", v, got, want, err)
		}
	}
}

// TestEvents: what happens to products is told behind the commit, with what has changed.
func TestEvents(t *testing.T) {
	heard := make(chan string, 10)
	app := lithair.New(lithair.Config{Name: "shop", Addr: "127.0.0.1:0", Dir: t.TempDir(), LogLevel: "error"})
	s, err := newShop(app)
	if err != nil {
		t.Fatal(err)
	}
	s.Products.OnCommit("heard", ProductEvents{
		Created: func(_ context.Context, e ProductCreated) error { heard <- "created " + e.Product.SKU; return nil },
		Updated: func(_ context.Context, e ProductUpdated) error {
			heard <- fmt.Sprintf("stock %v, price %v", e.Stock, e.PriceCents.Set)
			return nil
		},
		Deleted: func(_ context.Context, e ProductDeleted) error { heard <- "deleted " + e.ID.String(); return nil },
	})
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	p := Product{SKU: "X", Name: "X", PriceCents: 1, Stock: 2}
	for _, do := range []func(tx *lithair.Tx) error{
		func(tx *lithair.Tx) error { return s.Products.Insert(tx, &p) },
		func(tx *lithair.Tx) error { p.Stock = 3; return s.Products.Put(tx, &p) },
		func(tx *lithair.Tx) error { return s.Products.Delete(tx, p.ID) },
	} {
		if err := app.Update(t.Context(), do); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"created X", "stock {true 3}, price false", "deleted " + p.ID.String()} {
		if got := <-heard; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
}
