package rooms

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink is connections that take what they have room for.
type sink struct {
	mu   sync.Mutex
	room map[ConnID]int // frames that a connection takes still; none: any number
	got  map[ConnID][]string
	cut  map[ConnID]bool
}

func newSink() *sink {
	return &sink{room: map[ConnID]int{}, got: map[ConnID][]string{}, cut: map[ConnID]bool{}}
}

func (s *sink) Prepare(b []byte) any { return string(b) }

func (s *sink) Send(id ConnID, f any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, bounded := s.room[id]; bounded {
		if n == 0 {
			return false
		}
		s.room[id]--
	}
	s.got[id] = append(s.got[id], f.(string))
	return true
}

func (s *sink) Cut(id ConnID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut[id] = true
}

func (s *sink) let(id ConnID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room[id] = n
}

// texts are the data of the messages that a connection got.
func (s *sink) texts(id ConnID) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.got[id] {
		if _, data, ok := strings.Cut(f, `"data":`); ok && strings.Contains(f, `"op":"message"`) {
			list = append(list, strings.TrimSuffix(data, "}"))
		}
	}
	return list
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func options(o Options) func(string) *Options {
	o.PerConn, o.PerRoom = Rate{PerSecond: -1}, Rate{PerSecond: -1}
	return func(string) *Options { return &o }
}

