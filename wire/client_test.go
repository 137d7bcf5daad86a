package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func newClient(t testing.TB, change ...func(*ClientConfig)) *Client {
	t.Helper()
	var cfg ClientConfig
	for _, f := range change {
		f(&cfg)
	}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if open, _ := c.Conns(); open != 0 {
			t.Errorf("%d connections are left", open)
		}
	})
	return c
}

// httpServer is net/http's server with a handler.
func httpServer(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// rawServer answers each connection with a function of its own. It returns its URL.
func rawServer(t testing.TB, serve func(n int, nc net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				serve(n, nc)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return "http://" + l.Addr().String()
}

// readRequest reads one request to its end, as a server does.
func readRequest(nc net.Conn) (head string, ok bool) {
	var b []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		if _, err := nc.Read(one); err != nil {
			return "", false
		}
		b = append(b, one[0])
	}
	return string(b), true
}

func get(t testing.TB, c *Client, url string) (*ClientResponse, string) {
	t.Helper()
	r, err := c.Get(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.ReadAll(0)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func TestClientAgainstNetHTTP(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<14)
	url := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("X-Method", r.Method)
			w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
			w.Header().Set("X-Trailer", r.Trailer.Get("Sum"))
			w.Write(b)
		case "/chunked":
			w.Header().Set("Trailer", "Sum")
			for range 10 {
				io.WriteString(w, "some ")
				w.(http.Flusher).Flush()
			}
			w.Header().Set("Sum", "50")
		case "/big":
			io.WriteString(w, big)
		case "/empty":
			w.WriteHeader(204)
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, big)
			z.Close()
		case "/fields":
			fmt.Fprint(w, r.Host, " ", r.UserAgent(), " ", r.Header.Get("Accept-Encoding"), " ", r.Header.Values("X-A"))
		}
	})
	c := newClient(t)
	type want struct {
		name, body string
		req        ClientRequest
		header     [2]string
	}
	for _, w := range []want{
		{"get", "", ClientRequest{URL: "/echo"}, [2]string{"X-Method", "GET"}},
		{"post", "hello", ClientRequest{Method: "POST", URL: "/echo", Body: strings.NewReader("hello")}, [2]string{"X-Length", "5"}},
		{"post of a buffer", "hello", ClientRequest{Method: "POST", URL: "/echo", Body: bytes.NewBufferString("hello")}, [2]string{"X-Length", "5"}},
		{"post without a body", "", ClientRequest{Method: "POST", URL: "/echo"}, [2]string{"X-Length", "0"}},
		{"large known", big, ClientRequest{Method: "PUT", URL: "/echo", Body: strings.NewReader(big)}, [2]string{"X-Length", fmt.Sprint(len(big))}},
		{"streamed", big, ClientRequest{Method: "PUT", URL: "/echo", Body: io.MultiReader(strings.NewReader(big))}, [2]string{"X-Length", "-1"}},
		{"streamed with a length", big, ClientRequest{Method: "PUT", URL: "/echo", Body: io.MultiReader(strings.NewReader(big)), Length: int64(len(big))}, [2]string{"X-Length", fmt.Sprint(len(big))}},
		{"trailers", "abc", ClientRequest{Method: "PUT", URL: "/echo", Body: strings.NewReader("abc"), Header: [][2]string{{"Trailer", "Sum"}}, Trailers: func() []Trailer { return []Trailer{{"Sum", "3"}} }}, [2]string{"X-Trailer", "3"}},
		{"expect", "hello", ClientRequest{Method: "POST", URL: "/echo", Body: strings.NewReader("hello"), Header: [][2]string{{"Expect", "100-continue"}}}, [2]string{"X-Length", "5"}},
		{"head", "", ClientRequest{Method: "HEAD", URL: "/big"}, [2]string{"Content-Length", ""}},
		{"chunked", strings.Repeat("some ", 10), ClientRequest{URL: "/chunked"}, [2]string{"Content-Length", ""}},
		{"big", big, ClientRequest{URL: "/big"}, [2]string{"Content-Type", "text/plain; charset=utf-8"}},
		{"204", "", ClientRequest{URL: "/empty"}, [2]string{"Content-Length", ""}},
		{"gzip", big, ClientRequest{URL: "/gzip"}, [2]string{"Content-Encoding", ""}},
		{"fields", "example.org me gzip [1 2]", ClientRequest{URL: "/fields", Host: "example.org", Header: [][2]string{{"User-Agent", "me"}, {"X-A", "1"}, {"x-a", "2"}}}, [2]string{}},
	} {
		w.req.URL = url + w.req.URL
		r, err := c.Do(t.Context(), &w.req)
		if err != nil {
			t.Errorf("%s: %v", w.name, err)
			continue
		}
		b, err := r.ReadAll(0)
		if err != nil || string(b) != w.body || r.Header(w.header[0]) != w.header[1] {
			t.Errorf("%s: %d, %q (want %q), %.80q, %v", w.name, r.StatusCode(), r.Header(w.header[0]), w.header[1], b, err)
		}
		if w.name == "chunked" && (len(r.Trailers()) != 1 || r.Trailers()[0] != Trailer{"Sum", "50"}) {
			t.Errorf("trailers: %v", r.Trailers())
		}
	}
	if open, idle := c.Conns(); open != 1 || idle != 1 {
		t.Errorf("%d connections, %d idle, after requests in turn: want one", open, idle)
	}
}

