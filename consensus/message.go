package consensus

// MessageKind says what a message is about.
type MessageKind uint8

// Kinds of messages. What the fields mean in each stands beside it; From, To, Group and
// Term are set in all.
const (
	// MsgPreVote asks whether the receiver would vote for the sender in Term, which is
	// one above the sender's own: Index and LogTerm of its last entry (§9.6). Incarnation is
	// what the sender's membership says of the receiver.
	MsgPreVote MessageKind = iota + 1
	// MsgPreVoteResp grants it, with the Term asked for, or refuses it (Reject), with the
	// responder's Term.
	MsgPreVoteResp
	// MsgVote asks for the vote in Term, with the same fields (§3.4).
	// Transfer says that the leader itself asked for this election (§3.10).
	MsgVote
	// MsgVoteResp grants it or, with Reject, does not.
	MsgVoteResp
	// MsgAppend brings Entries behind the one at Index and LogTerm, and the leader's
	// Commit. Without entries it is the heartbeat. Seq counts the leader's messages. Hint is the active
	// format, HintTerm one that the receiver is asked to promise; zero in both stands for 1.
	MsgAppend
	// MsgAppendResp answers it: up to Index the responder's log is the leader's, up to
	// Match it is also durable. With Reject, nothing was found at Index (and LogTerm);
	// Hint and HintTerm say where the leader should look next. Seq is the highest seen of
	// the leader, Incarnation the responder's own. With Seq zero it answers a message of an
	// earlier term, and tells the present one alone. Offset is for how long the responder
	// votes for nobody else, see Config.TickTime; zero where it makes no such promise. LogTerm is
	// the newest format that it reads, Commit the newest that it has promised to read.
	MsgAppendResp
	// MsgSnapshot offers Snapshot in place of entries that the leader has no more (§5). Hint and HintTerm
	// are those of MsgAppend.
	MsgSnapshot
	// MsgChunkWant asks for the bytes of Snapshot from Offset on.
	MsgChunkWant
	// MsgChunk brings Data of Snapshot at Offset, with its CRC-32C in Checksum; Last
	// ends it.
	MsgChunk
	// MsgReadIndex asks the leader from which index on reads named Reads are right (§6.4).
	MsgReadIndex
	// MsgReadIndexResp answers with Index; with Reject, the responder cannot say.
	MsgReadIndexResp
	// MsgTimeoutNow tells the receiver to stand for election at once (§3.10).
	MsgTimeoutNow
)

var messageNames = [...]string{"", "PreVote", "PreVoteResp", "Vote", "VoteResp", "Append", "AppendResp", "Snapshot", "ChunkWant", "Chunk", "ReadIndex", "ReadIndexResp", "TimeoutNow"}

// String returns the kind's name.
func (k MessageKind) String() string {
	if int(k) < len(messageNames) {
		return messageNames[k]
	}
	return "unknown"
}

// fromLeader says whether only the leader of Term sends such messages.
func (k MessageKind) fromLeader() bool {
	return k == MsgAppend || k == MsgSnapshot || k == MsgChunk || k == MsgTimeoutNow
}

// Message goes from one replica of a group to another. It may be lost, late, repeated or
// out of order, but not changed: whoever carries it checks its bytes. Slices in it are
// shared and must not be changed.
type Message struct {
	Kind     MessageKind
	Group    uint64
	From, To NodeID
	Term     uint64

	Index, LogTerm uint64
	Hint, HintTerm uint64
	Match, Commit  uint64
	Seq            uint64
	Incarnation    uint64
	Reject         bool
	Transfer       bool
	Entries        []Entry

	Snapshot *Snapshot
	Offset   uint64
	Data     []byte // of a MsgChunk; in heartbeats and answers to them the callers may tell each other something, which is not read here
	Checksum uint32
	Last     bool

	Reads []uint64
}
