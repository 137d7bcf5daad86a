package consensus

// becomeLeader opens the term with an entry of its own, so that what earlier leaders left can
// be committed and the commit index is known to be the newest (§3.6.2, §6.4): a no-op, or the
// membership of the bootstrap as long as the log does not hold it. So a node that is taken
// in later finds it in the log, and every snapshot has one.
func (r *Replica) becomeLeader() {
	must(r.vote == r.cfg.ID && r.hardNumber <= r.persisted, "leading term %d without a durable vote for itself", r.term)
	r.role, r.lead, r.votes = Leader, r.cfg.ID, nil
	r.elapsed, r.undone, r.beat, r.seq = 0, 0, 0, 0
	r.peers, r.asked, r.early = map[NodeID]*progress{}, nil, nil
	r.uncommitted, r.sizes = 0, nil
	r.wanted, r.raisedAt = 0, 0
	r.transferee, r.gaveAway, r.beatNow, r.tellNow, r.incoming = 0, false, false, false, nil
	r.syncPeers()
	r.termStart = r.log.last + 1
	c := r.log.config()
	if m, raised := r.raisedAlone(c.Membership); c.index == 0 || raised {
		r.appendOwn(KindConfig, AppendMembership(nil, m))
	} else {
		r.appendOwn(KindNoop, r.opening())
	}
}

func (r *Replica) stopLeading() {
	for _, q := range append(r.asked, r.early...) {
		r.answerRead(q, 0, true)
	}
	r.peers, r.asked, r.early, r.sizes, r.uncommitted, r.transferee = nil, nil, nil, nil, 0, 0
}

// syncPeers brings the list of peers in line with the configuration.
func (r *Replica) syncPeers() {
	c := r.log.config()
	for id := range r.peers {
		if _, ok := c.Find(id); !ok {
			delete(r.peers, id)
		}
	}
	for _, x := range c.Members {
		if x.ID != r.cfg.ID && r.peers[x.ID] == nil {
			r.peers[x.ID] = &progress{next: r.log.last + 1, incarnation: x.Incarnation, roundEnd: r.log.last}
		}
	}
}

// appendOwn puts an entry of this leader into the log.
func (r *Replica) appendOwn(kind uint8, data []byte) {
	now := r.log.lastTime + 1
	if r.cfg.Now != nil {
		now = max(now, r.cfg.Now())
	}
	r.log.append(Entry{Index: r.log.last + 1, Term: r.term, Time: now, Kind: kind, Data: data})
	if kind == KindConfig {
		r.addConfig(r.log.tail[len(r.log.tail)-1])
		r.syncPeers()
	}
}

// Propose gives an entry the next place in the log and returns that; the data must stay as it is
// from then on. It is committed when Ready says so, if this term goes on that long.
func (r *Replica) Propose(kind uint8, time int64, data []byte) (index uint64, err error) {
	switch {
	case kind < FirstKind:
		return 0, ErrMalformed
	case r.role != Leader:
		return 0, ErrNotLeader
	case r.transferee != 0:
		return 0, ErrTransferring
	case r.busy(len(data)):
		return 0, ErrBusy
	}
	e := Entry{Index: r.log.last + 1, Term: r.term, Time: time, Kind: kind, Data: data}
	r.await(&e)
	r.log.append(e)
	return e.Index, nil
}

// busy says whether so many bytes more would be too many to wait for a commit.
func (r *Replica) busy(bytes int) bool {
	return r.uncommitted > 0 && r.uncommitted+bytes > r.cfg.MaxUncommittedBytes
}

// await counts an entry as waiting for its commit.
func (r *Replica) await(e *Entry) {
	r.uncommitted += e.size()
	r.sizes = append(r.sizes, flight{e.Index, e.size()})
}

