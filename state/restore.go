package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state/btree"
)

// maxBlock bounds what a block may claim to hold.
const maxBlock = 1<<32 - 1

// SnapshotError is a snapshot that is damaged, not whole, or of a version that this code
// does not know.
type SnapshotError struct {
	Offset int64 // of the block at fault, in bytes
	Reason string
}

// Error names offset and reason.
func (e *SnapshotError) Error() string {
	return fmt.Sprintf("state: snapshot, offset %d: %s", e.Offset, e.Reason)
}

// RestoreOptions say how a snapshot is read. The zero value is good.
type RestoreOptions struct {
	Workers  int                     // goroutines; default GOMAXPROCS
	Progress func(done, total int64) // bytes; called now and then, from several goroutines
}

// ReadSnapshot reads a snapshot of that size and returns its root and note. Every block
// is held against its checksum, every order against the records. The hash is that of the
// header: [Root.VerifyHash] computes it anew, which takes several times as long.
//
// Records that were restored together share memory in groups of 64 (as long as those take
// no more than 64 KiB), which is freed when none of the group is in use.
//
// Errors: *[SnapshotError]; those of src.
func ReadSnapshot(src io.ReaderAt, size int64, opt RestoreOptions) (*Root, []byte, error) {
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	s := &restorer{src: src, size: size, opt: opt}
	if err := s.scan(); err != nil {
		return nil, nil, err
	}
	if err := s.readHeader(); err != nil {
		return nil, nil, err
	}
	if s.beyond {
		return nil, nil, s.corrupt(0, "this holds changes beyond another state, no whole one")
	}
	if err := s.restore(); err != nil {
		return nil, nil, err
	}
	r := &Root{view{seq: s.seq, time: s.time, tables: s.tables, keys: s.keys}}
	return r, s.note, nil
}

// SnapshotNote reads no more than the header of a snapshot: its sequence and note.
func SnapshotNote(src io.ReaderAt, size int64) (seq uint64, note []byte, err error) {
	s := &restorer{src: src, size: size}
	b, err := s.headOf(0)
	if err != nil {
		return 0, nil, err
	}
	s.blocks = []snapshotBlock{b}
	if err := s.readHeader(); err != nil {
		return 0, nil, err
	}
	return s.seq, s.note, nil
}

// CheckSnapshot reads all of a snapshot of that size and holds every block against its checksum. It
// makes nothing of it: whether records and orders fit each other shows when it is restored.
//
// Errors: as ReadSnapshot.
func CheckSnapshot(src io.ReaderAt, size int64) error {
	s := &restorer{src: src, size: size}
	err := s.scan()
	if err == nil {
		err = s.readHeader()
	}
	var buf []byte
	for i := 0; i < len(s.blocks) && err == nil; i++ {
		buf, err = s.load(&s.blocks[i], buf)
	}
	return err
}

// snapshotBlock is a block by its head, which is not believed before its CRC was checked.
type snapshotBlock struct {
	off                int64
	size               int64 // of the payload
	kind, model, field uint32
	number             uint32
	first, count       int   // of a block of rows or of an order, when it was read
	bytes              int64 // of its keys and records
	keys               []string
	values             []blockValues // per index
	built              btree.Builder[*Row]
	order              btree.Builder[uint32]
	front, back        string // values of the first and the last entry of an order
}

// blockValues are the key encodings of one indexed field of the rows of a block.
type blockValues struct {
	buf  []byte
	ends []uint32
	in   []bool
}

func (v *blockValues) of(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = v.ends[i-1]
	}
	return v.buf[from:v.ends[i]]
}

// modelInfo is what the header says of a model.
type modelInfo struct {
	number, records uint32
	bytes           int64
	hash            sum
}

type restorer struct {
	src    io.ReaderAt
	size   int64
	opt    RestoreOptions
	id     snapshotID
	blocks []snapshotBlock
	done   atomic.Int64

	beyond   bool // it holds changes beyond a base
	baseSeq  uint64
	baseHash [16]byte

	seq    uint64
	time   int64
	note   []byte
	models []modelInfo
	tables []*table
	keys   *table
}

// table returns the table of a model; nil when it is not declared.
func (s *restorer) table(number uint32) *table {
	switch {
	case number == KeyModel:
		return s.keys
	case uint64(number) < uint64(len(s.tables)):
		return s.tables[number]
	}
	return nil
}

func (s *restorer) corrupt(off int64, format string, args ...any) error {
	return &SnapshotError{Offset: off, Reason: fmt.Sprintf(format, args...)}
}

