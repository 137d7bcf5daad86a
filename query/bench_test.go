package query_test

import (
	"testing"

	"github.com/lithair/lithair-go/query"
)

func BenchmarkMatch(b *testing.B) {
	tb := newTable(b, sample(1, 1))
	q, err := query.Parse(tb.m, tb.s, pairs("price=>-9&title=~"), query.Options{})
	if err != nil {
		b.Fatal(err)
	}
	rec := tb.rows[tb.keys[0]]
	b.ReportAllocs()
	for b.Loop() {
		q.Match(rec)
	}
}
