package rooms

import "strconv"

// room is a room on a node: as one that has members in it, as its owner, or both. What both
// hold, the position and the last items, they share.
type room struct {
	name    string
	opts    *Options
	members []*member
	spent   bucket

	order Order  // who gave item n its number; of a room without items, who would
	n     uint64 // the newest item
	ring  []Item // the last ones, oldest first; at most opts.History, and maxStateBytes; see Core.keep
	held  int    // bytes of these
	seen  []Seen // per origin, the newest item that was ever here

	// As a reader.
	owner    NodeID // as far as this node knows
	ask      uint64 // of the attach that is under way, or was answered
	asked    int64
	attached bool
	next     uint64 // number of the last publish
	out      []publish

	// As the owner.
	owns    bool
	readers []reader
	idle    int64 // since when nobody needs it
}

// member is a connection in a room.
type member struct {
	room    *room
	conn    *conn
	inRoom  int // its place in room.members
	inConn  int // its place in conn.in
	spent   bucket
	ref     string // of the join; while it is pending
	meta    int    // bytes, where others see it
	pending bool   // not told yet that it has joined
	since   int64
}

// publish is a message on its way to the owner.
type publish struct {
	item Item
	ref  string
	at   int64
}

// reader is a node that gets a room's items.
type reader struct {
	node NodeID
	next uint64 // the publish that it sends next
}

// memberOf returns a connection's membership in a room, either of which may be nil.
func memberOf(r *room, x *conn) *member {
	if r == nil || x == nil {
		return nil
	}
	if len(x.in) <= len(r.members) {
		for _, m := range x.in {
			if m.room == r {
				return m
			}
		}
		return nil
	}
	for _, m := range r.members {
		if m.conn == x {
			return m
		}
	}
	return nil
}

// enterRoom returns a room, which it makes.
func (c *Core) enterRoom(name string) (*room, *Error) {
	if r := c.rooms[name]; r != nil {
		return r, nil
	}
	if name == "" || len(name) > MaxRoomBytes {
		return nil, ErrUnknownRoom
	}
	opts := c.cfg.Options(name)
	if opts == nil {
		return nil, ErrUnknownRoom
	}
	if len(c.rooms) >= c.cfg.MaxRooms && !c.makeRoom() {
		return nil, ErrRooms
	}
	if !c.filled[opts] {
		*opts = opts.withDefaults()
		c.filled[opts] = true
	}
	r := &room{name: name, opts: opts, next: c.numbers, idle: c.now}
	c.rooms[name] = r
	return r, nil
}

// Join puts a connection into a room. meta is JSON that others see of it, where the room has
// presence. The answer comes as a frame, at once or when the room's owner has said where
// it stands; an error is the answer in its stead. ref is JSON that comes back with it.
func (c *Core) Join(now int64, id ConnID, name, ref string, meta []byte) *Error {
	c.now = now
	x := c.conns[id]
	if x == nil {
		return ErrNotJoined
	}
	r, err := c.enterRoom(name)
	switch {
	case err != nil:
		return err
	case len(meta) > r.opts.MaxBytes || x.meta+len(meta) > maxMetaBytes || len(x.user) > MaxUserBytes:
		return c.unused(r, ErrTooLarge)
	case memberOf(r, x) != nil:
		return ErrJoined
	case len(x.in) >= c.cfg.MaxJoined:
		return c.unused(r, ErrJoins)
	case len(r.members) >= r.opts.MaxMembers:
		return ErrRoomFull
	}
	m := &member{room: r, conn: x, inRoom: len(r.members), inConn: len(x.in), ref: ref, pending: true, since: now}
	r.members = append(r.members, m)
	x.in = append(x.in, m)
	if r.opts.Presence && x.user != "" {
		c.enter(r, m, meta)
	}
	c.follow(r)
	c.admit(r)
	return nil
}

// Update gives a member another meta.
func (c *Core) Update(now int64, id ConnID, name string, meta []byte) *Error {
	c.now = now
	r := c.rooms[name]
	m := memberOf(r, c.conns[id])
	if m == nil {
		return ErrNotJoined
	}
	if len(meta) > r.opts.MaxBytes || m.conn.meta-m.meta+len(meta) > maxMetaBytes {
		return ErrTooLarge
	}
	if err := c.charge(r, m); err != nil {
		return err
	}
	if r.opts.Presence && m.conn.user != "" {
		c.enter(r, m, meta)
	}
	return nil
}

// Leave takes a connection out of a room.
func (c *Core) Leave(now int64, id ConnID, name string) *Error {
	c.now = now
	m := memberOf(c.rooms[name], c.conns[id])
	if m == nil {
		return ErrNotJoined
	}
	c.leave(m)
	return nil
}

// Joined returns the rooms that a connection is in, in no order.
func (c *Core) Joined(id ConnID) (names []string) {
	if x := c.conns[id]; x != nil {
		for _, m := range x.in {
			names = append(names, m.room.name)
		}
	}
	return names
}

