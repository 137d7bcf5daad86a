package live

import (
	"slices"

	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
)

// Core keeps live queries: roots, subscriptions and what connections have taken go in, frames
// for connections come out. It reads no clock, starts no goroutine and does no I/O; its owner
// steps it. It is not safe for concurrent use.
type Core struct {
	limits Limits
	root   *state.Root
	epoch  string // of the data, for the ids of events
	now    int64  // ms
	models map[uint32]*board
	groups map[string]*group // by Query.id
	conns  map[uint64]*client
	step   uint64 // counts commits, marks what one has found
	change uint64 // counts changes, marks what was held against one
	out    []Send
	slowed []*subscription // those held back by their rate, see Tick
	stats  Stats
}

// Limits bound what one connection may cost. Zero values take the defaults.
type Limits struct {
	Subscriptions int // of one connection, live queries and feeds together; default 1,000
	Rows          int // skip and take of a live query together; default 10,000
	AllRows       int // those of all live queries of one connection; default 200,000
	QueueBytes    int // handed to a connection and not taken by it; default 256 KiB
	ChunkBytes    int // of a snapshot's frame, about; default 32 KiB
}

func (l *Limits) defaults() {
	set := func(v *int, n int) {
		if *v <= 0 {
			*v = n
		}
	}
	set(&l.Subscriptions, 1000)
	set(&l.Rows, 10_000)
	set(&l.AllRows, 200_000)
	set(&l.QueueBytes, 256<<10)
	set(&l.ChunkBytes, 32<<10)
}

// Stats are figures of a Core.
type Stats struct {
	Connections, Subscriptions, Queries int    // open ones; equal subscriptions share a query
	Looked                              uint64 // times that a query was held against a change
	Matched                             uint64 // times that a change concerned a query
	Encoded, Sent                       uint64 // frames with changes that were made, and that were handed out
	Held                                uint64 // times that a connection had no room and was told later
	Resynced                            uint64 // subscriptions that began anew
}

// Format is how a connection wants its frames.
type Format uint8

// The formats of SPEC.md.
const (
	JSON   Format = iota // an object for each, over WebSocket
	Events               // server-sent events
)

// Send is a frame for a connection.
type Send struct {
	Conn  uint64
	Frame *Frame
}

// Frame is what goes out at once. It does not change.
type Frame struct {
	Data   []byte
	Shared bool // it goes to several connections

	kept  any  // of the shell
	reply bool // to a message; a client that does not read can have any number of them made
}

// group is a live query with all its subscriptions.
type group struct {
	q       *Query
	schema  *model.Schema
	terms   []query.Term // it is found by; nil: by every record
	view    *view
	subs    []*subscription
	mark    uint64 // the commit that found it last
	looked  uint64 // the change that it was held against last
	touched []touch
}

// client is a connection.
type client struct {
	id      uint64
	format  Format
	subs    map[string]*subscription // by id as it was written
	order   []*subscription          // the same, in order
	rows    int                      // that its queries reach for
	queued  int                      // bytes handed out and not taken
	waiting []*subscription          // with something to tell and no room for it
}

// subscription is one live query of one connection.
type subscription struct {
	id      string // JSON text of the client's id
	c       *client
	g       *group
	told    *view  // what the client has, or will have when it has read what it was sent
	chunk   int    // rows of a snapshot of told that were sent; -1: all
	seq     uint64 // of that snapshot
	greet   bool   // the next frame is sent even if it tells of no change
	waits   bool   // it is in c.waiting
	every   int64  // ms between frames, at least; 0: none
	next    int64  // not before
	slow    bool   // it is in slowed
	removed bool
}

// NewCore returns a core at a state.
func NewCore(limits Limits, root *state.Root) *Core {
	limits.defaults()
	return &Core{limits: limits, root: root, models: map[uint32]*board{}, groups: map[string]*group{}, conns: map[uint64]*client{}}
}

// Root returns the state that the core is at.
func (c *Core) Root() *state.Root { return c.root }

// Stats returns the current figures.
func (c *Core) Stats() Stats {
	s := c.stats
	s.Connections, s.Queries = len(c.conns), len(c.groups)
	return s
}

