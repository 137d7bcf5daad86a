package wire

import (
	"context"
	"sync"
	"time"
)

// poolKey names the connections that can carry the same requests.
type poolKey struct {
	secure     bool
	host, port string
	proxy      string // of a plain request through a proxy all of these but proxy are empty
}

// pool keeps the idle connections of a client, the last used on top, and counts all that
// are open. Nobody waits inside it but in take; idle connections have no goroutine.
type pool struct {
	maxHost, maxAll, maxWaiting int
	idleFor                     time.Duration

	mu      sync.Mutex // protects what follows
	hosts   map[poolKey]*poolHost
	open    int // connections with a slot: idle, in use or being dialled; <= maxAll
	idle    int
	waiting int         // <= maxWaiting
	timer   *time.Timer // closes connections that were idle for too long; nil when none is
	closed  bool
}

type poolHost struct {
	open    int           // <= maxHost
	idle    []*clientConn // by the time they became idle, oldest first
	waiting []*poolWaiter // first come, first served
}

// poolWaiter waits for a connection, or for a slot to dial one: nil on the channel.
type poolWaiter struct {
	fresh bool // wants no connection that was used before
	got   chan *clientConn
}

// take returns an idle connection, or nil with a slot to dial a new one. Whoever takes
// gives back: with put, or free when the connection is closed. fresh asks for a slot.
func (p *pool) take(ctx context.Context, key poolKey, fresh bool) (*clientConn, error) {
	for {
		cc, w, evicted, err := p.tryTake(key, fresh)
		if evicted != nil {
			evicted.closeQuietly()
		}
		if w != nil {
			cc, err = p.wait(ctx, key, w)
		}
		if err != nil || cc == nil || cc.usable() {
			return cc, err
		}
		cc.closeQuietly()
		p.free(key)
	}
}

// tryTake is take without waiting: it returns a waiter that stands in line when there
// is neither connection nor slot. An idle connection that had to make room is returned
// to be closed.
func (p *pool) tryTake(key poolKey, fresh bool) (cc *clientConn, w *poolWaiter, evicted *clientConn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, nil, ErrClientClosed
	}
	h := p.hosts[key]
	if h == nil {
		h = &poolHost{}
		p.hosts[key] = h
	}
	if n := len(h.idle); n > 0 && !fresh {
		cc, h.idle[n-1] = h.idle[n-1], nil
		h.idle = h.idle[:n-1]
		p.idle--
		return cc, nil, nil, nil
	}
	switch {
	case h.open < p.maxHost && p.open < p.maxAll:
	case len(h.idle) > 0: // fresh, and at a limit: one of its own makes room
		evicted = p.drop(h, 0)
	case h.open < p.maxHost && p.idle > 0:
		evicted = p.evict()
	default:
		if p.waiting >= p.maxWaiting {
			p.forget(key, h)
			return nil, nil, nil, ErrPoolFull
		}
		w = &poolWaiter{fresh, make(chan *clientConn, 1)}
		h.waiting = append(h.waiting, w)
		p.waiting++
		return nil, w, nil, nil
	}
	h.open++
	p.open++
	return nil, nil, evicted, nil
}

// drop takes an idle connection of h, and its slot, out of the pool.
func (p *pool) drop(h *poolHost, i int) *clientConn {
	cc := h.idle[i]
	h.idle = append(h.idle[:i], h.idle[i+1:]...)
	h.open--
	p.open--
	p.idle--
	return cc
}

// evict drops the connection that was idle for the longest time.
func (p *pool) evict() *clientConn {
	var oldest *clientConn
	for _, h := range p.hosts {
		if len(h.idle) > 0 && (oldest == nil || h.idle[0].idleSince.Before(oldest.idleSince)) {
			oldest = h.idle[0]
		}
	}
	h := p.hosts[oldest.key]
	p.drop(h, 0)
	p.forget(oldest.key, h)
	return oldest
}

