package live

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// Close codes of WebSocket connections, beside those of RFC 6455; see SPEC.md §7.
const (
	CloseKicked  ws.CloseCode = 4000 // by an operator
	CloseExpired ws.CloseCode = 4001 // the token has expired, or was revoked
	CloseSlow    ws.CloseCode = 4002 // too many answers wait to be read
	CloseRate    ws.CloseCode = 4003 // too many messages
)

// Conn is a connection of a client. Its methods are safe for concurrent use.
type Conn struct {
	s      *Server
	id     uint64
	format Format
	socket *ws.Conn // nil: a stream of events
	remote string
	since  time.Time
	gone   chan struct{} // closed when it has ended
	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	principal Principal
	expiry    *time.Timer
	watched   <-chan struct{} // Revoked, somebody waits for
	unwatch   chan struct{}   // closed when nobody is to wait for it any more
	queue     []queued
	bytes     int  // in queue
	replies   int  // bytes of replies that were queued and not sent
	writing   bool // somebody empties queue
	wake      chan struct{}
	room      chan struct{} // closed when queue is empty again; nil: nobody waits
	ended     bool
	reason    string
	feeds     map[string]runningFeed
	onClose   []func()
	value     any

	allowance float64 // messages; used by the reader alone
	asked     time.Time
}

type queued struct {
	frame *Frame
	core  bool // the core keeps count of it
}

// open takes a connection in.
func (s *Server) open(p Principal, f Format, socket *ws.Conn, remote string) (*Conn, error) {
	c := &Conn{s: s, format: f, socket: socket, remote: remote, since: time.Now(), gone: make(chan struct{}), wake: make(chan struct{}, 1), feeds: map[string]runningFeed{}}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.allowance, c.asked = float64(10*s.cfg.MessagesPerSecond), c.since
	s.mu.Lock()
	switch {
	case s.draining:
		s.mu.Unlock()
		return nil, &wire.Error{Status: 503, Detail: "the server stops"}
	case p.ID != "" && s.users[p.ID] >= s.cfg.ConnsPerUser:
		s.mu.Unlock()
		return nil, &wire.Error{Status: 429, Detail: "too many connections"}
	}
	s.next++
	c.id = s.next
	s.conns[c.id] = c
	if p.ID != "" {
		s.users[p.ID]++
	}
	s.mu.Unlock()
	c.setPrincipal(p)
	s.do(func(core *Core) { core.Open(c.id, f) })
	c.push(c.ready(), fromProgram)
	return c, nil
}

func (c *Conn) ready() *Frame {
	return object(nil).frameOp(c.format, "ready", func(o object) object {
		if c.s.cfg.Node != nil {
			o = o.text("node", c.s.cfg.Node())
		}
		if epoch := c.s.epoch(); epoch != "" {
			o = o.text("epoch", epoch)
		}
		return o.number("seq", c.s.cfg.Source.Root().Seq())
	})
}

// frameOp makes a frame of one operation without an id.
func (o object) frameOp(f Format, op string, fill func(o object) object) *Frame {
	name := op
	if op == "ready" {
		name = "connected"
	}
	o = fill(begin(f, op, ""))
	if len(o) == 0 {
		o = object(`{`)
	}
	return o.frame(f, name, "")
}

// close takes a connection out, once it has ended.
func (c *Conn) close() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended, c.queue, c.bytes = true, nil, 0
	if c.expiry != nil {
		c.expiry.Stop()
	}
	p, ends := c.principal, c.onClose
	c.mu.Unlock()
	s := c.s
	s.mu.Lock()
	delete(s.conns, c.id)
	if p.ID != "" {
		if s.users[p.ID]--; s.users[p.ID] <= 0 {
			delete(s.users, p.ID)
		}
	}
	s.mu.Unlock()
	close(c.gone)
	c.cancel()
	s.do(func(core *Core) { core.Shut(c.id) })
	for _, fn := range ends {
		fn()
	}
}

// end closes the connection from this side. It may wait for what is being sent to a slow client.
func (c *Conn) end(code ws.CloseCode, reason string) {
	if c.socket != nil {
		c.socket.Close(code, reason) // how it ended is told to close
		return
	}
	c.mu.Lock()
	c.reason = reason
	c.mu.Unlock()
	c.cancel()
}

// ID returns the number of the connection, which no other of this server ever has.
func (c *Conn) ID() uint64 { return c.id }

// Principal returns whom the connection is for.
func (c *Conn) Principal() Principal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.principal
}

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.ctx }

// SetValue keeps a value with the connection, and Value returns it.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = v
}

// Value returns what SetValue was given last; nil before.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// OnClose has fn called when the connection has ended; at once when it has already.
func (c *Conn) OnClose(fn func()) {
	c.mu.Lock()
	ended := c.ended
	if !ended {
		c.onClose = append(c.onClose, fn)
	}
	c.mu.Unlock()
	if ended {
		fn()
	}
}

