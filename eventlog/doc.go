// Package eventlog keeps records in one order on one disk, and loses none that it
// acknowledged.
//
//	log, err := eventlog.Open(eventlog.Config{Dir: "data/log"})
//	index, err := log.Add(eventlog.Record{Kind: 16, Payload: p}) // durable on return
//	err = log.Replay(log.First(), func(r eventlog.Record) error { ... })
//	err = log.Close()
//
// The format, its crash states and recovery are described in SPEC.md.
//
// # What is promised
//
//   - Append returns nil after the records are durable (written and fdatasync'ed).
//     Concurrent appenders share a sync: while one batch is being synced the next
//     gathers, already encoded. A lone appender does the work on its own goroutine; of
//     many, those who were just woken may append again before the next sync begins.
//   - After a crash the log holds every acknowledged record, in order, byte for byte. A
//     batch that was not acknowledged is there whole or not at all.
//   - A torn tail is told from damage. What cannot have been acknowledged is cut, and
//     reported by [Log.Recovery]; anything else is a *[CorruptError], and Open refuses.
//   - A failed sync poisons the log: nothing is acknowledged afterwards ([ErrPoisoned]).
//     A full disk refuses the append, and the log goes on when there is room ([ErrFull]).
//   - A second process is kept out (*disk.LockedError).
//   - Each record is bound to all before it by a SHA-256 chain, which does not depend on
//     how records were grouped on disk. Every 4,096 records have a Merkle root, and
//     [Log.Proof] shows that a record is among them to somebody without the log.
//   - Damage to what was acknowledged is found when it is read, always. Open reads what
//     came behind the last Close and otherwise believes the index files, unless
//     [Config.CheckAll] is set. [Log.Scrub] reads everything while the log runs, [Verify] when it does not.
//
// With [Config.Keys] the log is encrypted at rest (AES-256-GCM): new segments under the
// provider's current key, so that keys are changed while the log runs; old segments stay
// readable with theirs, and so do those from before there were keys.
//
// With [Config.Compress] sealed segments are compressed behind the appends.
//
// [Log.Redact] takes payloads out of the log for good and leaves their digests, so that
// chain and proofs stay what they are.
//
// [OpenReadOnly] reads a log that no process has open and changes no byte of it.
// [Config.Begin] begins a log behind a place of another one, whose chain it continues;
// [Log.Reset] does so with a log that is open, and lets go of what it held.
//
// A damaged log can be opened with [Config.Salvage]: read only, it serves what is whole
// and says what is not. [Log.Mend] fills the damaged ranges with records of another log, and
// takes none that the chain does not prove to be those that stood there.
//
// One window is left: damage to the last batch, before a batch or a mark follows it
// (50 ms after the last append, and at Close), looks as if it had been torn.
//
// # Core and shell
//
// format.go, envelope.go, index.go, merkle.go, pack.go, scan.go and append.go are pure: bytes and
// records in, bytes and records out. In Manual mode the log starts no goroutine: its owner
// calls Begin, Work.Do (the I/O) and End, and Tend now and then. Otherwise goroutines, or a
// lone appender, do exactly that.
//
// # Concurrency
//
// All methods of a Log are safe for concurrent use; in Manual mode Begin and End belong
// to one goroutine.
package eventlog
