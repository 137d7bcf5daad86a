//go:build !race

package ws

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
)

// allocations is how many allocations a call takes, of all goroutines, without those of a
// collection that empties the pools.
func allocations(f func()) float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 20 {
		f()
	}
	return testing.AllocsPerRun(500, f)
}

// TestEchoAllocates: a message to a handler and back, both sides together, takes none.
func TestEchoAllocates(t *testing.T) {
	for _, c := range []struct {
		size int
		comp Compression
	}{{64, Compression{Off: true}}, {16 << 10, Compression{Off: true}}, {1000, Compression{}}} { // larger ones, inflated, grow
		size, comp := c.size, c.comp
		c := dialTest(t, serveHTTP(t, newTestServer(t, Config{Compression: comp}).Handler(echo)), DialConfig{Compression: comp})
		msg := benchText(size)
		ctx := t.Context()
		got := allocations(func() {
			if err := c.Write(ctx, Text, msg); err != nil {
				t.Fatal(err)
			}
			if _, b, err := c.Read(context.Background()); err != nil || len(b) != size {
				t.Fatal(len(b), err)
			}
		})
		if got > 0.5 {
			t.Errorf("%d bytes, %+v: %v allocations", size, comp, got)
		}
	}
}

// TestBroadcastAllocates: a prepared message is framed once, however many get it.
func TestBroadcastAllocates(t *testing.T) {
	const conns = 20
	s := newTestServer(t, Config{})
	addr := serveHTTP(t, s.Handler(&Handler{}))
	var clients [conns]*Conn
	for i := range clients {
		clients[i] = dialTest(t, addr, DialConfig{})
	}
	eventually(t, "all connections", func() bool { return s.Len() == conns })
	msg, err := Prepare(Text, benchText(1000))
	if err != nil {
		t.Fatal(err)
	}
	to := s.Conns()
	got := allocations(func() {
		for _, c := range to {
			if err := c.SendPrepared(msg); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range clients {
			if _, b, err := c.Read(context.Background()); err != nil || len(b) != 1000 {
				t.Fatal(len(b), err)
			}
		}
	})
	if got > 0.5 {
		t.Errorf("%v allocations for %d connections", got, conns)
	}
}

// TestParkedBytes: what a connection holds on which nothing comes: of the heap and of
// stacks, the server's side and the client's together.
func TestParkedBytes(t *testing.T) {
	const conns = 1000
	s := newTestServer(t, Config{})
	addr := serveHTTP(t, s.Handler(echo))
	clients := make([]*peer, conns)
	used := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := used()
	for i := range clients {
		clients[i] = asClient(t, addr)
		clients[i].br = nil // as much of the tester's own as can be
	}
	eventually(t, "all connections", func() bool { return s.Len() == conns })
	rest := s.Conns()
	if rest[0].parks {
		eventually(t, "all are parked", func() bool {
			for _, c := range rest {
				if c.is.has(awake) {
					return false
				}
			}
			return true
		})
	}
	each := (int64(used()) - int64(before)) / conns
	most := int64(8 << 10) // with a goroutine each
	if rest[0].parks {
		most = 3 << 10 // the tester's socket included
	}
	if each > most {
		t.Errorf("%d bytes a pair of connections", each)
	}
	t.Logf("%d bytes a pair of connections, parkable: %v", each, rest[0].parks)
	runtime.KeepAlive(clients)
}
