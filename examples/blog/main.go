// Command blog is a whole application on the framework: pages for people, rendered on
// the server, and the same data as a REST API. The pages work without JavaScript; with it they
// show what others write while they are open.
//
//	go run ./examples/blog            # http://127.0.0.1:8080
//	curl -H 'Content-Type: application/json' \
//	     -d '{"slug":"first","title":"First","body":"Hello."}' http://127.0.0.1:8080/api/articles
//
// Kill it with kill -9, start it again: what it said it saved is there.
package main

//go:generate go run ../../cmd/lithair gen

import (
	"fmt"
	"os"

	lithair "github.com/lithair/lithair-go"
)

func main() {
	app := lithair.New(lithair.Config{Name: "blog"})
	if _, err := newBlog(app); err != nil {
		fmt.Fprintln(os.Stderr, "blog:", err)
		os.Exit(1)
	}
	app.Run("127.0.0.1:8080")
}
