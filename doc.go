// Package lithair turns plain Go structs into a durable REST backend in one binary, with
// no dependency but the standard library.
//
//	type Article struct {
//		ID    lithair.ID `json:"id"    lithair:"primary_key"`
//		Slug  string     `json:"slug"  lithair:"unique"  http:"validate=length(1,80)"`
//		Title string     `json:"title" http:"validate=length(1,200)"`
//	}
//
//	func main() {
//		app := lithair.New(lithair.Config{Name: "hello"})
//		lithair.Model[Article](app, "/api/articles")
//		app.Run("127.0.0.1:8080")
//	}
//
// That program is complete: REST with filters, sorting and paging, validation, unique
// fields, ETags, idempotency keys, durable event-sourced storage, health and metrics.
//
// # Calls, in order
//
//	app := lithair.New(cfg)                       // nothing is opened yet
//	articles := lithair.Model[Article](app, "/api/articles")
//	place := lithair.Command(app, "place-order", func(tx *lithair.Tx, in In) (Out, error) { ... })
//	app.Get("/hello/{name}", handler)
//	app.Run(addr)                                 // or Start, Addr, Shutdown
//
// Mistakes in models, tags and patterns are collected and reported by Start and Run.
//
// # Reading and writing
//
// [App.Update] runs a function as one transaction: one at a time, on the newest state,
// all or nothing, durable when Update returns. [App.View] gives a function an immutable
// snapshot, without waiting for anybody. A [Collection] reads from either and writes
// through a [Tx].
//
// # Generated code
//
// "lithair gen" writes zz_lithair.go for a package: for a struct with //lithair:model a typed
// collection, lookups, conditions, events behind the commit, validation and JSON without
// reflection; for a type with //lithair:api routes of its methods; one Register for all. It
// takes go.mod one line, "go get -tool github.com/lithair/lithair-go/cmd/lithair", and a
// package one, "//go:generate go tool lithair gen". Nothing behaves otherwise with it.
//
//	//lithair:model [PATH|-] [collection=NAME]   on a struct; PATH is /api/articles by default
//	//lithair:json                               on a struct: JSON without reflection alone
//	//lithair:api                                on a struct: its methods are routes. Fields of
//	                                             type *Models, *App and collections are set
//	//lithair:route METHOD PATH [STATUS]         on a method; default POST, or GET where it only
//	                                             reads, /api/TYPE/METHOD; - is none
//	//lithair:status STATUS                      on an error of the package
//
// # The data directory
//
//	log        every transaction there was, as far as Config.Retention keeps it
//	snapshots  the state at some moments, so that a start is short
//	blobs      files that fields of type [Blob] name
//	positions  how far Committed hooks have come
//	node.json  who this node is
//	raft       in a cluster: this node's number, its term and vote, the members
//
// With keys (Config.EncryptionKeyFile, LITHAIR_ENCRYPTION_KEY, Config.EncryptionKey) log,
// snapshots, files and backups are sealed with AES-256-GCM; how much there is, and the names
// of hooks, can be seen all the same. A key is changed by adding another one to the file:
// what is begun from then on takes it, and old keys are needed as long as something is
// there that was sealed with them; all of a directory that was restored from a backup is
// sealed with the current one.
//
// [App.Backup], or "lithair backup", copies all of it while the application runs, "lithair
// restore" makes a directory of a copy as it was at any moment, and [App.Fork] tries writes
// on such a state without keeping them.
//
// # Clusters
//
// With Config.Cluster, NodeID and Peers (or Join) an application is a node of a cluster, and
// nothing in its code changes. Requests that write, those with another method than GET, HEAD,
// OPTIONS and TRACE, are carried out by the leader, whichever node they come to: handlers for
// them run there. [App.Update] and commands run by Go code are refused elsewhere, with a
// *[NotLeaderError]. Reads run where they come in; [App.Barrier] waits until [App.View] shows
// what was acknowledged anywhere. [App.Committed] hooks run on every node.
//
// # Live
//
// Over /live clients follow queries and events of models (package live), and talk in rooms ([Room], package rooms), on any node. [Queue], [Worker],
// [RemoteQueue] and [Collection.Consumer] are work that the leader does, or hands out, once, whoever leads.
//
// # Erasure
//
// A field with privacy:"sealed" is stored under the key of whom its record is about, the
// value of the field with privacy:"subject". [App.Erase], or "lithair erase", destroys that
// key: then the field has no value, in the newest state, in history, log and snapshots, and
// in backups made from then on; backups made before still hold the key, and must be
// destroyed. Keys are in the log and in snapshots, until they are erased: who can read
// those can read what is sealed. In a cluster every node has them. Hooks behind the commit, and tools that read the data
// directory, see what is sealed as it is stored. The answer to a retry with an
// Idempotency-Key has no body where such fields are concerned.
//
// # Concurrency
//
// Model, Command, Get and the like come before Start, from one goroutine. Everything else
// is safe for concurrent use, but a Tx belongs to its function.
package lithair
