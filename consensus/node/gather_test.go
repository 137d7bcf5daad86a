package node_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// mutePeers are peers that stop answering; sent is how many entries each message to the second node has had since.
type mutePeers struct {
	peers
	mute atomic.Bool
	mu   sync.Mutex
	sent []int
}

func (p *mutePeers) Send(messages []consensus.Message) {
	if !p.mute.Load() {
		p.peers.Send(messages)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range messages {
		if m.To == 2 && len(m.Entries) > 0 {
			p.sent = append(p.sent, len(m.Entries))
		}
	}
}

// TestProposersGoTogether: who can propose while others wait for a commit shares a message, though the last commit was
// of a single entry.
func TestProposersGoTogether(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that they take turns, and go on when somebody lets them
	fs, sink := disk.NewSim(1), newRecorder()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(fs.MkdirAll("raft"))
	log, err := eventlog.Open(eventlog.Config{Dir: "log", FS: fs, Logger: quiet()})
	must(err)
	p := &mutePeers{peers: peers{node: make(chan *node.Node, 1), told: make(chan consensus.Message, 100), mail: make(chan consensus.Message, 100)}}
	n, err := node.Start(node.Config{
		Log: log, Sink: sink, FS: fs, Dir: "raft", File: "node", Transport: p, Logger: quiet(), Tick: time.Hour,
		First: node.Identity{Cluster: 1, ID: 1, Membership: consensus.Voters(1, 2, 3)},
	})
	must(err)
	p.node <- n
	go p.live()
	for range 20 { // two election timeouts at most
		n.Tick()
	}
	sink.next(t, "committed") // the entry that opens the term
	epoch := sink.next(t, "leading").number
	p.mute.Store(true)
	propose := func() {
		if _, err := n.Propose(epoch, app, 1, []byte("x")); err != nil {
			t.Error(err)
		}
	}
	propose() // it waits for its commit from here on
	const proposers = 64
	var all sync.WaitGroup
	for range proposers {
		all.Go(propose)
	}
	all.Wait()
	must(n.Close())
	close(p.mail)
	entries := 0
	for _, k := range p.sent {
		entries += k
	}
	t.Logf("%d entries in messages of %v", entries, p.sent)
	if entries != 1+proposers {
		t.Fatalf("%d entries were sent, want %d", entries, 1+proposers)
	}
	if len(p.sent) > proposers/4 {
		t.Fatalf("%d proposers had %d messages", proposers, len(p.sent))
	}
}
