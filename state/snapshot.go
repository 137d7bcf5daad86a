package state

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/lithair/lithair-go/binenc"
)

// A snapshot is a root as a stream of blocks, numbers little-endian:
//
//	0     4        8      12      16      20      24
//	+-----+--------+------+-------+-------+-------+-------------
//	| CRC | length | kind | block | model | field | payload ...
//	+-----+--------+------+-------+-------+-------+-------------
//
// CRC is CRC-32C over the snapshot's id, bytes 4 to 23 and the payload of that length.
// Blocks count from 0. The id, 8 bytes, is the front of SHA-256 over the payload of
// block 0, which has zeros for its own id; so a block of another snapshot is no block of
// this one. Payloads are binenc primitives, varints where nothing else is said:
//
//	1 header  "LITHSNAP" (8 bytes), format version, sequence, time (zig-zag, Unix ns),
//	          note (bytes), count of models, and for each, by number: number, records,
//	          bytes of keys and records, hash (two fixed64: high, low)
//	2 rows    of one model, in order of keys: rank of the first, count, and for each:
//	          how much of the key before it shares, rest of the key (bytes), sequence,
//	          record (bytes)
//	3 order   of one index (model and its number, in place of field): rank of the first entry, count, and for
//	          each the rank of its record among the rows, as a zig-zag difference to the
//	          one before (the first of a block to 0)
//	4 end     count of all blocks
//
// Model 0, the declarations, comes first; keys ([KeyModel]), if there are any, last; a model's rows come before its orders; nothing
// follows the end. A snapshot without its end is not whole.
const (
	blockHeader uint32 = 1 + iota
	blockRows
	blockOrder
	blockEnd
)

// SnapshotVersion is the version of the format that is written. Others are refused.
const SnapshotVersion = 1

const (
	snapshotMagic = "LITHSNAP"
	blockHead     = 24
	blockTarget   = 256 << 10 // a block is closed when its payload passes this
	leafRows      = 64        // rows of a block are a multiple of it, so that leaves stay full
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// snapshotID tells the blocks of one snapshot from those of others.
type snapshotID [8]byte

func idOf(header []byte) (id snapshotID) {
	sum := sha256.Sum256(header)
	copy(id[:], sum[:])
	return id
}

// blockSum is the CRC of a block whose bytes, head and payload, are b.
func blockSum(id snapshotID, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(id[:], castagnoli), castagnoli, b[4:])
}

// WriteSnapshot writes the root. note is kept with it, for the caller: where in a log the
// root belongs. Memory is bounded by a block (256 KiB) and 64 records; the root is not
// held up, nor anybody else. Errors are those of w.
func (r *Root) WriteSnapshot(w io.Writer, note []byte) error {
	header := r.appendSnapshotHeader(nil, note)
	s := &snapshotWriter{w: w}
	s.begin(blockHeader, 0, 0)
	s.buf = append(s.buf, header...)
	s.flush()
	s.id = idOf(header)
	for number, t := range r.tables {
		if t != nil && t.rows.Len() > 0 {
			s.table(uint32(number), t)
		}
	}
	if r.keys.rows.Len() > 0 {
		s.table(KeyModel, r.keys)
	}
	s.begin(blockEnd, 0, 0)
	s.buf = binenc.AppendUvarint(s.buf, uint64(s.block)+1)
	s.flush()
	return s.err
}

func (r *Root) appendSnapshotHeader(b, note []byte) []byte {
	b = append(b, snapshotMagic...)
	b = binenc.AppendUvarint(b, SnapshotVersion)
	b = binenc.AppendUvarint(b, r.seq)
	b = binenc.AppendVarint(b, r.time)
	b = binenc.AppendBytes(b, note)
	list := slices.DeleteFunc(append(slices.Clone(r.tables), r.keys), func(t *table) bool { return t == nil })
	if r.keys.rows.Len() == 0 {
		list = list[:len(list)-1]
	}
	b = binenc.AppendUvarint(b, uint64(len(list)))
	for _, t := range list {
		number := t.schema.Number
		b = binenc.AppendUvarint(b, uint64(number))
		b = binenc.AppendUvarint(b, uint64(t.rows.Len()))
		b = binenc.AppendUvarint(b, uint64(t.bytes))
		b = binenc.AppendFixed64(b, t.hash.hi)
		b = binenc.AppendFixed64(b, t.hash.lo)
	}
	return b
}

