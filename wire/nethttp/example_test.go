package nethttp_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/wire/nethttp"
)

// A net/http handler, mux or framework runs under wire's server.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s!", r.PathValue("name"))
	})
	s, err := wire.NewServer(wire.Config{Handler: nethttp.Handler(mux)})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(l) // ends with ErrServerClosed

	c, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	r, err := c.Get(context.Background(), "http://"+l.Addr().String()+"/hello/you")
	if err != nil {
		log.Fatal(err)
	}
	body, err := r.ReadAll(1 << 10)
	fmt.Println(string(body), err)
	// Output: Hello, you! <nil>
}

// A wire handler runs wherever net/http's do: in a mux, in tests, in other servers.
func ExampleMount() {
	rt := wire.NewRouter()
	if err := rt.Get("/hello/{name}", func(w *wire.Response, r *wire.Request) error {
		return w.Send(200, "text/plain", []byte("Hello, "+r.PathValue("name")+"!"))
	}); err != nil {
		log.Fatal(err)
	}
	rec := httptest.NewRecorder()
	nethttp.Mount(rt.Handler()).ServeHTTP(rec, httptest.NewRequest("GET", "/hello/you", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 200 Hello, you!
}

// Middleware written for net/http runs in a wire router.
func ExampleMiddleware() {
	stamp := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Stamp", r.Method)
			next.ServeHTTP(w, r)
		})
	}
	rt := wire.NewRouter()
	rt.Use(nethttp.Middleware(stamp))
	if err := rt.Get("/", func(w *wire.Response, r *wire.Request) error { return w.Send(200, "text/plain", nil) }); err != nil {
		log.Fatal(err)
	}
	rec := httptest.NewRecorder()
	nethttp.Mount(rt.Handler()).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	fmt.Println(rec.Code, rec.Header().Get("X-Stamp"))
	// Output: 200 GET
}
