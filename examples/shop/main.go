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

import (
	"fmt"
	"os"

	lithair "github.com/lithair/lithair-go"
)

func main() {
	app := lithair.New(lithair.Config{Name: "shop"})
	if _, err := newShop(app); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
	app.Run("127.0.0.1:8080")
}
