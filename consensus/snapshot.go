package consensus

import "hash/crc32"

// A follower that needs what the leader has compacted gets a snapshot (§5). The leader offers
// one and repeats that with its heartbeats; the follower asks for its bytes, piece by piece,
// from where it stands. So a lost message, a restart, or a new leader with the same
// snapshot cost one piece, and the leader keeps no state but which one it offered.

// incoming is the snapshot that a follower receives.
type incoming struct {
	snapshot Snapshot
	offset   uint64 // bytes taken
	whole    bool   // all there; the caller checks them

	lead     NodeID // who was asked last, and in which term
	term     uint64
	since    int // ticks since the last piece came
	quiet    int // ticks since one was asked for
	patience int // ticks after which it is asked for again
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// offer sends the description of a snapshot, the same until it is there or gone.
func (r *Replica) offer(id NodeID, p *progress) {
	if p.state != restoring || p.snapshot.Index == 0 {
		s, ok := r.cfg.Storage.Snapshot()
		must(!ok || len(s.Membership.Members) > 0, "the snapshot at %d names no members", s.Index)
		if !ok || s.Index <= p.match {
			p.probe(max(p.next, r.log.before+1)) // it may hold more than it has confirmed
			p.waiting = true                     // none now: ask again at the next heartbeat
			return
		}
		p.restore(s)
	}
	s := p.snapshot
	r.seq++
	r.send(Message{Kind: MsgSnapshot, To: id, Seq: r.seq, Snapshot: &s, Commit: r.log.commit})
}

// handleOffer begins to receive a snapshot, or goes on, unless the log has what it holds.
func (r *Replica) handleOffer(m Message) {
	r.seq = max(r.seq, m.Seq)
	s, l := *m.Snapshot, r.log
	if s.Index <= l.commit {
		r.verified = max(r.verified, l.commit)
		r.acknowledge()
		return
	}
	if l.holds(s.Index, s.Term) {
		// The log agrees that far (§3.5), and a snapshot holds only what is committed.
		r.agree(s.Index, Message{Commit: s.Index})
		return
	}
	if r.incoming == nil || r.incoming.snapshot.Sum != s.Sum || r.incoming.snapshot.Index != s.Index {
		r.incoming = &incoming{snapshot: s}
	}
	in := r.incoming
	if again := in.lead == m.From && in.term == r.term; in.whole || again && in.quiet < in.patience {
		return // it is on its way: on a slow one it must not be asked for with each heartbeat
	}
	r.want()
}

// maxPatience is the most election timeouts that a piece is waited for.
const maxPatience = 10

// want asks for the next piece, again after twice the time that the one before took.
func (r *Replica) want() {
	in := r.incoming
	in.lead, in.term, in.quiet = r.lead, r.term, 0
	in.patience = min(max(2*in.since, 2*r.cfg.HeartbeatTicks), maxPatience*r.cfg.ElectionTicks)
	s := in.snapshot
	r.send(Message{Kind: MsgChunkWant, To: r.lead, Snapshot: &s, Offset: r.incoming.offset})
}

// Resume says that the caller has kept the first bytes of a snapshot, from before a
// restart: they need not come again.
func (r *Replica) Resume(s Snapshot, bytes uint64) {
	if s.Index > r.log.commit && bytes <= s.Size {
		r.incoming = &incoming{snapshot: s, offset: bytes}
	}
}

func (r *Replica) handleWant(m Message) {
	p := r.peers[m.From]
	if r.role != Leader || p == nil {
		return
	}
	p.quiet = 0
	if p.state != restoring || p.snapshot.Sum != m.Snapshot.Sum || m.Offset > p.snapshot.Size {
		return
	}
	r.chunks = append(r.chunks, ChunkRead{
		To: m.From, Snapshot: p.snapshot, Offset: m.Offset, Bytes: int(min(uint64(r.cfg.MaxChunkBytes), p.snapshot.Size-m.Offset)),
		group: r.cfg.Group, term: r.term, from: r.cfg.ID,
	})
}

// Message returns what carries the bytes that were asked for.
func (c ChunkRead) Message(data []byte) Message {
	return Message{
		Kind: MsgChunk, Group: c.group, From: c.from, To: c.To, Term: c.term, Snapshot: &c.Snapshot, Offset: c.Offset, Data: data,
		Checksum: crc32.Checksum(data, castagnoli), Last: c.Offset+uint64(len(data)) == c.Snapshot.Size,
	}
}

// SnapshotGone says that a snapshot which was offered cannot be read any more: the next
// offer names another.
func (r *Replica) SnapshotGone(s Snapshot) {
	for _, p := range r.peers {
		if p.state == restoring && p.snapshot.Sum == s.Sum {
			p.probe(p.match + 1)
		}
	}
}

// Offering returns the snapshots that are on their way to somebody and must stay.
func (r *Replica) Offering() (list []Snapshot) {
	for _, x := range r.log.config().Members {
		if p := r.peers[x.ID]; p != nil && p.state == restoring {
			list = append(list, p.snapshot)
		}
	}
	return list
}

// handleChunk takes the piece that is next; any other is asked for again.
func (r *Replica) handleChunk(m Message) {
	in := r.incoming
	if in == nil || in.whole || in.snapshot.Sum != m.Snapshot.Sum || in.snapshot.Index != m.Snapshot.Index {
		return // of another snapshot
	}
	end := m.Offset + uint64(len(m.Data))
	if m.Offset != in.offset || end > in.snapshot.Size || m.Last != (end == in.snapshot.Size) || crc32.Checksum(m.Data, castagnoli) != m.Checksum {
		return // the next offer brings it again
	}
	if len(m.Data) == 0 && !m.Last {
		return
	}
	in.offset, in.whole = end, m.Last
	r.writes = append(r.writes, ChunkWrite{Snapshot: in.snapshot, Offset: m.Offset, Data: m.Data, Last: m.Last})
	if !in.whole {
		r.want()
		in.since = 0
	}
}

// SnapshotReceived says that the bytes of s are all there, durable, and have its sum, or,
// with ok false, that they do not, or could not be written: then they are fetched from the
// beginning, an election timeout later. It returns whether a Ready with Install follows; otherwise nobody needs them.
func (r *Replica) SnapshotReceived(s Snapshot, ok bool) (installs bool) {
	in := r.incoming
	if in == nil || in.snapshot.Sum != s.Sum || in.snapshot.Index != s.Index || ok && !in.whole {
		return false
	}
	r.incoming = nil
	if !ok && r.role == Follower {
		r.incoming = &incoming{snapshot: s, lead: in.lead, term: in.term, patience: r.cfg.ElectionTicks}
	}
	if !ok || s.Index <= r.log.commit || r.role != Follower {
		return false
	}
	if r.log.holds(s.Index, s.Term) {
		r.log.commitTo(s.Index)
		return false
	}
	r.install = &s
	r.log.reset(s, r.number+1)
	r.verified, r.owesAck = s.Index, true
	return true
}

// Incoming returns the snapshot that is being received, and how many of its bytes have come.
func (r *Replica) Incoming() (s Snapshot, bytes uint64, ok bool) {
	if r.incoming == nil {
		return s, 0, false
	}
	return r.incoming.snapshot, r.incoming.offset, true
}

// Compacted says that the log on disk has nothing at and before index any more. A snapshot holds
// what was there.
func (r *Replica) Compacted(index uint64) { r.log.compact(index) }

// Applied says that the state holds all entries up to index.
func (r *Replica) Applied(index uint64) { r.log.appliedTo(index) }
