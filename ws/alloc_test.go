//go:build !race

package ws

import (
	"bufio"
	"context"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
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

// heldBytes is what the heap and stacks hold once what is unused was collected.
func heldBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// socketBytes is what package net holds of a connection's two ends.
func socketBytes(t *testing.T, conns int) int64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ends := make([]net.Conn, 2*conns)
	before := heldBytes()
	for i := range conns {
		ends[2*i] = dialBare(t, l.Addr().String())
		if ends[2*i+1], err = l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	each := (heldBytes() - before) / int64(conns)
	closeAll(ends)
	return each
}

func dialBare(t *testing.T, addr string) net.Conn {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

func closeAll(ends []net.Conn) {
	for _, nc := range ends {
		nc.Close()
	}
}

// TestParkedBytes: what a connection holds on which nothing comes, beyond what package net
// does: of the heap and of stacks.
func TestParkedBytes(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	const conns, first = 1500, 500 // the first pay for what all share
	s := newTestServer(t, Config{})
	addr := serveHTTP(t, s.Handler(echo))
	clients := make([]net.Conn, 0, first+conns)
	defer func() { closeAll(clients) }()
	one, parks := bufio.NewReaderSize(nil, 16), false
	open := func(n int) {
		for range n { // one after the other: each goroutine of a burst leaves something behind
			nc := dialBare(t, addr)
			clients = append(clients, nc)
			if _, err := io.WriteString(nc, request); err != nil {
				t.Fatal(err)
			}
			one.Reset(nc)
			if _, err := readHead(one); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "all connections", func() bool { return s.Len() == len(clients) })
		all := s.Conns()
		if parks = all[0].parks; parks {
			eventually(t, "all are parked", func() bool {
				return !slices.ContainsFunc(all, func(c *Conn) bool { return c.is.has(awake) })
			})
		}
	}
	sockets := socketBytes(t, conns)
	open(first)
	before := heldBytes()
	open(conns)
	each := (heldBytes()-before)/conns - sockets
	most := int64(6 << 10) // with a goroutine each
	if parks {
		most = 400 // 200 of the connection as both packages know it, places in lists, and a margin for what other tests left behind
	}
	if each > most {
		t.Errorf("%d bytes a connection, want at most %d", each, most)
	}
	t.Logf("%d bytes a connection beside %d of its two sockets, parkable: %v", each, sockets, parks)
}
