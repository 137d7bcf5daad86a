package state

import (
	"cmp"
	"encoding/binary"
	"io"
	"slices"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/state/btree"
)

// A file of changes is what a root has beyond another one, the base, in the blocks of a
// snapshot:
//
//	1 header  "LITHDIFF" (8 bytes), sequence and hash (16 bytes) of the base, then as in a
//	          snapshot from the format version on, with counts and hashes of the new root
//	5 gone    of one model, in order of keys: count, and keys (bytes)
//	2 rows    of one model, those that are new or changed; ranks count among them
//	4 end
//
// Model 0, the declarations, comes first, keys last; what is gone comes before the rows of
// the same model.
const (
	changesMagic = "LITHDIFF"
	blockGone    = blockEnd + 1
)

// WriteChanges writes what r has beyond base, so that ReadChanges makes r of a base that was
// restored. Its cost follows what they do not share, as that of [Diff]; a record is written
// too when only its sequence is another. Memory is bounded by a block and 64 records, and by
// the keys that are gone from one model. Errors are those of w.
func (r *Root) WriteChanges(w io.Writer, base *Root, note []byte) error {
	hash := base.Hash()
	header := append([]byte(changesMagic), binenc.AppendUvarint(nil, base.seq)...)
	header = append(header, hash[:]...)
	header = r.appendSnapshotHeader(header, note)
	s := &snapshotWriter{w: w}
	s.begin(blockHeader, 0, 0)
	s.buf = append(s.buf, header...)
	s.flush()
	s.id = idOf(header)
	for number := range uint32(max(len(r.tables), len(base.tables))) {
		s.changes(number, base.rows(number), r.rows(number))
	}
	s.changes(KeyModel, base.rows(KeyModel), r.rows(KeyModel))
	s.begin(blockEnd, 0, 0)
	s.buf = binenc.AppendUvarint(s.buf, uint64(s.block)+1)
	s.flush()
	return s.err
}

// changes writes what is gone from a model, then what is new in it.
func (s *snapshotWriter) changes(number uint32, old, now *btree.Tree[*Row]) {
	rows := rowsWriter{s: s, number: number}
	var gone []string
	for c := range btree.Diff(old, now, func(a, b *Row) bool { return a == b }) {
		if c.New == nil {
			gone = append(gone, c.Key)
		}
	}
	s.gone(number, gone)
	for c := range btree.Diff(old, now, func(a, b *Row) bool { return a == b }) {
		if c.New != nil {
			rows.add(c.Key, c.New)
		}
		if s.err != nil {
			return
		}
	}
	rows.end()
}

func (s *snapshotWriter) gone(number uint32, keys []string) {
	for len(keys) > 0 {
		n := 0
		for s.items = s.items[:0]; n < len(keys) && len(s.items) < blockTarget; n++ {
			s.items = binenc.AppendString(s.items, keys[n])
		}
		s.begin(blockGone, number, 0)
		s.buf = binenc.AppendUvarint(s.buf, uint64(n))
		s.buf = append(s.buf, s.items...)
		s.flush()
		keys = keys[n:]
	}
}

// ReadChanges makes the root that changes of that size lead to from base, which has the
// sequence and the hash of the one they were written beyond, and returns its note. Counts and
// hashes of all models are held against those that were written down.
//
// Errors: *[SnapshotError], also for another base; those of src.
func ReadChanges(src io.ReaderAt, size int64, base *Root) (*Root, []byte, error) {
	s := &restorer{src: src, size: size}
	err := s.scan()
	if err == nil {
		err = s.readHeader()
	}
	hash := base.Hash()
	switch {
	case err != nil:
	case !s.beyond:
		err = s.corrupt(0, "this is no file of changes")
	case s.baseSeq != base.seq || s.baseHash != hash:
		err = s.corrupt(0, "these are changes beyond another state, of sequence %d", s.baseSeq)
	}
	if err != nil {
		return nil, nil, err
	}
	c := &changeReader{restorer: s, batch: base.Begin()}
	for i := 1; i < len(s.blocks)-1 && err == nil; {
		n := len(blocksOf(s.blocks[i:len(s.blocks)-1], s.blocks[i].model))
		err = c.model(s.blocks[i : i+n])
		i += n
	}
	if err != nil {
		return nil, nil, err
	}
	r := c.batch.Seal(s.seq, s.time)
	return r, s.note, s.compare(r)
}

// changeReader applies changes.
type changeReader struct {
	*restorer
	batch *Batch
	buf   []byte
	last  uint32
}

// changed is a row that is new.
type changed struct {
	key string
	row *Row
}

