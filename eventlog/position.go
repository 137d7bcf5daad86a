package eventlog

import (
	"errors"
	"fmt"
)

// Position is a place in a log, just behind a record, with what is needed to go on from
// there when the record itself is gone. The zero value is the beginning.
type Position struct {
	Index uint64 // of the record
	Term  uint64
	Time  int64
	Chain Sum // over everything up to and including the record
}

// PositionBytes is the length of an encoded position.
const PositionBytes = 24 + chainSize

// Append appends the position as 56 bytes: index, term, time, 8 bytes each,
// little-endian, and the chain value.
func (p Position) Append(dst []byte) []byte {
	dst = le.AppendUint64(dst, p.Index)
	dst = le.AppendUint64(dst, p.Term)
	dst = le.AppendUint64(dst, uint64(p.Time))
	return append(dst, p.Chain[:]...)
}

// ParsePosition reads what Append wrote.
func ParsePosition(b []byte) (p Position, err error) {
	if len(b) != PositionBytes {
		return p, fmt.Errorf("eventlog: a position has %d bytes, not %d", PositionBytes, len(b))
	}
	p = Position{Index: le.Uint64(b), Term: le.Uint64(b[8:]), Time: int64(le.Uint64(b[16:]))}
	copy(p.Chain[:], b[24:])
	return p, nil
}

// Next returns the position behind r, which must be the record behind p. It hashes the
// payload.
func (p Position) Next(r *Record) Position {
	return Position{Index: r.Index, Term: r.Term, Time: r.Time, Chain: p.Chain.chain(r)}
}

// Position returns the position behind the durable record at index.
//
// Errors: [ErrCompacted], [ErrOutOfRange], [ErrClosed], *[CorruptError].
func (l *Log) Position(index uint64) (p Position, err error) {
	recs, err := l.Read(index, 1)
	if err == nil && len(recs) == 0 {
		err = ErrOutOfRange
	}
	if err != nil {
		return p, err
	}
	sum, err := l.ChainAt(index)
	return Position{Index: index, Term: recs[0].Term, Time: recs[0].Time, Chain: sum}, err
}

// ChainAt returns the chain value behind the durable record at index, or at one less than
// First, what the log was begun with. It reads one place at most (64 KiB, or
// a larger batch).
//
// Errors: as Position.
func (l *Log) ChainAt(index uint64) (sum Sum, err error) {
	l.mu.Lock()
	if index == l.im.base {
		defer l.mu.Unlock()
		return l.im.baseSum, nil
	}
	p, before, err := l.im.find(index)
	if err == nil {
		err = l.hold(p.seg)
	}
	l.mu.Unlock()
	if err != nil {
		return Sum{}, err
	}
	sum, err = p.chainAt(before, index)
	return sum, errors.Join(err, l.release(p.seg))
}
