package nethttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// under starts a wire server and returns its URL.
func under(t testing.TB, h wire.Handler, change ...func(*wire.Config)) string {
	t.Helper()
	cfg := wire.Config{Handler: h, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	s, err := wire.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != wire.ErrServerClosed {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// both runs a test with a net/http handler under net/http itself and under wire: what
// holds there has to hold here.
func both(t *testing.T, h http.HandlerFunc, test func(t *testing.T, url string)) {
	t.Run("net/http", func(t *testing.T) {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		s.Start()
		defer s.Close()
		test(t, s.URL)
	})
	t.Run("wire", func(t *testing.T) { test(t, under(t, Handler(h))) })
	t.Run("wire mounted in net/http", func(t *testing.T) {
		s := httptest.NewUnstartedServer(Mount(Handler(h)))
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		s.Start()
		defer s.Close()
		test(t, s.URL)
	})
}

func client(t testing.TB) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func do(t testing.TB, method, url string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Add(header[i], header[i+1])
	}
	r, err := client(t).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func TestRequestAsNetHTTPHasIt(t *testing.T) {
	show := func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		q := r.URL
		fmt.Fprintf(w, "%s|%s|%s|%s|%q|%v|%s|%d|%v|%s|%v|%s|%v|%v|%v|%v|%v", r.Method, r.RequestURI, q.Path, q.RawPath, q.RawQuery, q.ForceQuery, r.Proto, r.ContentLength, r.TransferEncoding,
			r.Header.Get("X-A"), r.Header["X-B"], b, err, r.Trailer, r.Header["Host"], r.Header["Trailer"], r.Close)
		if _, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); !ok || r.RemoteAddr == "" || r.TLS != nil {
			t.Error("addresses are missing")
		}
	}
	for _, raw := range []string{
		"GET / HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /a/b?c=d&e HTTP/1.1\r\nHost: t\r\nx-a: 1\r\nX-b: 2\r\nx-B: 3\r\n\r\n",
		"GET /a%20b%2Fc? HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET //x//y HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /%C3%A4;x=1/(y)*!' HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET http://other:81/x?y HTTP/1.1\r\nHost: t\r\n\r\n",
		"OPTIONS /x HTTP/1.1\r\nHost: t\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc",
		"POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nTrailer: Sum, Other\r\n\r\n3\r\nabc\r\n0\r\nSum: 3\r\n\r\n",
		"GET /x HTTP/1.0\r\nHost: t\r\n\r\n",
		"GET /x HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
	} {
		var first string
		for i, url := range []string{httpURL(t, http.HandlerFunc(show)), under(t, Handler(http.HandlerFunc(show)))} {
			nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(nc, raw); err != nil {
				t.Fatal(err)
			}
			r, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatalf("%q: %v", raw, err)
			}
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			nc.Close()
			if i == 0 {
				first = string(b)
			} else if string(b) != first {
				t.Errorf("%q:\nnet/http %s\nwire     %s", raw, first, b)
			}
		}
	}
}

