package ws

import (
	"sync"
	"time"
)

// clock keeps the time of all connections, so that none needs a timer of its own and a
// busy one reads no clock: in a ring of slots, each connection stands where it is to be
// looked at next. Without connections no timer runs.
type clock struct {
	mu      sync.Mutex
	origin  time.Time
	at      int64 // the last tick that was looked at
	slots   [clockSlots]ring
	members int
	timer   *time.Timer
	busy    bool    // sweep is at work, and will see to the timer
	due     []*Conn // scratch of sweep
}

const (
	clockTick  = 25 * time.Millisecond
	clockSlots = 1024    // ticks; a power of two: half a minute
	maxWatch   = 1 << 30 // ticks, ten months: ticks are compared where they go round
)

// theClock serves everything: a second one would only tick beside it.
var theClock = &clock{origin: time.Now()}

// ring is a doubly linked list; its nodes are connections.
type ring struct{ first *Conn }

func (c *clock) now() int64 { return int64(time.Since(c.origin) / clockTick) }

func ticks(d time.Duration) int64 { return max(int64((d+clockTick-1)/clockTick), 1) }

// due says whether a connection is to be looked at by then.
func (n *Conn) due(tick int64) bool { return int32(n.when-uint32(tick)) <= 0 }

// watch has a connection looked at after a time. One that is watched already is looked at
// at the earlier time.
func (c *clock) watch(n *Conn, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	when := now + min(ticks(after), maxWatch)
	if n.when != 0 {
		if n.due(when) {
			return
		}
		c.remove(n)
	}
	if c.members == 0 && !c.busy {
		c.at = now
		c.arm()
	}
	c.insert(n, when)
}

func (c *clock) arm() {
	if c.timer == nil {
		c.timer = time.AfterFunc(clockTick, c.sweep)
		return
	}
	c.timer.Reset(clockTick)
}

func (c *clock) insert(n *Conn, when int64) {
	if uint32(when) == 0 {
		when++ // as 0 says nowhere
	}
	n.when = uint32(when)
	s := c.slot(n)
	n.prev, n.next = nil, s.first
	if s.first != nil {
		s.first.prev = n
	}
	s.first = n
	c.members++
}

// slot is where a connection is that is looked at when its time has come.
func (c *clock) slot(n *Conn) *ring { return &c.slots[n.when%clockSlots] }

func (c *clock) remove(n *Conn) {
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		c.slot(n).first = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	n.prev, n.next, n.when = nil, nil, 0
	c.members--
}

// forget ends the watch over a connection.
func (c *clock) forget(n *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.when != 0 {
		c.remove(n)
	}
}

// sweep is the timer's function.
func (c *clock) sweep() {
	c.mu.Lock()
	now := c.now()
	due := c.due[:0]
	for t := max(c.at+1, now-clockSlots+1); t <= now; t++ {
		for n := c.slots[t%clockSlots].first; n != nil; {
			next := n.next
			if n.due(now) {
				c.remove(n)
				due = append(due, n)
			}
			n = next
		}
	}
	c.at, c.busy = now, true
	c.mu.Unlock()
	for _, n := range due {
		if after := n.look(time.Duration(now) * clockTick); after > 0 {
			c.watch(n, after)
		}
	}
	clear(due)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due, c.busy = due[:0], false
	if c.members > 0 {
		c.arm()
	}
}
