package node

import "github.com/lithair/lithair-go/consensus"

// View is who leads, as a node sees it.
type View struct {
	Term   uint64
	Leader consensus.NodeID // 0: none is known
	// Leads says that this node is the leader and takes proposals: everything of earlier
	// terms is committed and reported, and the sink knows.
	Leads bool
}

// view is a View, and what is closed when another one takes its place.
type view struct {
	View
	changed chan struct{}
}

// View returns who leads, and a channel that is closed when that changes. It waits for
// nobody.
func (n *Node) View() (v View, changed <-chan struct{}) {
	have := n.seen.Load()
	return have.View, have.changed
}

// look notes who leads. n.mu is held, or nobody else knows the node yet.
func (n *Node) look() {
	v := View{Leads: n.epoch != 0 && n.sinkEpoch == n.epoch}
	_, _, v.Term, _ = n.core.Leadership()
	if v.Leader = n.core.Lead(); n.dead != nil || n.closed {
		v.Leader, v.Leads = 0, false
	}
	have := n.seen.Load()
	if have != nil && have.View == v {
		return
	}
	n.seen.Store(&view{v, make(chan struct{})})
	if have != nil {
		close(have.changed)
	}
}

// noteTold notes what the sink knows of leadership. n.mu is held.
func (n *Node) noteTold(c *call) {
	switch {
	case c.leading:
		n.sinkEpoch = c.number
	case c.lost:
		n.sinkEpoch = 0
	}
}
