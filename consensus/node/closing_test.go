package node

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// shortOfFiles is a listener that fails so often, as where there are no descriptors left.
type shortOfFiles struct {
	net.Listener
	left atomic.Int32
}

func (l *shortOfFiles) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestPeersConnectAgainBehindALackOfFiles: a lack of descriptors passes, and a node that took no connections
// from then on would be cut off from its peers until it is restarted.
func TestPeersConnectAgainBehindALackOfFiles(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	b, got, _ := newTCP(t, 2, func(c *TCPConfig) {
		l := &shortOfFiles{Listener: c.Listener}
		l.left.Store(3)
		c.Listener = l
	})
	know(a, b)
	resend(t, a, got, consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 1})
}

func listen(t *testing.T) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// TestCloseDoesNotWaitForAPeerThatDoesNotRead: what a write waits for ends with the transport, and not by its own
// deadline; a handshake likewise.
func TestCloseDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	a, _, _ := newTCP(t, 1, func(c *TCPConfig) { c.WriteTimeout, c.DialTimeout = time.Hour, time.Hour })
	b, _, _ := newTCP(t, 2, nil)
	stuck := make(chan struct{})
	defer close(stuck)
	relay, mute := listen(t), listen(t) // one carries the handshake and nothing more, one not even that
	go func() {
		for {
			c, err := relay.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial("tcp", b.cfg.Listener.Addr().String())
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, d) }()
			go func() {
				_, _ = io.CopyN(d, c, helloBytes+32)
				<-stuck
				_ = errors.Join(c.Close(), d.Close())
			}()
		}
	}()
	a.Members(consensus.Membership{Members: []consensus.Member{
		{ID: 2, Role: consensus.Voter, Address: relay.Addr().String()}, {ID: 3, Role: consensus.Voter, Address: mute.Addr().String()},
	}})
	a.mu.Lock()
	o := a.zero.peers[2]
	a.mu.Unlock()
	data := []byte(strings.Repeat("y", 1<<20))
	for end := time.Now().Add(20 * time.Second); ; {
		a.Send([]consensus.Message{{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 1, Entries: []consensus.Entry{{Index: 1, Term: 1, Kind: consensus.FirstKind, Data: data}}}})
		o.mu.Lock()
		waits := o.writing && len(o.queue) > 8
		o.mu.Unlock()
		if waits {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the connection takes all")
		}
		time.Sleep(time.Millisecond)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Close() }()
	if err := taken(t, ended); err != nil {
		t.Error(err)
	}
}

// TestStrangersKeepNoPeerOut: connections that never come to the end of their handshake make place, the oldest first.
func TestStrangersKeepNoPeerOut(t *testing.T) {
	const most = 4
	a, _, _ := newTCP(t, 1, nil)
	b, got, _ := newTCP(t, 2, func(c *TCPConfig) { c.MaxStrangers, c.DialTimeout = most, time.Hour })
	var first net.Conn
	for range most {
		c, err := net.Dial("tcp", b.cfg.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if first == nil {
			first = c
		}
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		n := len(b.strangers)
		b.mu.Unlock()
		if n == most {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d strangers", n)
		}
	}
	know(a, b)
	resend(t, a, got, consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 1})
	if err := first.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest stranger stays: %v", err)
	}
}
