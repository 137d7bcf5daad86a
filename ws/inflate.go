package ws

import (
	"encoding/binary"
	"errors"
)

// inflater decompresses DEFLATE (RFC 1951) that comes in pieces of any size. What it makes
// is appended to a buffer that also is its window: what stands there already may be
// referred to. So it holds no window of its own.
//
// It goes on behind a block with BFINAL set, at the next byte, as RFC 7692 §7.2.3.4 wants.
type inflater struct {
	hold  uint64 // bits that were read and not used; the next one lowest
	n     uint   // how many
	state inflateState
	final bool
	left  int // bytes of a stored block
	size  int // length of a match, or of what its code says so far
	sym   uint16

	lit, dist     *decoding // of the block
	nlit, ndist   int
	ncode, filled int // of the code lengths
	lengths       [litCodes + distCodes + 16]uint8
	own           [2]decoding // of a dynamic block
	meta          decoding    // of its code lengths
}

type inflateState uint8

const (
	atBlock inflateState = iota
	atStoredLength
	inStored
	atCounts
	atMetaLengths
	atLengths
	atRepeat
	atSymbol
	atLengthBits
	atDistance
	atDistanceBits
)

var (
	errCorrupt  = errors.New("ws: compressed data is corrupt")
	errInflated = errors.New("ws: compressed data is too long when inflated")
)

