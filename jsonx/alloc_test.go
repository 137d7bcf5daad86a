//go:build !purego && !race

package jsonx

import (
	"testing"
	"time"
)

type record struct {
	ID      uint64    `json:"id"`
	Name    string    `json:"name"`
	Email   string    `json:"email"`
	Active  bool      `json:"active"`
	Score   float64   `json:"score"`
	Created time.Time `json:"created"`
	Tags    []string  `json:"tags"`
	Counts  []int64   `json:"counts"`
	Address struct {
		Street, City string
		Zip          *string
	} `json:"address"`
	Attrs []struct{ Key, Value string } `json:"attrs"`
}

const recordText = `{"id":918273645,"name":"Margaret Hamilton","email":"margaret@example.org","active":true,"score":98.6125,"created":"2026-11-25T08:15:30Z",` +
	`"tags":["apollo","software","guidance"],"counts":[1,20,300,4000],"address":{"Street":"77 Massachusetts Ave","City":"Cambridge","Zip":null},` +
	`"attrs":[{"Key":"role","Value":"lead"},{"Key":"team","Value":"flight \"control\""}]}`

// TestAllocations pins what the hot paths allocate: nothing to append what a pointer leads to, the text alone to
// marshal, and to unmarshal the slices and a block of short strings now and then.
func TestAllocations(t *testing.T) {
	var r record
	if err := Unmarshal([]byte(recordText), &r); err != nil {
		t.Fatal(err)
	}
	buf, err := Append(nil, &r)
	if err != nil || string(buf) != recordText {
		t.Fatalf("%s %v", buf, err)
	}
	var again record
	var boxed any
	for _, c := range []struct {
		name string
		max  float64
		f    func()
	}{
		{"Append", 0, func() { buf, _ = Append(buf[:0], &r) }},
		{"Marshal", 1, func() { Marshal(&r) }},
		{"Unmarshal anew", 7, func() { again = record{}; Unmarshal(buf, &again) }},
		{"Unmarshal again", 3, func() { Unmarshal(buf, &again) }},
		{"Unmarshal into any", 26, func() { boxed = nil; Unmarshal(buf, &boxed) }},
		{"Append any", 0, func() { buf, _ = Append(buf[:0], &boxed) }},
		{"Valid", 0, func() { Valid(buf) }},
	} {
		if got := testing.AllocsPerRun(500, c.f); got > c.max {
			t.Errorf("%s: %v allocations, at most %v", c.name, got, c.max)
		}
	}
}