// TestSlowReaders: one connection takes nothing; the policy says what becomes of it, and the other gets all.
func TestSlowReaders(t *testing.T) {
	for _, slow := range []Slow{SlowCut, SlowDrop, SlowCoalesce} {
		s := newSink()
		h := NewHub(HubConfig{Sink: s, Core: CoreConfig{Self: 1, Epoch: 5, Options: options(Options{Slow: slow}), PerUser: Rate{PerSecond: -1}}})
		for id := ConnID(1); id <= 3; id++ {
			h.Connect(id, fmt.Sprint("u", id))
			if err := h.Join(id, "a", "", nil); err != nil {
				t.Fatal(err)
			}
		}
		s.let(3, 0)
		for i := range 20 {
			for id := ConnID(1); id <= 2; id++ {
				if err := h.Send(id, "a", "", "", fmt.Appendf(nil, "%d.%d", id, i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.let(3, 1000)
		if n := len(s.texts(1)); n != 40 {
			t.Errorf("policy %d: who reads got %d of 40 messages", slow, n)
		}
		switch slow {
		case SlowCut:
			if s.mu.Lock(); !s.cut[3] || s.cut[1] {
				t.Errorf("ended: %v, want 3 alone", s.cut)
			}
			s.mu.Unlock()
		case SlowDrop:
			if f := h.Figures(); f.Dropped != 40 || len(s.texts(3)) != 0 {
				t.Errorf("%d frames were dropped, want 40", f.Dropped)
			}
		case SlowCoalesce:
			eventually(t, "the newest of each sender comes", func() bool { return strings.Join(s.texts(3), " ") == "1.19 2.19" })
		}
		h.Close()
	}
}

// pipes connects hubs by pipes.
type pipes struct {
	self NodeID
	mu   *sync.Mutex
	hubs map[NodeID]*Hub
}

func (p pipes) Nodes() []NodeID { return []NodeID{1, 2} } // whether they run or not

func (p pipes) Dial(_ context.Context, to NodeID) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hubs[to]
	if h == nil {
		return nil, net.ErrClosed
	}
	near, far := net.Pipe()
	go h.Serve(far, p.self)
	return near, nil
}

// TestHubs: two hubs over streams, one of which ends and comes again.
func TestHubs(t *testing.T) {
	var mu sync.Mutex
	hubs, sinks := map[NodeID]*Hub{}, map[NodeID]*sink{1: newSink(), 2: newSink()}
	start := func(id NodeID, epoch uint64) *Hub {
		h := NewHub(HubConfig{Sink: sinks[id], Mesh: pipes{id, &mu, hubs}, Core: CoreConfig{Self: id, Epoch: epoch, Options: options(Options{History: 5, Presence: true})}})
		mu.Lock()
		hubs[id] = h
		mu.Unlock()
		h.Connect(ConnID(id), fmt.Sprint("u", id))
		return h
	}
	a, b := start(1, 10), start(2, 10)
	defer a.Close()
	join := func(h *Hub, id ConnID) {
		t.Helper()
		if err := h.Join(id, "a", "", nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "both are there for both", func() bool {
			mu.Lock()
			defer mu.Unlock()
			for _, h := range hubs {
				if _, _, n := h.List("a", "", 10); n != 2 {
					return false
				}
			}
			return true
		})
	}
	if err := a.Join(1, "a", "", nil); err != nil {
		t.Fatal(err)
	}
	join(b, 2)
	if err := a.Send(1, "a", "", "", []byte("1")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message is on both", func() bool { return len(sinks[1].texts(1)) == 1 && len(sinks[2].texts(2)) == 1 })
	mu.Lock()
	delete(hubs, 2)
	mu.Unlock()
	b.Close()
	eventually(t, "who was on a node that ended is gone", func() bool { _, _, n := a.List("a", "", 10); return n == 1 })
	b = start(2, 20)
	defer b.Close()
	join(b, 2)
	if err := b.Send(2, "a", "", "", []byte("2")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second message is on both, and the first came to the new node as well", func() bool {
		return strings.Join(sinks[1].texts(1), " ") == "1 2" && strings.HasSuffix(strings.Join(sinks[2].texts(2), " "), "1 2")
	})
}

// BenchmarkBroadcast sends messages to a room with ten thousand members: the rooms' own part, without sockets.
func BenchmarkBroadcast(b *testing.B) {
	const members = 10_000
	c := alone(&Options{PerConn: Rate{PerSecond: -1}, PerRoom: Rate{PerSecond: -1}}, members)
	c.cfg.PerUser = Rate{PerSecond: -1}
	for i := range members {
		if err := c.Join(1, ConnID(i+1), "a", "", nil); err != nil {
			b.Fatal(err)
		}
	}
	c.Take()
	data := []byte(`{"text":"hello"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Send(2, 1, "a", "1", "", data); err != nil {
			b.Fatal(err)
		}
		if n := len(c.Take().Frames[0].Conns); n != members {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/members, "ns/member")
}

// TestCoalescedKeepTheirOrder: what a slow connection gets late comes in the order in which it was said: clients take a lower
// number after a higher one for told already.
func TestCoalescedKeepTheirOrder(t *testing.T) {
	s := newSink()
	h := NewHub(HubConfig{Core: CoreConfig{Self: 1, Epoch: 1, Options: func(string) *Options { return nil }}, Sink: s})
	defer h.Close()
	s.let(7, 0)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range []struct{ key, data string }{{"anna", "1"}, {"ben", "2"}, {"anna", "3"}, {"cleo", "4"}} {
		h.show(&Frame{Conns: []ConnID{7}, Data: []byte(x.data), Slow: SlowCoalesce, Key: x.key})
	}
	s.let(7, 10)
	h.flushLate()
	if got := strings.Join(s.got[7], " "); got != "2 3 4" {
		t.Errorf("got %s, want 2 3 4", got)
	}
}

// wideMesh has members that change, and counts who is dialled.
type wideMesh struct {
	mu     sync.Mutex
	nodes  []NodeID
	dialed map[NodeID]int
}

func (m *wideMesh) Nodes() []NodeID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nodes
}

func (m *wideMesh) Dial(_ context.Context, to NodeID) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dialed[to]++
	return nil, net.ErrClosed
}

// TestRemovedMembersAreNotDialled: a link to a node ends when that is no member any more.
func TestRemovedMembersAreNotDialled(t *testing.T) {
	m := &wideMesh{nodes: []NodeID{1, 2, 3}, dialed: map[NodeID]int{}}
	h := NewHub(HubConfig{Sink: newSink(), Mesh: m, Core: CoreConfig{Self: 1, Epoch: 1, Options: options(Options{})}})
	defer h.Close()
	times := func(id NodeID) int {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.dialed[id]
	}
	eventually(t, "both are dialled", func() bool { return times(2) > 0 && times(3) > 0 })
	h.mu.Lock()
	gone := h.links[3]
	h.mu.Unlock()
	m.mu.Lock()
	m.nodes = []NodeID{1, 2}
	m.mu.Unlock()
	eventually(t, "the link has ended", func() bool { return gone.ctx.Err() != nil })
	at := times(2)
	eventually(t, "the other goes on", func() bool { return times(2) > at+2 })
	at = times(3)
	again := times(2)
	eventually(t, "the other goes on", func() bool { return times(2) > again+3 })
	if n := times(3); n > at {
		t.Errorf("a node that was removed was dialled %d more times", n-at)
	}
}

// TestFullStatesGoWhole: all that one step has to say to a peer is queued, however much, or nothing of it.
func TestFullStatesGoWhole(t *testing.T) {
	m := &wideMesh{dialed: map[NodeID]int{}}
	h := NewHub(HubConfig{Sink: newSink(), Mesh: m, Core: CoreConfig{Self: 1, Epoch: 1, Options: options(Options{})}})
	defer h.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &link{to: 2, wake: make(chan struct{}, 1)} // a peer that takes nothing now
	l.ctx, l.stop = context.WithCancel(h.ctx)
	h.links[2] = l
	piece := Message{Kind: KindDirect, Room: strings.Repeat("r", 1<<20)}
	queued := func() int {
		h.steps++
		before := len(l.queue)
		for range 40 {
			h.post(Envelope{To: 2, Message: &piece})
		}
		return (len(l.queue) - before) / (1 << 20)
	}
	if n := queued(); n != 40 || h.lost.Load() != 0 {
		t.Errorf("%d of 40 pieces of a state are queued", n)
	}
	if n := queued(); n != 0 || h.lost.Load() != 40 {
		t.Errorf("behind it %d pieces of another", n)
	}
}
