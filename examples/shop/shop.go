package main

import (
	"context"
	"embed"
	"errors"
	"hash/fnv"
	"html/template"
	"strconv"
	"strings"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
	"github.com/lithair/lithair-go/wire"
)

//go:embed templates static
var files embed.FS

// shop is the application: three collections, one command and the pages over them.
type shop struct {
	*Models
	app      *lithair.App
	pages    *web.Pages
	ordering *lithair.CommandOf[placeOrder, Order]
}

func newShop(app *lithair.App) (*shop, error) {
	s := &shop{app: app, Models: Register(app)}
	s.ordering = lithair.Command(app, "place-order", s.place)
	var err error
	if s.pages, err = web.ParsePages(files, template.FuncMap{"money": money}); err != nil {
		return nil, err
	}
	style, err := web.File(files, "static/style.css", "text/css; charset=utf-8")
	if err != nil {
		return nil, err
	}
	app.Use(web.Headers, web.SameOrigin)
	app.Get("/{$}", s.front)
	app.Get("/style.css", style)
	app.Get("/cart", s.showCart)
	app.Post("/cart", s.changeCart)
	app.Post("/checkout", s.checkout)
	app.Get("/orders/{id}", s.showOrder)
	return s, nil
}

// conflict makes a reason the customer should read a 409.
func conflict(err error) error {
	return &wire.Error{Status: 409, Code: "SHOP_CONFLICT", Detail: err.Error(), Err: err}
}

const cartCookie = "cart"

// cartID is the id in the cart cookie; false without a sound one.
func cartID(r *wire.Request) (lithair.ID, bool) {
	text, ok := r.Cookie(cartCookie)
	if !ok {
		return lithair.ID{}, false
	}
	id, err := lithair.ParseID(text)
	return id, err == nil
}

// frame is what every page shows around its content.
type frame struct {
	InCart int64 // how many things are in the cart
	Error  string
}

func (s *shop) frame(r lithair.Reader, id lithair.ID, known bool) (f frame, cart Cart, err error) {
	if !known {
		return f, cart, nil
	}
	cart, err = s.Carts.Get(r, id)
	if errors.Is(err, lithair.ErrNotFound) {
		return f, Cart{ID: id}, nil
	}
	f.InCart = count(cart.Lines)
	return f, cart, err
}

type frontPage struct {
	frame
	Products []Product
}

