package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// Fields tagged privacy:"sealed" are encrypted by the transaction that writes them, before
// anything is proposed: log, state, hash, snapshots and hooks behind the commit see what is
// sealed, and only what decodes a record with the table's codec sees what it holds. A
// sealed value is
//
//	0   id of the key   16 bytes
//	16  nonce           12
//	28  AES-256-GCM of the value, bound to model, field and primary key of the record
//
// Which subject has which key is state: a record of the model subjectsName. The keys are
// state too (state.KeyModel), and come by log entries of their own ([KindKey]):
//
//	0  version 1
//	1  the secret, 32 bytes
//
// before the entry whose transactions first seal under them. The id of a key is the front
// of the SHA-256 of that payload; so an entry that is redacted, which holds the digest
// alone, still says whose place it is. Such an entry takes no sequence: what it brings is
// no part of what nodes compare, and a redacted one could not be told from its state by the
// hash.

// subjectsName is the engine's own model of subjects.
const subjectsName = "_subjects"

// subjectRow says which key a subject has, or had.
type subjectRow struct {
	Name   string    `json:"name" lithair:"primary_key"`
	KeyID  []byte    `json:"key_id"`
	Since  time.Time `json:"since"`
	Erased time.Time `json:"erased"` // zero: it is not
}

const (
	sealNonce = 12
	sealHead  = 16 + sealNonce
)

var (
	errSealDamaged = errors.New("a sealed value is damaged")
	errKeyMissing  = errors.New("the key of a sealed value is not on this node")
)

// addSubjects makes the table of subjects, which is declared when a registered model seals,
// and ties those that do to the keys.
func (ex *Executor) addSubjects() (err error) {
	if ex.subjects, err = newTrailTable[subjectRow](subjectsName); err != nil {
		return err
	}
	ex.subjects.idle, ex.keys = true, newKeyring()
	for _, t := range ex.tables {
		if !t.model.Seals() {
			continue
		}
		if ex.subjects.idle = false; ex.cfg.Secrets == nil {
			return fmt.Errorf("engine: %s has sealed fields, and ExecutorConfig.Secrets is nil", t.model.Name)
		}
		t.keys = ex.keys
	}
	ex.tables = append(ex.tables, ex.subjects)
	return nil
}