func httpURL(t testing.TB, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestResponses(t *testing.T) {
	both(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch r.URL.Path {
		case "/plain":
			io.WriteString(w, "hello")
		case "/html":
			io.WriteString(w, "<!DOCTYPE ")
			io.WriteString(w, "html><p>")
		case "/typed":
			h.Set("Content-Type", "a/b")
			w.Write([]byte("<html>"))
		case "/untyped":
			h["Content-Type"] = nil
			w.Write([]byte("<html>"))
		case "/status":
			h.Add("X-A", "1")
			h.Add("X-A", "2")
			w.WriteHeader(418)
			h.Set("X-B", "too late")
			w.WriteHeader(200)
		case "/204":
			w.WriteHeader(204)
			if _, err := w.Write([]byte("x")); err != http.ErrBodyNotAllowed {
				t.Errorf("body of a 204: %v", err)
			}
		case "/304":
			h.Set("ETag", `"x"`)
			w.WriteHeader(304)
		case "/length":
			h.Set("Content-Length", "5")
			io.WriteString(w, "12345")
			if _, err := io.WriteString(w, "6"); err != http.ErrContentLength {
				t.Errorf("more than announced: %v", err)
			}
		case "/nothing":
		case "/inject":
			h.Set("X-A", "a\r\nX-B: b")
			h["X C"] = []string{"d"}
		case "/cookies":
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		case "/redirect":
			http.Redirect(w, r, "/to?x=y", 302)
		case "/error":
			http.Error(w, "no", 403)
		case "/file":
			http.ServeContent(w, r, "x.txt", time.Unix(1e9, 0), strings.NewReader("0123456789"))
		case "/from":
			n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader(strings.Repeat("y", 100_000)))
			if n != 100_000 || err != nil {
				t.Errorf("ReadFrom: %d, %v", n, err)
			}
		}
	}, func(t *testing.T, url string) {
		for _, c := range []struct {
			method, path string
			status       int
			body         string
			header       [2]string
		}{
			{"GET", "/plain", 200, "hello", [2]string{"Content-Length", "5"}},
			{"GET", "/plain", 200, "hello", [2]string{"Content-Type", "text/plain; charset=utf-8"}},
			{"HEAD", "/plain", 200, "", [2]string{"Content-Length", "5"}},
			{"GET", "/html", 200, "<!DOCTYPE html><p>", [2]string{"Content-Type", "text/html; charset=utf-8"}},
			{"GET", "/typed", 200, "<html>", [2]string{"Content-Type", "a/b"}},
			{"GET", "/untyped", 200, "<html>", [2]string{"Content-Type", ""}},
			{"GET", "/status", 418, "", [2]string{"X-A", "1 2"}},
			{"GET", "/status", 418, "", [2]string{"X-B", ""}},
			{"GET", "/204", 204, "", [2]string{"Content-Length", ""}},
			{"GET", "/304", 304, "", [2]string{"ETag", `"x"`}},
			{"GET", "/length", 200, "12345", [2]string{"Content-Length", "5"}},
			{"HEAD", "/length", 200, "", [2]string{"Content-Length", "5"}},
			{"GET", "/nothing", 200, "", [2]string{"Content-Length", "0"}},
			{"GET", "/nothing", 200, "", [2]string{"Content-Type", ""}},
			{"GET", "/inject", 200, "", [2]string{"X-B", ""}},
			{"GET", "/cookies", 200, "", [2]string{"Set-Cookie", "a=1 b=2"}},
			{"GET", "/redirect", 302, "<a href=\"/to?x=y\">Found</a>.\n\n", [2]string{"Location", "/to?x=y"}},
			{"GET", "/error", 403, "no\n", [2]string{"X-Content-Type-Options", "nosniff"}},
			{"GET", "/file", 206, "234", [2]string{"Content-Range", "bytes 2-4/10"}},
			{"GET", "/from", 200, strings.Repeat("y", 100_000), [2]string{}},
		} {
			r, body := do(t, c.method, url+c.path, nil, "Range", "bytes=2-4")
			if got := strings.Join(r.Header.Values(c.header[0]), " "); r.StatusCode != c.status || body != c.body || got != c.header[1] || r.Header.Get("Date") == "" {
				t.Errorf("%s %s: %d %.60q, %s: %q", c.method, c.path, r.StatusCode, body, c.header[0], got)
			}
		}
	})
}

// TestFlush: what was flushed arrives before the handler goes on (the first trap of other
// bridges: everything waits for the handler's end, so no server-sent events).
func TestFlush(t *testing.T) {
	next := make(chan bool)
	both(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		w.(http.Flusher).Flush() // the header section alone
		for i := range 3 {
			<-next
			fmt.Fprintf(w, "data: %d\n\n", i)
			if err := rc.Flush(); err != nil {
				t.Error(err)
			}
		}
	}, func(t *testing.T, url string) {
		r, err := client(t).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		for i := range 3 {
			next <- true
			b := make([]byte, len("data: 0\n\n"))
			if _, err := io.ReadFull(r.Body, b); err != nil || string(b) != fmt.Sprintf("data: %d\n\n", i) {
				t.Errorf("%q, %v", b, err)
			}
		}
	})
}

func TestTrailers(t *testing.T) {
	both(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Sum, Unused")
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		io.WriteString(w, "body")
		w.Header().Set("Sum", fmt.Sprint(len(b), r.Trailer.Get("Client-Sum")))
		w.Header().Set(http.TrailerPrefix+"Late", "yes")
	}, func(t *testing.T, url string) {
		q, err := http.NewRequest("POST", url, io.MultiReader(strings.NewReader("12345")))
		if err != nil {
			t.Fatal(err)
		}
		q.Trailer = http.Header{"Client-Sum": {"five"}}
		r, err := client(t).Do(q)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(b) != "body" || r.Trailer.Get("Sum") != "5 five" && r.Trailer.Get("Sum") != "5five" || r.Trailer.Get("Late") != "yes" {
			t.Errorf("%q, %v, %v", b, err, r.Trailer)
		}
	})
}

