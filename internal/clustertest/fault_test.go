package clustertest

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
)

// long says whether the long forms are asked for.
func long() bool { return os.Getenv("LITHAIR_LONG") != "" }

// judge judges what clients did and saw.
func judge(t *testing.T, r *fleet.Recorder) {
	t.Helper()
	v := r.Judge()
	if t.Log(v); !v.Proves() {
		t.Error("this proves nothing")
	}
}

// TestLeadersDie: three processes; the leader is killed again and again, sometimes stopped instead or
// another one killed.
func TestLeadersDie(t *testing.T) {
	t.Parallel()
	runs, every, pace := 6*time.Second, 1200*time.Millisecond, time.Duration(0)
	if long() {
		runs, every, pace = 10*time.Minute, 3*time.Second, 15*time.Millisecond
	}
	f := fleet.New(t, fleet.Options{Nodes: 3})
	for i := range f.Nodes {
		f.Start(i)
	}
	f.Leader()
	r := f.Record(fleet.RecordOptions{Clients: 6, Pause: pace})
	var kills, stops []time.Duration
	others := 0
	for k := 0; r.Now() < runs; k++ {
		time.Sleep(every)
		victim := f.Leader()
		switch {
		case k%5 == 3:
			f.Stop(victim)
			stops = append(stops, r.Now())
			time.Sleep(1500 * time.Millisecond)
			f.Continue(victim)
			continue
		case k%5 == 4:
			victim = (victim + 1 + k%2) % 3
			others++
		}
		f.Kill(victim)
		if k%5 != 4 {
			kills = append(kills, r.Now())
		}
		time.Sleep(time.Duration(rand.Int64N(int64(time.Second)))) // others go on without it
		f.Start(victim)
	}
	judge(t, r)
	after := r.Gaps(kills)
	t.Logf("%d leaders killed, %d stopped for 1.5 s, %d others killed", len(kills), len(stops), others)
	t.Logf("from a kill of the leader to the next acknowledged change: %s", fleet.Distribution(after))
	t.Logf("from its stop: %s", fleet.Distribution(r.Gaps(stops)))
	if len(kills) == 0 || len(after) != len(kills) {
		t.Errorf("changes behind %d of %d kills: this proves nothing", len(after), len(kills))
	}
}

// TestNetworkFaults: what goes wrong is between the nodes; none of them dies.
func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	runs, each, pause, pace := 7*time.Second, 700*time.Millisecond, 500*time.Millisecond, time.Duration(0)
	if long() {
		runs, each, pause, pace = 5*time.Minute, 2500*time.Millisecond, 1500*time.Millisecond, 15*time.Millisecond
	}
	n := fleet.NewNetwork(t)
	f := fleet.New(t, fleet.Options{Nodes: 3, Network: n})
	for i := range f.Nodes {
		f.Start(i)
	}
	f.Leader()
	r := f.Record(fleet.RecordOptions{Clients: 16, Pause: pace}) // many wait while a node hears nobody
	counts := map[string]int{}
	var moments []time.Duration
	for k := 0; r.Now() < runs || k < len(fleet.NetworkFaults); k++ {
		fault := fleet.NetworkFaults[k%len(fleet.NetworkFaults)]
		lead := f.Leader()
		moments = append(moments, r.Now())
		fault.Do(n, lead, each)
		counts[fault.Name]++
		n.Heal()
		time.Sleep(pause)
	}
	judge(t, r)
	t.Logf("faults: %v", counts)
	t.Logf("from the beginning of a fault to the next acknowledged change: %s", fleet.Distribution(r.Gaps(moments)))
}
