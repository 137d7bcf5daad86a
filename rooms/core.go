package rooms

import (
	"maps"
	"slices"
)

// Times are Unix nanoseconds, handed in.
const (
	millisecond = 1_000_000
	second      = 1000 * millisecond

	beatEvery   = 250 * millisecond  // a message to each peer
	peerTimeout = 1000 * millisecond // without one, it is down
	lostTimeout = 300 * millisecond  // the same once its connections have broken
	resyncEvery = 200 * millisecond  // at most, per peer
	askEvery    = 300 * millisecond  // a room that is not attached asks again
	answerLimit = 5 * second         // joins and messages that nobody orders end with an error
	sweepEvery  = 30 * second        // for rooms nobody needs

	maxUnanswered = 256  // messages of one room on their way to its owner
	firstPage     = 100  // users in the answer to a join
	deltaEntries  = 512  // changes that do not wait for the next tick
	maxEntries    = 1000 // of one message

	maxMetaBytes = 1 << 20 // of one connection in all its rooms: every node holds it
)

// Options say what holds in a room; see [lithair.RoomOptions] for those of the framework.
type Options struct {
	History     int   // items that a join is told and owners keep, of up to 8 MiB together, and see CoreConfig.MaxHistory; default 0
	HistoryIdle int64 // ns for which an owner keeps them where nobody is in the room; default 10 minutes
	Presence    bool  // members see who is there

	MaxMembers int  // connections of one node in one room; default 100,000
	MaxBytes   int  // of an item's data, and of a member's meta; default 64 KiB
	PerConn    Rate // messages of a connection in this room; default 50 a second, burst 100
	PerRoom    Rate // messages of all connections of a node in this room; default 1000 a second
	Slow       Slow // what becomes of who does not read
}

// Slow says what becomes of messages for a connection that does not take them.
type Slow uint8

// What may become of them. However it is, nobody else waits.
const (
	SlowCut      Slow = iota // the connection is closed, and may come back and read the history
	SlowDrop                 // they are dropped; the reader sees a gap in n
	SlowCoalesce             // the newest of each sender is kept and comes when there is room
)

func (o Options) withDefaults() Options {
	for _, f := range []struct {
		v *int
		d int
	}{{&o.MaxMembers, 100_000}, {&o.MaxBytes, 64 << 10}} {
		if *f.v == 0 {
			*f.v = f.d
		}
	}
	if o.HistoryIdle == 0 {
		o.HistoryIdle = 600 * second
	}
	o.PerConn = o.PerConn.or(Rate{50, 100})
	o.PerRoom = o.PerRoom.or(Rate{1000, 1000})
	return o
}

// CoreConfig says what a Core is.
type CoreConfig struct {
	Self  NodeID
	Epoch uint64 // greater than at the node's last start, where that can be had; peers put it right
	// Options returns what holds in a room, the same pointer for all rooms that are alike; nil:
	// there can be no such room. The Core fills in defaults.
	Options func(room string) *Options
	// MaxRooms on this node, as a member or as an owner; default 250,000.
	MaxRooms  int
	MaxJoined int // rooms that a connection is in; default 1000
	// MaxHistory is how many bytes the histories of all rooms on this node may take; default 256 MiB. A room that grows
	// beyond it loses its oldest items, and rooms that nobody has been in for a second lose theirs.
	MaxHistory int
	// PerUser: messages of all connections of a user on this node, in all rooms, and of each connection without a user; default 200 a second.
	PerUser Rate
}

// Error is why a request of a client failed.
type Error struct {
	Code   string // see SPEC.md
	Detail string
}

// Error implements error.
func (e *Error) Error() string { return "rooms: " + e.Code + ": " + e.Detail }

// Errors of joins and sends.
var (
	ErrUnknownRoom = &Error{"unknown_room", "there is no such room"}
	ErrNotJoined   = &Error{"not_joined", "join the room first"}
	ErrJoined      = &Error{"already_joined", "the connection is in the room"}
	ErrRoomFull    = &Error{"room_full", "the room has as many members on this node as may be"}
	ErrRooms       = &Error{"too_many_rooms", "there are as many rooms on this node as may be"}
	ErrJoins       = &Error{"too_many_rooms", "the connection is in as many rooms as may be"}
	ErrTooLarge    = &Error{"too_large", "the message, or its name, is longer than may be"}
	ErrRate        = &Error{"rate_limited", "too many messages; try again later"}
	ErrBusy        = &Error{"busy", "too many messages of this room are on their way; try again later"}
	ErrUnavailable = &Error{"unavailable", "the node that orders this room did not answer; the message may have been sent"}
	ErrNotPresent  = &Error{"not_present", "the user is not in the room"}
)

// Frame is a message for connections of this node. Where one cannot take it, Slow says what to do.
type Frame struct {
	Conns []ConnID
	Data  []byte // JSON text; not changed any more
	Slow  Slow
	Key   string // SlowCoalesce: a newer frame with the same key takes the place of an older one
}