func sealer(key [32]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// openSealed is the model.Opener over the keys of subjects.
func openSealed(keys *keyring) model.Opener {
	return func(sealed, place []byte) (plain []byte, ok bool, err error) {
		if len(sealed) < sealHead {
			return nil, false, errSealDamaged
		}
		key, ok := keys.find([16]byte(sealed))
		switch {
		case !ok:
			return nil, false, errKeyMissing
		case key.Destroyed:
			return nil, false, nil
		}
		aead, err := sealer(key.Secret)
		if err != nil {
			return nil, false, err
		}
		if plain, err = aead.Open(nil, sealed[16:sealHead], sealed[sealHead:], place); err != nil {
			return nil, false, errSealDamaged
		}
		return plain, true, nil
	}
}

// seal replaces the sealed fields of a record, which is that of *ptr, by what is stored. old
// is the record it replaces; a value that is the same there stays sealed as it was.
func (tx *Tx) seal(t *Table, b *binding, key string, ptr any, old, rec []byte) ([]byte, error) {
	if !t.model.Seals() {
		return rec, nil
	}
	tx.private = true
	subject, list := b.codec.ToSeal(ptr, key)
	if len(list) == 0 {
		return rec, nil
	}
	id, aead, err := tx.subjectKey(t, subject)
	if err != nil {
		return nil, err
	}
	e := binenc.NewEncoder(nil)
	for i := range list {
		p := &list[i]
		value := kept(p, old, id, aead)
		if value == nil {
			var nonce [16]byte // 12 of them: a key seals far fewer values than chance would repeat one for
			binary.LittleEndian.PutUint64(nonce[:], tx.ex.cfg.Entropy())
			binary.LittleEndian.PutUint64(nonce[8:], tx.ex.cfg.Entropy())
			sealed := append(append([]byte(nil), id[:]...), nonce[:sealNonce]...)
			value = p.Sealed(aead.Seal(sealed, nonce[:sealNonce], p.Value, p.Place))
		}
		e.Bytes(p.Number, value)
	}
	patch, err := e.Message()
	if err != nil {
		return nil, err
	}
	return binenc.Merge(nil, rec, patch, nil)
}

// kept returns how a value is stored already; nil when it is another one, or under another
// key.
func kept(p *model.Plain, old []byte, id [16]byte, aead cipher.AEAD) []byte {
	stored, _, there := binenc.Lookup(old, p.Number)
	if !there {
		return nil
	}
	sealed, ok := p.Unsealed(stored)
	if !ok || len(sealed) < sealHead || [16]byte(sealed) != id {
		return nil
	}
	plain, err := aead.Open(nil, sealed[16:sealHead], sealed[sealHead:], p.Place)
	if err != nil || !bytes.Equal(plain, p.Value) {
		return nil
	}
	return bytes.Clone(stored)
}

const erasedMessage = "was erased: nothing can be sealed for it any more"

// makeKey makes a key, which goes into the log before the entry under construction.
func (tx *Tx) makeKey() (id [16]byte, key state.Key, err error) {
	if _, err := io.ReadFull(tx.ex.cfg.Secrets, key.Secret[:]); err != nil {
		return id, key, fmt.Errorf("engine: a key for a subject: %w", err)
	}
	key.Time = tx.now
	payload := appendKeyEntry(nil, &key)
	id = keyID(payload)
	if err := tx.batch.Apply(tx.seq, state.KeyMade(id, key)); err != nil {
		return id, key, err
	}
	tx.ex.keys.add(id, key)
	tx.keys = append(tx.keys, madeKey{id, payload})
	return id, key, nil
}

// subjectKey returns the key of a subject, which gets one when it has none.
func (tx *Tx) subjectKey(t *Table, subject string) (id [16]byte, aead cipher.AEAD, err error) {
	field := t.model.SubjectField()
	bad := func(message string) error {
		return &ValidationError{Model: t.Name(), Violations: []model.Violation{{Field: field, Pointer: "/" + field, Code: "subject", Message: message}}}
	}
	if subject == "" || len(subject) > model.MaxKeyBytes {
		return id, nil, bad(fmt.Sprintf("must say whom the sealed fields are about, in 1 to %d bytes", model.MaxKeyBytes))
	}
	s := subjectRow{Name: subject}
	rowKey, err := tx.ex.subjects.Codec().Key(&s)
	if err != nil {
		return id, nil, err
	}
	var key state.Key
	switch _, err := tx.Load(tx.ex.subjects, rowKey, &s); {
	case errors.Is(err, ErrNotFound):
		if id, key, err = tx.makeKey(); err != nil {
			return id, nil, err
		}
		if err := tx.Insert(tx.ex.subjects, &subjectRow{Name: subject, KeyID: id[:], Since: tx.Now()}); err != nil {
			return id, nil, err
		}
	case err != nil:
		return id, nil, err
	case !s.Erased.IsZero():
		return id, nil, bad(erasedMessage)
	default:
		if len(s.KeyID) != len(id) {
			return id, nil, errSealDamaged
		}
		ok := false
		id = [16]byte(s.KeyID)
		if key, ok = state.KeyOf(tx.batch, id); !ok {
			return id, nil, fmt.Errorf("engine: the key of subject %q is missing", subject)
		}
		if key.Destroyed { // later than the time that this state was restored to
			return id, nil, bad(erasedMessage)
		}
	}
	aead, err = sealer(key.Secret)
	return id, aead, err
}

// Subject is one of whom records are about, by its key.
type Subject struct {
	Name   string
	KeyID  [16]byte
	Since  time.Time // of the first value that was sealed for it
	Erased time.Time // zero: it is not, in this state
}

// Subjects lists all subjects, by name. It comes behind Start.
func (e *Engine) Subjects() (list []Subject, err error) {
	t := e.ex.subjects
	codec := t.Codec()
	if codec == nil {
		return nil, nil
	}
	for _, row := range e.Root().Scan(t.Number(), state.Range{}) {
		var s subjectRow
		if err := codec.Decode(row.Bytes(), &s); err != nil {
			return nil, err
		}
		if len(s.KeyID) != 16 {
			return nil, fmt.Errorf("engine: subject %q: %w", s.Name, errSealDamaged)
		}
		list = append(list, Subject{s.Name, [16]byte(s.KeyID), s.Since, s.Erased})
	}
	return list, nil
}
