// Package sim runs whole nodes, clients included, over a simulated clock, network and disks,
// in one goroutine and from one seed: what happens, and in which order, is decided by
// the seed alone, so that a run which went wrong can be had again.
//
//	r := sim.Run(sim.Config{Seed: 7})
//	if r.Failed() {
//		fmt.Println(r.Failure, r.Replay())
//	}
//
// A node is what an application runs: the driver of the Raft core, the log, the engine with its
// snapshots, each in the mode in which its owner takes the steps. The rest is
// made up here:
//
//	run.go      a run: what it is like, how long, what becomes of it
//	world.go    simulated time, what happens next, and chance
//	group.go    groups, each a cluster of its own on the same machines
//	machine.go  a machine and the processes that run on it, one after the other
//	mending.go  a machine whose log is damaged asks the others for what is missing
//	storage.go  the log's writes over time, and power failures in the middle of them
//	network.go  messages on their way
//	clock.go    clocks that are wrong
//	fault.go    what goes wrong, and when
//	operator.go who adds, removes and replaces nodes
//	client.go   clients, their retries and sessions
//	check.go    what must hold at each step
//	history.go  what clients saw, judged at the end
//	trace.go    the story of a run
//
// # What is checked
//
// At each step: one leader for a term; one vote for a node and term; a new leader has all
// that was committed; logs with an entry in common agree up to it (by their chains); what is committed
// is the same everywhere, and stays; term and commit index of a process do not fall; nothing
// is acknowledged to a peer before it is durable, nor to a client before it is
// committed; a read's index is not before what was committed when it began; states
// at the same sequence have the same hash as one that replays the log beside them.
// Of the clients: no acknowledged write is lost or made twice, none that failed for certain is
// there, histories are linearizable, sessions never go back, and accounts between which is
// moved always have the same sum. Then the faults stop, and everything
// must be well again within a bounded simulated time.
//
// In every fifth run each process has nodes of two groups, on the same network and the same disk; all of
// this is checked, and all must be well, for each group, and a failed sync in one must leave the node of
// the other alive.
//
// # What is not simulated
//
// A call of the driver, the engine or the file system takes no simulated time but for the log's
// write and sync, the pass of the engine, and what the network and the machine's
// pauses add. Messages do not arrive damaged: the carrier's checksum is taken for granted.
//
// Not here yet: nodes of another version.
package sim
