package binenc

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"time"
)

// KeyReader reads the parts of a key in the order in which they were appended. Its error
// is sticky. It is a value, for one goroutine.
type KeyReader struct {
	key  []byte
	off  int
	mask byte // 0xFF inside a descending part
	err  error
}

// NewKeyReader returns a reader at the start of key. Nothing it returns aliases key.
func NewKeyReader(key []byte) KeyReader { return KeyReader{key: key} }

// Err returns the first error, an [*Error], or nil.
func (r *KeyReader) Err() error { return r.err }

// Len returns how many bytes are left; 0 after an error.
func (r *KeyReader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.key) - r.off
}

// Desc makes the next part be read as one that AppendKeyDesc turned around.
func (r *KeyReader) Desc() *KeyReader {
	r.mask = 0xFF
	return r
}

// Null moves past an absent value and says true; before any other it stays and says
// false. Desc then still holds for the call that reads the value.
func (r *KeyReader) Null() bool {
	if r.err == nil && r.off < len(r.key) && r.key[r.off]^r.mask == keyNull {
		r.off++
		r.mask = 0
		return true
	}
	return false
}

// fixed copies the next len(b) bytes behind the byte that says a value is there.
func (r *KeyReader) fixed(b []byte) bool {
	mask := r.mask
	r.mask = 0
	if !r.begin(mask) {
		return false
	}
	if len(r.key)-r.off < len(b) {
		r.err = short(r.off, len(b)-(len(r.key)-r.off))
		return false
	}
	for i := range b {
		b[i] = r.key[r.off+i] ^ mask
	}
	r.off += len(b)
	return true
}

func (r *KeyReader) begin(mask byte) bool {
	switch {
	case r.err != nil:
		return false
	case r.off == len(r.key):
		r.err = short(r.off, 1)
		return false
	case r.key[r.off]^mask != keyPresent:
		r.err = malformed(r.off, "a key's part does not begin with 1")
		return false
	}
	r.off++
	return true
}

// Bool reads what AppendKeyBool wrote.
func (r *KeyReader) Bool() bool {
	var b [1]byte
	if r.fixed(b[:]) && b[0] > 1 {
		r.err = malformed(r.off-1, "a bool is neither 0 nor 1")
	}
	return r.err == nil && b[0] == 1
}

