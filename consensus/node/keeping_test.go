package node_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/internal/disk"
)

// stalled is a disk whose syncs of the identity wait, from stall on until release.
type stalled struct {
	disk.FS
	mu      sync.Mutex
	gate    chan struct{} // nil: none waits
	reached chan struct{}
}

func (s *stalled) stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate, s.reached = make(chan struct{}), make(chan struct{}, 100)
}

func (s *stalled) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.gate)
	s.gate = nil
}

func (s *stalled) Open(name string, how disk.Mode) (disk.File, error) {
	f, err := s.FS.Open(name, how)
	if err == nil && strings.HasSuffix(name, "/node") {
		f = &stalledFile{f, s}
	}
	return f, err
}

type stalledFile struct {
	disk.File
	of *stalled
}

func (f *stalledFile) Sync() error {
	f.of.mu.Lock()
	gate := f.of.gate
	f.of.mu.Unlock()
	if gate != nil {
		f.of.reached <- struct{}{}
		<-gate
	}
	return f.File.Sync()
}

// within fails the test where something waits.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("it waits: %s", what)
	}
}

// TestNobodyWaitsForTheIdentity: while a vote is on its way to a disk that has stopped, calls go on, and other messages
// are taken; the vote is not told, nor does the node stand itself. Close waits, for two must not write.
func TestNobodyWaitsForTheIdentity(t *testing.T) {
	fs, sent := &stalled{FS: disk.NewSim(1)}, &wishes{more: make(chan struct{}, 1)}
	if err := fs.MkdirAll("raft"); err != nil {
		t.Fatal(err)
	}
	sink := newRecorder()
	n, err := node.Start(node.Config{
		Log: openSim(t, fs.FS.(*disk.Sim)), Sink: sink, FS: fs, Dir: "raft", File: "node", Transport: sent, Manual: true, Logger: quiet(),
		First: node.Identity{Cluster: 42, ID: 1, Membership: consensus.Voters(1, 2, 3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(kind consensus.MessageKind, term uint64) (answered chan struct{}) {
		fs.stall()
		answered = make(chan struct{})
		go func() {
			defer close(answered)
			n.Receive(consensus.Message{Kind: kind, From: 2, To: 1, Term: term})
		}()
		within(t, "for the sync", func() { <-fs.reached })
		return answered
	}
	answered := ask(consensus.MsgVote, 7)
	within(t, "the status", func() {
		if s := n.Status(); s.Term != 7 {
			t.Errorf("term %d", s.Term)
		}
	})
	within(t, "a read of what is known", func() { n.Barrier(0, 1) })
	if e := sink.next(t, "barrier 1"); e.err != nil {
		t.Error(e.err)
	}
	within(t, "the clock", func() {
		for range 100 {
			n.Tick()
		}
	})
	if s := n.Status(); s.State != consensus.Follower || s.Term != 7 {
		t.Errorf("it stands itself: %v in term %d", s.State, s.Term)
	}
	within(t, "another message", func() {
		n.Receive(consensus.Message{Kind: consensus.MsgAppend, From: 2, To: 1, Term: 7})
	})
	said := func() []consensus.Message {
		sent.mu.Lock()
		defer sent.mu.Unlock()
		return slices.Clone(sent.sent)
	}
	if list := said(); len(list) > 0 {
		t.Errorf("it says %v, and its vote is not durable", list)
	}
	fs.release()
	within(t, "the vote", func() { <-answered })
	if list := said(); len(list) == 0 || list[0].Kind != consensus.MsgVoteResp || list[0].Reject {
		t.Errorf("no vote, but %v", list)
	}

	answered = ask(consensus.MsgAppend, 8)
	closed := make(chan error, 1)
	go func() { closed <- n.Close() }()
	select {
	case err := <-closed:
		t.Errorf("closed (%v) while the identity is written", err)
	case <-time.After(50 * time.Millisecond):
	}
	fs.release()
	within(t, "the term", func() { <-answered })
	within(t, "the end", func() {
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}
