package ws

import "encoding/binary"

// A frame's header (RFC 6455 §5.2):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-------+-+-------------+-------------------------------+
//	|F|R|R|R| opcode|M| length      | extended length: 16 bits      |
//	|I|S|S|S|  (4)  |A|  (7)        | where length is 126, 64 bits  |
//	|N|V|V|V|       |S|             | where it is 127               |
//	| |1|2|3|       |K|             |                               |
//	+-+-+-+-+-------+-+-------------+-------------------------------+
//	| ...           | masking key (32 bits), where MASK is set      |
//	+---------------+-----------------------------------------------+
type header struct {
	fin    bool
	rsv1   bool
	op     Opcode
	masked bool
	key    uint32 // little-endian: its first byte masks the first byte of the payload
	length uint64
}

const (
	finBit      = 0x80
	rsv1Bit     = 0x40
	rsv23Bits   = 0x30
	opcodeBits  = 0x0F
	maskBit     = 0x80
	length16    = 126
	length64    = 127
	maxHeader   = 14
	serverSpace = 10 // the longest header of a server's frame
)

// situation is what decides whether a frame may come.
type situation struct {
	fromClient bool // so it must be masked, or else must not
	within     bool // a message is unfinished
	deflate    bool // permessage-deflate is negotiated: RSV1 has a meaning
}

// parseHeader reads a frame's header from the beginning of b. n is its length; 0: b ends
// within it. What is wrong with a header is told as soon as the bytes that show it are
// there, whatever else is missing.
func parseHeader(b []byte, at situation) (h header, n int, bad *ProtocolError) {
	if len(b) == 0 {
		return h, 0, nil
	}
	h.fin, h.rsv1, h.op = b[0]&finBit != 0, b[0]&rsv1Bit != 0, Opcode(b[0]&opcodeBits)
	if bad = at.admits(h, b[0]&rsv23Bits != 0); bad != nil || len(b) < 2 {
		return h, 0, bad
	}
	h.masked = b[1]&maskBit != 0
	if h.masked != at.fromClient {
		if h.masked {
			return h, 0, violation("a masked frame from a server")
		}
		return h, 0, violation("an unmasked frame from a client")
	}
	h.length = uint64(b[1] &^ maskBit)
	if h.op.control() && h.length > maxControl {
		return h, 0, violation("a control frame of more than 125 bytes")
	}
	n = 2
	switch h.length {
	case length16:
		if n = 4; len(b) < n {
			return h, 0, nil
		}
		if h.length = uint64(binary.BigEndian.Uint16(b[2:])); h.length < length16 {
			return h, 0, violation("a length in a longer form than it needs")
		}
	case length64:
		if len(b) > 2 && b[2]&0x80 != 0 {
			return h, 0, violation("a length with its top bit set")
		}
		if n = 10; len(b) < n {
			return h, 0, nil
		}
		if h.length = binary.BigEndian.Uint64(b[2:]); h.length <= 0xFFFF {
			return h, 0, violation("a length in a longer form than it needs")
		}
	}
	if h.masked {
		if len(b) < n+4 {
			return h, 0, nil
		}
		h.key = binary.LittleEndian.Uint32(b[n:])
		n += 4
	}
	return h, n, nil
}

// admits checks what the first byte of a frame says.
func (at situation) admits(h header, rsv23 bool) *ProtocolError {
	switch {
	case rsv23:
		return violation("a reserved bit is set")
	case h.op > opPong || h.op > Binary && h.op < opClose:
		return violation("a reserved opcode")
	case h.rsv1 && (!at.deflate || !h.op.message()):
		return violation("a reserved bit is set")
	case h.op.control():
		if !h.fin {
			return violation("a fragmented control frame")
		}
	case h.op == opContinuation && !at.within:
		return violation("a continuation of nothing")
	case h.op.message() && at.within:
		return violation("a new message within another")
	}
	return nil
}

// appendHeader appends a header with the shortest form of the length.
func appendHeader(dst []byte, h header) []byte {
	first, second := byte(h.op), byte(0)
	if h.fin {
		first |= finBit
	}
	if h.rsv1 {
		first |= rsv1Bit
	}
	if h.masked {
		second = maskBit
	}
	switch {
	case h.length < length16:
		dst = append(dst, first, second|byte(h.length))
	case h.length <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, first, second|length16), uint16(h.length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, second|length64), h.length)
	}
	if h.masked {
		dst = binary.LittleEndian.AppendUint32(dst, h.key)
	}
	return dst
}
