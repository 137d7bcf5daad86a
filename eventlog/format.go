package eventlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"github.com/lithair/lithair-go/internal/crypt"
)

// Record is an entry of the log.
type Record struct {
	Index   uint64 // position in the log, from 1, without gaps
	Term    uint64 // for a consensus layer above; opaque here
	Time    int64  // Unix ns; opaque here
	Kind    uint8  // opaque here
	Payload []byte

	Redacted bool // Payload is the SHA-256 digest of what it was; see Log.Redact
}

// digest returns what chain and roots bind of the payload: it stays what it is when the
// record is redacted.
func (r *Record) digest() Sum {
	if r.Redacted && len(r.Payload) == chainSize {
		return Sum(r.Payload)
	}
	return sha256.Sum256(r.Payload)
}

// FormatVersion is the version of the files this code writes and reads.
const FormatVersion = 3

const (
	headerSize = 4096 // of a segment; the first 256 bytes are used
	frameHead  = 48   // before a frame's records
	chainSize  = sha256.Size
	recordHead = 33 // before a record's payload
	frameAlign = 8

	frameMagic = 0x4C465242 // "BRFL" in the file
)

// The kinds of frames.
const (
	frameBatch    uint32 = 1 // records
	frameMark     uint32 = 2 // none: says that everything up to durable is so
	frameTruncate uint32 = 3 // none: what lies behind index durable is no longer there
)

var segmentMagic = [8]byte{'L', 'I', 'T', 'H', 'L', 'O', 'G', FormatVersion}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var le = binary.LittleEndian

// Sum is a value of the chain.
type Sum [chainSize]byte

// chain returns the value after r, given that before it:
// SHA-256(before | index | term | time | kind | SHA-256(payload)).
func (before *Sum) chain(r *Record) Sum {
	var head [recordHead - 8]byte
	r.putHead(head[:], r.Index)
	payload := r.digest()
	return before.link(head[:], &payload)
}

// next is chain, or before itself where there is no chain.
func (before *Sum) next(r *Record, loose bool) Sum {
	if loose {
		return *before
	}
	return before.chain(r)
}

// link is chain with the fields as they are encoded, and the payload's digest.
func (before *Sum) link(head []byte, payload *Sum) Sum {
	var b [chainSize + recordHead - 8 + chainSize]byte
	copy(b[:], before[:])
	copy(b[chainSize:], head)
	copy(b[chainSize+recordHead-8:], payload[:])
	return sha256.Sum256(b[:])
}

// segmentHeader is the first block of a segment.
//
//	0   magic "LITHLOG", version     8 bytes
//	8   flags: 1 compressed, 2 without a chain  4
//	12  zeros                        4
//	16  first index                  8
//	24  number of the first frame    8
//	32  salt, random per segment     8
//	40  chain value before it       32, zeros in an encrypted segment
//	72  key id, 0: not encrypted     4, with what follows a crypt.Header
//	76  salt of its key             32
//	108 check value of its key      16
//	124 the chain value, sealed     60, zeros in a segment that is not encrypted
//	184 zeros                       68
//	252 CRC-32C of the above         4
//	256 zeros                     3840
type segmentHeader struct {
	first  uint64
	frame  uint64
	salt   uint64
	packed bool         // it was compressed
	loose  bool         // of a log without a chain: chain values are zeros
	chain  Sum          // of an encrypted segment that was read: known once it is unlocked
	key    crypt.Header // zero: not encrypted
	sealed [sealedChainSize]byte
}

const (
	flagPacked      = 1
	flagLoose       = 2
	headerBound     = 40 // so many bytes of the header are bound to the sealed chain value
	headerKey       = 72
	headerSealed    = headerKey + crypt.HeaderSize
	sealedChainSize = chainSize + crypt.Overhead
	headerZeros     = headerSealed + sealedChainSize
	headerCRC       = 252
)

// encrypted says whether the segment's frames are sealed.
func (h *segmentHeader) encrypted() bool { return h.key.KeyID != 0 }

