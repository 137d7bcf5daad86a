package consensus

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/lithair/lithair-go/binenc"
)

// The encoding of a message, for whoever carries it; lengths and sums of frames are the
// carrier's. Numbers are varints in their shortest form:
//
//	version(1) kind(1) flags(1) group from to term index logterm hint hintterm match commit seq
//	incarnation offset checksum
//	count { index term zigzag(time) kind length data }
//	if flags&snapshot: index term zigzag(time) size length sum length membership
//	length data
//	count { id }
//
// To the kind of an entry that is redacted, redactedKind is added.
const messageVersion = 1

const redactedKind = 1 << 8

const (
	flagReject = 1 << iota
	flagTransfer
	flagLast
	flagSnapshot
)

// ErrEncoding is returned for bytes that are no message.
var ErrEncoding = errors.New("consensus: not an encoded message")

// AppendMessage appends the encoding of m.
func AppendMessage(b []byte, m *Message) []byte {
	flags := byte(0)
	for i, f := range [...]bool{m.Reject, m.Transfer, m.Last, m.Snapshot != nil} {
		if f {
			flags |= 1 << i
		}
	}
	b = append(b, messageVersion, byte(m.Kind), flags)
	for _, v := range [...]uint64{m.Group, uint64(m.From), uint64(m.To), m.Term, m.Index, m.LogTerm, m.Hint, m.HintTerm, m.Match, m.Commit, m.Seq, m.Incarnation, m.Offset, uint64(m.Checksum)} {
		b = binenc.AppendUvarint(b, v)
	}
	b = binenc.AppendUvarint(b, uint64(len(m.Entries)))
	for i := range m.Entries {
		b = appendEntry(b, &m.Entries[i])
	}
	if s := m.Snapshot; s != nil {
		b = appendSnapshot(b, s)
	}
	b = binenc.AppendBytes(b, m.Data)
	b = binenc.AppendUvarint(b, uint64(len(m.Reads)))
	for _, id := range m.Reads {
		b = binenc.AppendUvarint(b, id)
	}
	return b
}

func appendEntry(b []byte, e *Entry) []byte {
	b = binenc.AppendUvarint(b, e.Index)
	b = binenc.AppendUvarint(b, e.Term)
	kind := uint64(e.Kind)
	if e.Redacted {
		kind |= redactedKind
	}
	b = binenc.AppendUvarint(binenc.AppendVarint(b, e.Time), kind)
	return binenc.AppendBytes(b, e.Data)
}

func appendSnapshot(b []byte, s *Snapshot) []byte {
	b = binenc.AppendUvarint(b, s.Index)
	b = binenc.AppendUvarint(b, s.Term)
	b = binenc.AppendVarint(b, s.Time)
	b = binenc.AppendBytes(binenc.AppendUvarint(b, s.Size), s.Sum[:])
	return binenc.AppendBytes(b, AppendMembership(nil, s.Membership))
}

// ParseMessage reads what AppendMessage wrote, all of b. Data in the message lies in b,
// which must stay as it is.
func ParseMessage(b []byte) (m Message, err error) {
	if len(b) < 3 || b[0] != messageVersion || b[2] >= flagSnapshot<<1 {
		return m, fmt.Errorf("%w of version %d", ErrEncoding, messageVersion)
	}
	r := binenc.NewReader(b[3:])
	flags := b[2]
	m.Kind, m.Reject, m.Transfer, m.Last = MessageKind(b[1]), flags&flagReject != 0, flags&flagTransfer != 0, flags&flagLast != 0
	m.Group, m.From, m.To, m.Term = r.Uvarint(), NodeID(r.Uvarint()), NodeID(r.Uvarint()), r.Uvarint()
	m.Index, m.LogTerm, m.Hint, m.HintTerm = r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint()
	m.Match, m.Commit, m.Seq, m.Incarnation, m.Offset = r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint()
	sum := r.Uvarint()
	m.Checksum = uint32(sum)
	n, fits := elements(&r, 5)
	sound := fits && sum <= 1<<32-1
	if n > 0 {
		m.Entries = make([]Entry, n)
		for i := range m.Entries {
			e := &m.Entries[i]
			e.Index, e.Term, e.Time = r.Uvarint(), r.Uvarint(), r.Varint()
			kind := r.Uvarint()
			e.Kind, e.Redacted, e.Data = uint8(kind), kind&redactedKind != 0, data(&r)
			sound = sound && kind < 2*redactedKind && (!e.Redacted || len(e.Data) == sha256.Size)
		}
	}
	if flags&flagSnapshot != 0 {
		s := &Snapshot{Index: r.Uvarint(), Term: r.Uvarint(), Time: r.Varint(), Size: r.Uvarint()}
		sound = copy(s.Sum[:], r.Bytes()) == len(s.Sum) && sound
		if s.Membership, err = ParseMembership(r.Bytes()); err != nil {
			return Message{}, fmt.Errorf("%w: %w", ErrEncoding, err)
		}
		m.Snapshot = s
	}
	m.Data = data(&r)
	n, fits = elements(&r, 1)
	if n > 0 {
		m.Reads = make([]uint64, n)
		for i := range m.Reads {
			m.Reads[i] = r.Uvarint()
		}
	}
	switch {
	case r.Err() != nil:
		return Message{}, fmt.Errorf("%w: %w", ErrEncoding, r.Err())
	case !sound || !fits || r.Len() > 0 || m.Kind < MsgPreVote || m.Kind > MsgTimeoutNow:
		return Message{}, fmt.Errorf("%w: malformed or too long", ErrEncoding)
	}
	return m, nil
}

// elements reads how many elements of at least size bytes follow; false when more than the
// bytes that are left can hold, so that nothing is allocated for them.
func elements(r *binenc.Reader, size int) (n int, fits bool) {
	v := r.Uvarint()
	if v > uint64(r.Len()/size) {
		return 0, false
	}
	return int(v), true
}

// data reads bytes; none are nil.
func data(r *binenc.Reader) []byte {
	if b := r.Bytes(); len(b) > 0 {
		return b
	}
	return nil
}
