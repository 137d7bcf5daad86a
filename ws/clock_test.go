package ws

import (
	"math"
	"net"
	"testing"
	"time"
)

// TestClockGoesRound: ticks are compared where their 32 bits begin anew, and none of them
// is taken for nowhere.
func TestClockGoesRound(t *testing.T) {
	for when := int64(math.MaxUint32) - 3; when < math.MaxUint32+4; when++ {
		var k clock
		var n Conn
		k.insert(&n, when)
		if n.when == 0 || k.slot(&n).first != &n {
			t.Fatalf("at tick %d it stands nowhere", when)
		}
		if n.due(when-1) || n.due(when-maxWatch) {
			t.Errorf("due before tick %d", when)
		}
		if !n.due(when + 1) { // a tick late is allowed
			t.Errorf("not due at tick %d", when+1)
		}
		if k.remove(&n); n.when != 0 || k.members != 0 {
			t.Errorf("not removed: tick %d, %d members", n.when, k.members)
		}
	}
}

// letGo is a connection that notes when its goroutine is let go.
type letGo struct {
	net.Conn
	was bool
}

func (g *letGo) SetReadDeadline(t time.Time) error {
	g.was = t.Equal(longAgo)
	return nil
}

// TestPatience: a goroutine is let go after a quiet look. One that is needed again soon is
// kept for longer, and no longer once it was not.
func TestPatience(t *testing.T) {
	nc, set := new(letGo), new(settings)
	if err := set.Limits.defaults(); err != nil {
		t.Fatal(err)
	}
	c := &Conn{nc: nc, set: set, parks: true, life: life{patience: 1}}
	c.handler.Store(&Handler{})
	at := time.Duration(0)
	// woken returns after how many quiet looks a goroutine is let go that is woken after a time.
	woken := func(after time.Duration) (quiet int) {
		c.is.set(awake)
		c.is.set(stirred)
		at += after
		for c.look(at); !nc.was; c.look(at) {
			at += lookTick
			if quiet++; quiet > 2*maxPatience {
				t.Fatal("it is never let go")
			}
		}
		nc.was = false
		c.is.set(rested)
		c.is.clear(awake)
		return quiet
	}
	for i, c := range []struct {
		after time.Duration
		quiet int
	}{
		{0, 1}, {wakefulness / 2, 4}, {wakefulness / 2, 16}, {wakefulness / 2, maxPatience}, {wakefulness / 2, maxPatience},
		{wakefulness + lookTick, 1}, {0, 4},
	} {
		if got := woken(c.after); got != c.quiet {
			t.Errorf("%d: woken after %v it is let go after %d quiet looks, want %d", i, c.after, got, c.quiet)
		}
	}
	c.is.set(working) // nobody hears what comes meanwhile
	for range 3 {
		at += set.IdleTimeout
		c.look(at)
	}
	if c.is.has(dead) {
		t.Error("who works is taken for silent")
	}
}
