package live

import "math/bits"

// Hash is the hash of a set of rows: the sum of theirs, so that it does not depend on their
// order and costs time in proportion to what changes. It finds faults; it is no protection
// against who makes them on purpose. SPEC.md §5 has its definition and test vectors.
type Hash struct{ a, b uint32 }

// Plus returns the hash of two sets together.
func (h Hash) Plus(o Hash) Hash { return Hash{h.a + o.a, h.b + o.b} }

// Minus takes a set out of another that holds it.
func (h Hash) Minus(o Hash) Hash { return Hash{h.a - o.a, h.b - o.b} }

// String returns 16 hexadecimal digits.
func (h Hash) String() string {
	const digits = "0123456789abcdef"
	var t [16]byte
	for i := range 8 {
		t[i] = digits[h.a>>(28-4*i)&15]
		t[8+i] = digits[h.b>>(28-4*i)&15]
	}
	return string(t[:])
}

// HashRow returns the hash of one row: its key as text and its members in canonical JSON
// (RFC 8785).
func HashRow(key string, canonical []byte) Hash {
	h := Hash{0x811C9DC5, 0x9747B28C}
	for i := range len(key) {
		h.take(key[i])
	}
	h.take('\n')
	for _, c := range canonical {
		h.take(c)
	}
	return Hash{mix(h.a), mix(h.b ^ bits.RotateLeft32(h.a, 16))}
}

// take works one byte in: the first half as FNV-1a does, the other with other constants and a
// shift, so that what the one does not see the other does.
func (h *Hash) take(c byte) {
	h.a = (h.a ^ uint32(c)) * 0x01000193
	h.b = (h.b ^ uint32(c)) * 0x5BD1E995
	h.b ^= h.b >> 15
}

// mix spreads every bit over all others, so that sums of hashes are as good as they.
func mix(x uint32) uint32 {
	x = (x ^ x>>16) * 0x85EBCA6B
	x = (x ^ x>>13) * 0xC2B2AE35
	return x ^ x>>16
}
