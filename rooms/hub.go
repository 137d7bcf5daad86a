package rooms

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sink is the connections of this node's clients. Its methods are called under the Hub's lock, one at a
// time, and wait for nobody.
type Sink interface {
	// Prepare makes of a frame's JSON what Send takes, once for all connections.
	Prepare(data []byte) any
	// Send queues a prepared frame; false where the connection takes no more, or is gone.
	Send(conn ConnID, prepared any) bool
	// Cut ends a connection that does not take what it must not miss.
	Cut(conn ConnID)
}

// Mesh is how to reach other nodes. Its methods are safe for concurrent use.
type Mesh interface {
	// Nodes returns the members of the cluster.
	Nodes() []NodeID
	// Dial opens a stream to a member, whose other end comes to Hub.Serve there.
	Dial(ctx context.Context, to NodeID) (net.Conn, error)
}

// HubConfig says what a Hub is. Core.Self, Core.Epoch, Core.Options and Sink are required.
type HubConfig struct {
	Core   CoreConfig
	Sink   Sink
	Mesh   Mesh         // nil: the node is alone
	Logger *slog.Logger // default slog.Default()
}

// Bounds of what waits in a Hub.
const (
	maxLinkBytes = 16 << 20  // for one peer; what comes behind that is dropped, which the peer finds out
	pieceBytes   = 256 << 10 // written under one deadline
	maxLate      = 256       // coalesced frames of one connection; then the oldest goes
	tickEvery    = 50 * time.Millisecond
	redialAfter  = 100 * time.Millisecond
	dialTimeout  = 2 * time.Second
)

// Hub runs a Core: it knows the time, the connections and the other nodes. It is safe for concurrent use.
type Hub struct {
	cfg  HubConfig
	log  *slog.Logger
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	core    *Core
	links   map[NodeID]*link
	steps   uint64 // of the core
	late    map[ConnID]*lateFrames
	streams map[net.Conn]bool
	closed  bool

	dropped, coalesced, cut atomic.Uint64
	items                   atomic.Uint64 // frames to connections
	lost                    atomic.Uint64 // messages to peers that were not sent
}

// lateFrames are the newest frames, one for each key, that a connection had no room for.
type lateFrames struct {
	order []string
	of    map[string]any
}

// NewHub returns a Hub that runs until Close.
func NewHub(cfg HubConfig) *Hub {
	h := &Hub{cfg: cfg, log: cfg.Logger, core: NewCore(cfg.Core), links: map[NodeID]*link{}, late: map[ConnID]*lateFrames{}, streams: map[net.Conn]bool{}}
	if h.log == nil {
		h.log = slog.Default()
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.step() // rooms have their owners among the members from the start
	h.work.Go(h.tick)
	return h
}

// Close ends the Hub and its streams; connections of clients are the business of whoever has them.
func (h *Hub) Close() {
	h.stop()
	h.mu.Lock()
	h.closed = true
	for c := range h.streams {
		c.Close() // its reader ends
	}
	h.mu.Unlock()
	h.work.Wait()
}

func (h *Hub) tick() {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			h.step()
		case <-h.ctx.Done():
			return
		}
	}
}

// step has time pass.
func (h *Hub) step() {
	var nodes []NodeID
	if h.cfg.Mesh != nil {
		nodes = h.cfg.Mesh.Nodes()
	}
	h.do(func(c *Core, now int64) {
		c.Members(now, nodes)
		h.prune(nodes)
		c.Tick(now)
		h.flushLate()
	})
}

// do steps the core and carries out what it wants done.
func (h *Hub) do(fn func(c *Core, now int64)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn(h.core, time.Now().UnixNano())
	out := h.core.Take()
	for i := range out.Frames {
		h.show(&out.Frames[i])
	}
	h.steps++
	for _, e := range out.Messages {
		h.post(e)
	}
}

// ask is do for what may fail.
func (h *Hub) ask(fn func(c *Core, now int64) *Error) (err error) {
	h.do(func(c *Core, now int64) {
		if e := fn(c, now); e != nil {
			err = e
		}
	})
	return err
}

