package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memoryServer answers "n" on the n-th connection, over pipes: for tests in a bubble of
// synctest. It holds answers back while hold is not closed.
type memoryServer struct {
	dialled atomic.Int32
	open    atomic.Int32
	hold    chan struct{}
}

func (m *memoryServer) dial(context.Context, string, string) (net.Conn, error) {
	a, b := net.Pipe()
	n := m.dialled.Add(1)
	m.open.Add(1)
	go func() {
		defer m.open.Add(-1)
		defer b.Close()
		for {
			head, ok := readRequest(b)
			if !ok {
				return
			}
			if m.hold != nil && strings.Contains(head, "/hold") {
				<-m.hold
			}
			if _, err := fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d", n); err != nil {
				return
			}
		}
	}()
	return a, nil
}

func TestPoolReusesTheLastUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memoryServer{hold: make(chan struct{})}
		c := newClient(t, func(c *ClientConfig) { c.Dial = m.dial; c.IdleTimeout = 10 * time.Second })
		var wg sync.WaitGroup
		for range 3 { // three connections
			wg.Go(func() { get(t, c, "http://h/hold") })
			synctest.Wait()
		}
		close(m.hold)
		wg.Wait()
		if open, idle := c.Conns(); open != 3 || idle != 3 {
			t.Fatalf("%d open, %d idle", open, idle)
		}
		_, last := get(t, c, "http://h/")
		for range 5 {
			time.Sleep(4 * time.Second)
			if _, body := get(t, c, "http://h/"); body != last {
				t.Errorf("connection %s, want the last used: %s", body, last)
			}
		}
		synctest.Wait()
		if open, idle := c.Conns(); open != 1 || idle != 1 || m.open.Load() != 1 { // the others idled for too long
			t.Errorf("%d open, %d idle, %d at the server", open, idle, m.open.Load())
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if open, _ := c.Conns(); open != 0 || m.open.Load() != 0 {
			t.Errorf("%d open, %d at the server", open, m.open.Load())
		}
		if len(c.pool.hosts) != 0 || c.pool.timer != nil {
			t.Error("the pool remembers a host without connections")
		}
	})
}

func TestPoolLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memoryServer{hold: make(chan struct{})}
		c := newClient(t, func(c *ClientConfig) { c.Dial = m.dial; c.MaxConnsPerHost, c.MaxConns, c.MaxWaiting = 2, 3, 2 })
		done := make(chan error, 10)
		ask := func(ctx context.Context, url string) {
			go func() {
				r, err := c.Get(ctx, url)
				if err == nil {
					_, err = r.ReadAll(0)
				}
				done <- err
			}()
			synctest.Wait()
		}
		get(t, c, "http://idle/")
		ask(t.Context(), "http://a/hold")
		ask(t.Context(), "http://a/hold") // the limit of host a
		ctx, cancel := context.WithCancel(t.Context())
		ask(ctx, "http://a/") // waits
		if open, idle := c.Conns(); open != 3 || idle != 1 || m.dialled.Load() != 3 {
			t.Errorf("%d open, %d idle, %d dialled", open, idle, m.dialled.Load())
		}
		ask(t.Context(), "http://b/hold") // takes the room of the idle one
		if open, idle := c.Conns(); open != 3 || idle != 0 || m.dialled.Load() != 4 {
			t.Errorf("%d open, %d idle, %d dialled", open, idle, m.dialled.Load())
		}
		ask(t.Context(), "http://c/") // waits for the limit of all
		ask(t.Context(), "http://d/") // one too many waits
		var ce *ClientError
		if err := <-done; !errors.Is(err, ErrPoolFull) || !errors.As(err, &ce) || ce.Stage != StagePool {
			t.Errorf("one waiter too many: %v", err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || !errors.As(err, &ce) || ce.Stage != StagePool {
			t.Errorf("a waiter that gave up: %v", err)
		}
		ask(t.Context(), "http://a/")
		close(m.hold)
		for range 5 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if c.pool.waiting != 0 {
			t.Errorf("%d wait", c.pool.waiting)
		}
	})
}

func TestPoolClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memoryServer{hold: make(chan struct{})}
		c := newClient(t, func(c *ClientConfig) { c.Dial = m.dial; c.MaxConns = 1 })
		errs := make(chan error, 2)
		for _, path := range []string{"/hold", "/"} { // one under way, one in line
			go func() {
				r, err := c.Get(t.Context(), "http://h"+path)
				if err == nil {
					_, err = r.ReadAll(0)
				}
				errs <- err
			}()
			synctest.Wait()
		}
		c.Close()
		if err := <-errs; !errors.Is(err, ErrClientClosed) {
			t.Errorf("in line: %v", err)
		}
		close(m.hold)
		if err := <-errs; err != nil {
			t.Errorf("under way: %v", err)
		}
		synctest.Wait()
		if open, _ := c.Conns(); open != 0 || m.open.Load() != 0 {
			t.Errorf("%d connections are left", open)
		}
		if _, err := c.Get(t.Context(), "http://h/"); !errors.Is(err, ErrClientClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestClientConfigRefusesNegatives(t *testing.T) {
	for name, cfg := range map[string]ClientConfig{
		"MaxConns": {MaxConns: -1}, "MaxWaiting": {MaxWaiting: -1}, "MaxInterim": {MaxInterim: -1}, "HeadTimeout": {HeadTimeout: -1}, "IdleTimeout": {IdleTimeout: -1},
	} {
		if _, err := NewClient(cfg); err == nil || !strings.Contains(err.Error(), "ClientConfig."+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientWithoutKeepAlive(t *testing.T) {
	m := &memoryServer{}
	c := newClient(t, func(c *ClientConfig) { c.Dial, c.DisableKeepAlive = m.dial, true })
	for _, want := range []string{"01", "02"} {
		if _, body := get(t, c, "http://h/"); body != want {
			t.Errorf("connection %s, want %s", body, want)
		}
	}
	c = newClient(t, func(c *ClientConfig) { c.Dial = m.dial })
	r, err := c.Do(t.Context(), &ClientRequest{URL: "http://h/", Header: [][2]string{{"Connection", "close"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r.Body()); err != nil {
		t.Error(err)
	}
	if open, _ := c.Conns(); open != 0 {
		t.Error("the connection was kept although the request said close")
	}
}
