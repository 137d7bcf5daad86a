package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// splitters are values that would begin a line or a response of their own.
var splitters = []string{
	"a\r\nSet-Cookie: evil=1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\r\n\r\n<html>", "a\x00b", "\r\n", "a\x7f", "a\x0b", "a\x1b[31m",
}

// TestResponseSplitting puts them wherever an application may put text that came from a
// client. Each is refused with an error, and nothing of it is sent.
func TestResponseSplitting(t *testing.T) {
	places := map[string]func(w *Response, s string) error{
		"SetHeader value": func(w *Response, s string) error { return w.SetHeader("X-A", s) },
		"AddHeader value": func(w *Response, s string) error { return w.AddHeader("X-A", s) },
		"SetHeader name":  func(w *Response, s string) error { return w.SetHeader(s, "v") },
		"Content-Type":    func(w *Response, s string) error { return w.Send(200, s, nil) },
		"Content-Length":  func(w *Response, s string) error { return w.SetHeader("Content-Length", "1"+s) },
		"Location":        func(w *Response, s string) error { return w.Redirect(302, "/"+s) },
		"Trailer value":   func(w *Response, s string) error { return w.Trailer("X-A", s) },
		"Trailer name":    func(w *Response, s string) error { return w.Trailer(s, "v") },
	}
	var place func(w *Response, s string) error
	var value string
	var got error
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			got = place(w, value)
			return nil // as a handler does that does not look
		}
	})
	for name, p := range places {
		for _, s := range splitters {
			place, value = p, s
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
			b, err := io.ReadAll(nc)
			nc.Close()
			if err != nil || !errors.Is(got, ErrHeader) || !strings.HasPrefix(string(b), "HTTP/1.1 500 ") || strings.Contains(strings.ToLower(string(b)), "evil") || strings.Count(string(b), "\r\n\r\n") != 1 {
				t.Errorf("%s %q: %v; sent %q, %v", name, s, got, b, err)
			}
		}
	}
	// in an error's own fields it is left out and logged, and the error is sent
	ask := asker(t, func(w *Response, r *Request) error {
		return &Error{Status: 418, Detail: splitters[0], Header: [][2]string{{"X-A", splitters[0]}, {"X-B", "good"}}}
	})
	resp := ask("GET / HTTP/1.1")
	if resp.StatusCode != 418 || resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("X-B") != "good" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

func TestRedirectStaysHere(t *testing.T) {
	for target, ok := range map[string]bool{
		"/": true, "/a?b=//c": true, "https://checked.example/x": true, "//evil.example/x": false, `/\evil.example`: false, `\/evil.example`: false, `\\evil.example`: false, "//": false, "/\t/evil.example": false,
	} {
		ask := asker(t, func(w *Response, r *Request) error { return w.Redirect(303, target) })
		resp := ask("GET / HTTP/1.1")
		if got := resp.StatusCode == 303 && resp.Header.Get("Location") == target; got != ok {
			t.Errorf("%q: %d, Location %q", target, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}

// TestBareCR puts a CR without its LF wherever a line may seem to end by it. No handler
// sees the request, nor the one behind it.
func TestBareCR(t *testing.T) {
	const behind = "GET /behind HTTP/1.1\r\nHost: t\r\n\r\n"
	p := wirePlayer(t, false)
	for _, raw := range []string{
		"GET / HTTP/1.1\r\nHost: t\r\n\rX", "GET / HTTP/1.1\r\nHost: t\r\n\r\r\n", "GET / HTTP/1.1\r\nHost: t\r\r\n\r\n", "GET / HTTP/1.1\rHost: t\r\r",
		"GET / HTTP/1.1\r\nHost: t\r\nX: a\rb\r\n\r\n", "GET / HTTP/1.1\r\nHost: t\r\nX: a\r\r\n\r\n", "GET / HTTP/1.1\r\nHost: t\r\nX: \ra\r\n\r\n", "GET / HTTP/1.1\r\nHost: t\r\nX\r: a\r\n\r\n",
		"GET /\r HTTP/1.1\r\nHost: t\r\n\r\n", "GET\r/ HTTP/1.1\r\nHost: t\r\n\r\n", "GET / HTTP/1.1\r\r\nHost: t\r\n\r\n", "\rGET / HTTP/1.1\r\nHost: t\r\n\r\n",
	} {
		for _, piece := range []int{1, 1 << 20} {
			list, said := p.play(t, []byte(raw+behind), piece)
			if len(list) != 0 || !strings.HasPrefix(string(said), "HTTP/1.1 400 ") || strings.Count(string(said), "HTTP/1.1 ") != 1 {
				t.Errorf("%q: handled %+q, said %q", raw, list, said)
			}
		}
	}
}

// TestShutdownWithHalfSentRequests: a request that has begun is waited for, and one that
// never ends is cut off with the context.
func TestShutdownWithHalfSentRequests(t *testing.T) {
	addr, s := serveCases(t)
	half := func(send string) net.Conn {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		if _, err := io.WriteString(nc, send); err != nil {
			t.Fatal(err)
		}
		return nc
	}
	head := half("GET / HTTP/1.1\r\nHo")
	body := half("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe")
	never := half("GET / HTTP/1.1\r\nHo")
	for begun := 0; begun < 3; { // what was sent has been read
		s.mu.Lock()
		begun = 0
		for _, l := range s.links {
			if l.is(phaseActive) {
				begun++
			}
		}
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(ctx) }()
	for !s.closing.Load() {
		time.Sleep(time.Millisecond)
	}
	for nc, rest := range map[net.Conn]string{head: "st: t\r\n\r\n", body: "llo"} {
		if _, err := io.WriteString(nc, rest); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(nc)
		if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") || !strings.Contains(string(b), "\r\nConnection: close\r\n") {
			t.Errorf("%q: %q, %v", rest, b, err)
		}
	}
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if b, err := io.ReadAll(never); len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 4") {
		t.Errorf("the one that never ends: %q, %v", b, err)
	}
}
