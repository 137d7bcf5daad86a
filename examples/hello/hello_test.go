package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/program"
	"github.com/lithair/lithair-go/lithairtest"
)

func TestMain(m *testing.M) {
	http.DefaultClient.Timeout = time.Minute // a program that does not answer fails its test
	os.Exit(program.Main(m, main))
}

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

// TestProgram: the program serves, stops when it is told, and has everything when it starts again.
func TestProgram(t *testing.T) {
	args := []string{"-addr", "127.0.0.1:0", "-data", t.TempDir()}
	p := program.Start(t, args...)
	resp, err := http.Post(p.URL+"/api/articles", "application/json", strings.NewReader(`{"slug":"first","title":"Hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != 201 {
		t.Errorf("POST: %s", resp.Status)
	}
	p.Stop()
	p = program.Start(t, args...)
	if resp, err = http.Get(p.URL + "/api/articles"); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), `"slug":"first"`) {
		t.Errorf("after a restart: %s %s, %v", resp.Status, b, err)
	}
	p.Stop()
	if code, out := program.Run(t, "-adr", "x"); code != 2 || !strings.Contains(out, "adr") {
		t.Errorf("a flag that is none: exit code %d: %s", code, out)
	}
}
