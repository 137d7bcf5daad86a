package wire

import (
	"fmt"
	"io"
	"math"
)

// responseParser turns the bytes of one response into events (RFC 9112 §4-7). It is
// given what has been received and not consumed yet, and says how much of that it took:
//
//	for {
//		ev, n, data, err := p.next(in)
//		in = in[n:]
//		switch ev {
//		case needMore:        receive more; at the end of the connection ask p.eof
//		case interimHead:     p.head is a 1xx
//		case finalHead:       p.head is the response
//		case content:         data is content
//		case endOfResponse:   in is what lies behind it
//		}
//	}
//
// p.head and data alias the bytes given, so they are valid until those change.
type responseParser struct {
	// What the request was.
	isHead   bool // HEAD: a response without content
	connect  bool // CONNECT: a 2xx turns the connection into a tunnel
	upgrade  bool // it offered an Upgrade: 101 is an answer
	maxBytes int  // of one head
	maxCount int  // of field lines
	interims int  // 1xx responses still allowed

	state responseState
	head  responseHead
	left  int64 // of content with a length
	room  int   // most content that one event may carry
	chunk chunkReader
}

type responseState uint8

const (
	readingHead responseState = iota
	readingContent
	responseEnded
)

type responseEvent uint8

const (
	needMore responseEvent = iota
	interimHead
	finalHead
	content
	endOfResponse
)

// next takes the next event from the front of b.
func (p *responseParser) next(b []byte) (ev responseEvent, n int, data []byte, err error) {
	switch p.state {
	case readingHead:
		ev, n, err = p.nextHead(b)
		return ev, n, nil, err
	case readingContent:
		return p.nextContent(b)
	}
	return endOfResponse, 0, nil, nil
}

func (p *responseParser) nextHead(b []byte) (ev responseEvent, n int, err error) {
	n, err = p.head.parse(b, p.maxBytes, p.maxCount)
	if n == 0 || err != nil {
		return needMore, 0, err
	}
	if p.head.status >= 200 || p.head.status == 101 {
		return finalHead, n, p.settle()
	}
	p.head.at, p.head.line = 0, 0
	if p.interims--; p.interims < 0 {
		return needMore, 0, ErrInterim
	}
	return interimHead, n, nil
}

// settle decides on the content of a final response (RFC 9112 §6.3).
func (p *responseParser) settle() error {
	f := &p.head.body
	p.state = readingContent
	switch {
	case p.head.status == 101 && !p.upgrade:
		return malformed("101 without an Upgrade in the request")
	case p.isHead, p.head.status == 204, p.head.status == 304, p.head.status == 101, p.connect && p.head.status/100 == 2:
		f.kind = contentNone
		p.state = responseEnded
	case f.kind == contentLength:
		p.left = f.length
	case f.kind == contentToEOF:
		f.close = true
	}
	return nil
}

func (p *responseParser) nextContent(b []byte) (ev responseEvent, n int, data []byte, err error) {
	switch p.head.body.kind {
	case contentLength:
		n := int(min(p.left, int64(len(b)), int64(p.room)))
		switch p.left -= int64(n); {
		case n > 0:
			return content, n, b[:n], nil
		case p.left == 0:
			p.state = responseEnded
			return endOfResponse, 0, nil, nil
		}
		return needMore, 0, nil, nil
	case contentToEOF:
		if b = b[:min(len(b), p.room)]; len(b) > 0 {
			return content, len(b), b, nil
		}
		return needMore, 0, nil, nil
	}
	data, n, bad := p.chunk.next(b)
	if over := len(data) - p.room; over > 0 {
		n -= over
		data = data[:p.room]
		p.chunk.unread(over)
	}
	switch {
	case bad != nil && bad.Status == 431:
		return needMore, n, nil, ErrResponseTrailer
	case bad != nil:
		return needMore, n, nil, malformed(bad.Detail)
	case len(data) > 0:
		return content, n, data, nil
	case p.chunk.state == chunkDone:
		p.state = responseEnded
		return endOfResponse, n, nil, nil
	}
	return needMore, n, nil, nil
}

// ahead returns how many bytes of content come next for certain, with no framing between
// them: so many may be received straight to where they are wanted.
func (p *responseParser) ahead() int64 {
	switch {
	case p.state != readingContent:
		return 0
	case p.head.body.kind == contentLength:
		return p.left
	case p.head.body.kind == contentToEOF:
		return math.MaxInt64
	case p.chunk.state == chunkData:
		return p.chunk.left
	}
	return 0
}

// eof says what the connection's end means after a needMore: nil when it ends the
// response. received says whether any byte of the response came.
func (p *responseParser) eof(received bool) error {
	switch {
	case p.state == readingContent && p.head.body.kind == contentToEOF:
		p.state = responseEnded
		return nil
	case !received:
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}

// malformed says what is wrong with a response. Nothing of it can be believed.
func malformed(detail string) error { return fmt.Errorf("%w: %s", ErrMalformedResponse, detail) }
