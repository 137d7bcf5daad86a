package clustertest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
)

// status is GET /info of a node, with the members it knows.
type status struct {
	Members []struct {
		ID   uint64 `json:"id"`
		Role string `json:"role"`
	} `json:"members"`
}

// TestElevenProcesses: voters begin a cluster, learners join it and stay learners; all take writes and
// serve reads at each level; a minority of the voters dies, the leader first, and everything goes on
// on what is left. The short form has 3 voters, 2 learners and one death; the long one 5, 6 and 2.
func TestElevenProcesses(t *testing.T) {
	voters, learners, deaths := 3, 2, 1
	if long() {
		voters, learners, deaths = 5, 6, 2
	}
	f := fleet.New(t, fleet.Options{Nodes: voters})
	for i := range f.Nodes {
		f.Start(i)
	}
	f.Leader()
	member := strings.Split(strings.Split(f.Peers, ",")[0], "=")[1]
	for range learners {
		i := f.Add("-peer-addr", fleet.FreeAddr(t), "-join", member, "-learner")
		f.Start(i)
		f.Await("a learner is taken in", func() bool { return roles(f, i)[uint64(i+1)] == "learner" })
	}
	write := func(through int) string {
		t.Helper()
		name := fmt.Sprintf("w%d", time.Now().UnixNano())
		f.Put(through, name)
		return name
	}
	reads := 0
	everywhere := func(name string) {
		t.Helper()
		for i, p := range f.Nodes {
			if !p.Running() {
				continue
			}
			for _, level := range []string{"weak", "linearizable", "strong", "none&freshness=10s"} {
				a := f.Get(i, "/api/registers/"+name+"?level="+level, 5*time.Second)
				if a.Err != nil || a.Status != 200 || !strings.HasPrefix(level, a.Level) {
					t.Errorf("node %d at level %s: %+v", i+1, level, a)
				}
				reads++
			}
		}
	}
	for i := range f.Nodes {
		name := write(i)
		f.Equal() // so that level none has it, too
		everywhere(name)
	}
	for range deaths {
		f.Kill(f.Leader())
	}
	f.Leader()
	for i, p := range f.Nodes {
		if p.Running() {
			name := write(i)
			f.Equal()
			everywhere(name)
		}
	}
	have := roles(f, f.Leader())
	count := map[string]int{}
	for _, role := range have {
		count[role]++
	}
	if count["voter"] != voters || count["learner"] != learners {
		t.Errorf("the members are %v", have)
	}
	last := f.Equal()
	t.Logf("%d voters, %d learners, %d voters killed: %d reads at all levels; all have state %s at sequence %d", voters, learners, deaths, reads, last.Hash, last.Seq)
}

// roles are what a node knows its cluster's members to be.
func roles(f *fleet.Fleet, i int) map[uint64]string {
	list := map[uint64]string{}
	var s status
	if a := f.Get(i, "/info", time.Second); a.Err != nil || a.Status != 200 || json.Unmarshal(a.Body, &s) != nil {
		return list
	}
	for _, m := range s.Members {
		list[m.ID] = m.Role
	}
	return list
}
