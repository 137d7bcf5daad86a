package node

import (
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// quick reads whether the system acknowledges at once on a connection, after set.
func quick(t *testing.T, a *acks, set bool) (at bool) {
	t.Helper()
	var failed error
	if err := a.raw.Control(func(fd uintptr) {
		if set {
			failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
			return
		}
		var v int
		v, failed = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK)
		at = v != 0
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return at
}

// TestAcks: a connection that brings messages has their acknowledgments delayed, also when the system had gone
// back to sending them at once.
func TestAcks(t *testing.T) {
	a, _, _ := newTCP(t, 1, nil)
	b, got, _ := newTCP(t, 2, nil)
	know(a, b)
	m := consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2, Term: 1}
	resend(t, a, got, m)
	var in *incoming
	b.mu.Lock()
	for x := range b.reading {
		in = x
	}
	b.mu.Unlock()
	quick(t, in.acks, true)
	if !quick(t, in.acks, false) {
		t.Fatal("the system does not say that it acknowledges at once")
	}
	for end := time.Now().Add(20 * time.Second); quick(t, in.acks, false); {
		if time.Now().After(end) {
			t.Fatal("each message is acknowledged at once")
		}
		resend(t, a, got, m)
	}
}
