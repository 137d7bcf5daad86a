package node_test

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func openSim(t *testing.T, sim *disk.Sim) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(eventlog.Config{Dir: "log", FS: sim, SegmentBytes: 16 << 10, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// propose hands one entry in and returns the event that tells of it.
func propose(t *testing.T, n *node.Node, sink *recorder, epoch uint64, payload string) event {
	t.Helper()
	if _, err := n.Propose(epoch, app, 1, []byte(payload)); err != nil {
		t.Fatal(err)
	}
	return sink.one(t)
}

func TestFullDiskEndsTheEpochAndTheNextGoesOn(t *testing.T) {
	sim := disk.NewSim(1)
	sink := newRecorder()
	n, err := node.Start(node.Config{Log: openSim(t, sim), Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	sink.next(t, "committed")
	epoch := sink.next(t, "leading").number
	big := strings.Repeat("x", 6<<10)
	sim.SetCapacity(40 << 10)
	taken := 0
	var lost event
	for range 20 {
		e := propose(t, n, sink, epoch, big)
		if e.what == "lost" {
			lost = e
			break
		}
		taken++
	}
	if lost.what == "" || taken == 0 {
		t.Fatalf("%d entries went into 40 KiB and the disk never filled up", taken)
	}
	if !lost.known || lost.number != epoch || !errors.Is(lost.err, eventlog.ErrFull) {
		t.Fatalf("lost %+v, want the epoch with a known outcome and ErrFull", lost)
	}
	next := sink.next(t, "leading").number
	if next <= epoch {
		t.Fatalf("epoch %d follows %d", next, epoch)
	}
	if _, err := n.Propose(epoch, app, 1, nil); !errors.Is(err, node.ErrNotLeader) {
		t.Errorf("the old epoch still takes entries: %v", err)
	}
	sim.SetCapacity(0)
	if e := propose(t, n, sink, next, big); e.what != "committed" {
		t.Fatalf("with room again: %s (%v)", e.what, e.err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again := newRecorder()
	n, err = node.Start(node.Config{Log: openSim(t, sim), Sink: again})
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + taken + 1; len(again.replay) != want {
		t.Errorf("%d records after a restart, want the no-op and %d entries", len(again.replay), want-1)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFailedSyncEndsLeadershipForGood(t *testing.T) {
	sim := disk.NewSim(1)
	sink := newRecorder()
	n, err := node.Start(node.Config{Log: openSim(t, sim), Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	sink.next(t, "committed")
	epoch := sink.next(t, "leading").number
	var broken atomic.Bool
	broken.Store(true)
	eio := errors.New("input/output error")
	sim.Hook(func(op disk.Op, _ string) error {
		if op == disk.OpSync && broken.Load() {
			return eio
		}
		return nil
	})
	e := propose(t, n, sink, epoch, "doomed")
	if e.what != "lost" || e.known || !errors.Is(e.err, eventlog.ErrPoisoned) || !errors.Is(e.err, eio) {
		t.Fatalf("got %+v, want the epoch lost with an unknown outcome", e)
	}
	broken.Store(false)
	if _, err := n.Propose(epoch, app, 1, nil); !errors.Is(err, node.ErrNotLeader) {
		t.Errorf("after a failed sync: %v", err)
	}
	if err := n.Close(); err != nil && !errors.Is(err, eventlog.ErrPoisoned) {
		t.Fatal(err)
	}
	select {
	case e := <-sink.events:
		t.Errorf("after a failed sync the node told %s", e.what)
	default:
	}
}
