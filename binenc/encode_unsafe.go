//go:build !purego && (386 || amd64 || arm64 || loong64 || ppc64le || wasm)

package binenc

import (
	"math/bits"
	"unsafe"
)

const (
	hotRoom = 16 // at least as many bytes as a gap and an integer or float take
	hotList = 16 // the longest list that encodeHot tries, in elements

	notASCII = 0x8080808080808080 // the top bits of eight bytes
)

// hotCode says how encodeHot writes a field. There are enough of them for a jump table.
type hotCode uint8

const (
	hotNone hotCode = iota // not at all
	hotTexts
	hotUint
	hotInt
	hotBool
	hotFloat64
	hotMessage // of nothing but texts
	hotTextList
	hotIntList
	hotMessageList // of such messages
)

// hotOp is what encodeHot needs of an op, in a row of few cache lines.
type hotOp struct {
	code   hotCode
	run    uint8 // how many texts lie behind one another from here on, by number and in memory, or in a message
	number uint32
	offset uintptr // of the field, or of the first text of a message
	o      *op     // in program.ops; for a list its element
}

// heat makes the hot ops of a program, one for each op.
func (p *program) heat() {
	p.hot = make([]hotOp, len(p.ops)+1)[:len(p.ops)] // and a hotNone at which encodeHot ends
	for i := len(p.ops) - 1; i >= 0; i-- {
		o, h := &p.ops[i], &p.hot[i]
		*h = hotOp{code: o.hot(), run: 1, number: o.number, offset: o.offset, o: o}
		o.cold = h.code == hotNone
		switch h.code {
		case hotMessage:
			h.run = uint8(o.msg.texts)
			h.offset += o.msg.first
		case hotTextList, hotIntList, hotMessageList:
			h.o = o.elem
		}
		if h.code != hotTexts {
			continue
		}
		if i+1 < len(p.ops) {
			next := &p.hot[i+1]
			if next.code == hotTexts && next.run < 255 && next.number == h.number+1 && next.offset == h.offset+unsafe.Sizeof("") {
				h.run += next.run
			}
		}
	}
	if n := len(p.hot); n > 0 && p.unknown == nil && p.hot[0].code == hotTexts && p.hot[0].number == 1 && int(p.hot[0].run) == n {
		p.texts, p.first = n, p.hot[0].offset
	}
}

func (o *op) hot() hotCode {
	if o.optional {
		return hotNone
	}
	switch o.code {
	case opString:
		return hotTexts
	case opUint:
		return hotUint
	case opInt:
		return hotInt
	case opBool:
		return hotBool
	case opFloat64:
		return hotFloat64
	case opMessage:
		if o.msg.texts > 0 {
			return hotMessage
		}
	case opList:
		switch o.elem.hot() {
		case hotTexts:
			return hotTextList
		case hotInt:
			if o.elem.size == 8 {
				return hotIntList
			}
		case hotMessage:
			return hotMessageList
		}
	}
	return hotNone
}

