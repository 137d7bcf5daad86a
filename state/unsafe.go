//go:build !purego

package state

import "unsafe"

// record is the bytes of a record, which nobody changes. A string takes a word less than a
// slice, and with it a Row four words, not five, for which the allocator would take six:
// 16 bytes of every record. portable.go does without, for the build tag purego.
type record struct{ s string }

func recordOf(b []byte) record { return record{unsafe.String(unsafe.SliceData(b), len(b))} }

func (r record) bytes() []byte { return unsafe.Slice(unsafe.StringData(r.s), len(r.s)) }
