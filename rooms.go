package lithair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/rooms"
	"github.com/lithair/lithair-go/wire"
)

// RoomRequest is what a hook is asked about.
type RoomRequest struct {
	Principal Principal
	Room      string            // its whole name
	Params    map[string]string // what the pattern's variables stand for
}

// RoomMessage is what a Send hook is asked about.
type RoomMessage struct {
	RoomRequest
	To   string // one user; empty: all
	Data []byte // JSON; not to be changed or kept
}

// SlowReader says what becomes of messages for a connection that has no room for them; see package rooms.
type SlowReader = rooms.Slow

// What may become of them.
const (
	SlowCut      = rooms.SlowCut
	SlowDrop     = rooms.SlowDrop
	SlowCoalesce = rooms.SlowCoalesce
)

// RoomRate is how many messages may come.
type RoomRate = rooms.Rate

// PresentUser is somebody who is present in a room, with all connections.
type PresentUser = rooms.User

// RoomOptions say what holds in the rooms of a pattern. Zero values take the defaults of rooms.Options.
type RoomOptions struct {
	// Join decides who may come in, and see who is there, behind App.Authorize with the verb "join"; an error refuses, and a *wire.Error's
	// detail is told. It decides again when a token renews whom a connection is for. nil: everybody who is let through.
	Join func(ctx context.Context, r RoomRequest) error
	// Send decides what members may send, behind App.Authorize with the verb "send". nil: everything.
	Send func(ctx context.Context, m RoomMessage) error

	History  int  // messages that who joins is told, of up to 8 MiB together, those of all rooms of a node 256 MiB; they live in memory, on the nodes that have members
	Presence bool // members, and who may join, see who is there
	Slow     SlowReader

	MaxMembers int      // connections of one node in one room; default 100,000
	MaxBytes   int      // of a message's data, and of a member's meta; default 64 KiB
	PerConn    RoomRate // messages of a connection in a room; default 50 a second, 100 at once
	PerRoom    RoomRate // messages of a node's connections in a room; default 1,000 a second
}

// Rooms are the rooms of a pattern. It is safe for concurrent use once the application has started.
type Rooms struct {
	app     *App
	pattern []string // its segments
	opts    RoomOptions
	core    *rooms.Options
}

// Room registers rooms: names that fit a pattern such as "chat/{id}", where a variable stands for one segment that is not empty.
// Clients join, leave and send over /live, see rooms/SPEC.md. What is sent goes to all members on all nodes of the
// cluster, in one order, and is kept nowhere: what must last belongs into a model, which a live query shows. With Presence, GET
// /live/rooms/{name} lists who is there. The first pattern that fits a name counts.
func Room(a *App, pattern string, o RoomOptions) *Rooms {
	r := &Rooms{app: a, pattern: strings.Split(pattern, "/"), opts: o, core: &rooms.Options{
		History: o.History, Presence: o.Presence, Slow: o.Slow, MaxMembers: o.MaxMembers, MaxBytes: o.MaxBytes, PerConn: o.PerConn, PerRoom: o.PerRoom,
	}}
	if pattern == "" || len(pattern) > rooms.MaxRoomBytes || slices.Contains(r.pattern, "") || slices.Contains(r.pattern, "{}") {
		a.note(fmt.Errorf("lithair: Room: %q is no pattern: want segments, or {variables}, between slashes", pattern))
		return r
	}
	if len(a.rooms.patterns) == 0 {
		a.note(a.openRooms())
	}
	a.rooms.patterns = append(a.rooms.patterns, r)
	return r
}

// Publish sends v, as JSON, to all members of a room on behalf of the application. What becomes of it is not told.
// Errors: an *rooms.Error; those of jsonx.
func (r *Rooms) Publish(room string, v any) error {
	data, err := jsonx.Marshal(v)
	if err != nil {
		return err
	}
	hub := r.app.rooms.running()
	if hub == nil {
		return errUnusable
	}
	if _, fits := r.match(room); !fits {
		return rooms.ErrUnknownRoom
	}
	return hub.Publish(room, "", data)
}

// Present returns who is in a room, on all nodes, in order of names: up to take users behind one; more says that there are
// others, and count how many in all.
func (r *Rooms) Present(room, after string, take int) (list []PresentUser, more bool, count int) {
	hub := r.app.rooms.running()
	if hub == nil {
		return nil, false, 0
	}
	return hub.List(room, after, take)
}

