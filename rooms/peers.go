package rooms

import (
	"hash/fnv"
	"slices"
)

// Each pair of nodes numbers its messages (Link), and beats when there is nothing else to
// say. So whoever misses one knows it within a beat, whatever the network did: it asks for all
// again, once for any number of losses. What is older than the newest is dropped. A node that was
// started again has a greater epoch, and with the first word of it all of the old one is gone.

// peer is another node of the cluster.
type peer struct {
	id     NodeID
	epoch  uint64 // the greatest known; 0: none yet
	got    uint64 // Link of the newest message
	heard  int64
	broken bool // its connections have ended since
	up     bool

	sent   uint64 // Link of the last message to it
	sentAt int64

	resync   bool // it has something that this node missed
	resynced int64
	whole    bool                         // entries are all that it has
	entries  map[string]map[ConnID]*Entry // its presence, by room
}

// Members says which nodes the cluster has; this one among them or not.
func (c *Core) Members(now int64, ids []NodeID) {
	c.now = now
	changed := false
	for _, id := range ids {
		if id == c.self || c.peers[id] != nil {
			continue
		}
		c.peers[id] = &peer{id: id, sentAt: now - beatEvery, heard: now, up: true} // so that nobody owns what another does, before they have met
		c.ids = append(c.ids, id)
		changed = true
	}
	slices.Sort(c.ids)
	c.ids = slices.DeleteFunc(c.ids, func(id NodeID) bool {
		if slices.Contains(ids, id) {
			return false
		}
		c.forget(c.peers[id])
		changed = changed || c.peers[id].up
		delete(c.peers, id)
		return true
	})
	if changed {
		c.viewChanged()
	}
}

// Lost tells that the connections of a peer have ended: it is down soon, if it does not come back.
func (c *Core) Lost(now int64, id NodeID) {
	c.now = now
	if p := c.peers[id]; p != nil && p.up {
		p.broken = true
	}
}

// Receive takes in a message of a peer. It may keep m.
func (c *Core) Receive(now int64, from NodeID, m *Message) {
	c.now = now
	p := c.peers[from]
	switch {
	case p == nil:
		return
	case m.Kind == KindStale:
		c.renew(m.Number)
		return
	case m.Epoch < p.epoch:
		c.send(p, Message{Kind: KindStale, Number: p.epoch})
		return
	case m.Epoch > p.epoch:
		c.forget(p)
		p.epoch, p.resync = m.Epoch, true
	case m.Link <= p.got:
		return
	case m.Link != p.got+1:
		p.resync = true
		p.whole = false
	}
	p.got, p.heard, p.broken = m.Link, now, false
	if !p.up {
		p.up, p.resync = true, true
		c.viewChanged()
	}
	c.dispatch(p, m)
}

func (c *Core) dispatch(p *peer, m *Message) {
	switch m.Kind {
	case KindResync:
		c.sendFull(p)
		c.reattach(p.id)
	case KindFull:
		c.takeFull(p, m.Entries)
	case KindDelta:
		c.takeDelta(p, m.Entries)
	case KindAttach:
		c.takeAttach(p, m)
	case KindAttached:
		c.takeAttached(p.id, m)
	case KindRefuse:
		c.takeRefuse(p.id, m)
	case KindDetach:
		c.takeDetach(p.id, m.Room)
	case KindPublish:
		c.takePublish(p, m)
	case KindDeliver:
		c.takeDeliver(p.id, m)
	case KindDirect:
		c.takeDirect(m)
	}
}

// renew takes a greater epoch: a peer remembers one of this node's that is no smaller, so a clock was
// put back between two starts.
func (c *Core) renew(known uint64) {
	if known <= c.epoch { // what the node said in an earlier life came late
		return
	}
	c.epoch = known + 1 + mix(c.cfg.Epoch)>>44 // not what an earlier life came to in the same way
	for _, name := range c.names() {
		for i := range c.rooms[name].out {
			c.rooms[name].out[i].item.Epoch = c.epoch
		}
	}
	for _, id := range c.ids {
		c.send(c.peers[id], Message{Kind: KindBeat})
		c.reattach(id)
	}
}

// forget drops all that a peer had: it is down, or another one now.
func (c *Core) forget(p *peer) {
	p.whole = false
	for _, room := range sortedRooms(p.entries) {
		for _, id := range sortedConns(p.entries[room]) {
			c.removeDevice(room, Device{Node: p.id, Conn: id}, p.entries[room][id].User)
		}
	}
	p.entries = nil
	for _, name := range c.names() {
		c.takeDetach(p.id, name)
	}
}

// tendPeers sends beats and asks for what was missed, and finds out who is down.
func (c *Core) tendPeers() {
	changed := false
	for _, id := range c.ids {
		p := c.peers[id]
		silence := c.now - p.heard
		if p.up && (silence > peerTimeout || p.broken && silence > lostTimeout) {
			p.up, changed = false, true
			c.forget(p)
		}
		if p.up && (p.resync || !p.whole) && c.now-p.resynced >= resyncEvery {
			p.resync, p.resynced = false, c.now
			c.send(p, Message{Kind: KindResync})
			c.reattach(p.id)
		}
		if c.now-p.sentAt >= beatEvery {
			c.send(p, Message{Kind: KindBeat})
		}
	}
	if changed {
		c.viewChanged()
	}
}

// viewChanged makes the list of who is alive anew, and rooms follow their owners.
func (c *Core) viewChanged() {
	c.alive = append(c.alive[:0:0], c.self)
	for _, id := range c.ids {
		if c.peers[id].up {
			c.alive = append(c.alive, id)
		}
	}
	slices.Sort(c.alive)
	for _, name := range c.names() {
		c.follow(c.rooms[name])
	}
}

// ownerOf returns who orders a room: the node with the greatest hash of its own and the room's name
// (rendezvous hashing), so that a node that comes or goes moves its own rooms alone.
func (c *Core) ownerOf(room string) (best NodeID) {
	if len(c.alive) == 1 {
		return c.self
	}
	h := fnv.New64a()
	h.Write([]byte(room)) // a hash never fails
	name, most := h.Sum64(), uint64(0)
	for _, id := range c.alive {
		if v := mix(name ^ mix(uint64(id))); best == 0 || v > most {
			best, most = id, v
		}
	}
	return best
}

// mix is the finalizer of splitmix64: each bit of x moves about half of the result's.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
