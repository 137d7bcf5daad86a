package query_test

import (
	"fmt"
	"testing"

	"github.com/lithair/lithair-go/query"
)

func ExampleRun() {
	tb := newTable(&testing.T{}, []item{{ID: 1, Slug: "pen", Price: 3}, {ID: 2, Slug: "ink", Price: 9}, {ID: 3, Slug: "pad", Price: 5}})
	q, err := query.Parse(tb.m, tb.s, [][2]string{{"price", ">3"}, {"sort", "-price"}}, query.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := query.Run(q, tb)
	fmt.Println(page.Total, page.HasMore, err)
	fmt.Println(q.Explain())
	_, err = query.Parse(tb.m, tb.s, [][2]string{{"pirce", "3"}}, query.Options{})
	fmt.Println(err)
	// Output:
	// 2 false <nil>
	// scan index price range backwards; skip by rank
	// "pirce" is not a field of item; did you mean "price"?
}
