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
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestClientRefusesBadRequests(t *testing.T) {
	c := newClient(t)
	for name, q := range map[string]*ClientRequest{
		"method":             {Method: "GET /x", URL: "http://h/"},
		"CONNECT":            {Method: "CONNECT", URL: "http://h/"},
		"no scheme":          {URL: "/x"},
		"scheme":             {URL: "file:///etc/passwd"},
		"no host":            {URL: "http:///x"},
		"host":               {URL: "http://h ost/"},
		"port":               {URL: "http://h:99999/"},
		"line break in host": {URL: "http://h\r\nX: y/"},
		"line break in path": {URL: "http://h/\r\nX: y"},
		"opaque":             {URL: "http:h"},
		"name beyond ASCII":  {URL: "http://ex\u00e4mple.test/"},
		"Host":               {URL: "http://h/", Host: "a\r\nX: y"},
		"field name":         {URL: "http://h/", Header: [][2]string{{"X Y", "a"}}},
		"empty field name":   {URL: "http://h/", Header: [][2]string{{"", "a"}}},
		"field value":        {URL: "http://h/", Header: [][2]string{{"X", "a\r\nY: b"}}},
		"NUL":                {URL: "http://h/", Header: [][2]string{{"X", "a\x00"}}},
		"content length":     {URL: "http://h/", Header: [][2]string{{"Content-Length", "1"}}},
		"transfer encoding":  {URL: "http://h/", Header: [][2]string{{"transfer-encoding", "chunked"}}},
		"host field":         {URL: "http://h/", Header: [][2]string{{"Host", "x"}}},
		"expectation":        {URL: "http://h/", Header: [][2]string{{"Expect", "wonders"}}},
		"length":             {URL: "http://h/", Length: -1},
	} {
		body := &closing{Reader: strings.NewReader("x")}
		q.Body = body
		r, err := c.Do(t.Context(), q)
		var ce *ClientError
		if r != nil || !errors.As(err, &ce) || ce.Stage != StageRequest {
			t.Errorf("%s: %v", name, err)
		}
		if !body.closed {
			t.Errorf("%s: the body was not closed", name)
		}
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestClientRequestBytes(t *testing.T) {
	for _, row := range []struct {
		name string
		q    ClientRequest
		want string
	}{
		{"plain", ClientRequest{URL: "http://example.org"}, "GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: lithair\r\nAccept-Encoding: gzip\r\n\r\n"},
		{"own port", ClientRequest{URL: "http://EXAMPLE.org:80/a%20b?c=d#e"}, "GET /a%20b?c=d HTTP/1.1\r\nHost: example.org\r\nUser-Agent: lithair\r\nAccept-Encoding: gzip\r\n\r\n"},
		{"query alone", ClientRequest{URL: "https://h:8443?a b"}, "GET /?a%20b HTTP/1.1\r\nHost: h:8443\r\nUser-Agent: lithair\r\nAccept-Encoding: gzip\r\n\r\n"},
		{"IPv6 with zone", ClientRequest{URL: "http://[fe80::1%25eth0]:81/"}, "GET / HTTP/1.1\r\nHost: [fe80::1]:81\r\nUser-Agent: lithair\r\nAccept-Encoding: gzip\r\n\r\n"},
		{"range: no coding", ClientRequest{URL: "http://h/", Header: [][2]string{{"Range", "bytes=0-1"}, {"user-agent", "x"}}}, "GET / HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\nuser-agent: x\r\n\r\n"},
		{"head", ClientRequest{Method: "HEAD", URL: "http://h/"}, "HEAD / HTTP/1.1\r\nHost: h\r\nUser-Agent: lithair\r\n\r\n"},
		{"expect without a body", ClientRequest{Method: "PUT", URL: "http://h/", Header: [][2]string{{"Expect", "100-continue"}, {"Accept-Encoding", "br"}}}, "PUT / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br\r\nUser-Agent: lithair\r\nContent-Length: 0\r\n\r\n"},
		{"stream", ClientRequest{Method: "PUT", URL: "http://h/", Host: "other", Body: io.MultiReader(), Header: [][2]string{{"Accept-Encoding", "br"}}}, "PUT / HTTP/1.1\r\nHost: other\r\nAccept-Encoding: br\r\nUser-Agent: lithair\r\nTransfer-Encoding: chunked\r\n\r\n"},
	} {
		var o outgoing
		if err := newOutgoing(&row.q, &o); err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if got := string(o.appendHead(nil, false, false, "")); got != row.want {
			t.Errorf("%s:\n%q, want\n%q", row.name, got, row.want)
		}
	}
}

// FuzzClientURL holds the quick way of cutting URLs against the one through net/url.
func FuzzClientURL(f *testing.F) {
	for _, s := range []string{"http://h/", "https://h:8443/a/b?c=d", "http://h:80/", "http://a@b/", "http://h/a%2fb", "http://h//x", "http://1.2.3.4:5/;a=b", "http://h/?a?b/c", "http://h:0/", "http://h:/", "http://-/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var quick clientURL
		if !quick.cut(raw) {
			return
		}
		p, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q was cut, net/url: %v", raw, err)
		}
		slow, err := clientURLOf(p)
		if err != nil || quick != slow {
			t.Fatalf("%q: %+v, by net/url %+v, %v", raw, quick, slow, err)
		}
	})
}