// encodeHot appends the fields from number i of ops on, up to the first that takes more
// than room for it and a few stores; encodeKnown does that one and comes back. It holds
// the buffer as an address and an offset, since a slice that goes through append for
// each byte costs about as much as the bytes do, and stores to addresses without a
// function around it, since each inlined call leaves an instruction that does nothing
// behind; it goes from op to op by address, to a hotNone at their end. Texts are copied
// by calls that keep to registers: written out here, they took as long and made the rest
// slower. So did an if for each code in place of the jump table, and integers of lists
// spread over their bytes without a branch.
func (p *program) encodeHot(dst []byte, base place, i int, last uint32) (_ []byte, next int, _ uint32) {
	buf, off, end := unsafe.Pointer(unsafe.SliceData(dst)), len(dst), cap(dst)
	first := unsafe.Pointer(unsafe.SliceData(p.hot))
	o := (*hotOp)(unsafe.Add(first, uintptr(i)*unsafe.Sizeof(hotOp{})))
	expected, start := last+1, off // the number that needs no gap, where the field begins
fields:
	for ; ; o = (*hotOp)(unsafe.Add(unsafe.Pointer(o), unsafe.Sizeof(hotOp{}))) {
		at := unsafe.Add(base, o.offset)
		start = off
		if end-off < hotRoom {
			break
		}
		if o.number != expected {
			width := o.number - expected
			if width > maxShortGap {
				break
			}
			*(*byte)(unsafe.Add(buf, off)) = headShortGap + byte(width-1)
			off++
		}
		var to, n, done int // of what has a length: its end, its elements, how many are written
		switch o.code {
		case hotTexts:
			if *(*string)(at) == "" {
				off = start
				continue
			}
			n = int(o.run)
			if end-off >= n*textRoom {
				to, done = putShort(buf, off, at, n, headShortBytes), n
			}
			if to == 0 {
				if to, done = putTexts(buf, off, end, at, n, headShortBytes); done == 0 {
					break fields
				}
			}
			off, expected = to, o.number+uint32(done)
			o = (*hotOp)(unsafe.Add(unsafe.Pointer(o), uintptr(done-1)*unsafe.Sizeof(hotOp{})))
			continue
		case hotUint:
			v := o.o.getUint(at)
			if v == 0 {
				off = start
				continue
			}
			off, expected = putInt(buf, off, v), o.number+1
			continue
		case hotInt:
			v := o.o.getInt(at)
			if v == 0 {
				off = start
				continue
			}
			off, expected = putInt(buf, off, zigzag(v)), o.number+1
			continue
		case hotBool:
			if !*(*bool)(at) {
				off = start
				continue
			}
			*(*byte)(unsafe.Add(buf, off)) = 1
			off, expected = off+1, o.number+1
			continue
		case hotFloat64:
			u := float64Bits(*(*float64)(at))
			if u == 0 {
				off = start
				continue
			}
			*(*byte)(unsafe.Add(buf, off)) = headFixed64
			*(*uint64)(unsafe.Add(buf, off+1)) = u
			off, expected = off+9, o.number+1
			continue
		case hotMessage:
			n = int(o.run)
			if end-off > n*textRoom {
				to, done = putShort(buf, off+1, at, n, headShortBytes), n
			}
			if to == 0 {
				to, done = putSparse(buf, off+1, end, at, n)
			}
			if to == off+1 && done == n {
				off = start
				continue
			}
		case hotTextList:
			if at, n = shortList(at); n <= hotList {
				if end-off > n*textRoom {
					to, done = putShort(buf, off+1, at, n, 0), n
				}
				if to == 0 {
					to, done = putTexts(buf, off+1, end, at, n, 0)
				}
			}
		case hotIntList:
			if at, n = shortList(at); n <= hotList {
				to, done = putInts(buf, off+1, end, at, n)
			}
		case hotMessageList:
			if at, n = shortList(at); n <= hotList {
				to, done = putMessages(buf, off+1, end, at, n, o.o)
			}
		default:
			break fields
		}
		size := to - off - 1
		if done < n || size > maxShortLength {
			if done < n || size > 0xFF || to == end {
				break
			}
			lengthen(dst[off : to+1])
			off, expected = to+1, o.number+1
			continue
		}
		if at == nil {
			off = start
			continue
		}
		*(*byte)(unsafe.Add(buf, off)) = headShortBytes + byte(size)
		off, expected = to, o.number+1
	}
	i = int(uintptr(unsafe.Pointer(o))-uintptr(first)) / int(unsafe.Sizeof(hotOp{}))
	return dst[:start], i, expected - 1
}

// lengthen makes the head of one byte in front of a field's bytes one of two; the last
// byte is free for that.
func lengthen(field []byte) {
	copy(field[2:], field[1:])
	field[0], field[1] = headLongBytes, byte(len(field)-2)
}

// shortList is the slice at p: of any, only the address and the length are used.
func shortList(p unsafe.Pointer) (first unsafe.Pointer, n int) {
	s := *(*[]byte)(p)
	return unsafe.Pointer(unsafe.SliceData(s)), len(s)
}

// encodeElementsHot appends elements up to the first that takes more than room and a few
// stores; done says how many.
func (o *op) encodeElementsHot(dst []byte, first place, n int) (_ []byte, done int) {
	buf, off, end := unsafe.Pointer(unsafe.SliceData(dst)), len(dst), cap(dst)
	if off == end {
		return dst, 0
	}
	switch o.hot() {
	case hotTexts:
		off, done = putTexts(buf, off, end, first, n, 0)
	case hotInt:
		if o.size == 8 {
			off, done = putInts(buf, off, end, first, n)
		}
	case hotMessage:
		off, done = putMessages(buf, off, end, first, n, o)
	}
	return dst[:off], done
}

// putInt is appendInt, with room for nine bytes.
func putInt(buf unsafe.Pointer, off int, v uint64) int {
	if v <= maxInlineInt {
		*(*byte)(unsafe.Add(buf, off)) = byte(v)
		return off + 1
	}
	n := (bits.Len64(v) + 7) >> 3
	*(*byte)(unsafe.Add(buf, off)) = headInt + byte(n-1)
	*(*uint64)(unsafe.Add(buf, off+1)) = v
	return off + 1 + n
}

