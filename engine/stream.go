package engine

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/lithair/lithair-go/eventlog"
)

// Changed returns a channel that is closed when a newer root is published than there was when
// it was asked for: who follows the state asks for it first, then looks at Root, then waits.
func (e *Engine) Changed() <-chan struct{} { return *e.changed.Load() }

// Stream reads committed entries in order. It belongs to one goroutine at a time.
type Stream struct {
	e    *Engine
	next uint64 // log index
	seq  uint64 // entries end behind it
}

// Stream returns what was committed behind a sequence: entries whose last transaction has a
// greater one, so the first may begin before. It costs O(log n) reads of the log, and nothing
// while it is not read.
//
// Errors: [ErrFuture], *[GoneError], ctx's, those of the log.
func (e *Engine) Stream(ctx context.Context, behind uint64) (*Stream, error) {
	head := e.point.Load()
	switch {
	case behind > head.root.Seq():
		return nil, ErrFuture
	case behind == head.root.Seq():
		return &Stream{e: e, next: head.index + 1, seq: behind}, nil
	}
	first := e.order.First()
	var failed error
	beyond := func(i int) bool { // at or behind this record lies the first entry to be read
		if failed == nil {
			failed = context.Cause(ctx)
		}
		if failed != nil {
			return true
		}
		last, found, err := e.lastBefore(first, first+uint64(i))
		failed = err
		return found && last > behind
	}
	index := first + uint64(sort.Search(int(head.index+1-first), beyond))
	s := &Stream{e: e, next: index, seq: behind}
	if failed == nil {
		failed = s.continues()
	}
	if errors.Is(failed, eventlog.ErrCompacted) { // meanwhile
		failed = &GoneError{Oldest: e.Oldest()}
	}
	if failed != nil {
		return nil, failed
	}
	return s, nil
}

// lastBefore returns the last sequence of the newest entry at or before an index, down to the
// log's first; found is false when there is none.
func (e *Engine) lastBefore(first, index uint64) (last uint64, found bool, err error) {
	for ; index >= first; index-- {
		records, err := e.order.Read(index, 1)
		if err != nil {
			return 0, false, err
		}
		if len(records) > 0 && records[0].Kind == KindBatch {
			from, count, err := EntrySpan(records[0].Payload)
			return from + count - 1, true, err
		}
	}
	return 0, false, nil
}

// continues checks that nothing between the sequence asked for, which is not the newest, and
// the first entry is gone. All of it is where the log begins behind a snapshot of another node
// and no entry has come since.
func (s *Stream) continues() error {
	for index := s.next; ; index++ {
		records, err := s.e.order.Read(index, 1)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return &GoneError{Oldest: s.e.Oldest()}
		}
		if records[0].Kind != KindBatch {
			continue
		}
		from, _, err := EntrySpan(records[0].Payload)
		if err == nil && from > s.seq+1 {
			err = &GoneError{Oldest: from - 1}
		}
		return err
	}
}

// Next returns the entries that come next, some maxBytes of them and at least one where there
// is one; none when all that is committed has been read: [Engine.Changed] says when to ask
// again.
//
// Errors: *[GoneError] when the log before was let go of meanwhile; those of the log.
func (s *Stream) Next(maxBytes int) (entries []Entry, err error) {
	for len(entries) == 0 {
		records, err := s.e.order.Read(s.next, maxBytes)
		if errors.Is(err, eventlog.ErrCompacted) {
			return nil, &GoneError{Oldest: s.e.Oldest()}
		}
		if err != nil || len(records) == 0 {
			return nil, err
		}
		for _, r := range records {
			s.next = r.Index + 1
			if r.Kind != KindBatch {
				continue
			}
			entry, err := DecodeEntry(r.Payload)
			if err != nil {
				return nil, fmt.Errorf("log index %d: %w", r.Index, err)
			}
			entry.Index, entry.Term, entry.Time = r.Index, r.Term, r.Time
			s.seq = entry.First + uint64(len(entry.Txs)) - 1
			entries = append(entries, entry)
		}
	}
	return entries, nil
}