// headOf reads the head of the block at an offset.
func (s *restorer) headOf(off int64) (b snapshotBlock, err error) {
	var head [blockHead]byte
	if s.size-off < blockHead {
		return b, s.corrupt(off, "the snapshot ends inside a block's head")
	}
	if n, err := s.src.ReadAt(head[:], off); n < len(head) {
		return b, fmt.Errorf("state: snapshot, offset %d: %w", off, err)
	}
	le := binary.LittleEndian
	b = snapshotBlock{off: off, size: int64(le.Uint32(head[4:])), kind: le.Uint32(head[8:]), number: le.Uint32(head[12:]),
		model: le.Uint32(head[16:]), field: le.Uint32(head[20:])}
	if b.size > s.size-off-blockHead {
		return b, s.corrupt(off, "the snapshot ends inside a block")
	}
	return b, nil
}

// scan finds the blocks by their heads.
func (s *restorer) scan() error {
	for off := int64(0); off < s.size; {
		b, err := s.headOf(off)
		if err != nil {
			return err
		}
		n := len(s.blocks)
		switch {
		case uint32(n) != b.number:
			return s.corrupt(off, "block %d stands where block %d is due", b.number, n)
		case (b.kind == blockHeader) != (n == 0) || b.kind < blockHeader || b.kind > blockGone:
			return s.corrupt(off, "a block of kind %d is out of place", b.kind)
		case n > 0 && s.blocks[n-1].kind == blockEnd:
			return s.corrupt(off, "something stands behind the end")
		}
		s.blocks = append(s.blocks, b)
		off += blockHead + b.size
	}
	if n := len(s.blocks); n < 2 || s.blocks[n-1].kind != blockEnd {
		return s.corrupt(s.size, "the snapshot has no end: it is not whole")
	}
	end, err := s.load(&s.blocks[0], nil)
	if err != nil {
		return err
	}
	s.id = idOf(end[blockHead:])
	last := &s.blocks[len(s.blocks)-1]
	if end, err = s.load(last, nil); err != nil {
		return err
	}
	r := binenc.NewReader(end[blockHead:])
	if n := r.Uvarint(); r.Err() != nil || r.Len() > 0 || n != uint64(len(s.blocks)) {
		return s.corrupt(last.off, "the end tells of %d blocks, there are %d", n, len(s.blocks))
	}
	return nil
}

// load reads a block, head and payload, and checks it. It uses buf when that is large
// enough.
func (s *restorer) load(b *snapshotBlock, buf []byte) ([]byte, error) {
	n := int(blockHead + b.size)
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if got, err := s.src.ReadAt(buf, b.off); got < n {
		return nil, fmt.Errorf("state: snapshot, offset %d: %w", b.off, err)
	}
	id := s.id
	if b.number == 0 {
		id = snapshotID{}
	}
	if binary.LittleEndian.Uint32(buf) != blockSum(id, buf) {
		return nil, s.corrupt(b.off, "block %d does not have its checksum", b.number)
	}
	if s.opt.Progress != nil {
		s.opt.Progress(s.done.Add(int64(n)), s.size)
	}
	return buf, nil
}

func (s *restorer) readHeader() error {
	b, err := s.load(&s.blocks[0], nil)
	if err != nil {
		return err
	}
	b = b[blockHead:]
	if bytes.HasPrefix(b, []byte(changesMagic)) {
		if b, err = s.readBase(b); err != nil {
			return err
		}
	}
	if !bytes.HasPrefix(b, []byte(snapshotMagic)) {
		return s.corrupt(0, "this is no snapshot")
	}
	r := binenc.NewReader(b[len(snapshotMagic):])
	if v := r.Uvarint(); r.Err() == nil && v != SnapshotVersion {
		return s.corrupt(0, "format version %d is unknown here (known: %d); a newer release wrote it", v, SnapshotVersion)
	}
	s.seq, s.time = r.Uvarint(), r.Varint()
	s.note = bytes.Clone(r.Bytes())
	count := r.Uvarint()
	for range count {
		if r.Err() != nil {
			break
		}
		number, records := r.Uvarint(), r.Uvarint()
		m := modelInfo{bytes: int64(r.Uvarint())}
		m.hash.hi, m.hash.lo = r.Fixed64(), r.Fixed64()
		if n := len(s.models); r.Err() == nil && (number > maxModels && number != uint64(KeyModel) || records > 1<<32-1 || m.bytes < 0 || n > 0 && number <= uint64(s.models[n-1].number)) {
			return s.corrupt(0, "model %d with %d records is out of order or range", number, records)
		}
		m.number, m.records = uint32(number), uint32(records)
		s.models = append(s.models, m)
	}
	if r.Err() != nil || r.Len() > 0 {
		return s.corrupt(0, "the header is malformed: %v", r.Err())
	}
	if len(s.models) == 0 || s.models[0].number != SchemaModel {
		return s.corrupt(0, "the header lists no declarations")
	}
	return nil
}

