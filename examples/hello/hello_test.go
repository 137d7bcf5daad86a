package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	lithair "github.com/lithair/lithair-go"
)

func TestHello(t *testing.T) {
	app := lithair.New(lithair.Config{Name: "hello", Addr: "127.0.0.1:0", Dir: t.TempDir(), LogLevel: "error"})
	lithair.Model[Article](app, "/api/articles")
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer app.Shutdown(t.Context())
	base := "http://" + app.Addr() + "/api/articles"
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"slug":"first","title":"Hello"}`, 201},
		{`{"slug":"first","title":"Again"}`, 409},
		{`{"slug":"","title":""}`, 422},
		{`{"slug":"x","titel":"y"}`, 400},
	} {
		resp, err := http.Post(base, "application/json", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.want {
			t.Errorf("POST %s: %s, %v, want %d: %s", c.body, resp.Status, err, c.want, b)
		}
	}
	resp, err := http.Get(base + "?title=Hello")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), `"total":1`) {
		t.Errorf("list: %s, %v", b, err)
	}
}
