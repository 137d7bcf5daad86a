package consensus

// stand begins an election: first the question whether it could be won, which disturbs
// nobody (§9.6), unless the leader itself asked for it (§3.10).
func (r *Replica) stand(byTransfer bool) {
	must(r.role != Leader, "a leader stands for election in term %d", r.term)
	r.failForwarded()
	if r.role == Candidate { // a quorum was willing, and did not vote in time
		r.undone = min(r.undone+1, maxUndone)
	}
	r.lead, r.elapsed, r.votes, r.byTransfer = 0, 0, map[NodeID]bool{}, byTransfer
	r.spreadTimeout()
	if byTransfer {
		r.becomeCandidate()
		return
	}
	r.role = PreCandidate
	r.askForVotes(MsgPreVote, r.term+1)
	r.countVote(r.cfg.ID, true)
}

// becomeCandidate opens a new term with a vote for itself; that vote counts, and is asked for
// from others, when it is durable.
func (r *Replica) becomeCandidate() {
	r.role, r.votes = Candidate, map[NodeID]bool{}
	r.setHard(r.term+1, r.cfg.ID)
	r.verified, r.seq, r.owesAck = 0, 0, false
	r.askForVotes(MsgVote, r.term)
	r.send(Message{Kind: MsgVoteResp, To: r.cfg.ID}) // held until durable, then counted
}

func (r *Replica) askForVotes(kind MessageKind, term uint64) {
	for _, x := range r.log.config().Members {
		if x.Role != Learner && x.ID != r.cfg.ID {
			r.send(Message{Kind: kind, To: x.ID, Term: term, Index: r.log.last, LogTerm: r.log.lastTerm(), Incarnation: x.Incarnation, Transfer: r.byTransfer && kind == MsgVote})
		}
	}
}

// ownVote counts the vote for itself, now durable.
func (r *Replica) ownVote() {
	if r.role == Candidate {
		r.countVote(r.cfg.ID, true)
	}
}

func (r *Replica) countVote(from NodeID, granted bool) {
	if _, twice := r.votes[from]; !twice {
		r.votes[from] = granted
	}
	switch r.log.config().tally(r.votes) {
	case won:
		if r.role == PreCandidate {
			r.becomeCandidate()
		} else {
			r.becomeLeader()
		}
	case lost:
		// Back to waiting; no leader is known, so that this replica vetoes nobody.
		r.role, r.votes, r.elapsed = Follower, nil, 0
		r.spreadTimeout()
	}
}

// handlePreVote answers whether this replica would vote for the sender in m.Term.
func (r *Replica) handlePreVote(m Message) {
	free := m.Term > r.term || r.vote == m.From || r.vote == 0 && r.lead == 0
	if free && r.mine(m) && !r.hearsLeader() && r.role != Leader && r.log.upToDate(m.Index, m.LogTerm) {
		r.send(Message{Kind: MsgPreVoteResp, To: m.From, Term: m.Term})
		return
	}
	r.send(Message{Kind: MsgPreVoteResp, To: m.From, Reject: true})
}

// mine says whether a request is to this incarnation: one that lost its disk does not know
// what it promised, and must not promise otherwise.
func (r *Replica) mine(m Message) bool { return m.Incarnation == r.cfg.Incarnation }

// handleVote grants the vote of this term to the first that asks and whose log is not
// behind (§3.6.1).
func (r *Replica) handleVote(m Message) {
	free := r.vote == m.From || r.vote == 0 && r.lead == 0
	promised := r.promise > 0 && !m.Transfer
	if !free || promised || !r.mine(m) || !r.log.upToDate(m.Index, m.LogTerm) {
		r.send(Message{Kind: MsgVoteResp, To: m.From, Reject: true})
		return
	}
	r.setHard(r.term, m.From)
	r.elapsed = 0
	r.send(Message{Kind: MsgVoteResp, To: m.From})
}

func (r *Replica) handleVoteResp(m Message) {
	pre := m.Kind == MsgPreVoteResp
	switch {
	case pre && r.role != PreCandidate, !pre && r.role != Candidate:
		return // of an election that is over
	case pre && !m.Reject && m.Term != r.term+1:
		return // of an earlier question
	}
	r.countVote(m.From, !m.Reject)
}

// handleTimeoutNow begins the election that the leader asked for.
func (r *Replica) handleTimeoutNow(Message) {
	if r.mayStand() {
		r.stand(true)
	}
}
