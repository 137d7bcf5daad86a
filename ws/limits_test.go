package ws

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// bothWays serves a function's handlers: one called for each message, one that reads.
func bothWays(t *testing.T, cfg Config, test func(t *testing.T, s *Server, h func() wire.Handler, ended <-chan error)) {
	for _, way := range []string{"handled", "read"} {
		t.Run(way, func(t *testing.T) {
			ended := make(chan error, 16)
			s := newTestServer(t, cfg)
			test(t, s, func() wire.Handler {
				if way == "handled" {
					return s.Handler(&Handler{Message: echo.Message, Close: func(_ *Conn, err error) { ended <- err }})
				}
				return s.Func(func(c *Conn) { echoByReading(c); ended <- c.Err() })
			}, ended)
		})
	}
}

// TestIdleTimeout: who is silent is pinged, and cut when no answer comes. A pong is a sign
// of life, and so is half a frame.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	bothWays(t, Config{Limits: Limits{IdleTimeout: time.Second}}, func(t *testing.T, s *Server, h func() wire.Handler, ended <-chan error) {
		p := asClient(t, serveHTTP(t, h()))
		for range 2 {
			f, err := p.read()
			if err != nil || f.op != 9 {
				t.Fatalf("%+v, %v; want a ping", f, err)
			}
			p.send(frame{fin: true, op: 10, payload: f.payload})
		}
		f, err := p.read()
		if err != nil || f.op != 9 {
			t.Fatalf("%+v, %v; want a ping", f, err)
		}
		if f, err := p.read(); err == nil {
			t.Fatalf("%+v of who should be gone", f)
		}
		if err := <-ended; !errors.Is(err, ErrTimeout) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestCloseTimeout: who does not answer a close frame is cut.
