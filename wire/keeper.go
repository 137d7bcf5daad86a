package wire

import (
	"sync"
	"time"
)

// keeper keeps the time for the connections of a server, so that none needs a timer of
// its own and a busy one touches none at all. Connections with a goroutine stand in a
// ring of slots, one per tick; when a slot's time comes, each of its connections is
// looked at: those that are quiet are told to rest, the others go into a later slot.
// Resting connections stand in a queue, the longest resting first, and are closed when
// IdleTimeout is over. Without connections no timer runs.
type keeper struct {
	idle time.Duration // IdleTimeout

	mu      sync.Mutex
	origin  time.Time // of ticks
	at      int64     // the last tick that was looked at
	ring    [keeperSlots]linkList
	ringed  int // connections in the ring
	resting linkList
	timer   *time.Timer
	due     int64 // tick the timer will fire at; 0: not armed
	stopped bool
	quiet   []*link   // scratch of sweep
	expired []resting // scratch of sweep
}

const (
	keeperTick  = 5 * time.Millisecond
	keeperSlots = 64               // ticks; a power of two
	maxPatience = keeperSlots - 14 // ticks: how long the busiest is let be
	wakefulness = time.Second      // who is woken before that was sent to rest too early
)

// kept is a connection's place with the keeper, under the keeper's lock.
type kept struct {
	prev, next *link
	list       *linkList // nil: nowhere
	patience   uint8     // ticks from one look to the next
	seen       uint32    // turns at the last look
	since      int64     // tick at which it began to rest
	ticket     ticket    // under which it is parked; zero for one that rests in a goroutine
}

// resting is a connection that rests, as it was at a moment.
type resting struct {
	l *link
	t ticket
}

// linkList is a doubly linked list.
type linkList struct{ first, last *link }

func (q *linkList) push(l *link) {
	l.list, l.prev, l.next = q, q.last, nil
	if q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
}

func (q *linkList) remove(l *link) {
	if l.prev == nil {
		q.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		q.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.list, l.prev, l.next = nil, nil, nil
}

func (k *keeper) now() int64 { return int64(time.Since(k.origin) / keeperTick) }

// add puts a connection that has a goroutine into the ring. One that was woken soon
// after it had been sent to rest is given more patience. One request is expected from
// it: when nothing follows, it may rest at the first look.
func (k *keeper) add(l *link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil {
		k.origin = time.Now()
		k.timer = time.AfterFunc(time.Hour, k.sweep)
	}
	now := k.now()
	if k.ringed == 0 {
		k.at = now
	}
	k.drop(l)
	switch {
	case l.since > 0 && (now-l.since)*int64(keeperTick) < int64(wakefulness):
		l.patience = min(4*l.patience, maxPatience)
	default:
		l.patience = 1
	}
	l.since = 0
	l.seen = l.phase.Load()>>phaseBits + 1
	k.enqueue(l, now)
	k.arm(now)
}

func (k *keeper) enqueue(l *link, now int64) {
	k.ring[(now+int64(l.patience))%keeperSlots].push(l)
	k.ringed++
}

// rest puts a connection into the queue of those that rest, parked under a ticket or in
// a goroutine.
func (k *keeper) rest(l *link, t ticket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(l)
	now := k.now()
	l.since, l.ticket = max(now, 1), t
	k.resting.push(l)
	k.arm(now)
}

// ticketOf returns the ticket of a connection that is parked, or was.
func (k *keeper) ticketOf(l *link) ticket {
	k.mu.Lock()
	defer k.mu.Unlock()
	return l.ticket
}

// remove forgets a connection.
func (k *keeper) remove(l *link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(l)
}

func (k *keeper) drop(l *link) {
	if l.list == nil {
		return
	}
	if l.list != &k.resting {
		k.ringed--
	}
	l.list.remove(l)
}

// arm sets the timer to when there is something to do.
func (k *keeper) arm(now int64) {
	due := int64(0)
	switch {
	case k.stopped:
	case k.ringed > 0:
		due = now + 1
	case k.resting.first != nil:
		due = max(k.expiry(k.resting.first), now+1)
	}
	if due == 0 || k.due != 0 && k.due <= due {
		return
	}
	k.due = due
	k.timer.Reset(time.Until(k.origin.Add(time.Duration(due) * keeperTick)))
}

func (k *keeper) expiry(l *link) int64 { return l.since + int64((k.idle+keeperTick-1)/keeperTick) }

// sweep is the timer's function.
func (k *keeper) sweep() {
	k.mu.Lock()
	now := k.now()
	for t := max(k.at+1, now-keeperSlots+1); t <= now; t++ {
		k.lookAt(&k.ring[t%keeperSlots], now)
	}
	k.at = now
	for l := k.resting.first; l != nil && k.expiry(l) <= now; l = k.resting.first {
		k.drop(l)
		k.expired = append(k.expired, resting{l, l.ticket})
	}
	quiet, expired := k.quiet, k.expired
	k.quiet, k.expired = nil, nil // nobody else may use them meanwhile
	k.mu.Unlock()

	for _, l := range quiet {
		if !l.interrupt(causeRest) {
			k.add(l) // it became busy
		}
	}
	for _, r := range expired {
		r.l.expire(r.t)
	}
	clear(quiet)
	clear(expired)

	k.mu.Lock()
	k.quiet, k.expired = quiet[:0], expired[:0]
	k.due = 0
	k.arm(k.now())
	k.mu.Unlock()
}

// lookAt looks at the connections of a slot once: they rest or go into later slots. When
// the time is late, a later slot can be the same one again: what is put there now stands
// behind last.
func (k *keeper) lookAt(slot *linkList, now int64) {
	last := slot.last
	for l, next := slot.first, (*link)(nil); l != nil; l = next {
		if next = l.next; l == last {
			next = nil
		}
		k.drop(l)
		p := l.phase.Load()
		turns := p >> phaseBits
		switch p & phaseMask {
		case phaseClosed:
		case phaseIdle:
			if int32(turns-l.seen) <= 0 {
				k.quiet = append(k.quiet, l)
				break
			}
			l.patience = min(2*l.patience, maxPatience)
			fallthrough
		default:
			l.seen = turns
			k.enqueue(l, now)
		}
	}
}

// stop ends the timer for good.
func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}
