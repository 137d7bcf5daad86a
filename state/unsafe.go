//go:build !purego

package state

import "unsafe"

// record is a version of a record as appendRecord wrote it, which nobody changes. A pointer
// to the first byte takes two words less than a slice, and sequence and length in front of
// the bytes mostly fit into what the allocator rounds up: a Row is two words, not five, for
// which the allocator would take six. portable.go does without, for the build tag purego.
type record struct{ p *byte }

func recordOf(b []byte) record { return record{unsafe.SliceData(b)} }

func (r record) at(i int) byte { return *(*byte)(unsafe.Add(unsafe.Pointer(r.p), i)) }

// uvarint reads what binenc.AppendUvarint wrote at place i, and returns the place behind it.
func (r record) uvarint(i int) (v uint64, behind int) {
	for shift := 0; ; shift += 7 {
		c := r.at(i)
		v |= uint64(c&0x7F) << shift
		if i++; c < 0x80 {
			return v, i
		}
	}
}

func (r record) seq() uint64 {
	v, _ := r.uvarint(0)
	return v
}

func (r record) bytes() []byte {
	i := 0
	for r.at(i) >= 0x80 { // the sequence
		i++
	}
	n, i := r.uvarint(i + 1)
	if n == 0 {
		return []byte{} // no pointer may stand behind the record
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(r.p), i)), n)
}
