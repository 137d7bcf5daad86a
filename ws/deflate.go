package ws

import (
	"encoding/binary"
	"math/bits"
)

// deflater compresses messages with DEFLATE (RFC 1951): it looks for one earlier place with
// the same four bytes, takes the longest match there, and writes each block stored, with
// the fixed code or with one of its own, whichever is shortest. It does not look back
// farther than the window, of any size from 256 bytes to 32 KiB.
//
// It keeps nothing from one message to the next but what the caller hands back as history,
// so one deflater serves any number of connections, one at a time.
type deflater struct {
	last  [1 << hashBits]uint32 // where four bytes were seen: base + position + 1; less: not in this message
	base  uint32
	limit int // of distances: the window

	tokens [blockTokens]uint32 // literal, or length<<16 | distance
	n      int
	lit    [litCodes]uint32 // how often, in this block
	dist   [distCodes]uint32

	litCode, distCode, metaCode encoding
	sorted                      [litCodes]uint64
	runs                        [litCodes + distCodes]uint16 // code lengths, as they are sent: symbol | extra<<8
	work                        []byte                       // history and message in one piece

	out  []byte
	hold uint64
	bits uint
}

const (
	hashBits    = 13
	blockTokens = 8 << 10
	minMatch    = 4
	maxMatch    = 258
	maxWindow   = 32 << 10
	maxDeflater = 256 << 10 // of work that is kept
)

// message appends the compressed payload of a message to dst, without the four bytes that
// RFC 7692 §7.2.1 takes off. history is what the other side's window holds before it; nil
// for nothing. windowBits is from 8 to 15.
func (z *deflater) message(dst, history, msg []byte, windowBits int) []byte {
	z.out, z.hold, z.bits, z.limit = dst, 0, 0, 1<<windowBits
	text := msg
	if len(history) > 0 {
		z.work = append(append(z.work[:0], history...), msg...)
		text = z.work
	}
	if uint64(z.base)+uint64(len(text))+1 >= 1<<32-1 {
		clear(z.last[:])
		z.base = 0
	}
	for i := 0; i+minMatch <= len(history); i++ {
		z.last[hash(binary.LittleEndian.Uint32(text[i:]))] = z.base + uint32(i) + 1
	}
	z.parse(text, len(history))
	z.base += uint32(len(text))
	z.put(0, 3) // an empty stored block, whose length is taken off
	z.align()
	dst = z.out
	z.out = nil
	if cap(z.work) > maxDeflater {
		z.work = nil
	}
	return dst
}

func hash(v uint32) uint32 { return v * 2654435761 >> (32 - hashBits) }

// parse finds matches from position i on.
func (z *deflater) parse(text []byte, i int) {
	begin, misses := i, 0
	for i+minMatch <= len(text) {
		v := binary.LittleEndian.Uint32(text[i:])
		h := hash(v)
		seen := z.last[h]
		z.last[h] = z.base + uint32(i) + 1
		at := int(seen) - int(z.base) - 1
		if seen <= z.base || i-at > z.limit || at >= i || binary.LittleEndian.Uint32(text[at:]) != v {
			step := 1 + misses>>5 // what does not compress is passed over faster and faster
			misses++
			for range min(step, len(text)-i) {
				begin = z.literal(text, i, begin)
				i++
			}
			continue
		}
		misses = 0
		n := minMatch + same(text[at+minMatch:], text[i+minMatch:min(len(text), i+maxMatch)])
		begin = z.reference(text, n, i-at, i+n, begin)
		for j := i + 1; j < i+n && j+minMatch <= len(text); j += 1 + n>>4 {
			z.last[hash(binary.LittleEndian.Uint32(text[j:]))] = z.base + uint32(j) + 1
		}
		i += n
	}
	for ; i < len(text); i++ {
		begin = z.literal(text, i, begin)
	}
	if z.n > 0 {
		z.block(text[begin:])
	}
}

