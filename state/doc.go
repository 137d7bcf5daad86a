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
// # Concurrency
//
// Roots and rows may be used by any number of goroutines. A batch belongs to one.
// [Store] hands roots from the writer to the readers.
//
// # Hash
//
// Every record counts with SHA-256 over its model number, key and bytes, cut to 128
// bits; a root's hash is their sum modulo 2^128. So it costs time proportional to the
// change, and does not depend on the order or grouping of events. It detects faults; it
// is no proof against an adversary, for that there is the chain of the log.
package state
