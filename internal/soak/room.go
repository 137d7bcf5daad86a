package soak

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/ws"
)

const (
	membersEach = 2 // of a node
	roomName    = "room/1"
	roomPace    = 60 * time.Millisecond // of a member while faults last
	strictEach  = 20                    // messages of a member without faults
)

// roomFrame is what a server sends of a room.
type roomFrame struct {
	Op      string         `json:"op"`
	Room    string         `json:"room"`
	Epoch   jsonx.RawValue `json:"epoch"`
	N       uint64         `json:"n"`
	Data    words          `json:"data"`
	History []roomFrame    `json:"history"`
	Code    string         `json:"code"`
	Detail  string         `json:"detail"`
}

// words are what members say.
type words struct {
	From  string `json:"from"` // a connection of a member
	I     int    `json:"i"`    // of that connection
	Round int    `json:"round"`
	Phase string `json:"phase"` // "", or of the strict part
}

func (w words) name() string { return fmt.Sprintf("%d %s %s %d", w.Round, w.Phase, w.From, w.I) }

// order is what members have seen, all together.
type order struct {
	mu   sync.Mutex
	said map[string]string // by epoch and number
}

// member is in the room, with one connection after the other.
type member struct {
	*run
	node, id int
	order    *order

	mu     sync.Mutex
	phase  string
	heard  []words // of the phase, in order
	socket *ws.Conn
	conn   string
	sent   int
}

