package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// A client keeps connections, so make one and use it for everything.
func ExampleClient() {
	url, stop := hello()
	defer stop()
	c, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := c.Get(ctx, url+"/hello/you")
	if err != nil {
		log.Fatal(err)
	}
	body, err := r.ReadAll(1 << 20) // and closes the response
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d %s", r.StatusCode(), body)
	// Output: 200 Hello, you!
}

// A body of unknown length is sent chunked while the response is read.
func ExampleClient_Do() {
	url, stop := hello()
	defer stop()
	c, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	pr, pw := io.Pipe()
	go func() {
		fmt.Fprint(pw, "one ", "two ", "three")
		pw.Close()
	}()
	q := &wire.ClientRequest{Method: "POST", URL: url + "/shout", Body: pr}
	q.SetHeader("Content-Type", "text/plain")
	r, err := c.Do(context.Background(), q)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(os.Stdout, r.Body()); err != nil {
		log.Fatal(err)
	}
	// Output: ONE TWO THREE
}

// Errors say at which stage a request failed, and why.
func ExampleClientError() {
	c, err := wire.NewClient(wire.ClientConfig{Socket: "/nobody/listens/here"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, err = c.Get(context.Background(), "http://example.org/")
	var ce *wire.ClientError
	if errors.As(err, &ce) {
		fmt.Println(ce.Stage, ce.Addr, ce.Timeout(), errors.Is(err, os.ErrNotExist))
	}
	// Output: dial /nobody/listens/here false true
}

// hello starts a server for the examples.
func hello() (url string, stop func()) {
	rt := wire.NewRouter()
	err := errors.Join(
		rt.Get("/hello/{name}", func(w *wire.Response, r *wire.Request) error {
			_, err := w.WriteString("Hello, " + r.PathValue("name") + "!\n")
			return err
		}),
		rt.Post("/shout", func(w *wire.Response, r *wire.Request) error {
			b, err := io.ReadAll(r.Body())
			if err != nil {
				return err
			}
			_, err = w.WriteString(strings.ToUpper(string(b)))
			return err
		}))
	if err != nil {
		log.Fatal(err)
	}
	return serve(rt.Handler())
}

func serve(h wire.Handler) (url string, stop func()) {
	s, err := wire.NewServer(wire.Config{Handler: h})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(l) // ends with ErrServerClosed
	return "http://" + l.Addr().String(), func() { s.Close() }
}
