package clustertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
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
	f := newFleet(t, voters, nil)
	for i := range f.nodes {
		f.start(i)
	}
	f.leader()
	member := strings.Split(strings.Split(f.peers, ",")[0], "=")[1]
	for range learners {
		i := f.add("-peer-addr", freeAddr(t), "-join", member, "-learner")
		f.start(i)
		f.await("a learner is taken in", func() bool { return f.roles(i)[uint64(i+1)] == "learner" })
	}
	write := func(through int) string {
		t.Helper()
		name := fmt.Sprintf("w%d", time.Now().UnixNano())
		body := fmt.Sprintf(`{"op":%q,"register":%q,"arg":7,"old":0}`, name, name)
		f.await("a write through node "+fmt.Sprint(through+1), func() bool {
			q, err := http.NewRequest("POST", f.nodes[through].url+"/api/_command/put", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Content-Type", "application/json")
			q.Header.Set("Idempotency-Key", name)
			r, err := http.DefaultClient.Do(q)
			if err != nil {
				return false
			}
			defer r.Body.Close()
			return r.StatusCode == 200
		})
		return name
	}
	reads := 0
	everywhere := func(name string) {
		t.Helper()
		for i, p := range f.nodes {
			if p.cmd == nil {
				continue
			}
			for _, level := range []string{"weak", "linearizable", "strong", "none&freshness=10s"} {
				status, b, h, err := get(p.url+"/api/registers/"+name+"?level="+level, 5*time.Second)
				if err != nil || status != 200 || !strings.HasPrefix(level, h.Get("Lithair-Level")) {
					t.Errorf("node %d at level %s: %d %s %v %v", i+1, level, status, b, h, err)
				}
				reads++
			}
		}
	}
	for i := range f.nodes {
		name := write(i)
		f.equal() // so that level none has it, too
		everywhere(name)
	}
	for range deaths {
		f.kill(f.leader())
	}
	f.leader()
	for i, p := range f.nodes {
		if p.cmd != nil {
			name := write(i)
			f.equal()
			everywhere(name)
		}
	}
	have := f.roles(f.leader())
	count := map[string]int{}
	for _, role := range have {
		count[role]++
	}
	if count["voter"] != voters || count["learner"] != learners {
		t.Errorf("the members are %v", have)
	}
	last := f.equal()
	t.Logf("%d voters, %d learners, %d voters killed: %d reads at all levels; all have state %s at sequence %d", voters, learners, deaths, reads, last.Hash, last.Seq)
}

// roles are what a node knows its cluster's members to be.
func (f *fleet) roles(i int) map[uint64]string {
	list := map[uint64]string{}
	var s status
	if code, b, _, err := get(f.nodes[i].url+"/info", time.Second); err != nil || code != 200 || json.Unmarshal(b, &s) != nil {
		return list
	}
	for _, m := range s.Members {
		list[m.ID] = m.Role
	}
	return list
}
