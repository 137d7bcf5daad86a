package engine

import "github.com/lithair/lithair-go/eventlog"

// The kinds of the engine's log records. Those below 16 belong to whoever orders the log
// (no-ops, configurations).
const (
	KindBatch uint8 = 16 // its payload is an [Entry]
	KindKey   uint8 = 17 // one key, nothing else, so that it can be redacted; see seal.go
)

// Order is what the engine needs from whoever puts entries into one order and makes
// them durable: a log with one voter, or a Raft node. Its answers come back through
// [Sink].
type Order interface {
	// Propose hands over one entry of the leadership stint epoch and never blocks.
	// The payload belongs to the order from then on. An error means that the entry
	// was not taken and never will be.
	Propose(epoch uint64, kind uint8, time int64, payload []byte) (ticket uint64, err error)

	// Barrier asks from which log index on a read at the given level is right. The
	// answer comes by Sink.Barrier, possibly before Barrier returns.
	Barrier(level uint8, ticket uint64)

	// Read returns committed records from an index on, at least one if there is one
	// and at most about maxBytes; none when from is past the end. Records of every
	// kind are returned.
	Read(from uint64, maxBytes int) ([]eventlog.Record, error)

	// Position returns the position behind a committed entry.
	Position(index uint64) (eventlog.Position, error)

	// Note returns what a snapshot of the state behind that entry is to carry for the
	// order; nil for nothing.
	Note(index uint64) []byte

	// First returns the index of the oldest entry that Read can return.
	First() uint64

	// Compact lets go of entries as r says, durably; some of them may stay. A snapshot
	// holds what they did. It returns how many segments went.
	Compact(r eventlog.Retention) (removed int, err error)

	// Redact takes the payloads of committed entries out of this node's log for good, and
	// leaves their digests; it is durable on return, and may be repeated. Entries that were
	// compacted away are passed over.
	Redact(indexes ...uint64) error

	// Close stops ordering; proposals still open end by Sink.Lost.
	Close() error
}

// Sink is what an [Order] tells the engine. Calls come from one goroutine at a time,
// in the order of what happened.
type Sink interface {
	// Holds returns how far the sink has come without the log, by a snapshot. The
	// order calls it first, and replays what lies behind. An order that does not
	// continue that place returns an error from Open.
	Holds() eventlog.Position

	// Replay reports records that were final before this process began, in order,
	// before any other call. Payloads are valid during the call only.
	Replay(records []eventlog.Record) error

	// Committed reports records that are final, whoever proposed them, in order. The
	// sink may keep them; nobody changes them.
	Committed(records []eventlog.Record)

	// Applied returns the log index up to which all that was reported is done. It waits for nobody; an order of
	// several nodes reports no more than a bounded amount ahead of it.
	Applied() uint64

	// Leading says that this node may propose with the given epoch. All entries of
	// earlier leaders have been reported by Committed before.
	Leading(epoch uint64)

	// Lost ends the epoch: none of its open proposals will be reported as its own.
	// known says that they are certainly not in the log; where the cause is that the disk
	// is full (eventlog.ErrFull), Leading follows at once. Otherwise they may yet be
	// committed. cause is what went wrong.
	Lost(epoch uint64, known bool, cause error)

	// Barrier answers the ticket: a read may be served once the entry at index is
	// applied, or not at all when err is set.
	Barrier(ticket, index uint64, err error)

	// Note returns the order's note in the snapshot that Holds speaks of; nil when there is none.
	Note() []byte

	// The rest is for members that are fed with snapshots of others, or feed them. Calls come
	// from one goroutine at a time, beside those above; NewestSnapshot and AdoptIncoming
	// do not wait for the order. See install.go.

	// NewestSnapshot returns the log index of the newest snapshot; 0 when there is none.
	NewestSnapshot() uint64
	// OpenSnapshot checks the bytes of the snapshot at an index and keeps it until
	// CloseSnapshot. It returns its place and note, its size and its SHA-256, unsealed.
	OpenSnapshot(index uint64) (at eventlog.Position, note []byte, size int64, sum [32]byte, err error)
	// ReadSnapshot fills p with the bytes of an open snapshot at an offset.
	ReadSnapshot(index uint64, p []byte, off int64) error
	// CloseSnapshot lets a snapshot go.
	CloseSnapshot(index uint64) error
	// WriteIncoming takes bytes of a snapshot that arrives, in order; offset 0 begins another.
	WriteIncoming(p []byte, off int64) error
	// CheckIncoming makes durable what has arrived and checks all of it, the hash of the state
	// included.
	CheckIncoming(size int64, sum [32]byte) (at eventlog.Position, note []byte, err error)
	// AdoptIncoming makes it the newest snapshot, durably.
	AdoptIncoming() error
	// DropIncoming lets go of what has arrived.
	DropIncoming() error
	// Installed says that its state takes the place of the node's, and the log goes on behind
	// it. It comes in turn with Committed.
	Installed()
}

// Level is how fresh a read has to be.
type Level uint8

// The levels, in the words of ROADMAP: weaker first.
const (
	None         Level = iota // whatever this node has
	Weak                      // whatever the node that believes to lead has
	Linearizable              // everything acknowledged before the read began
	Strong                    // as Linearizable, through the log
)

// String returns the level's name as used in queries.
func (l Level) String() string {
	switch l {
	case None:
		return "none"
	case Weak:
		return "weak"
	case Linearizable:
		return "linearizable"
	case Strong:
		return "strong"
	}
	return "unknown"
}

// ParseLevel returns the level of that name; ok is false when there is none.
func ParseLevel(name string) (l Level, ok bool) {
	for l := None; l <= Strong; l++ {
		if l.String() == name {
			return l, true
		}
	}
	return None, false
}