func (s *shop) front(w *wire.Response, r *wire.Request) error {
	var p frontPage
	id, known := cartID(r)
	err := s.app.View(func(snap *lithair.Snapshot) (err error) {
		if p.frame, _, err = s.frame(snap, id, known); err != nil {
			return err
		}
		for product, err := range s.Products.Scan(snap) {
			if err != nil {
				return err
			}
			p.Products = append(p.Products, product)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.pages.Render(w, 200, "front.html", p)
}

// Tile picks one of the six colours a product is shown in, by its SKU.
func (p Product) Tile() uint32 {
	h := fnv.New32a()
	h.Write([]byte(p.SKU)) // never fails
	return h.Sum32() % 6
}

// Initial is the first letter of a product's name.
func (p Product) Initial() string {
	for _, r := range p.Name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

type cartPage struct {
	frame
	Cart  Cart
	Total int64
	Email string
}

func (s *shop) showCart(w *wire.Response, r *wire.Request) error {
	return s.renderCart(w, r, 200, "", "")
}

func (s *shop) renderCart(w *wire.Response, r *wire.Request, status int, email, problem string) error {
	p := cartPage{Email: email}
	id, known := cartID(r)
	err := s.app.View(func(snap *lithair.Snapshot) (err error) {
		p.frame, p.Cart, err = s.frame(snap, id, known)
		return err
	})
	if err != nil {
		return err
	}
	p.Total, p.Error = total(p.Cart.Lines), problem
	return s.pages.Render(w, status, "cart.html", p)
}

// changeCart adds a product ("add") or sets its number ("set").
func (s *shop) changeCart(w *wire.Response, r *wire.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	product, err := lithair.ParseID(form.Get("product"))
	if err != nil {
		return &wire.Error{Status: 400, Detail: "there is no such product", Err: err}
	}
	quantity, err := strconv.ParseInt(form.Get("quantity"), 10, 32)
	if err != nil {
		return &wire.Error{Status: 400, Detail: "the quantity is no number", Err: err}
	}
	id, known := cartID(r)
	err = s.app.Update(r.Context(), func(tx *lithair.Tx) error {
		if !known {
			id = tx.NewID()
		}
		_, err := s.change(tx, id, product, quantity, form.Get("how") == "add")
		return err
	})
	if err != nil {
		return err
	}
	if !known {
		if err := w.SetCookie(wire.Cookie{Name: cartCookie, Value: id.String(), MaxAge: 30 * 24 * time.Hour, PlainHTTP: true}); err != nil {
			return err
		}
	}
	return w.Redirect(303, "/cart")
}

func (s *shop) checkout(w *wire.Response, r *wire.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	id, known := cartID(r)
	if !known {
		return w.Redirect(303, "/cart")
	}
	email := strings.TrimSpace(form.Get("email"))
	order, err := s.ordering.Run(r.Context(), placeOrder{CartID: id, Email: email})
	if v, ok := errors.AsType[*lithair.ValidationError](err); ok {
		return s.renderCart(w, r, 422, email, "Please check your e-mail address: "+v.Violations[0].Message+".")
	}
	if e, ok := errors.AsType[*wire.Error](err); ok && e.Status == 409 {
		return s.renderCart(w, r, 409, email, strings.ToUpper(e.Detail[:1])+e.Detail[1:]+".")
	}
	if err != nil {
		return err
	}
	return w.Redirect(303, "/orders/"+order.ID.String())
}

type orderPage struct {
	frame
	Order Order
}

// showOrder shows an order to whoever has its id, which nobody can guess.
func (s *shop) showOrder(w *wire.Response, r *wire.Request) error {
	var p orderPage
	id, known := cartID(r)
	err := s.app.View(func(snap *lithair.Snapshot) (err error) {
		if p.frame, _, err = s.frame(snap, id, known); err != nil {
			return err
		}
		p.Order, err = s.Orders.Collection.Get(snap, r.PathValue("id"))
		return err
	})
	if err != nil {
		return err
	}
	return s.pages.Render(w, 200, "order.html", p)
}

// assortment is what a new shop begins with.
var assortment = []Product{
	{SKU: "MUG-01", Name: "Enamel mug", Description: "Survives being dropped. So does its order.", PriceCents: 1450, Stock: 40},
	{SKU: "PEN-07", Name: "Fountain pen", Description: "Append-only, like a good log.", PriceCents: 3900, Stock: 12},
	{SKU: "NOTE-A5", Name: "Dotted notebook", Description: "160 pages, numbered without gaps.", PriceCents: 1290, Stock: 75},
	{SKU: "LAMP-2", Name: "Desk lamp", Description: "Warm light for late reviews.", PriceCents: 5400, Stock: 8},
	{SKU: "BAG-11", Name: "Canvas bag", Description: "Carries a laptop and a loaf of bread.", PriceCents: 2750, Stock: 22},
	{SKU: "CLOCK-1", Name: "Wall clock", Description: "Monotonic. Never goes backwards.", PriceCents: 4600, Stock: 5},
	{SKU: "TEA-33", Name: "Green tea", Description: "A hundred grams of calm.", PriceCents: 890, Stock: 120},
	{SKU: "KEY-64", Name: "Mechanical keyboard", Description: "The last one in the house.", PriceCents: 12900, Stock: 1},
}

// stockUp fills an empty shop.
func (s *shop) stockUp(ctx context.Context) error {
	return s.app.Update(ctx, func(tx *lithair.Tx) error {
		if s.Products.Len(tx) > 0 {
			return nil
		}
		for _, p := range assortment {
			if err := s.Products.Insert(tx, &p); err != nil {
				return err
			}
		}
		return nil
	})
}
