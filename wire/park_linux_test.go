//go:build !386 && !s390x

package wire

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestRestCostsNoGoroutine: what is parked has no goroutine.
func TestRestCostsNoGoroutine(t *testing.T) {
	addr, s := serveCases(t)
	before := runtime.NumGoroutine() + 1 // the one that waits for all of them
	for range 100 {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fetch(t, nc, "/")
	}
	until(t, "100 connections rest", func() bool { return s.keeper.count() == 100 })
	until(t, "their goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

// TestReusedDescriptor: an event of a socket that was closed does not wake whoever has
// its number now.
func TestReusedDescriptor(t *testing.T) {
	addr, s := serveCases(t)
	for range 200 {
		old, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fetch(t, old, "/")
		until(t, "it rests", func() bool { return s.keeper.count() == 1 })
		io.WriteString(old, "GET /stale") // an event ...
		old.Close()                       // ... of a socket that ends
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fetch(t, nc, "/")
		nc.Close()
		until(t, "both are forgotten", func() bool { return s.Conns() == 0 })
	}
}

// TestTicketsAreUsedOnce holds the slots against their promise.
func TestTicketsAreUsedOnce(t *testing.T) {
	var p parker
	woken := make(chan int, 10)
	a, err := p.reserve(waker{woken, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.retire()
	if !p.cancel(a) || p.cancel(a) {
		t.Error("a ticket is cancelled once")
	}
	b, err := p.reserve(waker{woken, 2})
	if err != nil || b == a {
		t.Fatalf("%v, %v: the same ticket again", b, err)
	}
	if p.cancel(a) {
		t.Error("an old ticket names the slot's new sleeper")
	}
	if p.cancel(ticket{}) {
		t.Error("the zero ticket names somebody")
	}
	r, w, err := socketpair()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := p.arm(rawConn(r), b, parkRead); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("x"))
	if got := <-woken; got != 2 || p.cancel(b) {
		t.Errorf("woken: %d", got)
	}
	// one event only: more bytes wake nobody
	c, err := p.reserve(waker{woken, 3})
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("x"))
	if !p.cancel(c) {
		t.Error("woken without being armed")
	}
	r.Close()
	d, err := p.reserve(waker{woken, 4})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.arm(rawConn(r), d, parkRead); err == nil || !p.cancel(d) {
		t.Errorf("a closed socket is armed: %v", err)
	}
	select {
	case n := <-woken:
		t.Errorf("%d was woken", n)
	default:
	}
}

// TestSlotsAreUsedAgain: more than a block of tickets, each of its own, and no more slots
// for others once they were cancelled.
func TestSlotsAreUsedAgain(t *testing.T) {
	var p parker
	defer p.retire()
	const n = 3<<slotBits - 1
	blocks, seen := 0, map[ticket]bool{}
	for round := range 3 {
		var all []ticket
		for range n {
			a, err := p.reserve(waker{})
			if err != nil {
				t.Fatal(err)
			}
			if a == (ticket{}) || seen[a] {
				t.Fatalf("%v was given out before", a)
			}
			seen[a] = true
			all = append(all, a)
		}
		if blocks = max(blocks, len(p.blocks)); blocks != 3 || p.parked != n {
			t.Fatalf("round %d: %d blocks, %d parked", round, blocks, p.parked)
		}
		for i := range all { // in an order of its own
			if a := all[i*(n/2)%n]; !p.cancel(a) || p.cancel(a) {
				t.Fatalf("%v is not cancelled once", a)
			}
		}
		if p.parked != 0 {
			t.Errorf("%d are still parked", p.parked)
		}
	}
}

// TestParkBesideClose: whoever parks while the connection is closed is woken once, or told
// that it is not parked.
func TestParkBesideClose(t *testing.T) {
	out := make(chan *Conn, 1)
	addr, s := serveCases(t, func(cfg *Config) {
		cfg.Handler = func(w *Response, r *Request) error {
			nc, _, err := r.Hijack()
			if err == nil {
				out <- nc.(*Conn)
			}
			return err
		}
	})
	var parked, refused int
	for range 300 {
		c, peer := hijacked(t, s, func() net.Conn {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}, out)
		var woken atomic.Int32
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		if c.Park(SleeperFunc(func() { woken.Add(1) })) {
			parked++
			until(t, "it is woken", func() bool { return woken.Load() == 1 })
		} else {
			refused++
		}
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		s.parker.mu.Lock()
		left := s.parker.parked
		s.parker.mu.Unlock()
		if left != 0 || woken.Load() > 1 {
			t.Fatalf("%d are parked, woken %d times", left, woken.Load())
		}
		peer.Close()
	}
	t.Logf("%d parked, %d refused", parked, refused)
}

type waker struct {
	c chan int
	n int
}

func (w waker) Awake() { w.c <- w.n }

// socketpair returns two connected sockets.
func socketpair() (a, b net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	b, err = l.Accept()
	return a, b, err
}

// TestConnParkOutlivesTheServer: what was handed over is not the server's to close, and
// nothing is left when it is gone.
func TestConnParkOutlivesTheServer(t *testing.T) {
	out := make(chan *Conn, 1)
	addr, s := serveCases(t, func(cfg *Config) {
		cfg.Handler = func(w *Response, r *Request) error {
			nc, _, err := r.Hijack()
			if err == nil {
				out <- nc.(*Conn)
			}
			return err
		}
	})
	c, peer := hijacked(t, s, func() net.Conn { nc, _ := net.Dial("tcp", addr); return nc }, out)
	defer peer.Close()
	var woken atomic.Int32
	if !c.Park(SleeperFunc(func() { woken.Add(1) })) {
		t.Fatal("not parked")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	io.WriteString(peer, "x")
	until(t, "it is woken", func() bool { return woken.Load() == 1 })
	s.parker.mu.Lock()
	left := s.parker.cur
	s.parker.mu.Unlock()
	if left != nil {
		t.Error("the epoll instance is still open")
	}
	if !c.Park(SleeperFunc(func() { woken.Add(1) })) { // opens another
		t.Fatal("not parked")
	}
	c.Close()
	until(t, "it is woken again", func() bool { return woken.Load() == 2 })
}

// TestIdleConnectionsCostNothing: with many connections at rest, a busy one is the only
// one that anybody looks at, and no slower. LITHAIR_LONG=1 makes them many and measures.
func TestIdleConnectionsCostNothing(t *testing.T) {
	n, requests := 300, 500
	if os.Getenv("LITHAIR_LONG") == "1" {
		n, requests = 8000, 20_000
	} else {
		t.Log("LITHAIR_LONG is not set: 300 connections instead of 8,000, no times")
	}
	addr, s := serveCases(t)
	busy, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	load := func() time.Duration {
		start := time.Now()
		b := make([]byte, 1<<10)
		for range requests {
			if _, err := io.WriteString(busy, getRequest); err != nil {
				t.Fatal(err)
			}
			if _, err := busy.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		return time.Since(start)
	}
	alone := min(load(), load(), load())
	for range n {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fetch(t, nc, "/")
	}
	until(t, "all rest", func() bool { return s.keeper.count() > n }) // the busy one, too
	among := min(load(), load(), load())
	s.keeper.mu.Lock()
	ringed := s.keeper.ringed
	s.keeper.mu.Unlock()
	if ringed > 1 {
		t.Errorf("%d connections are looked at, want the busy one alone", ringed)
	}
	if n > 1000 {
		t.Logf("%d requests: %v alone, %v among %d at rest: %.3f times", requests, alone, among, n, float64(among)/float64(alone))
	}
}
