package ws

import "errors"

// receiver turns the other side's bytes into messages and control frames. It is a state
// machine: bytes go in, in pieces of any size, and events come out.
//
//	for {
//		ev, n := r.next(b)
//		b = b[n:] // before the next call, and while r.data is looked at, not behind it
//		switch ev { ... } // needMore: b needs more bytes at its end
//	}
//
// Payloads are unmasked where they stand in b. A message that comes as one frame and is
// whole in b is not copied; others are gathered in a buffer of the receiver's own, which
// takes no more memory than has come, twice.
type receiver struct {
	at       situation
	stream   bool // messages are handed out in pieces, as they come
	takeover bool // the other side refers to earlier messages
	max      int  // bytes of a message, inflated

	op     Opcode
	packed bool
	fin    bool   // this frame is the message's last
	key    uint32 // for the next byte of payload
	left   uint64 // bytes of this frame's payload
	total  int    // bytes of the message so far, as they came
	plain  int    // bytes of the message that were handed out or checked, inflated
	text   textCheck
	flate  *inflater
	msg    []byte // what was gathered of the message, behind base bytes of window
	base   int
	window []byte // with takeover, between messages
	over   bool   // msg was handed out whole

	data   []byte // of the last event; valid until the next call
	code   CloseCode
	reason string
	bad    *ProtocolError
}

// event is what a receiver finds.
type event uint8

const (
	needMore   event = iota
	gotMessage       // data, whole, of kind op
	gotPiece         // data, with stream; fin says whether it is the last
	gotPing
	gotPong
	gotClose // code and reason
	gotWrong // bad; nothing that follows can be understood
)

// maxPackedExtra bounds what a compressed message may take beyond the limit of messages:
// what does not compress grows a little.
func maxPackedExtra(max int) int { return max/16 + 1024 }

// next looks at b and returns what it finds first, and how many bytes it has consumed.
func (r *receiver) next(b []byte) (ev event, used int) {
	if r.over {
		r.release()
	}
	for {
		if r.left == 0 {
			h, n, bad := parseHeader(b[used:], r.at)
			switch {
			case bad != nil:
				return r.wrong(bad), used
			case n == 0:
				return needMore, used
			case h.op.control():
				end := used + n + int(h.length)
				if len(b) < end {
					return needMore, used
				}
				payload := b[used+n : end]
				mask(payload, h.key)
				return r.control(h.op, payload), end
			}
			used += n
			if bad := r.begin(h); bad != nil {
				return r.wrong(bad), used
			}
		}
		piece := b[used:]
		if uint64(len(piece)) > r.left {
			piece = piece[:r.left]
		}
		used += len(piece)
		if ev = r.take(piece); ev != needMore || r.left > 0 {
			return ev, used
		}
	}
}

func (r *receiver) wrong(bad *ProtocolError) event {
	r.bad = bad
	return gotWrong
}

func (r *receiver) control(op Opcode, payload []byte) event {
	r.data = payload
	switch op {
	case opPing:
		return gotPing
	case opPong:
		return gotPong
	}
	var bad *ProtocolError
	if r.code, r.reason, bad = parseClose(payload); bad != nil {
		return r.wrong(bad)
	}
	return gotClose
}

var errTooBig = &ProtocolError{CloseMessageTooBig, "a message is too big"}

// begin begins a data frame.
func (r *receiver) begin(h header) *ProtocolError {
	if h.op != opContinuation {
		r.op, r.packed, r.total, r.plain = h.op, h.rsv1, 0, 0
		if r.packed {
			r.unpack()
		}
	}
	most := r.max
	if r.packed {
		most += maxPackedExtra(r.max)
	}
	if h.length > uint64(most-r.total) {
		return errTooBig
	}
	r.total += int(h.length)
	r.fin, r.key, r.left = h.fin, h.key, h.length
	r.at.within = true
	return nil
}

// unpack makes ready for a compressed message.
func (r *receiver) unpack() {
	if r.flate == nil {
		r.flate = takeInflater()
	}
	r.flate.reset()
	r.msg = append(r.msg[:0], r.window...)
	r.base = len(r.window)
}

// take handles a piece of payload, of which r.left bytes were missing.
func (r *receiver) take(piece []byte) event {
	if r.at.fromClient {
		r.key = mask(piece, r.key)
	}
	r.left -= uint64(len(piece))
	switch {
	case r.packed:
		return r.inflate(piece)
	case r.op == Text && !r.text.add(piece):
		return r.wrong(errNotText)
	case r.stream:
		if len(piece) == 0 && !r.last() {
			return needMore
		}
		r.data = piece
		return r.handOut()
	case r.last() && len(r.msg) == 0:
		r.data = piece
		return r.handOut()
	}
	r.msg = append(makeRoom(r.msg, len(piece)), piece...)
	return r.gathered()
}