// Change proposes another membership: through a joint one if voters change (§4.3), which the
// leader leaves by itself. One change at a time, none before the own term has committed, and
// none to voters of whom no quorum answers now ([QuorumError]): a new node becomes a learner
// with Promote first. It gets no vote before it has promised to read the active format, if that is above 1
// ([ErrUnheard], [FormatError]).
func (r *Replica) Change(changes ...Change) (index uint64, err error) {
	c := r.log.config()
	switch {
	case r.role != Leader:
		return 0, ErrNotLeader
	case r.transferee != 0:
		return 0, ErrTransferring
	case r.log.commit < r.termStart:
		return 0, ErrTooEarly
	case c.index > r.log.commit && c.index != r.raisedAt || c.Joint():
		return 0, ErrChanging
	}
	next, err := c.after(changes)
	if err != nil {
		return 0, err
	}
	then := newConfig(0, next)
	if err := r.quorum(&then); err != nil {
		return 0, err
	}
	if err := r.unpromised(&then); err != nil {
		return 0, err
	}
	r.appendOwn(KindConfig, AppendMembership(nil, next))
	return r.log.last, nil
}

// handleAppendResp moves a peer's progress.
func (r *Replica) handleAppendResp(m Message) {
	if r.role != Leader {
		return
	}
	p := r.peers[m.From]
	if p == nil || m.Index > r.log.last || m.Match > m.Index {
		return // of a member that left, or that no replica sends
	}
	p.quiet = 0
	if p.incarnation != m.Incarnation {
		*p = progress{incarnation: m.Incarnation} // it has nothing of what it had
		p.probe(r.log.last + 1)
	}
	stale := m.Seq <= p.seq
	if m.Seq >= p.seq {
		p.pledge = m.Offset
		p.heardFormats(m)
	}
	p.seq = max(p.seq, m.Seq)
	if m.Reject {
		r.refused(p, m, stale)
	} else {
		r.agreed(m.From, p, m)
	}
	r.releaseReads()
}

func (r *Replica) refused(p *progress, m Message, stale bool) {
	if stale && (m.Index <= p.match || p.state == replicating) {
		return // crossed with later answers
	}
	if p.state == restoring || m.Seq <= p.reset {
		return
	}
	hint, _ := r.log.lastOfTerm(m.Hint, m.HintTerm)
	if m.Index <= p.match && hint < p.match {
		p.match = hint // it lost what it had: it must get it again
	}
	p.again(r.seq, r.cfg.MaxInflight)
	p.probe(min(hint, m.Index) + 1)
}

func (r *Replica) agreed(id NodeID, p *progress, m Message) {
	p.match = max(p.match, m.Match)
	p.inflight.freeTo(m.Match)
	if p.window > 0 {
		p.wider(r.cfg.MaxInflight)
	}
	switch p.state {
	case probing:
		p.replicate(m.Index + 1)
	case restoring:
		if m.Index >= p.snapshot.Index {
			p.replicate(m.Index + 1)
		}
	case replicating:
		p.next = max(p.next, p.match+1)
		if m.Seq >= p.lastSeq && m.Seq > p.reset && m.Index+1 < p.next {
			p.again(r.seq, r.cfg.MaxInflight) // what was sent in between did not arrive
			p.replicate(m.Index + 1)
			p.inflight.clear()
		}
	}
	r.advanceCommit()
	if r.role == Leader && id == r.transferee {
		r.finishTransfer()
	}
}

// matched is how far a member's log agrees and is durable.
func (r *Replica) matched(id NodeID) uint64 {
	if id == r.cfg.ID {
		return r.log.durable
	}
	if p := r.peers[id]; p != nil && r.counts(id, p) {
		return p.match
	}
	return 0
}

// counts says whether a peer is the one that the membership names: what another incarnation
// has now says nothing about what it had promised before.
func (r *Replica) counts(id NodeID, p *progress) bool {
	x, _ := r.log.config().Find(id)
	return p.incarnation == x.Incarnation
}

// advanceCommit commits what a quorum has, if it is of the own term; with it all before
// (§3.6.2: entries of earlier terms are never committed by counting).
func (r *Replica) advanceCommit() {
	index := r.log.config().agreed(r.matched)
	if index <= r.log.commit || index < r.termStart {
		return
	}
	r.log.commitTo(index)
	n := 0
	for n < len(r.sizes) && r.sizes[n].last <= index {
		r.uncommitted -= r.sizes[n].bytes
		n++
	}
	r.sizes = r.sizes[:copy(r.sizes, r.sizes[n:])]
	for _, q := range r.early {
		r.ask(q)
	}
	r.early = nil
	r.configCommitted()
	r.releaseReads() // a smaller configuration may need fewer answers
}