// Take returns the frames that were made since the last time, in order.
func (c *Core) Take() []Send {
	out := c.out
	c.out = nil
	return out
}

// Open adds a connection, by a number that was never used before.
func (c *Core) Open(conn uint64, f Format) {
	c.conns[conn] = &client{id: conn, format: f, subs: map[string]*subscription{}}
}

// Shut removes a connection with all its subscriptions.
func (c *Core) Shut(conn uint64) {
	cl := c.conns[conn]
	if cl == nil {
		return
	}
	for _, s := range cl.order {
		c.remove(s)
	}
	delete(c.conns, conn)
}

// Reply sends a frame in turn with all others of the connection.
func (c *Core) Reply(conn uint64, f *Frame) {
	if cl := c.conns[conn]; cl != nil {
		f.reply = true
		c.send(cl, f)
	}
}

// Sent says that a connection has taken so many bytes of its frames.
func (c *Core) Sent(conn uint64, bytes int) {
	cl := c.conns[conn]
	if cl == nil {
		return
	}
	if cl.queued = max(cl.queued-bytes, 0); cl.queued <= c.limits.QueueBytes/2 {
		c.pump(cl)
	}
}

// Subscription is what a client asks for.
type Subscription struct {
	ID    string // JSON text
	Query *Query
	Every int64 // ms between two frames at least

	Found  *Look  // the answer on some state
	Last   *Look  // the answer the client has; nil: none
	Resync string // why the answer it had is of no use; "" when it had none
}

// Look is the answer to a query on a state.
type Look struct {
	root *state.Root
	view *view
}

// Find answers a query on a state, for Subscription. It may take long, and needs no core.
func Find(q *Query, root *state.Root) (*Look, error) {
	v, err := q.look(root)
	return &Look{root, v}, err
}

// Hash returns the hash of what is seen.
func (l *Look) Hash() Hash { return l.view.hash }

// Subscribe adds a subscription. Its first frame is a snapshot, or a diff from the answer that
// the client has. Errors are a *[Error] for the client.
func (c *Core) Subscribe(conn uint64, s Subscription) error {
	cl := c.conns[conn]
	switch {
	case cl == nil:
		return nil
	case cl.subs[s.ID] != nil:
		return fault("duplicate_id", "the id "+s.ID+" is in use on this connection")
	case len(cl.subs) >= c.limits.Subscriptions:
		return fault("too_many", "this connection has as many subscriptions as it may")
	case s.Query.end() > c.limits.Rows:
		return fault("too_large", "skip and take reach further than a live query may")
	case cl.rows+s.Query.end() > c.limits.AllRows:
		return fault("too_many", "the live queries of this connection reach for as many rows as they may")
	}
	c.Commit(s.Found.root) // where it is newer: what the client has is no newer than that
	g, err := c.join(&s)
	if err != nil {
		return err
	}
	sub := &subscription{id: s.ID, c: cl, g: g, every: s.Every, chunk: -1, greet: true}
	g.subs = append(g.subs, sub)
	cl.subs[s.ID] = sub
	cl.rows += s.Query.end()
	cl.order = append(cl.order, sub)
	c.stats.Subscriptions++
	switch {
	case s.Last != nil:
		sub.told = s.Last.view
	default:
		if s.Resync != "" {
			c.stats.Resynced++
			f := resyncFrame(cl.format, sub.id, s.Resync)
			f.reply = true
			c.send(cl, f)
		}
		sub.told, sub.chunk, sub.seq = g.view, 0, c.root.Seq()
	}
	c.wake(sub)
	return nil
}

// join returns the group of a query, at the core's state.
func (c *Core) join(s *Subscription) (*group, error) {
	if g := c.groups[s.Query.id]; g != nil {
		return g, nil
	}
	g := &group{q: s.Query, schema: s.Found.root.Schema(s.Query.model.Number()), view: s.Found.view}
	if g.schema == nil {
		return nil, fault("unavailable", s.Query.model.Name()+" is not declared yet")
	}
	if s.Found.root != c.root {
		for ch := range state.Diff(s.Found.root, c.root) {
			if ch.Model != g.q.model.Number() {
				continue
			}
			if t, ok := g.q.match(&ch); ok {
				g.touched = append(g.touched, t)
			}
		}
		if err := g.advance(c.root); err != nil {
			return nil, err
		}
	}
	number := s.Query.model.Number()
	if c.models[number] == nil {
		c.models[number] = &board{}
	}
	c.models[number].add(g)
	c.groups[g.q.id] = g
	return g, nil
}

