package lithair

import (
	"strconv"
	"sync"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
)

// statusEvery is how long a status is used for figures: many are read at once.
const statusEvery = 100 * time.Millisecond

// statusCache is the node's status, not older than statusEvery.
type statusCache struct {
	mu   sync.Mutex
	at   time.Time
	have consensus.Status
}

func (s *statusCache) get(c *cluster) consensus.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.at) > statusEvery {
		s.have, s.at = c.node.Status(), now
	}
	return s.have
}

// acquaintances are members that were met.
type acquaintances struct {
	mu   sync.Mutex
	list map[consensus.NodeID]bool
}

// add says whether a member was not met before.
func (s *acquaintances) add(id consensus.NodeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = map[consensus.NodeID]bool{}
	}
	met := s.list[id]
	s.list[id] = true
	return !met
}

// clusterStats registers the figures of this node's part in its cluster. Those of peers are
// the leader's: 0 elsewhere.
func (a *App) clusterStats(c *cluster) {
	c.figures = &statusCache{}
	m, cache := a.metrics, c.figures
	figure := func(fn func(s consensus.Status) uint64) func() float64 {
		return func() float64 { return float64(fn(cache.get(c))) }
	}
	m.GaugeFunc("lithair_raft_term", "Term of the cluster, as this node knows it.", figure(func(s consensus.Status) uint64 { return s.Term }))
	m.GaugeFunc("lithair_raft_leader_id", "Number of the node that leads; 0 when none is known.", figure(func(s consensus.Status) uint64 { return uint64(s.Lead) }))
	m.GaugeFunc("lithair_raft_is_leader", "1 on the node that leads.", figure(func(s consensus.Status) uint64 {
		if s.State == consensus.Leader {
			return 1
		}
		return 0
	}))
	m.GaugeFunc("lithair_raft_voters", "Members that vote.", figure(func(s consensus.Status) uint64 { return uint64(len(voters(s))) }))
	m.GaugeFunc("lithair_raft_format", "Format that the cluster writes, as this node knows it.", figure(func(s consensus.Status) uint64 { return s.Membership.ActiveFormat() }))
	m.GaugeFunc("lithair_raft_newest_format", "Newest format that this node's release reads.", figure(func(s consensus.Status) uint64 { return s.Formats.Newest }))
	m.GaugeFunc("lithair_raft_unread_format", "Format of the leader's log when this node's release does not read it, and it is not fed; 0 when it does.", figure(func(s consensus.Status) uint64 { return s.Unread }))
	m.GaugeFunc("lithair_raft_proposals_committed", "Log index up to which everything is committed.", figure(func(s consensus.Status) uint64 { return s.Commit }))
	m.GaugeFunc("lithair_raft_proposals_applied", "Log index up to which everything is in the state.", func() float64 { return float64(a.engine.Stats().Applied) })
	m.GaugeFunc("lithair_raft_proposals_pending_bytes", "Bytes that the leader has proposed and that are not committed.", figure(func(s consensus.Status) uint64 { return uint64(s.UncommittedBytes) }))
	m.CounterFunc("lithair_raft_proposals_failed_total", "Entries of this node that were not taken: it did not lead any more, or too much was under way.", func() float64 { return float64(c.failed.Load()) })
	m.GaugeFunc("lithair_raft_clock_drift_seconds", "How far the clock of this node is off the median of the members'; 0 while fewer than three are known. A leader that is a minute off hands over.", func() float64 {
		drift, known := c.soundings.judge()
		if !known {
			return 0
		}
		return drift.Seconds()
	})
	m.CounterFunc("lithair_raft_leader_changes_total", "How often this node has come to know of another leader.", func() float64 { return float64(c.changes.Load()) })
	m.CounterFunc("lithair_raft_lease_reads_total", "Linearizable reads of this node, leading, that asked nobody, since a lease lasted.", func() float64 { return float64(c.node.Leases()) })
	progress := func(fn func(p node.Progress) uint64) func() float64 {
		return func() float64 { return float64(fn(c.node.Incoming())) }
	}
	m.GaugeFunc("lithair_raft_snapshot_incoming_bytes", "Bytes that have come of the snapshot that this node is being fed with; 0 when it is not.", progress(func(p node.Progress) uint64 { return p.Bytes }))
	m.GaugeFunc("lithair_raft_snapshot_incoming_size_bytes", "Size of that snapshot.", progress(func(p node.Progress) uint64 { return p.Size }))
	m.CounterFunc("lithair_raft_snapshots_installed_total", "Snapshots of other nodes that have taken the place of log and state since the start.", progress(func(p node.Progress) uint64 { return p.Installed }))
	m.GaugeFunc("lithair_raft_fenced", "1 while this node answers nothing, for its state is not that of the others.", func() float64 {
		if c.node.Fenced() != nil {
			return 1
		}
		return 0
	})
	m.GaugeFunc("lithair_raft_state_differs_index", "Log index at which this node, leading, has seen different states; 0 when it has not.", func() float64 { return float64(c.node.Differs()) })
	m.GaugeFunc("lithair_raft_state_age_seconds", "How old the state of this node may be; -1 when nobody knows.", func() float64 {
		age, known := a.stateAge()
		if !known {
			return -1
		}
		return age.Seconds()
	})
	a.peerStats(c)
}