func TestInterim(t *testing.T) {
	both(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		w.WriteHeader(201)
	}, func(t *testing.T, url string) {
		nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
		b, err := io.ReadAll(nc)
		if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 201 Created\r\n") || strings.Count(string(b), "Link") != 1 {
			t.Errorf("%q, %v", b, err)
		}
	})
}

func TestHijackAfterHeader(t *testing.T) {
	both(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Upgrade", "echo")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(101) // pending: Hijack has to send it
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		if _, err := w.Write([]byte("x")); err != http.ErrHijacked {
			t.Errorf("Write after Hijack: %v", err)
		}
		line, err := rw.ReadString('\n')
		rw.WriteString(strings.ToUpper(line))
		if err != nil || rw.Flush() != nil {
			t.Error(err)
		}
	}, func(t *testing.T, url string) {
		nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhel")
		br := bufio.NewReader(nc)
		r, err := http.ReadResponse(br, nil)
		if err != nil || r.StatusCode != 101 || r.Header.Get("Upgrade") != "echo" {
			t.Fatalf("%v, %v", r, err)
		}
		io.WriteString(nc, "lo\n")
		if line, err := br.ReadString('\n'); line != "HELLO\n" {
			t.Errorf("%q, %v", line, err)
		}
	})
}

// TestHijackKeepsBuffered: what came with the head is in the reader's buffer, where those
// who take over look for it.
func TestHijackKeepsBuffered(t *testing.T) {
	seen := make(chan string, 1)
	url := under(t, Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		b, err := rw.Reader.Peek(rw.Reader.Buffered())
		seen <- fmt.Sprint(string(b), err)
	})))
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nearly")
	if got := <-seen; got != "early<nil>" {
		t.Error(got)
	}
}

func TestClientLeaves(t *testing.T) {
	began, ended := make(chan bool), make(chan error)
	both(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			io.Copy(io.Discard, r.Body)
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		began <- true
		<-ctx.Done()
		ended <- ctx.Err()
	}, func(t *testing.T, url string) {
		for _, method := range []string{"GET", "POST", "chunked"} {
			ctx, cancel := context.WithCancel(t.Context())
			var body io.Reader
			if method != "GET" {
				body = strings.NewReader("hello")
			}
			if method == "chunked" {
				method, body = "POST", io.MultiReader(body)
			}
			q, err := http.NewRequestWithContext(ctx, method, url, body)
			if err != nil {
				t.Fatal(err)
			}
			go client(t).Do(q)
			<-began
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", method, err)
			}
		}
	})
}

func TestContext(t *testing.T) {
	type key struct{}
	var kept context.Context
	h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept = r.Context()
		if kept.Err() != nil {
			t.Error(kept.Err())
		}
		fmt.Fprint(w, r.Context().Value(key{}), r.PathValue("id"), r.Pattern)
	}))
	rt := wire.NewRouter()
	rt.Use(func(next wire.Handler) wire.Handler {
		return func(w *wire.Response, r *wire.Request) error {
			r.SetContext(context.WithValue(r.Context(), key{}, "value "))
			return next(w, r)
		}
	})
	if err := rt.Get("/items/{id}", h); err != nil {
		t.Fatal(err)
	}
	url := under(t, rt.Handler())
	if _, body := do(t, "GET", url+"/items/a%20b", nil); body != "value a bGET /items/{id}" {
		t.Errorf("%q", body)
	}
	if err := kept.Err(); err != context.Canceled { // the handler has returned
		t.Errorf("%v", err)
	}
	select {
	case <-kept.Done():
	default:
		t.Error("Done is open after the handler's return")
	}
}

