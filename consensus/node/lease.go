package node

import (
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// Reads by lease (Raft dissertation §6.4.1): who answers a leader's message promises to vote for nobody for an election
// timeout. So a leader that a quorum has answered is the only one until that has passed since the
// message was sent, and linearizable reads need not ask. The answer says for how long: members without leases, or whose
// election timeout is shorter than this leader's, do not count (consensus.Config.TickTime). Sent, not answered: an answer may be long under way. The time is that
// of a clock that goes on while the machine sleeps, and is looked at before the commit index is
// taken, under one lock: wherever the process pauses, what was acknowledged to anybody before the look is
// in what the read waits for. It need not be looked at again when the state was loaded, for the read is right at the moment
// of the look, which lies within it.

// leaseMargin is the part of an election timeout that clocks may disagree about: a lease is shorter by it. Two clocks
// that are each a tenth too fast or too slow differ by less.
const leaseMargin = 0.25

// round is messages that left at once.
type round struct {
	first, last uint64 // by Seq
	at          time.Duration
}

// noteRound notes when messages leave, before they do. n.mu is held.
func (n *Node) noteRound(messages []consensus.Message) {
	if !n.cfg.Raft.LeaseReads {
		return
	}
	leads, _, term, _ := n.core.Leadership()
	if !leads || term != n.roundsTerm {
		n.rounds, n.roundsTerm = n.rounds[:0], term
	}
	if !leads {
		return
	}
	r := round{}
	for i := range messages {
		m := &messages[i]
		if m.Seq == 0 || m.Term != term || m.Kind != consensus.MsgAppend && m.Kind != consensus.MsgSnapshot && m.Kind != consensus.MsgChunk {
			continue
		}
		if r.first == 0 {
			r.first = m.Seq
		}
		r.first, r.last = min(r.first, m.Seq), max(r.last, m.Seq)
	}
	if r.first == 0 {
		return
	}
	r.at = n.cfg.Uptime()
	old := 0 // no lease can rest on them any more
	for old < len(n.rounds) && r.at-n.rounds[old].at > n.leaseTime() {
		old++
	}
	n.rounds = append(n.rounds[:copy(n.rounds, n.rounds[old:])], r)
}

// leaseTime is how long a lease lasts.
func (n *Node) leaseTime() time.Duration {
	return time.Duration((1 - leaseMargin) * float64(n.cfg.Raft.ElectionTicks) * float64(n.cfg.Tick))
}

// leased returns the log index from which on a read that begins now is right, if this node need not ask. n.mu is
// held.
func (n *Node) leased() (index uint64, ok bool) {
	now := n.cfg.Uptime()
	answered, _, ok := n.core.Lease()
	if !ok || n.epoch == 0 {
		return 0, false
	}
	for i := range n.rounds {
		if r := &n.rounds[i]; r.last >= answered {
			return n.core.Committed(), r.first <= answered && now-r.at < n.leaseTime()
		}
	}
	return 0, false
}

// Leases returns how many reads were served by a lease since the start.
func (n *Node) Leases() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.leases
}
