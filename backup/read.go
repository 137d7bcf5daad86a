package backup

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/jsonx"
)

// sink takes what a backup holds, checked by checksum, chain and order, in the order of
// SPEC.md. Slices are valid during the call only.
type sink interface {
	base(at eventlog.Position, snapshot int64) error
	snapshot(p []byte) error
	record(r *eventlog.Record, at eventlog.Position) error // at is the position behind it
	file(name string, size int64) error
	content(p []byte) error
}

// reader walks the blocks of a file. Core: it holds no file and keeps no clock.
type reader struct {
	r      io.Reader
	head   header
	opener *crypt.Opener // nil: not encrypted
	number uint64
	off    int64 // of the block that comes next
	at     int64 // of the block read last
	digest hash.Hash
	buf    bytes.Buffer
}

func (b *reader) damage(format string, args ...any) error {
	return &DamageError{Offset: b.at, Reason: fmt.Sprintf(format, args...)}
}

// header reads the front of the file.
func (b *reader) header(keys eventlog.KeyProvider) error {
	var h [headerSize]byte
	if _, err := io.ReadFull(b.r, h[:]); err != nil {
		return b.short(err)
	}
	if problem := b.head.decode(h[:]); problem != "" {
		return b.damage("%s", problem)
	}
	b.digest.Write(h[:])
	b.off = headerSize
	if b.head.key.KeyID == 0 {
		return nil
	}
	var err error
	if b.opener, err = crypt.NewOpener(keys, sealPurpose, b.head.key); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// short tells a file that ends from a reader that fails.
func (b *reader) short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return b.damage("the file ends here, before its end")
	}
	return fmt.Errorf("backup: %w", err)
}

// block reads a block, whose payload is valid until the next call. Memory grows with what
// is there, not with what a length claims.
func (b *reader) block() (kind uint32, payload []byte, err error) {
	b.at = b.off
	b.buf.Reset()
	if _, err := io.CopyN(&b.buf, b.r, blockHead); err != nil {
		return 0, nil, b.short(err)
	}
	size := int64(le.Uint32(b.buf.Bytes()[4:]))
	if size > maxBlock {
		return 0, nil, b.damage("a block of %d bytes; the limit is %d", size, maxBlock)
	}
	if _, err := io.CopyN(&b.buf, b.r, size); err != nil {
		return 0, nil, b.short(err)
	}
	p := b.buf.Bytes()
	if le.Uint32(p) != blockSum(b.head.id, b.number, p) {
		return 0, nil, b.damage("a block's checksum does not fit")
	}
	if kind = le.Uint32(p[8:]); kind != kindEnd {
		b.digest.Write(p)
	}
	payload = p[blockHead:]
	if b.opener != nil {
		place := blockPlace(b.head.id, b.number, kind)
		if payload, err = b.opener.Open(payload[crypt.NonceSize:crypt.NonceSize], payload, place); err != nil {
			return 0, nil, b.damage("%v", err)
		}
	}
	b.number++
	b.off += int64(len(p))
	return kind, payload, nil
}

// walk is the state of one reading.
type walk struct {
	reader
	sink  sink
	sum   Summary
	now   eventlog.Position // behind the last record
	stage uint32            // kind that the last block had
	left  int64             // bytes of the snapshot or file that are still to come
	end   end
	seq   uint64 // of the last transaction
}

// read walks a whole file into a sink.
func read(r io.Reader, keys eventlog.KeyProvider, to sink) (*walk, error) {
	w := &walk{reader: reader{r: r, digest: sha256.New()}, sink: to}
	if err := w.header(keys); err != nil {
		return w, err
	}
	w.sum.Made = time.Unix(0, w.head.made)
	for w.stage != kindEnd {
		kind, payload, err := w.block()
		if err != nil {
			return w, err
		}
		if err := w.take(kind, payload); err != nil {
			return w, err
		}
	}
	w.at = w.off
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return w, w.damage("bytes stand behind the end")
	} else if err != io.EOF {
		return w, fmt.Errorf("backup: %w", err)
	}
	w.sum.Bytes = w.off
	return w, nil
}

// follows says which kinds may come behind which.
var follows = map[uint32][]uint32{
	0:            {kindInfo},
	kindInfo:     {kindBase},
	kindBase:     {kindSnapshot, kindRecords, kindFile, kindEnd},
	kindSnapshot: {kindSnapshot, kindRecords, kindFile, kindEnd},
	kindRecords:  {kindRecords, kindFile, kindEnd},
	kindFile:     {kindContent, kindFile, kindEnd},
	kindContent:  {kindContent, kindFile, kindEnd},
}