// metaOrder is the order in which the lengths of the code of code lengths come.
var metaOrder = [lengthCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// What the codes 257 to 285 mean for lengths, and 0 to 29 for distances (RFC 1951 §3.2.5).
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// reset makes ready for another stream.
func (z *inflater) reset() {
	z.hold, z.n, z.state, z.final = 0, 0, atBlock, false
}

// atEnd says whether the stream may end here: behind a block, with no bits left.
func (z *inflater) atEnd() bool { return z.state == atBlock && z.n == 0 }

// add inflates a further piece and appends what it gives to dst, which must begin with
// what it gave before, as far as that can still be referred to. When dst would grow longer
// than most, errInflated.
func (z *inflater) add(dst, src []byte, most int) ([]byte, error) {
	for {
		var err error
		before := len(src)
		state, n := z.state, z.n
		switch z.state {
		case inStored:
			dst, src, err = z.stored(dst, src, most)
		case atSymbol:
			if dst, src, err = z.quick(dst, src, most); err == nil {
				src = z.fill(src)
				dst, err = z.symbol(dst, most)
			}
		case atLengthBits, atDistance, atDistanceBits:
			src = z.fill(src)
			dst, err = z.match(dst, most)
		default:
			src = z.fill(src)
			err = z.blockHead()
		}
		if err != nil {
			return dst, err
		}
		if len(src) == 0 && before == 0 && z.state == state && z.n == n {
			return dst, nil // nothing moves without more
		}
	}
}

// fill reads as many bytes as there is room for, and leaves a bit free, as quick needs.
func (z *inflater) fill(src []byte) []byte {
	for z.n < 56 && len(src) > 0 {
		z.hold |= uint64(src[0]) << z.n
		z.n += 8
		src = src[1:]
	}
	return src
}

// take takes n bits; false when there are not so many.
func (z *inflater) take(n uint) (int, bool) {
	if z.n < n {
		return 0, false
	}
	v := int(z.hold & (1<<n - 1))
	z.hold >>= n
	z.n -= n
	return v, true
}

// blockHead reads what stands in front of a block's data, one step at a time.
func (z *inflater) blockHead() error {
	switch z.state {
	case atBlock:
		return z.blockType()
	case atStoredLength:
		if v, ok := z.take(32); ok {
			if v>>16 != ^v&0xFFFF {
				return errCorrupt
			}
			z.left, z.state = v&0xFFFF, inStored
		}
	case atCounts:
		if v, ok := z.take(14); ok {
			z.nlit, z.ndist, z.ncode = 257+v&31, 1+v>>5&31, 4+v>>10
			if z.nlit > litCodes || z.ndist > distCodes {
				return errCorrupt
			}
			clear(z.lengths[:])
			z.filled, z.state = 0, atMetaLengths
		}
	case atMetaLengths:
		return z.metaLengths()
	case atLengths, atRepeat:
		return z.codeLengths()
	}
	return nil
}

func (z *inflater) blockType() error {
	v, ok := z.take(3)
	if !ok {
		return nil
	}
	z.final = v&1 != 0
	switch v >> 1 {
	case 0:
		z.take(z.n & 7) // to the next byte
		z.state = atStoredLength
	case 1:
		z.lit, z.dist, z.state = fixedLit, fixedDist, atSymbol
	case 2:
		z.state = atCounts
	default:
		return errCorrupt
	}
	return nil
}

func (z *inflater) metaLengths() error {
	for z.filled < z.ncode {
		v, ok := z.take(3)
		if !ok {
			return nil
		}
		z.lengths[metaOrder[z.filled]] = uint8(v)
		z.filled++
	}
	if !z.meta.init(z.lengths[:lengthCodes]) {
		return errCorrupt
	}
	clear(z.lengths[:lengthCodes])
	z.filled, z.state = 0, atLengths
	return nil
}

// codeLengths reads the lengths of both codes (RFC 1951 §3.2.7).
func (z *inflater) codeLengths() error {
	for z.filled < z.nlit+z.ndist {
		if z.state == atLengths {
			sym, size, ok := z.meta.next(z.hold, z.n)
			if !ok {
				return errCorrupt
			}
			if size == 0 {
				return nil
			}
			z.take(size)
			if sym < 16 {
				z.lengths[z.filled] = uint8(sym)
				z.filled++
				continue
			}
			z.sym, z.state = sym, atRepeat
		}
		if ok, err := z.repeat(); !ok || err != nil {
			return err
		}
	}
	if z.lengths[endOfBlock] == 0 || !z.own[0].init(z.lengths[:z.nlit]) || !z.own[1].init(z.lengths[z.nlit:z.nlit+z.ndist]) {
		return errCorrupt
	}
	z.lit, z.dist, z.state = &z.own[0], &z.own[1], atSymbol
	return nil
}

// repeat repeats a code length; false when its count is not there yet.
func (z *inflater) repeat() (bool, error) {
	bits, least, value := uint(2), 3, uint8(0)
	switch z.sym {
	case 16:
		if z.filled == 0 {
			return false, errCorrupt
		}
		value = z.lengths[z.filled-1]
	case 17:
		bits = 3
	default:
		bits, least = 7, 11
	}
	v, ok := z.take(bits)
	if !ok {
		return false, nil
	}
	if z.filled+least+v > z.nlit+z.ndist {
		return false, errCorrupt
	}
	for range least + v {
		z.lengths[z.filled] = value
		z.filled++
	}
	z.state = atLengths
	return true, nil
}

// stored copies a stored block.
func (z *inflater) stored(dst, src []byte, most int) ([]byte, []byte, error) {
	if len(dst)+min(z.left, int(z.n/8)+len(src)) > most {
		return dst, src, errInflated
	}
	for z.left > 0 && z.n >= 8 {
		v, _ := z.take(8)
		dst = append(dst, byte(v))
		z.left--
	}
	k := min(z.left, len(src))
	dst = append(dst, src[:k]...)
	if z.left -= k; z.left == 0 {
		z.endBlock()
	}
	return dst, src[k:], nil
}

func (z *inflater) endBlock() {
	if z.state = atBlock; z.final {
		z.take(z.n & 7)
		z.final = false
	}
}

// symbol decodes one symbol, a literal or what begins a match.
func (z *inflater) symbol(dst []byte, most int) ([]byte, error) {
	if z.state != atSymbol {
		return dst, nil
	}
	sym, size, ok := z.lit.next(z.hold, z.n)
	switch {
	case !ok || sym >= litCodes:
		return dst, errCorrupt
	case size == 0:
		return dst, nil
	}
	z.take(size)
	switch {
	case sym < endOfBlock:
		if len(dst) >= most {
			return dst, errInflated
		}
		return append(dst, byte(sym)), nil
	case sym == endOfBlock:
		z.endBlock()
	default:
		z.sym, z.state = sym-endOfBlock-1, atLengthBits
	}
	return dst, nil
}

// match reads what is left of a match, as far as its bits are there, and copies it.
func (z *inflater) match(dst []byte, most int) ([]byte, error) {
	if z.state == atLengthBits {
		v, ok := z.take(uint(lengthBits[z.sym]))
		if !ok {
			return dst, nil
		}
		z.size, z.state = int(lengthBase[z.sym])+v, atDistance
	}
	if z.state == atDistance {
		sym, size, ok := z.dist.next(z.hold, z.n)
		switch {
		case !ok || sym >= distCodes:
			return dst, errCorrupt
		case size == 0:
			return dst, nil
		}
		z.take(size)
		z.sym, z.state = sym, atDistanceBits
	}
	v, ok := z.take(uint(distBits[z.sym]))
	if !ok {
		return dst, nil
	}
	z.state = atSymbol
	return copyMatch(dst, int(distBase[z.sym])+v, z.size, most)
}

// copyMatch appends size bytes that stand dist bytes before the end. They may overlap with
// what is appended.
func copyMatch(dst []byte, dist, size, most int) ([]byte, error) {
	if dist > len(dst) {
		return dst, errCorrupt
	}
	if len(dst)+size > most {
		return dst, errInflated
	}
	for from := len(dst) - dist; size > 0; {
		k := min(size, len(dst)-from)
		dst = append(dst, dst[from:from+k]...)
		size -= k
	}
	return dst, nil
}

// quick decodes symbols while eight bytes of input are left, so that no step of a symbol
// can run out of bits: 48 are the most that one takes.
func (z *inflater) quick(dst, src []byte, most int) ([]byte, []byte, error) {
	hold, n := z.hold, z.n
	lit, dist := z.lit, z.dist
	var err error
	for len(src) >= 8 && err == nil {
		hold |= binary.LittleEndian.Uint64(src) << n
		src = src[(63-n)>>3:]
		n |= 56
		sym, size, ok := lit.next(hold, n)
		if !ok || sym >= litCodes {
			err = errCorrupt
			break
		}
		hold >>= size
		n -= size
		if sym < endOfBlock {
			if len(dst) >= most {
				err = errInflated
				break
			}
			dst = append(dst, byte(sym))
			continue
		}
		if sym == endOfBlock {
			z.hold, z.n = hold&(1<<n-1), n
			z.endBlock()
			return dst, src, nil
		}
		extra := uint(lengthBits[sym-endOfBlock-1])
		length := int(lengthBase[sym-endOfBlock-1]) + int(hold&(1<<extra-1))
		hold >>= extra
		n -= extra
		if sym, size, ok = dist.next(hold, n); !ok || sym >= distCodes {
			err = errCorrupt
			break
		}
		hold >>= size
		extra = uint(distBits[sym])
		far := int(distBase[sym]) + int(hold&(1<<extra-1))
		hold >>= extra
		n -= size + extra
		dst, err = copyMatch(dst, far, length, most)
	}
	z.hold, z.n = hold&(1<<n-1), n
	return dst, src, err
}