func TestCloseTimeout(t *testing.T) {
	bothWays(t, Config{Limits: Limits{CloseTimeout: 50 * time.Millisecond}}, func(t *testing.T, s *Server, h func() wire.Handler, ended <-chan error) {
		p := asClient(t, serveHTTP(t, h()))
		eventually(t, "a connection", func() bool { return s.Len() == 1 })
		go s.Conns()[0].Close(CloseNormal, "")
		if code, err := p.awaitClose(); err != nil || code != 1000 {
			t.Fatalf("%d, %v", code, err)
		}
		if f, err := p.read(); err == nil {
			t.Fatalf("%+v behind a close frame", f)
		}
		if err := <-ended; !errors.Is(err, ErrTimeout) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestWriteTimeout: who takes nothing is cut, for Write and for Send.
func TestWriteTimeout(t *testing.T) {
	for _, way := range []string{"Write", "Send", "Writer"} {
		t.Run(way, func(t *testing.T) {
			s := newTestServer(t, Config{Limits: Limits{WriteTimeout: 100 * time.Millisecond, MaxQueuedBytes: 1 << 30}})
			failed := make(chan error, 1)
			asClient(t, serveHTTP(t, s.Func(func(c *Conn) {
				msg := make([]byte, 1<<20)
				var err error
				for err == nil {
					switch way {
					case "Write":
						err = c.Write(t.Context(), Binary, msg)
					case "Send":
						err = c.Send(Binary, msg)
					default:
						w, werr := c.Writer(t.Context(), Binary)
						if err = werr; err == nil {
							_, err = w.Write(msg)
							err = errors.Join(err, w.Close())
						}
					}
				}
				failed <- errors.Join(err, c.Err())
			})))
			if err := <-failed; !errors.Is(err, ErrTimeout) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestWriteProgress: a message may take longer than WriteTimeout as long as the other side
// takes some of it.
func TestWriteProgress(t *testing.T) {
	if os.Getenv("LITHAIR_LONG") != "1" {
		t.Skip("takes its time by its nature: set LITHAIR_LONG=1")
	}
	const size = 16 << 20
	s := newTestServer(t, Config{Compression: Compression{Off: true}, Limits: Limits{WriteTimeout: time.Second}})
	sent := make(chan error, 1)
	p := asClient(t, serveHTTP(t, s.Func(func(c *Conn) { sent <- c.Write(t.Context(), Binary, make([]byte, size)) })))
	p.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	begun := time.Now()
	b := make([]byte, 128<<10)
	for n := 0; n < size; {
		time.Sleep(25 * time.Millisecond)
		k, err := p.br.Read(b)
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		n += k
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	t.Logf("%v", time.Since(begun))
}

// TestQueueFull: Send never waits, never queues more than the limit, and what it has queued
// comes, in order. When the other side has taken it, there is room again.
func TestQueueFull(t *testing.T) {
	const limit = 256 << 10
	s := newTestServer(t, Config{Compression: Compression{Off: true}, Limits: Limits{MaxQueuedBytes: limit}})
	conns := make(chan *Conn, 1)
	p := asClient(t, serveHTTP(t, s.Func(func(c *Conn) { conns <- c; <-c.Done() })))
	c := <-conns
	queued, most, full := 0, 0, 0
	for full < 100 {
		err := c.Send(Binary, fmt.Appendf(make([]byte, 0, 10_000), "%09d|%09000d", queued, 0))
		switch {
		case errors.Is(err, ErrQueueFull):
			full++
		case err != nil:
			t.Fatal(err)
		default:
			queued++
		}
		c.out.mu.Lock()
		most = max(most, c.out.waiting())
		c.out.mu.Unlock()
	}
	if most > limit {
		t.Errorf("%d bytes were queued", most)
	}
	for i := range queued {
		f, err := p.read()
		if err != nil || !bytes.HasPrefix(f.payload, fmt.Appendf(nil, "%09d|", i)) {
			t.Fatalf("message %d of %d: %.12q, %v", i, queued, f.payload, err)
		}
	}
	eventually(t, "room in the queue", func() bool { return c.Send(Binary, []byte("more")) == nil })
	if f, err := p.read(); err != nil || string(f.payload) != "more" {
		t.Errorf("%q, %v", f.payload, err)
	}
	if err := c.Send(Binary, make([]byte, limit+1)); !errors.Is(err, ErrQueueFull) {
		t.Errorf("a message over the limit: %v", err)
	}
	t.Logf("%d messages queued, %d bytes at most", queued, most)
}

// TestSlowReaderHoldsNobodyUp: a broadcast goes on beside one who takes nothing.
func TestSlowReaderHoldsNobodyUp(t *testing.T) {
	s := newTestServer(t, Config{Limits: Limits{MaxQueuedBytes: 128 << 10}})
	addr := serveHTTP(t, s.Func(func(c *Conn) { <-c.Done() }))
	asClient(t, addr) // never reads
	fast := asClient(t, addr)
	eventually(t, "two connections", func() bool { return s.Len() == 2 })
	const messages = 400
	full := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range messages {
			f, err := fast.read()
			if err != nil || len(f.payload) != 64<<10 || int(f.payload[0])|int(f.payload[1])<<8 != i {
				t.Errorf("message %d: %d bytes, %v", i, len(f.payload), err)
				return
			}
		}
	})
	for i := range messages {
		msg := make([]byte, 64<<10)
		msg[0], msg[1] = byte(i), byte(i>>8)
		p, err := Prepare(Binary, msg)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range s.Conns() {
			err := c.SendPrepared(p)
			for errors.Is(err, ErrQueueFull) && c.RemoteAddr().String() == fast.LocalAddr().String() {
				time.Sleep(time.Millisecond) // it reads: there will be room
				err = c.SendPrepared(p)
			}
			if errors.Is(err, ErrQueueFull) {
				full++
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	wg.Wait()
	if full == 0 {
		t.Error("the slow one took everything: the test shows nothing")
	}
}

// TestMaxConns: more connections get 503, and room is made when one ends.
func TestMaxConns(t *testing.T) {
	s := newTestServer(t, Config{MaxConns: 2})
	addr := serveHTTP(t, s.Handler(echo))
	first := dialTest(t, addr, DialConfig{})
	dialTest(t, addr, DialConfig{})
	_, err := Dial(t.Context(), "ws://"+addr+"/", DialConfig{})
	if h, ok := errors.AsType[*HandshakeError](err); !ok || h.Status != 503 || !bytes.Contains(h.Body, []byte("too many connections")) {
		t.Errorf("the third: %v", err)
	}
	eventually(t, "both are known", func() bool { return s.Len() == 2 }) // a client hears of its upgrade first
	first.CloseNow()
	eventually(t, "room", func() bool { return s.Len() == 1 })
	dialTest(t, addr, DialConfig{})
}

// TestPingFlood: pings of who takes no pongs take no memory, and the last is answered when
// there is room (RFC 6455 §5.5.3).
func TestPingFlood(t *testing.T) {
	bothWays(t, Config{}, func(t *testing.T, s *Server, h func() wire.Handler, _ <-chan error) {
		p := asClient(t, serveHTTP(t, h()))
		const pings, batch = 150_000, 500
		eventually(t, "a connection", func() bool { return s.Len() == 1 })
		c := s.Conns()[0]
		most := 0
		for i := 0; i < pings; i += batch {
			var b []byte
			for k := range batch {
				b = append(b, frame{fin: true, op: 9, payload: fmt.Appendf(nil, "%0120d", i+k)}.bytes(true)...)
			}
			if _, err := p.Write(b); err != nil {
				t.Fatal(err)
			}
			c.out.mu.Lock()
			most = max(most, c.out.waiting())
			c.out.mu.Unlock()
		}
		if most > 4*maxPongs {
			t.Errorf("%d bytes were queued", most)
		}
		pongs, last := 0, -1
		for last != pings-1 {
			f, err := p.read()
			if err != nil {
				t.Fatalf("after %d pongs, %d the last: %v", pongs, last, err)
			}
			var n int
			if _, err := fmt.Sscanf(string(bytes.TrimLeft(f.payload, "0"))+" ", "%d", &n); f.op != 10 || n <= last && err == nil && pongs > 0 {
				t.Fatalf("%+v behind pong %d", f, last)
			}
			pongs, last = pongs+1, n
		}
		t.Logf("%d pongs, %d bytes queued at most", pongs, most)
	})
}

// TestPanics: a panic of the program's ends its connection with 1011, is logged, and hurts
// nobody else.
func TestPanics(t *testing.T) {
	var mu sync.Mutex
	var said bytes.Buffer
	logger := slog.New(slog.NewTextHandler(lockedWriter{&mu, &said}, nil))
	s := newTestServer(t, Config{Logger: logger})
	boom := func() { panic("planned") }
	ways := map[string]wire.Handler{
		"Open":    s.Handler(&Handler{Open: func(*Conn) { boom() }}),
		"Message": s.Handler(&Handler{Message: func(*Conn, Opcode, []byte) error { boom(); return nil }}),
		"Func":    s.Func(func(c *Conn) { c.Read(t.Context()); boom() }),
	}
	other := dialTest(t, serveHTTP(t, s.Handler(echo)), DialConfig{})
	for name, h := range ways {
		p := asClient(t, serveHTTP(t, h))
		p.send(frame{fin: true, op: 1, payload: []byte("x")})
		code, err := p.awaitClose()
		if err != nil || code != 1011 {
			t.Errorf("%s: %d, %v", name, code, err)
		}
		p.send(closeFrame(1011, ""))
		if f, err := p.read(); err == nil {
			t.Errorf("%s: %+v behind a close frame", name, f)
		}
		p.Close() // or the server waits for it
	}
	p := asClient(t, serveHTTP(t, s.Handler(&Handler{Close: func(*Conn, error) { boom() }})))
	p.send(closeFrame(1000, ""))
	if code, err := p.awaitClose(); err != nil || code != 1000 {
		t.Errorf("Close: %d, %v", code, err)
	}
	p.Close()
	eventually(t, "the others are gone", func() bool { return s.Len() == 1 })
	if err := other.Write(t.Context(), Text, []byte("alive")); err != nil {
		t.Error(err)
	}
	if _, b, err := other.Read(t.Context()); err != nil || string(b) != "alive" {
		t.Errorf("%q, %v", b, err)
	}
	eventually(t, "four panics are logged", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(said.String(), "planned") >= 4
	})
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// TestHandlerErrors: what a handler returns closes with its code, else with 1011, and its
// text is not told.
func TestHandlerErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{&CloseError{ClosePolicyViolation, "not allowed"}, 1008, "not allowed"},
		{fmt.Errorf("wrapped: %w", &CloseError{4001, ""}), 4001, ""},
		{&CloseError{CloseNoStatus, "never on the wire"}, 1011, ""},
		{errors.New("secret"), 1011, ""},
	} {
		s := newTestServer(t, Config{})
		p := asClient(t, serveHTTP(t, s.Handler(&Handler{Message: func(*Conn, Opcode, []byte) error { return c.err }})))
		p.send(frame{fin: true, op: 2})
		f, err := p.read()
		if err != nil || f.op != 8 || closeCode(f.payload) != c.code || string(f.payload[2:]) != c.says {
			t.Errorf("%v: %+v, %v", c.err, f, err)
		}
	}
}

// TestMessageLimit: the limit is that of the whole message, inflated, and holds before
// memory is taken.
func TestMessageLimit(t *testing.T) {
	const limit = 10_000
	zeros := make([]byte, 16<<20)
	bomb := standardDeflate(t, nil, zeros, 9)
	half := repeated("half ", limit/2+1)
	cases := map[string]struct {
		frames []frame
		code   int
	}{
		"at the limit":            {[]frame{{fin: true, op: 2, payload: make([]byte, limit)}}, 0},
		"over it":                 {[]frame{{fin: true, op: 2, payload: make([]byte, limit+1)}}, 1009},
		"the sum of fragments":    {[]frame{{op: 2, payload: half}, {fin: true, payload: half}}, 1009},
		"fragments at the limit":  {[]frame{{op: 2, payload: half[:limit/2]}, {fin: true, payload: half[:limit/2]}}, 0},
		"compressed, at it":       {[]frame{{fin: true, rsv: 4, op: 2, payload: standardDeflate(t, nil, zeros[:limit], 9)}}, 0},
		"compressed, over it":     {[]frame{{fin: true, rsv: 4, op: 2, payload: standardDeflate(t, nil, zeros[:limit+1], 9)}}, 1009},
		"compressed in fragments": {[]frame{{rsv: 4, op: 2, payload: standardDeflate(t, nil, zeros[:limit], 9)[:5]}, {fin: true, payload: standardDeflate(t, nil, zeros[:limit], 9)[5:]}}, 0},
		"a bomb":                  {[]frame{{fin: true, rsv: 4, op: 2, payload: bomb[:limit]}}, 1009},
	}
	bothWays(t, Config{Limits: Limits{MaxMessageBytes: limit}}, func(t *testing.T, s *Server, h func() wire.Handler, _ <-chan error) {
		addr := serveHTTP(t, h())
		for name, c := range cases {
			p := asClient(t, addr, "Sec-WebSocket-Extensions: permessage-deflate")
			p.send(c.frames...)
			f, err := p.read()
			switch {
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case c.code == 0 && f.op != 2, c.code != 0 && (f.op != 8 || closeCode(f.payload) != c.code):
				t.Errorf("%s: opcode %d, %.30q", name, f.op, f.payload)
			}
		}
		// a header alone is enough to refuse: nothing of what it announces is waited for
		p := asClient(t, addr)
		p.Write([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"))
		p.Write([]byte(testKey))
		if code, err := p.awaitClose(); err != nil || code != 1009 {
			t.Errorf("2^63-1 bytes announced: %d, %v", code, err)
		}
	})
}