// peerStats registers the figures of members that have none yet. They stay when a member is removed, and are 0.
func (a *App) peerStats(c *cluster) {
	cache := c.figures
	for _, x := range c.node.Status().Membership.Members {
		if x.ID != c.cfg.id && c.figured.add(x.ID) {
			a.figuresOf(c, cache, x.ID)
		}
	}
}

// figuresOf registers the figures of one member; they are the leader's, and 0 elsewhere.
func (a *App) figuresOf(c *cluster, cache *statusCache, id consensus.NodeID) {
	m := a.metrics
	figure := func(fn func(s consensus.Status) uint64) func() float64 {
		return func() float64 { return float64(fn(cache.get(c))) }
	}
	label := [2]string{"peer", strconv.FormatUint(uint64(id), 10)}
	m.GaugeFunc("lithair_raft_peer_lag_entries", "Entries that the leader has and a peer has not made durable.", figure(func(s consensus.Status) uint64 {
		for _, p := range s.Peers {
			if p.ID == id && s.Last > p.Match {
				return s.Last - p.Match
			}
		}
		return 0
	}), label)
	lag := func(fn func(match, last uint64) float64) func() float64 {
		return func() float64 {
			s := cache.get(c)
			for _, p := range s.Peers {
				if p.ID == id && s.Last > p.Match {
					return fn(p.Match, s.Last)
				}
			}
			return 0
		}
	}
	m.GaugeFunc("lithair_raft_peer_lag_bytes", "About how many bytes of log the leader has and a peer has not made durable.", lag(func(match, _ uint64) float64 { return float64(a.events.SizeFrom(match + 1)) }), label)
	m.GaugeFunc("lithair_raft_peer_lag_seconds", "Age of the oldest entry that the leader has and a peer has not made durable.", lag(func(match, last uint64) float64 { return a.lagSeconds(match, last) }), label)
	m.GaugeFunc("lithair_raft_peer_rtt_seconds", "How long a peer took to answer a question beside Raft's, the last time it did.", func() float64 { return c.soundings.get(id).rtt.Seconds() }, label)
	m.CounterFunc("lithair_raft_peer_probes_failed_total", "Such questions that a peer did not answer.", func() float64 { return float64(c.soundings.get(id).failed) }, label)
	m.GaugeFunc("lithair_raft_peer_snapshot", "1 while the leader feeds a peer with a snapshot.", figure(func(s consensus.Status) uint64 {
		for _, p := range s.Peers {
			if p.ID == id && p.Snapshot.Index > 0 {
				return 1
			}
		}
		return 0
	}), label)
	m.GaugeFunc("lithair_raft_peer_active", "1 while the leader hears of a peer.", figure(func(s consensus.Status) uint64 {
		if s.State == consensus.Leader && answers(s, id) {
			return 1
		}
		return 0
	}), label)
}
