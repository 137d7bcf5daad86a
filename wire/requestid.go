package wire

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// maxRequestID bounds an id that a client may choose, in bytes.
const maxRequestID = 128

// RequestID puts the request's id ([Request.ID]) into every response, errors included, as
// X-Request-Id. Problem details and the server's log carry the same id.
func RequestID() Middleware {
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			if err := w.SetHeader("X-Request-Id", r.ID()); err != nil {
				return err
			}
			return next(w, r)
		}
	}
}

// ID returns the request's id: the client's X-Request-Id where there is exactly one of at
// most 128 bytes that is safe to print everywhere (letters, digits and "-._~:/+=@"), else
// a new UUID of version 7 (RFC 9562 §5.7), which sorts by time.
func (r *Request) ID() string {
	if r.id == "" && !r.over() {
		if v, ok := r.head.field("x-request-id"); ok && validRequestID(v) && r.head.count("x-request-id") == 1 {
			r.id = string(v)
		} else {
			r.id = newID()
		}
	}
	return r.id
}

// SetID replaces the request's id, for middleware with another source of ids. Call it
// before [RequestID] or anything else asks for the id.
func (r *Request) SetID(id string) {
	if !r.over() {
		r.id = id
	}
}

// validRequestID leaves out quotes, brackets, commas and the like, which mean something
// in logs, shells and lists.
func validRequestID(v []byte) bool {
	if len(v) == 0 || len(v) > maxRequestID {
		return false
	}
	for _, c := range v {
		switch {
		case lower(c)-'a' < 26, c-'0' < 10:
		case c == '-', c == '.', c == '_', c == '~', c == ':', c == '/', c == '+', c == '=', c == '@':
		default:
			return false
		}
	}
	return true
}

// count returns how many field lines have that name.
func (h *head) count(name string) (n int) {
	for i := range h.fields {
		if equalFold(h.fields[i].name.of(h.buf), name) {
			n++
		}
	}
	return n
}

// newID returns a UUID of version 7:
//
//	| 48 bits: Unix time in ms | 0111 | 12 bits: random | 10 | 62 bits: random |
func newID() string {
	var b [16]byte
	rand.Read(b[6:]) // never fails: crypto/rand ends the program instead
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint16(b[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(ms))
	b[6] = b[6]&0x0F | 0x70
	b[8] = b[8]&0x3F | 0x80
	var text [36]byte
	hex.Encode(text[0:8], b[0:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
