package node

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// Group is the part of a [TCP] that belongs to one of several groups: a [Transport], and named
// streams of its own. Its messages travel with those of all other groups, on one connection
// to each peer and one for pieces of snapshots. The groups of a transport are of one cluster: its
// number, secret and certificates are theirs, and a node has the same id in all of them.
//
//	t, err := node.NewTCP(cfg)
//	g, err := t.Group(7)
//	n, err := node.Start(node.Config{Group: 7, Transport: g, ...}) // its own log, Dir and File
//	err = g.Serve(n.Receive, n.LeaderLost)
//	...
//	err = g.Leave() // then n.Close(); other groups do not notice
//
// Where there are several groups, each takes what has come by goroutines of its own, so that none
// waits for another's disk. All methods may be called by any goroutine.
type Group struct {
	t      *TCP
	number uint32
	in     inbox
	// The rest is guarded by t.mu.
	serves    bool
	gone      func(consensus.NodeID)
	peers     map[consensus.NodeID]*outgoing
	listeners map[string]*streamListener
	streams   int
	left      bool
	refusedBy map[consensus.NodeID]time.Time
}

func (t *TCP) newGroup(number uint32) *Group {
	g := &Group{t: t, number: number, peers: map[consensus.NodeID]*outgoing{}, listeners: map[string]*streamListener{}, refusedBy: map[consensus.NodeID]time.Time{}}
	g.in.t, g.in.group = t, number
	t.groups[number] = g
	return g
}

// Group returns the transport of one more group, from 1 on; the transport itself is that of group 0. A
// group may come at any time; messages for it are refused until its Serve is called.
//
// Errors: [ErrGroupTaken]; the transport is closed; the number is 0, or above 2^32-1.
func (t *TCP) Group(number uint64) (*Group, error) {
	if number == 0 || number > 1<<32-1 {
		return nil, fmt.Errorf("node: a group has a number from 1 to 2^32-1, not %d", number)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, net.ErrClosed
	case t.groups[uint32(number)] != nil:
		return nil, fmt.Errorf("%w: %d", ErrGroupTaken, number)
	}
	return t.newGroup(uint32(number)), nil
}

// group returns a group that is served; nil when it is not.
func (t *TCP) group(number uint64) *Group {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.groups[uint32(number)]; g != nil && g.serves {
		return g
	}
	return nil
}

// Serve has the group's messages given to receive, and gone told when the process of a peer
// is dead, see [Node.Receive] and [Node.LeaderLost]. It is called once.
func (g *Group) Serve(receive func(...consensus.Message), gone func(consensus.NodeID)) error {
	t := g.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || g.left {
		return net.ErrClosed
	}
	g.in.receive = receive
	if err := t.served.Join(uint64(g.number), g.in.take); err != nil {
		return err
	}
	g.serves, g.gone = true, gone
	return nil
}

// Leave ends the group's part in the transport: what comes for it from now on is refused, its
// listeners are closed, and connections that no other group needs as well. It may be called twice.
func (g *Group) Leave() error {
	t := g.t
	t.mu.Lock()
	if g.left {
		t.mu.Unlock()
		return nil
	}
	g.left = true
	delete(t.groups, g.number)
	t.served.Leave(uint64(g.number))
	for id, o := range g.peers {
		t.release(o)
		delete(g.peers, id)
	}
	var ls []*streamListener
	for _, l := range g.listeners {
		ls = append(ls, l)
	}
	t.mu.Unlock()
	for _, l := range ls {
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// place is where a peer is reached. Groups may for a while know different addresses of one.
type place struct {
	id      consensus.NodeID
	address string
}

// Members implements [Transport]: peers come and go with their addresses. Nobody is told by an
// empty membership: a node that waits to be taken in keeps whom it knows.
func (g *Group) Members(m consensus.Membership) {
	if len(m.Members) == 0 {
		return
	}
	t := g.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || g.left {
		return
	}
	old := g.peers
	g.peers = make(map[consensus.NodeID]*outgoing, len(m.Members))
	for _, x := range m.Members {
		if x.ID != t.cfg.ID && x.Address != "" && g.peers[x.ID] == nil {
			g.peers[x.ID] = t.acquire(place{x.ID, x.Address})
		}
	}
	for _, o := range old {
		t.release(o) // behind the others: who stays keeps its connection
	}
}

// acquire returns what leads to a peer, for one more group. t.mu is held.
func (t *TCP) acquire(at place) *outgoing {
	o := t.conns[at]
	if o == nil {
		ctx, stop := context.WithCancel(t.ctx)
		o = &outgoing{t: t, place: at, wake: make(chan struct{}, 1), stop: stop}
		o.chunks = &outgoing{t: t, place: at, stream: chunkStream, wake: make(chan struct{}, 1), stop: stop}
		t.conns[at] = o
		t.done.Add(2)
		go o.run(ctx)
		go o.chunks.run(ctx)
	}
	o.groups++
	return o
}

// release is the opposite. t.mu is held.
func (t *TCP) release(o *outgoing) {
	if o.groups--; o.groups == 0 {
		o.stop()
		delete(t.conns, o.place)
	}
}

// lost tells the groups that use a connection that the process of the peer is gone.
func (t *TCP) lost(o *outgoing) {
	var told []func(consensus.NodeID)
	t.mu.Lock()
	for _, g := range t.groups {
		if g.peers[o.id] == o && g.gone != nil {
			told = append(told, g.gone)
		}
	}
	t.mu.Unlock()
	for _, gone := range told {
		gone(o.id)
	}
}

// Send implements [Transport]. What the connection takes at once is written by the caller, which
// spares a switch to another goroutine; the rest waits for the peer's own.
func (g *Group) Send(messages []consensus.Message) {
	chunk := func(i int) bool { return messages[i].Kind == consensus.MsgChunk }
	for len(messages) > 0 {
		k := 1
		for k < len(messages) && messages[k].To == messages[0].To && chunk(k) == chunk(0) {
			k++
		}
		g.t.mu.Lock()
		o := g.peers[messages[0].To]
		g.t.mu.Unlock()
		switch {
		case o == nil:
		case chunk(0):
			o.chunks.put(messages[:k])
		default:
			o.put(messages[:k])
		}
		messages = messages[k:]
	}
}

// RefusedBy returns the members that have said within the last five seconds that they do not have this group.
func (g *Group) RefusedBy() (ids []consensus.NodeID) {
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	for id, at := range g.refusedBy {
		if time.Since(at) < 5*time.Second {
			ids = append(ids, id)
		}
	}
	return ids
}

// untilTick implements inStep: all groups tick together.
func (g *Group) untilTick(every time.Duration) time.Duration {
	return every - time.Since(g.t.began)%every
}