func TestClientAgainstWire(t *testing.T) {
	addr, s := serveCases(t)
	c := newClient(t)
	big := strings.Repeat("x", 1<<20)
	for range 3 {
		if _, body := get(t, c, "http://"+addr+"/stream"); body != "onetwothree" {
			t.Errorf("stream: %q", body)
		}
		if r, body := get(t, c, "http://"+addr+"/empty"); r.StatusCode() != 204 || body != "" {
			t.Errorf("empty: %d %q", r.StatusCode(), body)
		}
		r, err := c.Post(t.Context(), "http://"+addr+"/echo", "text/plain", io.MultiReader(strings.NewReader(big)))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := r.ReadAll(2 << 20); err != nil || string(b) != big {
			t.Errorf("echo: %d bytes, %v", len(b), err)
		}
	}
	if n := s.Conns(); n != 1 {
		t.Errorf("the server saw %d connections, want one", n)
	}
}

// hostile replies and what becomes of them. Each is sent once, then the connection is
// closed by the server. body is what was read before the error.
var hostile = []struct {
	name, ref, reply, body string
	err                    error // nil: accepted
	stage                  Stage
}{
	{"plain", "9112-4", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", nil, ""},
	{"empty reason", "9112-4", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", "ok", nil, ""},
	{"unknown status", "9110-15", "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok", "ok", nil, ""},
	{"to the end", "9112-6.3", "HTTP/1.1 200 OK\r\n\r\nok", "ok", nil, ""},
	{"1.0", "9112-6.3", "HTTP/1.0 200 OK\r\n\r\nok", "ok", nil, ""},
	{"1.2 is 1.1", "9110-2.5", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", nil, ""},
	{"chunked", "9112-7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1;a=b\r\no\r\n1\r\nk\r\n0\r\nX: y\r\n\r\n", "ok", nil, ""},
	{"interim first", "9110-15.2", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", nil, ""},
	{"204 with a length", "9112-6.3", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "", nil, ""},
	{"304 with a length", "9112-6.3", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "", nil, ""},
	{"obs-text in a value", "9110-5.5", "HTTP/1.1 200 OK\r\nX: \xff\r\nContent-Length: 2\r\n\r\nok", "ok", nil, ""},

	{"nothing", "9112-8", "", "", io.EOF, StageHead},
	{"cut in the status line", "9112-8", "HTTP/1.1 20", "", io.ErrUnexpectedEOF, StageHead},
	{"cut in the head", "9112-8", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "", io.ErrUnexpectedEOF, StageHead},
	{"cut in the content", "9112-8", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "ok", io.ErrUnexpectedEOF, StageBody},
	{"cut before a chunk", "9112-8", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "ok", io.ErrUnexpectedEOF, StageBody},
	{"cut in a chunk", "9112-8", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "ok", io.ErrUnexpectedEOF, StageBody},
	{"cut in the last chunk", "9112-8", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "ok", io.ErrUnexpectedEOF, StageBody},
	{"cut in the trailers", "9112-8", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n", "ok", io.ErrUnexpectedEOF, StageBody},

	{"both framings", "9112-6.3", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"both framings on 204", "9112-6.1", "HTTP/1.1 204 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"both framings on 1xx", "9112-6.1", "HTTP/1.1 103 X\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"differing lengths", "9112-6.3", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"equal lengths twice", "house", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"a list of lengths", "house", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"length with a sign", "9110-8.6", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"empty length", "9110-8.6", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"length beyond int64", "9110-8.6", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"unknown coding", "9112-6.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"coding list", "9112-6.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"chunked twice", "9112-6.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"chunked in 1.0", "9112-6.1", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"folded line", "9112-5.2", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"space before the colon", "9112-5.1", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"no colon", "9112-5", "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"empty name", "9112-5", "HTTP/1.1 200 OK\r\n: x\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"NUL in a value", "9110-5.5", "HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"bare LF", "9112-2.2", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "", ErrMalformedResponse, StageHead},
	{"bare CR in a value", "9112-2.2", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"bare CR ends a line", "9112-2.2", "HTTP/1.1 200 OK\rX: a", "", ErrMalformedResponse, StageHead},
	{"CR CR LF", "9112-2.2", "HTTP/1.1 200 OK\r\r\nContent-Length: 2\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"empty line in front", "9112-2.2", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"version 2", "9112-2.3", "HTTP/2 200 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"version 2.0", "9112-2.3", "HTTP/2.0 200 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"lower case version", "9112-2.3", "http/1.1 200 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"another protocol", "9112-4", "SSH-2.0-OpenSSH_9.2p1\r\n", "", ErrMalformedResponse, StageHead},
	{"HTTP/0.9", "9112-4", "<html>hello</html>", "", ErrMalformedResponse, StageHead},
	{"no space behind the code", "9112-4", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "", ErrMalformedResponse, StageHead},
	{"two spaces", "9112-4", "HTTP/1.1  200 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"tab", "9112-4", "HTTP/1.1\t200 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"two digits", "9112-4", "HTTP/1.1 20 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"four digits", "9112-4", "HTTP/1.1 2000 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"sign in the code", "9112-4", "HTTP/1.1 +20 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"code below 100", "9110-15", "HTTP/1.1 099 OK\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"control byte in the reason", "9112-4", "HTTP/1.1 200 O\x01K\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"101 unasked", "9110-15.2.2", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "", ErrMalformedResponse, StageHead},
	{"chunk size without digits", "9112-7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "", ErrMalformedResponse, StageBody},
	{"chunk size overflow", "9112-7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n", "", ErrMalformedResponse, StageBody},
	{"chunk line with LF", "9112-7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", "", ErrMalformedResponse, StageBody},
	{"chunk longer than it says", "9112-7.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n", "ok", ErrMalformedResponse, StageBody},
	{"framing in a trailer", "9110-6.5.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 5\r\n\r\n", "ok", ErrMalformedResponse, StageBody},
	{"gzip that is none", "9110-8.4.1", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnot gzip, no", "", ErrMalformedResponse, StageBody},
	{"gzip that is cut", "9110-8.4.1", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "", io.ErrUnexpectedEOF, StageBody},

	{"endless head", "house", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 100), "", ErrResponseHeader, StageHead},
	{"endless line", "house", "HTTP/1.1 200 " + strings.Repeat("a", 100_000), "", ErrResponseHeader, StageHead},
	{"many fields", "house", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: a\r\n", 201) + "\r\n", "", ErrResponseFields, StageHead},
	{"many interims", "house", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 11) + "HTTP/1.1 200 OK\r\n\r\n", "", ErrInterim, StageHead},
	{"large trailers", "house", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 10), "ok", ErrResponseTrailer, StageBody},
	{"content beyond the limit", "house", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 1001), strings.Repeat("x", 1000), ErrContentLimit, StageBody},
	{"known to be beyond it", "house", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 1001), strings.Repeat("x", 1000), ErrContentLimit, StageBody},
}

func TestClientHostileServer(t *testing.T) {
	for _, h := range hostile {
		for _, piece := range []int{1 << 20, 1} {
			if piece == 1 && len(h.reply) > 2000 {
				continue
			}
			url := rawServer(t, func(_ int, nc net.Conn) {
				if _, ok := readRequest(nc); !ok {
					return
				}
				for rest := h.reply; rest != ""; {
					n := min(piece, len(rest))
					if _, err := io.WriteString(nc, rest[:n]); err != nil {
						return // the client has seen enough
					}
					rest = rest[n:]
				}
			})
			c := newClient(t, func(c *ClientConfig) { c.MaxContentBytes = 1000 })
			r, err := c.Get(t.Context(), url+"/x")
			var body []byte
			if err == nil {
				body, err = io.ReadAll(r.Body())
				r.Close()
			}
			var ce *ClientError
			if !errors.Is(err, h.err) || h.err != nil && (!errors.As(err, &ce) || ce.Stage != h.stage) {
				t.Errorf("%s (%s): %v, want %v at %s", h.name, h.ref, err, h.err, h.stage)
			}
			if string(body) != h.body {
				t.Errorf("%s: content %.40q, want %q", h.name, body, h.body)
			}
			if _, idle := c.Conns(); h.err != nil && idle > 0 && !strings.HasPrefix(h.name, "gzip") {
				t.Errorf("%s: the connection was kept", h.name)
			}
		}
	}
}

func TestClientRetriesOnlyWhereSafe(t *testing.T) {
	// The server answers the first request of a connection and closes it at the second,
	// after having read it.
	type try struct {
		name  string
		req   ClientRequest
		tries int32 // requests the server sees for the second one
	}
	once := func() io.Reader { return io.MultiReader(strings.NewReader("abc")) }
	for _, c := range []try{
		{"GET", ClientRequest{}, 2},
		{"PUT of bytes", ClientRequest{Method: "PUT", Body: strings.NewReader("abc")}, 2},
		{"POST", ClientRequest{Method: "POST", Body: strings.NewReader("abc")}, 1},
		{"PATCH", ClientRequest{Method: "PATCH", Body: strings.NewReader("abc")}, 1},
		{"POST with a key", ClientRequest{Method: "POST", Body: strings.NewReader("abc"), Header: [][2]string{{"Idempotency-Key", "k"}}}, 2},
		{"GET once", ClientRequest{NoResend: true}, 1},
		{"POST with a key, once", ClientRequest{Method: "POST", NoResend: true, Body: strings.NewReader("abc"), Header: [][2]string{{"Idempotency-Key", "k"}}}, 1},
		{"PUT of a stream", ClientRequest{Method: "PUT", Body: once(), Length: 3}, 1},
		{"PUT of a stream that rewinds", ClientRequest{Method: "PUT", Body: once(), Length: 3, Rewind: func() (io.Reader, error) { return once(), nil }}, 2},
	} {
		var seen atomic.Int32
		url := rawServer(t, func(_ int, nc net.Conn) {
			for i := range 2 {
				head, ok := readRequest(nc)
				if !ok {
					return
				}
				if strings.Contains(head, "Content-Length: 3") {
					io.ReadFull(nc, make([]byte, 3))
				}
				if strings.Contains(head, "/second") {
					seen.Add(1)
				}
				if i == 0 {
					io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			}
		})
		cl := newClient(t)
		get(t, cl, url+"/first")
		c.req.URL = url + "/second"
		r, err := cl.Do(t.Context(), &c.req)
		if ok := err == nil; ok != (c.tries == 2) || seen.Load() != c.tries {
			t.Errorf("%s: %v, the server saw it %d times, want %d", c.name, err, seen.Load(), c.tries)
		}
		if err == nil {
			r.Close()
		}
		var ce *ClientError
		if err != nil && (!errors.As(err, &ce) || !ce.Reused) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestClientSaysThatTheFirstTimeMayHaveArrived: the server takes a request, and is gone when it would come
// again. The error must not be that of the dial alone: who reads it would take the request for unsent.
func TestClientSaysThatTheFirstTimeMayHaveArrived(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		nc, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		readRequest(nc)
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		readRequest(nc)
		l.Close()
	}()
	cl := newClient(t)
	get(t, cl, "http://"+l.Addr().String())
	_, err = cl.Get(t.Context(), "http://"+l.Addr().String())
	<-served
	var ce *ClientError
	if !errors.As(err, &ce) || ce.Stage == StageDial || !ce.Reused || !strings.Contains(err.Error(), "second time") || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}

func TestClientDropsPoisonedIdleConnections(t *testing.T) {
	for name, extra := range map[string]string{
		"a second response":   "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
		"a byte":              "x",
		"content behind 204":  "body",
		"closed":              "",
		"a late 408 response": "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
	} {
		for _, late := range []bool{false, true} {
			sent := make(chan bool, 2)
			url := rawServer(t, func(n int, nc net.Conn) {
				if _, ok := readRequest(nc); !ok {
					return
				}
				reply := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
				if late {
					io.WriteString(nc, reply)
					<-sent
					io.WriteString(nc, extra)
				} else {
					io.WriteString(nc, reply+extra)
				}
				if extra != "" {
					nc.Read(make([]byte, 1)) // until the client closes
				}
			})
			c := newClient(t)
			_, first := get(t, c, url)
			sent <- true
			sent <- true // for the second connection
			if late {
				awaitLoud(t, c)
			}
			if _, second := get(t, c, url); first != "1" || second != "2" {
				t.Errorf("%s, late %v: answers %q and %q, want 1 and 2: each on a connection of its own", name, late, first, second)
			}
		}
	}
}

// awaitLoud waits until the idle connection of c has something to read.
func awaitLoud(t *testing.T, c *Client) {
	t.Helper()
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	for _, h := range c.pool.hosts {
		for _, cc := range h.idle {
			for deadline := time.Now().Add(5 * time.Second); cc.probe.silent(); {
				if time.Now().After(deadline) {
					t.Fatal("nothing came")
				}
				runtime.Gosched()
			}
		}
	}
}

func TestProbesAgree(t *testing.T) {
	for name, probe := range map[string]func(net.Conn) bool{"by a look": func(nc net.Conn) bool { return newProbe(nc).silent() }, "by a read": probeRead} {
		a, b := tcpPair(t)
		if !probe(a) {
			t.Errorf("%s: an open connection is taken for a closed one", name)
		}
		if _, err := b.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+": a byte is not noticed", func() bool { return !probe(a) })
		a, b = tcpPair(t)
		b.Close()
		eventually(t, name+": the end is not noticed", func() bool { return !probe(a) })
	}
	a, b := net.Pipe()
	if !newProbe(a).silent() {
		t.Error("a pipe is open")
	}
	b.Close()
	if newProbe(a).silent() {
		t.Error("a pipe is closed")
	}
}

func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
		runtime.Gosched()
	}
}

func TestClientCancelledRequestNeverFeedsAnother(t *testing.T) {
	url := rawServer(t, func(n int, nc net.Conn) {
		for {
			head, ok := readRequest(nc)
			if !ok {
				return
			}
			path := strings.Fields(head)[1]
			time.Sleep(200 * time.Microsecond)
			if _, err := fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path); err != nil {
				return
			}
		}
	})
	c := newClient(t)
	var wg sync.WaitGroup
	var cancelled atomic.Int32
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*100*time.Microsecond)
				path := fmt.Sprintf("/%d/%d", g, i)
				r, err := c.Get(ctx, url+path)
				var b []byte
				if err == nil {
					b, err = r.ReadAll(0)
				}
				cancel()
				if err != nil {
					cancelled.Add(1)
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				} else if string(b) != path {
					t.Errorf("the answer to %s is %s", path, b)
				}
			}
		})
	}
	wg.Wait()
	if cancelled.Load() == 0 {
		t.Error("nothing was cancelled: the test is void")
	}
}

