package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// TestPace: a connection that broke is followed by a bounded number of quick attempts.
func TestPace(t *testing.T) {
	p := pace{after: time.Hour}
	for range 2 {
		if d := p.next(); d != time.Hour {
			t.Errorf("before any connection: %v", d)
		}
		p.connected()
		for k := range quickAttempts {
			if d := p.next(); d != time.Millisecond {
				t.Errorf("attempt %d behind a connection: %v", k+1, d)
			}
		}
	}
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(p))
	return len(p), nil
}

// TestAnOutageIsToldOnce: attempts that fail for one reason are one line, though each has another port in its error; and
// another reason is another line.
func TestAnOutageIsToldOnce(t *testing.T) {
	out := &lines{}
	var dials atomic.Int64
	done := make(chan struct{})
	tr, _, _ := newTCP(t, 1, func(c *TCPConfig) {
		c.Logger = slog.New(slog.NewTextHandler(out, nil))
		c.RetryAfter = 50 * time.Microsecond
		c.Dial = func(context.Context, string) (net.Conn, error) {
			n := dials.Add(1)
			switch {
			case n == 100:
				close(done)
			case n > 100:
				return nil, errors.New("what follows does not count")
			}
			err := errors.New("it is reset")
			if n%10 == 0 {
				err = errors.New("no way leads there")
			}
			return nil, &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(40000 + n)}, Err: err}
		}
	})
	tr.Members(consensus.Membership{Members: []consensus.Member{{ID: 1, Role: consensus.Voter}, {ID: 2, Role: consensus.Voter, Address: "127.0.0.1:1"}}})
	<-done
	out.mu.Lock()
	defer out.mu.Unlock()
	resets, others := 0, 0
	for _, line := range out.all {
		switch {
		case strings.Contains(line, "it is reset"):
			resets++
		case strings.Contains(line, "no way leads"):
			others++
		}
	}
	if resets != 1 || others != 1 {
		t.Errorf("%d lines about resets and %d about routes:\n%s", resets, others, strings.Join(out.all, ""))
	}
}

// TestCausesAreBounded: an outage with ever other errors does not fill a disk.
func TestCausesAreBounded(t *testing.T) {
	c := causes{}
	told := 0
	for k := range 1000 {
		if c.add(errors.New(strings.Repeat("x", k))) {
			told++
		}
	}
	if told != maxCauses {
		t.Errorf("%d of 1000 are told", told)
	}
}

// TestARefusedNodeIsToldOfNowAndThen: who is refused and comes again and again is one line a minute, and others are told of; of many, some.
func TestARefusedNodeIsToldOfNowAndThen(t *testing.T) {
	out := &lines{}
	b, _, _ := newTCP(t, 2, func(c *TCPConfig) { c.Logger = slog.New(slog.NewTextHandler(out, nil)) })
	for id := range consensus.NodeID(2) {
		a, _, _ := newTCP(t, 3+id, func(c *TCPConfig) { c.Cluster = 43 })
		for range 20 {
			if _, err := a.DialAddress(t.Context(), b.cfg.Listener.Addr().String(), "any"); !errors.Is(err, ErrWrongCluster) {
				t.Fatal(err)
			}
		}
	}
	if err := b.Close(); err != nil { // waits for all of them
		t.Fatal(err)
	}
	if text := strings.Join(out.all, ""); strings.Count(text, ErrWrongCluster.Error()) != 2 {
		t.Errorf("told:\n%s", text)
	}
	e, now := ends{}, time.Now()
	for k := range 2 * maxEnds {
		if told := e.add(consensus.NodeID(k+1), ErrWrongCluster, now); told != (k < maxEnds) {
			t.Errorf("node %d: %v", k+1, told)
		}
	}
	if !e.add(1, ErrWrongCluster, now.Add(tellAgain)) || !e.add(1000, ErrWrongCluster, now.Add(tellAgain)) || e.add(1, ErrWrongCluster, now.Add(tellAgain+1)) {
		t.Error("a minute later they are told of once more")
	}
}
