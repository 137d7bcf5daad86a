package lithair_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"

	lithair "github.com/lithair/lithair-go"
)

type benchItem struct {
	ID    string `json:"id" lithair:"primary_key"`
	Title string `json:"title"`
	Body  string `json:"body"`
	Count int64  `json:"count"`
}

// benchApp serves one record of about 250 bytes at /items/a.
func benchApp(b *testing.B) *lithair.App {
	b.Helper()
	app := lithair.New(lithair.Config{Name: "bench", Addr: "127.0.0.1:0", Dir: b.TempDir(), LogLevel: "error"})
	items := lithair.Model[benchItem](app, "/items")
	if err := app.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := app.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	err := app.Update(b.Context(), func(tx *lithair.Tx) error {
		return items.Insert(tx, &benchItem{ID: "a", Title: "An ordinary title", Body: string(bytes.Repeat([]byte("body "), 34)), Count: 42})
	})
	if err != nil {
		b.Fatal(err)
	}
	return app
}

// exchange sends the same request over and over on one connection; send may differ by
// what next puts into it.
func exchange(b *testing.B, addr string, pb *testing.PB, next func() []byte, want string) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer nc.Close()
	buf := make([]byte, 16<<10)
	for pb.Next() {
		if _, err := nc.Write(next()); err != nil {
			b.Error(err)
			return
		}
		if n, err := nc.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte(want)) {
			b.Errorf("%q, %v", buf[:n], err)
			return
		}
	}
}

// BenchmarkGet is GET by id over loopback, client included.
func BenchmarkGet(b *testing.B) {
	app := benchApp(b)
	msg := []byte("GET /items/a HTTP/1.1\r\nHost: bench\r\n\r\n")
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		exchange(b, app.Addr(), pb, func() []byte { return msg }, "HTTP/1.1 200 OK\r\n")
	})
}

// BenchmarkPost is a durable POST over loopback by 64 connections, client included.
func BenchmarkPost(b *testing.B) {
	app := benchApp(b)
	b.SetParallelism(32)
	b.ReportAllocs()
	ids := make(chan int, 1)
	ids <- 0
	b.RunParallel(func(pb *testing.PB) {
		who := <-ids
		ids <- who + 1
		n := 0
		exchange(b, app.Addr(), pb, func() []byte {
			n++
			body := fmt.Sprintf(`{"id":"%d-%d","title":"An ordinary title","body":"%s","count":42}`, who, n, bytes.Repeat([]byte("body "), 34))
			return fmt.Appendf(nil, "POST /items HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}, "HTTP/1.1 201 Created\r\n")
	})
}
