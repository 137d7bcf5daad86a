package backup

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
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

// Source is what a backup is made of.
type Source struct {
	Info     Info
	Keys     eventlog.KeyProvider // seal the file; nil: it is not encrypted
	Base     eventlog.Position    // the records begin behind it
	Snapshot io.ReaderAt          // of the state there; nil when Base is the zero value
	Size     int64                // of the snapshot, in bytes
	Records  func(fn func(r eventlog.Record) error) error
	Files    []File
	End      eventlog.Position // of the last record
	Seq      uint64            // of the state there
	Hash     [16]byte          // of the state there
}

// File is a file beside the log. Name is as SPEC.md says.
type File struct {
	Name string
	Open func() (r io.ReadCloser, size int64, err error)
}

// Summary is what a backup holds.
type Summary struct {
	Info    Info
	Made    time.Time
	Oldest  uint64 // sequence that a restore can go back to
	Seq     uint64 // newest
	Hash    [16]byte
	Index   uint64 // log index of the newest record
	Records uint64
	Files   uint64
	Bytes   int64 // of the file
}

// Of returns the source that an export is; files are added to it by the caller. It is
// valid as long as the export.
func Of(x *engine.Export, info Info) *Source {
	s := &Source{Info: info, Base: x.Base, Records: x.Records, End: x.End, Seq: x.Root.Seq(), Hash: x.Root.Hash()}
	s.Snapshot, s.Size = x.Snapshot, x.Size
	return s
}

// Write writes a backup. Memory is bounded by a block (1 MiB, or the largest record).
//
// Errors: those of w and of the source; a file with a name that is not allowed.
func Write(w io.Writer, src *Source) (Summary, error) {
	if src.End.Index > 0 && src.End.Chain == (eventlog.Sum{}) {
		return Summary{}, fmt.Errorf("backup: %w, by which a restore knows that nothing is missing", eventlog.ErrNoChain)
	}
	b := &writer{w: w, digest: sha256.New(), head: header{made: time.Now().UnixNano()}}
	if _, err := rand.Read(b.head.id[:]); err != nil {
		return Summary{}, fmt.Errorf("backup: %w", err)
	}
	if src.Keys != nil {
		s, err := crypt.NewSealer(src.Keys, sealPurpose, nil)
		if err != nil {
			return Summary{}, fmt.Errorf("backup: %w", err)
		}
		b.sealer, b.head.key = s, s.Header()
	}
	b.raw(b.head.append(nil))
	info, err := jsonx.Marshal(src.Info)
	if err != nil {
		return Summary{}, fmt.Errorf("backup: %w", err)
	}
	b.block(kindInfo, info)
	b.block(kindBase, binenc.AppendUvarint(binenc.AppendBytes(nil, src.Base.Append(nil)), uint64(src.Size)))
	if src.Snapshot != nil {
		b.content(kindSnapshot, io.NewSectionReader(src.Snapshot, 0, src.Size), src.Size)
	}
	e := end{at: src.End, seq: src.Seq, hash: src.Hash}
	e.records = b.records(src)
	for _, f := range src.Files {
		b.file(f)
		e.files++
	}
	b.digest.Sum(e.digest[:0])
	b.block(kindEnd, e.append(nil))
	return Summary{Info: src.Info, Made: time.Unix(0, b.head.made), Seq: src.Seq, Hash: src.Hash, Index: src.End.Index, Records: e.records, Files: e.files, Bytes: b.off}, b.err
}

// writer puts blocks together. Its error is sticky.
type writer struct {
	w      io.Writer
	digest hash.Hash
	head   header
	sealer *crypt.Sealer // nil: not encrypted
	number uint64
	off    int64
	buf    []byte // the last block
	err    error
}

func (b *writer) fail(err error) {
	if b.err == nil {
		b.err = fmt.Errorf("backup: %w", err)
	}
}

func (b *writer) raw(p []byte) {
	if b.err != nil {
		return
	}
	b.digest.Write(p)
	n, err := b.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if b.off += int64(n); err != nil {
		b.fail(err)
	}
}

func (b *writer) block(kind uint32, payload []byte) {
	if len(payload) > maxBlock {
		b.fail(fmt.Errorf("a block of %d bytes; the limit is %d", len(payload), maxBlock))
		return
	}
	p := append(b.buf[:0], make([]byte, blockHead)...)
	le.PutUint32(p[8:], kind)
	if b.sealer == nil {
		p = append(p, payload...)
	} else {
		var err error
		if p, err = b.sealer.Seal(p, payload, blockPlace(b.head.id, b.number, kind)); err != nil {
			b.fail(err)
			return
		}
	}
	le.PutUint32(p[4:], uint32(len(p)-blockHead))
	le.PutUint32(p, blockSum(b.head.id, b.number, p))
	b.raw(p)
	b.buf, b.number = p, b.number+1
}

// content writes exactly size bytes of r.
func (b *writer) content(kind uint32, r io.Reader, size int64) {
	buf := make([]byte, blockBytes)
	for size > 0 && b.err == nil {
		n, err := io.ReadFull(r, buf[:min(size, blockBytes)])
		if err != nil {
			b.fail(err)
			return
		}
		b.block(kind, buf[:n])
		size -= int64(n)
	}
}

func (b *writer) records(src *Source) (count uint64) {
	var buf []byte
	err := src.Records(func(r eventlog.Record) error {
		if len(buf) > 0 && len(buf)+len(r.Payload) > blockBytes {
			b.block(kindRecords, buf)
			buf = buf[:0]
		}
		buf = appendRecord(buf, &r)
		count++
		return b.err
	})
	if err != nil && b.err == nil {
		b.fail(err)
	}
	if len(buf) > 0 {
		b.block(kindRecords, buf)
	}
	return count
}

func (b *writer) file(f File) {
	if b.err != nil {
		return
	}
	if !fileName.MatchString(f.Name) {
		b.fail(fmt.Errorf("%q is no name of a file in a backup", f.Name))
		return
	}
	r, size, err := f.Open()
	if err != nil {
		b.fail(err)
		return
	}
	b.block(kindFile, binenc.AppendUvarint(binenc.AppendString(nil, f.Name), uint64(size)))
	b.content(kindContent, r, size)
	if err := r.Close(); err != nil {
		b.fail(errors.Join(fmt.Errorf("%s", f.Name), err))
	}
}
