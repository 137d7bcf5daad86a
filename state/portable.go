//go:build purego

package state

import "github.com/lithair/lithair-go/binenc"

// record is a version of a record as appendRecord wrote it, which nobody changes.
type record struct{ b []byte }

func recordOf(b []byte) record { return record{b} }

func (r record) seq() uint64 {
	d := binenc.NewReader(r.b)
	return d.Uvarint()
}

func (r record) bytes() []byte {
	d := binenc.NewReader(r.b)
	d.Uvarint()
	return d.Bytes()
}