// restore reads rows, then orders, and puts the tables together.
func (s *restorer) restore() error {
	body := s.blocks[1 : len(s.blocks)-1]
	highest := len(s.models) - 1
	if highest > 0 && s.models[highest].number == KeyModel {
		highest--
	}
	s.tables, s.keys = make([]*table, s.models[highest].number+1), newKeys()
	s.tables[SchemaModel] = Empty().tables[SchemaModel]
	cut := 0
	for cut < len(body) && body[cut].model == SchemaModel {
		cut++
	}
	if err := s.readRows(body[:cut]); err != nil {
		return err
	}
	if err := s.declareAll(body[:cut]); err != nil {
		return err
	}
	body = body[cut:]
	if err := s.readRows(body); err != nil {
		return err
	}
	for _, m := range s.models {
		if m.number == SchemaModel {
			continue
		}
		of := blocksOf(body, m.number)
		if err := s.join(m, of); err != nil {
			return err
		}
		body = body[len(of):]
	}
	if len(body) > 0 {
		return s.corrupt(body[0].off, "a block of model %d, which the header does not list there", body[0].model)
	}
	return nil
}

// blocksOf returns the blocks of one model at the front.
func blocksOf(body []snapshotBlock, model uint32) []snapshotBlock {
	n := 0
	for n < len(body) && body[n].model == model {
		n++
	}
	return body[:n]
}

// declareAll makes the tables that the declarations describe.
func (s *restorer) declareAll(blocks []snapshotBlock) error {
	if err := s.join(s.models[0], blocks); err != nil {
		return err
	}
	for key, row := range s.tables[SchemaModel].rows.Ascend("") {
		d, err := model.ParseSchema(row.Bytes())
		if err != nil {
			return s.corrupt(s.blocks[1].off, "declaration %q: %v", key, err)
		}
		if key != SchemaKey(d.Model) || d.Number == SchemaModel || int(d.Number) >= len(s.tables) || s.tables[d.Number] != nil {
			return s.corrupt(s.blocks[1].off, "declaration %q has number %d, which cannot be", key, d.Number)
		}
		t := &table{schema: d}
		t.indexes, t.columns = indexesOf(d)
		s.tables[d.Number] = t
	}
	for _, m := range s.models {
		if s.table(m.number) == nil {
			return s.corrupt(0, "model %d is not declared", m.number)
		}
	}
	return nil
}

