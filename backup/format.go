package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"regexp"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
)

// FormatVersion is the version of the files that are written; others are refused.
const FormatVersion = 1

const (
	headerSize = 128
	blockHead  = 12
	blockBytes = 1 << 20 // a block is closed when its payload reaches this
	maxBlock   = 1<<30 + 1<<10
)

// The kinds of blocks.
const (
	kindInfo uint32 = 1 + iota
	kindBase
	kindSnapshot
	kindRecords
	kindFile
	kindContent
	kindEnd
)

var (
	magic      = [8]byte{'L', 'I', 'T', 'H', 'B', 'A', 'K', FormatVersion}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// Info says where a backup comes from. Nothing depends on it, but that a restore leaves Cluster behind, see [RestoredOf].
type Info struct {
	Name      string `json:"name,omitempty"`
	NodeID    string `json:"node_id,omitempty"`
	ClusterID string `json:"cluster_id,omitempty"`
	Release   string `json:"release,omitempty"`
	Cluster   uint64 `json:"cluster,omitempty"` // number that the name of the application's cluster stands for; 0: it stood alone
}

// header is the front of a file.
type header struct {
	id   [16]byte
	made int64        // Unix ns
	key  crypt.Header // zero: not encrypted
}

func (h *header) append(dst []byte) []byte {
	b := make([]byte, headerSize)
	copy(b, magic[:])
	copy(b[16:], h.id[:])
	le.PutUint64(b[32:], uint64(h.made))
	if h.key.KeyID != 0 {
		copy(b[40:], h.key.Append(nil))
	}
	le.PutUint32(b[124:], crc32.Checksum(b[:124], castagnoli))
	return append(dst, b...)
}

// decode returns why b is no header, or "".
func (h *header) decode(b []byte) (problem string) {
	switch {
	case string(b[:7]) != string(magic[:7]):
		return "this is no backup: the magic is missing"
	case b[7] != FormatVersion:
		return fmt.Sprintf("format version %d; this release knows %d", b[7], FormatVersion)
	case le.Uint32(b[124:]) != crc32.Checksum(b[:124], castagnoli):
		return "the header's checksum does not fit"
	case le.Uint32(b[8:]) != 0:
		return "flags are set that this release does not know"
	}
	if le.Uint32(b[40:]) != 0 {
		var err error
		if h.key, err = crypt.ParseHeader(b[40 : 40+crypt.HeaderSize]); err != nil {
			return err.Error()
		}
	}
	copy(h.id[:], b[16:])
	h.made = int64(le.Uint64(b[32:]))
	return ""
}

// sealPurpose keeps the keys of backups apart from those of other files.
const sealPurpose = "lithair/backup"

// blockPlace is what binds a sealed block to where it stands.
func blockPlace(id [16]byte, number uint64, kind uint32) []byte {
	b := append(make([]byte, 0, 28), id[:]...)
	b = le.AppendUint64(b, number)
	return le.AppendUint32(b, kind)
}

// blockSum is the checksum of the block with that number; b is its head and payload.
func blockSum(id [16]byte, number uint64, b []byte) uint32 {
	var front [24]byte
	copy(front[:], id[:])
	le.PutUint64(front[16:], number)
	return crc32.Update(crc32.Checksum(front[:], castagnoli), castagnoli, b[4:])
}

// redactedKind is added to the kind of a record whose payload is the digest of what it was.
const redactedKind = 1 << 8

func appendRecord(dst []byte, r *eventlog.Record) []byte {
	dst = binenc.AppendUvarint(dst, r.Index)
	dst = binenc.AppendUvarint(dst, r.Term)
	dst = binenc.AppendVarint(dst, r.Time)
	kind := uint64(r.Kind)
	if r.Redacted {
		kind |= redactedKind
	}
	dst = binenc.AppendUvarint(dst, kind)
	return binenc.AppendBytes(dst, r.Payload)
}

// readRecord reads what appendRecord wrote; the payload aliases the block.
func readRecord(b *binenc.Reader) (r eventlog.Record, err error) {
	r.Index, r.Term, r.Time = b.Uvarint(), b.Uvarint(), b.Varint()
	kind := b.Uvarint()
	r.Kind, r.Payload = uint8(kind), b.Bytes()
	r.Redacted = kind&redactedKind != 0
	switch err = b.Err(); {
	case err != nil:
	case kind >= 2*redactedKind:
		err = fmt.Errorf("record kind %d", kind)
	case r.Redacted && len(r.Payload) != sha256.Size:
		err = fmt.Errorf("a redacted record of %d bytes", len(r.Payload))
	}
	return r, err
}

// end is what the last block says.
type end struct {
	at      eventlog.Position
	seq     uint64
	hash    [16]byte
	records uint64
	files   uint64
	digest  [sha256.Size]byte
}

func (e *end) append(dst []byte) []byte {
	dst = binenc.AppendBytes(dst, e.at.Append(nil))
	dst = binenc.AppendUvarint(dst, e.seq)
	dst = binenc.AppendBytes(dst, e.hash[:])
	dst = binenc.AppendUvarint(dst, e.records)
	dst = binenc.AppendUvarint(dst, e.files)
	return binenc.AppendBytes(dst, e.digest[:])
}

func (e *end) decode(b []byte) (err error) {
	r := binenc.NewReader(b)
	at, seq, hash := r.Bytes(), r.Uvarint(), r.Bytes()
	records, files, digest := r.Uvarint(), r.Uvarint(), r.Bytes()
	if r.Err() != nil || r.Len() > 0 || len(hash) != len(e.hash) || len(digest) != len(e.digest) {
		return fmt.Errorf("the end cannot be read: %w", r.Err())
	}
	e.seq, e.records, e.files = seq, records, files
	copy(e.hash[:], hash)
	copy(e.digest[:], digest)
	e.at, err = eventlog.ParsePosition(at)
	return err
}

// fileName is what files in a backup may be called.
var fileName = regexp.MustCompile(`^(positions/[a-z0-9][a-z0-9_-]{0,63}\.pos|blobs/[0-9a-f]{2}/[0-9a-f]{64})$`)
