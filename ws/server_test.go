package ws

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// TestOrigins: pages of other origins are refused unless they are let in by name; who sends
// no Origin is no page. Cookies make no difference.
func TestOrigins(t *testing.T) {
	lists := map[string][]string{"own": nil, "listed": {"https://app.example.org", "https://*.example.net", "http://localhost:*"}, "all": {"*"}}
	for name, list := range lists {
		addr := serveHTTP(t, newTestServer(t, Config{Origins: list}).Handler(echo))
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			origin string
			in     string // the lists that let it in
		}{
			{"", "own listed all"},
			{"http://" + addr, "own listed all"},
			{"http://127.0.0.1", "all"},
			{"http://127.0.0.1:1" + port, "all"},
			{"http://" + addr + ".evil.example", "all"},
			{"null", "all"},
			{"https://evil.example", "all"},
			{"https://app.example.org", "listed all"},
			{"http://app.example.org", "all"},
			{"https://app.example.org.evil.example", "all"},
			{"https://evilapp.example.org", "all"},
			{"https://a.example.net", "listed all"},
			{"https://example.net", "all"},
			{"https://evilexample.net", "all"},
			{"http://localhost:3000", "listed all"},
			{"http://localhost.evil.example:3000", "all"},
		} {
			lines := []string{"Cookie: session=1"}
			if c.origin != "" {
				lines = append(lines, "Origin: "+c.origin)
			}
			status := strings.Fields(asClient(t, addr, lines...).head)[1]
			want := "403"
			if strings.Contains(" "+c.in+" ", " "+name+" ") {
				want = "101"
			}
			if status != want {
				t.Errorf("%s, Origin %q: %s, want %s", name, c.origin, status, want)
			}
		}
	}
}

// TestSubprotocols: the server's first that was offered is chosen, and never another.
func TestSubprotocols(t *testing.T) {
	addr := serveHTTP(t, newTestServer(t, Config{Subprotocols: []string{"chat.v2", "chat.v1"}}).Handler(echo))
	none := serveHTTP(t, newTestServer(t, Config{}).Handler(echo))
	for _, c := range []struct {
		addr string
		offers,
		want string
	}{
		{addr, "", ""}, {addr, "other", ""}, {addr, "chat.v1", "chat.v1"}, {addr, "chat.v1,chat.v2", "chat.v2"},
		{addr, "CHAT.V2", ""}, {addr, "chat.v22, chat.v", ""}, {addr, "other, chat.v1", "chat.v1"}, {none, "chat.v1", ""},
	} {
		var lines []string
		if c.offers != "" {
			lines = []string{"Sec-WebSocket-Protocol: " + c.offers}
		}
		p := asClient(t, c.addr, lines...)
		if got := fieldOf(p.head, "Sec-WebSocket-Protocol"); got != c.want || !strings.HasPrefix(p.head, "HTTP/1.1 101 ") {
			t.Errorf("%q: %q, want %q", c.offers, p.head, c.want)
		}
		cfg := DialConfig{}
		if c.offers != "" {
			cfg.Subprotocols = strings.Split(strings.ReplaceAll(c.offers, " ", ""), ",")
		}
		if got := dialTest(t, c.addr, cfg).Subprotocol(); got != c.want {
			t.Errorf("a client that offers %q has %q, want %q", c.offers, got, c.want)
		}
	}
}

// TestTakeoverIsOptIn: without being asked for, no message can refer to another, so secrets
// and an attacker's text meet within one message at most.
func TestTakeoverIsOptIn(t *testing.T) {
	for takeover, want := range map[bool]string{
		false: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		true:  "permessage-deflate",
	} {
		s := newTestServer(t, Config{Compression: Compression{Takeover: takeover, MinBytes: 1}})
		p := asClient(t, serveHTTP(t, s.Handler(echo)), "Sec-WebSocket-Extensions: permessage-deflate")
		if got := fieldOf(p.head, "Sec-WebSocket-Extensions"); got != want {
			t.Errorf("takeover %v: %q", takeover, got)
		}
		secret := []byte("one secret that is not said twice")
		var sizes [2]int
		for i := range sizes {
			p.send(frame{fin: true, op: 1, payload: secret})
			f, err := p.read()
			if err != nil {
				t.Fatal(err)
			}
			sizes[i] = len(f.payload)
		}
		if (sizes[1] < sizes[0]/2) != takeover {
			t.Errorf("takeover %v: sizes %v", takeover, sizes)
		}
		if held := s.WindowBytes(); (held > 0) != takeover {
			t.Errorf("takeover %v: %d bytes held", takeover, held)
		}
	}
	if p := asClient(t, serveHTTP(t, newTestServer(t, Config{Compression: Compression{Off: true}}).Handler(echo)), "Sec-WebSocket-Extensions: permessage-deflate"); fieldOf(p.head, "Sec-WebSocket-Extensions") != "" {
		t.Errorf("compression that was switched off: %q", p.head)
	}
}

