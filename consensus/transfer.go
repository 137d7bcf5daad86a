package consensus

// Transfer hands leadership to another voter (§3.10): proposals are refused until its log is as
// long as this one, then it is told to stand at once. If nothing comes of it within an election
// timeout, this replica goes on leading.
func (r *Replica) Transfer(to NodeID) error {
	x, ok := r.log.config().Find(to)
	switch {
	case r.role != Leader:
		return ErrNotLeader
	case to == r.cfg.ID:
		return nil
	case !ok || x.Role != Voter && x.Role != Incoming || r.peers[to] == nil || !r.counts(to, r.peers[to]):
		return ErrTarget
	case r.transferee == to:
		return nil
	case r.transferee != 0:
		return ErrTransferring
	}
	r.transferee, r.transferFor = to, 0
	r.finishTransfer()
	return nil
}

// HandOver transfers leadership to the voter whose log is longest, of those that answer and have not let a transfer pass lately:
// another one's disk may be full as well. It is for a leader that can write nothing, and does nothing where no quorum
// answers without this replica: nobody else could commit anything then, nor answer reads before it has.
func (r *Replica) HandOver() {
	if r.role != Leader || r.transferee != 0 || r.answer(r.log.config(), 0) != nil {
		return
	}
	var best NodeID
	for _, x := range r.log.config().Members {
		p := r.peers[x.ID]
		if p != nil && (x.Role == Voter || x.Role == Incoming) && r.counts(x.ID, p) && r.active(p) && p.rest == 0 && (best == 0 || p.match > r.peers[best].match) {
			best = x.ID
		}
	}
	if best != 0 {
		_ = r.Transfer(best) // best is another voter, and nothing else is under way
	}
}

// finishTransfer tells the target to stand once it has everything, durable: what this replica's own disk has says nothing
// of that, and one that takes nothing more, as it is full, is a reason to go.
func (r *Replica) finishTransfer() {
	if p := r.peers[r.transferee]; p == nil {
		r.transferee = 0
	} else if p.match == r.log.last {
		r.gaveAway = true
		r.send(Message{Kind: MsgTimeoutNow, To: r.transferee})
	}
}

// declined goes on leading, as the transfer did not come about. Whoever did not take the lead, for it is fenced, say, is not
// handed it again soon but by Transfer: each time costs an election timeout in which nothing can be written.
func (r *Replica) declined() {
	if p := r.peers[r.transferee]; p != nil {
		p.rest = r.cfg.ElectionTicks << (2*p.declined + 1)
		p.declined = min(p.declined+1, maxDeclined)
	}
	r.transferee, r.elapsed = 0, 0
}

// maxDeclined is how often the time in which somebody is not handed the lead, since it did not take it, becomes four times
// as long.
const maxDeclined = 4

// better returns a voter of the highest priority that is up to date and answers, if this one
// is not of that priority itself; else 0.
func (r *Replica) better() NodeID {
	c := r.log.config()
	me, _ := c.Find(r.cfg.ID)
	for _, x := range c.Members {
		if p := r.peers[x.ID]; me.Priority < x.Priority && x.Role == Voter && x.Priority == c.top && p != nil && p.rest == 0 && r.counts(x.ID, p) && r.active(p) && p.state == replicating && p.match >= r.log.commit {
			return x.ID
		}
	}
	return 0
}
