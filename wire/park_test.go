package wire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// opaque hides that a connection is a socket, so that the server takes the way that is
// open for any net.Conn: nothing is read inside RawConn.Read, nothing is parked.
type opaque struct{ net.Conn }

func (o opaque) CloseWrite() error { return o.Conn.(halves).CloseWrite() }

type opaqueListener struct{ net.Listener }

func (l opaqueListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return opaque{nc}, nil
}

// eachKind runs a test over the kinds of connections: sockets, and what only looks like
// a net.Conn.
func eachKind(t *testing.T, cfg Config, test func(t *testing.T, s *Server, dial func() net.Conn)) {
	for _, kind := range []string{"tcp", "unix", "any net.Conn"} {
		t.Run(kind, func(t *testing.T) {
			network, addr := "tcp", "127.0.0.1:0"
			if kind == "unix" {
				network, addr = "unix", t.TempDir()+"/s"
			}
			l, err := net.Listen(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			at := l.Addr().String()
			if kind == "any net.Conn" {
				l = opaqueListener{l}
			}
			cfg := cfg
			if cfg.Logger = quiet(); cfg.Handler == nil {
				cfg.Handler = caseHandler
			}
			s, err := NewServer(cfg)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- s.Serve(l) }()
			t.Cleanup(func() {
				s.Close()
				if err := <-done; err != ErrServerClosed {
					t.Errorf("Serve: %v", err)
				}
			})
			test(t, s, func() net.Conn {
				nc, err := net.Dial(network, at)
				if err != nil {
					t.Fatal(err)
				}
				// Held until the end: the collector closes a connection that a test lets go of.
				t.Cleanup(func() { _ = nc.Close() }) // again, where the test has done so
				return nc
			})
		})
	}
}

// fetch makes one request and reads the response to its end.
func fetch(t testing.TB, nc net.Conn, target string) string {
	t.Helper()
	if _, err := fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	return text(t, resp)
}

// until waits for a condition.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// resting counts the connections that rest, parked or in a goroutine.
func (k *keeper) count() (resting int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for l := k.resting.first; l != nil; l = l.next {
		resting++
	}
	return resting
}

func TestRestAndWake(t *testing.T) {
	eachKind(t, Config{}, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		for i := range 3 {
			target := fmt.Sprintf("/%d", i)
			if got := fetch(t, nc, target); !strings.Contains(got, "target="+target+"\n") {
				t.Fatalf("%q", got)
			}
			until(t, "the connection rests", func() bool { return s.keeper.count() == 1 })
		}
		// a request that comes in pieces
		for _, b := range []byte("GET /slowly HTTP/1.1\r\nHost: t\r\n\r") {
			if _, err := nc.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * keeperTick) // nothing is begun or lost by the pause
		io.WriteString(nc, "\n")
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v, %v", resp, err)
		}
	})
}

// TestRestBeforeTheFirstRequest: a client may connect long before it asks.
func TestRestBeforeTheFirstRequest(t *testing.T) {
	eachKind(t, Config{}, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		until(t, "the connection rests", func() bool { return s.keeper.count() == 1 })
		fetch(t, nc, "/")
	})
}

func TestIdleTimeoutAtRest(t *testing.T) {
	eachKind(t, Config{IdleTimeout: 60 * time.Millisecond}, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		fetch(t, nc, "/")
		until(t, "the connection rests", func() bool { return s.keeper.count() == 1 })
		if n, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%d bytes, %v; want the end", n, err)
		}
		until(t, "it is forgotten", func() bool { return s.Conns() == 0 })
	})
}

func TestPeerClosesAtRest(t *testing.T) {
	eachKind(t, Config{}, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		fetch(t, nc, "/")
		until(t, "the connection rests", func() bool { return s.keeper.count() == 1 })
		nc.Close()
		until(t, "it is forgotten", func() bool { return s.Conns() == 0 })
	})
}

// TestEndBehindRequest: an end of stream that arrives together with a request shows no
// second edge to whoever waits for edges.
func TestEndBehindRequest(t *testing.T) {
	eachKind(t, Config{}, func(t *testing.T, s *Server, dial func() net.Conn) {
		for range 20 {
			nc := dial()
			io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\n\r\n")
			nc.(halves).CloseWrite()
			if b, err := io.ReadAll(nc); err != nil || !strings.Contains(string(b), "target=/\n") {
				t.Fatalf("%q, %v", b, err)
			}
			nc.Close()
		}
		until(t, "all are forgotten", func() bool { return s.Conns() == 0 })
	})
}

