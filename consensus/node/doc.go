// Package node drives a replica: it gives entries their place in the log, makes them
// durable, and says when they are committed and who leads.
//
// So far a cluster has one voter. That voter leads from the moment its log is read and
// the no-op that opens its term is durable; what is durable is committed. The seam to
// the layer above ([Sink], Propose, Barrier, Read) is that of a cluster of any size.
//
//	log, err := eventlog.Open(eventlog.Config{Dir: dir})
//	n, err := node.Start(node.Config{Log: log, Sink: sink}) // replays, then leads
//	ticket, err := n.Propose(epoch, kind, time, payload)    // sink.Committed follows
//	err = n.Close()
//
// # What is promised
//
//   - Entries are reported by Sink.Committed in log order, each once, after they are
//     durable, and never again by another content.
//   - Leading is reported after everything older has been reported, and after an entry
//     of the own term is durable (Raft dissertation §6.4 asks for this before reads).
//   - After a failed append Lost is reported before anything else. When the log can go
//     on (a full disk), a new epoch begins at once; when it cannot (a failed sync, whose
//     outcome nobody knows), none does.
//
// # Concurrency
//
// Propose, Barrier and Read may be called by any goroutine. The sink is called by one
// goroutine at a time, and never with a lock held.
package node
