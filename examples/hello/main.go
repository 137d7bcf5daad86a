// Command hello is a whole backend in fifteen lines: a durable REST collection with
// validation, filters and paging, health checks and metrics.
//
//	go run ./examples/hello
//	curl -d '{"slug":"first","title":"Hello"}' -H 'Content-Type: application/json' http://127.0.0.1:8080/api/articles
package main

import lithair "github.com/lithair/lithair-go"

// Article is served under /api/articles.
type Article struct {
	ID    lithair.ID `json:"id"    lithair:"primary_key"`
	Slug  string     `json:"slug"  lithair:"unique"  http:"validate=length(1,80)"`
	Title string     `json:"title" http:"validate=length(1,200)"`
	Views int64      `json:"views" lithair:"indexed"`
}

func main() {
	app := lithair.New(lithair.Config{Name: "hello"})
	lithair.Model[Article](app, "/api/articles")
	app.Run("127.0.0.1:8080")
}
