package node_test

import (
	"errors"
	"testing"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// outbox is a transport that keeps what is sent.
type outbox struct{ sent []consensus.Message }

func (o *outbox) Send(messages []consensus.Message)       { o.sent = append(o.sent, messages...) }
func (o *outbox) Members(membership consensus.Membership) {}

// TestStrongReadOfADeposedLeader: a leader that has committed nothing yet is asked for a strong
// read; another one puts its own entries where that read's would have come. The read has
// seen nothing of what was committed elsewhere meanwhile: it fails.
func TestStrongReadOfADeposedLeader(t *testing.T) {
	sim, sink, out := disk.NewSim(1), newRecorder(), &outbox{}
	if err := sim.MkdirAll("raft"); err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(eventlog.Config{Dir: "log", FS: sim, SegmentBytes: 16 << 10, Manual: true, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(node.Config{
		Log: log, Sink: sink, FS: sim, Dir: "raft", File: "node", Transport: out, Manual: true, Logger: quiet(),
		First: node.Identity{Cluster: 1, ID: 1, Membership: consensus.Voters(1, 2, 3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	write := func() {
		for {
			w, ok := log.Begin()
			if !ok {
				return
			}
			log.End(w, w.Do())
		}
	}
	for range 100 {
		if s := n.Status(); s.State == consensus.Leader {
			break
		}
		n.Tick()
		write()
		sent := out.sent
		out.sent = nil
		for _, m := range sent {
			switch m.Kind {
			case consensus.MsgPreVote:
				n.Receive(consensus.Message{Kind: consensus.MsgPreVoteResp, From: m.To, To: 1, Term: m.Term})
			case consensus.MsgVote:
				n.Receive(consensus.Message{Kind: consensus.MsgVoteResp, From: m.To, To: 1, Term: m.Term})
			}
		}
	}
	s := n.Status()
	if s.State != consensus.Leader {
		t.Fatalf("not elected: %+v", s)
	}
	n.Barrier(3, 7)
	last := n.Status().Last
	write()
	var entries []consensus.Entry
	for i := range last {
		entries = append(entries, consensus.Entry{Index: i + 1, Term: s.Term + 1, Time: 1, Kind: consensus.KindNoop})
	}
	n.Receive(consensus.Message{Kind: consensus.MsgAppend, From: 2, To: 1, Term: s.Term + 1, Entries: entries, Commit: last, Seq: 1})
	write()
	var answer *event
	for len(sink.events) > 0 {
		if e := <-sink.events; e.what == "barrier 7" {
			answer = &e
		}
	}
	if got := n.Status().Commit; got != last || answer == nil || !errors.Is(answer.err, node.ErrNoLeader) {
		t.Fatalf("committed %d of %d; the read: %+v", got, last, answer)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