// each calls fn with every block for which pick is true, on several goroutines, and
// returns the error of the first block that has one.
func (s *restorer) each(blocks []snapshotBlock, pick func(b *snapshotBlock) bool, fn func(b *snapshotBlock, w *restoreWorker) error) error {
	var next atomic.Int64
	errs := make([]error, len(blocks))
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range min(s.opt.Workers, len(blocks)) {
		wg.Go(func() {
			var w restoreWorker
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= len(blocks) {
					return
				}
				if !pick(&blocks[i]) {
					continue
				}
				if errs[i] = fn(&blocks[i], &w); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// restoreWorker is memory that one goroutine uses again.
type restoreWorker struct {
	block   []byte
	keys    []byte
	ends    []int
	seqs    []uint64
	records [][]byte
	values  values
}

func (s *restorer) readRows(blocks []snapshotBlock) error {
	return s.each(blocks, func(b *snapshotBlock) bool { return b.kind == blockRows }, func(b *snapshotBlock, w *restoreWorker) (err error) {
		t := s.table(b.model)
		if t == nil {
			return s.corrupt(b.off, "model %d is not declared", b.model)
		}
		if w.block, err = s.load(b, w.block); err != nil {
			return err
		}
		r := binenc.NewReader(w.block[blockHead:])
		if err := s.listHead(b, &r); err != nil {
			return err
		}
		b.values = make([]blockValues, len(t.indexes))
		b.keys = make([]string, 0, b.count)
		for left := b.count; left > 0; left -= min(left, leafRows) {
			if err := w.group(b, &r, t, min(left, leafRows)); err != nil {
				return s.corrupt(b.off, "%v", err)
			}
		}
		if r.Len() > 0 || r.Err() != nil {
			return s.corrupt(b.off, "the rows do not fill their block")
		}
		return nil
	})
}

// listHead reads rank and count of a block of rows or of an order.
func (s *restorer) listHead(b *snapshotBlock, r *binenc.Reader) error {
	first, count := r.Uvarint(), r.Uvarint()
	least := uint64(1) // bytes of an item
	if b.kind == blockRows {
		least = 4
	}
	if r.Err() != nil || first > 1<<32 || count == 0 || count > uint64(b.size)/least {
		return s.corrupt(b.off, "a block of %d from rank %d on cannot be", count, first)
	}
	b.first, b.count = int(first), int(count)
	return nil
}

// maxShared is how many bytes of records share their memory at most.
const maxShared = 64 << 10

// group reads the next n rows, keys and records of which share an allocation each.
func (w *restoreWorker) group(b *snapshotBlock, r *binenc.Reader, t *table, n int) error {
	w.keys, w.ends, w.seqs, w.records = w.keys[:0], w.ends[:0], w.seqs[:0], w.records[:0]
	last, size, room := "", 0, 0
	if k := len(b.keys); k > 0 {
		last = b.keys[k-1]
	}
	for i := range n {
		share, rest := r.Uvarint(), r.Bytes()
		seq, rec := r.Uvarint(), r.Bytes()
		from := len(w.keys)
		prev := []byte(nil)
		if i > 0 {
			prev = w.keys[start(w.ends, i-1):w.ends[i-1]]
		}
		switch {
		case r.Err() != nil:
			return r.Err()
		case i == 0 && share > uint64(len(last)) || i > 0 && share > uint64(len(prev)):
			return errors.New("a key shares more than there is")
		case i == 0:
			w.keys = append(w.keys, last[:share]...)
		default:
			w.keys = append(w.keys, prev[:share]...)
		}
		w.keys = append(w.keys, rest...)
		w.ends, w.seqs, w.records = append(w.ends, len(w.keys)), append(w.seqs, seq), append(w.records, rec)
		size += len(rec) + len(w.keys) - from
		room += recordSize(seq, len(rec))
	}
	shared := size <= maxShared
	var arena []byte
	if shared {
		arena = make([]byte, 0, room)
	}
	keys, rows := string(w.keys), make([]Row, n)
	b.bytes += int64(size)
	for i := range n {
		rec := w.records[i]
		key := keys[start(w.ends, i):w.ends[i]]
		row := &rows[i]
		if !shared {
			arena = make([]byte, 0, recordSize(w.seqs[i], len(rec)))
		}
		at := len(arena)
		arena = appendRecord(arena, w.seqs[i], rec)
		row.record = recordOf(arena[at:len(arena):len(arena)])
		if err := b.built.Append(key, row); err != nil {
			return err
		}
		b.keys = append(b.keys, key)
		if err := b.extract(t, row, &w.values); err != nil {
			return err
		}
	}
	return nil
}

func start(ends []int, i int) int {
	if i == 0 {
		return 0
	}
	return ends[i-1]
}

// extract keeps what the row has in the indexed fields.
func (b *snapshotBlock) extract(t *table, row *Row, v *values) error {
	if err := v.read(t, row); err != nil {
		return err
	}
	for i := range t.indexes {
		x := &b.values[i]
		x.buf = append(x.buf, v.of(i)...)
		x.ends, x.in = append(x.ends, uint32(len(x.buf))), append(x.in, v.parts[i].in)
	}
	return nil
}

// join puts one model's table together.
func (s *restorer) join(m modelInfo, blocks []snapshotBlock) error {
	rows := 0
	for rows < len(blocks) && blocks[rows].kind == blockRows {
		rows++
	}
	t := s.table(m.number)
	orders := blocks[rows:]
	blocks = blocks[:rows]
	var parts []*btree.Builder[*Row]
	total := 0
	for i := range blocks {
		b := &blocks[i]
		if b.first != total {
			return s.corrupt(b.off, "rows from rank %d on, %d is due", b.first, total)
		}
		total += b.count
		t.bytes += b.bytes
		parts = append(parts, &b.built)
	}
	if uint32(total) != m.records || t.bytes != m.bytes {
		return s.corrupt(0, "model %d has %d records of %d bytes, the header says %d of %d", m.number, total, t.bytes, m.records, m.bytes)
	}
	tree, err := btree.Join(parts...)
	if err != nil {
		return s.corrupt(0, "model %d: %v", m.number, err)
	}
	t.rows, t.hash = tree, m.hash
	return s.joinIndexes(t, blocks, orders)
}

// VerifyHash computes every model's hash from its records and returns an error that names
// the first model whose hash is not the one carried along. It reads everything; more,
// when it is not nil, is asked now and then whether to go on.
func (r *Root) VerifyHash(more func() bool) error {
	var buf []byte
	for number, t := range r.tables {
		if t == nil {
			continue
		}
		var have, one sum
		n := 0
		for key, row := range t.rows.Ascend("") {
			one, buf = rowSum(buf, uint32(number), key, row.Bytes())
			have = have.plus(one)
			if n++; n%1024 == 0 && more != nil && !more() {
				return nil
			}
		}
		if have != t.hash {
			return fmt.Errorf("state: model %s (%d): its %d records do not have the hash that was carried along", t.schema.Model, number, n)
		}
	}
	return nil
}
