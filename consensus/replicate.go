package consensus

// mustSend says whether a leader has something for its peers.
func (r *Replica) mustSend() bool {
	if r.role != Leader {
		return false
	}
	if r.beatNow {
		return true
	}
	for id, p := range r.peers {
		if r.maySend(id, p) || r.tells() && r.untold(p) {
			return true
		}
	}
	return false
}

// tells says whether word of a commit goes out by itself.
func (r *Replica) tells() bool { return r.tellNow || !r.cfg.LazyCommit }

// untold says whether a peer may be told of a commit that it was not told of, in a place that the log still has.
func (r *Replica) untold(p *progress) bool {
	return p.state == replicating && p.commit < min(r.log.commit, p.next-1) && p.next > r.log.before
}

// Untold returns how far a commit is known to all followers that could know of more, and
// true; false when there are none, or this replica does not lead. See Config.LazyCommit.
func (r *Replica) Untold() (told uint64, ok bool) {
	if r.role != Leader {
		return 0, false
	}
	for _, p := range r.peers {
		if r.untold(p) && (!ok || p.commit < told) {
			told, ok = p.commit, true
		}
	}
	return told, ok
}

// TellCommit has followers told of the commit with the next Ready, though it brings them no
// entries.
func (r *Replica) TellCommit() { r.tellNow = r.role == Leader }

// maySend says whether entries may go to a peer now.
func (r *Replica) maySend(id NodeID, p *progress) bool {
	if !r.readsLog(id, p) {
		return false
	}
	switch p.state {
	case probing:
		return !p.waiting
	case replicating:
		most := r.cfg.MaxInflight
		if p.window > 0 {
			most = p.window
		}
		return p.next <= r.log.last && len(p.inflight.list) < most && p.inflight.bytes < r.cfg.MaxInflightBytes
	}
	return false
}

// replicate sends each peer what it may have now: entries, else word of the commit, else a
// heartbeat if one is due. All of them carry the commit index.
func (r *Replica) replicate() error {
	beat, tell := r.beatNow, r.tells()
	r.beatNow, r.tellNow = false, false
	for _, x := range r.log.config().Members {
		p := r.peers[x.ID]
		if p == nil {
			continue
		}
		sent := false
		for r.maySend(x.ID, p) {
			if err := r.sendEntries(x.ID, p); err != nil {
				return err
			}
			sent = true
		}
		switch {
		case beat:
			r.sendBeat(x.ID, p)
		case !sent && tell && r.untold(p):
			r.sendCommit(x.ID, p)
		}
	}
	return nil
}

// sendEntries sends the next entries: one message of them.
func (r *Replica) sendEntries(id NodeID, p *progress) error {
	prev := p.next - 1
	term, ok := r.log.term(prev)
	if !ok {
		r.offer(id, p)
		return nil
	}
	m := Message{Kind: MsgAppend, To: id, Index: prev, LogTerm: term}
	if p.next <= r.log.last {
		entries, err := r.log.entries(p.next, r.log.last+1, r.cfg.MaxMessageBytes)
		if err == ErrCompacted {
			r.offer(id, p)
			return nil
		}
		if err != nil {
			return err
		}
		m.Entries = entries
	}
	p.waiting = p.state == probing
	if n := len(m.Entries); n > 0 && p.state == replicating {
		bytes := 0
		for i := range m.Entries {
			bytes += m.Entries[i].size()
		}
		p.next += uint64(n)
		p.inflight.add(p.next-1, bytes)
	}
	p.lastSeq = r.seq + 1
	r.sendAppend(p, m)
	return nil
}

// sendCommit tells how far all is committed, to a peer that has been sent that much.
func (r *Replica) sendCommit(id NodeID, p *progress) {
	term, ok := r.log.term(p.next - 1)
	if ok {
		p.lastSeq = r.seq + 1
		r.sendAppend(p, Message{Kind: MsgAppend, To: id, Index: p.next - 1, LogTerm: term})
	}
}

// sendBeat sends a heartbeat, at a place that is known to agree, and lets probing go on.
func (r *Replica) sendBeat(id NodeID, p *progress) {
	p.waiting = false
	if p.state == restoring && r.readsLog(id, p) {
		r.offer(id, p)
	}
	m := Message{Kind: MsgAppend, To: id, Index: p.match}
	if term, ok := r.log.term(p.match); ok {
		m.LogTerm = term
	} else {
		m.Index = 0
	}
	r.sendAppend(p, m)
}

func (r *Replica) sendAppend(p *progress, m Message) {
	r.seq++
	m.Seq, m.Commit = r.seq, r.log.commit
	p.commit = max(p.commit, min(m.Commit, m.Index+uint64(len(m.Entries))))
	r.send(m)
}