// Envelope is a message for another node.
type Envelope struct {
	To      NodeID
	Message *Message
}

// Output is what is to be done: messages to each node, and frames to each connection, in that order.
type Output struct {
	Frames   []Frame
	Messages []Envelope
}

// Core is the rooms and the presence of one node, as a step function: calls say what happened,
// [Core.Take] what is to be done. It is not safe for concurrent use.
type Core struct {
	cfg   CoreConfig
	self  NodeID
	epoch uint64
	now   int64

	peers map[NodeID]*peer
	ids   []NodeID // of peers, sorted
	alive []NodeID // with this node, sorted

	rooms     map[string]*room
	unsettled map[*room]bool // neither attached nor owned, or with messages on their way
	held      int            // bytes of all histories
	tight     bool           // that was more than it may be
	numbers   uint64         // where a new room begins to number its publishes
	asks      uint64
	terms     uint64 // the greatest that this node has begun
	swept     int64
	filled    map[*Options]bool

	conns map[ConnID]*conn
	users map[string]*account

	mine    map[string]map[ConnID]*Entry // presence of this node, by room
	changes []Entry                      // not told to peers yet
	topics  map[string]*topic
	touched []*topic // with changes that members do not know

	out Output
}

// conn is a connection of this node.
type conn struct {
	id   ConnID
	user string
	acct *account
	in   []*member
	meta int // bytes that others see of it, in all rooms
}

// account is what a user's connections share.
type account struct {
	conns int
	spent bucket
}

// NewCore returns a Core that is alone until Members says otherwise.
func NewCore(cfg CoreConfig) *Core {
	if cfg.MaxRooms == 0 {
		cfg.MaxRooms = 250_000
	}
	if cfg.MaxJoined == 0 {
		cfg.MaxJoined = 1000
	}
	if cfg.MaxHistory == 0 {
		cfg.MaxHistory = 256 << 20
	}
	cfg.PerUser = cfg.PerUser.or(Rate{200, 400})
	return &Core{cfg: cfg, self: cfg.Self, epoch: cfg.Epoch, terms: cfg.Epoch, alive: []NodeID{cfg.Self},
		peers: map[NodeID]*peer{}, rooms: map[string]*room{}, unsettled: map[*room]bool{}, filled: map[*Options]bool{},
		conns: map[ConnID]*conn{}, users: map[string]*account{},
		mine: map[string]map[ConnID]*Entry{}, topics: map[string]*topic{}}
}

// Take returns what is to be done since the last call.
func (c *Core) Take() Output {
	o := c.out
	c.out = Output{}
	return o
}

// Tick has time pass. It is called about every 50 ms.
func (c *Core) Tick(now int64) {
	c.now = now
	c.flushChanges()
	c.tendPeers()
	c.tendRooms()
	c.flushTopics()
	if c.tight {
		c.tight = false
		c.sweepEarly()
	}
	if now-c.swept > sweepEvery {
		c.swept = now
		c.sweep(func(r *room) int64 { return r.opts.HistoryIdle })
	}
}

// Connect tells of a connection; its user may be empty.
func (c *Core) Connect(now int64, id ConnID, user string) {
	c.now = now
	a := c.users[user]
	if a == nil {
		a = &account{}
		if user != "" { // those without a name have nothing in common, and one cannot use up what others may send
			c.users[user] = a
		}
	}
	a.conns++
	c.conns[id] = &conn{id: id, user: user, acct: a}
}

// Disconnect tells that a connection has ended: it leaves all rooms.
func (c *Core) Disconnect(now int64, id ConnID) {
	c.now = now
	x := c.conns[id]
	if x == nil {
		return
	}
	for len(x.in) > 0 {
		c.leave(x.in[len(x.in)-1])
	}
	delete(c.conns, id)
	if x.acct.conns--; x.acct.conns == 0 {
		delete(c.users, x.user)
	}
}

// reply sends a frame to one connection.
func (c *Core) reply(id ConnID, b []byte) {
	c.out.Frames = append(c.out.Frames, Frame{Conns: []ConnID{id}, Data: b})
}

// send sends a message to a peer.
func (c *Core) send(p *peer, m Message) {
	p.sent++
	p.sentAt = c.now
	m.Epoch, m.Link = c.epoch, p.sent
	c.out.Messages = append(c.out.Messages, Envelope{p.id, &m})
}

// Stats are what a Core holds.
type Stats struct {
	Conns, Rooms, Owned, Present, Peers int
	HistoryBytes                        int // of all rooms
}

// Stats counts.
func (c *Core) Stats() Stats {
	s := Stats{Conns: len(c.conns), Rooms: len(c.rooms), Peers: len(c.alive) - 1, HistoryBytes: c.held}
	for _, t := range c.topics {
		s.Present += len(t.users)
	}
	for _, r := range c.rooms {
		if r.owns {
			s.Owned++
		}
	}
	return s
}

// names returns the rooms in order of their names, so that what is sent does not follow the
// order of a map.
func (c *Core) names() []string { return slices.Sorted(maps.Keys(c.rooms)) }
