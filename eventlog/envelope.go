package eventlog

import (
	"fmt"

	"github.com/lithair/lithair-go/internal/crypt"
)

// KeyProvider knows the keys of encrypted logs; internal/crypt has providers for a file,
// the environment and callbacks.
type KeyProvider = crypt.KeyProvider

// purpose keeps keys of log segments apart from those of other files.
const purpose = "lithair log segment"

// envelope is what a segment puts around its frames: a salt in every checksum, and
// AES-256-GCM where the segment is encrypted.
//
// A segment is sealed by the process that began it, and by no other: which nonces were
// used for bytes that a crash or a truncation took away, nobody knows. So a log that is
// opened again goes on in a new segment. Within a process a nonce is never given out
// twice, not even for a frame that was refused and is written once more.
type envelope struct {
	salt   uint64
	opener *crypt.Opener // nil: not encrypted
	sealer *crypt.Sealer // nil: not encrypted, or begun by another process
}

// lock makes the header of a new segment that of an encrypted one, and returns what its
// frames are sealed with.
func (h *segmentHeader) lock(keys KeyProvider, salt func() uint64) (envelope, error) {
	e := envelope{salt: h.salt}
	if keys == nil {
		return e, nil
	}
	sealer, err := crypt.NewSealer(keys, purpose, saltReader(salt))
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	h.key = sealer.Header()
	sealed, err := sealer.Seal(h.sealed[:0], h.chain[:], h.appendBound(nil))
	if err != nil {
		return e, err
	}
	copy(h.sealed[:], sealed)
	e.opener, e.sealer = sealer.Opener(), sealer
	return e, nil
}

// unlock returns what the frames of a segment that was read are opened with, and fills in
// the chain value. problem says why the header is damaged; an error that there is no key
// for it, or a wrong one.
func (h *segmentHeader) unlock(keys KeyProvider) (e envelope, problem string, err error) {
	e.salt = h.salt
	if !h.encrypted() {
		return e, "", nil
	}
	if e.opener, err = crypt.NewOpener(keys, purpose, h.key); err != nil {
		return e, "", err
	}
	chain, err := e.opener.Open(nil, h.sealed[:], h.appendBound(nil))
	if err != nil || len(chain) != chainSize {
		return e, "the header's sealed chain value does not open", nil
	}
	h.chain = Sum(chain)
	return e, "", nil
}

// saltReader reads random bytes from a source of numbers.
type saltReader func() uint64

func (r saltReader) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		var b [8]byte
		le.PutUint64(b[:], r())
		copy(p[i:], b[:])
	}
	return len(p), nil
}

// body is how many bytes of a frame with so many bytes of records stand between its head
// and its padding.
func (e *envelope) body(records int64) int64 {
	n := records + chainSize
	if e.opener != nil {
		n += crypt.Overhead
	}
	return n
}

// frameSize is the size in the file of a frame with so many bytes of records.
func (e *envelope) frameSize(records int64) int64 {
	return (frameHead + e.body(records) + frameAlign - 1) &^ (frameAlign - 1)
}

// finish completes the frame in b, whose records stand from frameHead on. It returns b,
// which may have grown, and what goes into the file: b itself, or a sealed copy in the
// memory of out.
func (e *envelope) finish(b []byte, f *frame, out []byte) (grown, file []byte, err error) {
	n := len(b) - frameHead
	b = append(b, f.chain[:]...)
	putFrameHead(b, n, f)
	file = b
	if e.sealer != nil {
		file, err = e.sealer.Seal(append(out[:0], b[:frameHead]...), b[frameHead:], b[8:44])
		if err != nil {
			return b, nil, err
		}
	}
	file = append(file, make([]byte, e.frameSize(int64(n))-int64(len(file)))...)
	le.PutUint32(file[44:], saltedCRC(e.salt, file[8:44]))
	le.PutUint32(file[4:], saltedCRC(e.salt, file[8:]))
	if e.sealer == nil {
		b = file
	}
	return b, file, nil
}

// parseHead reads a frame's head from b, of which it looks at the first frameHead bytes.
// room is how many bytes the segment has from there on. The head has a checksum of its
// own, so its length is not trusted before it is known to be ours, and a look for a later
// frame costs no more than its head.
func (e *envelope) parseHead(b []byte, room int64) (f frame, problem string) {
	switch {
	case len(b) < frameHead || room < frameHead:
		return f, "the segment ends inside a frame"
	case le.Uint32(b) != frameMagic:
		return f, "no frame begins here"
	case le.Uint32(b[44:]) != saltedCRC(e.salt, b[8:44]):
		return f, "the checksum of a frame's head does not fit"
	}
	f.size = e.frameSize(int64(le.Uint32(b[8:])))
	if f.size > room {
		return f, "a frame's length passes the segment"
	}
	f.count, f.number, f.durable = le.Uint32(b[12:]), le.Uint64(b[16:]), le.Uint64(b[24:])
	f.first, f.kind = le.Uint64(b[32:]), le.Uint32(b[40:])
	return f, ""
}

// parse reads the frame at the start of b; problem is "" for a valid frame. What was
// sealed is opened into plain, which the frame then points into, as it does into b
// otherwise.
func (e *envelope) parse(b []byte, plain *[]byte) (f frame, problem string) {
	f, problem = e.parseHead(b, int64(len(b)))
	if problem != "" {
		return f, problem
	}
	if le.Uint32(b[4:]) != saltedCRC(e.salt, b[8:f.size]) {
		return f, "a frame's checksum does not fit"
	}
	n := int64(le.Uint32(b[8:]))
	end := frameHead + e.body(n)
	if !allZero(b[end:f.size]) {
		return f, "a frame's padding is not zero"
	}
	body := b[frameHead:end]
	if e.opener != nil {
		var err error
		if *plain, err = e.opener.Open((*plain)[:0], body, b[8:44]); err != nil {
			return f, "a frame does not open: it was not sealed for this place under this key"
		}
		body = *plain
	}
	f.records = body[:n:n]
	copy(f.chain[:], body[n:])
	return f, ""
}