func (c *Conn) info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	transport := "websocket"
	if c.format == Events {
		transport = "events"
	}
	return Info{c.id, c.principal, c.remote, transport, c.since, c.bytes}
}

// setPrincipal sets whom the connection is for, and ends it when that is over.
func (c *Conn) setPrincipal(p Principal) {
	over := func(reason string) func() {
		return func() {
			c.s.cut.Add(1)
			c.end(CloseExpired, reason)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.principal = p
	if c.expiry != nil {
		c.expiry.Stop()
		c.expiry = nil
	}
	if !p.Expiry.IsZero() {
		c.expiry = time.AfterFunc(time.Until(p.Expiry), over("the token has expired"))
	}
	if p.Revoked == c.watched {
		return
	}
	if c.unwatch != nil {
		close(c.unwatch)
		c.unwatch = nil
	}
	if c.watched = p.Revoked; p.Revoked == nil {
		return
	}
	c.unwatch = make(chan struct{})
	go func(revoked <-chan struct{}, instead <-chan struct{}) {
		select {
		case <-c.gone:
		case <-instead:
		case <-revoked:
			c.mu.Lock()
			current := c.watched == revoked
			c.mu.Unlock()
			if current {
				over("the token was revoked")()
			}
		}
	}(p.Revoked, c.unwatch)
}

// NewFrame makes a frame of a JSON object with a member op, for any number of connections. Over
// server-sent events nothing but live queries and feeds is sent. The error is ws.ErrNotUTF8.
func NewFrame(data []byte) (*Frame, error) {
	p, err := ws.Prepare(ws.Text, data)
	if err != nil {
		return nil, err
	}
	return &Frame{Data: data, Shared: true, kept: p}, nil
}

// Send queues a frame without waiting; false when the connection has ended, or has
// Limits.QueueBytes waiting: then nothing is queued. A frame may be larger than that.
func (c *Conn) Send(f *Frame) bool { return c.push(f, fromProgram) }

// Reply queues an answer to the client, an object with a member op, in turn with all that its
// live queries tell. A client that does not read what it asked for is closed with CloseSlow when it asks for more.
func (c *Conn) Reply(data []byte) { c.reply(&Frame{Data: data}) }

func (c *Conn) reply(f *Frame) {
	c.s.do(func(core *Core) { core.Reply(c.id, f) })
}

// sender is who keeps the queue within its bounds.
type sender uint8

const (
	fromCore    sender = iota // the core, which is told what was sent
	fromFeed                  // the feed, which has waited for room
	fromProgram               // push, which refuses
)

// push queues a frame and sees to it that somebody sends it.
func (c *Conn) push(f *Frame, from sender) bool {
	if f.Shared && f.kept == nil && c.socket != nil && from == fromCore { // by the owner of the core alone
		f.kept, _ = ws.Prepare(ws.Text, f.Data)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || from == fromProgram && c.bytes >= c.s.cfg.Limits.QueueBytes {
		return false
	}
	c.queue = append(c.queue, queued{f, from == fromCore})
	c.bytes += len(f.Data)
	if f.reply {
		c.replies += len(f.Data)
	}
	if c.socket == nil {
		select {
		case c.wake <- struct{}{}:
		default:
		}
		return true
	}
	if !c.writing {
		c.writing = true
		go c.drain()
	}
	return true
}

// pushWait is push that waits for room; false when ctx ended first, or the connection.
func (c *Conn) pushWait(ctx context.Context, f *Frame) bool {
	for {
		c.mu.Lock()
		full := c.bytes > 0 && c.bytes+len(f.Data) > c.s.cfg.Limits.QueueBytes
		if full && c.room == nil {
			c.room = make(chan struct{})
		}
		room, ended := c.room, c.ended
		c.mu.Unlock()
		switch {
		case ended:
			return false
		case !full:
			return c.push(f, fromFeed)
		}
		select {
		case <-room:
		case <-ctx.Done():
			return false
		}
	}
}

// take empties the queue.
func (c *Conn) take() []queued {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.queue
	c.queue, c.bytes = nil, 0
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
	if len(list) == 0 {
		c.writing = false
	}
	return list
}

// drain sends what is queued, for as long as there is something, and tells the core.
func (c *Conn) drain() {
	for {
		list := c.take()
		if len(list) == 0 {
			return
		}
		for _, q := range list {
			if err := c.write(q.frame); err != nil {
				c.socket.CloseNow() // what is missing from now on, the client asks for when it comes again
				return
			}
		}
		c.sent(list)
	}
}

func (c *Conn) sent(list []queued) {
	n, replies := 0, 0
	for _, q := range list {
		if q.core {
			n += len(q.frame.Data)
		}
		if q.frame.reply {
			replies += len(q.frame.Data)
		}
	}
	if replies > 0 {
		c.mu.Lock()
		c.replies -= replies
		c.mu.Unlock()
	}
	if n > 0 {
		c.s.do(func(core *Core) { core.Sent(c.id, n) })
	}
}

func (c *Conn) write(f *Frame) error {
	if p, ok := f.kept.(*ws.Prepared); ok && p != nil {
		return c.socket.WritePrepared(context.Background(), p)
	}
	return c.socket.Write(context.Background(), ws.Text, f.Data)
}

// Upgrade serves GET requests that ask for a WebSocket.
func (s *Server) Upgrade(w *wire.Response, r *wire.Request) error {
	p, err := s.authenticate(r)
	if err != nil {
		return err
	}
	remote := r.ClientAddr().String()
	socket, err := s.ws.Upgrade(w, r)
	if err != nil {
		return err
	}
	c, err := s.open(p, JSON, socket, remote)
	if err != nil {
		return socket.Close(ws.CloseTryAgainLater, err.Error())
	}
	socket.Handle(&ws.Handler{
		Message: func(_ *ws.Conn, op ws.Opcode, data []byte) error { return c.message(op, data) },
		Close:   func(*ws.Conn, error) { c.close() },
	})
	return nil
}

func (s *Server) authenticate(r *wire.Request) (Principal, error) {
	if s.cfg.Guard == nil {
		return Principal{}, nil
	}
	return s.cfg.Guard.Authenticate(r)
}

func (s *Server) authorize(p Principal, verb, model, key string) error {
	if s.cfg.Guard == nil {
		return nil
	}
	if err := s.cfg.Guard.Authorize(p, verb, model, key); err != nil {
		return &Error{Code: "forbidden", Detail: "that is not allowed", Err: err}
	}
	return nil
}

// envelope is what every message has.
type envelope struct {
	Op  string         `json:"op"`
	ID  jsonx.RawValue `json:"id"`
	Ref jsonx.RawValue `json:"ref"`
}

// message handles a message. An error closes the connection.
func (c *Conn) message(op ws.Opcode, data []byte) error {
	if !c.admit(time.Now()) {
		c.s.cut.Add(1)
		return &ws.CloseError{Code: CloseRate, Reason: "too many messages"}
	}
	if c.unread() > c.s.cfg.Limits.QueueBytes {
		c.s.cut.Add(1)
		return &ws.CloseError{Code: CloseSlow, Reason: "too many answers wait to be read"}
	}
	if op != ws.Text {
		return &ws.CloseError{Code: ws.CloseUnsupportedData, Reason: "want text"}
	}
	var e envelope
	if err := jsonx.Unmarshal(data, &e); err != nil {
		c.fail("", fault("bad_message", err.Error()))
		return nil
	}
	id, err := e.id()
	if err != nil {
		c.fail("", err)
		return nil
	}
	fn := c.s.ops[e.Op]
	if fn == nil {
		c.fail(id, fault("unknown_op", "there is no operation "+strconv.Quote(cut(e.Op))))
		return nil
	}
	if err := fn(c, data); err != nil {
		c.fail(id, err)
	}
	return nil
}

// unread returns how many bytes of replies the client has not taken.
func (c *Conn) unread() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replies
}

// id returns the id of a message as text that may stand in a frame; "" for none.
func (e *envelope) id() (string, error) {
	raw := e.ID
	if len(raw) == 0 {
		raw = e.Ref
	}
	switch {
	case len(raw) == 0:
		return "", nil
	case len(raw) > maxID:
		return "", fault("bad_message", "an id is at most 64 bytes long")
	case raw[0] == '"', raw[0] >= '0' && raw[0] <= '9':
		return string(raw), nil
	}
	return "", fault("bad_message", "an id is a text or a whole number from 0")
}

// cut shortens what a client said, for a text that answers it.
func cut(text string) string {
	if len(text) > maxID {
		return strings.ToValidUTF8(text[:maxID], "") + "..."
	}
	return text
}

// maxID bounds ids, quotes included.
const maxID = 66

// admit keeps the rate of messages.
func (c *Conn) admit(now time.Time) bool {
	rate := float64(c.s.cfg.MessagesPerSecond)
	c.allowance = min(c.allowance+now.Sub(c.asked).Seconds()*rate, 10*rate)
	c.asked = now
	if c.allowance < 1 {
		return false
	}
	c.allowance--
	return true
}

// fail tells the client of an error.
func (c *Conn) fail(id string, err error) {
	c.reply(errorFrame(c.format, id, c.s.public(err)))
}

// public is what clients are told of an error.
func (s *Server) public(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	s.log.Error("a live connection met an error", "error", err)
	return &Error{Code: "internal", Detail: "something went wrong", Err: err}
}
