package consensus

// Ready is what the caller has to do. In this order, or at once where nothing is said:
//
//  1. Install, if set, takes the place of log and state: the snapshot that
//     SnapshotReceived named.
//  2. Entries go to the log. They replace everything from the first one's index on.
//     HardState, if set, goes to disk. When 1 and 2 are durable, and those of every
//     Ready before, Persisted(Number) is called.
//  3. Messages are sent. None of them claims what is not durable yet, so they need
//     not wait; those that do wait come with a later Ready.
//  4. Committed is applied to the state, behind what came before, then Applied is called.
//  5. Reads are answered once their index is applied.
//  6. Chunks are read from a snapshot and sent; Writes go to the snapshot that is being
//     received.
//
// A next Ready may be asked for before an earlier one is persisted or applied.
type Ready struct {
	Number    uint64
	HardState *HardState
	Install   *Snapshot
	Entries   []Entry
	Messages  []Message
	Committed []Entry
	Reads     []ReadState
	Chunks    []ChunkRead
	Writes    []ChunkWrite

	// Commit is the commit index. It need not be durable; writing it down now and then
	// shortens a restart.
	Commit uint64

	// MustSync says that 1 or 2 has something to do.
	MustSync bool
}

// ReadState answers a Read: it is right from Index on. Failed says that nobody can tell; the
// caller may ask again.
type ReadState struct {
	ID     uint64
	Index  uint64
	Failed bool
}

// ChunkRead asks for bytes of an own snapshot; Message makes of them what is to be
// sent. If the snapshot is gone, the caller says so by SnapshotGone.
type ChunkRead struct {
	To          NodeID
	Snapshot    Snapshot
	Offset      uint64
	Bytes       int // how many
	group, term uint64
	from        NodeID
}

// ChunkWrite is the next piece of a snapshot that is being received. When Last is written and
// synced, the caller checks the sum of it all and calls SnapshotReceived.
type ChunkWrite struct {
	Snapshot Snapshot
	Offset   uint64
	Data     []byte
	Last     bool
}

// held is a message that must wait until the Ready of that number is durable.
type held struct {
	number  uint64
	message Message
}

// HasReady says whether Ready has something to do.
func (r *Replica) HasReady() bool {
	l := r.log
	return r.hardNumber == r.number+1 || r.install != nil || l.emitted < l.last || len(r.messages) > 0 || len(r.reads) > 0 ||
		len(r.chunks) > 0 || len(r.writes) > 0 || l.released < min(l.commit, l.durable) && l.unapplied <= l.maxUnapplied || r.mustSend()
}

// Ready returns what is to be done. An error is a failed read of the log: the replica must
// not go on.
func (r *Replica) Ready() (Ready, error) {
	if r.role == Leader {
		if err := r.replicate(); err != nil {
			return Ready{}, err
		}
	}
	committed, err := r.log.toApply(r.cfg.MaxMessageBytes)
	if err != nil {
		return Ready{}, err
	}
	rd := Ready{Number: r.number + 1, Commit: r.log.commit, Committed: committed}
	if r.hardNumber == rd.Number {
		rd.HardState = &HardState{Term: r.term, Vote: r.vote, Format: r.format}
	}
	rd.Install, r.install = r.install, nil
	rd.Entries = r.log.toWrite(rd.Number)
	rd.MustSync = rd.HardState != nil || rd.Install != nil || len(rd.Entries) > 0
	rd.Messages, r.messages = r.messages, nil
	rd.Reads, r.reads = r.reads, nil
	rd.Chunks, r.chunks = r.chunks, nil
	rd.Writes, r.writes = r.writes, nil
	r.number = rd.Number
	return rd, nil
}

// Persisted says that what Ready number and all before it gave to write is durable.
func (r *Replica) Persisted(number uint64) {
	must(number <= r.number, "Ready %d was never given", number)
	if number <= r.persisted {
		return
	}
	before := r.log.durable
	r.log.persisted(number)
	r.release(number)
	switch {
	case r.role == Leader:
		r.advanceCommit()
	case r.log.durable != before || r.owesAck:
		r.acknowledge()
	}
}

// release lets go of messages that waited for the term, vote and format of the Readies up to number.
func (r *Replica) release(number uint64) {
	r.persisted = number
	n := 0
	for n < len(r.held) && r.held[n].number <= number {
		m := r.held[n].message
		n++
		if m.To != r.cfg.ID {
			r.messages = append(r.messages, m)
		} else if m.Term == r.term {
			r.ownVote()
		}
	}
	r.held = r.held[:copy(r.held, r.held[n:])]
}

// send puts a message out, or holds it back while the term, vote and format that it speaks for are not
// durable: nothing may be said that a crash could unsay (Raft dissertation §3.8).
func (r *Replica) send(m Message) {
	m.Group, m.From = r.cfg.Group, r.cfg.ID
	if m.Term == 0 {
		m.Term = r.term
	}
	r.tellFormats(&m)
	if r.hardNumber > r.persisted {
		r.held = append(r.held, held{r.hardNumber, m})
		return
	}
	r.messages = append(r.messages, m)
}
