// Package backup puts a data directory into one file, and makes one of such a file.
//
//	sum, err := backup.Write(w, backup.Of(export, info)) // from engine.Export
//	sum, err := backup.WriteDir(ctx, w, nil, "data", keys) // of a directory that nobody has open
//	sum, err := backup.Check(r, keys)                    // is the file whole?
//	done, err := backup.Restore(r, backup.Options{Dir: "data"})
//	err = backup.Finish(nil, "data")                     // at each start: a restore that was cut off
//
// The file holds a snapshot, where the log does not go back to the beginning, every record
// of the log behind it, and the files that records name; SPEC.md has the format. So a
// restore can stop at any sequence and any time that the source could still read.
//
// # What a restore checks
//
// Every block by its checksum, the whole file by SHA-256, the snapshot by the state hash
// it carries, every record by the chain, and in the end the state that all records make
// by the hash that the source had. All of that before anything that stands in the target
// is touched. A file that was cut or changed is refused with the place (*[DamageError]).
//
// # What a crash leaves
//
// A restore makes everything ready in a folder of the target, then notes durably that it
// counts, and moves files. A crash before the note leaves what was there, one behind it
// is carried on by [Finish]. What was there before is kept in a folder of its own,
// replaced-TIME, until somebody removes it: see [Replaced].
//
// # What is not in it
//
// Log that lies before the oldest snapshot. A Committed hook that has not come that far, as
// may be while a policy lets go of history, stops the start of what was restored and says
// what to do.
//
// The identity of the node: a restored directory is a new node and a new cluster, so that
// no old node can take it for its own. Records of memory-only models. Whatever was erased
// before the backup was made; what is erased later stays in it, so old backups must be
// destroyed for an erasure to be complete.
//
// # Concurrency
//
// Functions are safe for concurrent use on different files and directories.
package backup
