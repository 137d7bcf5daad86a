package consensus

import "slices"

// A linearizable read needs no entry in the log (§6.4): the leader notes its commit index, makes
// sure that it still leads by an answer of a quorum to something sent after the read began,
// and waits until that index is applied. Each message of a leader has a number, Seq, which
// the answers repeat; so one round of heartbeats, or any other traffic, confirms all reads
// that began before it.

// read is one that was asked for.
type read struct {
	id    uint64
	from  NodeID
	index uint64
	seq   uint64 // confirmed by answers to messages behind this one
}

// forwarded is a read that the leader was asked about, so many ticks ago.
type forwarded struct {
	id    uint64
	ticks int
}

// Read asks from which index on a read that begins now is right; the answer comes in
// Ready.Reads under this id, or as failed when the leader changes or its answer is lost. Ids must
// not come again, over restarts neither: a late answer would be taken for the newer read.
// ErrNoLeader says that there is nobody to ask.
func (r *Replica) Read(id uint64) error {
	switch {
	case r.role == Leader:
		r.startRead(read{id: id, from: r.cfg.ID})
	case r.lead == 0 || r.leaderGone:
		return ErrNoLeader
	default:
		r.forwarded = append(r.forwarded, forwarded{id: id})
		r.send(Message{Kind: MsgReadIndex, To: r.lead, Reads: []uint64{id}})
	}
	return nil
}

func (r *Replica) startRead(q read) {
	if r.log.commit < r.termStart {
		r.early = append(r.early, q) // the commit index may be older than what was acknowledged
		return
	}
	r.ask(q)
}

func (r *Replica) ask(q read) {
	q.index, q.seq = r.log.commit, r.seq
	r.asked = append(r.asked, q)
	if r.log.config().agreed(r.answered) == 1<<64-1 {
		r.releaseReads() // no other voter
		return
	}
	r.beatNow = true
}

// answered is the highest message of this term that a member has answered.
func (r *Replica) answered(id NodeID) uint64 {
	if id == r.cfg.ID {
		return 1<<64 - 1
	}
	if p := r.peers[id]; p != nil && r.counts(id, p) {
		return p.seq
	}
	return 0
}

// releaseReads answers reads that a quorum has confirmed.
func (r *Replica) releaseReads() {
	if r.role != Leader || len(r.asked) == 0 {
		return
	}
	seq := r.log.config().agreed(r.answered)
	n := 0
	for n < len(r.asked) && r.asked[n].seq < seq {
		r.answerRead(r.asked[n], r.asked[n].index, false)
		n++
	}
	r.asked = r.asked[:copy(r.asked, r.asked[n:])]
}

func (r *Replica) answerRead(q read, index uint64, failed bool) {
	if q.from == r.cfg.ID {
		r.reads = append(r.reads, ReadState{ID: q.id, Index: index, Failed: failed})
		return
	}
	r.send(Message{Kind: MsgReadIndexResp, To: q.from, Index: index, Reads: []uint64{q.id}, Reject: failed})
}

func (r *Replica) handleReadIndex(m Message) {
	for _, id := range m.Reads {
		q := read{id: id, from: m.From}
		if r.role != Leader || m.Term > r.term {
			r.answerRead(q, 0, true)
			continue
		}
		r.startRead(q)
	}
}

func (r *Replica) handleReadIndexResp(m Message) {
	for _, id := range m.Reads {
		for i, f := range r.forwarded {
			if f.id == id {
				r.forwarded = append(r.forwarded[:i], r.forwarded[i+1:]...)
				r.reads = append(r.reads, ReadState{ID: id, Index: m.Index, Failed: m.Reject})
				break
			}
		}
	}
}

// failForwarded gives up reads that went to a leader which is not the leader any more.
func (r *Replica) failForwarded() {
	for _, f := range r.forwarded {
		r.reads = append(r.reads, ReadState{ID: f.id, Failed: true})
	}
	r.forwarded = nil
}

// expireForwarded gives up reads whose answer must be lost: an election timeout has passed.
func (r *Replica) expireForwarded() {
	n := 0 // oldest first
	for i := range r.forwarded {
		if r.forwarded[i].ticks++; r.forwarded[i].ticks >= r.cfg.ElectionTicks {
			r.reads = append(r.reads, ReadState{ID: r.forwarded[i].id, Failed: true})
			n++
		}
	}
	r.forwarded = slices.Delete(r.forwarded, 0, n)
}

// Lease returns how many of this leader's messages a quorum that keeps its votes back has answered, by Seq, and the number
// of the newest that it sent. The caller, who knows when those were sent, may serve reads from the
// committed state while less than an election timeout, minus what clocks may differ, has
// passed since the first of them left (§6.4.1). ok is false when this replica must not
// serve any: it does not lead, has committed nothing of its term, hands leadership over or has
// told somebody in this term to take it (that word may be late, and voters do not wait then), or
// Config.LeaseReads is off.
func (r *Replica) Lease() (answered, sent uint64, ok bool) {
	if r.role != Leader || !r.cfg.LeaseReads || r.transferee != 0 || r.gaveAway || r.log.commit < r.termStart {
		return 0, 0, false
	}
	return min(r.log.config().agreed(r.pledged), r.seq), r.seq, true
}

// pledge is for how long whoever hears an answer of this replica may count on its vote staying away
// from others.
func (r *Replica) pledge() uint64 {
	if !r.cfg.LeaseReads {
		return 0
	}
	return uint64(r.cfg.ElectionTicks) * r.cfg.TickTime
}

// pledged is answered of members that keep their votes back for as long as this leader takes it; nothing of others.
func (r *Replica) pledged(id NodeID) uint64 {
	if p := r.peers[id]; id != r.cfg.ID && p != nil && p.pledge < r.pledge() {
		return 0
	}
	return r.answered(id)
}
