package node

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

func silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newTCP(t *testing.T, id consensus.NodeID, change func(*TCPConfig)) (*TCP, chan consensus.Message, chan consensus.NodeID) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := TCPConfig{Listener: ln, ID: id, Cluster: 42, Secret: []byte("s"), RetryAfter: 5 * time.Millisecond, Logger: silent()}
	if change != nil {
		change(&cfg)
	}
	tr, err := NewTCP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	got, gone := make(chan consensus.Message, 1000), make(chan consensus.NodeID, 100)
	tr.Serve(func(list ...consensus.Message) {
		for _, m := range list {
			got <- m
		}
	}, func(id consensus.NodeID) { gone <- id })
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr, got, gone
}

func know(t *TCP, others ...*TCP) {
	var m consensus.Membership
	for _, o := range others {
		m.Members = append(m.Members, consensus.Member{ID: o.cfg.ID, Role: consensus.Voter, Address: o.cfg.Listener.Addr().String()})
	}
	t.Members(m)
}

// resend sends a message until it arrives: what is sent while nobody is connected is lost.
func resend(t *testing.T, tr *TCP, got chan consensus.Message, m consensus.Message) consensus.Message {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		tr.Send([]consensus.Message{m})
		select {
		case r := <-got:
			return r
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("nothing arrives")
	return m
}

// taken waits for what is to come on a channel.
func taken[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("never: a %T", v)
	}
	return v
}

func TestMessagesTravelInOrder(t *testing.T) {
	a, _, gone := newTCP(t, 1, nil)
	b, got, _ := newTCP(t, 2, nil)
	know(a, b)
	m := consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3}
	resend(t, a, got, m)
	for len(got) > 0 {
		<-got
	}
	const n = 500
	for i := range uint64(n) {
		m.Seq, m.Entries = 1000+i, []consensus.Entry{{Index: 1, Term: 3, Kind: consensus.FirstKind, Data: []byte(strings.Repeat("x", int(i)))}}
		a.Send([]consensus.Message{m})
	}
	for i := range uint64(n) {
		r := taken(t, got)
		for r.Seq < 1000 {
			r = taken(t, got) // one more of those above
		}
		if r.Seq != 1000+i || len(r.Entries[0].Data) != int(i) {
			t.Fatalf("message %d is number %d with %d bytes", i, r.Seq-1000, len(r.Entries[0].Data))
		}
	}
	// The other's process ends: its port refuses, and that is said.
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-gone:
		if id != 2 {
			t.Errorf("node %d is said to be gone", id)
		}
	case <-time.After(20 * time.Second):
		t.Error("nobody notices that node 2 is gone")
	}
}

// TestAPeerThatDoesNotReadGetsAllLater: what the socket has no room for waits, in order, whoever
// writes it, and nothing of it is cut.
func TestAPeerThatDoesNotReadGetsAllLater(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	b, got, _ := newTCP(t, 2, nil)
	know(a, b)
	m := consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3}
	resend(t, a, got, m)
	data := []byte(strings.Repeat("y", 12<<10))
	const n = 4000
	var waited int
	for i := range uint64(n) {
		m.Seq, m.Entries = 1000+i, []consensus.Entry{{Index: 1, Term: 3, Kind: consensus.FirstKind, Data: data}}
		a.Send([]consensus.Message{m})
		o := a.zero.peers[2]
		o.mu.Lock()
		waited = max(waited, len(o.queue))
		o.mu.Unlock()
	}
	for next := uint64(1000); next < 1000+n; {
		select {
		case r := <-got:
			if r.Seq == 0 {
				continue // of resend
			}
			if r.Seq != next || len(r.Entries) != 1 || len(r.Entries[0].Data) != len(data) {
				t.Fatalf("got %d with %d entries, want %d", r.Seq, len(r.Entries), next)
			}
			next++
		case <-time.After(20 * time.Second):
			t.Fatalf("message %d does not come", next)
		}
	}
	if waited == 0 {
		t.Error("nothing had to wait: the test shows nothing")
	}
	t.Logf("up to %d messages waited", waited)
}

