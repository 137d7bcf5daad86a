package node

import (
	"errors"
	"math"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
)

// Compact lets go of entries as r says: whole segments of them, durably. The caller keeps a
// snapshot that holds what they did. What another member has not made durable yet, or will
// need behind the snapshot that it is being fed with, stays as long as the log has no more
// than Config.MaxLagBytes; beyond, who is behind gets a snapshot. Only the leader knows who
// needs what, so the others keep that much.
func (n *Node) Compact(r eventlog.Retention) (removed int, err error) {
	n.mu.Lock()
	s := n.core.Status()
	n.mu.Unlock()
	kept := r
	kept.Keep = min(r.Keep, needed(s))
	removed, err = n.log.Retain(kept)
	if err == nil && kept.Keep < r.Keep {
		var more int
		r.MaxBytes, r.Before = max(r.MaxBytes, n.cfg.MaxLagBytes), 0
		more, err = n.log.Retain(r)
		removed += more
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.noteApplied()
	n.core.Compacted(min(n.log.First()-1, n.applied))
	return removed, n.suspect(err)
}

// suspect adds to an error what came of having the next start look at the damage that it names, which it repairs.
func (n *Node) suspect(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(err, n.log.Suspect(err))
}

// needed is the index of the first entry that some other member may still need.
func needed(s consensus.Status) uint64 {
	switch {
	case len(s.Membership.Members) == 0, s.Membership.IsOnly(s.ID):
		return math.MaxUint64
	case s.State != consensus.Leader:
		return 0
	}
	first := uint64(math.MaxUint64)
	for _, p := range s.Peers {
		have := p.Match
		if p.Snapshot.Index > have {
			have = p.Snapshot.Index
		}
		first = min(first, have+1)
	}
	return first
}
