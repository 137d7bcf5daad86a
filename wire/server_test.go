package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial connects and gives a function that sends bytes and reads one response.
func dial(t testing.TB, addr string) (net.Conn, func(send string) *http.Response) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	br := bufio.NewReader(nc)
	return nc, func(send string) *http.Response {
		t.Helper()
		if _, err := nc.Write([]byte(send)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body = io.NopCloser(bytes.NewReader(b))
		return resp
	}
}

func text(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const sixteenFields = "GET /plain?x=1 HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: test/1.0 (of sixteen fields)\r\nAccept: text/html,application/json;q=0.9\r\n" +
	"Accept-Language: en,fr;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef; theme=dark\r\nCache-Control: no-cache\r\n" +
	"Pragma: no-cache\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: 4\r\nX-E: 5\r\nX-F: 6\r\nX-G: 7\r\nX-H: 8\r\n\r\n"

// exchange sends a request over and over on one connection and counts allocations of the
// whole process per round trip; the client's side allocates nothing.
func exchange(t *testing.T, addr, send string) float64 {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	return exchangeOn(t, nc, send)
}

func exchangeOn(t *testing.T, nc net.Conn, send string) float64 {
	t.Helper()
	msg, buf := []byte(send), make([]byte, 8<<10)
	once := func() {
		if _, err := nc.Write(msg); err != nil {
			t.Fatal(err)
		}
		if n, err := nc.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 200 OK\r\n")) {
			t.Fatalf("%q, %v", buf[:n], err)
		}
	}
	for range 50 {
		once()
	}
	return testing.AllocsPerRun(500, once)
}

// TestNoAllocationPerRequest: on sockets and on any net.Conn.
func TestNoAllocationPerRequest(t *testing.T) {
	eachKind(t, Config{Handler: plainRouter(t)}, func(t *testing.T, s *Server, dial func() net.Conn) {
		for name, send := range map[string]string{
			"GET with 16 fields": sixteenFields,
			"POST of 1 KiB":      postKiB,
			"POST in chunks":     "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		} {
			nc := dial()
			if n := exchangeOn(t, nc, send); n > 0 {
				t.Errorf("%s: %v allocations per request, want none", name, n)
			}
			nc.Close()
		}
	})
}

func TestHandlerErrorsPanicsAndHeaders(t *testing.T) {
	cause := errors.New("secret cause")
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = RequestID()(func(w *Response, r *Request) error {
			switch r.Path() {
			case "/panic":
				panic("secret panic")
			case "/error":
				return cause
			case "/known":
				return &Error{Status: 409, Code: "taken", Detail: "say \"no\"\n", Header: [][2]string{{"Retry-After", "3"}}, Err: cause}
			case "/inject":
				return w.SetHeader("X-A", "a\r\nX-B: b")
			case "/short":
				w.SetHeader("Content-Length", "10")
				_, err := w.WriteString("four")
				return err
			}
			return w.Send(200, "text/plain", []byte("fine"))
		})
	})
	nc, do := dial(t, addr)
	for _, c := range []struct {
		path   string
		status int
		has    string
	}{
		{"/panic", 500, `"status":500`}, {"/error", 500, `"title":"Internal Server Error"`}, {"/known", 409, `"detail":"say \"no\"\u000a","code":"taken"`},
		{"/inject", 500, `"status":500`}, {"/fine", 200, "fine"},
	} {
		resp := do("GET " + c.path + " HTTP/1.1\r\nHost: t\r\nX-Request-Id: abc\r\n\r\n")
		body := text(t, resp)
		if resp.StatusCode != c.status || !strings.Contains(body, c.has) || strings.Contains(body, "secret") || resp.Header.Get("X-B") != "" {
			t.Errorf("%s: %d %s", c.path, resp.StatusCode, body)
		}
		if resp.Header.Get("X-Request-Id") != "abc" {
			t.Errorf("%s: request id %q", c.path, resp.Header.Get("X-Request-Id"))
		}
		if c.status >= 400 && (resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, `"request_id":"abc"`)) {
			t.Errorf("%s: no problem details: %s", c.path, body)
		}
		if c.path == "/known" && resp.Header.Get("Retry-After") != "3" {
			t.Error("the error's field is missing")
		}
	}
	if _, err := nc.Write([]byte("GET /short HTTP/1.1\r\nHost: t\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || resp.StatusCode != 500 {
		t.Errorf("a body shorter than announced: %v, %v", resp, err)
	}
}

func TestShutdownFinishesWhatIsInFlight(t *testing.T) {
	in, hold := make(chan struct{}), make(chan struct{})
	addr, s := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			if r.Path() == "/slow" {
				close(in)
				<-hold
			}
			return w.Send(200, "text/plain", []byte("done"))
		}
	})
	idle, do := dial(t, addr)
	do("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
	_, slow := dial(t, addr)
	answer := make(chan string, 1)
	go func() { answer <- text(t, slow("GET /slow HTTP/1.1\r\nHost: t\r\n\r\n")) }()
	<-in
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the idle connection: %v, want EOF", err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown returned with a request in flight: %v", err)
	default:
	}
	close(hold)
	if got := <-answer; got != "done" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the listener is still open")
	}
}

func TestDeadlines(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.ReadHeaderTimeout, c.ReadBodyTimeout, c.IdleTimeout = 80*time.Millisecond, 80*time.Millisecond, 80*time.Millisecond
		c.MinBodyRate = 1 << 20
	})
	for name, c := range map[string]struct{ send, want string }{
		"slow head": {"GET / HTT", "HTTP/1.1 408 "},
		"slow body": {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 408 "},
		"idle":      {"", ""},
	} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write([]byte(c.send)); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(nc) // ends when the server closes
		if err != nil || !strings.HasPrefix(string(got), c.want) || c.want == "" && len(got) > 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		nc.Close()
	}
}

func TestHijackHandsOverBufferedBytes(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			nc, buffered, err := r.Hijack()
			if err != nil {
				return err
			}
			go func() {
				defer nc.Close()
				fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n%s", bytes.ToUpper(buffered))
			}()
			return nil
		}
	})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(nc); err != nil || !strings.HasSuffix(string(got), "\r\n\r\nEARLY") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestUnixSocket(t *testing.T) {
	s, err := NewServer(Config{Handler: caseHandler, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(nc); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 OK") {
		t.Errorf("%q, %v", b, err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != ErrServerClosed {
		t.Error(err)
	}
}