// configCommitted goes on with a membership change: a joint configuration that is committed is
// left, and a leader that is not in the new one steps down (§4.3).
func (r *Replica) configCommitted() {
	c := r.log.config()
	switch {
	case c.index > r.log.commit:
	case c.Joint():
		r.appendOwn(KindConfig, AppendMembership(nil, c.left()))
	case !c.votes(r.cfg.ID):
		r.sayGoodbye()
	}
}

// sayGoodbye ends the leadership of a node that is no voter any more: its followers hear of
// the commit first, and the best of them is asked to take over.
func (r *Replica) sayGoodbye() {
	var best NodeID
	for _, x := range r.log.config().Members {
		p := r.peers[x.ID]
		if p == nil {
			continue
		}
		r.sendBeat(x.ID, p)
		if x.Role != Learner && r.counts(x.ID, p) && r.active(p) && p.match >= r.log.commit && (best == 0 || p.match > r.peers[best].match) {
			best = x.ID
		}
	}
	if best != 0 {
		r.send(Message{Kind: MsgTimeoutNow, To: best})
	}
	r.becomeFollower(r.term, 0)
}

func (r *Replica) tickLeader() {
	if r.beat++; r.beat >= r.cfg.HeartbeatTicks {
		r.beat, r.beatNow = 0, true
	}
	for _, p := range r.peers {
		p.roundTicks++
		p.quiet++
		p.rest = max(0, p.rest-1)
	}
	if r.transferee != 0 {
		if r.transferFor++; r.transferFor >= r.cfg.ElectionTicks {
			r.declined()
		}
	}
	if r.quorum(r.log.config()) != nil {
		r.becomeFollower(r.term, 0) // CheckQuorum (§6.2): others may have a better leader
		return
	}
	if r.elapsed >= r.cfg.ElectionTicks {
		r.elapsed = 0
		if better := r.better(); better != 0 && r.transferee == 0 {
			_ = r.Transfer(better) // better is a voter, and nothing else is under way
		}
	}
	r.raiseFormat()
	r.promote()
}

// active says whether a peer was heard of within an election timeout.
func (r *Replica) active(p *progress) bool { return p.quiet < r.cfg.ElectionTicks }

// quorum returns an error unless a quorum of c was heard of within an election timeout.
func (r *Replica) quorum(c *config) error { return r.answer(c, r.cfg.ID) }

// answer is quorum with self among those who answer, if it is a voter.
func (r *Replica) answer(c *config, self NodeID) error {
	for _, half := range [...][]NodeID{c.voters, c.outgoing} {
		answer := 0
		for _, id := range half {
			x, _ := c.Find(id)
			if p := r.peers[id]; id == self || p != nil && r.active(p) && p.incarnation == x.Incarnation {
				answer++
			}
		}
		if need := len(half)/2 + 1; len(half) > 0 && answer < need {
			return &QuorumError{Voters: len(half), Need: need, Answer: answer}
		}
	}
	return nil
}

// promote proposes a vote for a learner that has caught up, and takes the vote from a node that
// came back without what it had promised.
func (r *Replica) promote() {
	c := r.log.config()
	for _, x := range c.Members {
		p := r.peers[x.ID]
		if p != nil && !r.counts(x.ID, p) && r.active(p) && (x.Role == Voter || x.Role == Learner) {
			x.Role, x.Promote, x.Incarnation = Learner, x.Promote || x.Role == Voter, p.incarnation
			if _, err := r.Change(Change{Member: x}); err == nil {
				p.roundEnd, p.roundTicks = r.log.last, 0 // what it had caught up with is gone
				return
			}
			continue
		}
		if x.Role != Learner || !x.Promote || p == nil || p.state != replicating || p.match < p.roundEnd {
			continue
		}
		quick := p.roundTicks <= r.cfg.ElectionTicks
		p.roundEnd, p.roundTicks = r.log.last, 0
		if !quick {
			continue
		}
		x.Role, x.Promote = Voter, false
		if _, err := r.Change(Change{Member: x}); err == nil {
			return
		}
	}
}