// Unsubscribe ends a subscription; false when there is none with that id.
func (c *Core) Unsubscribe(conn uint64, id string) bool {
	cl := c.conns[conn]
	if cl == nil || cl.subs[id] == nil {
		return false
	}
	c.remove(cl.subs[id])
	cl.order = slices.DeleteFunc(cl.order, func(s *subscription) bool { return s.removed })
	return true
}

// Queries returns the live queries of a connection by the ids of its subscriptions.
func (c *Core) Queries(conn uint64) map[string]*Query {
	all := map[string]*Query{}
	if cl := c.conns[conn]; cl != nil {
		for id, s := range cl.subs {
			all[id] = s.g.q
		}
	}
	return all
}

// End ends a subscription and tells its connection why.
func (c *Core) End(conn uint64, id string, why *Error) {
	if cl := c.conns[conn]; c.Unsubscribe(conn, id) {
		f := errorFrame(cl.format, id, why)
		f.reply = true
		c.send(cl, f)
	}
}

func (c *Core) remove(s *subscription) {
	s.removed = true
	delete(s.c.subs, s.id)
	s.c.rows -= s.g.q.end()
	c.stats.Subscriptions--
	g := s.g
	if i := slices.Index(g.subs, s); i >= 0 {
		g.subs = slices.Delete(g.subs, i, i+1)
	}
	if len(g.subs) == 0 {
		c.drop(g)
	}
}

func (c *Core) drop(g *group) {
	number := g.q.model.Number()
	if c.groups[g.q.id] != g {
		return
	}
	delete(c.groups, g.q.id)
	if b := c.models[number]; b != nil {
		if b.remove(g); b.empty() {
			delete(c.models, number)
		}
	}
}

// Commit goes on to a newer state, and tells those whom it concerns. The cost follows the
// records that changed and the queries they meet.
func (c *Core) Commit(next *state.Root) {
	if next == c.root || next.Seq() < c.root.Seq() {
		return
	}
	c.step++
	var found []*group
	if len(c.groups) > 0 {
		for ch := range state.Diff(c.root, next) {
			b := c.models[ch.Model]
			if b == nil {
				continue
			}
			c.change++
			b.each(&ch, func(g *group) {
				if g.looked == c.change { // found by two ways
					return
				}
				g.looked = c.change
				c.stats.Looked++
				t, ok := g.q.match(&ch)
				if !ok {
					return
				}
				if g.touched = append(g.touched, t); g.mark != c.step {
					g.mark = c.step
					found = append(found, g)
				}
			})
		}
	}
	c.root = next
	for _, g := range found {
		c.stats.Matched += uint64(len(g.touched))
		c.tell(g)
	}
}

// advance brings a group to a state that differs by what touched it.
func (g *group) advance(root *state.Root) error {
	if len(g.touched) == 0 {
		return nil
	}
	v, err := g.q.next(g.view, g.touched, root)
	clear(g.touched)
	g.touched = g.touched[:0]
	if err == nil {
		g.view = v
	}
	return err
}

// tell brings a group to the core's state and tells its subscriptions. What those have in
// common that are up to date is encoded once.
func (c *Core) tell(g *group) {
	was := g.view
	if err := g.advance(c.root); err != nil {
		c.fail(g, err)
		return
	}
	steps := diff(was.seen, g.view.seen)
	if len(steps) == 0 {
		for _, s := range g.subs {
			if s.told == was && s.chunk < 0 {
				s.told = g.view
			}
		}
		return
	}
	enc := encoder{q: g.q, seq: c.root.Seq(), epoch: c.epoch}
	for _, s := range g.subs {
		if s.told != was || s.chunk >= 0 || s.waits || !c.room(s) {
			c.wake(s)
			continue
		}
		c.stats.Sent++
		c.send(s.c, enc.frame(s.c.format, s.id, steps, g.view))
		s.sent(c, g.view)
	}
	c.stats.Encoded += uint64(enc.made)
}

