package main

import (
	"errors"
	"fmt"

	lithair "github.com/lithair/lithair-go"
)

// placeOrder is the input of the command place-order.
type placeOrder struct {
	CartID lithair.ID `json:"cart_id"`
	Email  string     `json:"email"`
}

// maxQuantity is the most of one product in a cart.
const maxQuantity = 99

// errEmptyCart: there is nothing to order. An order makes its cart disappear, so this
// also meets whoever orders twice.
var errEmptyCart = errors.New("the cart is empty")

// soldOutError says that there is less of a product than a cart wants.
type soldOutError struct {
	Product string
	Left    int64
}

func (e *soldOutError) Error() string {
	if e.Left == 0 {
		return e.Product + " is sold out"
	}
	return fmt.Sprintf("only %d of %s left", e.Left, e.Product)
}

// place turns a cart into an order. Transactions run one after the other on the newest
// state, so between reading the stock and taking from it nobody else can take; and all
// of it becomes durable, or none.
func (s *shop) place(tx *lithair.Tx, in placeOrder) (Order, error) {
	cart, err := s.Carts.Get(tx, in.CartID)
	if errors.Is(err, lithair.ErrNotFound) || err == nil && len(cart.Lines) == 0 {
		return Order{}, conflict(errEmptyCart)
	}
	if err != nil {
		return Order{}, err
	}
	order := Order{Email: in.Email}
	for _, line := range cart.Lines {
		p, err := s.Products.Get(tx, line.ProductID)
		if err != nil {
			return Order{}, err
		}
		if p.Stock < line.Quantity {
			return Order{}, conflict(&soldOutError{Product: p.Name, Left: p.Stock})
		}
		p.Stock -= line.Quantity
		if err := s.Products.Put(tx, &p); err != nil {
			return Order{}, err
		}
		order.Lines = append(order.Lines, Line{ProductID: p.ID, Name: p.Name, PriceCents: p.PriceCents, Quantity: line.Quantity})
	}
	order.TotalCents = total(order.Lines)
	if err := s.Orders.Insert(tx, &order); err != nil {
		return Order{}, err
	}
	return order, s.Carts.Delete(tx, cart.ID)
}

// change sets how many of a product are in a cart, or adds to that; the cart is made
// when it is not there.
func (s *shop) change(tx *lithair.Tx, cartID, productID lithair.ID, quantity int64, add bool) (Cart, error) {
	cart, err := s.Carts.Get(tx, cartID)
	fresh := errors.Is(err, lithair.ErrNotFound)
	if err != nil && !fresh {
		return cart, err
	}
	p, err := s.Products.Get(tx, productID)
	if err != nil {
		return cart, err
	}
	cart.Lines = setLine(cart.Lines, p, quantity, add)
	if fresh {
		cart = Cart{ID: cartID, Lines: cart.Lines}
		return cart, s.Carts.Insert(tx, &cart)
	}
	return cart, s.Carts.Put(tx, &cart)
}

func setLine(lines []Line, p Product, quantity int64, add bool) []Line {
	for i := range lines {
		if lines[i].ProductID != p.ID {
			continue
		}
		if add {
			quantity += lines[i].Quantity
		}
		if quantity <= 0 {
			return append(lines[:i], lines[i+1:]...)
		}
		lines[i] = Line{ProductID: p.ID, Name: p.Name, PriceCents: p.PriceCents, Quantity: min(quantity, maxQuantity)}
		return lines
	}
	if quantity <= 0 {
		return lines
	}
	return append(lines, Line{ProductID: p.ID, Name: p.Name, PriceCents: p.PriceCents, Quantity: min(quantity, maxQuantity)})
}
