package nethttp

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/wire"
)

const sixteenFields = "GET /plain?x=1 HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: test/1.0 (of sixteen fields)\r\nAccept: text/html,application/json;q=0.9\r\n" +
	"Accept-Language: en,fr;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef; theme=dark\r\nCache-Control: no-cache\r\n" +
	"Pragma: no-cache\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: 4\r\nX-E: 5\r\nX-F: 6\r\nX-G: 7\r\nX-H: 8\r\n\r\n"

// BenchmarkServer sends the same request over and over on one connection: to a net/http
// handler under net/http, under wire, and to a wire handler behind three net/http
// middlewares. The client's side allocates nothing.
func BenchmarkServer(b *testing.B) {
	body := []byte("Hello, World!")
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	})
	tag := Middleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Tag", "a")
			next.ServeHTTP(w, r)
		})
	})
	inner := func(w *wire.Response, r *wire.Request) error { return w.Send(200, "text/plain", body) }
	for _, c := range []struct{ name, url string }{
		{"net-http", httpURL(b, plain)}, {"wire", under(b, Handler(plain))}, {"middleware-1", under(b, tag(inner))}, {"middleware-3", under(b, tag(tag(tag(inner))))},
	} {
		b.Run(c.name, func(b *testing.B) {
			nc, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			msg, buf := []byte(sixteenFields), make([]byte, 4<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nc.Write(msg); err != nil {
					b.Fatal(err)
				}
				if _, err := nc.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