func TestClientEarlyResponse(t *testing.T) {
	// The server answers before it has read the body, and closes or reads on.
	for _, closes := range []bool{true, false} {
		url := rawServer(t, func(_ int, nc net.Conn) {
			readRequest(nc)
			if closes {
				io.WriteString(nc, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!")
				nc.(*net.TCPConn).CloseWrite()
			} else {
				io.WriteString(nc, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!")
			}
			io.Copy(io.Discard, nc)
		})
		c := newClient(t)
		pr, pw := io.Pipe() // a body without an end
		r, err := c.Post(t.Context(), url, "a/b", pr)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := r.ReadAll(0); r.StatusCode() != 413 || string(b) != "no!" || err != nil {
			t.Errorf("%d %q, %v", r.StatusCode(), b, err)
		}
		if _, err := pw.Write([]byte("x")); err != io.ErrClosedPipe {
			t.Errorf("the body was not closed: %v", err)
		}
		if open, _ := c.Conns(); open != 0 {
			t.Error("a connection with half a request was kept")
		}
	}
	// It answers and resets while the body is being written.
	url := rawServer(t, func(_ int, nc net.Conn) {
		readRequest(nc)
		io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
	})
	r, err := newClient(t).Post(t.Context(), url, "a/b", io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20))))
	if err == nil { // a reset may also take the answer with it
		if r.StatusCode() != 403 {
			t.Errorf("%d", r.StatusCode())
		}
		r.Close()
	}
}

func TestClientStreamsBothWays(t *testing.T) {
	u := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			w.Write(bytes.ToUpper(b[:n]))
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	})
	c := newClient(t)
	pr, pw := io.Pipe()
	go pw.Write([]byte("first"))
	r, err := c.Post(t.Context(), u, "a/b", pr)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	for _, word := range []string{"FIRST", "AGAIN", "THIRD"} {
		if _, err := io.ReadFull(r.Body(), b); err != nil || string(b) != word {
			t.Fatalf("%q, %v, want %s", b, err, word)
		}
		if word == "THIRD" {
			break
		}
		if _, err := pw.Write([]byte(map[string]string{"FIRST": "again", "AGAIN": "third"}[word])); err != nil {
			t.Fatal(err)
		}
	}
	pw.Close()
	if rest, err := r.ReadAll(0); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	if _, idle := c.Conns(); idle != 1 {
		t.Error("the connection was not kept")
	}
}

