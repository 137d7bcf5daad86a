package node_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// mesh carries messages between nodes of this process.
type mesh struct {
	mu    sync.Mutex
	nodes map[consensus.NodeID]*peer
	cut   map[consensus.NodeID]bool
	loose sync.WaitGroup
}

// peer is a node, its disk and what its sink has heard.
type peer struct {
	mesh *mesh
	id   consensus.NodeID
	sim  *disk.Sim
	n    *node.Node

	mu      sync.Mutex
	in      []consensus.Message
	got     []string
	epoch   uint64
	lost    []error
	answers map[uint64]error
	knows   *consensus.Membership // who can be sent to; nil: everybody
	stop    chan struct{}
	wake    chan struct{}
}

func (p *peer) Send(messages []consensus.Message) {
	p.mesh.mu.Lock()
	defer p.mesh.mu.Unlock()
	for _, m := range messages {
		to := p.mesh.nodes[m.To]
		if to == nil || p.mesh.cut[p.id] || p.mesh.cut[m.To] || !p.reaches(m.To) {
			continue
		}
		b := consensus.AppendMessage(nil, &m)
		back, err := consensus.ParseMessage(b)
		if err != nil {
			panic(err)
		}
		to.mu.Lock()
		to.in = append(to.in, back)
		to.mu.Unlock()
		select {
		case to.wake <- struct{}{}:
		default:
		}
	}
}

// Members implements node.Transport: as over TCP, nobody else is reached.
func (p *peer) Members(m consensus.Membership) {
	if len(m.Members) == 0 {
		return
	}
	p.mu.Lock()
	p.knows = &m
	p.mu.Unlock()
}

func (p *peer) reaches(id consensus.NodeID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.knows == nil {
		return true
	}
	_, ok := p.knows.Find(id)
	return ok
}

// listen hands messages to the node.
func (p *peer) listen() {
	defer p.mesh.loose.Done()
	for {
		select {
		case <-p.stop:
			return
		case <-p.wake:
		}
		p.mu.Lock()
		in := p.in
		p.in = nil
		p.mu.Unlock()
		p.n.Receive(in...)
	}
}

func (p *peer) Holds() eventlog.Position { return eventlog.Position{} }
func (p *peer) Replay(records []eventlog.Record) error {
	p.Committed(records)
	return nil
}
func (p *peer) Committed(records []eventlog.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range records {
		p.got = append(p.got, fmt.Sprintf("%d/%d %s", r.Index, r.Term, r.Payload))
	}
}
func (p *peer) Leading(epoch uint64) { p.mu.Lock(); p.epoch = epoch; p.mu.Unlock() }
func (p *peer) Lost(epoch uint64, known bool, cause error) {
	p.mu.Lock()
	p.epoch, p.lost = 0, append(p.lost, cause)
	p.mu.Unlock()
}
func (p *peer) Barrier(ticket, index uint64, err error) {
	p.mu.Lock()
	p.answers[ticket] = err
	p.mu.Unlock()
}

func (m *mesh) start(t *testing.T, id consensus.NodeID, members consensus.Membership, incarnation uint64) *peer {
	t.Helper()
	p := m.nodes[id]
	if p == nil {
		p = &peer{mesh: m, id: id, sim: disk.NewSim(uint64(id))}
	}
	p.mu.Lock()
	p.got, p.epoch, p.in, p.stop, p.wake, p.answers = nil, 0, nil, make(chan struct{}), make(chan struct{}, 1), map[uint64]error{}
	p.mu.Unlock()
	if err := p.sim.MkdirAll("raft"); err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(node.Config{
		Log: openSim(t, p.sim), Sink: p, FS: p.sim, Dir: "raft", File: "node", Transport: p, Tick: 10 * time.Millisecond, Logger: quiet(),
		First: node.Identity{Cluster: 42, ID: id, Membership: members, Incarnation: incarnation},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.n = n
	m.mu.Lock()
	m.nodes[id] = p
	m.mu.Unlock()
	m.loose.Add(1)
	go p.listen()
	return p
}

func (m *mesh) close(t *testing.T, p *peer) {
	t.Helper()
	close(p.stop)
	if err := p.n.Close(); err != nil {
		t.Error(err)
	}
}

// until waits for something to become true; a cluster on a busy machine takes its time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func (m *mesh) leader(t *testing.T) (p *peer) {
	t.Helper()
	until(t, "a leader", func() bool {
		for _, q := range m.nodes {
			q.mu.Lock()
			leads := q.epoch != 0
			q.mu.Unlock()
			if leads && !m.cut[q.id] {
				p = q
				return true
			}
		}
		return false
	})
	return p
}

func (p *peer) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *peer) propose(text string) error {
	p.mu.Lock()
	epoch := p.epoch
	p.mu.Unlock()
	_, err := p.n.Propose(epoch, consensus.FirstKind, time.Now().UnixNano(), []byte(text))
	return err
}

