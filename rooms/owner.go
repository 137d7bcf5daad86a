package rooms

import (
	"maps"
	"slices"
	"strings"
)

// A room's messages are numbered by one node, its owner. Nodes with members in the room attach to it
// and say what they have; from the answer on they get each item, and its number tells them whether one is
// missing. Where nodes do not agree about who is alive, for a moment or behind a partition, a room may have two
// owners: each has an order of its own, and clients see which one they get. Where they agree again, the
// older order ends.

// follow sees to it that a room is attached to its owner, or owned.
func (c *Core) follow(r *room) {
	owner := c.ownerOf(r.name)
	if owner == r.owner && (r.owns || r.ask != 0) {
		return
	}
	r.owner = owner
	if owner == c.self {
		c.takeOver(r)
		return
	}
	r.owns, r.readers, r.attached = false, nil, false
	c.attach(r)
}

// attach asks a room's owner for its items.
func (c *Core) attach(r *room) {
	c.asks++
	r.ask, r.asked, r.attached = c.asks, c.now, false
	c.unsettled[r] = true
	first := r.next + 1
	if len(r.out) > 0 {
		first = r.out[0].item.Number
	}
	if p := c.peers[r.owner]; p != nil {
		c.send(p, Message{Kind: KindAttach, Room: r.name, Ask: r.ask, Number: first, Order: r.order, N: r.n, Items: r.ring, Seen: slices.Clone(r.seen)})
	}
}

// reattach has all rooms of an owner ask again: it may have forgotten this node, or this
// node may have missed something.
func (c *Core) reattach(owner NodeID) {
	for _, name := range c.names() {
		if r := c.rooms[name]; !r.owns && r.owner == owner && c.ownerOf(name) == owner {
			c.attach(r)
		}
	}
}

// takeOver makes this node the owner of a room: its order begins.
func (c *Core) takeOver(r *room) {
	r.owns, r.attached, r.idle = true, true, c.now
	r.readers = nil
	delete(c.unsettled, r)
	before := r.order
	r.order = Order{c.newTerm(before.Term), c.self}
	if before.Term > 0 && len(r.members) > 0 {
		c.broadcast(r, epochFrame(r.name, r.order, r.n), SlowCut, "")
	}
	c.admit(r)
	c.orderOwn(r)
}

// newTerm returns a term above another, and above all that this node has begun. Where the other is ahead of its clock, an earlier
// life of this node may have come to the next one too, so it is not that.
func (c *Core) newTerm(above uint64) uint64 {
	if above >= c.terms {
		c.terms = above + mix(c.epoch)>>44
	}
	c.terms++
	return c.terms
}

// orderOwn orders what was sent here and has no number yet.
func (c *Core) orderOwn(r *room) {
	for len(r.out) > 0 {
		x := r.out[0].item
		if r.knows(&x) { // the owner before had ordered it
			c.answered(r, &Seen{x.Origin, x.Epoch, x.Number}, nil)
			continue
		}
		c.orderItem(r, x)
	}
}

// orderItem gives an item the next number and hands it on.
func (c *Core) orderItem(r *room, x Item) {
	x.Order, x.N, x.Time = r.order, r.n+1, c.now
	for i := range r.readers {
		if p := c.peers[r.readers[i].node]; p != nil {
			c.send(p, Message{Kind: KindDeliver, Room: r.name, Items: []Item{x}})
		}
	}
	r.idle = c.now
	c.advance(r, &x)
}

// takeAttach answers a node that wants a room's items.
func (c *Core) takeAttach(p *peer, m *Message) {
	r, err := c.ownedRoom(m.Room)
	if err != nil || r == nil {
		c.send(p, Message{Kind: KindRefuse, Room: m.Room, Ask: m.Ask})
		return
	}
	c.adopt(r, m)
	at := slices.IndexFunc(r.readers, func(x reader) bool { return x.node == p.id })
	if at < 0 {
		at = len(r.readers)
		r.readers = append(r.readers, reader{node: p.id})
	}
	r.readers[at].next = m.Number
	c.send(p, Message{Kind: KindAttached, Room: r.name, Ask: m.Ask, Order: r.order, N: r.n, Items: r.ring, Seen: slices.Clone(r.seen)})
}

// ownedRoom returns a room if this node is its owner; nil if not.
func (c *Core) ownedRoom(name string) (*room, *Error) {
	if c.ownerOf(name) != c.self {
		return nil, nil
	}
	r, err := c.enterRoom(name)
	if err == nil {
		c.follow(r)
	}
	return r, err
}

// adopt takes from a reader what other owners had ordered and nobody here has seen: it is ordered
// again, here. Where the reader knows of greater numbers, or of a greater order, an order of this node that goes on
// from there begins, and other readers ask again.
func (c *Core) adopt(r *room, m *Message) {
	if r.order.less(m.Order) || m.N > r.n {
		r.order.Term, r.n = c.newTerm(m.Order.Term), max(r.n, m.N)
		c.broadcast(r, epochFrame(r.name, r.order, r.n), SlowCut, "")
		for i := range r.readers {
			if p := c.peers[r.readers[i].node]; p != nil {
				c.send(p, Message{Kind: KindRefuse, Room: r.name})
			}
		}
		r.readers = nil
	}
	for i := range m.Items {
		if x := &m.Items[i]; !r.knows(x) {
			c.orderItem(r, *x)
		}
	}
	for i := range m.Seen {
		s := &m.Seen[i]
		r.saw(s.Origin, s.Epoch, s.Number)
		c.outlived(s)
	}
	c.orderOwn(r)
}