// match returns what the variables of the pattern stand for.
func (r *Rooms) match(name string) (params map[string]string, fits bool) {
	segments := strings.Split(name, "/")
	if len(segments) != len(r.pattern) {
		return nil, false
	}
	for i, p := range r.pattern {
		if p[0] != '{' || p[len(p)-1] != '}' {
			if p != segments[i] {
				return nil, false
			}
			continue
		}
		if segments[i] == "" {
			return nil, false
		}
		if params == nil {
			params = map[string]string{}
		}
		params[p[1:len(p)-1]] = segments[i]
	}
	return params, true
}

// appRooms is the rooms of an application.
type appRooms struct {
	patterns []*Rooms
	app      *App

	mu       sync.Mutex
	hub      *rooms.Hub
	first    uint64 // what is added to the number of a connection, so that another start has others
	conns    map[rooms.ConnID]*live.Conn
	listener net.Listener
	stop     func() // of saveEpoch; nil when that is not needed
	serving  sync.WaitGroup
}

func (s *appRooms) running() *rooms.Hub {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hub
}

// find returns the rooms that a name belongs to, and what a hook is asked.
func (s *appRooms) find(p Principal, name string) (*Rooms, RoomRequest, error) {
	for _, r := range s.patterns {
		if params, fits := r.match(name); fits && len(name) <= rooms.MaxRoomBytes {
			return r, RoomRequest{p, name, params}, nil
		}
	}
	return nil, RoomRequest{}, roomError(rooms.ErrUnknownRoom)
}

// roomError is an error as clients are told.
func roomError(err error) error {
	var e *rooms.Error
	if errors.As(err, &e) {
		return &live.Error{Code: e.Code, Detail: e.Detail}
	}
	return err
}

// refusal is what clients are told when a hook, or the guard, refuses.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	detail := "that is not allowed"
	var e *wire.Error
	if errors.As(err, &e) && e.Detail != "" {
		detail = e.Detail
	}
	return &live.Error{Code: "forbidden", Detail: detail, Err: err}
}

// mayJoin asks the guard and the hook.
func (s *appRooms) mayJoin(ctx context.Context, p Principal, name string) (*Rooms, error) {
	r, q, err := s.find(p, name)
	if err != nil {
		return nil, err
	}
	if err := s.app.guard.Authorize(p, Action{Verb: "join", Key: name}); err != nil {
		return nil, refusal(err)
	}
	if r.opts.Join != nil {
		return r, refusal(r.opts.Join(ctx, q))
	}
	return r, nil
}

// openRooms adds what clients may ask for.
func (a *App) openRooms() error {
	s := &a.rooms
	s.app, s.conns = a, map[rooms.ConnID]*live.Conn{}
	a.live.OnRenew(s.recheck)
	return errors.Join(
		a.live.Handle("join", s.join), a.live.Handle("leave", s.leave), a.live.Handle("send", s.send),
		a.live.Handle("meta", s.meta), a.live.Handle("presence", s.presence),
		a.router.Get("/live/rooms/{room...}", s.serveList))
}

// roomMessage is any message of a client about a room.
type roomMessage struct {
	Ref   jsonx.RawValue `json:"ref"`
	Room  string         `json:"room"`
	To    string         `json:"to"`
	Meta  jsonx.RawValue `json:"meta"`
	Data  jsonx.RawValue `json:"data"`
	After string         `json:"after"`
	Take  int            `json:"take"`
}

func (s *appRooms) read(c *live.Conn, data []byte) (m roomMessage, p Principal, hub *rooms.Hub, err error) {
	if hub = s.running(); hub == nil {
		return m, p, nil, &live.Error{Code: "unavailable", Detail: "the server is starting"}
	}
	if err := jsonx.Unmarshal(data, &m); err != nil {
		return m, p, nil, &live.Error{Code: "bad_message", Detail: err.Error()}
	}
	return m, principalOf(c), hub, nil
}

// connect returns a connection's number in the hub, which it tells of it the first time.
func (s *appRooms) connect(c *live.Conn, hub *rooms.Hub) rooms.ConnID {
	s.mu.Lock()
	id := rooms.ConnID(s.first + c.ID())
	known := s.conns[id] != nil
	if !known {
		s.conns[id] = c
	}
	s.mu.Unlock()
	if !known {
		hub.Connect(id, c.Principal().ID)
		c.OnClose(func() {
			s.mu.Lock()
			delete(s.conns, id)
			s.mu.Unlock()
			hub.Disconnect(id)
		})
	}
	return id
}

