package main

import (
	"fmt"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// Product is something to buy, at /api/products. Prices are in cents, so that sums are
// exact.
//
//lithair:model
type Product struct {
	ID          lithair.ID `json:"id" lithair:"primary_key"`
	SKU         string     `json:"sku" lithair:"unique" http:"validate=length(1,40)"`
	Name        string     `json:"name" http:"validate=non_empty;length(1,120)"`
	Description string     `json:"description" http:"validate=max_length(2000)"`
	PriceCents  int64      `json:"price_cents" http:"validate=range(0,100000000)"`
	Stock       int64      `json:"stock" http:"validate=range(0,1000000)"`
}

// Cart is what somebody is about to buy. Its id is the secret that opens it, so carts
// are on no REST path of their own.
//
//lithair:model -
type Cart struct {
	ID        lithair.ID `json:"id" lithair:"primary_key"`
	Lines     []Line     `json:"lines"`
	CreatedAt time.Time  `json:"created_at" lithair:"created"`
	UpdatedAt time.Time  `json:"updated_at" lithair:"updated"`
}

// Line is a number of one product. In an order, name and price are those of the day.
type Line struct {
	ProductID  lithair.ID `json:"product_id"`
	Name       string     `json:"name"`
	PriceCents int64      `json:"price_cents"`
	Quantity   int64      `json:"quantity"`
}

// Order is a cart that was paid for. It never changes.
//
//lithair:model -
type Order struct {
	ID         lithair.ID `json:"id" lithair:"primary_key"`
	Email      string     `json:"email" lifecycle:"immutable" http:"validate=email"`
	Lines      []Line     `json:"lines" lifecycle:"immutable"`
	TotalCents int64      `json:"total_cents" lifecycle:"immutable"`
	CreatedAt  time.Time  `json:"created_at" lithair:"created"`
}

// Total is what a line costs, in cents.
func (l Line) Total() int64 { return l.PriceCents * l.Quantity }

func total(lines []Line) (cents int64) {
	for _, l := range lines {
		cents += l.Total()
	}
	return cents
}

func count(lines []Line) (n int64) {
	for _, l := range lines {
		n += l.Quantity
	}
	return n
}

// money writes cents as euros.
func money(cents int64) string { return fmt.Sprintf("€%d.%02d", cents/100, cents%100) }