// outlived looks for an origin whose clock was put back between two starts: what it sends would be taken
// for what it sent before.
func (c *Core) outlived(s *Seen) {
	if s.Origin == c.self {
		if s.Epoch > c.epoch {
			c.renew(s.Epoch)
		}
	} else if p := c.peers[s.Origin]; p != nil && p.up && s.Epoch > p.epoch {
		c.send(p, Message{Kind: KindStale, Number: s.Epoch})
	}
}

// takeAttached takes in where a room stands.
func (c *Core) takeAttached(from NodeID, m *Message) {
	r := c.rooms[m.Room]
	switch {
	case r == nil:
		c.send(c.peers[from], Message{Kind: KindDetach, Room: m.Room})
		return
	case r.owns || r.owner != from || r.ask != m.Ask:
		return
	}
	known := r.order
	c.forgetHistory(r)
	for i := range m.Items {
		if x := &m.Items[i]; known.Term > 0 && !r.knows(x) { // where nothing is known, it is history
			c.advance(r, x)
		}
	}
	if r.opts.History > 0 {
		c.forgetHistory(r)
		for i := range m.Items {
			c.keep(r, &m.Items[i])
		}
	}
	r.order, r.n, r.attached = m.Order, m.N, true
	for i := range m.Seen {
		s := &m.Seen[i]
		r.saw(s.Origin, s.Epoch, s.Number)
		c.outlived(s)
		if s.Origin == c.self {
			c.answered(r, s, nil)
		}
	}
	if known.Term > 0 && known != m.Order {
		c.broadcast(r, epochFrame(r.name, r.order, r.n), SlowCut, "")
	}
	c.admit(r)
	for i := range r.out {
		c.send(c.peers[from], Message{Kind: KindPublish, Room: r.name, Items: []Item{r.out[i].item}})
	}
	c.settle(r)
}

// settle stops watching a room for which nothing is awaited.
func (c *Core) settle(r *room) {
	if (r.attached || r.owns) && len(r.out) == 0 {
		delete(c.unsettled, r)
		c.release(r)
	}
}

// takeRefuse: the node asked is not the owner, as it sees it, or the order has ended. It is asked
// again before long.
func (c *Core) takeRefuse(from NodeID, m *Message) {
	r := c.rooms[m.Room]
	if r == nil || r.owns || r.owner != from || m.Ask != 0 && m.Ask != r.ask {
		return
	}
	if m.Ask == 0 {
		c.attach(r)
		return
	}
	r.attached = false
	c.unsettled[r] = true
}

func (c *Core) takeDetach(from NodeID, name string) {
	r := c.rooms[name]
	if r == nil || !r.owns {
		return
	}
	r.readers = slices.DeleteFunc(r.readers, func(x reader) bool { return x.node == from })
	c.release(r)
}

// takePublish orders what another node sent, once and in its order.
func (c *Core) takePublish(p *peer, m *Message) {
	r, err := c.ownedRoom(m.Room)
	if err != nil || r == nil {
		c.send(p, Message{Kind: KindRefuse, Room: m.Room})
		return
	}
	at := slices.IndexFunc(r.readers, func(x reader) bool { return x.node == p.id })
	x := m.Items[0]
	switch {
	case at >= 0 && x.Number < r.readers[at].next:
		return // it was told by the answer to its attach
	case at < 0 || x.Number > r.readers[at].next:
		c.send(p, Message{Kind: KindRefuse, Room: m.Room}) // it attaches again, and sends all again
		return
	}
	r.readers[at].next++
	x.Origin = p.id
	if !r.knows(&x) {
		c.orderItem(r, x)
	}
}

// takeDeliver takes the next item in; one that is not the next shows that something was missed.
func (c *Core) takeDeliver(from NodeID, m *Message) {
	r := c.rooms[m.Room]
	if r == nil {
		c.send(c.peers[from], Message{Kind: KindDetach, Room: m.Room})
		return
	}
	x := &m.Items[0]
	switch {
	case r.owns || r.owner != from || !r.attached:
	case x.Order == r.order && x.N == r.n+1:
		c.advance(r, x)
		c.settle(r)
	case x.Order == r.order && x.N <= r.n:
	default:
		c.attach(r)
	}
}

// tendRooms has rooms that wait for their owner ask again, and ends what waited for too long.
func (c *Core) tendRooms() {
	list := slices.SortedFunc(maps.Keys(c.unsettled), func(a, b *room) int { return strings.Compare(a.name, b.name) })
	for _, r := range list {
		c.expire(r)
		if c.rooms[r.name] != r || r.owns {
			delete(c.unsettled, r)
			continue
		}
		if !r.attached && c.now-r.asked >= askEvery {
			c.attach(r)
		}
		c.settle(r)
	}
}

// expire answers what nobody will.
func (c *Core) expire(r *room) {
	for len(r.out) > 0 && c.now-r.out[0].at > answerLimit {
		p := r.out[0]
		if r.out = r.out[1:]; p.item.Conn != 0 && c.conns[p.item.Conn] != nil {
			c.reply(p.item.Conn, ErrorFrame(p.ref, r.name, ErrUnavailable))
		}
		r.attached = r.attached && r.owns // the numbers have a gap: say where they go on
	}
	if r.attached || r.owns {
		return
	}
	for i := len(r.members) - 1; i >= 0; i-- {
		if m := r.members[i]; m.pending && c.now-m.since > answerLimit {
			c.reply(m.conn.id, ErrorFrame(m.ref, r.name, ErrUnavailable))
			c.leave(m)
		}
	}
}