// show hands a frame to its connections.
func (h *Hub) show(f *Frame) {
	p := h.cfg.Sink.Prepare(f.Data)
	for _, id := range f.Conns {
		if f.Slow == SlowCoalesce && h.late[id] != nil {
			h.keepLate(id, f.Key, p)
			continue
		}
		h.items.Add(1)
		if h.cfg.Sink.Send(id, p) {
			continue
		}
		switch f.Slow {
		case SlowDrop:
			h.dropped.Add(1)
		case SlowCoalesce:
			h.keepLate(id, f.Key, p)
		default:
			h.cut.Add(1)
			h.cfg.Sink.Cut(id)
		}
	}
}

// keepLate keeps a frame until its connection has room, in place of an older one of the same key.
func (h *Hub) keepLate(id ConnID, key string, p any) {
	h.coalesced.Add(1)
	l := h.late[id]
	if l == nil {
		l = &lateFrames{of: map[string]any{}}
		h.late[id] = l
	}
	if _, there := l.of[key]; there { // to the end: clients take a lower n after a higher one for told already
		l.order = slices.DeleteFunc(l.order, func(k string) bool { return k == key })
	} else if len(l.order) == maxLate {
		delete(l.of, l.order[0])
		l.order = l.order[1:]
	}
	l.order = append(l.order, key)
	l.of[key] = p
}

// flushLate sends what connections have room for by now.
func (h *Hub) flushLate() {
	for id, l := range h.late {
		for len(l.order) > 0 && h.cfg.Sink.Send(id, l.of[l.order[0]]) {
			delete(l.of, l.order[0])
			l.order = l.order[1:]
		}
		if len(l.order) == 0 {
			delete(h.late, id)
		}
	}
}

// Connect tells of a connection of a user, which may be empty.
func (h *Hub) Connect(id ConnID, user string) {
	h.do(func(c *Core, now int64) { c.Connect(now, id, user) })
}

// Disconnect tells that a connection has ended.
func (h *Hub) Disconnect(id ConnID) {
	h.do(func(c *Core, now int64) {
		c.Disconnect(now, id)
		delete(h.late, id)
	})
}

// Join puts a connection into a room; see [Core.Join]. The error is an *[Error].
func (h *Hub) Join(id ConnID, room, ref string, meta []byte) error {
	return h.ask(func(c *Core, now int64) *Error { return c.Join(now, id, room, ref, meta) })
}

// Leave takes a connection out of a room.
func (h *Hub) Leave(id ConnID, room string) error {
	return h.ask(func(c *Core, now int64) *Error { return c.Leave(now, id, room) })
}

// Joined returns the rooms that a connection is in, in no order.
func (h *Hub) Joined(id ConnID) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.core.Joined(id)
}

// Update gives a connection another meta in a room.
func (h *Hub) Update(id ConnID, room string, meta []byte) error {
	return h.ask(func(c *Core, now int64) *Error { return c.Update(now, id, room, meta) })
}

// Send sends data to a room, or to one user in it; see [Core.Send]. The Hub keeps data.
func (h *Hub) Send(id ConnID, room, ref, to string, data []byte) error {
	return h.ask(func(c *Core, now int64) *Error { return c.Send(now, id, room, ref, to, data) })
}

// Publish sends data to a room on behalf of the application; see [Core.Publish].
func (h *Hub) Publish(room, user string, data []byte) error {
	return h.ask(func(c *Core, now int64) *Error { return c.Publish(now, room, user, data) })
}

// List returns who is present in a room, and how many in all; see [Core.List].
func (h *Hub) List(room, after string, take int) (list []User, more bool, count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, more = h.core.List(room, after, take)
	return list, more, h.core.Count(room)
}

// Figures are counts of a Hub.
type Figures struct {
	Stats
	Frames, Dropped, Coalesced, Cut uint64 // to connections; those that could not be sent, by what became of them
	Lost                            uint64 // messages to other nodes for which there was no room
}

// Figures returns the current figures.
func (h *Hub) Figures() Figures {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Figures{h.core.Stats(), h.items.Load(), h.dropped.Load(), h.coalesced.Load(), h.cut.Load(), h.lost.Load()}
}

// link sends messages to one peer.
type link struct {
	to   NodeID
	ctx  context.Context // ends when the peer is no member any more
	stop context.CancelFunc
	wake chan struct{}

	step  uint64 // when something was last queued; h.mu guards it and takes
	takes bool   // there was room when that step began

	mu    sync.Mutex
	queue []byte // frames: length, message
}