// appendBound appends what a sealed chain value is bound to, the header's beginning.
func (h *segmentHeader) appendBound(b []byte) []byte {
	b = append(b, segmentMagic[:]...)
	flags := uint64(0)
	if h.packed {
		flags |= flagPacked
	}
	if h.loose {
		flags |= flagLoose
	}
	b = le.AppendUint64(b, flags)
	b = le.AppendUint64(b, h.first)
	b = le.AppendUint64(b, h.frame)
	return le.AppendUint64(b, h.salt)
}

func (h *segmentHeader) encode() []byte {
	b := make([]byte, headerSize)
	h.appendBound(b[:0])
	if h.encrypted() {
		h.key.Append(b[headerKey:headerKey])
		copy(b[headerSealed:], h.sealed[:])
	} else {
		copy(b[headerBound:], h.chain[:])
	}
	le.PutUint32(b[headerCRC:], checksum(b[:headerCRC]))
	return b
}

// decode returns why b is no segment header, or "".
func (h *segmentHeader) decode(b []byte) (problem string) {
	switch {
	case len(b) < headerSize:
		return "the file is shorter than its header"
	case string(b[:7]) != string(segmentMagic[:7]):
		return "this is no log segment: the magic is missing"
	case b[7] != FormatVersion:
		return "the format version is not the one that this release reads"
	case le.Uint32(b[headerCRC:]) != checksum(b[:headerCRC]):
		return "the header's checksum does not fit"
	case le.Uint64(b[8:])&^(flagPacked|flagLoose) != 0:
		return "flags are set that this release does not know"
	case !allZero(b[headerZeros:headerCRC]) || !allZero(b[headerCRC+4:headerSize]):
		return "bytes that must be zero are not"
	}
	h.packed, h.loose = b[8]&flagPacked != 0, b[8]&flagLoose != 0
	h.first, h.frame, h.salt = le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:])
	if allZero(b[headerKey : headerKey+4]) {
		copy(h.chain[:], b[headerBound:])
		if !allZero(b[headerKey:headerZeros]) {
			return "a segment without a key has what belongs to one"
		}
		return ""
	}
	key, err := crypt.ParseHeader(b[headerKey:headerSealed])
	if err != nil || !allZero(b[headerBound:headerKey]) {
		return "what belongs to the key cannot be read"
	}
	h.key = key
	copy(h.sealed[:], b[headerSealed:])
	return ""
}

// A frame is what is written and synced at once:
//
//	0  magic "BRFL"                           4 bytes
//	4  CRC-32C of salt and all that follows   4
//	8  length of the records                  4
//	12 number of records                      4
//	16 frame number, from 1 without gaps      8
//	24 durable index when it was written      8
//	32 first index                            8
//	40 kind of frame                          4
//	44 CRC-32C of salt and bytes 8 to 43      4
//	48 records
//	   chain value after the last one        32
//	   zeros up to a multiple of 8
//
// In an encrypted segment records and chain value are sealed together, which makes them
// crypt.Overhead bytes longer; bytes 8 to 43 are bound to them. The length stays that of
// the records, and the checksum covers what stands in the file.
//
// and a record:
//
//	0  length of the payload   4, with bit 31 set where it is a digest
//	4  CRC-32C of what follows 4
//	8  index                   8
//	16 term                    8
//	24 time                    8
//	32 kind                    1
//	33 payload
type frame struct {
	kind    uint32
	number  uint64
	durable uint64
	first   uint64
	count   uint32
	records []byte
	chain   Sum
	size    int64 // in the file, padding included; of the pack that it is in
	packed  bool  // it is in a pack
}

// appendRecord appends a record, under an index.
func appendRecord(dst []byte, index uint64, r *Record) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	b := dst[at:]
	length := uint32(len(r.Payload))
	if r.Redacted {
		length |= flagRedacted
	}
	le.PutUint32(b, length)
	r.putHead(b[8:], index)
	dst = append(dst, r.Payload...)
	le.PutUint32(dst[at+4:], checksum(dst[at+8:]))
	return dst
}

// flagRedacted in a record's length says that its payload was replaced by its digest.
const flagRedacted = 1 << 31

// recordSize is the size of the record at the start of b.
func recordSize(b []byte) int { return recordHead + int(le.Uint32(b)&^flagRedacted) }

