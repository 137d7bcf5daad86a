package ws

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/wire"
)

func dialTest(t testing.TB, addr string, cfg DialConfig) *Conn {
	t.Helper()
	c, err := Dial(context.Background(), "ws://"+addr+"/", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// TestEcho sends messages of all sizes from our client to our server and back, whole and in
// fragments, with every kind of compression and both ways to receive.
func TestEcho(t *testing.T) {
	limits := Limits{MaxMessageBytes: 2 << 20, MaxQueuedBytes: 4 << 20}
	for name, comp := range map[string]Compression{"plain": {Off: true}, "deflate": {}, "takeover": {Takeover: true, MinBytes: 1}} {
		cfg := Config{Compression: comp, Limits: limits}
		for way, h := range map[string]wire.Handler{"handled": newTestServer(t, cfg).Handler(echo), "read": newTestServer(t, cfg).Func(echoByReading)} {
			t.Run(name+"/"+way, func(t *testing.T) {
				ctx := t.Context()
				c := dialTest(t, serveHTTP(t, h), DialConfig{Compression: comp, Limits: limits})
				if c.Compressed() == comp.Off {
					t.Fatalf("compressed: %v", c.Compressed())
				}
				count := 0
				for i, msg := range samples(uint64(len(name)), 80) {
					send(t, c, i, msg)
					var got []byte
					var op Opcode
					var err error
					if i%3 == 2 {
						var r io.Reader
						if op, r, err = c.Reader(ctx); err == nil {
							got, err = io.ReadAll(r)
						}
					} else {
						op, got, err = c.Read(ctx)
					}
					if err != nil || op != Binary || !bytes.Equal(got, msg) {
						t.Fatalf("message %d of %d bytes: %v, %d bytes back, %v", i, len(msg), op, len(got), err)
					}
					count++
				}
				if err := c.Close(CloseNormal, "done"); err != nil {
					t.Errorf("Close: %v", err)
				}
				if _, _, err := c.Read(ctx); err == nil {
					t.Error("a message after the end")
				}
				if err := c.Write(ctx, Text, nil); !errors.Is(err, ErrClosed) {
					t.Errorf("Write after the end: %v", err)
				}
				t.Logf("%d messages", count)
			})
		}
	}
}

// send sends a message in one of four ways.
func send(t *testing.T, c *Conn, i int, msg []byte) {
	t.Helper()
	var err error
	switch i % 4 {
	case 0:
		err = c.Write(t.Context(), Binary, msg)
	case 1:
		err = c.Send(Binary, msg)
	case 2:
		var p *Prepared
		if p, err = Prepare(Binary, msg); err == nil {
			err = c.WritePrepared(t.Context(), p)
		}
	case 3:
		var w io.WriteCloser
		if w, err = c.Writer(t.Context(), Binary); err == nil {
			_, err = w.Write(msg)
			err = errors.Join(err, w.Close())
		}
	}
	if err != nil {
		t.Fatalf("message %d: %v", i, err)
	}
}

// TestConcurrentWriters: messages of many goroutines are whole, and each goroutine's are in
// order.
func TestConcurrentWriters(t *testing.T) {
	c := dialTest(t, serveHTTP(t, newTestServer(t, Config{}).Handler(echo)), DialConfig{Limits: Limits{MaxQueuedBytes: 64 << 20}})
	const writers, each = 8, 60
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			for k := range each {
				n := 2 + rand.IntN(6000)
				msg := bytes.Repeat([]byte{byte(g)}, n)
				msg[1] = byte(k)
				var err error
				switch k % 3 {
				case 0:
					err = c.Write(t.Context(), Binary, msg)
				case 1:
					err = c.Send(Binary, msg)
				default:
					var w io.WriteCloser
					if w, err = c.Writer(t.Context(), Binary); err == nil {
						_, err = w.Write(msg)
						err = errors.Join(err, w.Close())
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	next := make([]int, writers)
	for range writers * each {
		_, msg, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		g := int(msg[0])
		if int(msg[1]) != next[g] || bytes.Count(msg[2:], msg[:1]) != len(msg)-2 {
			t.Fatalf("writer %d: message %d, want %d, or a mixed one", g, msg[1], next[g])
		}
		next[g]++
	}
	wg.Wait()
}

// TestReadEndsWithContext: a Read that is given up loses nothing.
func TestReadEndsWithContext(t *testing.T) {
	c := dialTest(t, serveHTTP(t, newTestServer(t, Config{}).Handler(echo)), DialConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	context.AfterFunc(ctx, func() {})
	go cancel()
	if _, _, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("a Read that was given up: %v", err)
	}
	if err := c.Write(t.Context(), Text, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(t.Context()); err != nil || string(b) != "still here" {
		t.Fatalf("%q, %v", b, err)
	}
}

// TestHandlerParks: a connection that rests goes on, and its end is noticed.
func TestHandlerParks(t *testing.T) {
	t.Parallel()
	closed := make(chan error, 1)
	s := newTestServer(t, Config{})
	h := &Handler{Message: echo.Message, Close: func(c *Conn, err error) { closed <- err }}
	c := dialTest(t, serveHTTP(t, s.Handler(h)), DialConfig{})
	for i := range 3 {
		if err := c.Write(t.Context(), Text, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(t.Context()); err != nil || string(b) != "hello" {
			t.Fatalf("%d: %q, %v", i, b, err)
		}
		for _, sc := range s.Conns() {
			for sc.parks && sc.is.has(awake) {
				select {
				case err := <-closed:
					t.Fatalf("it ended instead: %v", err)
				case <-time.After(time.Millisecond): // looked at again
				}
			}
		}
	}
	c.CloseNow()
	if err := <-closed; err == nil {
		t.Error("no error at the end")
	}
	if n := s.Len(); n != 0 {
		t.Errorf("%d connections left", n)
	}
}

// TestShutdown: connections are closed with 1001, handled and read ones.
func TestShutdown(t *testing.T) {
	s := newTestServer(t, Config{})
	c := dialTest(t, serveHTTP(t, s.Handler(echo)), DialConfig{})
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.Read(context.Background())
		ended <- err
	}()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var closed *CloseError
	if err := <-ended; !errors.As(err, &closed) || closed.Code != CloseGoingAway {
		t.Errorf("%v", err)
	}
}
