package consensus

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
	Active        bool // heard of within an election timeout
	Snapshot      Snapshot
}

// Status returns the present view, a copy.
func (r *Replica) Status() Status {
	l, c := r.log, r.log.config()
	s := Status{
		ID: r.cfg.ID, Lead: r.lead, Vote: r.vote, Term: r.term, State: r.role,
		First: l.before + 1, Last: l.last, Durable: l.durable, Commit: l.commit, Released: l.released, Applied: l.applied,
		Membership: c.Membership, MembershipIndex: c.index, MembershipCommitted: c.index <= l.commit,
		Transferee: r.transferee, UncommittedBytes: r.uncommitted, Reads: len(r.asked) + len(r.early) + len(r.forwarded),
	}
	if len(r.peers) > 0 {
		s.Peers = make([]PeerStatus, 0, len(r.peers))
	}
	for _, x := range c.Members {
		if p := r.peers[x.ID]; p != nil {
			s.Peers = append(s.Peers, PeerStatus{ID: x.ID, State: p.state.String(), Match: p.match, Next: p.next, Incarnation: p.incarnation, InflightBytes: p.inflight.bytes, Active: r.active(p), Snapshot: p.snapshot})
		}
	}
	return s
}

// Leading says whether this replica leads, and whether something of its term is committed, from
// when on its commit index is the newest there is.
func (r *Replica) Leading() (leads, ready bool) {
	return r.role == Leader, r.role == Leader && r.log.commit >= r.termStart
}

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