func (p *pool) wait(ctx context.Context, key poolKey, w *poolWaiter) (*clientConn, error) {
	select {
	case cc, ok := <-w.got:
		if !ok {
			return nil, ErrClientClosed
		}
		return cc, nil
	case <-ctx.Done():
	}
	if p.leave(key, w) {
		return nil, ended(ctx)
	}
	// It was served in the meantime: what it got goes back.
	if cc, ok := <-w.got; ok && cc != nil {
		p.put(cc)
	} else if ok {
		p.free(key)
	}
	return nil, ended(ctx)
}

// leave takes a waiter out of the line; false when it is not in it any more.
func (p *pool) leave(key poolKey, w *poolWaiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[key]
	if h == nil {
		return false
	}
	for i, o := range h.waiting {
		if o == w {
			h.waiting = append(h.waiting[:i], h.waiting[i+1:]...)
			p.waiting--
			p.forget(key, h)
			return true
		}
	}
	return false
}

// put gives back a connection that can carry another request.
func (p *pool) put(cc *clientConn) {
	cc.idleSince = time.Now()
	p.mu.Lock()
	h := p.hosts[cc.key]
	switch {
	case p.closed:
		p.mu.Unlock()
		cc.closeQuietly()
		p.free(cc.key)
		return
	case len(h.waiting) > 0 && !h.waiting[0].fresh:
		p.first(h).got <- cc
	case len(h.waiting) > 0: // it wants a new one: the slot is what it gets
		w := p.first(h)
		p.mu.Unlock()
		cc.closeQuietly()
		w.got <- nil
		return
	case p.waiting > 0 && p.open >= p.maxAll: // another host waits for room
		p.mu.Unlock()
		cc.closeQuietly()
		p.free(cc.key)
		return
	default:
		h.idle = append(h.idle, cc)
		if p.idle++; p.timer == nil {
			p.timer = time.AfterFunc(p.idleFor, p.sweep)
		}
	}
	p.mu.Unlock()
}

// first takes the head of the line.
func (p *pool) first(h *poolHost) *poolWaiter {
	w := h.waiting[0]
	h.waiting[0] = nil
	h.waiting = h.waiting[1:]
	p.waiting--
	return w
}

// free gives back the slot of a connection that was closed or never made.
func (p *pool) free(key poolKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[key]
	h.open--
	p.open--
	switch {
	case len(h.waiting) > 0:
		p.grant(h)
	case p.waiting > 0:
		for _, o := range p.hosts {
			if len(o.waiting) > 0 && o.open < p.maxHost {
				p.grant(o)
				break
			}
		}
	}
	p.forget(key, h)
}

func (p *pool) grant(h *poolHost) {
	h.open++
	p.open++
	p.first(h).got <- nil
}

// forget removes a host with nothing to remember.
func (p *pool) forget(key poolKey, h *poolHost) {
	if h.open == 0 && len(h.waiting) == 0 {
		delete(p.hosts, key)
	}
}

// sweep closes the connections that were idle for too long.
func (p *pool) sweep() {
	var old []*clientConn
	p.mu.Lock()
	now := time.Now()
	var next time.Duration
	for key, h := range p.hosts {
		for len(h.idle) > 0 {
			left := p.idleFor - now.Sub(h.idle[0].idleSince)
			if left > 0 {
				if next == 0 || left < next {
					next = left
				}
				break
			}
			old = append(old, p.drop(h, 0))
		}
		p.forget(key, h)
	}
	if p.timer = nil; next > 0 && !p.closed {
		p.timer = time.AfterFunc(next, p.sweep)
	}
	p.mu.Unlock()
	for _, cc := range old {
		cc.closeQuietly()
	}
}

// closeIdle closes the idle connections; final says that nothing is served any more.
func (p *pool) closeIdle(final bool) {
	var old []*clientConn
	p.mu.Lock()
	for key, h := range p.hosts {
		for len(h.idle) > 0 {
			old = append(old, p.drop(h, len(h.idle)-1))
		}
		if final {
			for len(h.waiting) > 0 {
				close(p.first(h).got)
			}
		}
		p.forget(key, h)
	}
	p.closed = p.closed || final
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.mu.Unlock()
	for _, cc := range old {
		cc.closeQuietly()
	}
}

// counts returns the open connections and how many of them are idle.
func (p *pool) counts() (open, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, p.idle
}
