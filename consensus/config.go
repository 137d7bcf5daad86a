package consensus

import "fmt"

// Config says what a replica is. Zero fields take their defaults.
type Config struct {
	ID    NodeID // required: who this replica is
	Group uint64 // which of several groups; messages of others are refused

	// ElectionTicks without a word from the leader begin an election, spread over as many
	// again (§3.4). Default 10. HeartbeatTicks pass between heartbeats; default 1, and at most
	// half of ElectionTicks.
	ElectionTicks, HeartbeatTicks int

	// MaxMessageBytes of entries go into one message, unless a single one is larger.
	// Default 1 MiB.
	MaxMessageBytes int
	// MaxInflight messages and MaxInflightBytes may be under way to a follower that has not
	// made them durable. Defaults 256 and 16 MiB.
	MaxInflight, MaxInflightBytes int
	// MaxUncommittedBytes may wait for a commit on the leader; Propose beyond is ErrBusy.
	// Default 64 MiB.
	MaxUncommittedBytes int
	// MaxUnappliedBytes may be given out to be applied before Applied is called. Default
	// 16 MiB.
	MaxUnappliedBytes int
	// MaxTailBytes of durable entries stay in memory for followers that lag. Default 4 MiB: what is
	// under way to them need not stay, and memory that is used again soon is still in the processor's caches.
	MaxTailBytes int
	// MaxChunkBytes of a snapshot go into one message. Default 1 MiB.
	MaxChunkBytes int

	// FastFailover lets a follower stand for election at once, and vote, when the caller
	// reports by LeaderLost that the leader's process is gone. It and lease reads exclude
	// each other: a lease relies on voters that wait.
	FastFailover, LeaseReads bool
	// TickTime is how long a tick is, in a unit that all members have in common; default 1. A lease
	// counts the answers of members with LeaseReads whose election timeout is no shorter than the
	// leader's own: others may have voted again by then.
	TickTime uint64
	// Promised is for how long, in the unit of TickTime, leases of others may rest on what this replica answered in an
	// earlier run, which may have had LeaseReads, or a longer election timeout, when this one has not.
	Promised uint64

	// LazyCommit has a leader tell followers of a commit with the next entries or heartbeat, or
	// when TellCommit is called, and not by a message of its own at once. Default: at once.
	LazyCommit bool

	// Incarnation is drawn when a node's disk is set up and stays with it. A node that lost
	// its disk, or what it had promised on it, has another one: it neither votes nor stands,
	// and what it acknowledges counts for nothing, until the cluster has taken it in
	// again, as a learner first. Zero is that of nodes that were there at the bootstrap.
	Incarnation uint64

	// Formats are those that this release reads. Default: 1 alone.
	Formats Formats

	// Seed makes the random part of timeouts repeatable. Give each replica another.
	Seed uint64
	// Now returns nanoseconds since 1970 for the entries that a replica proposes itself.
	// Default: one after the last entry's.
	Now func() int64
	// Storage is required.
	Storage Storage
}

func (c *Config) setDefaults() error {
	for _, f := range []struct {
		name  string
		value *int
		def   int
	}{
		{"ElectionTicks", &c.ElectionTicks, 10}, {"HeartbeatTicks", &c.HeartbeatTicks, 1},
		{"MaxMessageBytes", &c.MaxMessageBytes, 1 << 20}, {"MaxInflight", &c.MaxInflight, 256},
		{"MaxInflightBytes", &c.MaxInflightBytes, 16 << 20}, {"MaxUncommittedBytes", &c.MaxUncommittedBytes, 64 << 20},
		{"MaxUnappliedBytes", &c.MaxUnappliedBytes, 16 << 20}, {"MaxTailBytes", &c.MaxTailBytes, 4 << 20},
		{"MaxChunkBytes", &c.MaxChunkBytes, 1 << 20},
	} {
		if *f.value < 0 {
			return fmt.Errorf("consensus: Config.%s is %d; it must be positive, or 0 for %d", f.name, *f.value, f.def)
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	c.TickTime = max(1, c.TickTime)
	c.Formats.Oldest = max(1, c.Formats.Oldest)
	c.Formats.Newest = max(c.Formats.Oldest, c.Formats.Newest)
	switch {
	case c.ID == 0:
		return fmt.Errorf("consensus: Config.ID is required")
	case c.Storage == nil:
		return fmt.Errorf("consensus: Config.Storage is required")
	case c.HeartbeatTicks*2 > c.ElectionTicks:
		return fmt.Errorf("consensus: Config.HeartbeatTicks %d is more than half of ElectionTicks %d", c.HeartbeatTicks, c.ElectionTicks)
	case c.FastFailover && c.LeaseReads:
		return fmt.Errorf("consensus: Config.FastFailover and LeaseReads exclude each other: a lease relies on voters that wait")
	}
	return nil
}

// check returns what is wrong with what was found on disk.
func (r *Restart) check() error {
	switch {
	case r.LastIndex < r.BeforeIndex:
		return fmt.Errorf("consensus: Restart.LastIndex %d is before BeforeIndex %d", r.LastIndex, r.BeforeIndex)
	case r.Commit < r.BeforeIndex || r.Commit > r.LastIndex:
		return fmt.Errorf("consensus: Restart.Commit %d is outside the log (%d, %d]", r.Commit, r.BeforeIndex, r.LastIndex)
	case r.Applied > r.Commit || r.Applied < r.BeforeIndex:
		return fmt.Errorf("consensus: Restart.Applied %d is not between BeforeIndex %d and Commit %d", r.Applied, r.BeforeIndex, r.Commit)
	case (r.LastIndex > r.BeforeIndex) != (len(r.Runs) > 0):
		return fmt.Errorf("consensus: Restart.Runs does not cover the log")
	}
	first, term := r.BeforeIndex+1, r.BeforeTerm
	for i, run := range r.Runs {
		if i == 0 && run.First != first || i > 0 && run.First <= r.Runs[i-1].First || run.First > r.LastIndex || run.Term < term || i > 0 && run.Term == term {
			return fmt.Errorf("consensus: Restart.Runs[%d] (%d, term %d) does not fit the log", i, run.First, run.Term)
		}
		term = run.Term
	}
	if term > r.HardState.Term {
		return fmt.Errorf("consensus: the log holds term %d, the hard state only %d: it was lost or is of another node", term, r.HardState.Term)
	}
	for i, c := range r.Configs {
		if err := c.Membership.check(); err != nil {
			return fmt.Errorf("consensus: Restart.Configs[%d]: %w", i, err)
		}
		if c.Index > r.LastIndex || i > 0 && c.Index <= r.Configs[i-1].Index {
			return fmt.Errorf("consensus: Restart.Configs[%d] is at %d, outside the log or out of order", i, c.Index)
		}
	}
	return nil
}
