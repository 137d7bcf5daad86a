package consensus

import "slices"

// Status is how a replica sees things now.
type Status struct {
	ID, Lead, Vote          NodeID
	Term                    uint64
	State                   State
	First, Last             uint64 // entries in the log
	Durable, Commit         uint64
	Released, Applied       uint64
	Membership              Membership // the newest in the log
	MembershipIndex         uint64
	MembershipCommitted     bool
	Transferee              NodeID
	Formats                 Formats      // that this release reads; the active one is the membership's
	Promised                uint64       // newest format that this node has promised to read; 0: none beyond 1
	Unread                  uint64       // format of the leader's log, which this release does not read; 0: it does
	Peers                   []PeerStatus // on the leader, by ID
	UncommittedBytes, Reads int
}

// PeerStatus is what the leader knows of a peer.
type PeerStatus struct {
	ID            NodeID
	State         string // probe, replicate, snapshot
	Match, Next   uint64
	Incarnation   uint64 // as its last answer says
	InflightBytes int
	Newest        uint64 // format that it reads; 0: it has not said so to this leader
	Promised      uint64 // format that it has promised to read
	Active        bool   // heard of within an election timeout
	Snapshot      Snapshot
}

// Status returns the present view, a copy.
func (r *Replica) Status() Status {
	l, c := r.log, r.log.config()
	s := Status{
		ID: r.cfg.ID, Lead: r.lead, Vote: r.vote, Term: r.term, State: r.role,
		First: l.before + 1, Last: l.last, Durable: l.durable, Commit: l.commit, Released: l.released, Applied: l.applied,
		Membership: c.Membership, MembershipIndex: c.index, MembershipCommitted: c.index <= l.commit,
		Formats: r.cfg.Formats, Promised: r.format, Unread: r.unread,
		Transferee: r.transferee, UncommittedBytes: r.uncommitted, Reads: len(r.asked) + len(r.early) + len(r.forwarded),
	}
	if len(r.peers) > 0 {
		s.Peers = make([]PeerStatus, 0, len(r.peers))
	}
	for _, x := range c.Members {
		if p := r.peers[x.ID]; p != nil {
			s.Peers = append(s.Peers, PeerStatus{ID: x.ID, State: p.state.String(), Match: p.match, Next: p.next, Incarnation: p.incarnation, InflightBytes: p.inflight.bytes, Newest: p.newest, Promised: p.promised, Active: r.active(p), Snapshot: p.snapshot})
		}
	}
	return s
}

// Leading says whether this replica leads, and whether something of its term is committed, from
// when on its commit index is the newest there is.
func (r *Replica) Leading() (leads, ready bool) {
	return r.role == Leader, r.role == Leader && r.log.commit >= r.termStart
}

// Last returns the index of the newest entry, committed or not.
func (r *Replica) Last() uint64 { return r.log.last }

// Term returns the term of the entry at index; false when the log has no such entry.
func (r *Replica) Term(index uint64) (uint64, bool) { return r.log.term(index) }

// Lead returns who leads the present term, as far as this replica knows; 0 when it knows of
// nobody, or knows that the leader is gone.
func (r *Replica) Lead() NodeID {
	if r.leaderGone && r.role != Leader { // who leads now said so of the one before
		return 0
	}
	return r.lead
}

// Around returns the newest membership, and besides those whom it leaves out while it may be uncommitted: they are still
// to be answered, for a leader that leaves commits that, and goes, by what the others say.
func (r *Replica) Around() Membership {
	m := r.log.config().Membership
	m.Members = slices.Clone(m.Members)
	for k := len(r.log.configs) - 2; k >= 0; k-- {
		for _, x := range r.log.configs[k].Members {
			if i, there := slices.BinarySearchFunc(m.Members, x, byID); !there {
				m.Members = slices.Insert(m.Members, i, x)
			}
		}
	}
	return m
}

// Format returns the active format, see [OldestFormat].
func (r *Replica) Format() uint64 { return r.log.config().ActiveFormat() }

// Unread returns the format of the leader's log when this release does not read it; 0 when it does.
func (r *Replica) Unread() uint64 { return r.unread }