func TestClientBodyErrors(t *testing.T) {
	u := httpServer(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	c := newClient(t)
	boom := errors.New("boom")
	for name, row := range map[string]struct {
		q    ClientRequest
		want error
	}{
		"reader":           {ClientRequest{Body: io.MultiReader(strings.NewReader("x"), errReader{boom})}, boom},
		"reader, length":   {ClientRequest{Body: io.MultiReader(strings.NewReader("x"), errReader{boom}), Length: 5}, boom},
		"short":            {ClientRequest{Body: io.MultiReader(strings.NewReader("x")), Length: 5}, ErrLength},
		"invalid trailer":  {ClientRequest{Body: strings.NewReader("x"), Trailers: func() []Trailer { return []Trailer{{"Content-Length", "1"}} }}, ErrHeader},
		"trailer injected": {ClientRequest{Body: strings.NewReader("x"), Trailers: func() []Trailer { return []Trailer{{"X", "1\r\n\r\nGET / HTTP/1.1"}} }}, ErrHeader},
	} {
		row.q.Method, row.q.URL = "PUT", u
		_, err := c.Do(t.Context(), &row.q)
		var ce *ClientError
		if !errors.Is(err, row.want) || !errors.As(err, &ce) || ce.Stage != StageRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What a longer reader has beyond Length is not sent.
	r, err := c.Do(t.Context(), &ClientRequest{Method: "PUT", URL: u, Body: io.MultiReader(strings.NewReader("12345")), Length: 3})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	get(t, c, u)
	if open, _ := c.Conns(); open != 1 {
		t.Errorf("%d connections", open)
	}
}

// TestClientClosesBodies counts the bodies that are handed out and those closed: small
// ones that say their length, streams, those sent twice and those never sent.
func TestClientClosesBodies(t *testing.T) {
	u := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/to" {
			w.Header().Set("Location", "/")
			w.WriteHeader(307)
		}
	})
	early := rawServer(t, func(_ int, nc net.Conn) {
		io.WriteString(nc, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
		nc.Read(make([]byte, 1)) // until the client closes
	})
	broken := func(c *ClientConfig) {
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			return failedWrites{nc}, err
		}
	}
	for name, row := range map[string]struct {
		url    string
		length int64
		small  bool
		change []func(*ClientConfig)
		opened int32
	}{
		"small":                {u, 3, true, nil, 1},
		"stream":               {u, 0, false, nil, 1},
		"small, redirected":    {u + "/to", 3, true, nil, 2},
		"stream, redirected":   {u + "/to", 0, false, nil, 2},
		"the head is not sent": {early, 0, false, []func(*ClientConfig){broken}, 1},
		"nobody listens":       {"http://127.0.0.1:1/", 3, true, nil, 1},
	} {
		var opened, closed atomic.Int32
		open := func() (io.Reader, error) {
			opened.Add(1)
			c := closeFunc(func() { closed.Add(1) })
			if row.small {
				return struct {
					*strings.Reader
					io.Closer
				}{strings.NewReader("abc"), c}, nil
			}
			return struct {
				io.Reader
				io.Closer
			}{strings.NewReader("abc"), c}, nil
		}
		body, err := open()
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, row.change...)
		r, err := c.Do(t.Context(), &ClientRequest{Method: "PUT", URL: row.url, Body: body, Length: row.length, Rewind: open})
		if err == nil {
			_, err = r.ReadAll(0)
		}
		if (err != nil) != (name == "nobody listens") {
			t.Errorf("%s: %v", name, err)
		}
		if opened.Load() != row.opened || closed.Load() != row.opened {
			t.Errorf("%s: %d bodies opened, %d closed, want %d", name, opened.Load(), closed.Load(), row.opened)
		}
	}
}

type closeFunc func()

func (f closeFunc) Close() error { f(); return nil }

// failedWrites is a connection whose other end takes nothing more.
type failedWrites struct{ net.Conn }