// TestConfig: what cannot be meant is refused with the field's name.
func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"Limits.MaxMessageBytes": {Limits: Limits{MaxMessageBytes: -1}}, "Limits.MaxQueuedBytes": {Limits: Limits{MaxQueuedBytes: -1}},
		"Limits.IdleTimeout": {Limits: Limits{IdleTimeout: -1}}, "Limits.WriteTimeout": {Limits: Limits{WriteTimeout: -1}}, "Limits.CloseTimeout": {Limits: Limits{CloseTimeout: -1}},
		"Compression.MinBytes": {Compression: Compression{MinBytes: -1}}, "Config.MaxConns": {MaxConns: -1}, "Config.Subprotocols": {Subprotocols: []string{"a b"}}, "Config.Origins": {Origins: []string{"example.org/x"}},
	} {
		if _, err := NewServer(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"http://x/", "x", "", "ftp://x/"} {
		if _, err := Dial(t.Context(), url, DialConfig{}); err == nil || !strings.Contains(err.Error(), "ws or wss") {
			t.Errorf("Dial %q: %v", url, err)
		}
	}
	if _, err := Dial(t.Context(), "ws://127.0.0.1:1/", DialConfig{Subprotocols: []string{"a,b"}}); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("a subprotocol that is none: %v", err)
	}
}

// testTLS is a certificate for 127.0.0.1, and who trusts it.
func testTLS(t *testing.T) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

// TestTLS: wss, both ways to receive: all sizes, a Send queue, and a clean end.
func TestTLS(t *testing.T) {
	server, client := testTLS(t)
	hc, err := wire.NewClient(wire.ClientConfig{MaxRedirects: -1, TLS: client})
	if err != nil {
		t.Fatal(err)
	}
	limits := Limits{MaxMessageBytes: 2 << 20, MaxQueuedBytes: 4 << 20}
	for _, way := range []string{"handled", "read"} {
		t.Run(way, func(t *testing.T) {
			s := newTestServer(t, Config{Limits: limits})
			h := s.Handler(echo)
			if way == "read" {
				h = s.Func(echoByReading)
			}
			hs, err := wire.NewServer(wire.Config{Handler: h})
			if err != nil {
				t.Fatal(err)
			}
			l, err := tls.Listen("tcp", "127.0.0.1:0", server)
			if err != nil {
				t.Fatal(err)
			}
			go hs.Serve(l)
			defer hs.Close()
			url := "wss://" + l.Addr().String() + "/"
			if _, err := Dial(t.Context(), url, DialConfig{}); err == nil {
				t.Error("a certificate that nobody knows is trusted")
			}
			c, err := Dial(t.Context(), url, DialConfig{HTTP: hc, Limits: limits})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			for i, msg := range samples(uint64(len(way)), 40) {
				send(t, c, i, msg)
				if op, got, err := c.Read(t.Context()); err != nil || op != Binary || !bytes.Equal(got, msg) {
					t.Fatalf("message %d of %d bytes: %d back, %v", i, len(msg), len(got), err)
				}
			}
			for range 64 {
				if err := c.Send(Binary, make([]byte, 30_000)); err != nil {
					t.Fatal(err)
				}
			}
			for range 64 {
				if _, got, err := c.Read(t.Context()); err != nil || len(got) != 30_000 {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
			}
			if err := c.Close(CloseNormal, "done"); err != nil {
				t.Errorf("Close: %v", err)
			}
			eventually(t, "the server's end", func() bool { return s.Len() == 0 })
		})
	}
}

// TestTLSWriteTimeout: a peer over TLS that takes nothing is cut, too.
func TestTLSWriteTimeout(t *testing.T) {
	server, client := testTLS(t)
	s := newTestServer(t, Config{Limits: Limits{WriteTimeout: 100 * time.Millisecond}})
	failed := make(chan error, 1)
	hs, err := wire.NewServer(wire.Config{Handler: s.Func(func(c *Conn) {
		var err error
		for msg := make([]byte, 1<<20); err == nil; {
			err = c.Write(context.Background(), Binary, msg)
		}
		failed <- err
	})})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	go hs.Serve(l)
	defer hs.Close()
	nc, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	if err := <-failed; !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
}

// TestShutdownMeetsHandshakes: a connection that is being opened while the server shuts down
// is refused, or told that the server goes away; Shutdown waits for it and for no more.
func TestShutdownMeetsHandshakes(t *testing.T) {
	refused, told := 0, 0
	for range 60 {
		s := newTestServer(t, Config{})
		addr := serveHTTP(t, s.Handler(echo))
		var wg sync.WaitGroup
		var mu sync.Mutex
		started := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				<-started
				c, err := Dial(context.Background(), "ws://"+addr+"/", DialConfig{})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					if h, ok := errors.AsType[*HandshakeError](err); !ok || h.Status != 503 {
						t.Errorf("Dial: %v", err)
					}
					refused++
					return
				}
				mu.Unlock()
				_, _, err = c.Read(context.Background())
				mu.Lock()
				if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != CloseGoingAway {
					t.Errorf("Read: %v", err)
				}
				told++
			})
		}
		close(started)
		eventually(t, "a handshake", func() bool { return s.Len() > 0 })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		cancel()
		wg.Wait()
		if s.Len() != 0 {
			t.Errorf("%d connections left", s.Len())
		}
	}
	t.Logf("%d refused, %d told", refused, told)
}