// TestAReceiverThatWaitsDelaysNobody: while what a connection brought is waited for, as for a slow
// disk, the rest of it is heard, and behind that the order is as before.
func TestAReceiverThatWaitsDelaysNobody(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewTCP(TCPConfig{Listener: ln, ID: 2, Cluster: 42, Secret: []byte("s"), Logger: silent()})
	if err != nil {
		t.Fatal(err)
	}
	got, disk := make(chan consensus.Message, 1000), make(chan struct{})
	b.Serve(func(list ...consensus.Message) {
		for _, m := range list {
			got <- m
			if m.Commit == 1 {
				<-disk
			}
		}
	}, func(consensus.NodeID) {})
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	know(a, b)
	m := consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 3}
	resend(t, a, got, m)
	next := func(seq, commit uint64) {
		t.Helper()
		m.Seq, m.Commit = seq, commit
		a.Send([]consensus.Message{m})
		for {
			select {
			case r := <-got:
				if r.Seq == 0 {
					continue // of resend
				}
				if r.Seq != seq {
					t.Fatalf("got %d, want %d", r.Seq, seq)
				}
				return
			case <-time.After(20 * time.Second):
				t.Fatalf("message %d is not heard", seq)
			}
		}
	}
	seq := uint64(1)
	for range 3 { // each has its reader wait, and another one read on
		next(seq, 1)
		next(seq+1, 0)
		seq += 2
	}
	close(disk)
	for range 100 {
		next(seq, 0)
		seq++
	}
}

func TestStrangersAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*TCPConfig)
		to     consensus.NodeID
		want   error
	}{
		{"another cluster", func(c *TCPConfig) { c.Cluster = 43 }, 2, ErrWrongCluster},
		{"another node", nil, 3, ErrWrongNode},
		{"itself", func(c *TCPConfig) { c.ID = 2 }, 2, ErrWrongNode},
		{"another secret", func(c *TCPConfig) { c.Secret = []byte("t") }, 2, ErrWrongSecret},
	} {
		b, got, _ := newTCP(t, 2, nil)
		a, _, _ := newTCP(t, 1, c.change)
		conn, err := net.Dial("tcp", b.cfg.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.greet(conn, c.to, streamKey{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if len(got) > 0 {
			t.Errorf("%s: a message came through", c.name)
		}
	}
	b, _, _ := newTCP(t, 2, nil)
	a, _, _ := newTCP(t, 2, nil)
	if _, err := a.DialAddress(t.Context(), b.cfg.Listener.Addr().String(), "any"); !errors.Is(err, ErrWrongNode) || !strings.Contains(err.Error(), "has the number of this node, 2") {
		t.Errorf("a number that is given twice: %v", err)
	}
}

func TestGarbageEndsTheConnection(t *testing.T) {
	b, got, _ := newTCP(t, 2, func(c *TCPConfig) { c.MaxFrameBytes = 1000 })
	a, _, _ := newTCP(t, 1, nil)
	m := consensus.Message{Kind: consensus.MsgVote, From: 1, To: 2, Term: 3}
	whole := appendFrame(nil, &m)
	bad := append([]byte(nil), whole...)
	bad[12] ^= 1
	other := m
	other.From = 3
	for name, bytes := range map[string][]byte{
		"no handshake": []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nand more than a hello holds, so that it is read to its end"), "wrong sum": bad,
		"too long": {0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0}, "not a message": {3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3}, "of another node": appendFrame(nil, &other),
	} {
		conn, err := net.Dial("tcp", b.cfg.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if name != "no handshake" {
			if _, err := a.greet(conn, 2, streamKey{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Write(bytes); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n > 0 || errors.Is(err, error(nil)) || isTimeout(err) {
			t.Errorf("%s: the connection goes on: %d, %v", name, n, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(got) > 0 {
		t.Errorf("a message came through: %+v", <-got)
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func TestPeersOffLoopbackNeedASecret(t *testing.T) {
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Skip(err)
	}
	if _, err := NewTCP(TCPConfig{Listener: ln, ID: 1, Cluster: 1}); err == nil {
		t.Error("peers from anywhere are taken without a secret")
	}
	if _, err := NewTCP(TCPConfig{Listener: ln, ID: 1, Cluster: 1, Secret: []byte("s")}); err == nil {
		t.Error("peers from anywhere are taken without TLS")
	}
	if _, err := NewTCP(TCPConfig{Listener: ln, ID: 1, Cluster: 1, Insecure: true}); err != nil {
		t.Error(err)
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
}

// Whoever watches the readers of connections finds one on each that it knows, also on one that has just begun.
func TestConnectionsBeginUnderWatch(t *testing.T) {
	tr, _, _ := newTCP(t, 1, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			mine, theirs := net.Pipe()
			_ = theirs.Close()
			_ = tr.read(mine, nil, 2, newestVersion)
		}
	}()
	for looks := 0; ; looks++ {
		select {
		case <-done:
			t.Logf("looked %d times", looks)
			return
		default:
			tr.look()
		}
	}
}