func (w *walk) take(kind uint32, payload []byte) error {
	allowed := false
	for _, k := range follows[w.stage] {
		allowed = allowed || k == kind
	}
	more := kind == kindSnapshot || kind == kindContent
	if !allowed || more != (w.left > 0) {
		return w.damage("a block of kind %d does not belong here", kind)
	}
	w.stage = kind
	switch kind {
	case kindInfo:
		if err := jsonx.Unmarshal(payload, &w.sum.Info); err != nil {
			return w.damage("the info cannot be read: %v", err)
		}
		return nil
	case kindBase:
		return w.takeBase(payload)
	case kindSnapshot, kindContent:
		if w.left -= int64(len(payload)); w.left < 0 || len(payload) == 0 {
			return w.damage("there is more content than was announced, or none")
		}
		if kind == kindSnapshot {
			return w.sink.snapshot(payload)
		}
		return w.sink.content(payload)
	case kindRecords:
		return w.takeRecords(payload)
	case kindFile:
		return w.takeFile(payload)
	}
	return w.takeEnd(payload)
}

func (w *walk) takeBase(payload []byte) error {
	r := binenc.NewReader(payload)
	at, size := r.Bytes(), r.Uvarint()
	if r.Err() != nil || r.Len() > 0 || size > 1<<62 {
		return w.damage("the base cannot be read")
	}
	p, err := eventlog.ParsePosition(at)
	if err != nil {
		return w.damage("%v", err)
	}
	if (p.Index == 0) != (size == 0) {
		return w.damage("a base at log index %d with a snapshot of %d bytes", p.Index, size)
	}
	w.now, w.left = p, int64(size)
	return w.sink.base(p, w.left)
}

func (w *walk) takeRecords(payload []byte) error {
	for r := binenc.NewReader(payload); r.Len() > 0; {
		rec, err := readRecord(&r)
		if err != nil {
			return w.damage("a record cannot be read: %v", err)
		}
		if rec.Index != w.now.Index+1 {
			return w.damage("record %d follows record %d", rec.Index, w.now.Index)
		}
		if rec.Kind == engine.KindBatch {
			first, count, err := engine.EntrySpan(rec.Payload)
			if err != nil {
				return w.damage("record %d: %v", rec.Index, err)
			}
			w.seq = first + count - 1
		}
		w.now = w.now.Next(&rec)
		w.sum.Records++
		if err := w.sink.record(&rec, w.now); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) takeFile(payload []byte) error {
	r := binenc.NewReader(payload)
	name, size := r.String(), r.Uvarint()
	if r.Err() != nil || r.Len() > 0 || size > 1<<62 {
		return w.damage("the head of a file cannot be read")
	}
	if !fileName.MatchString(name) {
		return w.damage("%q is no name of a file in a backup", name)
	}
	w.left = int64(size)
	w.sum.Files++
	return w.sink.file(name, w.left)
}

func (w *walk) takeEnd(payload []byte) error {
	if err := w.end.decode(payload); err != nil {
		return w.damage("%v", err)
	}
	e := &w.end
	switch {
	case e.records != w.sum.Records || e.files != w.sum.Files:
		return w.damage("%d records and %d files, and the end says %d and %d", w.sum.Records, w.sum.Files, e.records, e.files)
	case e.at != w.now:
		return w.damage("the chain of the records does not end where it must")
	case !bytes.Equal(w.digest.Sum(nil), e.digest[:]):
		return w.damage("the digest of the whole file does not fit")
	case w.seq != 0 && w.seq != e.seq:
		return w.damage("the last transaction is %d, and the end says %d", w.seq, e.seq)
	}
	w.sum.Seq, w.sum.Hash, w.sum.Index = e.seq, e.hash, e.at.Index
	return nil
}

// checker is a sink that keeps nothing but the front of the snapshot.
type checker struct{}

func (checker) base(eventlog.Position, int64) error              { return nil }
func (checker) snapshot([]byte) error                            { return nil }
func (checker) record(*eventlog.Record, eventlog.Position) error { return nil }
func (checker) file(string, int64) error                         { return nil }
func (checker) content([]byte) error                             { return nil }

// Check reads a backup and says whether it is whole: every checksum, the chain of the
// records, the digest of the file. It builds no state, so it needs no more memory than a
// block; Restore with Options.DryRun does. Summary.Oldest is not set. // keys open an encrypted one.
//
// Errors: *[DamageError]; those of r and of the keys.
func Check(r io.Reader, keys eventlog.KeyProvider) (Summary, error) {
	w, err := read(r, keys, checker{})
	if err != nil {
		return Summary{}, err
	}
	return w.sum, nil
}