// fail ends a group whose records cannot be read.
func (c *Core) fail(g *group, err error) {
	for _, s := range slices.Clone(g.subs) {
		c.send(s.c, errorFrame(s.c.format, s.id, &Error{Code: "internal", Detail: "the records cannot be read", Err: err}))
		c.Unsubscribe(s.c.id, s.id)
	}
}

// room says that a subscription may be told now.
func (c *Core) room(s *subscription) bool {
	return s.c.queued < c.limits.QueueBytes && (s.every == 0 || c.now >= s.next)
}

func (s *subscription) sent(c *Core, v *view) {
	s.told, s.greet = v, false
	if s.every > 0 {
		s.next = c.now + s.every
	}
}

// wake sees to it that a subscription is told what it does not know, now or when there is room.
func (c *Core) wake(s *subscription) {
	if s.every > 0 && c.now < s.next {
		if !s.slow {
			s.slow = true
			c.slowed = append(c.slowed, s)
		}
		return
	}
	if !s.waits {
		s.waits = true
		s.c.waiting = append(s.c.waiting, s)
	}
	c.pump(s.c)
}

// pump tells the subscriptions of a connection that wait, one frame each in turn, while there
// is room.
func (c *Core) pump(cl *client) {
	for len(cl.waiting) > 0 {
		if cl.queued >= c.limits.QueueBytes {
			c.stats.Held++
			return
		}
		s := cl.waiting[0]
		cl.waiting = cl.waiting[1:]
		s.waits = false
		if s.removed {
			continue
		}
		if c.catchUp(s); s.behind() {
			c.wakeLater(s)
		}
	}
	cl.waiting = nil
}

// behind says that there is something that the client has not been sent.
func (s *subscription) behind() bool { return s.chunk >= 0 || s.told != s.g.view }

func (c *Core) wakeLater(s *subscription) {
	if s.every > 0 && c.now < s.next {
		c.wake(s)
		return
	}
	s.waits = true
	s.c.waiting = append(s.c.waiting, s)
}

// catchUp sends one frame: the next part of a snapshot, or all that changed since.
func (c *Core) catchUp(s *subscription) {
	if s.chunk >= 0 {
		f, n := snapshotFrame(s, c.epoch, c.limits.ChunkBytes)
		c.stats.Sent++
		c.send(s.c, f)
		if s.chunk += n; s.chunk >= len(s.told.seen) {
			s.chunk = -1
			s.sent(c, s.told)
		}
		return
	}
	steps := diff(s.told.seen, s.g.view.seen)
	if len(steps) > 0 || s.greet {
		enc := encoder{q: s.g.q, seq: c.root.Seq(), epoch: c.epoch}
		c.stats.Encoded++
		c.stats.Sent++
		c.send(s.c, enc.frame(s.c.format, s.id, steps, s.g.view))
		s.sent(c, s.g.view)
	}
	s.told = s.g.view
}

// Ping answers a client with the sequence that all its live queries are at, where they are at
// one.
func (c *Core) Ping(conn uint64) {
	cl := c.conns[conn]
	if cl == nil {
		return
	}
	o := begin(cl.format, "pong", "")
	if !slices.ContainsFunc(cl.order, (*subscription).behind) {
		o = o.number("seq", c.root.Seq())
	}
	f := o.frame(cl.format, "pong", "")
	f.reply = true
	c.send(cl, f)
}

func (c *Core) send(cl *client, f *Frame) {
	cl.queued += len(f.Data)
	c.out = append(c.out, Send{cl.id, f})
}

// Slowed says that Tick has somebody to tell before long.
func (c *Core) Slowed() bool { return len(c.slowed) > 0 }

// Tick tells the core the time, in milliseconds from anywhere, and tells those whose rate held
// them back.
func (c *Core) Tick(now int64) {
	c.now = max(c.now, now)
	list := c.slowed
	c.slowed = nil
	for _, s := range list {
		s.slow = false
		if !s.removed && s.behind() {
			c.wake(s)
		}
	}
}
