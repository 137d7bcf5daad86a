package eventlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
)

// Record is an entry of the log.
type Record struct {
	Index   uint64 // position in the log, from 1, without gaps
	Term    uint64 // for a consensus layer above; opaque here
	Time    int64  // Unix ns; opaque here
	Kind    uint8  // opaque here
	Payload []byte
}

// FormatVersion is the version of the files this code writes and reads.
const FormatVersion = 2

const (
	headerSize = 4096 // of a segment; the first 124 bytes are used
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
	payload := Sum(sha256.Sum256(r.Payload))
	return before.link(head[:], &payload)
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
//	0  magic "LITHLOG", version      8 bytes
//	8  flags, 0                      4
//	12 key id, 0: not encrypted      4
//	16 first index                   8
//	24 number of the first frame     8
//	32 salt, random per segment      8
//	40 chain value before it        32
//	72 zeros                        52
//	124 CRC-32C of the above         4
//	128 zeros                     3968
type segmentHeader struct {
	first uint64
	frame uint64
	salt  uint64
	chain Sum
}

func (h *segmentHeader) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, segmentMagic[:])
	le.PutUint64(b[16:], h.first)
	le.PutUint64(b[24:], h.frame)
	le.PutUint64(b[32:], h.salt)
	copy(b[40:], h.chain[:])
	le.PutUint32(b[124:], checksum(b[:124]))
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
		return "the format version is unknown here; a newer release wrote it"
	case le.Uint32(b[124:]) != checksum(b[:124]):
		return "the header's checksum does not fit"
	case le.Uint32(b[8:]) != 0 || le.Uint32(b[12:]) != 0:
		return "flags or key id are set, which this release does not know"
	case !allZero(b[72:124]) || !allZero(b[128:headerSize]):
		return "bytes that must be zero are not"
	}
	h.first, h.frame, h.salt = le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:])
	copy(h.chain[:], b[40:])
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
// and a record:
//
//	0  length of the payload   4
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
	size    int64 // in the file, padding included
}

func frameSize(records int64) int64 {
	return (frameHead + records + chainSize + frameAlign - 1) &^ (frameAlign - 1)
}

// appendRecord appends a record, under an index.
func appendRecord(dst []byte, index uint64, r *Record) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	b := dst[at:]
	le.PutUint32(b, uint32(len(r.Payload)))
	r.putHead(b[8:], index)
	dst = append(dst, r.Payload...)
	le.PutUint32(dst[at+4:], checksum(dst[at+8:]))
	return dst
}

// putHead encodes what the chain binds besides the payload.
func (r *Record) putHead(b []byte, index uint64) {
	le.PutUint64(b, index)
	le.PutUint64(b[8:], r.Term)
	le.PutUint64(b[16:], uint64(r.Time))
	b[24] = r.Kind
}

// parseRecord reads the record at the start of b, whose checksum the caller looks at or
// need not: the frame's covers it too. problem says why there is none.
func parseRecord(b []byte) (r Record, size int, problem string) {
	if len(b) < recordHead {
		return r, 0, "a record is cut off"
	}
	n := le.Uint32(b)
	if uint64(n) > uint64(len(b)-recordHead) {
		return r, 0, "a record's length passes the frame"
	}
	size = recordHead + int(n)
	r = Record{Index: le.Uint64(b[8:]), Term: le.Uint64(b[16:]), Time: int64(le.Uint64(b[24:])), Kind: b[32], Payload: b[recordHead:size:size]}
	return r, size, ""
}

// finishFrame completes the frame in b, whose records stand from frameHead on.
func finishFrame(b []byte, f *frame, salt uint64) []byte {
	n := len(b) - frameHead
	b = append(b, f.chain[:]...)
	b = append(b, make([]byte, frameSize(int64(n))-int64(len(b)))...)
	le.PutUint32(b, frameMagic)
	le.PutUint32(b[8:], uint32(n))
	le.PutUint32(b[12:], f.count)
	le.PutUint64(b[16:], f.number)
	le.PutUint64(b[24:], f.durable)
	le.PutUint64(b[32:], f.first)
	le.PutUint32(b[40:], f.kind)
	le.PutUint32(b[44:], saltedCRC(salt, b[8:44]))
	le.PutUint32(b[4:], saltedCRC(salt, b[8:]))
	return b
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

// parseHead reads a frame's head from b, of which it looks at the first frameHead bytes.
// room is how many bytes the segment has from there on. The head has a checksum of its
// own, so its length is not trusted before it is known to be ours, and a look for a later
// frame costs no more than its head.
func parseHead(b []byte, room int64, salt uint64) (f frame, problem string) {
	switch {
	case len(b) < frameHead || room < frameHead:
		return f, "the segment ends inside a frame"
	case le.Uint32(b) != frameMagic:
		return f, "no frame begins here"
	case le.Uint32(b[44:]) != saltedCRC(salt, b[8:44]):
		return f, "the checksum of a frame's head does not fit"
	}
	f.size = frameSize(int64(le.Uint32(b[8:])))
	if f.size > room {
		return f, "a frame's length passes the segment"
	}
	f.count, f.number, f.durable = le.Uint32(b[12:]), le.Uint64(b[16:]), le.Uint64(b[24:])
	f.first, f.kind = le.Uint64(b[32:]), le.Uint32(b[40:])
	return f, ""
}

// parseFrame reads the frame at the start of b; problem is "" for a valid frame.
func parseFrame(b []byte, salt uint64) (f frame, problem string) {
	f, problem = parseHead(b, int64(len(b)), salt)
	if problem != "" {
		return f, problem
	}
	if le.Uint32(b[4:]) != saltedCRC(salt, b[8:f.size]) {
		return f, "a frame's checksum does not fit"
	}
	n := int64(le.Uint32(b[8:]))
	if !allZero(b[frameHead+n+chainSize : f.size]) {
		return f, "a frame's padding is not zero"
	}
	f.records = b[frameHead : frameHead+n : frameHead+n]
	copy(f.chain[:], b[frameHead+n:])
	return f, ""
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

// eachRecord calls fn with the records of a batch whose checksum fits; problem says what
// is wrong.
func (f *frame) eachRecord(fn func(r Record) error) (problem string, err error) {
	b, want := f.records, f.first
	for range f.count {
		r, size, problem := parseRecord(b)
		if problem != "" {
			return problem, nil
		}
		if r.Index != want {
			return "record indexes do not continue", nil
		}
		if err := fn(r); err != nil {
			return "", err
		}
		b, want = b[size:], want+1
	}
	if len(b) > 0 {
		return "bytes are left behind the last record", nil
	}
	return "", nil
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