// snapshotWriter puts blocks together. Its error is sticky.
type snapshotWriter struct {
	w     io.Writer
	id    snapshotID
	block uint32
	buf   []byte // the block under construction
	items []byte // rows or ranks of it
	err   error
}

func (s *snapshotWriter) begin(kind, model, field uint32) {
	s.buf = append(s.buf[:0], make([]byte, blockHead)...)
	binary.LittleEndian.PutUint32(s.buf[8:], kind)
	binary.LittleEndian.PutUint32(s.buf[12:], s.block)
	binary.LittleEndian.PutUint32(s.buf[16:], model)
	binary.LittleEndian.PutUint32(s.buf[20:], field)
}

func (s *snapshotWriter) flush() {
	if size := len(s.buf) - blockHead; s.err == nil && uint64(size) > maxBlock {
		s.err = fmt.Errorf("state: 64 records of a snapshot take %d bytes; the limit is %d", size, uint64(maxBlock))
	}
	if s.err != nil {
		return
	}
	binary.LittleEndian.PutUint32(s.buf[4:], uint32(len(s.buf)-blockHead))
	binary.LittleEndian.PutUint32(s.buf, blockSum(s.id, s.buf))
	_, s.err = s.w.Write(s.buf)
	s.block++
}

// list writes a run of items, first being the rank of the first.
func (s *snapshotWriter) list(kind, model, field uint32, first, count int) {
	s.begin(kind, model, field)
	s.buf = binenc.AppendUvarint(s.buf, uint64(first))
	s.buf = binenc.AppendUvarint(s.buf, uint64(count))
	s.buf = append(s.buf, s.items...)
	s.flush()
	s.items = s.items[:0]
}

func (s *snapshotWriter) table(number uint32, t *table) {
	rows := rowsWriter{s: s, number: number}
	for key, row := range t.rows.Ascend("") {
		if rows.add(key, row); s.err != nil {
			return
		}
	}
	rows.end()
	for i := range t.indexes {
		s.order(number, t, &t.indexes[i])
	}
}

// rowsWriter writes rows of one model, in order, as blocks.
type rowsWriter struct {
	s        *snapshotWriter
	number   uint32
	first, n int
	last     string
}

func (w *rowsWriter) add(key string, row *Row) {
	s, share := w.s, 0
	if w.n == w.first {
		s.items = s.items[:0]
	}
	for w.n > w.first && share < min(len(key), len(w.last)) && key[share] == w.last[share] {
		share++
	}
	w.last = key
	s.items = binenc.AppendUvarint(s.items, uint64(share))
	s.items = binenc.AppendString(s.items, key[share:])
	s.items = binenc.AppendUvarint(s.items, row.Seq())
	s.items = binenc.AppendBytes(s.items, row.Bytes())
	if w.n++; len(s.items) >= blockTarget && (w.n-w.first)%leafRows == 0 {
		w.end()
	}
}

// end writes what is left.
func (w *rowsWriter) end() {
	if w.n > w.first {
		w.s.list(blockRows, w.number, 0, w.first, w.n-w.first)
		w.first = w.n
	}
}

func (s *snapshotWriter) order(number uint32, t *table, x *index) {
	first, n, last := 0, 0, int64(0)
	for entry, length := range x.tree.Ascend("") {
		rank := int64(t.rows.Rank(primaryOf(entry, length)))
		if n == first {
			last = 0
		}
		s.items = binenc.AppendVarint(s.items, rank-last)
		last = rank
		if n++; len(s.items) >= blockTarget && (n-first)%leafRows == 0 {
			s.list(blockOrder, number, x.def.Number, first, n-first)
			first = n
		}
		if s.err != nil {
			return
		}
	}
	if n > first {
		s.list(blockOrder, number, x.def.Number, first, n-first)
	}
}
