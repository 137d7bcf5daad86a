package engine

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

const (
	keyEntryVersion = 1
	keyEntrySize    = 33
)

// madeKey is a key that a transaction made.
type madeKey struct {
	id      [16]byte
	payload []byte // of its entry
}

// appendKeyEntry appends the payload of the entry that brings a key.
func appendKeyEntry(dst []byte, k *state.Key) []byte {
	return append(append(dst, keyEntryVersion), k.Secret[:]...)
}

// keyID returns the id of the key in a payload.
func keyID(payload []byte) (id [16]byte) {
	sum := sha256.Sum256(payload)
	copy(id[:], sum[:])
	return id
}

// applyKey applies a record of [KindKey]: the key, or that it was destroyed.
func applyKey(b *state.Batch, seq uint64, r *eventlog.Record) error {
	id, destroyed, err := KeyEntry(r)
	if err != nil {
		return err
	}
	k := state.Key{Time: r.Time}
	if !destroyed {
		copy(k.Secret[:], r.Payload[1:])
	}
	return b.Apply(seq, state.KeyMade(id, k))
}

// KeyEntry returns the id of the key in a record of [KindKey]; destroyed says that the
// record is redacted.
func KeyEntry(r *eventlog.Record) (id [16]byte, destroyed bool, err error) {
	switch {
	case r.Redacted:
		copy(id[:], r.Payload)
		return id, true, nil
	case len(r.Payload) != keyEntrySize || r.Payload[0] != keyEntryVersion:
		return id, false, fmt.Errorf("engine: log index %d: an entry of a key has %d bytes or another version; a newer release wrote it", r.Index, len(r.Payload))
	}
	return keyID(r.Payload), false, nil
}

// keyring finds keys for whoever decodes: what is destroyed is so for readers of any state,
// older ones too. It is safe for concurrent use.
type keyring struct {
	root atomic.Pointer[state.Root] // newest committed

	mu    sync.Mutex
	fresh map[[16]byte]state.Key // of transactions that are not committed
}

func newKeyring() *keyring {
	k := &keyring{fresh: map[[16]byte]state.Key{}}
	k.root.Store(state.Empty())
	return k
}

func (k *keyring) find(id [16]byte) (state.Key, bool) {
	if key, ok := state.KeyOf(k.root.Load(), id); ok {
		return key, true
	}
	k.mu.Lock()
	key, ok := k.fresh[id]
	k.mu.Unlock()
	if !ok { // it may have been committed a moment ago
		return state.KeyOf(k.root.Load(), id)
	}
	return key, ok
}

func (k *keyring) add(id [16]byte, key state.Key) {
	k.mu.Lock()
	k.fresh[id] = key
	k.mu.Unlock()
}

// drop forgets keys of transactions that are committed, or came to nothing.
func (k *keyring) drop(keys []madeKey) {
	if len(keys) == 0 {
		return
	}
	k.mu.Lock()
	for i := range keys {
		delete(k.fresh, keys[i].id)
	}
	k.mu.Unlock()
}
