// Package client writes clients of an application: one file, without dependencies, in
// TypeScript, JavaScript, Python or Go.
//
//	api, err := client.Read(document)    // the OpenAPI document that an application prints
//	source, err := api.Generate("ts")
//
// The document alone decides: its schemas become types, and its member x-lithair (see
// openapi.Extension) says which paths are collections and what operations are called. So a
// client is typed from the schema that validates its requests, whether code was generated for
// the server or not. The same document gives the same bytes.
//
// # Shape
//
// All clients are made alike. What a model or an operation needs is written out with its types:
// list, iterate, count, get, create, put, patch, delete, bulk, history. What they have in common
// stands in runtime/, one file for each language: sending, deadlines, retries, errors, filters.
//
//   - A write carries an idempotency key, so that it can be sent again: made by the client
//     where the caller gives none, and the same for all attempts of a call.
//   - Sent again is what got no answer, and 429, 502, 503 and 504, with full jitter between
//     attempts and no earlier than Retry-After says; to the next base URL, where there are
//     several. An operation that takes no idempotency key is sent again only where the server
//     says that nothing was carried out.
//   - A 503 that says "none" speaks of one attempt. Where an earlier one of the same write may have
//     been carried out, the error that a call ends with says "unknown". Sendings that the library
//     below makes by itself count, in Python and Go; those of a browser no script sees: some send
//     once more where a connection that was idle ends.
//   - Lithair-Index of answers is remembered; with read-your-writes, reads ask for at least that.
//   - iterate goes on behind the last key, in the order of keys; sorted otherwise, it reads the
//     state that its first page was of.
//   - An error is a problem with its code and its fields, or there was no answer.
//
// Integers of 64 bits are whole in Python and Go. In TypeScript they are of type Int64, a
// number, and one that a number cannot hold is an error, never another value. Times and ids are
// text in Python and TypeScript: a Date or a datetime would round the former.
package client