func TestShutdownAtRest(t *testing.T) {
	for name, end := range map[string]func(*Server) error{
		"Shutdown": func(s *Server) error { return s.Shutdown(context.Background()) },
		"Close":    (*Server).Close,
	} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, Config{}, func(t *testing.T, s *Server, dial func() net.Conn) {
				nc := dial()
				fetch(t, nc, "/")
				until(t, "the connection rests", func() bool { return s.keeper.count() == 1 })
				if err := end(s); err != nil {
					t.Fatal(err)
				}
				if n, err := nc.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("%d bytes, %v; want the end", n, err)
				}
				until(t, "it is forgotten", func() bool { return s.Conns() == 0 })
			})
		})
	}
}

// TestShutdownWhileGoingToRest: connections at every point on their way to rest are
// found.
func TestShutdownWhileGoingToRest(t *testing.T) {
	for round := range 40 {
		s, err := NewServer(Config{Handler: caseHandler, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go s.Serve(l)
		for range 10 {
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			fetch(t, nc, "/")
		}
		time.Sleep(time.Duration(round) * keeperTick / 20)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := s.Shutdown(ctx); err != nil {
			t.Fatalf("round %d: %v, %d connections are left", round, err, s.Conns())
		}
		cancel()
	}
}

// TestDataWhileGoingToRest sends requests at the moments at which a connection is about to
// rest: none may be lost.
func TestDataWhileGoingToRest(t *testing.T) {
	eachKind(t, Config{}, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		for i := range 60 {
			fetch(t, nc, "/")
			time.Sleep(time.Duration(i%30) * keeperTick / 10)
			links, _ := s.opened()
			s.keeper.mu.Lock()
			for _, l := range links { // patience would spare it the rest
				l.patience, l.since = 0, 0
			}
			s.keeper.mu.Unlock()
		}
	})
}

// hijacked returns the server's side of a connection that was taken over, and the
// client's.
func hijacked(t *testing.T, s *Server, dial func() net.Conn, out chan *Conn) (*Conn, net.Conn) {
	t.Helper()
	nc := dial()
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	c := <-out
	t.Cleanup(func() { c.Close() })
	return c, nc
}

func TestConnPark(t *testing.T) {
	out := make(chan *Conn, 1)
	cfg := Config{Handler: func(w *Response, r *Request) error {
		nc, _, err := r.Hijack()
		if err == nil {
			out <- nc.(*Conn)
		}
		return err
	}}
	eachKind(t, cfg, func(t *testing.T, s *Server, dial func() net.Conn) {
		c, peer := hijacked(t, s, dial, out)
		until(t, "the server forgets it", func() bool { return s.Conns() == 0 })
		woken := make(chan bool, 2)
		wake := SleeperFunc(func() { woken <- true })
		if c.raw == nil {
			if c.Park(wake) {
				t.Fatal("parked what cannot be")
			}
			return
		}
		if c.Park(nil) {
			t.Error("parked without a wake")
		}
		read := func(want string) {
			t.Helper()
			<-woken
			b := make([]byte, 10)
			n, err := c.Read(b)
			if string(b[:n]) != want || (want == "") != (err == io.EOF) {
				t.Fatalf("%q, %v; want %q", b[:n], err, want)
			}
		}
		for _, before := range []bool{true, false} { // bytes that come before the park, and behind it
			if before {
				io.WriteString(peer, "one")
			}
			if !c.Park(wake) {
				t.Fatal("not parked")
			}
			if !before {
				if c.Park(wake) {
					t.Error("parked twice")
				}
				if _, err := c.Write([]byte("still writable")); err != nil {
					t.Error(err)
				}
				io.WriteString(peer, "one")
			}
			read("one")
		}
		if !c.Park(wake) {
			t.Fatal("not parked")
		}
		peer.Close()
		<-woken // what was written to it unread resets the connection, so what Read says differs

		c, _ = hijacked(t, s, dial, out)
		if !c.Park(wake) {
			t.Fatal("not parked")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		<-woken
		if c.Park(wake) {
			t.Error("parked when closed")
		}
		select {
		case <-woken:
			t.Error("woken once more")
		default:
		}
	})
}

// TestHijackInsideRead: a handler may take over a connection whose request announced
// nothing, and read from it at once.
func TestHijackInsideRead(t *testing.T) {
	cfg := Config{Handler: func(w *Response, r *Request) error {
		nc, _, err := r.Hijack()
		if err != nil {
			return err
		}
		defer nc.Close()
		b := make([]byte, 10)
		n, err := nc.Read(b)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(nc, "got %s", b[:n])
		return err
	}}
	eachKind(t, cfg, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\n\r\n")
		time.Sleep(10 * time.Millisecond)
		io.WriteString(nc, "more")
		if b, err := io.ReadAll(nc); err != nil || string(b) != "got more" {
			t.Errorf("%q, %v", b, err)
		}
		until(t, "it is forgotten", func() bool { return s.Conns() == 0 })
	})
}
