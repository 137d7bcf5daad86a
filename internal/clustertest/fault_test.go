package clustertest

import (
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"
)

// long says whether the long forms are asked for.
func long() bool { return os.Getenv("LITHAIR_LONG") != "" }

// TestLeadersDie: three processes; the leader is killed again and again, sometimes stopped instead or
// another one killed.
func TestLeadersDie(t *testing.T) {
	runs, every, pace := 6*time.Second, 1200*time.Millisecond, time.Duration(0)
	if long() {
		runs, every, pace = 10*time.Minute, 3*time.Second, 15*time.Millisecond
	}
	f := newFleet(t, 3, nil)
	for i := range f.nodes {
		f.start(i)
	}
	f.leader()
	r := f.record(6, pace)
	var kills, stops []time.Duration
	others := 0
	for k := 0; r.now() < runs; k++ {
		time.Sleep(every)
		victim := f.leader()
		switch {
		case k%5 == 3:
			f.signal(victim, syscall.SIGSTOP)
			stops = append(stops, r.now())
			time.Sleep(1500 * time.Millisecond)
			f.signal(victim, syscall.SIGCONT)
			continue
		case k%5 == 4:
			victim = (victim + 1 + k%2) % 3
			others++
		}
		f.kill(victim)
		if k%5 != 4 {
			kills = append(kills, r.now())
		}
		time.Sleep(time.Duration(rand.Int64N(int64(time.Second)))) // others go on without it
		f.start(victim)
	}
	r.judge()
	after := r.gaps(kills)
	t.Logf("%d leaders killed, %d stopped for 1.5 s, %d others killed", len(kills), len(stops), others)
	t.Logf("from a kill of the leader to the next acknowledged change: %s", distribution(after))
	t.Logf("from its stop: %s", distribution(r.gaps(stops)))
	if len(kills) == 0 || len(after) != len(kills) {
		t.Errorf("changes behind %d of %d kills: this proves nothing", len(after), len(kills))
	}
}

// TestNetworkFaults: what goes wrong is between the nodes; none of them dies.
func TestNetworkFaults(t *testing.T) {
	runs, each, pause, pace := 7*time.Second, 700*time.Millisecond, 500*time.Millisecond, time.Duration(0)
	if long() {
		runs, each, pause, pace = 5*time.Minute, 2500*time.Millisecond, 1500*time.Millisecond, 15*time.Millisecond
	}
	n, through := newNetwork(t)
	f := newFleet(t, 3, through)
	for i := range f.nodes {
		f.start(i)
	}
	f.leader()
	r := f.record(16, pace) // many wait while a node hears nobody
	counts := map[string]int{}
	var moments []time.Duration
	for k := 0; r.now() < runs || k < len(faults); k++ {
		fault := faults[k%len(faults)]
		lead := f.leader()
		moments = append(moments, r.now())
		fault.do(n, lead, each)
		counts[fault.name]++
		n.heal()
		time.Sleep(pause)
	}
	r.judge()
	t.Logf("faults: %v", counts)
	t.Logf("from the beginning of a fault to the next acknowledged change: %s", distribution(r.gaps(moments)))
}

// faults are what the network does; lead is the node that leads. Each lasts for d.
var faults = []struct {
	name string
	do   func(n *network, lead int, d time.Duration)
}{
	{"the leader is cut off", func(n *network, lead int, d time.Duration) {
		n.set(way{cut: true}, []int{lead}, all)
		time.Sleep(d)
	}},
	{"the leader is not heard", func(n *network, lead int, d time.Duration) {
		n.set(way{held: true}, []int{lead}, all)
		time.Sleep(d)
	}},
	{"the leader hears nobody", func(n *network, lead int, d time.Duration) {
		n.set(way{held: true}, all, []int{lead})
		time.Sleep(d)
	}},
	{"the leader is in a black hole", func(n *network, lead int, d time.Duration) {
		n.set(way{held: true}, []int{lead}, all)
		n.set(way{held: true}, all, []int{lead})
		time.Sleep(d)
	}},
	{"one link of the leader is cut", func(n *network, lead int, d time.Duration) {
		n.set(way{cut: true}, []int{lead}, []int{(lead + 1) % 3})
		time.Sleep(d)
	}},
	{"all is slow", func(n *network, _ int, d time.Duration) {
		n.set(way{delay: 20 * time.Millisecond}, all, all)
		time.Sleep(d)
	}},
	{"connections of the leader are half-open", func(n *network, lead int, d time.Duration) {
		n.halfOpen(lead)
		time.Sleep(d)
	}},
	{"links flap", func(n *network, lead int, d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); {
			n.set(way{cut: true}, []int{lead}, all)
			time.Sleep(60 * time.Millisecond)
			n.heal()
			time.Sleep(90 * time.Millisecond)
		}
	}},
	{"nobody hears anybody", func(n *network, _ int, d time.Duration) {
		n.set(way{held: true}, all, all)
		time.Sleep(d)
	}},
}

var all = []int{0, 1, 2}