// work keeps a connection until ctx ends.
func (m *member) work(ctx context.Context) {
	for k := 0; ctx.Err() == nil; k++ {
		if err := m.connect(ctx, fmt.Sprintf("%d.%d.%d.%d", m.round, m.node+1, m.id, k)); err != nil && ctx.Err() == nil {
			var bad *roomError
			if errors.As(err, &bad) {
				m.t.Errorf("member %d of node %d: %v", m.id, m.node+1, err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// roomError is what may not be.
type roomError struct{ text string }

func (e *roomError) Error() string { return e.text }

func wrong(format string, args ...any) error { return &roomError{fmt.Sprintf(format, args...)} }

// connect joins and listens until the connection is lost.
func (m *member) connect(ctx context.Context, conn string) error {
	dial, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, err := ws.Dial(dial, "ws"+strings.TrimPrefix(m.f.Nodes[m.node].URL, "http")+"/live", ws.DialConfig{Subprotocols: []string{live.Subprotocol}, Limits: ws.Limits{MaxMessageBytes: 16 << 20}})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	if err := c.Send(ws.Text, []byte(`{"op":"join","ref":"j","room":"`+roomName+`"}`)); err != nil {
		return err
	}
	h := hearing{member: m, seen: map[string]bool{}, last: map[string]int{}}
	defer func() {
		m.mu.Lock()
		m.socket = nil
		m.mu.Unlock()
	}()
	for {
		_, data, err := c.Read(ctx)
		if err != nil {
			return err
		}
		var f roomFrame
		if op, err := opOf(data); err != nil || op == "presence" || op == "ready" {
			if err != nil {
				return wrong("a frame is no JSON: %v: %s", err, data)
			}
			continue
		}
		if err := jsonx.Unmarshal(data, &f); err != nil {
			return wrong("a frame: %v: %s", err, data)
		}
		if f.Op == "joined" {
			m.mu.Lock()
			m.socket, m.conn, m.sent = c, conn, 0
			m.mu.Unlock()
		}
		if err := h.take(&f); err != nil {
			return err
		}
	}
}

func opOf(data []byte) (string, error) {
	var f struct {
		Op string `json:"op"`
	}
	err := jsonx.Unmarshal(data, &f)
	return f.Op, err
}

// hearing is what one connection hears.
type hearing struct {
	*member
	seen  map[string]bool
	last  map[string]int // by sender
	epoch string
	n     uint64
}

// take takes a frame and checks what holds whatever the faults are.
func (h *hearing) take(f *roomFrame) error {
	switch f.Op {
	case "joined":
		for i := range f.History {
			if err := h.message(&f.History[i], true); err != nil {
				return err
			}
		}
		h.epoch, h.n = string(f.Epoch), f.N
	case "epoch":
		h.epoch, h.n = string(f.Epoch), f.N
	case "message":
		return h.message(f, false)
	case "error":
		switch f.Code {
		case "unavailable", "busy", "rate_limited", "not_joined":
			h.tally.add("room: send", Count{Unknown: 1})
		default:
			return wrong("the server says %s: %s", f.Code, f.Detail)
		}
	case "ok":
		h.tally.add("room: send", Count{Acknowledged: 1})
	case "drain":
		return errors.New("the node stops")
	}
	return nil
}

func (h *hearing) message(f *roomFrame, past bool) error {
	name := f.Data.name()
	epoch := string(f.Epoch)
	if !past {
		if epoch == h.epoch && f.N <= h.n {
			return wrong("number %d of epoch %s behind number %d: %s", f.N, epoch, h.n, name)
		}
		h.epoch, h.n = epoch, f.N
		h.order.mu.Lock()
		at := fmt.Sprint(epoch, " ", f.N)
		other, there := h.order.said[at]
		h.order.said[at] = name
		h.order.mu.Unlock()
		if there && other != name {
			return wrong("number %d of epoch %s is %q here, and was %q for another member", f.N, epoch, name, other)
		}
	}
	if h.seen[name] {
		return wrong("%q comes twice, as number %d of epoch %s", name, f.N, epoch)
	}
	h.seen[name] = true
	sender := fmt.Sprint(f.Data.Phase, f.Data.From)
	if f.Data.I <= h.last[sender] {
		return wrong("message %d of %s comes behind %d", f.Data.I, f.Data.From, h.last[sender])
	}
	h.last[sender] = f.Data.I
	h.tally.check("room: message in order, once", 1)
	h.mu.Lock()
	if h.phase != "" && h.phase == f.Data.Phase && h.round == f.Data.Round {
		h.heard = append(h.heard, f.Data)
	}
	h.mu.Unlock()
	return nil
}

// say sends the next message of this member's connection, if it has one that has joined.
func (m *member) say() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.socket == nil {
		return false
	}
	m.sent++
	b, err := jsonx.Marshal(words{m.conn, m.sent, m.round, m.phase})
	if err != nil {
		m.t.Errorf("%v", err)
		return false
	}
	return m.socket.Send(ws.Text, append(append([]byte(`{"op":"send","ref":"s","room":"`+roomName+`","data":`), b...), '}')) == nil
}

// talk sends while faults last.
func (m *member) talk() {
	for ; m.on(); time.Sleep(roomPace) {
		m.say()
	}
}

// enter begins a phase.
func (m *member) enter(phase string) {
	m.mu.Lock()
	m.phase, m.heard = phase, nil
	m.mu.Unlock()
}

func (m *member) has() []words {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.heard)
}

// judgeRoom has all members say something, until each hears each: faults are over then. What they say next all must
// hear, in one order.
func (r *run) judgeRoom(all []*member) {
	for _, m := range all {
		m.enter("probe")
	}
	var next time.Time
	r.f.Await("all members of the room hear each other", func() bool {
		if time.Now().After(next) {
			next = time.Now().Add(300 * time.Millisecond)
			for _, m := range all {
				m.say()
			}
		}
		for _, m := range all {
			from := map[string]bool{}
			for _, w := range m.has() {
				from[w.From] = true
			}
			for _, o := range all {
				o.mu.Lock()
				heard := from[o.conn] && o.socket != nil
				o.mu.Unlock()
				if !heard {
					return false
				}
			}
		}
		return true
	})
	for _, m := range all {
		m.enter("strict")
	}
	for range strictEach {
		for _, m := range all {
			if !m.say() {
				r.t.Errorf("member %d of node %d cannot send, without faults", m.id, m.node+1)
			}
		}
		time.Sleep(5 * time.Millisecond) // below the limit of messages a second
	}
	want := strictEach * len(all)
	r.f.Await(fmt.Sprintf("all members have all %d messages", want), func() bool {
		return !slices.ContainsFunc(all, func(m *member) bool { return len(m.has()) < want })
	})
	for _, m := range all[1:] {
		if !slices.Equal(m.has(), all[0].has()) {
			r.t.Errorf("member %d of node %d heard another order than member %d of node %d:\n%v\n%v", m.id, m.node+1, all[0].id, all[0].node+1, m.has(), all[0].has())
		}
		r.tally.check("room: same order for two members", want)
	}
}