func (c *Core) leave(m *member) {
	r, x := m.room, m.conn
	x.meta -= m.meta
	last := r.members[len(r.members)-1] // the order of members means nothing
	r.members[m.inRoom], last.inRoom = last, m.inRoom
	r.members[len(r.members)-1] = nil
	r.members = r.members[:len(r.members)-1]
	last = x.in[len(x.in)-1]
	x.in[m.inConn], last.inConn = last, m.inConn
	x.in[len(x.in)-1] = nil
	x.in = x.in[:len(x.in)-1]
	c.exit(r, x)
	c.release(r)
}

// unused lets a room go that was made for what then failed.
func (c *Core) unused(r *room, err *Error) *Error {
	c.release(r)
	return err
}

// release lets a room go that nobody on this node needs any more.
func (c *Core) release(r *room) {
	if len(r.members) > 0 || len(r.out) > 0 {
		return
	}
	if r.owns {
		if r.idle = c.now; len(r.readers) == 0 && len(r.ring) == 0 {
			c.drop(r)
		}
		return
	}
	if p := c.peers[r.owner]; p != nil && r.ask != 0 {
		c.send(p, Message{Kind: KindDetach, Room: r.name})
	}
	c.drop(r)
}

func (c *Core) drop(r *room) {
	c.numbers = max(c.numbers, r.next)
	c.forgetHistory(r)
	delete(c.rooms, r.name)
	delete(c.unsettled, r)
}

// sweep drops rooms that this node owns and nobody has been in for long.
func (c *Core) sweep(atMost func(r *room) int64) {
	for _, name := range c.names() {
		r := c.rooms[name]
		if r.owns && len(r.members)+len(r.readers)+len(r.out) == 0 && c.now-r.idle > atMost(r) {
			c.drop(r)
		}
	}
}

// makeRoom gives up the history of rooms that nobody is in.
func (c *Core) makeRoom() bool {
	c.sweepEarly()
	return len(c.rooms) < c.cfg.MaxRooms
}

// sweepEarly drops, at most once a second, the rooms that nobody has been in for that long.
func (c *Core) sweepEarly() {
	if c.now-c.swept > second {
		c.swept = c.now
		c.sweep(func(*room) int64 { return second })
	}
}

// charge counts a message against the limits of its connection, user and room.
func (c *Core) charge(r *room, m *member) *Error {
	if !m.spent.take(c.now, r.opts.PerConn) || !m.conn.acct.spent.take(c.now, c.cfg.PerUser) || !r.spent.take(c.now, r.opts.PerRoom) {
		return ErrRate
	}
	return nil
}

// Send sends data, which is JSON, to a room, or to one user in it; the Core keeps it. The
// answer comes as a frame: to a message for all when it has its number, after the message
// itself.
func (c *Core) Send(now int64, id ConnID, name, ref, to string, data []byte) *Error {
	c.now = now
	r := c.rooms[name]
	m := memberOf(r, c.conns[id])
	if m == nil {
		return ErrNotJoined
	}
	if len(data) > r.opts.MaxBytes || len(to) > MaxUserBytes {
		return ErrTooLarge
	}
	if err := c.charge(r, m); err != nil {
		return err
	}
	x := Item{Origin: c.self, Epoch: c.epoch, User: m.conn.user, Conn: id, Time: now, Data: data}
	if to == "" {
		return c.publish(r, x, ref)
	}
	if r.opts.Presence && (c.topics[name] == nil || c.topics[name].users[to] == nil) {
		return ErrNotPresent
	}
	c.direct(r, to, x)
	c.reply(id, okFrame(ref, nil))
	return nil
}

// Publish sends data to a room on behalf of the application; user may be empty. It fails only
// where Send would have done so at once: what became of the message is not told.
func (c *Core) Publish(now int64, name, user string, data []byte) *Error {
	c.now = now
	r, err := c.enterRoom(name)
	if err != nil {
		return err
	}
	if len(data) > r.opts.MaxBytes {
		return c.unused(r, ErrTooLarge)
	}
	return c.publish(r, Item{Origin: c.self, Epoch: c.epoch, User: user, Time: now, Data: data}, "")
}

func (c *Core) publish(r *room, x Item, ref string) *Error {
	if len(r.out) >= maxUnanswered {
		return ErrBusy
	}
	r.next++
	x.Number = r.next
	r.out = append(r.out, publish{x, ref, c.now})
	c.follow(r)
	switch {
	case r.owns:
		c.orderOwn(r)
	case r.attached:
		c.send(c.peers[r.owner], Message{Kind: KindPublish, Room: r.name, Items: []Item{x}})
		c.unsettled[r] = true
	}
	return nil
}

