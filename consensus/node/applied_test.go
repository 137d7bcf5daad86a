package node_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/internal/disk"
)

// slowApplier is a sink that is not done with what it was given.
type slowApplier struct {
	*recorder
	done atomic.Uint64
}

func (s *slowApplier) Applied() uint64 { return s.done.Load() }

// TestAFollowerWaitsForItsState: what is committed and not applied yet stays in the log, but for a bounded part, and
// follows as the sink gets on with it. Its memory would fill otherwise, with all that a member lacks that was away, or for as long as its state
// has failed.
func TestAFollowerWaitsForItsState(t *testing.T) {
	sim, sent := disk.NewSim(1), &wishes{more: make(chan struct{}, 1)}
	if err := sim.MkdirAll("raft"); err != nil {
		t.Fatal(err)
	}
	sink := &slowApplier{recorder: newRecorder()}
	n, err := node.Start(node.Config{
		Log: openSim(t, sim), Sink: sink, FS: sim, Dir: "raft", File: "node", Transport: sent, Manual: true, Logger: quiet(),
		Raft:  consensus.Config{MaxUnappliedBytes: 10 << 10, MaxMessageBytes: 4 << 10}, // as much again may go beyond it
		First: node.Identity{Cluster: 42, ID: 1, Membership: consensus.Voters(1, 2, 3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	const entries = 100
	payload := []byte(strings.Repeat("x", 1<<10))
	for i := uint64(1); i <= entries; i++ {
		n.Receive(consensus.Message{
			Kind: consensus.MsgAppend, From: 2, To: 1, Term: 1, Seq: i, Index: i - 1, LogTerm: min(1, i-1), Commit: i,
			Entries: []consensus.Entry{{Index: i, Term: 1, Kind: app, Data: payload}},
		})
	}
	until(t, "all is durable", func() bool { return n.Status().Durable == entries })
	n.Tick()
	given := func() (last uint64) {
		last, _ = n.Commit()
		return last
	}
	if last := given(); last == 0 || last > 20 {
		t.Errorf("%d entries of 1 KiB were reported, and none is applied", last)
	}
	for range entries {
		sink.done.Store(given())
		n.Tick()
	}
	if last := given(); last != entries {
		t.Errorf("entries up to %d are reported in the end", last)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