func (m *mesh) equal(t *testing.T, text string, peers ...*peer) {
	t.Helper()
	until(t, fmt.Sprintf("%q everywhere", text), func() bool {
		for _, p := range peers {
			got := p.heard()
			if !slices.ContainsFunc(got, func(s string) bool { return len(s) >= len(text) && s[len(s)-len(text):] == text }) {
				return false
			}
		}
		return true
	})
	for _, p := range peers[1:] {
		a, b := peers[0].heard(), p.heard()
		n := min(len(a), len(b))
		if !slices.Equal(a[:n], b[:n]) {
			t.Fatalf("nodes %d and %d were told different things:\n%q\n%q", peers[0].id, p.id, a, b)
		}
	}
}

// TestThreeNodes: entries reach all; the leader is cut off and another takes over; it comes back
// and follows; all are restarted and know what they knew; one is added and one removed.
func TestThreeNodes(t *testing.T) {
	m := &mesh{nodes: map[consensus.NodeID]*peer{}, cut: map[consensus.NodeID]bool{}}
	members := consensus.Voters(1, 2, 3)
	var peers []*peer
	for id := range consensus.NodeID(3) {
		peers = append(peers, m.start(t, id+1, members, 0))
	}
	first := m.leader(t)
	until(t, "all know who leads", func() bool {
		first = m.leader(t) // another one may by now
		for _, p := range peers {
			if v, _ := p.n.View(); v.Leader != first.id || v.Term == 0 || v.Leads != (p == first) {
				return false
			}
		}
		return true
	})
	for i := range 50 {
		if err := first.propose(fmt.Sprintf("a%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	m.equal(t, "a49", peers...)
	for _, p := range peers {
		p.n.Barrier(2, 7)
		until(t, "a barrier's answer", func() bool { p.mu.Lock(); defer p.mu.Unlock(); err, ok := p.answers[7]; return ok && err == nil })
	}

	m.mu.Lock()
	m.cut[first.id] = true
	m.mu.Unlock()
	until(t, "the old leader to step down", func() bool { first.mu.Lock(); defer first.mu.Unlock(); return first.epoch == 0 })
	second := m.leader(t)
	if err := second.propose("b"); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	m.cut[first.id] = false
	m.mu.Unlock()
	m.equal(t, "b", peers...)

	var before [][]string
	for _, p := range peers {
		before = append(before, p.heard())
		m.close(t, p)
	}
	m.loose.Wait()
	for i, p := range peers {
		m.start(t, p.id, consensus.Membership{}, 0)
		if got := p.heard(); len(got) > len(before[i]) || !slices.Equal(got, before[i][:len(got)]) {
			t.Fatalf("node %d replays\n%q\nbefore it was\n%q", p.id, got, before[i])
		}
	}
	third := m.leader(t)
	if err := third.propose("c"); err != nil {
		t.Fatal(err)
	}
	m.equal(t, "c", peers...)

	fourth := m.start(t, 4, consensus.Membership{}, 99)
	if err := third.n.Change(consensus.Change{Member: consensus.Member{ID: 4, Promote: true, Incarnation: 99}}); err != nil {
		t.Fatal(err)
	}
	m.equal(t, "c", third, fourth)
	until(t, "the learner's promotion", func() bool {
		x, ok := third.n.Status().Membership.Find(4)
		return ok && x.Role == consensus.Voter
	})
	until(t, "the change to be over", func() bool {
		return third.n.Change(consensus.Change{Remove: true, Member: consensus.Member{ID: third.id}}) == nil
	})
	until(t, "the removed leader to step down", func() bool { third.mu.Lock(); defer third.mu.Unlock(); return third.epoch == 0 })
	until(t, "the removed leader to hear that it is out", func() bool {
		s := third.n.Status()
		_, member := s.Membership.Find(third.id)
		return !member && s.MembershipCommitted
	})
	last := m.leader(t)
	if err := last.propose("d"); err != nil {
		t.Fatal(err)
	}
	rest := slices.DeleteFunc(append(slices.Clone(peers), fourth), func(p *peer) bool { return p == third })
	m.equal(t, "d", rest...)
	for _, p := range append(peers, fourth) {
		m.close(t, p)
	}
	m.loose.Wait()
}

// TestALeaderWithAFullDiskHandsOver: what its disk has no room for the others have, and one of them leads, of five one whose disk
// has room; writes go on.
func TestALeaderWithAFullDiskHandsOver(t *testing.T) {
	m := &mesh{nodes: map[consensus.NodeID]*peer{}, cut: map[consensus.NodeID]bool{}}
	var peers, roomy []*peer
	for id := range consensus.NodeID(5) {
		peers = append(peers, m.start(t, id+1, consensus.Voters(1, 2, 3, 4, 5), 0))
	}
	until(t, "the newest format", func() bool { return m.leader(t).n.Status().Membership.Format == consensus.NewestFormat })
	first := m.leader(t)
	full := map[*peer]bool{first: true}
	for _, p := range peers {
		if len(full) < 2 {
			full[p] = true // the next one that it would think of
		}
		if full[p] {
			p.sim.SetCapacity(1)
		} else {
			roomy = append(roomy, p)
		}
	}
	text := strings.Repeat("x", 20<<10) // more than the segment at hand has room for
	until(t, "a write", func() bool { return m.leader(t).propose(text) == nil })
	until(t, "a leader with room", func() bool { return !full[m.leader(t)] })
	m.equal(t, text, roomy...)
	until(t, "a write", func() bool { return m.leader(t).propose("more") == nil })
	m.equal(t, "more", roomy...)
	for p := range full {
		p.sim.SetCapacity(0)
	}
	m.equal(t, "more", peers...)
	for _, p := range peers {
		m.close(t, p)
	}
	m.loose.Wait()
}

// TestALeaderWithAFullDiskIsNeeded: of two nodes the other one could write nothing either, and reads go on where they are.
func TestALeaderWithAFullDiskIsNeeded(t *testing.T) {
	m := &mesh{nodes: map[consensus.NodeID]*peer{}, cut: map[consensus.NodeID]bool{}}
	peers := []*peer{m.start(t, 1, consensus.Voters(1, 2), 0), m.start(t, 2, consensus.Voters(1, 2), 0)}
	until(t, "the newest format", func() bool { return m.leader(t).n.Status().Membership.Format == consensus.NewestFormat })
	m.leader(t).sim.SetCapacity(1)
	until(t, "a write that is refused", func() bool {
		first := m.leader(t)
		_ = first.propose(strings.Repeat("x", 20<<10))
		s := first.n.Status()
		return s.State == consensus.Leader && s.Durable < s.Last
	})
	first := m.leader(t)
	term := first.n.Status().Term
	for ticket := range uint64(30) {
		first.n.Barrier(2, 100+ticket)
		until(t, "a barrier's answer", func() bool {
			first.mu.Lock()
			defer first.mu.Unlock()
			err, ok := first.answers[100+ticket]
			if ok && err != nil {
				t.Fatalf("barrier %d: %v", ticket, err)
			}
			return ok
		})
	}
	if now := first.n.Status(); now.Term != term || now.State != consensus.Leader {
		t.Errorf("%v in term %d, was leader in %d", now.State, now.Term, term)
	}
	for _, p := range peers {
		p.sim.SetCapacity(0)
		m.close(t, p)
	}
	m.loose.Wait()
}

// TestNoChainNoCluster: a log without a chain is none for a node of a cluster.
func TestNoChainNoCluster(t *testing.T) {
	sim := disk.NewSim(1)
	log, err := eventlog.Open(eventlog.Config{Dir: "log", FS: sim, NoChain: true, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{sim: sim}
	if n, err := node.Start(node.Config{Log: log, Sink: p, FS: sim, Dir: "raft", File: "node", Transport: p, Logger: quiet()}); !errors.Is(err, eventlog.ErrNoChain) {
		t.Errorf("%v, %v", n, err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
