package wire

import (
	"strings"
	"testing"
)

var postKiB = "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024)

// batchOf returns a function that has a connection handle the same n requests again and
// again, as if they had come pipelined, without a socket.
func batchOf(tb testing.TB, h Handler, request string, n int) func() {
	tb.Helper()
	s, err := NewServer(Config{Handler: h, Logger: quiet()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	c := newConn(&link{srv: s, index: -1})
	c.equip()
	in := []byte(strings.Repeat(request, n))
	return func() {
		c.in, c.from, c.to = in, 0, len(in)
		if step := c.batch(); step != stepWait || len(c.out) == 0 {
			tb.Fatalf("step %d, output %q", step, c.out)
		}
		c.out = c.out[:0]
	}
}

func plainRouter(tb testing.TB) Handler {
	tb.Helper()
	rt := NewRouter()
	plain := []byte("Hello, World!")
	if err := rt.Get("/plain", func(w *Response, r *Request) error { return w.Send(200, "text/plain", plain) }); err != nil {
		tb.Fatal(err)
	}
	if err := rt.Post("/echo", func(w *Response, r *Request) error {
		b, err := r.BorrowBody(0)
		if err != nil {
			return err
		}
		return w.Send(200, "application/octet-stream", b)
	}); err != nil {
		tb.Fatal(err)
	}
	return rt.Handler()
}

// BenchmarkRequest is what one request costs in wire itself: head, route, response.
func BenchmarkRequest(b *testing.B) {
	for name, request := range map[string]string{
		"small":     "GET /plain HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n\r\n",
		"16 fields": sixteenFields,
		"post 1KiB": postKiB,
	} {
		b.Run(name, func(b *testing.B) {
			const n = 16
			batch := batchOf(b, plainRouter(b), request, n)
			b.ReportAllocs()
			for b.Loop() {
				batch()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/request")
		})
	}
}