func (s *appRooms) join(c *live.Conn, data []byte) error {
	m, p, hub, err := s.read(c, data)
	if err != nil {
		return err
	}
	if _, err := s.mayJoin(c.Context(), p, m.Room); err != nil {
		return err
	}
	return roomError(hub.Join(s.connect(c, hub), m.Room, string(m.Ref), bytes.Clone(m.Meta)))
}

// recheck takes a connection that is for a renewed principal out of the rooms that this one may not join.
func (s *appRooms) recheck(c *live.Conn) {
	hub := s.running()
	if hub == nil {
		return
	}
	id, p := rooms.ConnID(s.first+c.ID()), principalOf(c)
	for _, room := range hub.Joined(id) {
		_, err := s.mayJoin(c.Context(), p, room)
		if err == nil || hub.Leave(id, room) != nil { // it had left, as when the connection ended
			continue
		}
		why := &rooms.Error{Code: "internal", Detail: "something went wrong"}
		if e, ok := err.(*live.Error); ok {
			why.Code, why.Detail = e.Code, e.Detail
		}
		s.say(c, rooms.ErrorFrame("", room, why))
	}
}

func principalOf(c *live.Conn) Principal {
	p, _ := c.Principal().Value.(Principal)
	return p
}

func (s *appRooms) leave(c *live.Conn, data []byte) error {
	m, _, hub, err := s.read(c, data)
	if err != nil {
		return err
	}
	if err := hub.Leave(s.connect(c, hub), m.Room); err != nil {
		return roomError(err)
	}
	s.done(c, &m)
	return nil
}

// done answers a message with a ref.
func (s *appRooms) done(c *live.Conn, m *roomMessage) {
	if len(m.Ref) > 0 {
		s.say(c, append(append([]byte(`{"op":"ok","ref":`), m.Ref...), '}'))
	}
}

// say sends what must not be missed.
func (s *appRooms) say(c *live.Conn, b []byte) {
	if f := s.Prepare(b).(*live.Frame); f != nil && !c.Send(f) {
		s.app.live.Kick(c.ID(), slowReader)
	}
}

func (s *appRooms) meta(c *live.Conn, data []byte) error {
	m, _, hub, err := s.read(c, data)
	if err != nil {
		return err
	}
	if err := hub.Update(s.connect(c, hub), m.Room, bytes.Clone(m.Meta)); err != nil {
		return roomError(err)
	}
	s.done(c, &m)
	return nil
}

func (s *appRooms) send(c *live.Conn, data []byte) error {
	m, p, hub, err := s.read(c, data)
	if err != nil {
		return err
	}
	if len(m.Data) == 0 {
		return &live.Error{Code: "bad_message", Detail: "send wants data"}
	}
	r, q, err := s.find(p, m.Room)
	if err != nil {
		return err
	}
	if err := s.app.guard.Authorize(p, Action{Verb: "send", Key: m.Room}); err != nil {
		return refusal(err)
	}
	if r.opts.Send != nil {
		if err := r.opts.Send(c.Context(), RoomMessage{q, m.To, m.Data}); err != nil {
			return refusal(err)
		}
	}
	return roomError(hub.Send(s.connect(c, hub), m.Room, string(m.Ref), m.To, bytes.Clone(m.Data)))
}

// maxListedUsers bounds one page of who is present.
const maxListedUsers = 1000

// list returns a page of who is in a room, as JSON members without braces.
func (s *appRooms) list(ctx context.Context, p Principal, hub *rooms.Hub, room, after string, take int) ([]byte, error) {
	r, err := s.mayJoin(ctx, p, room)
	switch {
	case err != nil:
		return nil, err
	case !r.opts.Presence:
		return nil, &live.Error{Code: "unknown_room", Detail: "the room does not tell who is there"}
	case take < 0 || take > maxListedUsers:
		return nil, &live.Error{Code: "bad_message", Detail: "take is from 1 to 1000"}
	case take == 0:
		take = 100
	}
	users, more, count := hub.List(room, after, take)
	b := []byte(`"users":[`)
	for i := range users {
		if i > 0 {
			b = append(b, ',')
		}
		b = users[i].AppendJSON(b)
	}
	b = strconv.AppendInt(append(b, `],"count":`...), int64(count), 10)
	return strconv.AppendBool(append(b, `,"more":`...), more), nil
}

