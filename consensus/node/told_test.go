package node_test

import (
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// peers is a transport whose other ends vote for whoever asks and have durable at once what they
// are sent. What they are told of commits without entries comes out of told.
type peers struct {
	node chan *node.Node
	told chan consensus.Message
	mail chan consensus.Message
}

func (p *peers) Send(messages []consensus.Message) {
	for _, m := range messages {
		p.mail <- m
	}
}

func (p *peers) Members(consensus.Membership) {}

func (p *peers) live() {
	n := <-p.node
	for m := range p.mail {
		answer := consensus.Message{From: m.To, To: 1, Term: m.Term, Seq: m.Seq}
		switch m.Kind {
		case consensus.MsgPreVote:
			answer.Kind = consensus.MsgPreVoteResp
		case consensus.MsgVote:
			answer.Kind = consensus.MsgVoteResp
		case consensus.MsgAppend:
			if len(m.Entries) == 0 && m.Commit > 0 {
				p.told <- m
			}
			answer.Kind, answer.Index = consensus.MsgAppendResp, m.Index+uint64(len(m.Entries))
			answer.Match = answer.Index
		default:
			continue
		}
		n.Receive(answer)
	}
}

// TestFollowersHearOfACommit: no heartbeat comes, since no tick does, and no entries follow; still
// both followers are told of the commit, once.
func TestFollowersHearOfACommit(t *testing.T) {
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
	p := &peers{node: make(chan *node.Node, 1), told: make(chan consensus.Message, 100), mail: make(chan consensus.Message, 100)}
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
	hear := func(index uint64) { // of the first by the ticks of the election, too
		t.Helper()
		heard := map[consensus.NodeID]bool{}
		for len(heard) < 2 {
			select {
			case m := <-p.told:
				if m.Commit > index || index > 1 && m.Commit == index && heard[m.To] {
					t.Fatalf("%d is told of %d; %d was awaited", m.To, m.Commit, index)
				}
				heard[m.To] = heard[m.To] || m.Commit == index
			case <-time.After(20 * time.Second):
				t.Fatalf("of commit %d only %v hear", index, heard)
			}
		}
	}
	hear(1)
	for range 3 {
		index, err := n.Propose(epoch, consensus.FirstKind, 1, []byte("x"))
		must(err)
		sink.next(t, "committed")
		hear(index)
	}
	index, err := n.Propose(epoch, consensus.FirstKind, 1, []byte("y"))
	must(err)
	sink.next(t, "committed")
	n.TellCommit() // who knows of a follower that waits
	hear(index)
	must(n.Close())
	close(p.mail)
}
