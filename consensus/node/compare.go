package node

import (
	"fmt"

	"github.com/lithair/lithair-go/consensus"
)

// All nodes have the same state behind the same entry. At some of them, the checkpoints, each
// remembers its hash: followers tell the leader the newest with their acknowledgements, and the
// leader tells them what more than half of the voters have, with its heartbeats. A node that has
// another hash has another state, by a bug, or by memory or disk that changed: it is fenced.
// It leads no more, and whoever serves reads asks Fenced. Its log is what the others have, by
// the chain, so it goes on to vote for them and to acknowledge.

// maxMarks is how many checkpoints are remembered.
const maxMarks = 64

// markBytes: a checkpoint in Message.Data is index(8) hash(16), little-endian. Another length is
// of a release that computes hashes in another way, and says nothing here.
const markBytes = 8 + 16

type mark struct {
	index uint64
	hash  [16]byte
}

func (m *mark) encode() []byte { return append(order.AppendUint64(nil, m.index), m.hash[:]...) }

// marks are what is known of checkpoints. n.mu guards them.
type marks struct {
	own     map[uint64][16]byte
	newest  []byte                                   // own, encoded; nil: none
	heard   map[uint64]map[consensus.NodeID][16]byte // on the leader, by index
	disks   map[consensus.NodeID]uint64              // incarnations that heard is of
	verdict mark                                     // the newest that more than half of the voters have; index 0: none
	told    []byte                                   // the same, encoded
	differs uint64                                   // index at which some node has another hash than most; 0: none was seen
}

// FencedError is why a node answers nothing from its state.
type FencedError struct {
	Index     uint64 // log index behind which the state differs
	Have, All [16]byte
}

// Error says what differs.
func (e *FencedError) Error() string {
	return fmt.Sprintf("node: the state of this node is not that of the others: at log index %d it has hash %x, most have %x; it answers nothing until it is seeded anew", e.Index, e.Have, e.All)
}

// Checkpoint tells the node the hash of the state behind the entry at index.
func (n *Node) Checkpoint(index uint64, hash [16]byte) {
	if n.cfg.Transport == nil {
		return
	}
	n.mu.Lock()
	defer n.leave()
	m := mark{index, hash}
	n.marks.own[index], n.marks.newest = hash, m.encode()
	if len(n.marks.own) > maxMarks {
		delete(n.marks.own, oldest(n.marks.own))
	}
	n.judge(index)
	n.submit(n.marks.verdict)
	n.pump()
}

func oldest[T any](m map[uint64]T) uint64 {
	least := ^uint64(0)
	for k := range m {
		least = min(least, k)
	}
	return least
}

// Fenced returns a *[FencedError] when the state of this node is known to differ from that of the
// others; nil otherwise. It waits for nobody.
func (n *Node) Fenced() error {
	if e := n.fenced.Load(); e != nil {
		return e
	}
	return nil
}

// Differs returns the log index at which the state of some node is another than that of most, as
// far as this node has seen as the leader; 0 when none was seen, or all voters have had the same state behind a later entry.
func (n *Node) Differs() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.marks.differs
}

// attach adds what there is to be said of checkpoints to messages. n.mu is held.
func (n *Node) attach(messages []consensus.Message) {
	for i := range messages {
		switch m := &messages[i]; {
		case m.Kind == consensus.MsgAppendResp:
			m.Data = n.marks.newest
		case m.Kind == consensus.MsgAppend && len(m.Entries) == 0:
			m.Data = n.marks.told
		}
	}
}

// detach takes out of a message what it says of checkpoints. n.mu is held.
func (n *Node) detach(m *consensus.Message) {
	if len(m.Data) != markBytes || m.Kind != consensus.MsgAppend && m.Kind != consensus.MsgAppendResp {
		return
	}
	said := mark{index: order.Uint64(m.Data), hash: [16]byte(m.Data[8:])}
	if m.Kind == consensus.MsgAppend {
		n.submit(said)
		return
	}
	if leads, _ := n.core.Leading(); !leads {
		return
	}
	h := n.marks.heard
	if was, known := n.marks.disks[m.From]; !known || was != m.Incarnation { // what it said before a reseed was of another state
		for _, said := range h {
			delete(said, m.From)
		}
		n.marks.disks[m.From] = m.Incarnation
	}
	if h[said.index] == nil {
		h[said.index] = map[consensus.NodeID][16]byte{}
	}
	if _, again := h[said.index][m.From]; again {
		return
	}
	h[said.index][m.From] = said.hash
	if len(h) > maxMarks {
		delete(h, oldest(h))
	}
	n.judge(said.index)
}

// judge looks whether more than half of the voters have one hash at an index, and whether all do.
func (n *Node) judge(index uint64) {
	if leads, _ := n.core.Leading(); !leads {
		return
	}
	votes, count := map[[16]byte]int{}, 0
	own, ok := n.marks.own[index]
	for _, x := range n.core.Status().Membership.Members {
		hash, heard := n.marks.heard[index][x.ID]
		if x.ID == n.identity.ID {
			hash, heard = own, ok
		}
		if x.Role == consensus.Learner {
			continue
		}
		if count++; heard {
			votes[hash]++
		}
	}
	all := 0
	for _, v := range votes {
		all += v
	}
	if len(votes) == 1 && all == count && index > n.marks.differs {
		n.marks.differs = 0 // all voters have the same again
	}
	if len(votes) > 1 && index > n.marks.differs {
		n.marks.differs = index
		n.cfg.Logger.Error("the states of nodes differ", "index", index, "hashes", len(votes))
	}
	for hash, v := range votes {
		if v > count/2 && index > n.marks.verdict.index {
			n.marks.verdict = mark{index, hash}
			n.marks.told = n.marks.verdict.encode()
			n.submit(n.marks.verdict)
		}
	}
}

// submit holds this node's state against what more than half of the voters have.
func (n *Node) submit(v mark) {
	have, ok := n.marks.own[v.index]
	if !ok || have == v.hash || n.fenced.Load() != nil {
		return
	}
	e := &FencedError{v.index, have, v.hash}
	n.fenced.Store(e)
	n.core.Fence()
	n.job(func() { n.rememberFence(e) })
	n.cfg.Logger.Error("this node is fenced", "error", e)
}
