// Package engine is the write path: it runs transactions one at a time on the
// newest state, turns what they changed into events, has the batch ordered and made
// durable, publishes the new state, and only then answers.
//
//	commands -> Executor -> entry -> Order (log, later Raft) -> Committed -> root published -> answers
//
// # Calls, in order
//
//	e, err := engine.New(engine.Config{Open: openOrder})
//	articles, err := e.Register(m)        // a *model.Model, before Start
//	err = e.Start(ctx)                    // replays, leads, declares schemas
//	res, err := e.Do(ctx, engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
//		return engine.Answer{}, tx.Insert(articles, &Article{Title: "hello"})
//	}})
//	root := e.Root()                      // an immutable snapshot of everything
//	err = e.Close(ctx)
//
// # Core and shell
//
// [Executor] is a plain struct stepped by its owner: commands, committed entries,
// leadership and time go in; proposals, answers and new roots come out. It reads no
// clock, starts no goroutine and does no I/O. [Engine] is the shell around it: one
// goroutine owns the executor, everybody else hands it work through a bounded queue
// or loads the published root. With [Config].Manual there is no goroutine: the owner
// steps the whole engine (manual.go).
//
// # Guarantees
//
//   - Transactions are serialisable: they run one after the other on the head root.
//   - All or nothing: an error or a panic leaves no trace, in state or in the log.
//   - No answer leaves before everything its transaction read is committed. That
//     holds for refusals and for transactions that changed nothing, too; these also wait
//     for word that no other node led when they ran, as a linearizable read does.
//   - Time inside a transaction is the entry's timestamp, max(last + 1 ns, clock).
//   - A command with an idempotency key takes effect once; a retry gets the first
//     answer, also after a restart, for [IdempotencyWindow] of log time.
//
// # Lifecycles
//
// What is immutable is refused on every way to a change, cascades included. Of models with
// lifecycle:"versioned=N" or "audited" the transaction that changes a record also writes
// its version, or who gave the fields their values, as records of the engine's own models
// _versions and _audit ([Engine.Versions], [Engine.History], [Engine.Blame]). Records past
// their retention are removed, 256 of a model in a batch, each in a transaction of the
// system; the engine wakes up for it. One delete may take along at most
// [ExecutorConfig].MaxCascade others.
//
// Models with persist:"memory_only" are changed by transactions as others, and read with
// them in one root. What is changed is not logged: it lives on the node that ran the
// transaction, until the process ends. A transaction that changes nothing else takes no
// sequence; the version of such a record is a count of its own. Nothing may refer to them,
// and they refer to nothing.
//
// # Snapshots
//
// With [Engine.KeepSnapshots] the committed state is written down as the log grows, from
// an immutable root and beside everything else. A start reads the newest one that is
// whole and replays what lies behind it; the order checks, by the chain, that its log
// continues there. The hash of what was restored is computed behind the start: when it is
// not the one that was carried along, the engine stops taking writes.
//
// Where snapshots are large and little changes, what has changed since the newest one is
// written down in between, so that a start is short (changes.go). A file of changes is
// never needed: nothing is let go of for it.
//
// How much of the log stays is a policy of [SnapshotConfig]: all of it, what the snapshots
// need, an age, a size. It goes by whole segments that a snapshot stands in for and that
// every Committed hook has dealt with; while history is kept by age or size, up to eight
// older snapshots stay to read it from. What is older is a *[GoneError]. [Engine.Fork] tries
// writes on any state that is left.
//
// [Engine.Export] hands out a state of long ago and all that happened since, for backups,
// while writes go on. [OpenOffline] reads what an engine left on disk, and [Replay] makes a
// state of records, both without the program that wrote them.
//
// # Sealed fields
//
// Fields with privacy:"sealed" are encrypted by the transaction, and opened by the codec of
// the [Table]. The key of a subject comes by an entry of its own ([KindKey]), which takes no
// sequence. [Engine.Erase] destroys it in the state and takes it out of log and snapshots of
// this node; others do so as they apply the transaction, see erase.go. It is read by nobody
// from then on, in older states neither.
//
// # Sequence
//
// Transactions that change something count 1, 2, 3...; that number is the sequence
// users see. An entry, one batch of the executor, holds its first sequence and the
// count. The position in the log (term, index) stays inside.
package engine
