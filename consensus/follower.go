package consensus

// handleAppend is AppendEntries (§3.5, and Figure 3.1's rules for receivers).
func (r *Replica) handleAppend(m Message) {
	r.seq = max(r.seq, m.Seq)
	l := r.log
	if m.Index < l.commit {
		// What is committed agrees already, and may be compacted: begin behind it.
		skip := min(l.commit-m.Index, uint64(len(m.Entries)))
		m.Entries, m.Index = m.Entries[skip:], m.Index+skip
		if m.Index < l.commit {
			r.agree(l.commit, m)
			return
		}
		m.LogTerm, _ = l.term(m.Index)
	}
	if !l.holds(m.Index, m.LogTerm) {
		r.refuse(m)
		return
	}
	end := m.Index + uint64(len(m.Entries))
	for len(m.Entries) > 0 && l.holds(m.Entries[0].Index, m.Entries[0].Term) {
		m.Entries = m.Entries[1:] // there already: a late message must not cut what is behind
	}
	if len(m.Entries) > 0 {
		r.take(m.Entries)
	}
	r.agree(end, m)
}

// take appends entries of the leader; those in their place go.
func (r *Replica) take(entries []Entry) {
	r.log.append(entries...)
	for i := range entries {
		if entries[i].Kind == KindConfig {
			r.addConfig(entries[i])
		}
	}
}

// addConfig lets the configuration in an entry count from now on.
func (r *Replica) addConfig(e Entry) {
	m, err := ParseMembership(e.Data)
	if err != nil {
		broken("configuration at %d: %v", e.Index, err)
	}
	r.log.configs = append(r.log.configs, newConfig(e.Index, m))
}

// agree takes note that the log is the leader's up to index, and answers.
func (r *Replica) agree(index uint64, m Message) {
	r.verified = max(r.verified, index)
	r.log.commitTo(min(m.Commit, r.verified))
	if len(m.Entries) > 0 {
		r.owesAck = true // when they are durable
		return
	}
	r.acknowledge()
}

// acknowledge tells the leader how far this log is its own, and durable.
func (r *Replica) acknowledge() {
	if r.role != Follower || r.lead == 0 {
		return
	}
	r.owesAck = r.log.durable < r.verified
	r.send(Message{Kind: MsgAppendResp, To: r.lead, Index: r.verified, Match: min(r.verified, r.log.durable), Seq: r.seq, Incarnation: r.cfg.Incarnation, Offset: r.pledge()})
}

// refuse says where the logs may agree: the last entry not newer than the one that the
// leader named (§3.5's optimisation, by terms).
func (r *Replica) refuse(m Message) {
	hint, term := r.log.lastOfTerm(m.Index, m.LogTerm)
	if hint < r.log.commit {
		hint = r.log.commit
		term, _ = r.log.term(hint)
	}
	r.send(Message{Kind: MsgAppendResp, To: m.From, Index: m.Index, Hint: hint, HintTerm: term, Seq: r.seq, Incarnation: r.cfg.Incarnation, Offset: r.pledge(), Reject: true})
}
