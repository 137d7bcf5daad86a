package sim

import (
	"fmt"
	"strings"

	"github.com/lithair/lithair-go/consensus"
)

// maxGroups is how many groups a run may have.
const maxGroups = 2

// group is a Raft group of a run: all machines have a node of it, in one process with those of the other
// groups. Network, disks, clocks and what goes wrong are common; nothing else is.
type group struct {
	s       *simulation
	number  int
	check   *checker
	history *history
	written int // writes acknowledged since the faults stopped
}

func newGroup(s *simulation, number int) *group {
	g := &group{s: s, number: number}
	g.check, g.history = newChecker(s, g), newHistory(s, g)
	return g
}

// dir is where its nodes have their files.
func (g *group) dir() string {
	if g.number == 0 {
		return "data"
	}
	return fmt.Sprintf("data/group%d", g.number)
}

// identity is where its nodes keep term and vote.
func (g *group) identity() string { return g.dir() + "/node" }

// owns says whether a file is one of its nodes'.
func (g *group) owns(name string) bool { return g.s.owner(name) == g }

// prefix begins lines of the story that are about it.
func (g *group) prefix() string {
	if g.number == 0 {
		return ""
	}
	return fmt.Sprintf("group %d: ", g.number)
}

// owner returns whose a file is.
func (s *simulation) owner(name string) *group {
	for _, g := range s.groups[1:] {
		if strings.HasPrefix(name, g.dir()+"/") {
			return g
		}
	}
	return s.groups[0]
}

// some chooses a group.
func (s *simulation) some() *group {
	if len(s.groups) == 1 {
		return s.groups[0]
	}
	return pick(s.world, s.groups...)
}

// part returns the node of a group that runs on a machine; nil when none does.
func (s *simulation) part(id consensus.NodeID, g *group) *part {
	if p := s.machines[id].proc; p != nil && g.number < len(p.parts) {
		return p.parts[g.number]
	}
	return nil
}

// finish judges what clients saw and what all nodes have.
func (g *group) finish() {
	s := g.s
	l := s.leader(g)
	if l == nil {
		violated("%snobody leads at the end", g.prefix())
	}
	for _, x := range l.status.Membership.Members {
		p := s.part(x.ID, g)
		if p == nil || p.e.Root().Seq() != g.check.committedSeq() || p.e.Root().Hash() != g.check.roots[g.check.committedSeq()].Hash() {
			violated("%sat the end node %d has not the state of sequence %d", g.prefix(), x.ID, g.check.committedSeq())
		}
		p.balanced(p.e.Root())
		s.stats["read by lease"] += int(p.n.Leases())
	}
	s.stats["committed entry"] += len(g.check.log)
	if g.number > 0 {
		s.stats["committed entry of a second group"] += len(g.check.log)
	}
	g.history.judge()
}