// same returns how many bytes a and b have in common at their beginning; b is the shorter.
func same(a, b []byte) (n int) {
	for len(b)-n >= 8 {
		if d := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); d != 0 {
			return n + bits.TrailingZeros64(d)>>3
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// literal and reference add a token to the block that began at begin, and return where the
// block begins to which the next belongs.
func (z *deflater) literal(text []byte, i, begin int) int {
	z.tokens[z.n] = uint32(text[i])
	z.n++
	z.lit[text[i]]++
	return z.full(text, i+1, begin)
}

func (z *deflater) reference(text []byte, length, dist, next, begin int) int {
	z.tokens[z.n] = uint32(length)<<16 | uint32(dist)
	z.n++
	z.lit[lengthCode(length)]++
	z.dist[distCode(dist)]++
	return z.full(text, next, begin)
}

func (z *deflater) full(text []byte, next, begin int) int {
	if z.n < len(z.tokens) {
		return begin
	}
	z.block(text[begin:next])
	return next
}

var lengthCodeOf = func() (t [maxMatch + 1]uint16) {
	for c := range lengthBase {
		for l := int(lengthBase[c]); l <= maxMatch; l++ {
			t[l] = uint16(endOfBlock + 1 + c)
		}
	}
	return t
}()

func lengthCode(length int) uint16 { return lengthCodeOf[length] }

// distCode: from 5 on, two codes for each power of two.
func distCode(dist int) uint16 {
	d := uint(dist - 1)
	if d < 4 {
		return uint16(d)
	}
	top := uint(bits.Len(d) - 1)
	return uint16(2*top + d>>(top-1)&1)
}

// block writes the gathered tokens, which stand for text, in the shortest form.
func (z *deflater) block(text []byte) {
	z.lit[endOfBlock] = 1
	extra := 0
	for c, n := range z.lit[endOfBlock+1:] {
		extra += int(n) * int(lengthBits[c])
	}
	for c, n := range z.dist {
		extra += int(n) * int(distBits[c])
	}
	fixed := extra + cost(&z.lit, &fixedLitCode) + cost(&z.dist, &fixedDistCode)
	stored := 8*len(text) + 40*(1+len(text)>>16)
	best := min(fixed, stored)
	if z.n > 32 { // a code of its own takes 40 bytes and more
		nlit, ndist, nmeta, head := z.design()
		if own := head + extra + cost(&z.lit, &z.litCode) + cost(&z.dist, &z.distCode); own < best {
			z.put(2<<1, 3)
			z.codes(nlit, ndist, nmeta)
			z.body(&z.litCode, &z.distCode)
			best = -1
		}
	}
	switch best {
	case -1:
	case fixed:
		z.put(1<<1, 3)
		z.body(&fixedLitCode, &fixedDistCode)
	default:
		z.raw(text)
	}
	z.n = 0
	clear(z.lit[:])
	clear(z.dist[:])
}

// cost is how many bits symbols take.
func cost[A *[litCodes]uint32 | *[distCodes]uint32](freq A, c *encoding) (n int) {
	switch freq := any(freq).(type) {
	case *[litCodes]uint32:
		for s, f := range freq {
			n += int(f) * int(c.length[s])
		}
	case *[distCodes]uint32:
		for s, f := range freq {
			n += int(f) * int(c.length[s])
		}
	}
	return n
}

// design makes codes for the block. It returns how many lengths of each are sent, and how
// many bits that takes.
func (z *deflater) design() (nlit, ndist, nmeta, head int) {
	z.litCode.build(z.lit[:], maxCodeLen, z.sorted[:])
	z.distCode.build(z.dist[:], maxCodeLen, z.sorted[:])
	nlit, ndist = litCodes, distCodes
	for z.litCode.length[nlit-1] == 0 {
		nlit--
	}
	for z.distCode.length[ndist-1] == 0 {
		ndist--
	}
	var lengths [litCodes + distCodes]uint8
	copy(lengths[:], z.litCode.length[:nlit])
	copy(lengths[nlit:], z.distCode.length[:ndist])
	var freq [lengthCodes]uint32
	z.runs[0] = 0
	nruns := z.runLengths(lengths[:nlit+ndist], &freq)
	z.metaCode.build(freq[:], 7, z.sorted[:])
	nmeta = lengthCodes
	for nmeta > 4 && z.metaCode.length[metaOrder[nmeta-1]] == 0 {
		nmeta--
	}
	head = 14 + 3*nmeta + 2*int(freq[16]) + 3*int(freq[17]) + 7*int(freq[18])
	for s, f := range freq {
		head += int(f) * int(z.metaCode.length[s])
	}
	clear(z.runs[nruns:])
	if nruns < len(z.runs) {
		z.runs[nruns] = endOfRuns
	}
	return nlit, ndist, nmeta, head
}

const endOfRuns = 0xFF

// runLengths puts code lengths in the form in which they are sent (RFC 1951 §3.2.7).
func (z *deflater) runLengths(lengths []uint8, freq *[lengthCodes]uint32) (n int) {
	add := func(symbol, extra int) {
		z.runs[n] = uint16(symbol | extra<<8)
		freq[symbol]++
		n++
	}
	for i := 0; i < len(lengths); {
		v, run := lengths[i], 1
		for i+run < len(lengths) && lengths[i+run] == v {
			run++
		}
		i += run
		if v != 0 {
			add(int(v), 0)
			run--
		}
		for run >= 3 {
			k := min(run, 6)
			switch {
			case v != 0:
				add(16, k-3)
			case run > 10:
				k = min(run, 138)
				add(18, k-11)
			default:
				k = min(run, 10)
				add(17, k-3)
			}
			run -= k
		}
		for range run {
			add(int(v), 0)
		}
	}
	return n
}

// codes writes the lengths of the block's own codes.
func (z *deflater) codes(nlit, ndist, nmeta int) {
	z.put(uint64(nlit-257|(ndist-1)<<5|(nmeta-4)<<10), 14)
	for _, s := range metaOrder[:nmeta] {
		z.put(uint64(z.metaCode.length[s]), 3)
	}
	for _, r := range z.runs {
		s := r & 0xFF
		if s == endOfRuns {
			break
		}
		z.put(uint64(z.metaCode.code[s]), uint(z.metaCode.length[s]))
		switch s {
		case 16:
			z.put(uint64(r>>8), 2)
		case 17:
			z.put(uint64(r>>8), 3)
		case 18:
			z.put(uint64(r>>8), 7)
		}
	}
}

// body writes the tokens and the end of the block.
func (z *deflater) body(lit, dist *encoding) {
	for _, t := range z.tokens[:z.n] {
		if t < endOfBlock {
			z.put(uint64(lit.code[t]), uint(lit.length[t]))
			continue
		}
		length, far := int(t>>16), int(t&0xFFFF)
		s := lengthCode(length)
		z.put(uint64(lit.code[s]), uint(lit.length[s]))
		z.put(uint64(length-int(lengthBase[s-endOfBlock-1])), uint(lengthBits[s-endOfBlock-1]))
		s = distCode(far)
		z.put(uint64(dist.code[s]), uint(dist.length[s]))
		z.put(uint64(far-int(distBase[s])), uint(distBits[s]))
	}
	z.put(uint64(lit.code[endOfBlock]), uint(lit.length[endOfBlock]))
}

// raw writes text as it is, in stored blocks.
func (z *deflater) raw(text []byte) {
	for len(text) > 0 {
		n := min(len(text), 0xFFFF)
		z.put(0, 3)
		z.align()
		z.out = binary.LittleEndian.AppendUint16(z.out, uint16(n))
		z.out = binary.LittleEndian.AppendUint16(z.out, ^uint16(n))
		z.out = append(z.out, text[:n]...)
		text = text[n:]
	}
}

// put writes n bits, at most 16.
func (z *deflater) put(v uint64, n uint) {
	z.hold |= v << z.bits
	z.bits += n
	if z.bits >= 48 {
		z.out = append(z.out, byte(z.hold), byte(z.hold>>8), byte(z.hold>>16), byte(z.hold>>24), byte(z.hold>>32), byte(z.hold>>40))
		z.hold >>= 48
		z.bits -= 48
	}
}

// align writes what is left of a byte.
func (z *deflater) align() {
	for z.bits > 0 {
		z.out = append(z.out, byte(z.hold))
		z.hold >>= 8
		z.bits -= min(z.bits, 8)
	}
}

// slide keeps the last n bytes of a window and a message behind it.
func slide(window, msg []byte, n int) []byte {
	if len(msg) >= n {
		return append(window[:0], msg[len(msg)-n:]...)
	}
	if over := len(window) + len(msg) - n; over > 0 {
		window = window[:copy(window, window[over:])]
	}
	return append(window, msg...)
}