// prune ends links to nodes that are no members any more. h.mu is held.
func (h *Hub) prune(nodes []NodeID) {
	for id, l := range h.links {
		if !slices.Contains(nodes, id) {
			l.stop()
			delete(h.links, id)
		}
	}
}

// post queues a message for a peer. What one step has to say goes together or not at all: a full state has several messages, and one of
// which a part is dropped would be asked for again, and dropped again, for ever. h.mu is held.
func (h *Hub) post(e Envelope) {
	if h.cfg.Mesh == nil || h.closed {
		return
	}
	l := h.links[e.To]
	if l == nil {
		l = &link{to: e.To, wake: make(chan struct{}, 1)}
		l.ctx, l.stop = context.WithCancel(h.ctx)
		h.links[e.To] = l
		h.work.Go(func() { h.drive(l) })
	}
	l.mu.Lock()
	if l.step != h.steps {
		l.step, l.takes = h.steps, len(l.queue) <= maxLinkBytes
	}
	if !l.takes {
		h.lost.Add(1)
	} else {
		at := len(l.queue)
		l.queue = AppendMessage(append(l.queue, 0, 0, 0, 0), e.Message)
		binary.LittleEndian.PutUint32(l.queue[at:], uint32(len(l.queue)-at-4))
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// drive is a link's goroutine: it connects when there is something to send, and again.
func (h *Hub) drive(l *link) {
	for l.ctx.Err() == nil {
		if err := h.connected(l); err != nil && l.ctx.Err() == nil {
			h.log.Debug("no stream for rooms", "to", uint64(l.to), "error", err)
			select {
			case <-time.After(redialAfter):
			case <-l.ctx.Done():
			}
		}
	}
}

// connected sends on one stream until that breaks. What is lost with it the peer finds out.
func (h *Hub) connected(l *link) error {
	ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
	defer cancel()
	c, err := h.cfg.Mesh.Dial(ctx, l.to)
	if err != nil {
		l.mu.Lock()
		l.queue = nil
		l.mu.Unlock()
		return err
	}
	if !h.hold(c) {
		return net.ErrClosed
	}
	defer h.release(c)
	var spare []byte
	for {
		l.mu.Lock()
		b := l.queue
		l.queue = spare[:0]
		l.mu.Unlock()
		if len(b) > 0 {
			if err := writePieces(c, b); err != nil {
				return err
			}
			if spare = b; cap(spare) > 1<<20 {
				spare = nil
			}
			continue
		}
		spare = b
		select {
		case <-l.wake:
		case <-l.ctx.Done():
			return nil
		}
	}
}

// writePieces writes under a deadline for each piece: a large state over a slow network is no dead peer.
func writePieces(c net.Conn, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), pieceBytes)
		if err := c.SetWriteDeadline(time.Now().Add(dialTimeout)); err != nil {
			return err
		}
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// hold keeps a stream for Close; false when the Hub is closed already.
func (h *Hub) hold(c net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		c.Close()
		return false
	}
	h.streams[c] = true
	return true
}

func (h *Hub) release(c net.Conn) {
	c.Close() // whatever it says, nothing is sent on it any more
	h.mu.Lock()
	delete(h.streams, c)
	h.mu.Unlock()
}

// Serve reads what another node sends on a stream that it has opened, until that ends.
func (h *Hub) Serve(c net.Conn, from NodeID) error {
	if !h.hold(c) {
		return net.ErrClosed
	}
	defer h.release(c)
	r := bufio.NewReader(c)
	var head [4]byte
	var b []byte
	for {
		_, err := io.ReadFull(r, head[:])
		n := binary.LittleEndian.Uint32(head[:])
		if err == nil && n > MaxMessageBytes {
			err = fmt.Errorf("%w: %d bytes", ErrMessage, n)
		}
		if err == nil {
			b, err = readMessage(r, b, int(n))
		}
		var m *Message
		if err == nil {
			m, err = DecodeMessage(b)
		}
		if err != nil {
			h.do(func(c *Core, now int64) { c.Lost(now, from) })
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		h.do(func(c *Core, now int64) { c.Receive(now, from, m) })
		if cap(b) > 1<<20 {
			b = nil
		}
	}
}

// readMessage reads n bytes, and takes memory as they come.
func readMessage(r io.Reader, b []byte, n int) ([]byte, error) {
	b = b[:0]
	for len(b) < n {
		at := len(b)
		b = append(b, make([]byte, min(n-at, 64<<10))...)
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
