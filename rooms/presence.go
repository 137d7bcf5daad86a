package rooms

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// Who is where is said by the node that has the connection, and by no other: there is nothing to
// merge. Each node tells the others all it has when they meet, and then what changes.

// Device is a connection by which a user is in a room.
type Device struct {
	Node  NodeID
	Conn  ConnID
	Since int64  // Unix ns
	Meta  []byte // JSON; empty: none
}

func (d Device) compare(e Device) int {
	if d.Node != e.Node {
		return int(int64(d.Node) - int64(e.Node))
	}
	return cmpConn(d.Conn, e.Conn)
}

func cmpConn(a, b ConnID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// User is somebody who is present in a room.
type User struct {
	User  string
	Conns []Device // sorted by node and connection; never empty
}

// topic is the presence of one room, of all nodes.
type topic struct {
	room   string
	users  map[string]*present
	sorted []string // names of users, or nil: to be made
	dirty  map[string]bool
}

// present is a user in a topic.
type present struct {
	devices []Device // sorted; empty: gone, and members do not know yet
	told    bool     // members know of the user
}

func sortedRooms(m map[string]map[ConnID]*Entry) []string {
	return slices.Sorted(maps.Keys(m))
}

func sortedConns(m map[ConnID]*Entry) []ConnID { return slices.Sorted(maps.Keys(m)) }

// topicOf returns a room's topic, which it makes.
func (c *Core) topicOf(room string) *topic {
	t := c.topics[room]
	if t == nil {
		t = &topic{room: room, users: map[string]*present{}}
		c.topics[room] = t
	}
	return t
}

func (c *Core) touch(t *topic, user string) {
	if t.dirty == nil {
		t.dirty = map[string]bool{}
		c.touched = append(c.touched, t)
	}
	t.dirty[user] = true
}

// setDevice adds a device of a user, or gives it another meta.
func (c *Core) setDevice(room, user string, d Device) {
	t := c.topicOf(room)
	u := t.users[user]
	if u == nil {
		u = &present{}
		t.users[user], t.sorted = u, nil
	}
	at, found := slices.BinarySearchFunc(u.devices, d, Device.compare)
	switch {
	case !found:
		u.devices = slices.Insert(slices.Clone(u.devices), at, d) // who was given the list keeps it
	case bytes.Equal(u.devices[at].Meta, d.Meta):
		return
	default:
		u.devices = slices.Clone(u.devices)
		u.devices[at] = d
	}
	c.touch(t, user)
}

// removeDevice removes one.
func (c *Core) removeDevice(room string, d Device, user string) {
	t := c.topics[room]
	if t == nil || t.users[user] == nil {
		return
	}
	u := t.users[user]
	if at, found := slices.BinarySearchFunc(u.devices, d, Device.compare); found {
		u.devices = slices.Delete(slices.Clone(u.devices), at, at+1)
		c.touch(t, user)
	}
}

// enter, and exit: a connection of this node came into a room with presence, or went.
func (c *Core) enter(r *room, m *member, meta []byte) {
	m.conn.meta += len(meta) - m.meta
	m.meta = len(meta)
	e := Entry{Room: r.name, Conn: m.conn.id, User: m.conn.user, Since: c.now, Meta: meta}
	of := c.mine[r.name]
	if of == nil {
		of = map[ConnID]*Entry{}
		c.mine[r.name] = of
	}
	if old := of[e.Conn]; old != nil {
		e.Since = old.Since
	}
	of[e.Conn] = &e
	c.setDevice(r.name, e.User, Device{c.self, e.Conn, e.Since, meta})
	c.change(e)
}

func (c *Core) exit(r *room, x *conn) {
	of := c.mine[r.name]
	if of[x.id] == nil {
		return
	}
	delete(of, x.id)
	if len(of) == 0 {
		delete(c.mine, r.name)
	}
	c.removeDevice(r.name, Device{Node: c.self, Conn: x.id}, x.user)
	c.change(Entry{Room: r.name, Conn: x.id, User: x.user, Gone: true})
}

func (c *Core) change(e Entry) {
	if len(c.peers) == 0 {
		return
	}
	if c.changes = append(c.changes, e); len(c.changes) >= deltaEntries {
		c.flushChanges()
	}
}

// flushChanges tells peers what has changed; also those that seem to be down, since they may hear what is said to them, and would not
// know that they were left out.
func (c *Core) flushChanges() {
	for list := c.changes; len(list) > 0; {
		n := fitting(list)
		for _, id := range c.ids {
			c.send(c.peers[id], Message{Kind: KindDelta, Entries: list[:n]})
		}
		list = list[n:]
	}
	c.changes = nil
}

// sendFull tells a peer all that this node has.
func (c *Core) sendFull(p *peer) {
	c.flushChanges()
	var all []Entry
	for _, room := range sortedRooms(c.mine) {
		for _, id := range sortedConns(c.mine[room]) {
			all = append(all, *c.mine[room][id])
		}
	}
	kind := KindFull
	for {
		n := fitting(all)
		c.send(p, Message{Kind: kind, Entries: all[:n]})
		if kind, all = KindDelta, all[n:]; len(all) == 0 {
			return
		}
	}
}

// takeFull puts a peer's entries in place of those it had.
func (c *Core) takeFull(p *peer, list []Entry) {
	old := p.entries
	p.entries, p.whole = map[string]map[ConnID]*Entry{}, true
	for i := range list {
		if e := &list[i]; !e.Gone {
			c.put(p, e)
		}
	}
	for _, room := range sortedRooms(old) {
		for _, id := range sortedConns(old[room]) {
			if was, is := old[room][id], p.entries[room][id]; is == nil || is.User != was.User {
				c.removeDevice(room, Device{Node: p.id, Conn: id}, was.User)
			}
		}
	}
}

func (c *Core) put(p *peer, e *Entry) {
	of := p.entries[e.Room]
	if of == nil {
		of = map[ConnID]*Entry{}
		p.entries[e.Room] = of
	}
	of[e.Conn] = e
	c.setDevice(e.Room, e.User, Device{p.id, e.Conn, e.Since, e.Meta})
}

// takeDelta takes in what changed at a peer; where something was missed before, all comes anyway.
func (c *Core) takeDelta(p *peer, list []Entry) {
	if !p.whole {
		return
	}
	for i := range list {
		e := &list[i]
		if !e.Gone {
			c.put(p, e)
			continue
		}
		if of := p.entries[e.Room]; of[e.Conn] != nil {
			if delete(of, e.Conn); len(of) == 0 {
				delete(p.entries, e.Room)
			}
			c.removeDevice(e.Room, Device{Node: p.id, Conn: e.Conn}, e.User)
		}
	}
}

// flushTopics tells members what has changed, once for all changes since the last time.
func (c *Core) flushTopics() {
	list := c.touched
	c.touched = nil
	slices.SortFunc(list, func(a, b *topic) int { return strings.Compare(a.room, b.room) })
	for _, t := range list {
		enter, update, leave := t.diff()
		if len(t.users) == 0 {
			delete(c.topics, t.room)
		}
		r := c.rooms[t.room]
		if r == nil || len(enter)+len(update)+len(leave) == 0 {
			continue
		}
		c.broadcast(r, presenceFrame(t.room, enter, update, leave), SlowCut, "")
	}
}

// diff returns what members do not know yet.
func (t *topic) diff() (enter, update []User, leave []string) {
	for _, name := range slices.Sorted(maps.Keys(t.dirty)) {
		u := t.users[name]
		switch {
		case u == nil:
		case len(u.devices) == 0:
			leave = append(leave, name) // even where members were not told: one may have asked for the list
			delete(t.users, name)
			t.sorted = nil
		case u.told:
			update = append(update, User{name, u.devices})
		default:
			u.told = true
			enter = append(enter, User{name, u.devices})
		}
	}
	t.dirty = nil
	return enter, update, leave
}

// List returns who is present in a room, on all nodes, in order of names: up to take users
// whose names come after one; more says that there are others behind them. What it returns is not changed any more.
func (c *Core) List(room, after string, take int) (list []User, more bool) {
	t := c.topics[room]
	if t == nil {
		return nil, false
	}
	if t.sorted == nil {
		t.sorted = slices.Sorted(maps.Keys(t.users))
	}
	at, found := slices.BinarySearch(t.sorted, after)
	if found {
		at++
	}
	for _, name := range t.sorted[at:] {
		u := t.users[name]
		if len(u.devices) == 0 {
			continue
		}
		if len(list) == take {
			return list, true
		}
		list = append(list, User{name, u.devices})
	}
	return list, false
}

// Count returns how many users are present in a room.
func (c *Core) Count(room string) (n int) {
	t := c.topics[room]
	if t == nil {
		return 0
	}
	for _, u := range t.users {
		if len(u.devices) > 0 {
			n++
		}
	}
	return n
}
