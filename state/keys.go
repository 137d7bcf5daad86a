package state

import (
	"encoding/binary"
	"io"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// KeyModel is the number of the built-in model of keys: secrets that other records are
// sealed under, by an id. They stand in roots and snapshots as records do, but are no part
// of hash, Size and Diff, so that a state in which one was destroyed early (a log whose
// entry of the key is redacted) is no other state. A key that was destroyed stays, without
// its secret; it cannot be made again.
//
// A record holds
//
//	1 secret  bytes, 32 of them; zeros where it was destroyed
//	2 time    of the log's entry that brought it, Unix ns
const KeyModel uint32 = LocalModel - 1

const (
	keyFieldSecret = 1
	keyFieldTime   = 2
)

// newKeys returns an empty table of keys.
func newKeys() *table {
	return &table{schema: &model.Schema{Model: "_keys", Number: KeyModel}, unhashed: true}
}

// Key is a secret and where it comes from.
type Key struct {
	Secret    [32]byte
	Time      int64 // of the log's entry that brought it, Unix ns
	Destroyed bool  // then Secret is zero
}

// KeyMade is the event of a key. Of one that is there already it changes nothing.
func KeyMade(id [16]byte, k Key) Event {
	e := binenc.NewEncoder(nil)
	e.Bytes(keyFieldSecret, k.Secret[:])
	e.Int(keyFieldTime, k.Time)
	rec, err := e.Message()
	if err != nil {
		panic("state: " + err.Error()) // nothing in it can be too large
	}
	return Event{Model: KeyModel, Kind: Created, Key: string(id[:]), Fields: rec}
}

// KeyDestroyed is the event of a key being destroyed. It may come when the key is destroyed
// already, and when it never was there.
func KeyDestroyed(id [16]byte) Event {
	return Event{Model: KeyModel, Kind: Deleted, Key: string(id[:])}
}

// KeyOf returns a key; ok is false when there is none of that id.
func KeyOf(r Reader, id [16]byte) (k Key, ok bool) {
	row := r.Get(KeyModel, string(id[:]))
	if row == nil {
		return k, false
	}
	return parseKey(row.Bytes()), true
}

func parseKey(rec []byte) (k Key) {
	d := binenc.NewDecoder(rec)
	for number, _, ok := d.Next(); ok; number, _, ok = d.Next() {
		switch number {
		case keyFieldSecret:
			copy(k.Secret[:], d.Bytes())
		case keyFieldTime:
			k.Time = d.Int()
		}
	}
	k.Destroyed = k.Secret == [32]byte{}
	return k
}

// keyOutcome returns the record of a key after an event.
func keyOutcome(id [16]byte, old *Row, ev *Event) []byte {
	switch {
	case ev.Kind != Deleted && old == nil:
		return ev.Fields
	case ev.Kind != Deleted:
		return old.Bytes()
	case old == nil:
		return KeyMade(id, Key{}).Fields
	}
	return KeyMade(id, Key{Time: parseKey(old.Bytes()).Time}).Fields
}

// HoldsKey says whether a snapshot of that size holds a secret for which gone is true. It reads
// the heads of blocks, and those with keys.
//
// Errors: *[SnapshotError]; those of src.
func HoldsKey(src io.ReaderAt, size int64, gone func(id [16]byte) bool) (holds bool, err error) {
	s := &restorer{src: src, size: size}
	if err := s.scan(); err != nil {
		return false, err
	}
	for i := range s.blocks {
		if b := &s.blocks[i]; b.kind == blockRows && b.model == KeyModel {
			payload, err := s.load(b, nil)
			if err != nil {
				return false, err
			}
			some, err := s.destroyKeys(b, payload[blockHead:], gone)
			if holds = holds || some; err != nil {
				return false, err
			}
		}
	}
	return holds, nil
}

// DestroyKeys copies a snapshot of that size without the secrets for which gone is true. All else stays
// as it is, byte for byte. Memory is bounded by a block.
//
// Errors: *[SnapshotError]; those of src and w.
func DestroyKeys(w io.Writer, src io.ReaderAt, size int64, gone func(id [16]byte) bool) error {
	s := &restorer{src: src, size: size}
	if err := s.scan(); err != nil {
		return err
	}
	var buf []byte
	for i := range s.blocks {
		b := &s.blocks[i]
		var err error
		if buf, err = s.load(b, buf); err != nil {
			return err
		}
		if b.kind == blockRows && b.model == KeyModel {
			if _, err := s.destroyKeys(b, buf[blockHead:], gone); err != nil {
				return err
			}
			binary.LittleEndian.PutUint32(buf, blockSum(s.id, buf))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// destroyKeys overwrites secrets in the payload of a block of rows with zeros.
func (s *restorer) destroyKeys(b *snapshotBlock, payload []byte, gone func(id [16]byte) bool) (some bool, err error) {
	r := binenc.NewReader(payload)
	if err := s.listHead(b, &r); err != nil {
		return false, err
	}
	var key []byte
	for range b.count {
		share, rest := r.Uvarint(), r.Bytes()
		r.Uvarint()
		rec := r.Bytes()
		if r.Err() != nil || share > uint64(len(key)) || int(share)+len(rest) != 16 {
			return some, s.corrupt(b.off, "a key cannot be read")
		}
		key = append(key[:share], rest...)
		if parseKey(rec).Destroyed || !gone([16]byte(key)) {
			continue
		}
		some = true
		d := binenc.NewDecoder(rec)
		for number, _, ok := d.Next(); ok; number, _, ok = d.Next() {
			if number == keyFieldSecret {
				clear(d.Bytes())
			}
		}
	}
	return some, nil
}
