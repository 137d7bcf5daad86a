package ws

import (
	"math/bits"
	"slices"
)

// Lengths of the alphabets of DEFLATE (RFC 1951 §3.2).
const (
	litCodes    = 286 // literals, the end of a block, lengths
	distCodes   = 30
	lengthCodes = 19 // the code of code lengths
	maxCodeLen  = 15
	endOfBlock  = 256
	fastBits    = 9
)

// decoding is a canonical Huffman code (RFC 1951 §3.2.2) to decode with. Codes of up to
// nine bits are found in one step; longer ones, which are rare, are counted down.
type decoding struct {
	fast   [1 << fastBits]uint16  // by the next bits: symbol<<4 | length; 0: longer, or none
	count  [maxCodeLen + 1]uint16 // codes of each length
	symbol [litCodes + 2]uint16   // in the order of their codes
	max    uint                   // length of the longest code
}

// init makes the code of the lengths; 0 is no code. false: there is no such code. A code
// may be incomplete only where it has a single symbol of one bit, or none at all.
func (d *decoding) init(lengths []uint8) bool {
	d.count = [maxCodeLen + 1]uint16{}
	for _, n := range lengths {
		d.count[n]++
	}
	d.count[0] = 0
	left, used := 1, 0
	d.max = 0
	var next, at [maxCodeLen + 2]uint16
	for n := 1; n <= maxCodeLen; n++ {
		if left = left<<1 - int(d.count[n]); left < 0 {
			return false
		}
		if d.count[n] > 0 {
			used, d.max = used+int(d.count[n]), uint(n)
		}
		next[n+1] = (next[n] + d.count[n]) << 1
		at[n+1] = at[n] + d.count[n]
	}
	if left > 0 && used > 0 && !(used == 1 && d.count[1] == 1) {
		return false
	}
	clear(d.fast[:])
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		d.symbol[at[n]] = uint16(s)
		at[n]++
		code := next[n]
		next[n]++
		if n <= fastBits {
			for i := int(bits.Reverse16(code) >> (16 - n)); i < len(d.fast); i += 1 << n {
				d.fast[i] = uint16(s)<<4 | uint16(n)
			}
		}
	}
	return true
}

// next decodes the symbol in the lowest n bits of b. size is how many bits it has; 0: b
// ends within it. ok is false where no code begins like this.
func (d *decoding) next(b uint64, n uint) (symbol uint16, size uint, ok bool) {
	if e := d.fast[b&(1<<fastBits-1)]; e != 0 {
		if size = uint(e & 15); size <= n {
			return e >> 4, size, true
		}
		return 0, 0, true
	}
	code, first, index := 0, 0, 0
	for size = 1; size <= d.max; size++ {
		if size > n {
			return 0, 0, true
		}
		code |= int(b & 1)
		b >>= 1
		count := int(d.count[size])
		if code-count < first {
			return d.symbol[index+code-first], size, true
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, 0, false
}

// The fixed code (RFC 1951 §3.2.6).
var (
	fixedLengths  = makeFixedLengths()
	fixedLit      = mustDecode(fixedLengths[:])
	fixedDist     = mustDecode(slices.Repeat([]uint8{5}, 32))
	fixedLitCode  = makeFixedLit()
	fixedDistCode = makeFixedDist()
)

func makeFixedLengths() (l [litCodes + 2]uint8) {
	for s := range l {
		switch {
		case s < 144 || s >= 280:
			l[s] = 8
		case s < 256:
			l[s] = 9
		default:
			l[s] = 7
		}
	}
	return l
}

func mustDecode(lengths []uint8) *decoding {
	d := new(decoding)
	if !d.init(lengths) {
		panic("ws: the fixed Huffman code is wrong")
	}
	return d
}

func makeFixedLit() (c encoding) {
	copy(c.length[:], fixedLengths[:litCodes])
	c.assignAll(fixedLengths[:])
	return c
}

func makeFixedDist() (c encoding) {
	lengths := slices.Repeat([]uint8{5}, 32)
	copy(c.length[:], lengths[:distCodes])
	c.assignAll(lengths)
	return c
}

// encoding is a Huffman code to encode with. Codes stand with their first bit lowest.
type encoding struct {
	code   [litCodes]uint16
	length [litCodes]uint8
}

// build makes a code for symbols that occur so often, none longer than limit bits. It has
// at least two symbols of one bit each, so that it is complete.
func (c *encoding) build(freq []uint32, limit int, scratch []uint64) {
	clear(c.length[:])
	used := scratch[:0]
	for s, f := range freq {
		if f > 0 {
			used = append(used, uint64(f)<<16|uint64(s))
		}
	}
	for s := 0; len(used) < 2; s++ {
		if freq[s] == 0 {
			used = append(used, 1<<16|uint64(s))
		}
	}
	slices.Sort(used)
	var count [64]int
	depths(used, &count)
	shorten(&count, limit)
	i := 0
	for n := limit; n > 0; n-- { // the rarest have the longest codes
		for range count[n] {
			c.length[used[i]&0xFFFF] = uint8(n)
			i++
		}
	}
	c.assignAll(c.length[:len(freq)])
}

// depths counts how many leaves the Huffman tree of sorted weights (in the upper bits) has
// at each depth. It is built with two queues: leaves, and inner nodes in the order of
// their making, which is the order of their weights.
func depths(leaves []uint64, count *[64]int) {
	n := len(leaves)
	var weight [litCodes]uint64
	var parent [litCodes]uint16 // of inner nodes
	var leafParent [litCodes]uint16
	leaf, inner := 0, 0
	for made := 0; made < n-1; made++ {
		for range 2 {
			if leaf < n && (inner == made || leaves[leaf]>>16 <= weight[inner]) {
				weight[made] += leaves[leaf] >> 16
				leafParent[leaf] = uint16(made)
				leaf++
			} else {
				weight[made] += weight[inner]
				parent[inner] = uint16(made)
				inner++
			}
		}
	}
	var depth [litCodes]uint8
	for i := n - 3; i >= 0; i-- { // n-2 is the root
		depth[i] = min(depth[parent[i]]+1, 62)
	}
	for i := range n {
		count[depth[leafParent[i]]+1]++
	}
}

// shorten changes the numbers of codes of each length so that none is longer than limit
// and the code stays complete.
func shorten(count *[64]int, limit int) {
	sum := 0 // in units of the longest code
	for n := len(count) - 1; n > limit; n-- {
		count[limit] += count[n]
		count[n] = 0
	}
	for n := 1; n <= limit; n++ {
		sum += count[n] << (limit - n)
	}
	for ; sum > 1<<limit; sum-- {
		n := limit - 1
		for count[n] == 0 {
			n--
		}
		count[limit]-- // one of the longest becomes the brother of a shorter one
		count[n]--
		count[n+1] += 2
	}
}

// assignAll gives the symbols their canonical codes (RFC 1951 §3.2.2).
func (c *encoding) assignAll(lengths []uint8) {
	var count, next [maxCodeLen + 2]uint16
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	for n := 1; n <= maxCodeLen; n++ {
		next[n+1] = (next[n] + count[n]) << 1
	}
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		if s < len(c.code) {
			c.code[s] = bits.Reverse16(next[n]) >> (16 - n)
		}
		next[n]++
	}
}
