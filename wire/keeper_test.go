package wire

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A keeper that comes late looks at each connection once.
func TestLateKeeper(t *testing.T) {
	for patience := 1; patience <= maxPatience; patience++ {
		k, l := &keeper{}, &link{}
		l.phase.Store(phaseActive)
		l.patience = uint8(patience)
		k.enqueue(l, 0)
		done := make(chan struct{})
		go func() {
			k.lookAt(&k.ring[patience], keeperSlots) // its next slot is this one again
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			l.phase.Store(phaseClosed)
			<-done
			t.Fatalf("patience %d: it goes round and round while the connection is active", patience)
		}
		if k.ringed != 1 || l.list != &k.ring[patience] {
			t.Errorf("patience %d: the connection is not in the ring any more", patience)
		}
	}
}

// The keeper may find a connection idle, and learn only when that has been busy and rests
// in its goroutine that it was: it puts it back among those to be looked at then. It has
// to rest again and not to end.
func TestLateKeeperFindsAtRest(t *testing.T) {
	s, err := NewServer(Config{Handler: func(w *Response, _ *Request) error { return w.Send(200, "text/plain", []byte("x")) }, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	nc, server := net.Pipe()
	defer nc.Close()
	s.ServeConn(server)
	br := bufio.NewReader(nc)
	l := s.links[0]
	resting := func() bool {
		s.keeper.mu.Lock()
		defer s.keeper.mu.Unlock()
		return l.list == &s.keeper.resting
	}
	for i := range 3 {
		if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\n\r\n"); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		r, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != "x" {
			t.Fatalf("request %d: %q, %v", i, b, err)
		}
		eventually(t, "the connection rests", resting)
		s.keeper.add(l) // as sweep does, late
		eventually(t, "the connection rests again, or has ended", func() bool { return resting() || l.is(phaseClosed) })
	}
}