func TestDeadlines(t *testing.T) {
	both(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		_, err := io.ReadAll(r.Body)
		fmt.Fprint(w, err != nil)
	}, func(t *testing.T, url string) {
		if strings.Contains(t.Name(), "mounted") {
			t.Skip("behind Mount the deadline is that of the connection in memory, and the error another")
		}
		nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf")
		r, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r.Body); string(b) != "true" {
			t.Errorf("%q, %v", b, err)
		}
	})
	wrote := make(chan error, 1)
	url := under(t, Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		var err error
		for err == nil { // until the socket takes no more
			_, err = w.Write(make([]byte, 1<<20))
		}
		wrote <- err
	})))
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\n\r\n")
	if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestFullDuplex(t *testing.T) {
	both(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		// One goroutine reads, as a proxy's transport does, another writes.
		pr, pw := io.Pipe()
		go func() {
			_, err := io.Copy(pw, r.Body)
			pw.CloseWithError(err)
		}()
		b := make([]byte, 100)
		for {
			n, err := pr.Read(b)
			w.Write(bytes.ToUpper(b[:n]))
			rc.Flush()
			if err != nil {
				return
			}
		}
	}, func(t *testing.T, url string) {
		pr, pw := io.Pipe()
		q, err := http.NewRequest("POST", url, pr)
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(pw, "first")
		r, err := client(t).Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b := make([]byte, 5)
		for _, next := range []string{"again", "third", ""} {
			if _, err := io.ReadFull(r.Body, b); err != nil {
				t.Fatal(err)
			}
			if next != "" {
				io.WriteString(pw, next)
			}
		}
		pw.Close()
		if rest, err := io.ReadAll(r.Body); string(b) != "THIRD" || len(rest) > 0 || err != nil {
			t.Errorf("%q %q %v", b, rest, err)
		}
	})
}

func TestPanics(t *testing.T) {
	both(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/started" {
			io.WriteString(w, "half")
			http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, url string) {
		if _, err := client(t).Get(url + "/"); err == nil {
			t.Error("an aborted handler was answered")
		}
		r, err := client(t).Get(url + "/started")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("an aborted response has an end")
		}
	})
	url := under(t, Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") })))
	if r, body := do(t, "GET", url, nil); r.StatusCode != 500 || strings.Contains(body, "secret") {
		t.Errorf("%d %s", r.StatusCode, body)
	}
}

func TestExpectContinueAndUnreadBodies(t *testing.T) {
	both(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			io.Copy(w, r.Body)
		}
	}, func(t *testing.T, url string) {
		nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		br := bufio.NewReader(nc)
		for _, step := range []struct{ send, want string }{
			{"POST /read HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"},
			{"abc", "HTTP/1.1 200 OK\r\n"},
		} {
			io.WriteString(nc, step.send)
			b := make([]byte, len(step.want))
			if _, err := io.ReadFull(br, b); err != nil || string(b) != step.want {
				t.Fatalf("%q, %v, want %q", b, err, step.want)
			}
		}
		// A body that nobody reads is drained: the connection goes on.
		nc2, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc2.Close()
		br = bufio.NewReader(nc2)
		for range 2 {
			io.WriteString(nc2, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10000\r\n\r\n"+strings.Repeat("x", 10000))
			r, err := http.ReadResponse(br, nil)
			if err != nil || r.StatusCode != 200 {
				t.Fatalf("%v, %v", r, err)
			}
			r.Body.Close()
		}
	})
}

func TestBodyAfterTheHandler(t *testing.T) {
	got := make(chan error, 2)
	url := under(t, Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reading := make(chan bool)
		go func() {
			close(reading)
			_, err := r.Body.Read(make([]byte, 10)) // waits for bytes that never come
			got <- err
			_, err = r.Body.Read(make([]byte, 10))
			got <- err
		}()
		<-reading
		time.Sleep(5 * time.Millisecond) // most likely inside Read by now
	})))
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n")
	if err := <-got; err == nil {
		t.Error("a Read behind the handler's back succeeded")
	}
	if err := <-got; err == nil {
		t.Error("a Read after the handler's end succeeded")
	}
}

func TestWriterAfterTheHandler(t *testing.T) {
	writers := make(chan http.ResponseWriter, 1)
	url := under(t, Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.Path)
		writers <- w
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
	})))
	for _, path := range []string{"/first", "/second", "/abort"} {
		if path == "/abort" {
			if _, err := client(t).Get(url + path); err == nil {
				t.Error("an aborted handler was answered")
			}
		} else if _, body := do(t, "GET", url+path, nil); body != path {
			t.Errorf("%q", body)
		}
		kept := <-writers
		rc := http.NewResponseController(kept)
		eventually(t, "the handler does not return", func() bool { return rc.SetWriteDeadline(time.Time{}) != nil })
		kept.WriteHeader(500)
		_, werr := kept.Write([]byte("x"))
		_, _, herr := rc.Hijack()
		for what, err := range map[string]error{"Write": werr, "Flush": rc.Flush(), "Hijack": herr, "SetReadDeadline": rc.SetReadDeadline(time.Now()), "SetWriteDeadline": rc.SetWriteDeadline(time.Now())} {
			if err == nil {
				t.Errorf("%s: %s after the handler's return went through", path, what)
			}
		}
	}
}

