package consensus

// Storage is what a replica reads back of its own log: entries that were durable and are
// no longer in memory. Calls come from the goroutine that calls the replica.
type Storage interface {
	// Entries returns entries from lo on and before hi, at least one, and no more than
	// about maxBytes. Their data must stay as it is. ErrCompacted says that lo is gone;
	// any other error ends the replica.
	Entries(lo, hi uint64, maxBytes int) ([]Entry, error)

	// Snapshot describes the newest snapshot, for a follower that is too far behind. It names
	// the members, as every log does from its first entry on. With ok false there is none
	// now: the replica asks again later.
	Snapshot() (s Snapshot, ok bool)
}

// TermRun says that entries from First on are of Term, up to the next run.
type TermRun struct{ First, Term uint64 }

// ConfigAt is a membership and the index of the entry that brought it.
type ConfigAt struct {
	Index      uint64
	Membership Membership
}

// Restart is what a replica finds on its disk. The zero value is a new replica that
// belongs to no cluster yet and waits to be found by one.
type Restart struct {
	HardState HardState

	// Before is the place before the first entry of the log; zero for the beginning.
	BeforeIndex, BeforeTerm uint64
	// Runs are the terms of the log's entries, in order; LastIndex and LastTime are of
	// the last entry (or of what stands before the log).
	Runs      []TermRun
	LastIndex uint64
	LastTime  int64

	// Configs are the memberships that the log holds, oldest first, beginning with the one in
	// force before the first entry (of a snapshot or of the bootstrap, whose index is zero).
	Configs []ConfigAt

	// Commit is an index known to be committed: at least what a snapshot holds. It
	// need not be the newest.
	Commit uint64
	// Applied is what the state holds already; at most Commit.
	Applied uint64
}
