// Package consensus is Raft (Ongaro, "Consensus: Bridging Theory and Practice", 2014) as a plain
// machine: messages, ticks and wishes go in, and what is to be done comes out. It does no
// I/O, starts no goroutine, reads no clock; the same calls give the same results, so a whole
// cluster can be run, and broken, in one goroutine from one seed.
//
//	r, err := consensus.New(consensus.Config{ID: 1, Storage: log}, restart)
//	for {
//		select {
//		case m := <-received: r.Step(m)
//		case <-ticker:        r.Tick()
//		case p := <-wishes:   r.Propose(p.kind, p.time, p.data)
//		case n := <-synced:   r.Persisted(n)
//		}
//		for r.HasReady() {
//			rd, err := r.Ready()
//			write(rd.HardState, rd.Install, rd.Entries) // and sync; then synced <- rd.Number
//			send(rd.Messages)                           // at once: none claims what is not durable
//			apply(rd.Committed)                         // then r.Applied
//		}
//	}
//
// The disk may be behind: a next [Ready] may be taken while an earlier one is being written, and
// a leader's entries travel to its peers while its own disk writes them (§10.2.1). What would
// speak of something not yet durable, a vote or an acknowledgement, is held back inside and comes
// out with a Ready behind [Replica.Persisted].
//
// # Where it is
//
//	§3.4  election, §9.6 pre-vote, §6.2 check of the quorum   candidate.go, leader.go, raft.go
//	§3.5  replication, §10.2.1 pipelining                     follower.go, leader.go, replicate.go
//	§3.6  the restrictions on votes and on commits            candidate.go, leader.go
//	§3.10 leadership transfer, priorities                     transfer.go
//	§4    membership, learners                                membership.go, leader.go
//	§5    snapshots, in pieces that can be resumed            snapshot.go
//	§6.4  linearizable reads                                  read.go
//	      formats, for releases that differ                   format.go
//	§8    how it is tested                                    CHECKLIST.md, testdata, random_test.go
//
// # Deviations
//
//   - Every change of voters goes through a joint configuration (§4.3), single ones too. One that
//     would leave voters without an answering quorum is refused.
//   - A configuration counts from the moment it is in the log, committed or not (§4.1), and goes
//     when its entry does.
//   - The first entry of a log is the membership of the bootstrap, in place of the no-op, so that
//     the log alone, and each snapshot, says who the members are.
//   - Committed entries are given out once they are durable here as well.
//   - A node that lost its disk has another [Config.Incarnation]. Until the cluster has made it a
//     learner and promoted it, its votes and acknowledgements count for nothing.
//   - What members must be able to read of each other has a number, the active format, which is part of the
//     membership, see [OldestFormat]. An entry that raises it changes no quorum, so that a change of the members need
//     not wait for it.
//   - The log has a name, [Membership.History], drawn at random when it begins; it is in every configuration from then on, and
//     so in every snapshot. Nothing in here depends on it: callers tell by it what positions of another log are.
//   - Answers repeat the number (Seq) of the leader's message, so that any traffic confirms
//     reads, and a late refusal is told from a lost log.
//   - With [Config.FastFailover] a voter need not wait out the election timeout if the leader's
//     process is known to be dead ([Replica.LeaderLost]).
//
// # Limits
//
// Messages, entries under way to a peer, entries that wait for a commit or to be applied, entries in
// memory and pieces of snapshots are bounded by [Config], each with its default. A broken
// invariant is a panic that names it: going on could only lose data.
package consensus