func TestBodyLimit(t *testing.T) {
	url := under(t, Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		var we *wire.Error
		if !errors.As(err, &we) || we.Status != 413 {
			t.Errorf("%v", err)
		}
		http.Error(w, "too large", 413)
	})), func(c *wire.Config) { c.MaxBodyBytes = 10 })
	if r, _ := do(t, "POST", url, strings.NewReader("12345678901")); r.StatusCode != 413 {
		t.Errorf("%d", r.StatusCode)
	}
}

func TestMiddlewareInPlaceAndWrapped(t *testing.T) {
	type key struct{}
	tag := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("X-Tag", name)
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, name)))
				w.Header().Set("X-After", name) // still in time where nothing was sent
			})
		}
	}
	upper := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(upperWriter{w}, r) })
	}
	rename := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("X-Who", "renamed")
			r.URL.Path = "/inner"
			next.ServeHTTP(w, r)
		})
	}
	refuse := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "refused", 401) })
	}
	show := func(w *wire.Response, r *wire.Request) error {
		if r.HasHeader("X-Fail") {
			return &wire.Error{Status: 409, Detail: "conflict"}
		}
		b, err := io.ReadAll(r.Body())
		if err != nil {
			return err
		}
		if err := w.SetHeader("X-Inner", "yes"); err != nil {
			return err
		}
		w.Status(202)
		_, err = fmt.Fprintf(w, "%s %s %s %s %v %s", r.Path(), r.Header("X-Who"), r.PathValue("id"), b, r.Context().Value(key{}), r.RemoteAddr().Network())
		return err
	}
	for name, c := range map[string]struct {
		use  []wire.Middleware
		want string
		tag  string
	}{
		"in place":        {[]wire.Middleware{Middleware(tag("a")), Middleware(tag("b"))}, "/x/7 me 7 body b tcp", "a,b"},
		"writer wrapped":  {[]wire.Middleware{Middleware(tag("a")), Middleware(upper)}, "/X/7 ME 7 BODY A TCP", "a"},
		"request changed": {[]wire.Middleware{Middleware(rename), Middleware(tag("b"))}, "/inner renamed 7 body b tcp", "b"},
		"refused":         {[]wire.Middleware{Middleware(tag("a")), Middleware(refuse)}, "refused\n", "a"},
	} {
		rt := wire.NewRouter()
		h := wire.Handler(show)
		for i := len(c.use) - 1; i >= 0; i-- {
			h = c.use[i](h)
		}
		if err := rt.Handle("POST /x/{id}", h); err != nil {
			t.Fatal(err)
		}
		url := under(t, rt.Handler())
		r, body := do(t, "POST", url+"/x/7", strings.NewReader("body"), "X-Who", "me")
		if body != c.want || strings.Join(r.Header.Values("X-Tag"), ",") != c.tag {
			t.Errorf("%s: %q, want %q; tags %v", name, body, c.want, r.Header["X-Tag"])
		}
		if want := map[bool]int{true: 401, false: 202}[name == "refused"]; r.StatusCode != want || name != "refused" && r.Header.Get("X-Inner") != "yes" {
			t.Errorf("%s: %d %v", name, r.StatusCode, r.Header)
		}
		if strings.HasPrefix(c.tag, "a") && r.Header.Get("X-After") != "a" {
			t.Errorf("%s: what was set behind the handler is lost: %v", name, r.Header)
		}
		if name == "refused" {
			continue
		}
		r, body = do(t, "POST", url+"/x/7", nil, "X-Fail", "1")
		if r.StatusCode != 409 || !strings.Contains(strings.ToLower(body), "conflict") || strings.Join(r.Header.Values("X-Tag"), ",") != c.tag {
			t.Errorf("%s: an error behind it: %d %s %v", name, r.StatusCode, body, r.Header)
		}
	}
}

