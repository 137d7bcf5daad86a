package main

import (
	"fmt"
	"strconv"
	"sync/atomic"
)

// Item is the record of the app profile and of the servers it is measured against.
type Item struct {
	ID    string  `json:"id" lithair:"primary_key"`
	Title string  `json:"title"`
	Body  string  `json:"body"`
	Count float64 `json:"count"`
}

const itemBody = "A record of about two hundred and fifty bytes, as a form or a device would send it: some text, some numbers, nothing that compresses away, and one more line to fill."

func itemID(n int) string { return fmt.Sprintf("%015d", n) }

// newIDs numbers new records, whoever makes them; records that are there from the beginning have smaller numbers.
func newIDs() func() int {
	var last atomic.Int64
	return func() int { return 1_000_000_000 + int(last.Add(1)) }
}

func newItem(id string) Item {
	return Item{ID: id, Title: "An ordinary title", Body: itemBody, Count: 42}
}

// appendGet appends the request that reads item n.
func appendGet(dst []byte, n int) []byte {
	dst = append(dst, "GET /items/"...)
	dst = append(dst, itemID(n)...)
	return append(dst, " HTTP/1.1\r\nHost: bench\r\n\r\n"...)
}

// appendPost appends the request that makes item n.
func appendPost(dst []byte, n int) []byte {
	doc := `{"id":"` + itemID(n) + `","title":"An ordinary title","body":"` + itemBody + `","count":42}`
	dst = append(dst, "POST /items HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(doc)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, doc...)
}
