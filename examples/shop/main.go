// Command shop sells things without ever selling one twice: an order and the stock it
// takes are one transaction.
//
//	go run ./examples/shop            # http://127.0.0.1:8080
//
// The same order can be placed over the API, by name and exactly once:
//
//	curl -H 'Content-Type: application/json' -H 'Idempotency-Key: my-order-1' \
//	     -d '{"cart_id":"...","email":"ada@example.org"}' http://127.0.0.1:8080/api/_command/place-order
package main

//go:generate go run ../../cmd/lithair gen

import (
	"context"
	"fmt"
	"os"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
)

func main() {
	app := lithair.New(lithair.Config{Name: "shop"})
	s, err := newShop(app)
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
	web.AfterStart(app, func() {
		if err := s.stockUp(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "shop: filling the shelves:", err)
		}
	})
	app.Run("127.0.0.1:8080")
}
