package main

import (
	"testing"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/lithairtest"
)

func TestHello(t *testing.T) {
	app := lithairtest.Start(t, func(cfg lithair.Config) *lithair.App {
		app := lithair.New(cfg)
		lithair.Model[Article](app, "/api/articles")
		return app
	}, lithairtest.Options{})
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"slug":"first","title":"Hello"}`, 201},
		{`{"slug":"first","title":"Again"}`, 409},
		{`{"slug":"","title":""}`, 422},
		{`{"slug":"x","titel":"y"}`, 400},
	} {
		app.Want("POST", "/api/articles", c.body, c.want)
	}
	app.Want("GET", "/api/articles?title=Hello", "", 200, `"total":1`)
}