// Uint reads what AppendKeyUint wrote.
func (r *KeyReader) Uint() uint64 {
	var b [8]byte
	r.fixed(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// Int reads what AppendKeyInt wrote.
func (r *KeyReader) Int() int64 {
	var b [8]byte
	if !r.fixed(b[:]) {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b[:]) ^ 1<<63)
}

// Duration reads what AppendKeyDuration wrote.
func (r *KeyReader) Duration() time.Duration { return time.Duration(r.Int()) }

// Float64 reads what AppendKeyFloat64 wrote.
func (r *KeyReader) Float64() float64 {
	var b [8]byte
	if !r.fixed(b[:]) {
		return 0
	}
	u := binary.BigEndian.Uint64(b[:])
	if u>>63 != 0 {
		u &^= 1 << 63
	} else {
		u = ^u
	}
	v := math.Float64frombits(u)
	if v != v && u != nan64 || u == 1<<63 {
		r.err = notCanonical(r.off-8, "a NaN is not the canonical one, or a zero is negative")
		return 0
	}
	return v
}

// ID reads what AppendKeyID wrote.
func (r *KeyReader) ID() (id [16]byte) {
	r.fixed(id[:])
	return id
}

// Time reads what AppendKeyTime wrote, in UTC.
func (r *KeyReader) Time() time.Time {
	var b [12]byte
	if !r.fixed(b[:]) {
		return time.Time{}
	}
	sec, nsec := int64(binary.BigEndian.Uint64(b[:])^1<<63), binary.BigEndian.Uint32(b[8:])
	if nsec > 999_999_999 {
		r.err = malformed(r.off-4, "a time has more than 999999999 nanoseconds")
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// String reads what AppendKeyString wrote.
func (r *KeyReader) String() string { return string(r.Bytes()) }

// Bytes reads what AppendKeyBytes wrote, as a copy; nil after an error.
func (r *KeyReader) Bytes() []byte {
	mask := r.mask
	r.mask = 0
	if !r.begin(mask) {
		return nil
	}
	out := []byte{}
	for i := r.off; i+1 < len(r.key); i++ {
		c := r.key[i] ^ mask
		if c != keyEscape {
			out = append(out, c)
			continue
		}
		i++
		switch r.key[i] ^ mask {
		case keyEnd:
			r.off = i + 1
			return out
		case keyEscaped:
			out = append(out, 0)
		default:
			r.err = malformed(i, "a zero byte in a key is followed by neither 0x01 nor 0xFF")
			return nil
		}
	}
	r.err = short(len(r.key), 1)
	return nil
}

// Decimal reads what AppendKeyDecimal wrote.
func (r *KeyReader) Decimal() Decimal {
	mask := r.mask
	var sign [1]byte
	if !r.fixed(sign[:]) || sign[0] == keyZero {
		return Decimal{}
	}
	if sign[0] == keyNegative {
		mask = ^mask
	}
	if sign[0] > keyPositive || sign[0] == 0 {
		r.err = malformed(r.off-1, "a decimal has no such sign")
		return Decimal{}
	}
	return r.magnitude(mask, sign[0] == keyNegative)
}

func (r *KeyReader) magnitude(mask byte, neg bool) Decimal {
	start := r.off
	if len(r.key)-start < 3 {
		r.err = short(len(r.key), 3-(len(r.key)-start))
		return Decimal{}
	}
	point := int(r.key[start]^mask)<<8 | int(r.key[start+1]^mask)
	var digits []byte
	for r.off = start + 2; ; r.off++ {
		if r.off == len(r.key) {
			r.err = short(r.off, 1)
			return Decimal{}
		}
		c := r.key[r.off] ^ mask
		if c == 0 {
			break
		}
		if c > 100 || len(digits) >= MaxDecimalDigits {
			r.err = malformed(r.off, "a decimal in a key has a wrong digit or too many")
			return Decimal{}
		}
		digits = append(digits, '0'+(c-1)/10, '0'+(c-1)%10)
	}
	r.off++
	sign := ""
	if neg {
		sign = "-"
	}
	d, err := ParseDecimal(sign + "0." + string(digits) + "e" + strconv.Itoa(point-keyExponentBias))
	if err != nil || !r.wrote(d, start-2, mask) {
		r.err = notCanonical(start, "a decimal in a key is not in its one form")
		return Decimal{}
	}
	return d
}

// wrote says whether d is written as key[from:off] says; mask is that of the digits.
func (r *KeyReader) wrote(d Decimal, from int, mask byte) bool {
	want := AppendKeyDecimal(nil, d)
	if d.neg {
		mask = ^mask
	}
	for i := range want {
		want[i] ^= mask
	}
	return bytes.Equal(want, r.key[from:r.off])
}

// DecodeKeyInt reads what AppendKeyInt wrote and returns the rest, which aliases key.
func DecodeKeyInt(key []byte) (v int64, rest []byte, err error) {
	r := NewKeyReader(key)
	v = r.Int()
	return v, r.rest(), r.err
}

// DecodeKeyUint reads what AppendKeyUint wrote and returns the rest, which aliases key.
func DecodeKeyUint(key []byte) (v uint64, rest []byte, err error) {
	r := NewKeyReader(key)
	v = r.Uint()
	return v, r.rest(), r.err
}

// DecodeKeyID reads what AppendKeyID wrote and returns the rest, which aliases key.
func DecodeKeyID(key []byte) (id [16]byte, rest []byte, err error) {
	r := NewKeyReader(key)
	id = r.ID()
	return id, r.rest(), r.err
}

// DecodeKeyString reads what AppendKeyString wrote and returns the rest, which aliases
// key.
func DecodeKeyString(key []byte) (s string, rest []byte, err error) {
	r := NewKeyReader(key)
	s = r.String()
	return s, r.rest(), r.err
}

func (r *KeyReader) rest() []byte {
	if r.err != nil {
		return nil
	}
	return r.key[r.off:]
}