func (s *appRooms) presence(c *live.Conn, data []byte) error {
	m, p, hub, err := s.read(c, data)
	if err != nil {
		return err
	}
	list, err := s.list(c.Context(), p, hub, m.Room, m.After, m.Take)
	if err != nil {
		return err
	}
	b := jsonx.AppendString([]byte(`{"op":"users","room":`), m.Room)
	if len(m.Ref) > 0 {
		b = append(append(b, `,"ref":`...), m.Ref...)
	}
	s.say(c, append(append(append(b, ','), list...), '}'))
	return nil
}

// serveList answers GET /live/rooms/{room}?after=&take=.
func (s *appRooms) serveList(w *wire.Response, r *wire.Request) error {
	hub := s.running()
	if hub == nil {
		return errUnusable
	}
	p, err := s.app.guard.Authenticate(r)
	if err != nil {
		return refused(rest.CodeUnauthorized, err)
	}
	take := 0
	if text := r.Query().Get("take"); text != "" {
		if take, err = strconv.Atoi(text); err != nil || take == 0 {
			take = -1
		}
	}
	list, err := s.list(r.Context(), p, hub, r.PathValue("room"), r.Query().Get("after"), take)
	var e *live.Error
	if errors.As(err, &e) {
		status := map[string]int{"unknown_room": 404, "forbidden": 403, "bad_message": 400}[e.Code]
		return &wire.Error{Status: status, Code: e.Code, Detail: e.Detail, Err: e.Err}
	}
	if err != nil {
		return err
	}
	return w.Send(200, "application/json", append(append([]byte{'{'}, list...), '}'))
}

// slowReader is why a connection is ended that does not take what it must not miss.
const slowReader = "it does not read fast enough"

// Prepare implements rooms.Sink.
func (s *appRooms) Prepare(data []byte) any {
	f, err := live.NewFrame(data)
	if err != nil { // what clients send is UTF-8, and so is what jsonx writes
		s.app.log.Error("a frame for a room is left out", "error", err)
	}
	return f
}

// Send implements rooms.Sink.
func (s *appRooms) Send(id rooms.ConnID, f any) bool {
	s.mu.Lock()
	c := s.conns[id]
	s.mu.Unlock()
	frame := f.(*live.Frame)
	return c != nil && (frame == nil || c.Send(frame))
}

// Cut implements rooms.Sink.
func (s *appRooms) Cut(id rooms.ConnID) {
	s.mu.Lock()
	c := s.conns[id]
	s.mu.Unlock()
	if c != nil {
		s.app.live.Kick(c.ID(), slowReader)
	}
}

// roomStream is the stream between nodes for rooms, and roomPosition where the epoch of the last start is kept; no hook
// can have that name.
const (
	roomStream   = "rooms"
	roomPosition = ".rooms"
)

// startRooms lets clients in.
func (a *App) startRooms() error {
	s := &a.rooms
	if len(s.patterns) == 0 {
		return nil
	}
	last, err := (lazyPositions{a}).Load(roomPosition)
	if err != nil {
		return err
	}
	epoch := max(uint64(time.Now().UnixNano()), last+1)
	err = (lazyPositions{a}).Save(roomPosition, epoch)
	if err != nil && !disk.IsFull(err) {
		return err
	}
	if err != nil { // what is in memory can be served, and read
		a.log.Warn("the epoch of rooms cannot be saved and will be when there is room; until then the clock alone tells it from that of another start", "error", err)
		ctx, stop := context.WithCancel(context.Background())
		s.stop = stop
		s.serving.Go(func() { s.saveEpoch(ctx, epoch) })
	}
	cfg := rooms.HubConfig{Sink: s, Logger: a.log, Core: rooms.CoreConfig{Self: 1, Epoch: epoch, Options: func(name string) *rooms.Options {
		if r, _, err := s.find(Principal{}, name); err == nil {
			return r.core
		}
		return nil
	}}}
	c := a.cluster.Load()
	if c != nil {
		cfg.Core.Self, cfg.Mesh = rooms.NodeID(c.cfg.id), &roomMesh{c: c}
		if s.listener, err = c.tcp.Listen(roomStream); err != nil {
			return err
		}
	}
	hub := rooms.NewHub(cfg)
	s.mu.Lock()
	s.hub, s.first = hub, epoch
	s.mu.Unlock()
	if s.listener != nil {
		s.serving.Go(func() { s.accept(hub) })
	}
	a.roomFigures(hub)
	return nil
}

