// Package lithair turns plain Go structs into a durable REST backend in one binary, with
// no dependency but the standard library.
//
//	type Article struct {
//		ID    lithair.ID `json:"id"    lithair:"primary_key"`
//		Slug  string     `json:"slug"  lithair:"unique"  http:"validate=length(1,80)"`
//		Title string     `json:"title" http:"validate=length(1,200)"`
//	}
//
//	func main() {
//		app := lithair.New(lithair.Config{Name: "hello"})
//		lithair.Model[Article](app, "/api/articles")
//		app.Run("127.0.0.1:8080")
//	}
//
// That program is complete: REST with filters, sorting and paging, validation, unique
// fields, ETags, idempotency keys, durable event-sourced storage, health and metrics.
//
// # Calls, in order
//
//	app := lithair.New(cfg)                       // nothing is opened yet
//	articles := lithair.Model[Article](app, "/api/articles")
//	place := lithair.Command(app, "place-order", func(tx *lithair.Tx, in In) (Out, error) { ... })
//	app.Get("/hello/{name}", handler)
//	app.Run(addr)                                 // or Start, Addr, Shutdown
//
// Mistakes in models, tags and patterns are collected and reported by Start and Run.
//
// # Reading and writing
//
// [App.Update] runs a function as one transaction: one at a time, on the newest state,
// all or nothing, durable when Update returns. [App.View] gives a function an immutable
// snapshot, without waiting for anybody. A [Collection] reads from either and writes
// through a [Tx].
//
// # Concurrency
//
// Model, Command, Get and the like come before Start, from one goroutine. Everything else
// is safe for concurrent use, but a Tx belongs to its function.
package lithair