// gathered hands the message out if it is whole.
func (r *receiver) gathered() event {
	if !r.last() {
		return needMore
	}
	r.data = r.msg
	return r.handOut()
}

var errNotText = &ProtocolError{CloseInvalidPayload, "a text that is not UTF-8"}

// last says that the message is whole.
func (r *receiver) last() bool { return r.fin && r.left == 0 }

// handOut ends a piece or a message.
func (r *receiver) handOut() event {
	last := r.last()
	if last {
		if r.op == Text && !r.text.end() {
			return r.wrong(errNotText)
		}
		r.at.within = false
		r.over = true
	}
	if r.stream {
		return gotPiece
	}
	return gotMessage
}

var (
	errNotDeflate = &ProtocolError{CloseInvalidPayload, "a compressed message is corrupt"}
	inflateTail   = []byte{0, 0, 0xFF, 0xFF} // what RFC 7692 §7.2.1 takes off a message
)

// inflate handles a piece of a compressed message.
func (r *receiver) inflate(piece []byte) event {
	if r.stream && len(r.msg) > 2*maxWindow { // what was handed out: only a window is still needed
		r.msg = r.msg[:copy(r.msg, r.msg[len(r.msg)-maxWindow:])]
	}
	before := len(r.msg)
	most := before + r.max - r.plain
	r.msg = makeRoom(r.msg, min(most-before, 4*len(piece)))
	err := r.add(piece, most)
	if err == nil && r.last() && r.total > 0 { // no payload at all is taken for an empty message
		if err = r.add(inflateTail, most); err == nil && !r.flate.atEnd() {
			err = errCorrupt
		}
	}
	fresh := r.msg[before:]
	if r.op == Text && !r.text.add(fresh) { // before the limit: in smaller pieces it is seen first, too
		return r.wrong(errNotText)
	}
	if errors.Is(err, errInflated) {
		return r.wrong(errTooBig)
	}
	if err != nil {
		return r.wrong(errNotDeflate)
	}
	r.plain += len(fresh)
	if r.last() && r.takeover {
		r.window = slide(r.window[:0], r.msg, maxWindow) // the old window stands in front
	}
	switch {
	case r.stream && (len(fresh) > 0 || r.last()):
		r.data = fresh
		return r.handOut()
	case r.last():
		r.data = r.msg[r.base:]
		return r.handOut()
	}
	return needMore
}

func (r *receiver) add(piece []byte, most int) (err error) {
	r.msg, err = r.flate.add(r.msg, piece, most)
	return err
}

// directly is from how much missing payload on it is received straight into the message.
const directly = 4 << 10

// room returns where payload may be received without passing through next: nil when there
// is no such place. What stands in the caller's buffer must have been consumed before. It
// is followed by filled.
func (r *receiver) room() []byte {
	if r.left < directly || r.packed || r.stream {
		return nil
	}
	r.msg = makeRoom(r.msg, int(min(r.left, uint64(max(len(r.msg), 64<<10)))))
	free := r.msg[len(r.msg):cap(r.msg)]
	return free[:min(uint64(len(free)), r.left)]
}

// filled handles n bytes that were received into room.
func (r *receiver) filled(n int) event {
	piece := r.msg[len(r.msg) : len(r.msg)+n]
	if r.at.fromClient {
		r.key = mask(piece, r.key)
	}
	r.left -= uint64(n)
	if r.op == Text && !r.text.add(piece) {
		return r.wrong(errNotText)
	}
	r.msg = r.msg[:len(r.msg)+n]
	return r.gathered()
}

// release lets go of the message that was handed out, and of what is not needed between
// messages.
func (r *receiver) release() {
	r.over, r.data, r.base = false, nil, 0
	giveBuffer(r.msg)
	r.msg = nil
	if r.flate != nil {
		giveInflater(r.flate)
		r.flate = nil
	}
}

// abandon lets go of everything.
func (r *receiver) abandon() {
	r.release()
	r.window = nil
}

// appendFrame appends a whole frame. With a key the payload is masked.
func appendFrame(dst []byte, h header, payload []byte) []byte {
	h.length = uint64(len(payload))
	dst = append(appendHeader(dst, h), payload...)
	if h.masked {
		mask(dst[len(dst)-len(payload):], h.key)
	}
	return dst
}
