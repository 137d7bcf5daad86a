package consensus

// NodeID names a member of a cluster for ever: it is not given to another one, nor
// back to one that lost its disk. Zero is nobody.
type NodeID uint64

// Kinds of entries. Those below FirstKind belong to this package; the rest is the
// caller's.
const (
	KindNoop   uint8 = 1  // opens a leader's term (Raft dissertation §6.4), see NoopLeader
	KindConfig uint8 = 2  // holds a [Membership] (§4.3); opens the first term, with that of the bootstrap
	FirstKind  uint8 = 16 // the first kind that Propose takes
)

// Entry is one place of the log. Two entries of equal index and term are the same
// entry, on every node, and so is all before them (§3.5).
type Entry struct {
	Index uint64 // from 1, without gaps
	Term  uint64 // of the leader that put it there; never falls along the log
	Time  int64  // nanoseconds since 1970, the proposer's; not read here
	Kind  uint8
	Data  []byte // nobody changes it once it is proposed

	Redacted bool // Data is the digest of what it was, see eventlog.Record; not read here
}

// entryOverhead stands for what an entry costs beside its data, in memory and on the
// wire, so that empty ones count as well.
const entryOverhead = 32

func (e *Entry) size() int { return entryOverhead + len(e.Data) }

// Snapshot describes a state written down: all entries up to Index, of which that one
// was put there in Term.
type Snapshot struct {
	Index, Term uint64
	Time        int64      // of the entry at Index
	Membership  Membership // in force at Index (§4.1: part of the snapshot)
	Size        uint64     // bytes
	Sum         [32]byte   // of the bytes; tells two snapshots of one index apart
}

// HardState is what a replica must find again after a crash. All of it goes to disk in
// one atomic write.
type HardState struct {
	Term uint64
	Vote NodeID // whom this node voted for in Term
	// Format is the newest that this node has promised to read; it never falls. Zero: none beyond 1.
	Format uint64
}
