package crypt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// KeyProvider knows keys by number. It must be safe for concurrent use. Current is asked
// for each file that is begun, so an answer that changes rotates the key without a
// restart; both may be slow, since they are asked once for a file and not for a block.
type KeyProvider interface {
	// Current returns the key that new files are sealed with, and its number, from 1.
	Current() (id uint32, key Key, err error)
	// Key returns the key of a number. An unknown one is [ErrUnknownKey].
	Key(id uint32) (Key, error)
}

// Ring is a fixed set of keys. Its last one is the current one.
type Ring struct {
	current uint32
	keys    map[uint32]Key
}

// ParseRing reads keys, one a line or separated by commas, as "NUMBER:KEY" (see
// [ParseKey]). The last one is the current one. Lines that begin with # are comments. A
// single key may stand without a number and is number 1 then.
//
// Errors: [ErrKeyFormat] with the number of the entry.
func ParseRing(text string) (*Ring, error) {
	var entries []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		for e := range strings.SplitSeq(line, ",") {
			if e = strings.TrimSpace(e); e != "" {
				entries = append(entries, e)
			}
		}
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrKeyFormat)
	}
	r := &Ring{keys: map[uint32]Key{}}
	for i, e := range entries {
		if err := r.add(e, len(entries) == 1); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return r, nil
}

func (r *Ring) add(entry string, alone bool) error {
	number, text, numbered := strings.Cut(entry, ":")
	if !numbered {
		if !alone {
			return fmt.Errorf("%w: of several, each has a number and a colon before it", ErrKeyFormat)
		}
		number, text = "1", entry
	}
	id, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
	if err != nil || id == 0 {
		return fmt.Errorf("%w: its number is not in 1 to 4294967295", ErrKeyFormat)
	}
	key, err := ParseKey(text)
	if err != nil {
		return err
	}
	if _, twice := r.keys[uint32(id)]; twice {
		return fmt.Errorf("%w: number %d is there twice", ErrKeyFormat, id)
	}
	r.keys[uint32(id)], r.current = key, uint32(id)
	return nil
}

// Current implements [KeyProvider].
func (r *Ring) Current() (uint32, Key, error) { return r.current, r.keys[r.current], nil }

// Key implements [KeyProvider].
func (r *Ring) Key(id uint32) (Key, error) {
	k, ok := r.keys[id]
	if !ok {
		return Key{}, fmt.Errorf("%w: number %d", ErrUnknownKey, id)
	}
	return k, nil
}

// source is a provider whose keys are read anew each time they are asked for.
type source func() (*Ring, error)

func (s source) Current() (uint32, Key, error) {
	r, err := s()
	if err != nil {
		return 0, Key{}, err
	}
	return r.Current()
}

func (s source) Key(id uint32) (Key, error) {
	r, err := s()
	if err != nil {
		return Key{}, err
	}
	return r.Key(id)
}

// MaxKeyFileBytes is the most that a file of keys may hold.
const MaxKeyFileBytes = 64 << 10

// File returns a provider of the keys in a file, as [ParseRing] reads them. The file is
// read each time keys are asked for: a line added to it rotates the key.
func File(path string) KeyProvider {
	return source(func() (*Ring, error) {
		text, err := readSmall(path)
		if err != nil {
			return nil, fmt.Errorf("crypt: key file: %w", err)
		}
		r, err := ParseRing(text)
		if err != nil {
			return nil, fmt.Errorf("key file %s: %w", path, err)
		}
		return r, nil
	})
}

func readSmall(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxKeyFileBytes+1))
	if err == nil && len(b) > MaxKeyFileBytes {
		err = fmt.Errorf("%w: %s has more than %d bytes", ErrKeyFormat, path, MaxKeyFileBytes)
	}
	return string(b), errors.Join(err, f.Close())
}

// Env returns a provider of the keys in an environment variable, as [ParseRing] reads
// them: "1:KEY,2:KEY".
func Env(name string) KeyProvider {
	return source(func() (*Ring, error) {
		text, ok := os.LookupEnv(name)
		if !ok {
			return nil, fmt.Errorf("%w: the environment variable %s is not set", ErrNoKeys, name)
		}
		r, err := ParseRing(text)
		if err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", name, err)
		}
		return r, nil
	})
}

// Callback is a provider made of two functions, of a key service for instance. Both must
// be set.
type Callback struct {
	CurrentFunc func() (id uint32, key Key, err error)
	KeyFunc     func(id uint32) (Key, error)
}

// Current implements [KeyProvider].
func (c Callback) Current() (uint32, Key, error) { return c.CurrentFunc() }

// Key implements [KeyProvider].
func (c Callback) Key(id uint32) (Key, error) { return c.KeyFunc(id) }