// TestCloseBehindShutdown: who closes a connection to which the server has said that it goes away sees the other side
// go: nobody else is there to read.
func TestCloseBehindShutdown(t *testing.T) {
	s := newTestServer(t, Config{Limits: Limits{CloseTimeout: time.Hour}})
	closes, closed := make(chan struct{}), make(chan error, 1)
	addr := serveHTTP(t, func(w *wire.Response, r *wire.Request) error {
		c, err := s.Upgrade(w, r)
		if err != nil {
			return err
		}
		<-closes
		closed <- c.Close(CloseTryAgainLater, "the server stops")
		return nil
	})
	p := asClient(t, addr)
	eventually(t, "a connection", func() bool { return s.Len() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(ctx) }()
	if code, err := p.awaitClose(); err != nil || code != 1001 {
		t.Errorf("%d, %v", code, err)
	}
	close(closes)
	p.Close()
	if err := <-stopped; err != nil {
		t.Fatalf("Shutdown: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestShutdownCuts: who does not answer is cut when the context ends.
func TestShutdownCuts(t *testing.T) {
	s := newTestServer(t, Config{})
	addr := serveHTTP(t, s.Func(func(c *Conn) { <-c.Done() }))
	p := asClient(t, addr)
	eventually(t, "a connection", func() bool { return s.Len() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if code, err := p.awaitClose(); err != nil || code != 1001 {
		t.Errorf("%d, %v", code, err)
	}
	if _, err := p.read(); err == nil {
		t.Error("it is still there")
	}
	if p := asClient(t, addr); !strings.HasPrefix(p.head, "HTTP/1.1 503 ") {
		t.Errorf("a new connection: %q", p.head)
	}
}

// TestCloseFromOutside: a program that takes rights away closes the connections of who had
// them, whatever they are doing.
func TestCloseFromOutside(t *testing.T) {
	bothWays(t, Config{}, func(t *testing.T, s *Server, h func() wire.Handler, ended <-chan error) {
		c := dialTest(t, serveHTTP(t, h()), DialConfig{})
		eventually(t, "a connection", func() bool { return s.Len() == 1 })
		s.Conns()[0].SetValue("somebody")
		for _, sc := range s.Conns() {
			if sc.Value() == "somebody" {
				go sc.Close(ClosePolicyViolation, "signed out")
			}
		}
		_, _, err := c.Read(t.Context())
		if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != ClosePolicyViolation || e.Reason != "signed out" {
			t.Errorf("%v", err)
		}
		<-ended
	})
}

// TestServerClosesFirst: behind the closing handshake it is the server that ends TCP (RFC
// 6455 §7.1.1), after a close frame of either side, and not with a reset.
func TestServerClosesFirst(t *testing.T) {
	bothWays(t, Config{}, func(t *testing.T, s *Server, h func() wire.Handler, _ <-chan error) {
		addr := serveHTTP(t, h())
		for _, first := range []string{"client", "server"} {
			p := asClient(t, addr)
			if first == "server" {
				eventually(t, "a connection", func() bool { return s.Len() == 1 })
				go s.Conns()[0].Close(CloseNormal, "")
			} else {
				p.send(frame{fin: true, op: 1, payload: []byte("last words")}, closeFrame(1000, ""))
				if f, err := p.read(); err != nil || string(f.payload) != "last words" {
					t.Fatalf("%+v, %v", f, err)
				}
			}
			if code, err := p.awaitClose(); err != nil || code != 1000 {
				t.Fatalf("%s first: %d, %v", first, code, err)
			}
			if first == "server" {
				p.send(closeFrame(1000, ""))
			}
			p.send(frame{fin: true, op: 1, payload: make([]byte, 100_000)}) // too late, and dropped
			if _, err := p.read(); err != io.EOF {
				t.Errorf("%s first: %v, want the server's end", first, err)
			}
			p.Close()
			eventually(t, "its end", func() bool { return s.Len() == 0 })
		}
	})
}

// TestCloseAmongWriters: whatever is sent at the same time, frames are whole, and nothing
// follows the close frame.
func TestCloseAmongWriters(t *testing.T) {
	total := 0
	for round := range 20 {
		s := newTestServer(t, Config{})
		conns := make(chan *Conn, 1)
		p := asClient(t, serveHTTP(t, s.Func(func(c *Conn) { conns <- c; <-c.Done() })), "Sec-WebSocket-Extensions: permessage-deflate")
		c := <-conns
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				msg := bytes.Repeat([]byte{'a' + byte(g)}, 200+3000*g)
				for k := range 1000 {
					var err error
					switch (g + k) % 4 {
					case 0:
						err = c.Write(t.Context(), Text, msg)
					case 1:
						err = c.Send(Text, msg)
					case 2:
						err = c.Ping(msg[:100])
					default:
						var w io.WriteCloser
						if w, err = c.Writer(t.Context(), Text); err == nil {
							_, err = w.Write(msg)
							err = errors.Join(err, w.Close())
						}
					}
					if err != nil && !errors.Is(err, ErrQueueFull) {
						return
					}
				}
			})
		}
		messages := 0
		for closed := false; ; {
			f, err := p.read()
			if closed && err == nil {
				t.Fatalf("round %d: %+v behind a close frame", round, f)
			}
			if closed {
				break
			}
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if f.op == 8 {
				closed = true
				p.send(closeFrame(1000, ""))
			}
			if messages++; messages == 100+10*round {
				wg.Go(func() { c.Close(CloseNormal, "") })
			}
		}
		p.Close() // else the server waits for that
		wg.Wait()
		total += messages
	}
	t.Logf("%d frames", total)
}

// TestMaskingKeys: a client's keys are all different, and nothing follows from one for the
// next (RFC 6455 §10.3).
func TestMaskingKeys(t *testing.T) {
	const frames = 2000
	seen := map[[4]byte]bool{}
	steps := map[uint32]bool{}
	done := make(chan struct{})
	addr := asServer(t, goodResponse+"\r\n", func(p *peer) {
		defer close(done)
		var last uint32
		for range frames {
			_, key, err := readFrame(p.br, true)
			if err != nil {
				t.Error(err)
				return
			}
			seen[key] = true
			k := uint32(key[0])<<24 | uint32(key[1])<<16 | uint32(key[2])<<8 | uint32(key[3])
			steps[k-last] = true
			last = k
		}
	})
	c := dialTest(t, addr, DialConfig{Compression: Compression{Off: true}})
	for range frames {
		if err := c.Write(t.Context(), Binary, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if len(seen) < frames-2 || len(steps) < frames-2 {
		t.Errorf("%d keys and %d differences in %d frames", len(seen), len(steps), frames)
	}
}

// TestBytesBehindTheHandshake: frames that come together with the request or the response
// are not lost.
func TestBytesBehindTheHandshake(t *testing.T) {
	bothWays(t, Config{}, func(t *testing.T, s *Server, h func() wire.Handler, _ <-chan error) {
		nc, err := net.Dial("tcp", serveHTTP(t, h()))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		all := []byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
		big := repeated("behind it ", 70_000)
		for _, payload := range [][]byte{[]byte("early"), big} {
			all = append(all, frame{fin: true, op: 1, payload: payload}.bytes(true)...)
		}
		if _, err := nc.Write(all); err != nil {
			t.Fatal(err)
		}
		p := &peer{Conn: nc, br: bufio.NewReader(nc), client: true}
		if p.head, err = readHead(p.br); err != nil || !strings.HasPrefix(p.head, "HTTP/1.1 101 ") {
			t.Fatalf("%q, %v", p.head, err)
		}
		for _, want := range [][]byte{[]byte("early"), big} {
			if f, err := p.read(); err != nil || !bytes.Equal(f.payload, want) {
				t.Fatalf("%d bytes, %v", len(f.payload), err)
			}
		}
	})
	early := frame{fin: true, op: 1, payload: []byte("early")}
	addr := asServer(t, goodResponse+"\r\n"+string(early.bytes(false)), func(p *peer) { p.read() })
	if _, b, err := dialTest(t, addr, DialConfig{}).Read(t.Context()); err != nil || string(b) != "early" {
		t.Errorf("a client: %q, %v", b, err)
	}
}
