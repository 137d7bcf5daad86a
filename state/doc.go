// Package state holds event-sourced state as an immutable value.
//
// A [Root] is a version of everything: records of all models, their indexes, the schema
// catalogue and a hash. Events make a new root of an old one; the two share what did not
// change. Readers hold a root: no lock, no waiting, one consistent snapshot for as long
// as they like.
//
//	batch := root.Begin()
//	err := batch.Apply(seq, event)         // facts, without judgement
//	next := batch.Seal(seq, time)          // immutable
//	store.Publish(next)                    // readers see it from here on
//
// The truth of a record is its canonical binenc bytes. Indexes, merges and hashes work
// on those and on field numbers; no Go type is needed, so tools can work on any data.
//
// Model number 0, [SchemaModel], holds the declarations of all others: an event on it
// declares a model or changes one, and builds or drops its indexes.
//
// # Events
//
// A created event carries the whole record, an updated one the fields that changed and
// the numbers of those that are gone, merged by field number; so fields that this
// program does not know survive. Apply does not judge: no validation, no references.
// What it refuses, with a [FactError], cannot be true: creating what exists, changing
// what does not, a second record with a unique value, bytes that are no message. A
// refused event changes nothing. Whether values fit the types of the schema is for the
// one who records the event (binenc.CheckMessage).
//
// # Indexes
//
// A field that is unique, indexed or a foreign key has an index: a tree ordered by the
// field's key encoding, kept in the same step as the record. Declared indexes
// (model.Index) are ordered by several fields, and hold only records that meet their
// conditions. Fields of kind list, map or message have no order and cannot be in one. Within one batch, uniqueness holds after
// each event, not only at the end: two records exchange a unique value by way of a
// third one.
//
// # Local models
//
// Records of local models ([LocalModel]) live in this process alone: they are in roots and
// batches as all others, with their indexes, and in no hash, snapshot or Diff.
//
// # Keys
//
// Records of [KeyModel] are secrets by an id: in roots, batches and snapshots, and in no hash
// and no Diff. One that is destroyed leaves its id. [HoldsKey] and [DestroyKeys] look for
// them in snapshots and take them out.
//
// # Snapshots
//
// [Root.WriteSnapshot] and [ReadSnapshot] write a root down and make it again, in parallel;
// [Root.WriteChanges] and [ReadChanges] do so with what one root has beyond another, at
// the cost of what they do not share. Either carries the hash.
//
// # Undo
//
// A batch remembers what its events replaced: Mark and Rollback take events back as if
// they had never been. A long replay calls Forget to drop that memory.
//
// # Concurrency
//
// Roots and rows may be used by any number of goroutines. A batch belongs to one.
// [Store] hands roots from the writer to the readers.
//
// # Hash
//
// Every record counts with SHA-256 over its model number (4 bytes, big-endian), the
// length of its key (4 bytes, big-endian), key and bytes, cut to 128 bits; a model's hash
// is their sum modulo 2^128, the root's hash the sum over models, declarations included.
// So it costs time proportional to the change, and does not depend on the order or
// grouping of events. It detects faults; it is no proof against an adversary, for that
// there is the chain of the log.
//
// # Limits
//
// Model numbers are at most 65,536. Keys and records are not limited here; a key longer
// than 4 GiB is not supported. All state is in memory: measured with one index, a record of 100
// bytes, key included, takes about 230 resident written one by one and 215 restored from a snapshot;
// one of 250 bytes about 380.
package state
