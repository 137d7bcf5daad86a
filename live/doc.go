// Package live tells clients what changes, as it is committed: live queries, whose answers are
// kept up to date by exact diffs, and feeds of events; over WebSocket and by server-sent events.
// SPEC.md describes the protocol.
//
//	s, err := live.NewServer(live.Config{Source: engine, Models: models})
//	router.Get("/live", s.Upgrade)                       // WebSocket
//	router.Get("/api/notes/live", s.Query("Note"))       // server-sent events
//	router.Get("/api/notes/stream", s.Stream("Note"))
//	s.Start()                                            // once the source has a state
//	err = s.Shutdown(ctx, time.Second)
//
// # How it works
//
// State is an immutable value, so a live query needs no log of its own: its answer on a root and
// the changes behind that root join without a gap, because both are the same value. Of each newer
// root the records that differ from the one before are found at the cost of their number; those
// find the queries they may concern by an index over the queries' terms; those queries alone are
// brought up to date, and the difference of what was seen before and is now goes to their
// subscribers. Equal queries are one query, and what their subscribers have in common is encoded
// once.
//
// The same difference serves a client that is slow, and one that was away: it is told how what it
// has last been told, or had at the sequence it comes back with, differs from what there is now.
// So a connection needs no long queue, nobody waits for it, and nothing is lost or doubled.
//
// Feeds are positions in the log. A feed reads as fast as its client does; at the end of the log
// all feeds share what is read and encoded once.
//
// # Core and shell
//
// Core is a plain struct, stepped by its owner: core.go, view.go (answers), diff.go, index.go
// (queries by the records that concern them), frame.go, members.go and hash.go. Around it,
// server.go owns it in one goroutine, conn.go and events.go are the two transports, ops.go takes
// the messages of clients, feed.go and tail.go read the log.
//
// # Limits
//
//	Limits.Subscriptions      1,000     of a connection; error too_many
//	Limits.Rows               10,000    skip + take of a live query; error too_large
//	Limits.QueueBytes         256 KiB   of a connection; then it is told later, all at once
//	Limits.ChunkBytes         32 KiB    of a snapshot's frame
//	Config.MessagesPerSecond  50        of a connection, bursts of 500; closed with 4003
//	Config.ConnsPerUser       100       429
//	ws.Limits.MaxMessageBytes 1 MiB     closed with 1009
//	feeds of a connection     16        error too_many
//
// Models that are kept in memory only cannot be followed.
package live
