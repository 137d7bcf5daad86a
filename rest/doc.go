// Package rest gives models an HTTP interface: lists, records, bulk changes and
// transactions over several models, with problem details (RFC 9457) for every error.
//
//	r := wire.NewRouter()
//	err := rest.Mount(r, e, articles, "/api/articles", rest.Options{})
//	err = rest.MountTx(r, e, e.Tables(), "/api/_tx", rest.Options{}, nil)
//	srv, err := wire.NewServer(wire.Config{Handler: r.Handler(), ErrorBody: rest.ErrorBody})
//
// # Routes of a model
//
//	GET    base            list: data, total, skip, take, has_more; grammar in package query
//	GET    base/count      {"count": n}, with the same filters
//	GET    base/{id}       one record
//	GET    base/{id}/history   versions, newest first: who, when, what changed, the record
//	GET    base/{id}/blame     by field, who gave it the value it has
//	POST   base            create: 201, Location, ETag, the record
//	PUT    base/{id}       replace: 200; with If-None-Match: * create under that id: 201
//	PATCH  base/{id}       merge patch (RFC 7396): 200
//	DELETE base/{id}       204
//	POST   base/_bulk      an array of records to create, or of operations; all or nothing
//
// A PUT does not create by itself: a mistyped id is 404, not a new record. HEAD and OPTIONS
// are the router's.
//
// # Versions
//
// The ETag is strong: the sequence of the transaction that wrote the record. If-None-Match
// on a GET answers 304, If-Match on a change that fails is 412. Lithair-Index, on every
// answer, is the sequence of the state that was read or written; min_index=N makes a read
// wait for it (412 when it does not come in time), level= is none, weak (default),
// linearizable or strong: on a node of a cluster that follows, all but none ask the leader.
// freshness=1s refuses a state that may be older (503); it and min_index read at none where
// no level is named; freshness_strict=true asks for what freshness always means here. Lithair-Level tells the level a read had, Lithair-Age how old the
// state may be.
//
// # The past
//
// at=N on a GET reads the state in which N was the newest sequence, at=2006-01-02T15:04:05Z
// the newest state at that moment; filters, sorts and counts work on it with the indexes
// of that time. What is still to come is 412, what the log no longer tells 410 with
// oldest_index. A history is read from the log, in time proportional to its length, and
// where that is gone from the versions that the model keeps as state; take
// (default 50, at most 1000) and before=INDEX page through it.
//
// A model that is kept in memory only has no past: no history, no blame, and at is 400.
//
// # Writes
//
// Fields that are hidden never leave and are unknown in input; a PUT keeps their value.
// Fields set by the server (created, updated) and the id of a replaced record may be sent
// as they are; others are 422 read_only. What is immutable is 422, a delete that would take
// too many others along 409. With an Idempotency-Key the answer is kept with
// the transaction, and a retry gets it again with Idempotency-Replayed: true.
//
// Handlers are safe for concurrent use. A record is encoded once per version; the bytes
// stay with the row.
package rest
