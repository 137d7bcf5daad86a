package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The encoding of a message, for whoever carries it; lengths and sums of frames are the
// carrier's. Numbers are varints in their shortest form:
//
//	version(1) kind(1) flags(1) group from to term index logterm hint hintterm match commit seq
//	incarnation offset checksum
//	count { index term zigzag(time) kind(1) length data }
//	if flags&snapshot: index term zigzag(time) size sum(32) length membership
//	length data
//	count { id }
const messageVersion = 1

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
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Entries)))
	for i := range m.Entries {
		b = appendEntry(b, &m.Entries[i])
	}
	if s := m.Snapshot; s != nil {
		b = appendSnapshot(b, s)
	}
	b = appendBytes(b, m.Data)
	b = binary.AppendUvarint(b, uint64(len(m.Reads)))
	for _, id := range m.Reads {
		b = binary.AppendUvarint(b, id)
	}
	return b
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

func appendEntry(b []byte, e *Entry) []byte {
	b = binary.AppendUvarint(b, e.Index)
	b = binary.AppendUvarint(b, e.Term)
	b = append(binary.AppendVarint(b, e.Time), e.Kind)
	return appendBytes(b, e.Data)
}

func appendSnapshot(b []byte, s *Snapshot) []byte {
	b = binary.AppendUvarint(b, s.Index)
	b = binary.AppendUvarint(b, s.Term)
	b = binary.AppendVarint(b, s.Time)
	b = append(binary.AppendUvarint(b, s.Size), s.Sum[:]...)
	return appendBytes(b, AppendMembership(nil, s.Membership))
}

// cursor reads an encoding; after a failure it reads zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uint() uint64 {
	v, rest, ok := uvarint(c.b)
	if !ok {
		c.bad, c.b = true, nil
	}
	c.b = rest
	return v
}

func (c *cursor) int() int64 {
	v := c.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) byte() byte {
	if v := c.bytes(1); v != nil {
		return v[0]
	}
	return 0
}

// ParseMessage reads what AppendMessage wrote, all of b. Data in the message lies in b,
// which must stay as it is.
func ParseMessage(b []byte) (m Message, err error) {
	if len(b) < 3 || b[0] != messageVersion || b[2] >= flagSnapshot<<1 {
		return m, fmt.Errorf("%w of version %d", ErrEncoding, messageVersion)
	}
	c := cursor{b: b[3:]}
	flags := b[2]
	m.Kind, m.Reject, m.Transfer, m.Last = MessageKind(b[1]), flags&flagReject != 0, flags&flagTransfer != 0, flags&flagLast != 0
	m.Group, m.From, m.To, m.Term = c.uint(), NodeID(c.uint()), NodeID(c.uint()), c.uint()
	m.Index, m.LogTerm, m.Hint, m.HintTerm = c.uint(), c.uint(), c.uint(), c.uint()
	m.Match, m.Commit, m.Seq, m.Incarnation, m.Offset = c.uint(), c.uint(), c.uint(), c.uint(), c.uint()
	sum := c.uint()
	m.Checksum = uint32(sum)
	if n := c.count(5); n > 0 {
		m.Entries = make([]Entry, n)
		for i := range m.Entries {
			m.Entries[i] = Entry{Index: c.uint(), Term: c.uint(), Time: c.int(), Kind: c.byte(), Data: c.data()}
		}
	}
	if flags&flagSnapshot != 0 {
		m.Snapshot = &Snapshot{Index: c.uint(), Term: c.uint(), Time: c.int(), Size: c.uint()}
		copy(m.Snapshot.Sum[:], c.bytes(32))
		if m.Snapshot.Membership, err = ParseMembership(c.data()); err != nil {
			return m, fmt.Errorf("%w: %w", ErrEncoding, err)
		}
	}
	m.Data = c.data()
	if n := c.count(1); n > 0 {
		m.Reads = make([]uint64, n)
		for i := range m.Reads {
			m.Reads[i] = c.uint()
		}
	}
	if c.bad || len(c.b) > 0 || sum > 1<<32-1 || m.Kind < MsgPreVote || m.Kind > MsgTimeoutNow {
		return Message{}, fmt.Errorf("%w: cut, malformed or too long", ErrEncoding)
	}
	return m, nil
}

// count reads how many elements follow, of at least size bytes each: never more than the bytes
// that are left can hold.
func (c *cursor) count(size int) int {
	n := c.uint()
	if n > uint64(len(c.b)/size) {
		c.bad, c.b = true, nil
		return 0
	}
	return int(n)
}

func (c *cursor) data() []byte {
	if v := c.bytes(c.uint()); len(v) > 0 {
		return v
	}
	return nil
}