func (failedWrites) Write([]byte) (int, error) { return 0, syscall.EPIPE }

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestClientExpectContinue(t *testing.T) {
	for _, row := range []struct {
		name, answer string // to the head
		status       int
		sent, kept   bool // the body
	}{
		{"continue", "HTTP/1.1 100 Continue\r\n\r\n", 200, true, true},
		{"hint, then continue", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", 200, true, true},
		{"silence", "", 200, true, true},
		{"refusal", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 401, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			body, saw := "", make(chan struct{})
			c := newClient(t, func(c *ClientConfig) {
				c.Dial = func(context.Context, string, string) (net.Conn, error) {
					a, b := net.Pipe()
					go func() {
						defer close(saw)
						defer b.Close()
						readRequest(b)
						if row.answer != "" {
							io.WriteString(b, row.answer)
						}
						if row.status == 200 {
							p := make([]byte, 5)
							n, _ := io.ReadFull(b, p)
							body = string(p[:n])
							io.WriteString(b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
						}
						io.Copy(io.Discard, b)
					}()
					return a, nil
				}
			})
			start := time.Now()
			r, err := c.Do(t.Context(), &ClientRequest{Method: "PUT", URL: "http://h/", Body: strings.NewReader("hello"), Header: [][2]string{{"Expect", "100-continue"}}})
			if err != nil || r.StatusCode() != row.status {
				t.Fatalf("%s: %v, %v", row.name, r, err)
			}
			if _, idle := c.Conns(); (idle == 1) != row.kept {
				t.Errorf("%s: kept %v", row.name, idle == 1)
			}
			if waited := time.Since(start); waited != 0 && row.answer != "" || row.answer == "" && waited != time.Second {
				t.Errorf("%s: waited %v", row.name, waited)
			}
			c.CloseIdle()
			<-saw
			if (body == "hello") != row.sent {
				t.Errorf("%s: the body %q was sent", row.name, body)
			}
		})
	}
}

func TestClientInterim(t *testing.T) {
	u := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		w.WriteHeader(200)
	})
	var hints []string
	r, err := newClient(t).Do(t.Context(), &ClientRequest{URL: u, OnInterim: func(r *ClientResponse) {
		hints = append(hints, fmt.Sprint(r.StatusCode(), " ", r.Header("Link")))
	}})
	if err != nil || r.StatusCode() != 200 || len(hints) != 1 || hints[0] != "103 </a.css>" {
		t.Errorf("%v, %v, %v", r, hints, err)
	}
	r.Close()
}

func TestClientContentLimits(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 64 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	u := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bomb" {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
			return
		}
		w.Write(make([]byte, 100_000))
	})
	c := newClient(t)
	limited := func(path string, limit, max int64) error {
		r, err := c.Do(t.Context(), &ClientRequest{URL: u + path, MaxContentBytes: limit})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.ReadAll(max)
		return err
	}
	for name, row := range map[string]struct {
		err error
		ok  bool
	}{
		"bomb":            {limited("/bomb", -1, 0), false},
		"bomb, read less": {limited("/bomb", 0, 1<<16), false},
		"exact":           {limited("/", 100_000, 0), true},
		"exact, ReadAll":  {limited("/", 0, 100_000), true},
		"one too many":    {limited("/", 99_999, 0), false},
		"ReadAll":         {limited("/", 0, 99_999), false},
	} {
		if (row.err == nil) != row.ok || !row.ok && !errors.Is(row.err, ErrContentLimit) {
			t.Errorf("%s: %v", name, row.err)
		}
	}
	r, err := c.Get(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := r.Body().Read(make([]byte, 1)); !errors.Is(err, ErrResponseClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestClientLeaksNothing(t *testing.T) {
	u := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-r.Context().Done()
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/big":
			w.Write(make([]byte, 1<<20))
		default:
			io.Copy(w, r.Body)
		}
	})
	c := newClient(t)
	get(t, c, u)
	before := runtime.NumGoroutine()
	for i := range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		q := &ClientRequest{URL: u + []string{"/slow", "/abort", "/big", "/echo"}[i%4]}
		if i%8 == 3 {
			q.Method = "PUT"
			q.Body, _ = io.Pipe() // never ends
		} else {
			ctx = t.Context()
		}
		if i%4 == 0 {
			ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		}
		r, err := c.Do(ctx, q)
		if err == nil && i%3 != 0 {
			r.Close()
		} else if err == nil {
			r.ReadAll(0) // may fail: the context may have ended
		}
		cancel()
	}
	c.CloseIdle()
	eventually(t, "goroutines or connections are left", func() bool {
		open, _ := c.Conns()
		return open == 0 && runtime.NumGoroutine() <= before
	})
}
