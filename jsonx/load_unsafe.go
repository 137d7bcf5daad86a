//go:build !purego

package jsonx

import (
	"encoding/binary"
	"unsafe"
)

// load64 returns the eight bytes from b[i] as a little-endian word. The caller has made sure that they are there:
// len(b)-i >= 8. The check of bounds left out here is worth a fifth of the speed of Valid; load_portable.go has the
// twin that keeps it, for the build tag purego.
func load64(b []byte, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))[:])
}
