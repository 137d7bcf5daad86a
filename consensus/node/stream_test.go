package node

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// TestStreams: what one side writes the other reads, beside Raft's messages; names that nobody
// serves, too many streams and strangers are refused; closing the transport ends them.
func TestStreams(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	b, got, _ := newTCP(t, 2, func(c *TCPConfig) { c.MaxStreams = 3 })
	know(a, b)
	l, err := b.Listen("echo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Listen("echo"); err == nil {
		t.Error("a name is given out twice")
	}
	from := make(chan consensus.NodeID, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			from <- c.(*Stream).From()
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	ctx := context.Background()
	if _, err := a.Dial(ctx, 2, "other"); !errors.Is(err, ErrWrongStream) {
		t.Errorf("a stream that nobody serves: %v", err)
	}
	if _, err := a.Dial(ctx, 3, "echo"); !errors.Is(err, ErrUnknownNode) {
		t.Errorf("a node that nobody knows: %v", err)
	}
	var open []net.Conn
	for i, dial := range []func() (net.Conn, error){
		func() (net.Conn, error) { return a.Dial(ctx, 2, "echo") },
		func() (net.Conn, error) { return b.Dial(ctx, 2, "echo") },
		func() (net.Conn, error) { return a.DialAddress(ctx, b.cfg.Listener.Addr().String(), "echo") },
	} {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, 5)
		if _, err := io.ReadFull(c, back); err != nil || string(back) != "hello" {
			t.Fatalf("stream %d brings %q back: %v", i, back, err)
		}
		if id, want := taken(t, from), []consensus.NodeID{1, 2, 1}[i]; id != want {
			t.Errorf("stream %d is of node %d, not %d", i, id, want)
		}
	}
	resend(t, a, got, consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3})
	fourth, err := a.Dial(ctx, 2, "echo")
	if err == nil { // the handshake is done before it is counted
		if _, err = fourth.Read(make([]byte, 1)); err == nil {
			t.Error("a fourth stream is served where three may be")
		}
		if err := fourth.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := open[0].Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := open[1].Read(make([]byte, 1)); err == nil {
		t.Error("a stream goes on when its transport is closed")
	}
	if err := open[1].Close(); err != nil {
		t.Error(err)
	}
}