// direct hands an item to the connections of a user, wherever they are.
func (c *Core) direct(r *room, to string, x Item) {
	c.deliverTo(r, to, &x)
	for _, id := range c.ids {
		if p := c.peers[id]; p.up {
			c.send(p, Message{Kind: KindDirect, Room: r.name, To: to, Items: []Item{x}})
		}
	}
}

func (c *Core) takeDirect(m *Message) {
	if r := c.rooms[m.Room]; r != nil {
		c.deliverTo(r, m.To, &m.Items[0])
	}
}

func (c *Core) deliverTo(r *room, to string, x *Item) {
	var ids []ConnID
	for _, m := range r.members {
		if !m.pending && m.conn.user == to {
			ids = append(ids, m.conn.id)
		}
	}
	c.show(ids, messageFrame("direct", r.name, x), r.opts.Slow, coalesceKey(r, "direct", x))
}

// broadcast shows a frame to all members.
func (c *Core) broadcast(r *room, b []byte, slow Slow, key string) {
	ids := make([]ConnID, 0, len(r.members))
	for _, m := range r.members {
		if !m.pending {
			ids = append(ids, m.conn.id)
		}
	}
	c.show(ids, b, slow, key)
}

func (c *Core) show(ids []ConnID, b []byte, slow Slow, key string) {
	if len(ids) > 0 {
		c.out.Frames = append(c.out.Frames, Frame{ids, b, slow, key})
	}
}

// coalesceKey says which messages take each other's place for a slow reader: those of one connection, what it says to all and to one
// user apart.
func coalesceKey(r *room, kind string, x *Item) string {
	if r.opts.Slow != SlowCoalesce {
		return ""
	}
	return kind + "\x00" + r.name + "\x00" + x.User + "\x00" + strconv.FormatUint(uint64(x.Conn), 36)
}

// admit tells members that they have joined, when the room's position is known.
func (c *Core) admit(r *room) {
	if !r.attached && !r.owns {
		return
	}
	for _, m := range r.members {
		if m.pending {
			m.pending = false
			c.reply(m.conn.id, c.joinedFrame(r, m))
		}
	}
}

// saw notes an item as seen; false when it was before.
func (r *room) saw(origin NodeID, epoch, number uint64) bool {
	for i := range r.seen {
		if s := &r.seen[i]; s.Origin == origin {
			if s.has(epoch, number) {
				return false
			}
			s.Epoch, s.Number = epoch, number
			return true
		}
	}
	r.seen = append(r.seen, Seen{origin, epoch, number})
	return true
}

// knows says whether an item was here.
func (r *room) knows(x *Item) bool {
	for i := range r.seen {
		if s := &r.seen[i]; s.Origin == x.Origin {
			return s.has(x.Epoch, x.Number)
		}
	}
	return false
}

// advance takes the next item: it is kept, shown to members who have not seen it by another
// number, and whoever sent it here has its answer.
func (c *Core) advance(r *room, x *Item) {
	r.order, r.n = x.Order, x.N
	if r.saw(x.Origin, x.Epoch, x.Number) {
		c.keep(r, x)
		c.broadcast(r, messageFrame("message", r.name, x), r.opts.Slow, coalesceKey(r, "message", x))
	}
	if x.Origin == c.self {
		c.answered(r, &Seen{x.Origin, x.Epoch, x.Number}, x)
	}
}

// keep adds an item to the history. Where the node keeps as much as it may, this room loses what is oldest, and
// rooms that nobody is in all with the next tick.
func (c *Core) keep(r *room, x *Item) {
	keep := r.opts.History
	if keep <= 0 {
		return
	}
	r.ring = append(r.ring, *x)
	c.hold(r, x.size())
	c.tight = c.tight || c.held > c.cfg.MaxHistory
	for len(r.ring) > keep || r.held > maxStateBytes && len(r.ring) > 1 || c.held > c.cfg.MaxHistory && len(r.ring) > 0 {
		c.hold(r, -r.ring[0].size())
		r.ring = r.ring[1:]
	}
}

// hold counts bytes of a room's history.
func (c *Core) hold(r *room, bytes int) {
	r.held += bytes
	c.held += bytes
}

// forgetHistory drops what a room has of the past.
func (c *Core) forgetHistory(r *room) {
	c.hold(r, -r.held)
	r.ring = nil
}

// answered ends publishes that were taken; x is the item of the last, where it is known.
func (c *Core) answered(r *room, upTo *Seen, x *Item) {
	for len(r.out) > 0 && upTo.has(r.out[0].item.Epoch, r.out[0].item.Number) {
		p := r.out[0]
		if r.out = r.out[1:]; p.item.Conn == 0 || c.conns[p.item.Conn] == nil {
			continue
		}
		if x != nil && x.Number == p.item.Number {
			c.reply(p.item.Conn, okFrame(p.ref, x))
		} else {
			c.reply(p.item.Conn, okFrame(p.ref, nil))
		}
	}
	if len(r.out) == 0 {
		r.out = nil
	}
}
