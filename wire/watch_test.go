package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"
)

func TestWatchClient(t *testing.T) {
	ended := make(chan error, 1)
	started := make(chan bool, 1)
	addr, s := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			switch r.Path() {
			case "/wait":
				ctx := r.WatchClient()
				if r.WatchClient() != ctx || r.Context() != ctx {
					t.Error("the second call does something else")
				}
				started <- true
				<-ctx.Done()
				ended <- context.Cause(ctx)
			case "/short":
				r.WatchClient()
			case "/body":
				ctx := r.WatchClient() // the body is not read yet: nothing is taken from it
				b, err := io.ReadAll(r.Body())
				if err != nil || ctx.Err() != nil {
					return errors.Join(err, ctx.Err())
				}
				return w.Send(200, "text/plain", b)
			case "/upgrade":
				r.WatchClient()
				started <- true
				nc, buffered, err := r.Hijack()
				if err != nil {
					return err
				}
				defer nc.Close()
				for len(buffered) < 4 {
					b := make([]byte, 4)
					n, err := nc.Read(b)
					if err != nil {
						return err
					}
					buffered = append(buffered, b[:n]...)
				}
				_, err = nc.Write(append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"), buffered...))
				return err
			}
			return w.Send(200, "text/plain", []byte("ok"))
		}
	})
	nc, do := dial(t, addr)
	if text(t, do("GET /short HTTP/1.1\r\nHost: t\r\n\r\n")) != "ok" || text(t, do("POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody")) != "body" || text(t, do("GET / HTTP/1.1\r\nHost: t\r\n\r\n")) != "ok" {
		t.Error("a watch that ended disturbs the connection")
	}
	io.WriteString(nc, "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n")
	<-started
	nc.Close()
	if err := <-ended; err != ErrClientGone {
		t.Errorf("the client left: %v", err)
	}
	nc, _ = dial(t, addr)
	io.WriteString(nc, "GET /upgrade HTTP/1.1\r\nHost: t\r\n\r\n")
	<-started
	io.WriteString(nc, "ping")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || text(t, resp) != "ping" {
		t.Errorf("bytes read ahead are lost to the one that takes the connection over: %v", err)
	}
	nc, _ = dial(t, addr)
	io.WriteString(nc, "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n")
	<-started
	go s.Shutdown(t.Context())
	if err := <-ended; err != ErrServerClosed {
		t.Errorf("the server shuts down: %v", err)
	}
}

// TestWatchPipelined: the next request, sent while one is being watched, is not lost.
func TestWatchPipelined(t *testing.T) {
	first := make(chan bool)
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			if r.Path() == "/first" {
				r.WatchClient()
				first <- true
				<-first
			}
			return w.Send(200, "text/plain", []byte(r.Path()))
		}
	})
	before := runtime.NumGoroutine() + 1 // the one that waits for what is parked
	nc, _ := dial(t, addr)
	br := bufio.NewReader(nc)
	for range 20 {
		io.WriteString(nc, "GET /first HTTP/1.1\r\nHost: t\r\n\r\n")
		<-first
		io.WriteString(nc, "GET /second HTTP/1.1\r\nHost: t\r\n\r\n")
		first <- true
		for _, want := range []string{"/first", "/second"} {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, resp); got != want {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	}
	nc.Close()
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i > 1000 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}