// putHead encodes what the chain binds besides the payload.
func (r *Record) putHead(b []byte, index uint64) {
	le.PutUint64(b, index)
	le.PutUint64(b[8:], r.Term)
	le.PutUint64(b[16:], uint64(r.Time))
	b[24] = r.Kind
}

// parse reads the record at the start of b, whose checksum the caller looks at or need
// not: the frame's covers it too. problem says why there is none.
func (r *Record) parse(b []byte) (size int, problem string) {
	if len(b) < recordHead {
		return 0, "a record is cut off"
	}
	redacted := le.Uint32(b)&flagRedacted != 0
	size = recordSize(b)
	if size > len(b) {
		return 0, "a record's length passes the frame"
	}
	if redacted && size != recordHead+chainSize {
		return 0, "a redacted record does not hold a digest"
	}
	r.Index, r.Term, r.Time, r.Kind = le.Uint64(b[8:]), le.Uint64(b[16:]), int64(le.Uint64(b[24:])), b[32]
	r.Payload, r.Redacted = b[recordHead:size:size], redacted
	return size, ""
}

// putFrameHead writes a frame's head into b, but for its checksums. n is the length of the
// records.
func putFrameHead(b []byte, n int, f *frame) {
	le.PutUint32(b, frameMagic)
	le.PutUint32(b[8:], uint32(n))
	le.PutUint32(b[12:], f.count)
	le.PutUint64(b[16:], f.number)
	le.PutUint64(b[24:], f.durable)
	le.PutUint64(b[32:], f.first)
	le.PutUint32(b[40:], f.kind)
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// saltedCRC is the checksum of the salt's 8 bytes and b. The salt is worked in here by the
// table, since bytes handed to crc32 would have to be allocated.
func saltedCRC(salt uint64, b []byte) uint32 {
	crc := ^uint32(0)
	for range 8 {
		crc = castagnoli[byte(crc)^byte(salt)] ^ crc>>8
		salt >>= 8
	}
	return crc32.Update(^crc, castagnoli, b)
}

// allZero compares b with itself, one byte apart, which runs at the speed of memory.
func allZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}

// time returns the first record's; the batch is valid and has one.
func (f *frame) time() int64 {
	if len(f.records) < recordHead {
		return 0
	}
	return int64(le.Uint64(f.records[24:]))
}

// iterator goes through the records of a batch whose checksum fits.
type iterator struct {
	rec     Record // the one that next has found
	problem string // why there are no more; "" at the end of a whole batch
	rest    []byte
	index   uint64 // of the next record
	left    uint32
}

func (f *frame) iterate() iterator { return iterator{rest: f.records, index: f.first, left: f.count} }

// next reads the next record; false when there is none.
func (it *iterator) next() bool {
	if it.left == 0 {
		if len(it.rest) > 0 {
			it.problem = "bytes are left behind the last record"
		}
		return false
	}
	size, problem := it.rec.parse(it.rest)
	if problem == "" && it.rec.Index != it.index {
		problem = "record indexes do not continue"
	}
	if problem != "" {
		it.problem = problem
		return false
	}
	it.rest, it.index, it.left = it.rest[size:], it.index+1, it.left-1
	return true
}

// eachRecord calls fn with the records of a batch whose checksum fits; problem says what
// is wrong.
func (f *frame) eachRecord(fn func(r Record) error) (problem string, err error) {
	it := f.iterate()
	for it.next() {
		if err := fn(it.rec); err != nil {
			return "", err
		}
	}
	return it.problem, nil
}

// eachWholeRecord is eachRecord that looks at the checksum of each record too.
func (f *frame) eachWholeRecord(fn func(r Record) error) (problem string, err error) {
	b, unfit := f.records, false
	problem, err = f.eachRecord(func(r Record) error {
		size := recordHead + len(r.Payload)
		unfit = unfit || le.Uint32(b[4:]) != checksum(b[8:size])
		b = b[size:]
		return fn(r)
	})
	if problem == "" && err == nil && unfit {
		problem = "a record's checksum does not fit"
	}
	return problem, err
}