// putInts writes int64s as elements of a list; done says how many.
func putInts(buf unsafe.Pointer, off, end int, first unsafe.Pointer, n int) (_, done int) {
	for ; done < n && end-off > 10; done++ {
		v := zigzag(*(*int64)(unsafe.Add(first, done*8)))
		if v < 0x80 {
			*(*byte)(unsafe.Add(buf, off)) = byte(v)
			off++
			continue
		}
		for ; v >= 0x4000; v >>= 7 {
			*(*byte)(unsafe.Add(buf, off)) = byte(v) | 0x80
			off++
		}
		*(*uint16)(unsafe.Add(buf, off)) = uint16(v&0x7F | 0x80 | v>>7<<8)
		off += 2
	}
	return off, done
}

// putMessages writes messages of nothing but texts, each with its length in front; done
// says how many. It is putTexts with the ends of messages in its loop: a call for each
// message took half as long again.
func putMessages(buf unsafe.Pointer, off, end int, first unsafe.Pointer, n int, e *op) (_, done int) {
	texts := uintptr(e.msg.texts) * unsafe.Sizeof("")
	first = unsafe.Add(first, e.msg.first)
	at, stop := uintptr(0), texts // of the message's texts
	start := off                  // of the message, where its length goes
	off++
	for done < n {
		s := *(*string)(unsafe.Add(first, at))
		from, size := unsafe.Pointer(unsafe.StringData(s)), len(s)
		next := off + 1 + size
		if size > maxShortLength || next > end {
			break
		}
		var seen uint64
		if size >= 8 {
			seen = copyEnds(buf, off+1, next, from, size)
			for i := 8; i < size-8; i += 8 {
				w := *(*uint64)(unsafe.Add(from, i))
				*(*uint64)(unsafe.Add(buf, off+1+i)) = w
				seen |= w
			}
		} else if size >= 4 {
			seen = copyHalves(buf, off+1, next, from, size)
		} else if size > 0 {
			seen = copyBytes(buf, off+1, next, from, size)
		} else {
			break // an empty field
		}
		if seen&notASCII != 0 {
			break
		}
		*(*byte)(unsafe.Add(buf, off)) = headShortBytes + byte(size)
		off = next
		if at += unsafe.Sizeof(""); at == stop {
			size := off - start - 1
			if size > 0x7F {
				break
			}
			*(*byte)(unsafe.Add(buf, start)) = byte(size)
			start = off
			off++
			done++
			at += e.stride - texts
			stop += e.stride
		}
	}
	return start, done
}

// textRoom is as much as a short text and its head take.
const textRoom = maxShortLength + 1

// putShort writes n texts that lie one behind another in memory, each with head plus its
// length in front, and returns where they end: all of them or, if one is longer than 32
// bytes or not ASCII, or is a field, whose head is not 0, and empty, none and 0. There is
// textRoom for each. So it looks neither at the room nor, until the end, at what it copied:
// it takes half the instructions of putTexts, which then does as many as it can.
func putShort(buf unsafe.Pointer, off int, first unsafe.Pointer, n int, head byte) int {
	seen := uint64(0)
	for at, stop := uintptr(0), uintptr(n)*unsafe.Sizeof(""); at < stop; at += unsafe.Sizeof("") {
		s := *(*string)(unsafe.Add(first, at))
		from, size := unsafe.Pointer(unsafe.StringData(s)), len(s)
		to := unsafe.Add(buf, off)
		*(*byte)(to) = head + byte(size)
		if uint(size-8) <= 8 {
			v, w := *(*uint64)(from), *(*uint64)(unsafe.Add(from, size-8))
			*(*uint64)(unsafe.Add(to, 1)) = v
			*(*uint64)(unsafe.Add(to, size-7)) = w
			seen |= v | w
		} else if uint(size-17) <= 15 {
			u, v := *(*uint64)(from), *(*uint64)(unsafe.Add(from, 8))
			*(*uint64)(unsafe.Add(to, 1)) = u
			*(*uint64)(unsafe.Add(to, 9)) = v
			seen |= u | v
			u, v = *(*uint64)(unsafe.Add(from, size-16)), *(*uint64)(unsafe.Add(from, size-8))
			*(*uint64)(unsafe.Add(to, size-15)) = u
			*(*uint64)(unsafe.Add(to, size-7)) = v
			seen |= u | v
		} else if uint(size-4) < 4 {
			v, w := *(*uint32)(from), *(*uint32)(unsafe.Add(from, size-4))
			*(*uint32)(unsafe.Add(to, 1)), *(*uint32)(unsafe.Add(to, size-3)) = v, w
			seen |= uint64(v | w)
		} else if uint(size-1) < 3 {
			u, v, w := *(*byte)(from), *(*byte)(unsafe.Add(from, size>>1)), *(*byte)(unsafe.Add(from, size-1))
			*(*byte)(unsafe.Add(to, 1)), *(*byte)(unsafe.Add(to, 1+size>>1)), *(*byte)(unsafe.Add(to, size)) = u, v, w
			seen |= uint64(u | v | w)
		} else if size != 0 || head != 0 {
			return 0
		}
		off += 1 + size
	}
	if seen&notASCII != 0 {
		return 0
	}
	return off
}