func TestClientTimeouts(t *testing.T) {
	const short = 30 * time.Millisecond
	url := rawServer(t, func(_ int, nc net.Conn) {
		head, ok := readRequest(nc)
		if !ok {
			return
		}
		if strings.Contains(head, "/body") {
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}
		io.Copy(io.Discard, nc)
	})
	deaf := func(context.Context, string, string) (net.Conn, error) { a, _ := net.Pipe(); return a, nil }
	for _, c := range []struct {
		name   string
		path   string
		change func(*ClientConfig)
		stage  Stage
	}{
		{"head", "/head", func(c *ClientConfig) { c.HeadTimeout = short }, StageHead},
		{"body", "/body", func(c *ClientConfig) { c.BodyTimeout = short }, StageBody},
		{"write", "/", func(c *ClientConfig) { c.WriteTimeout, c.Dial = short, deaf }, StageWrite},
		{"TLS", "https", func(c *ClientConfig) { c.TLSTimeout, c.Dial = short, deaf }, StageTLS},
		{"proxy", "https", func(c *ClientConfig) { c.HeadTimeout, c.Proxy = short, url }, StageProxy},
		{"dial", "/", func(c *ClientConfig) {
			c.DialTimeout = short
			c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		}, StageDial},
	} {
		cl := newClient(t, c.change)
		target := url + c.path
		if c.path == "https" {
			target = "https://localhost:1/"
		}
		r, err := cl.Get(t.Context(), target)
		if err == nil {
			_, err = r.ReadAll(0)
		}
		var ce *ClientError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ce) || ce.Stage != c.stage || !ce.Timeout() || ce.Addr == "" {
			t.Errorf("%s: %v", c.name, err)
		}
		// The same with the caller's context. Where the machine is so busy that the time is
		// over at an earlier stage, it gets more.
		for patience := short; ; patience *= 10 {
			cl = newClient(t, c.change, func(c *ClientConfig) {
				c.HeadTimeout, c.BodyTimeout, c.WriteTimeout, c.TLSTimeout, c.DialTimeout = 0, 0, 0, 0, 0
			})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			r, err = cl.Get(ctx, target)
			if err == nil {
				_, err = r.ReadAll(0)
			}
			cancel()
			right := errors.Is(err, context.DeadlineExceeded) && errors.As(err, &ce) && ce.Timeout()
			if right && ce.Stage == c.stage {
				break
			}
			if !right || patience > 10*time.Second {
				t.Errorf("%s, by context: %v", c.name, err)
				break
			}
		}
	}
}