// saveEpoch saves the epoch of this start as soon as the disk has room.
func (s *appRooms) saveEpoch(ctx context.Context, epoch uint64) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		err := (lazyPositions{s.app}).Save(roomPosition, epoch)
		if err == nil {
			return
		}
		if !disk.IsFull(err) {
			s.app.log.Error("the epoch of rooms cannot be saved", "error", err)
		}
	}
}

// accept takes streams of other nodes.
func (s *appRooms) accept(hub *rooms.Hub) {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		from := rooms.NodeID(c.(*node.Stream).From())
		s.serving.Go(func() {
			if err := hub.Serve(c, from); err != nil {
				s.app.log.Debug("a stream for rooms broke", "from", uint64(from), "error", err)
			}
		})
	}
}

// closeRooms ends what startRooms began.
func (a *App) closeRooms() error {
	s := &a.rooms
	if s.stop != nil {
		s.stop()
	}
	hub := s.running()
	if hub == nil {
		s.serving.Wait()
		return nil
	}
	var err error
	if s.listener != nil {
		err = s.listener.Close()
	}
	hub.Close()
	s.serving.Wait()
	return err
}

// roomFigures registers the figures of rooms.
func (a *App) roomFigures(h *rooms.Hub) {
	gauge := func(name, help string, fn func(f rooms.Figures) int) {
		a.metrics.GaugeFunc(name, help, func() float64 { return float64(fn(h.Figures())) })
	}
	counter := func(name, help string, fn func(f rooms.Figures) uint64, labels ...[2]string) {
		a.metrics.CounterFunc(name, help, func() float64 { return float64(fn(h.Figures())) }, labels...)
	}
	gauge("lithair_rooms", "Rooms with members on this node, or ordered by it.", func(f rooms.Figures) int { return f.Rooms })
	gauge("lithair_rooms_owned", "Rooms that this node orders.", func(f rooms.Figures) int { return f.Owned })
	gauge("lithair_rooms_present", "Users in rooms with presence, on all nodes, once for each room.", func(f rooms.Figures) int { return f.Present })
	gauge("lithair_rooms_history_bytes", "What the histories of rooms take on this node.", func(f rooms.Figures) int { return f.HistoryBytes })
	gauge("lithair_rooms_peers", "Other nodes that answer.", func(f rooms.Figures) int { return f.Peers })
	counter("lithair_rooms_frames_total", "Frames handed to connections.", func(f rooms.Figures) uint64 { return f.Frames })
	const slow = "Frames that connections had no room for, by what became of them or of the connection."
	counter("lithair_rooms_slow_total", slow, func(f rooms.Figures) uint64 { return f.Dropped }, [2]string{"outcome", "dropped"})
	counter("lithair_rooms_slow_total", slow, func(f rooms.Figures) uint64 { return f.Coalesced }, [2]string{"outcome", "coalesced"})
	counter("lithair_rooms_slow_total", slow, func(f rooms.Figures) uint64 { return f.Cut }, [2]string{"outcome", "cut"})
	counter("lithair_rooms_lost_total", "Messages to other nodes for which there was no room; what they said is told again.", func(f rooms.Figures) uint64 { return f.Lost })
}

// roomMesh reaches the other members.
type roomMesh struct {
	c *cluster

	mu    sync.Mutex
	at    time.Time
	nodes []rooms.NodeID
}

// roomMembersEvery is how old the list of members may be.
const roomMembersEvery = time.Second

// Nodes implements rooms.Mesh.
func (m *roomMesh) Nodes() []rooms.NodeID {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); now.Sub(m.at) > roomMembersEvery {
		m.at, m.nodes = now, nil
		for _, x := range m.c.node.Status().Membership.Members {
			m.nodes = append(m.nodes, rooms.NodeID(x.ID))
		}
	}
	return m.nodes
}

// Dial implements rooms.Mesh.
func (m *roomMesh) Dial(ctx context.Context, to rooms.NodeID) (net.Conn, error) {
	return m.c.tcp.Dial(ctx, consensus.NodeID(to), roomStream)
}
