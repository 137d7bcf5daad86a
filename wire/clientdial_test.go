package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestClientTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto, " ", r.TLS.NegotiatedProtocol, " ", r.TLS.DidResume)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are to fail
	s.StartTLS()
	defer s.Close()
	base := s.Client().Transport.(*http.Transport).TLSClientConfig
	c := newClient(t, func(c *ClientConfig) { c.TLS = base })
	for i, want := range []string{"HTTP/1.1 http/1.1 false", "HTTP/1.1 http/1.1 false", "HTTP/1.1 http/1.1 true"} {
		if r, body := get(t, c, s.URL); body != want || r.TLS() == nil {
			t.Errorf("%d: %s, want %s", i, body, want)
		}
		if i == 1 {
			c.CloseIdle() // the next connection resumes the session
		}
	}
	if base.NextProtos != nil && base.NextProtos[0] == "http/1.1" {
		t.Error("the caller's TLS configuration was changed")
	}
	for name, change := range map[string]func(*ClientConfig){
		"unknown authority": func(*ClientConfig) {},
		"wrong name":        func(c *ClientConfig) { c.TLS = base.Clone(); c.TLS.ServerName = "other.test" },
	} {
		_, err := newClient(t, change).Get(t.Context(), s.URL)
		var ce *ClientError
		var verify *tls.CertificateVerificationError
		if !errors.As(err, &ce) || ce.Stage != StageTLS || !errors.As(err, &verify) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// gathered is a connection whose writes go out together, when it is told to.
type gathered struct {
	net.Conn
	out []byte
	on  bool
}

func (g *gathered) Write(p []byte) (int, error) {
	if !g.on {
		return g.Conn.Write(p)
	}
	g.out = append(g.out, p...)
	return len(p), nil
}

// TestClientTLSPoison sends a second response in a TLS record of its own, but in the same
// segment as the first: it lies within TLS, where a look at the socket does not see it.
func TestClientTLSPoison(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // for its certificate
	defer s.Close()
	url := rawServer(t, func(n int, nc net.Conn) {
		g := &gathered{Conn: nc}
		tc := tls.Server(g, s.TLS)
		if _, ok := readRequest(tc); !ok {
			return
		}
		g.on = true
		fmt.Fprintf(tc, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
		io.WriteString(tc, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		if _, err := nc.Write(g.out); err == nil {
			nc.Read(make([]byte, 1)) // until the client closes
		}
	})
	c := newClient(t, func(c *ClientConfig) { c.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig })
	url = strings.Replace(url, "http://", "https://", 1)
	for _, want := range []string{"1", "2", "3"} {
		if _, body := get(t, c, url); body != want {
			t.Errorf("%q, want %q: each on a connection of its own", body, want)
		}
	}
}

func TestClientUnixSocket(t *testing.T) {
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
	c := newClient(t, func(c *ClientConfig) { c.Socket = path })
	for range 3 {
		if _, body := get(t, c, "http://any.name/x"); !strings.Contains(body, "host=any.name\n") {
			t.Errorf("%s", body)
		}
	}
	if s.Conns() != 1 {
		t.Errorf("%d connections", s.Conns())
	}
	c.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != ErrServerClosed {
		t.Error(err)
	}
}

// proxy is a small proxy that forwards and tunnels. It writes down what it is asked.
type proxy struct {
	mu    sync.Mutex
	asked []string
	auth  string // wanted; "" for none
}

func (p *proxy) serve(_ int, nc net.Conn) {
	br := bufio.NewReader(nc)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.RequestURI+" "+r.Host)
		p.mu.Unlock()
		switch {
		case r.Header.Get("Proxy-Authorization") != p.auth:
			io.WriteString(nc, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		case r.Method == "CONNECT" && strings.HasPrefix(r.Host, "chatty"):
			io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\nhello")
		case r.Method == "CONNECT":
			to, err := net.Dial("tcp", r.Host)
			if err != nil {
				io.WriteString(nc, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			io.WriteString(nc, "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
			go func() { io.Copy(to, br); to.Close() }()
			io.Copy(nc, to)
			return
		default:
			fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nforwarded")
		}
	}
}

func TestClientProxy(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RequestURI, r.Header["Proxy-Authorization"])
	}))
	defer s.Close()
	p := &proxy{auth: "Basic " + base64.StdEncoding.EncodeToString([]byte("me:pass"))}
	url := rawServer(t, p.serve)
	c := newClient(t, func(c *ClientConfig) {
		c.Proxy = strings.Replace(url, "http://", "http://me:pass@", 1)
		c.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
	})
	for range 2 {
		if _, body := get(t, c, "http://a.test/x?y"); body != "forwarded" {
			t.Errorf("plain: %s", body)
		}
		if _, body := get(t, c, s.URL+"/x?y"); body != "/x?y[]" {
			t.Errorf("tunnel: %s", body)
		}
	}
	if _, body := get(t, c, "http://b.test:81/"); body != "forwarded" { // on the same connection as a.test
		t.Errorf("plain: %s", body)
	}
	addr := s.Listener.Addr().String()
	want := []string{"GET http://a.test/x?y a.test", "CONNECT " + addr + " " + addr, "GET http://a.test/x?y a.test", "GET http://b.test:81/ b.test:81"}
	if strings.Join(p.asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("the proxy was asked\n%s\nwant\n%s", strings.Join(p.asked, "\n"), strings.Join(want, "\n"))
	}
	var pe *ProxyError
	var ce *ClientError
	_, err := c.Get(t.Context(), "https://127.0.0.1:1/")
	if !errors.As(err, &pe) || pe.Status != 502 || !errors.As(err, &ce) || ce.Stage != StageProxy {
		t.Errorf("a refused tunnel: %v", err)
	}
	if _, err := c.Get(t.Context(), "https://chatty.test/"); !errors.Is(err, ErrMalformedResponse) {
		t.Errorf("bytes behind the answer to CONNECT: %v", err)
	}
	chosen := newClient(t, func(c *ClientConfig) {
		c.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
		c.ProxyFor = func(scheme, host string) string {
			if host == "127.0.0.1" {
				return ""
			}
			return url
		}
	})
	if _, body := get(t, chosen, s.URL+"/direct"); body != "/direct[]" {
		t.Errorf("without a proxy: %s", body)
	}
	if r, _ := get(t, chosen, "http://a.test/"); r.StatusCode() != 407 {
		t.Errorf("without a password: %d", r.StatusCode())
	}
	if _, err := NewClient(ClientConfig{Proxy: "socks5://x"}); err == nil {
		t.Error("a proxy that is none was taken")
	}
}

func TestClientUpgrade(t *testing.T) {
	url := rawServer(t, func(_ int, nc net.Conn) {
		head, ok := readRequest(nc)
		if !ok {
			return
		}
		if strings.Contains(head, "/no") {
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
			return
		}
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly")
		io.Copy(nc, nc)
	})
	c := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	q := &ClientRequest{URL: url, Header: [][2]string{{"Connection", "upgrade"}, {"Upgrade", "echo"}}}
	r, err := c.Do(ctx, q)
	if err != nil || r.StatusCode() != 101 || r.Header("Upgrade") != "echo" {
		t.Fatalf("%v, %v", r, err)
	}
	if _, err := r.Body().Read(make([]byte, 1)); err == nil {
		t.Error("content of a 101 was read")
	}
	nc, buffered, err := r.Hijack()
	if err != nil || string(buffered) != "early" {
		t.Fatalf("%q, %v", buffered, err)
	}
	defer nc.Close()
	cancel() // it is no concern of the context any more
	if _, err := io.WriteString(nc, "hello"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(nc, b); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if _, _, err := r.Hijack(); err == nil {
		t.Error("a second Hijack went through")
	}
	if open, _ := c.Conns(); open != 0 {
		t.Errorf("%d connections are counted", open)
	}
	q.URL += "/no"
	r, err = c.Do(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Hijack(); err == nil {
		t.Error("Hijack of a 200")
	}
	if b, err := r.ReadAll(0); string(b) != "no" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	q.URL = url
	if r, err = c.Do(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	r.Close() // not taken over: closed, and not pooled
	if open, _ := c.Conns(); open != 0 {
		t.Errorf("%d connections are left", open)
	}
}
