package plain

import lithair "github.com/lithair/lithair-go"

// Register does what generated code does.
func Register(app *lithair.App) {
	lithair.Model[Article](app, "/api/articles")
	lithair.Model[Author](app, "/api/people")
}
