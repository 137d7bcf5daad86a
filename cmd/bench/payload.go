package main

import "strings"

// address, attr and small are the 400-byte record that the codec and HTTP cases handle;
// outside tools measure the same one.
type address struct {
	Street  string `json:"street"`
	City    string `json:"city"`
	Zip     string `json:"zip"`
	Country string `json:"country"`
}

type attr struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type small struct {
	ID      uint64   `json:"id"`
	Name    string   `json:"name"`
	Email   string   `json:"email"`
	Active  bool     `json:"active"`
	Score   float64  `json:"score"`
	Created string   `json:"created"`
	Tags    []string `json:"tags"`
	Counts  []int64  `json:"counts"`
	Address address  `json:"address"`
	Attrs   []attr   `json:"attrs"`
}

// page is the response of GET /json: 1,024 bytes as compact JSON.
type page struct {
	Items []small `json:"items"`
	Total int     `json:"total"`
	Next  string  `json:"next"`
}

func newSmall() small {
	return small{
		ID: 918273645, Name: "Margaret Hamilton", Email: "margaret.hamilton@example.org",
		Active: true, Score: 98.6125, Created: "2026-11-23T08:15:30Z",
		Tags: []string{"apollo", "software", "guidance"}, Counts: []int64{1, 20, 300, 4000, 50000},
		Address: address{"77 Massachusetts Ave", "Cambridge", "02139", "US"},
		Attrs:   []attr{{"role", "lead"}, {"team", "flight \"control\""}, {"shift", "night"}},
	}
}

func newPage() page {
	s := newSmall()
	return page{Items: []small{s, s}, Total: 2, Next: strings.Repeat("n", 141)}
}
