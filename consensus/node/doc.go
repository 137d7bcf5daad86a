// Package node drives a replica of [consensus] over a log on disk, a clock and a network: it
// gives entries their place in the log, and says when they are committed and who leads. A
// single node is a cluster with one voter, on the same code.
//
//	log, err := eventlog.Open(eventlog.Config{Dir: dir})
//	n, err := node.Start(node.Config{Log: log, Sink: sink}) // replays, then leads
//	ticket, err := n.Propose(epoch, kind, time, payload)    // sink.Committed follows
//	err = n.Close()
//
// The event log is the Raft log: term and kind stand in each record. Term and vote, the
// cluster, this node's id and the newest committed membership stand in a small file of their
// own ([Identity]), written before anything speaks of them.
//
//	identity.go   the file
//	start.go      what is read at the start
//	pump.go       what the core wants done
//	snapshots.go  feeding others with snapshots, and being fed
//	installs.go   a snapshot takes the place of log and state
//	compact.go    what is kept for members that are behind
//	lease.go      reads that ask nobody
//	node.go       calls from outside, and the sink
//	compare.go    whether all nodes have the same state
//	promise.go    for how long answers bind a vote, over restarts
//	fence.go      that a node's state is wrong is remembered
//	renew.go      a node is to begin anew
//	repair.go     a damaged log is made whole by the other members
//	records.go    what they are asked for
//	view.go       who leads
//	transport.go  messages over TCP
//	handshake.go  who is on the other side
//	groups.go     several groups in a process: whose a message is
//	group.go      their parts in a transport
//	inbox.go      what has come for a group
//	refusal.go    groups that are not there
//	now_unix.go   writes that do not wait
//	acks_linux.go when what has come is acknowledged
//	stream.go     other connections between nodes
//
// # What is promised
//
//   - Entries are reported by Sink.Committed in log order, each once, after they are committed
//     and durable here, and never again with another content.
//   - Leading is reported after everything older has been reported, and after an entry
//     of the own term is committed (Raft dissertation §6.4 asks for this before reads).
//   - Lost ends an epoch: another node leads, or none, or the disk took nothing more.
//     Proposals still open may yet be committed, unless known says that they are not in
//     the log: so it is when a lone node's disk is full.
//   - After a failed sync, whose outcome nobody knows, the node says nothing more.
//
// # Several groups
//
// A process may hold replicas of several groups on one transport, each a Raft cluster of its own with its
// log, directory, identity, leader and members, see [TCP.Group]. A group holds the whole state of an
// application; nothing orders what happens in two of them. The number of the group stands in
// each message and in the identity: a directory of another group is not opened, a message of
// another group is not taken. A group that fails, waits for its disk or is closed does not hold up the
// others; what comes for one that is not there is refused, counted, and said to who sent it. The groups
// tick together, and heartbeats leave together. Releases before groups take part in group 0 alone.
//
// # Concurrency
//
// All methods may be called by any goroutine, and none waits for disk or network but Close,
// Compact, Read and, on a follower, Receive; an election, a change of the membership, or a snapshot that is installed,
// waits for one write of the identity. Pieces of snapshots are read, written and checked by a
// goroutine that exists while there are any. The core is stepped under a lock by whoever has
// something for it, so that a commit costs no hand-over between goroutines; what others bring
// while one of them hands entries to log and network, that one does next. The sink is called by one goroutine at a
// time, and never with the lock held.
package node
