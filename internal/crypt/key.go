package crypt

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// Key is a key of AES-256. It does not print.
type Key [KeySize]byte

// String returns the same words for every key.
func (Key) String() string { return "crypt.Key(hidden)" }

// Format writes the same words for every key and verb, so that none gets into a log.
func (k Key) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(k.String())) } // a State keeps its own errors

// MarshalText returns the same words for every key, for encoders of logs and of JSON.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Errors of keys.
var (
	// ErrKeyFormat: a text is no key, or no list of keys.
	ErrKeyFormat = errors.New("crypt: a key is 32 random bytes, as 64 hexadecimal digits or in base64")
	// ErrUnknownKey: the provider does not have the key of that number.
	ErrUnknownKey = errors.New("crypt: the key is unknown")
	// ErrNoKeys: what is read is encrypted, and no provider is there.
	ErrNoKeys = errors.New("crypt: it is encrypted, and no keys are configured")
)

// ParseKey reads a key: 64 hexadecimal digits, or 32 bytes in base64 (of either alphabet,
// padded or not). A key of one repeated byte is refused: it is a placeholder.
//
// Errors: [ErrKeyFormat], which never quotes the text.
func ParseKey(text string) (k Key, err error) {
	text = strings.TrimSpace(text)
	b, err := hex.DecodeString(text)
	if err != nil {
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		if b, err = base64.RawStdEncoding.DecodeString(plain); err != nil {
			return k, fmt.Errorf("%w: it is neither", ErrKeyFormat)
		}
	}
	if len(b) != KeySize {
		return k, fmt.Errorf("%w: this one has %d bytes", ErrKeyFormat, len(b))
	}
	if strings.Count(string(b), string(b[:1])) == KeySize {
		return k, fmt.Errorf("%w: this one is a single byte repeated", ErrKeyFormat)
	}
	return Key(b), nil
}
