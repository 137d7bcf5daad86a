package live_test

import (
	"fmt"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
)

// The hash of a list is the sum of its rows' hashes, so a change costs what it is, and order does not matter. Rows
// are hashed in canonical form, which a client makes of what it has parsed.
func ExampleHashRow() {
	row := func(key, text string) live.Hash {
		canonical, err := jsonx.Canonicalize(nil, []byte(text))
		if err != nil {
			panic(err)
		}
		return live.HashRow(key, canonical)
	}
	list := row("1", `{"id": 1}`).Plus(row("7", `{"title": "b", "id": 7}`))
	fmt.Println(list)
	fmt.Println(list.Minus(row("7", `{"id":7,"title":"b"}`)) == row("1", `{"id":1}`))
	// Output:
	// 55945b7e459ccf10
	// true
}
