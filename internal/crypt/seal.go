package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"
)

const (
	saltSize  = 32
	checkSize = 16
	nonceSize = 12 // a counter of 8 bytes, little-endian, and 4 zeros
	tagSize   = 16

	// HeaderSize is the length of an encoded [Header].
	HeaderSize = 4 + saltSize + checkSize
	// Overhead is how much longer a sealed block is than what it holds: the nonce before
	// it, NonceSize bytes, and the tag behind it, 16.
	Overhead = nonceSize + tagSize
	// NonceSize is how many bytes stand before the ciphertext.
	NonceSize = nonceSize
)

// Errors of opening.
var (
	// ErrWrongKey: the provider's key of that number is another than the file was sealed
	// with.
	ErrWrongKey = errors.New("crypt: the key is not the one that this was sealed with")
	// ErrDamaged: a block is not what was sealed, or stands in another place.
	ErrDamaged = errors.New("crypt: a sealed block is damaged or does not belong here")
	// ErrHeader: the bytes are no header.
	ErrHeader = errors.New("crypt: no header of an encrypted file")
	// ErrExhausted: a sealer's counter is used up.
	ErrExhausted = errors.New("crypt: the file has as many blocks as its key may seal")
)

// Header is what a file has to say in the clear so that it can be opened:
//
//	0  number of the key  4 bytes, little-endian
//	4  salt, random      32
//	36 check value       16
type Header struct {
	KeyID uint32 // 0 in a zero Header: not encrypted
	Salt  [saltSize]byte
	Check [checkSize]byte
}

// Append appends the header's HeaderSize bytes.
func (h Header) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, h.KeyID)
	dst = append(dst, h.Salt[:]...)
	return append(dst, h.Check[:]...)
}

// ParseHeader reads what Append wrote.
//
// Errors: [ErrHeader].
func ParseHeader(b []byte) (h Header, err error) {
	if len(b) != HeaderSize {
		return h, fmt.Errorf("%w: %d bytes, not %d", ErrHeader, len(b), HeaderSize)
	}
	if h.KeyID = binary.LittleEndian.Uint32(b); h.KeyID == 0 {
		return h, fmt.Errorf("%w: the key's number is 0", ErrHeader)
	}
	copy(h.Salt[:], b[4:])
	copy(h.Check[:], b[4+saltSize:])
	return h, nil
}

// fileKey derives what a file is sealed with: its cipher, and the check value. purpose is
// part of both.
func fileKey(key Key, salt [saltSize]byte, purpose string) (cipher.AEAD, [checkSize]byte, error) {
	var check [checkSize]byte
	b, err := hkdf.Key(sha256.New, key[:], salt[:], "lithair file key and check value: "+purpose, KeySize+checkSize)
	if err != nil {
		return nil, check, err
	}
	copy(check[:], b[KeySize:])
	block, err := aes.NewCipher(b[:KeySize])
	if err != nil {
		return nil, check, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, check, err
}

// Sealer seals the blocks of one file. There is no way to make a second one for the same
// file.
type Sealer struct {
	header Header
	aead   cipher.AEAD
	used   atomic.Uint64 // counters given away
}

// NewSealer returns a sealer for a file that is begun, under the provider's current key.
// random is where the salt comes from, nil for crypto/rand.Reader; anything else is for
// tests, for it has to be good for 32 bytes that never repeat.
//
// Errors: the provider's; [ErrNoKeys] when it is nil.
func NewSealer(keys KeyProvider, purpose string, random io.Reader) (*Sealer, error) {
	if keys == nil {
		return nil, ErrNoKeys
	}
	id, key, err := keys.Current()
	if err != nil {
		return nil, err
	}
	if id == 0 {
		return nil, fmt.Errorf("%w: the provider calls number 0 the current one; numbers begin at 1", ErrUnknownKey)
	}
	if random == nil {
		random = rand.Reader
	}
	s := &Sealer{header: Header{KeyID: id}}
	if _, err := io.ReadFull(random, s.header.Salt[:]); err != nil {
		return nil, fmt.Errorf("crypt: no random salt: %w", err)
	}
	s.aead, s.header.Check, err = fileKey(key, s.header.Salt, purpose)
	return s, err
}

// Header returns what has to stand in the file.
func (s *Sealer) Header() Header { return s.header }

// Seal appends the sealed block to dst: Overhead bytes more than plain. place is bound to
// it, not stored. It does not allocate when dst has room, which must not overlap plain,
// unless plain stands exactly NonceSize bytes behind len(dst): then it is sealed in place.
//
// Errors: [ErrExhausted].
func (s *Sealer) Seal(dst, plain, place []byte) ([]byte, error) {
	n := s.used.Add(1)
	if n >= math.MaxUint64/2 { // far from wrapping, whoever calls at once
		s.used.Store(math.MaxUint64 / 2)
		return dst, ErrExhausted
	}
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, n)
	dst = append(dst, 0, 0, 0, 0)
	// The nonce is handed over where it stands in the file: a variable would be allocated.
	return s.aead.Seal(dst, dst[at:at+nonceSize:at+nonceSize], plain, place), nil
}

// Opener returns an opener for what this sealer seals.
func (s *Sealer) Opener() *Opener { return &Opener{s.aead} }

// Opener opens the blocks of one file.
type Opener struct{ aead cipher.AEAD }

// NewOpener returns an opener for the file with a header.
//
// Errors: [ErrNoKeys], [ErrWrongKey], the provider's (one of which is [ErrUnknownKey]).
func NewOpener(keys KeyProvider, purpose string, h Header) (*Opener, error) {
	if keys == nil {
		return nil, fmt.Errorf("%w: it takes key number %d", ErrNoKeys, h.KeyID)
	}
	key, err := keys.Key(h.KeyID)
	if err != nil {
		return nil, err
	}
	aead, check, err := fileKey(key, h.Salt, purpose)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(check[:], h.Check[:]) != 1 {
		return nil, fmt.Errorf("%w: number %d", ErrWrongKey, h.KeyID)
	}
	return &Opener{aead}, nil
}

// Open appends to dst what a sealed block holds. place is what it was sealed with. dst's
// room must not overlap sealed, unless it is sealed[NonceSize:] exactly: then it is opened
// in place. It does not allocate when dst has room.
//
// Errors: [ErrDamaged]; dst is returned as it was, and its room may be overwritten.
func (o *Opener) Open(dst, sealed, place []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return dst, fmt.Errorf("%w: it is shorter than %d bytes", ErrDamaged, Overhead)
	}
	out, err := o.aead.Open(dst, sealed[:nonceSize:nonceSize], sealed[nonceSize:], place)
	if err != nil {
		return dst, ErrDamaged
	}
	return out, nil
}

// Counter returns the number of a sealed block, from 1, in the order of sealing within
// its file; 0 for bytes that are none.
func Counter(sealed []byte) uint64 {
	if len(sealed) < Overhead {
		return 0
	}
	return binary.LittleEndian.Uint64(sealed)
}
