//go:build purego

package jsonx

import "encoding/binary"

// load64 returns the eight bytes from b[i] as a little-endian word; there must be eight.
func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
