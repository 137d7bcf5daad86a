package model

import (
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

// ID is a 128-bit time-ordered identifier, a UUID of version 7 (RFC 9562 §5.7). Its
// text sorts as its bytes do.
type ID [16]byte

// IsZero says whether no id is set.
func (id ID) IsZero() bool { return id == ID{} }

// Time returns the millisecond the id was made in.
func (id ID) Time() time.Time {
	ms := int64(0)
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// AppendText appends the lower-case UUID text.
func (id ID) AppendText(dst []byte) ([]byte, error) {
	dst = hex.AppendEncode(dst, id[:4])
	for _, p := range [][2]int{{4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		dst = hex.AppendEncode(append(dst, '-'), id[p[0]:p[1]])
	}
	return dst, nil
}

// String returns the lower-case UUID text.
func (id ID) String() string {
	b, _ := id.AppendText(make([]byte, 0, 36))
	return string(b)
}

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(make([]byte, 0, 36)) }

// UnmarshalText implements encoding.TextUnmarshaler. Empty text is the zero id.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	p, err := ParseID(string(text))
	if err == nil {
		*id = p
	}
	return err
}

// ParseID reads the text of an id.
func ParseID(s string) (id ID, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, fmt.Errorf("model: %.40q is no id: want 36 characters such as %s", s, ID{})
	}
	at := 0
	for _, part := range []string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		n, err := hex.Decode(id[at:], []byte(part))
		if err != nil {
			return ID{}, fmt.Errorf("model: %q is no id: %w", s, err)
		}
		at += n
	}
	return id, nil
}

// Generator makes ids that ascend, also within a millisecond and when the clock steps
// back. The zero value is ready; it is safe for concurrent use.
type Generator struct {
	mu   sync.Mutex
	last ID
}

// NewID returns an id later than all before.
func (g *Generator) NewID(now time.Time, entropy func() uint64) ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	var id ID
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	a, b := entropy(), entropy()
	for i := range 8 {
		id[8+i] = byte(a >> (8 * i))
	}
	id[6], id[7] = 0x70|byte(b)&0x07, byte(b>>8)
	id[8] = id[8]&0x3F | 0x80
	if string(id[:]) <= string(g.last[:]) {
		id = g.last
		step(&id)
	}
	g.last = id
	return id
}

// step adds one to the id's counter bits: the 74 bits that are neither time, version
// nor variant; an overflow goes into the time.
func step(id *ID) {
	for i := 15; i > 8; i-- {
		if id[i]++; id[i] != 0 {
			return
		}
	}
	if id[8] = id[8]&0x3F + 1; id[8] <= 0x3F {
		id[8] |= 0x80
		return
	}
	id[8] = 0x80
	if id[7]++; id[7] != 0 {
		return
	}
	if low := id[6]&0x0F + 1; low <= 0x0F {
		id[6] = 0x70 | low
		return
	}
	id[6] = 0x70
	for i := 5; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			return
		}
	}
}
