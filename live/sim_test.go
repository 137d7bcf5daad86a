package live_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/live/client"
)

// simNode is a node: a core that is somewhere behind the newest state.
type simNode struct {
	core *live.Core
	ends map[uint64]*simConn
}

// simConn is a connection with frames on their way.
type simConn struct {
	id     uint64
	node   *simNode
	way    []*live.Frame
	format live.Format
}

// simClient is a client with one live query, that comes and goes.
type simClient struct {
	question string
	list     client.List
	conn     *simConn
	every    int64
	sub      string
	seen     uint64
	frames   int
}

// sim runs a few nodes, that come to newer states at their own pace, and clients that lose
// their connections and go elsewhere, from one seed.
type sim struct {
	t       *testing.T
	seed    uint64
	rnd     *rand.Rand
	w       *world
	nodes   []*simNode
	clients []*simClient
	conns   uint64
	now     int64
	count   *simCount
}

type simCount struct{ frames, resumes, resyncs, snapshots, checks int }

func (s *sim) failf(format string, args ...any) {
	s.t.Fatalf("seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

func (s *sim) newNode() *simNode {
	// A node that begins is somewhere in the past.
	at := 1 + s.rnd.IntN(len(s.w.roots)-1)
	limits := live.Limits{QueueBytes: 1 + s.rnd.IntN(2000), ChunkBytes: 1 + s.rnd.IntN(300)}
	return &simNode{core: live.NewCore(limits, s.w.roots[at]), ends: map[uint64]*simConn{}}
}

func runSim(t *testing.T, seed uint64, count *simCount) {
	s := &sim{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), count: count}
	s.w = newWorld(s.rnd, 3+s.rnd.IntN(60))
	s.w.spare = s.rnd.IntN(6)
	for range s.rnd.IntN(40) {
		s.w.write()
	}
	for range 1 + s.rnd.IntN(3) {
		s.nodes = append(s.nodes, s.newNode())
	}
	same := s.w.question()
	for i := range 2 + s.rnd.IntN(4) {
		c := &simClient{question: s.w.question(), sub: fmt.Sprint(i % 2)}
		if i%2 == 0 {
			c.question = same
		}
		if s.rnd.IntN(4) == 0 {
			c.every = int64(s.rnd.IntN(20))
		}
		s.clients = append(s.clients, c)
	}
	for range 150 {
		s.step()
	}
	s.settle()
}

func (s *sim) step() {
	c := s.clients[s.rnd.IntN(len(s.clients))]
	node := s.nodes[s.rnd.IntN(len(s.nodes))]
	switch k := s.rnd.IntN(20); {
	case k < 6:
		s.w.write()
	case k < 10: // a node goes on, perhaps by several transactions
		at := int(node.core.Root().Seq())
		node.core.Commit(s.w.roots[at+s.rnd.IntN(len(s.w.roots)-at)])
	case k < 16: // a client reads
		if c.conn != nil {
			s.read(c, 1+s.rnd.IntN(3))
		}
	case k < 17:
		s.now += int64(s.rnd.IntN(30))
		node.core.Tick(s.now)
	case k < 18:
		s.lose(c)
	case k < 19:
		if c.conn == nil {
			s.connect(c, node)
		}
	case s.rnd.IntN(4) == 0: // a node fails
		i := slices.Index(s.nodes, node)
		for _, c := range s.clients {
			if c.conn != nil && c.conn.node == node {
				c.conn = nil
			}
		}
		s.nodes[i] = s.newNode()
	}
	for _, n := range s.nodes {
		s.carry(n)
	}
}

// carry puts what a core hands out on its way.
func (s *sim) carry(n *simNode) {
	for _, out := range n.core.Take() {
		if end := n.ends[out.Conn]; end != nil {
			end.way = append(end.way, out.Frame)
		}
	}
}

func (s *sim) lose(c *simClient) {
	if c.conn == nil {
		return
	}
	if s.rnd.IntN(2) == 0 { // some of what is on its way still comes
		s.read(c, s.rnd.IntN(4))
	}
	c.conn.node.core.Shut(c.conn.id)
	delete(c.conn.node.ends, c.conn.id)
	c.conn = nil
}

// connect has a client come back with what it has, or begin.
func (s *sim) connect(c *simClient, n *simNode) {
	s.conns++
	c.list.Lost()
	c.conn = &simConn{id: s.conns, node: n}
	n.ends[s.conns] = c.conn
	n.core.Open(s.conns, live.JSON)
	q := s.w.query(c.question)
	sub := live.Subscription{ID: c.sub, Query: q, Every: c.every}
	at := int(n.core.Root().Seq()) + s.rnd.IntN(3) - 1 // what the request found need not be what the core is at
	at = min(max(at, 1), len(s.w.roots)-1)
	find := func(seq int) *live.Look {
		look, err := live.Find(q, s.w.roots[seq])
		if err != nil {
			s.failf("%v", err)
		}
		return look
	}
	seq, hash, ok := c.list.Position()
	switch {
	case ok && s.rnd.IntN(8) == 0:
		sub.Resync = "gone"
	case ok:
		at = max(at, int(seq)) // a node waits until it has come there
		if sub.Last = find(int(seq)); sub.Last.Hash().String() != hash {
			s.failf("the client has hash %s at %d, the server %s", hash, seq, sub.Last.Hash())
		}
		s.count.resumes++
	}
	sub.Found = find(at)
	if err := n.core.Subscribe(s.conns, sub); err != nil {
		s.failf("%v", err)
	}
}

// read has a client take frames, and holds what it has against the answer at that sequence.
func (s *sim) read(c *simClient, n int) {
	for ; n > 0 && len(c.conn.way) > 0; n-- {
		f := c.conn.way[0]
		c.conn.way = c.conn.way[1:]
		c.conn.node.core.Sent(c.conn.id, len(f.Data))
		s.take(c, f.Data)
		s.carry(c.conn.node)
	}
}

func (s *sim) take(c *simClient, data []byte) {
	var f client.Frame
	if err := jsonx.Unmarshal(data, &f); err != nil {
		s.failf("%v in %s", err, data)
	}
	s.count.frames++
	c.frames++
	if string(f.ID) != c.sub {
		s.failf("id %s, want %s", f.ID, c.sub)
	}
	switch f.Op {
	case "resync":
		s.count.resyncs++
		c.seen = 0
	case "snapshot":
		s.count.snapshots++
	case "diff":
		if f.Seq < c.seen || f.Seq == c.seen && len(f.Changes) > 0 {
			s.failf("a diff at %d behind one at %d", f.Seq, c.seen)
		}
	default:
		s.failf("%s", data)
	}
	if _, err := c.list.Take(&f); err != nil {
		s.failf("%s: %v\n%s", c.question, err, data)
	}
	if f.Op == "resync" || f.More {
		return
	}
	c.seen = f.Seq
	s.check(c, int(f.Seq), f.Total)
}

func (s *sim) check(c *simClient, seq, total int) {
	s.count.checks++
	want := s.w.answer(c.question, s.w.roots[seq])
	var got []string
	for _, r := range c.list.Rows() {
		canonical, err := jsonx.Canonicalize(nil, r.JSON)
		if err != nil {
			s.failf("%v", err)
		}
		got = append(got, r.Key+" "+string(canonical))
	}
	if !slices.Equal(got, want) {
		s.failf("%q at %d: client has\n%q\nwant\n%q", c.question, seq, got, want)
	}
}

// settle lets everybody read until nothing is left: all have the newest answer then.
func (s *sim) settle() {
	for _, c := range s.clients {
		if c.conn == nil {
			s.connect(c, s.nodes[0])
		}
	}
	for _, n := range s.nodes {
		n.core.Commit(s.w.head())
		s.carry(n)
	}
	for range 100_000 {
		left := false
		for _, c := range s.clients {
			left = left || len(c.conn.way) > 0
			s.read(c, 1)
		}
		for _, n := range s.nodes {
			left = left || n.core.Slowed()
			s.now += 5
			n.core.Tick(s.now)
			s.carry(n)
		}
		if !left {
			break
		}
	}
	for _, c := range s.clients {
		seq, _, ok := c.list.Position()
		if !ok {
			s.failf("%q: nothing whole in the end", c.question)
		}
		s.check(c, len(s.w.roots)-1, 0)
		_ = seq
	}
	subs := 0
	for _, n := range s.nodes {
		subs += n.core.Stats().Subscriptions
	}
	if subs != len(s.clients) {
		s.failf("%d subscriptions are left of %d", subs, len(s.clients))
	}
}

// TestSimulation: whatever connections are lost and nodes fail, a client that has taken a frame
// has exactly the answer at its sequence, by rows and by hash, and nothing comes twice.
func TestSimulation(t *testing.T) {
	seeds := uint64(1500)
	if os.Getenv("LITHAIR_LONG") != "" {
		seeds = 20_000
	}
	var count simCount
	for seed := range seeds {
		runSim(t, seed, &count)
	}
	t.Logf("%d seeds: %+v", seeds, count)
	if count.resumes == 0 || count.resyncs == 0 {
		t.Error("the runs do not exercise what they are for")
	}
}
