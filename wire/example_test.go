package wire_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"strings"

	"github.com/lithair/lithair-go/wire"
)

// talk runs a handler on a free port of this machine, sends it what a client would, and
// prints the responses' lines that do not change from run to run.
func talk(h wire.Handler, send string) {
	s, err := wire.NewServer(wire.Config{Handler: h})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(nc, send)
	b, err := io.ReadAll(nc)
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "Date: ") {
			fmt.Println(strings.TrimRight(line, "\r\n"))
		}
	}
	nc.Close()
	if err := s.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := <-ended; err != wire.ErrServerClosed {
		log.Fatal(err)
	}
}

// A server needs a handler. Serve returns when Shutdown has been called.
func ExampleServer() {
	hello := func(w *wire.Response, r *wire.Request) error {
		return w.Send(200, "text/plain", []byte("Hello, "+r.Query().Get("name")+"!\n"))
	}
	talk(hello, "GET /?name=Ada HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	// Output:
	// HTTP/1.1 200 OK
	// Content-Type: text/plain
	// Content-Length: 12
	// Connection: close
	//
	// Hello, Ada!
}

// The most specific pattern answers; a path that exists for other methods says which.
func ExampleRouter() {
	rt := wire.NewRouter()
	text := func(s string) wire.Handler {
		return func(w *wire.Response, r *wire.Request) error {
			_, err := w.WriteString(s + r.PathValue("id") + "\n")
			return err
		}
	}
	for pattern, answer := range map[string]string{
		"GET /articles/{id}":   "article ",
		"GET /articles/latest": "the latest",
	} {
		if err := rt.Handle(pattern, text(answer)); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(rt.Handle("GET /articles/{slug}", text("")))
	talk(rt.Handler(), "GET /articles/7 HTTP/1.1\r\nHost: t\r\n\r\nGET /articles/latest HTTP/1.1\r\nHost: t\r\n\r\n"+
		"OPTIONS /articles/7 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
	// Output:
	// wire: patterns "GET /articles/{slug}" and "GET /articles/{id}" conflict: both match some requests and neither is more specific
	// HTTP/1.1 200 OK
	// Content-Length: 10
	//
	// article 7
	// HTTP/1.1 200 OK
	// Content-Length: 11
	//
	// the latest
	// HTTP/1.1 204 No Content
	// Allow: GET, HEAD, OPTIONS
	// Connection: close
}

// Middleware wraps handlers, for all routes or for one.
func ExampleMiddleware() {
	signed := func(next wire.Handler) wire.Handler {
		return func(w *wire.Response, r *wire.Request) error {
			if err := w.SetHeader("Server", "me"); err != nil {
				return err
			}
			return next(w, r)
		}
	}
	rt := wire.NewRouter()
	rt.Use(signed)
	err := rt.Get("/", func(w *wire.Response, r *wire.Request) error { w.Status(204); return nil }, wire.BodyLimit(1<<10))
	if err != nil {
		log.Fatal(err)
	}
	talk(rt.Handler(), "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
	// Output:
	// HTTP/1.1 204 No Content
	// Server: me
	// Connection: close
}

// A handler that flushes sends in chunks, and may add trailers.
func ExampleResponse_Flush() {
	count := func(w *wire.Response, r *wire.Request) error {
		for i := range 2 {
			fmt.Fprintf(w, "%d\n", i)
			if err := w.Flush(); err != nil {
				return err
			}
		}
		return w.Trailer("Counted", "2")
	}
	talk(count, "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
	// Output:
	// HTTP/1.1 200 OK
	// Transfer-Encoding: chunked
	// Connection: close
	//
	// 2
	// 0
	//
	// 2
	// 1
	//
	// 0
	// Counted: 2
}

// A protocol that follows HTTP takes the connection over, and need not keep a goroutine
// while nothing comes.
func ExampleConn_Park() {
	echo := func(w *wire.Response, r *wire.Request) error {
		nc, b, err := r.Hijack()
		if err != nil {
			return err
		}
		conn := nc.(*wire.Conn)
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
		var turn func()
		turn = func() {
			for {
				if _, err := conn.Write(b); err != nil || strings.HasSuffix(string(b), "bye") {
					conn.Close()
					return
				}
				if conn.Park(wire.SleeperFunc(func() { b = receive(conn); turn() })) {
					return // and come back when there is more
				}
				b = receive(conn)
			}
		}
		go turn()
		return nil
	}
	talk(echo, "GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nbye")
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Connection: upgrade
	// Upgrade: echo
	//
	// bye
}

// receive reads what is there; nothing more to come is a farewell, too.
func receive(nc net.Conn) []byte {
	b := make([]byte, 100)
	n, err := nc.Read(b)
	if err != nil {
		return []byte("bye")
	}
	return b[:n]
}
