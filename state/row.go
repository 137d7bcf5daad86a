package state

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"github.com/lithair/lithair-go/binenc"
)

// Row is one version of a record. It is immutable and safe for concurrent use.
type Row struct {
	record record
	cache  atomic.Pointer[cached]
}

// newRow returns a row with a copy of rec.
func newRow(seq uint64, rec []byte) *Row {
	return &Row{record: recordOf(appendRecord(make([]byte, 0, recordSize(seq, len(rec))), seq, rec))}
}

// appendRecord appends a version of a record: its sequence, its length, its bytes.
func appendRecord(dst []byte, seq uint64, rec []byte) []byte {
	dst = binenc.AppendUvarint(dst, seq)
	dst = binenc.AppendUvarint(dst, uint64(len(rec)))
	return append(dst, rec...)
}

// recordSize is how many bytes appendRecord appends for a record of n bytes.
func recordSize(seq uint64, n int) int {
	return (bits.Len64(seq|1)+6)/7 + (bits.Len64(uint64(n)|1)+6)/7 + n
}

type cached struct{ v any }

// Bytes returns the record's canonical binenc message. It must not be changed.
func (r *Row) Bytes() []byte { return r.record.bytes() }

// Seq returns the sequence of the transaction that wrote this version.
func (r *Row) Seq() uint64 { return r.record.seq() }

// Cached returns what SetCached left, or nil. It is a cache: something derived from
// Bytes, such as JSON, and may be nil at any time.
func (r *Row) Cached() any {
	if c := r.cache.Load(); c != nil {
		return c.v
	}
	return nil
}

// SetCached keeps v with the row; nil forgets.
func (r *Row) SetCached(v any) {
	if v == nil {
		r.cache.Store(nil)
		return
	}
	r.cache.Store(&cached{v})
}

// sum is a number modulo 2^128.
type sum struct{ hi, lo uint64 }

func (s sum) plus(o sum) sum {
	lo, carry := bits.Add64(s.lo, o.lo, 0)
	hi, _ := bits.Add64(s.hi, o.hi, carry)
	return sum{hi, lo}
}

func (s sum) minus(o sum) sum {
	lo, borrow := bits.Sub64(s.lo, o.lo, 0)
	hi, _ := bits.Sub64(s.hi, o.hi, borrow)
	return sum{hi, lo}
}

func (s sum) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], s.hi)
	binary.BigEndian.PutUint64(b[8:], s.lo)
	return b
}

// rowSum is what a record adds to the hash: the first 128 bits of SHA-256 over model
// number (4 bytes, big-endian), length of the key (4 bytes), key and record.
func rowSum(buf []byte, model uint32, key string, rec []byte) (sum, []byte) {
	buf = binary.BigEndian.AppendUint32(buf[:0], model)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(key)))
	buf = append(append(buf, key...), rec...)
	h := sha256.Sum256(buf)
	return sum{binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:16])}, buf
}
