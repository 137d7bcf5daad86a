package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// TestEchoHandler: a message comes back to who sent it, one that begins with B to all.
func TestEchoHandler(t *testing.T) {
	h, err := peersHandler()
	if err != nil {
		t.Fatal(err)
	}
	s, err := wire.NewServer(wire.Config{Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	var conns [2]*ws.Conn
	for i := range conns {
		if conns[i], err = ws.Dial(t.Context(), "ws://"+l.Addr().String()+"/", ws.DialConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(c *ws.Conn, want string) {
		t.Helper()
		if _, data, err := c.Read(t.Context()); err != nil || string(data) != want {
			t.Errorf("%d bytes, %v; want %d", len(data), err, len(want))
		}
	}
	for _, text := range []string{"echo", "", strings.Repeat("long ", 20_000)} {
		if err := conns[0].Write(t.Context(), ws.Text, []byte(text)); err != nil {
			t.Fatal(err)
		}
		read(conns[0], text)
	}
	if err := conns[1].Write(t.Context(), ws.Binary, []byte("B to all")); err != nil {
		t.Fatal(err)
	}
	for _, c := range conns {
		read(c, "B to all")
		if err := c.CloseNow(); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	<-ended
}

// TestIdle: the command opens, rests and speaks on what has rested.
func TestIdle(t *testing.T) {
	if residentOf("self") == 0 {
		t.Skip("the system does not say what a process has resident")
	}
	if err := runIdle([]string{"-conns", "20"}); err != nil {
		t.Error(err)
	}
	if err := runIdle([]string{"-conns", "0"}); err == nil {
		t.Error("no connection at all")
	}
}
