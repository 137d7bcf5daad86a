package openapi_test

import (
	"fmt"
	"log"

	"github.com/lithair/lithair-go/openapi"
)

// A route of which nothing else is said is described by its path.
func ExampleDocument_JSON() {
	doc := openapi.Document{Title: "shop", Version: "1.0", Routes: []string{"GET /orders/{id}"}}
	text, err := doc.JSON()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.60s\n", text)
	// Output: {"openapi":"3.1.0","info":{"title":"shop","version":"1.0"},"
}