// putSparse writes the n fields of a message of nothing but texts, where some are empty
// and left out; done says how many it could.
func putSparse(buf unsafe.Pointer, off, end int, first unsafe.Pointer, n int) (_, done int) {
	gap := 0
	for ; done < n; done++ {
		p := unsafe.Add(first, uintptr(done)*unsafe.Sizeof(""))
		if *(*string)(p) == "" {
			gap++
			continue
		}
		next := off
		if gap > 0 {
			if gap > maxShortGap || off == end {
				break
			}
			*(*byte)(unsafe.Add(buf, off)) = headShortGap + byte(gap-1)
			next++
		}
		to, one := putTexts(buf, next, end, p, 1, headShortBytes)
		if one == 0 {
			break
		}
		off, gap = to, 0
	}
	return off, done
}

// putTexts writes n texts that lie one behind another in memory, each with head plus its
// length in front in one byte, as long as they are short and ASCII and there is room;
// done says how many. A field, whose head is not 0, is not written when it is empty. It
// looks for other bytes while it copies, eight at a time, which is faster than to look
// and then to call memmove. It calls nothing, so that all of it stays in registers, and
// each length has an end of the loop of its own, since jumps are what it spends its time
// on.
func putTexts(buf unsafe.Pointer, off, end int, first unsafe.Pointer, n int, head byte) (_, done int) {
	at, stop := uintptr(0), uintptr(n)*unsafe.Sizeof("")
	for at < stop {
		s := *(*string)(unsafe.Add(first, at))
		from, size := unsafe.Pointer(unsafe.StringData(s)), len(s)
		next := off + 1 + size
		if size > maxShortLength || next > end {
			break
		}
		if size >= 8 {
			seen := copyEnds(buf, off+1, next, from, size)
			for i := 8; i < size-8; i += 8 {
				w := *(*uint64)(unsafe.Add(from, i))
				*(*uint64)(unsafe.Add(buf, off+1+i)) = w
				seen |= w
			}
			if seen&notASCII != 0 {
				break
			}
			*(*byte)(unsafe.Add(buf, off)) = head + byte(size)
			off = next
			at += unsafe.Sizeof("")
			continue
		}
		if size >= 4 {
			if copyHalves(buf, off+1, next, from, size)&notASCII != 0 {
				break
			}
			*(*byte)(unsafe.Add(buf, off)) = head + byte(size)
			off = next
			at += unsafe.Sizeof("")
			continue
		}
		if size > 0 {
			if copyBytes(buf, off+1, next, from, size)&notASCII != 0 {
				break
			}
		} else if head != 0 {
			break // an empty field
		}
		*(*byte)(unsafe.Add(buf, off)) = head + byte(size)
		off = next
		at += unsafe.Sizeof("")
	}
	return off, int(at / unsafe.Sizeof(""))
}

// The following three copy size bytes to buf from off to next, or their ends, and return
// what they copied joined by or: one look says whether all of it is ASCII.

// copyEnds copies the first and the last eight of at least eight bytes.
func copyEnds(buf unsafe.Pointer, off, next int, from unsafe.Pointer, size int) (seen uint64) {
	v, w := *(*uint64)(from), *(*uint64)(unsafe.Add(from, size-8))
	*(*uint64)(unsafe.Add(buf, off)) = v
	*(*uint64)(unsafe.Add(buf, next-8)) = w
	return v | w
}

// copyHalves copies four to eight bytes.
func copyHalves(buf unsafe.Pointer, off, next int, from unsafe.Pointer, size int) (seen uint64) {
	v, w := *(*uint32)(from), *(*uint32)(unsafe.Add(from, size-4))
	*(*uint32)(unsafe.Add(buf, off)), *(*uint32)(unsafe.Add(buf, next-4)) = v, w
	return uint64(v | w)
}

// copyBytes copies one to three bytes: the first, the middle and the last.
func copyBytes(buf unsafe.Pointer, off, next int, from unsafe.Pointer, size int) (seen uint64) {
	u, v, w := *(*byte)(from), *(*byte)(unsafe.Add(from, size>>1)), *(*byte)(unsafe.Add(from, size-1))
	*(*byte)(unsafe.Add(buf, off)), *(*byte)(unsafe.Add(buf, off+size>>1)), *(*byte)(unsafe.Add(buf, next-1)) = u, v, w
	return uint64(u | v | w)
}