// model applies the blocks of one model. What is replaced goes before anything comes, so that
// unique values may change places.
func (c *changeReader) model(blocks []snapshotBlock) (err error) {
	number := blocks[0].model
	if c.last > number {
		return c.corrupt(blocks[0].off, "model %d is out of order", number)
	}
	c.last = number
	var gone []string
	var rows []changed
	for i := range blocks {
		b := &blocks[i]
		if c.buf, err = c.load(b, c.buf); err != nil {
			return err
		}
		r := binenc.NewReader(c.buf[blockHead:])
		switch {
		case b.kind == blockGone && len(rows) == 0:
			gone, err = c.readGone(b, &r, gone)
		case b.kind == blockRows:
			rows, err = c.readChanged(b, &r, rows)
		default:
			err = c.corrupt(b.off, "a block of kind %d is out of place", b.kind)
		}
		if err != nil {
			return err
		}
	}
	if number == SchemaModel {
		return c.declare(blocks[0].off, gone, rows)
	}
	t := c.batch.own(number)
	if t == nil || number >= LocalModel {
		return c.corrupt(blocks[0].off, "model %d is not declared", number)
	}
	for _, x := range rows {
		gone = append(gone, x.key)
	}
	for i, key := range gone {
		old, ok := t.rows.Get(key)
		if !ok && i < len(gone)-len(rows) {
			return c.corrupt(blocks[0].off, "a record of model %d is gone that never was there", number)
		}
		if ok {
			err = t.set(key, old, nil, &c.batch.scratch)
		}
		if err != nil {
			return c.corrupt(blocks[0].off, "model %d: %v", number, err)
		}
	}
	for _, x := range rows {
		if err := t.set(x.key, nil, x.row, &c.batch.scratch); err != nil {
			return c.corrupt(blocks[0].off, "model %d: %v", number, err)
		}
	}
	return nil
}

func (c *changeReader) readGone(b *snapshotBlock, r *binenc.Reader, gone []string) ([]string, error) {
	for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
		gone = append(gone, string(r.Bytes()))
	}
	if r.Err() != nil || r.Len() > 0 {
		return nil, c.corrupt(b.off, "the keys do not fill their block")
	}
	return gone, nil
}

func (c *changeReader) readChanged(b *snapshotBlock, r *binenc.Reader, rows []changed) ([]changed, error) {
	if err := c.listHead(b, r); err != nil {
		return nil, err
	}
	if b.first != len(rows) {
		return nil, c.corrupt(b.off, "rows from rank %d on, %d is due", b.first, len(rows))
	}
	var key []byte
	for i := range b.count {
		share, rest := r.Uvarint(), r.Bytes()
		seq, rec := r.Uvarint(), r.Bytes()
		if r.Err() != nil || share > uint64(len(key)) {
			return nil, c.corrupt(b.off, "a row cannot be read")
		}
		if i == 0 {
			key = nil
		}
		key = append(key[:share], rest...)
		rows = append(rows, changed{string(key), newRow(seq, rec)})
	}
	if r.Len() > 0 {
		return nil, c.corrupt(b.off, "the rows do not fill their block")
	}
	return rows, nil
}

// declare applies changed declarations, oldest first, as the events that they were.
func (c *changeReader) declare(off int64, gone []string, rows []changed) error {
	if len(gone) > 0 {
		return c.corrupt(off, "a declaration is gone")
	}
	slices.SortStableFunc(rows, func(a, b changed) int { return cmp.Compare(a.row.Seq(), b.row.Seq()) })
	for _, x := range rows {
		ev := Event{Model: SchemaModel, Kind: Created, Key: x.key, Fields: x.row.Bytes()}
		if old := c.batch.Get(SchemaModel, x.key); old != nil {
			var err error
			ev.Kind = Updated
			if ev.Fields, ev.Cleared, err = binenc.Diff(old.Bytes(), x.row.Bytes(), nil); err != nil {
				return c.corrupt(off, "declaration %q: %v", x.key, err)
			}
		}
		if err := c.batch.Apply(x.row.Seq(), ev); err != nil {
			return c.corrupt(off, "%v", err)
		}
	}
	c.batch.Forget()
	return nil
}

// compare holds a root against what the header says of it.
func (s *restorer) compare(r *Root) error {
	for _, m := range s.models {
		t := r.table(m.number)
		if t == nil || uint32(t.rows.Len()) != m.records || t.bytes != m.bytes || t.hash != m.hash {
			return s.corrupt(0, "model %d is another one than was written down", m.number)
		}
	}
	return nil
}

// readBase reads what stands before the format version in the header of a file of changes.
func (s *restorer) readBase(b []byte) (rest []byte, err error) {
	b = b[len(changesMagic):]
	seq, n := binary.Uvarint(b)
	if n <= 0 || len(b) < n+len(s.baseHash)+len(snapshotMagic) {
		return nil, s.corrupt(0, "the header is malformed")
	}
	s.beyond, s.baseSeq = true, seq
	copy(s.baseHash[:], b[n:])
	return b[n+len(s.baseHash):], nil
}
