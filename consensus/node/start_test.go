package node_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// TestAStartThatFailedLeavesNothingBehind: a member that stands alone and cannot open its term, for the disk is full, ends with
// Start: it does not go on trying behind its owner's back, and lead when there is room.
func TestAStartThatFailedLeavesNothingBehind(t *testing.T) {
	sim := disk.NewSim(1)
	if err := sim.MkdirAll("raft"); err != nil {
		t.Fatal(err)
	}
	log := openSim(t, sim)
	var full atomic.Bool
	full.Store(true)
	sim.Hook(func(op disk.Op, name string) error {
		if full.Load() && op == disk.OpWrite && strings.HasPrefix(name, "log/") {
			return syscall.ENOSPC
		}
		return nil
	})
	sink := newRecorder()
	_, err := node.Start(node.Config{
		Log: log, Sink: sink, FS: sim, Dir: "raft", File: "node", Transport: &wishes{more: make(chan struct{}, 1)}, Tick: time.Millisecond, Logger: quiet(),
		First: node.Identity{Cluster: 42, ID: 1, Membership: consensus.Voters(1)},
	})
	if !errors.Is(err, eventlog.ErrFull) {
		t.Fatalf("it starts: %v", err)
	}
	full.Store(false)
	select {
	case e := <-sink.events:
		t.Errorf("it goes on: %s (%v)", e.what, e.err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}
