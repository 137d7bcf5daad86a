package consensus

import (
	"fmt"
	"testing"
)

// TestCrashAtEachWrite is the single-fault hunt: fixed workloads, each with an election, writes, a
// snapshot and changes of members, and one crash in each run: of each node, at each of its
// writes, before any of it is durable, with a part of it, and right behind it, before the replica
// knows. What a write is made of (term and vote, a snapshot in place of the log, entries) becomes
// durable in every order that Ready allows: each piece alone, and entries one by one.
func TestCrashAtEachWrite(t *testing.T) {
	runs, states := 0, map[string]int{}
	for _, w := range workloads {
		for node := NodeID(1); node <= 3; node++ {
			for k := 0; ; k++ {
				reached := false
				for part := 0; ; part++ {
					p := &play{t: t, name: w.name, node: node, at: k, part: part}
					p.run(w.script)
					if !p.crashed {
						break
					}
					reached = true
					runs++
					states[p.what]++
				}
				if !reached {
					states[w.name+" writes"] += k
					break
				}
			}
		}
	}
	t.Logf("%d runs: %v", runs, states)
	for _, what := range []string{"nothing", "all", "term and vote", "entries", "snapshot"} {
		if states[what] == 0 {
			t.Errorf("no crash behind %q", what)
		}
	}
}

// workloads are what happens around the crash; each step is done by whoever leads.
var workloads = []struct {
	name   string
	script []string
}{
	{"writes", []string{"elect 1", "write", "write", "write", "elect 2", "write", "elect 3", "write"}},
	{"snapshot", []string{"elect 1", "write", "part 3", "write", "write", "write", "write", "write", "write", "snapshot", "write", "join", "write", "elect 3", "write"}},
	{"members", []string{"elect 1", "write", "remove 3", "write", "learner 3", "write", "voter 3", "write", "remove 1", "write", "write"}},
	{"conflict", []string{"elect 1", "write", "part 1", "lone", "lone", "elect 2", "write", "join", "write", "elect 1", "write"}},
}

// play is one run: a cluster of three without any other fault.
type play struct {
	t        *testing.T
	name     string
	node     NodeID
	at, part int
	c        *cluster
	crashed  bool
	what     string
	count    int
}

func (p *play) run(script []string) {
	defer func() {
		if e := recover(); e != nil {
			p.t.Fatalf("%s: node %d, write %d, part %d (%s): %v", p.name, p.node, p.at, p.part, p.what, e)
		}
	}()
	p.c = newCluster(p.t, 8, 3, nil) // formats stay as they are
	p.c.faults = false
	p.count = 0
	for i, s := range script {
		p.c.steps = i
		p.do(s)
		p.work()
	}
	// All that was committed before the crash, and something new, must reach everybody.
	p.c.settle()
}

func (p *play) do(s string) {
	verb, id := s, NodeID(0)
	if n, err := fmt.Sscanf(s, "%s %d", &verb, &id); n < 1 {
		p.t.Fatal(err)
	}
	c := p.c
	switch verb {
	case "elect":
		for range 3 {
			for _, x := range c.ids {
				if m := c.nodes[x]; m.up && x != id {
					for range c.elections {
						m.r.Tick()
					}
				}
			}
			p.work()
			if m := c.nodes[id]; m.up {
				m.r.Campaign()
			}
			p.work()
		}
	case "part":
		for _, x := range c.ids {
			c.cut[[2]NodeID{x, id}], c.cut[[2]NodeID{id, x}] = true, true
		}
	case "join":
		clear(c.cut)
		p.beat()
	case "write", "lone":
		for _, x := range c.ids {
			if m := c.nodes[x]; m.up {
				c.propose(m)
			}
		}
	case "snapshot":
		for _, x := range c.ids {
			if m := c.nodes[x]; m.up {
				m.snapshot()
			}
		}
	case "remove":
		p.change(Change{Remove: true, Member: Member{ID: id}})
	case "learner":
		p.change(Change{Member: Member{ID: id}})
	case "voter":
		p.change(Change{Member: Member{ID: id, Role: Voter}})
	default:
		p.t.Fatalf("no step %q", s)
	}
	p.beat()
}

func (p *play) change(ch Change) {
	for _, x := range p.c.ids {
		if m := p.c.nodes[x]; m.up && m.r.role == Leader {
			_, _ = m.r.Change(ch) // refused when the crash has brought another order of things
		}
	}
}

// beat lets every leader send, and gives what comes of it time.
func (p *play) beat() {
	for range 3 {
		p.work()
		for _, x := range p.c.ids {
			if m := p.c.nodes[x]; m.up && m.r.role == Leader {
				m.r.Tick()
			}
		}
	}
	p.work()
}

// work goes on until nothing is left to do; a write may be the one that the crash meets.
func (p *play) work() {
	for busy := true; busy; {
		busy = false
		for _, id := range p.c.ids {
			m := p.c.nodes[id]
			if m.up && m.r.HasReady() {
				m.ready()
				busy = true
			}
			if m.up && len(m.pending) > 0 {
				p.write(m)
				busy = true
			}
			for m.up && len(m.toApply) > 0 {
				m.apply()
			}
			p.c.check(m)
		}
		if len(p.c.net) > 0 {
			p.c.deliver()
			busy = true
		}
	}
}

// write makes a write durable, or some part of it and no more.
func (p *play) write(m *member) {
	rd := m.pending[0]
	if !rd.MustSync {
		m.persist()
		return
	}
	if p.crashed || m.id != p.node || p.count != p.at {
		if m.id == p.node {
			p.count++
		}
		m.persist()
		return
	}
	parts := partsOf(rd)
	if p.part >= len(parts) {
		p.count++
		m.persist()
		return
	}
	p.crashed, p.what = true, parts[p.part].what
	m.write(parts[p.part].rd)
	m.up, m.r, m.pending, m.toApply = false, nil, nil, nil
	p.c.stats["crash"]++
	m.start()
}

type piece struct {
	what string
	rd   Ready
}

// partsOf lists what of a write may be durable when the power goes. Entries reach the disk in their
// order, and behind the term that they are of; a snapshot before the entries behind it.
func partsOf(rd Ready) []piece {
	parts := []piece{{"nothing", Ready{}}}
	done := Ready{}
	if rd.HardState != nil {
		done.HardState = rd.HardState
		parts = append(parts, piece{"term and vote", done})
	}
	if rd.Install != nil {
		done.Install = rd.Install
		parts = append(parts, piece{"snapshot", done})
	}
	for i := range rd.Entries {
		done.Entries = rd.Entries[:i+1]
		parts = append(parts, piece{"entries", done})
	}
	return append(parts, piece{"all", rd})
}
