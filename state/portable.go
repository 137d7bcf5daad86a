//go:build purego

package state

// record is the bytes of a record, which nobody changes.
type record struct{ b []byte }

func recordOf(b []byte) record { return record{b} }

func (r record) bytes() []byte { return r.b }