// TestMiddlewareOfARouter wraps the writer around a whole router, which has found the
// route before its middleware runs.
func TestMiddlewareOfARouter(t *testing.T) {
	rt := wire.NewRouter()
	rt.Use(wire.RequestID(), Middleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(upperWriter{w}, r) })
	}))
	if err := rt.Get("/x/{id}", func(w *wire.Response, r *wire.Request) error {
		_, err := fmt.Fprint(w, r.PathValue("id"), " ", r.Route(), " ", r.ID())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	url := under(t, rt.Handler())
	r, body := do(t, "GET", url+"/x/a%2fb", nil)
	if want := strings.ToUpper("a/b GET /x/{id} " + r.Header.Get("X-Request-Id")); body != want {
		t.Errorf("%q, want %q", body, want)
	}
	if r, _ := do(t, "POST", url+"/x/1", nil); r.StatusCode != 405 || r.Header.Get("Allow") == "" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	if r, _ := do(t, "GET", url+"/y", nil); r.StatusCode != 404 {
		t.Errorf("%d", r.StatusCode)
	}
}

type upperWriter struct{ http.ResponseWriter }

func (u upperWriter) Write(p []byte) (int, error) {
	return u.ResponseWriter.Write(bytes.ToUpper(p))
}

func TestMountCarriesWhatBelongsToTheRequest(t *testing.T) {
	type key struct{}
	inner := Mount(func(w *wire.Response, r *wire.Request) error {
		_, err := fmt.Fprint(w, r.Context().Value(key{}), " ", r.PathValue("id"), " ", r.TLS() != nil, " ", r.ClientAddr(), " ", r.Host())
		return err
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/items/{id}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
	})
	s := httptest.NewTLSServer(mux)
	defer s.Close()
	r, err := s.Client().Get(s.URL + "/items/a%2Fb/c/d")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if want := "value a/b true 127.0.0.1 " + strings.TrimPrefix(s.URL, "https://"); string(b) != want || err != nil {
		t.Errorf("%q, %v, want %q", b, err, want)
	}
	rec := httptest.NewRecorder()
	Mount(func(w *wire.Response, r *wire.Request) error { return w.Send(201, "a/b", []byte("recorded")) }).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != 201 || rec.Body.String() != "recorded" || rec.Header().Get("Content-Type") != "a/b" {
		t.Errorf("%v", rec)
	}
}

func TestMountAnswersBeforeTheBody(t *testing.T) {
	s := httptest.NewServer(Mount(func(w *wire.Response, r *wire.Request) error { return &wire.Error{Status: 403, Close: true} }))
	defer s.Close()
	nc, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\nnever more")
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || r.StatusCode != 403 {
		t.Errorf("%v, %v", r, err)
	}
}

// TestNothingLeaks sends requests of all kinds through each direction.
func TestNothingLeaks(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		io.Copy(w, r.Body)
		if r.URL.Path == "/wait" {
			<-ctx.Done()
		}
	})
	for name, url := range map[string]string{"under wire": under(t, Handler(h)), "mounted": httpURL(t, Mount(Handler(h)))} {
		c := client(t)
		if _, err := c.Get(url); err != nil {
			t.Fatal(err)
		}
		c.CloseIdleConnections()
		before := runtime.NumGoroutine()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				q, err := http.NewRequestWithContext(ctx, "POST", url+[]string{"/", "/wait"}[i%2], io.MultiReader(strings.NewReader("hello")))
				if err != nil {
					t.Error(err)
					return
				}
				if r, err := c.Do(q); err == nil { // those that wait are cut off
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
			})
		}
		wg.Wait()
		c.CloseIdleConnections()
		eventually(t, name+": goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
	}
}

// FuzzTarget holds the quick way of parsing targets against net/url, for what wire lets
// through.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "/a?b", "/a?", "//x", "/%20", "/a;b", "/a?b?c", "*", "http://h/x", "A://@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return // wire refuses such a target before
		}
		got, err := parseTarget("GET", target)
		want, werr := url.ParseRequestURI(target)
		if (err == nil) != (werr == nil) || err == nil && !reflect.DeepEqual(got, want) { // User is a pointer
			t.Fatalf("%q: %+v, %v; net/url %+v, %v", target, got, err, want, werr)
		}
	})
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// A handler that cuts the connection, as a reverse proxy does when either side goes away,
// has not failed: net/http logs nothing then, and wire no error.
func TestAbortIsNoError(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	url := under(t, Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})), func(c *wire.Config) { c.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)) })
	r, err := client(t).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); !errors.Is(err, io.ErrUnexpectedEOF) || string(b) != "x" {
		t.Errorf("%q, %v: want a response that is cut", b, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "broke off") {
		t.Errorf("logged: %s", log.String())
	}
}

// lockedWriter is a log that handlers and a test share.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
