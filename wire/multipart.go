package wire

import "bytes"

// multipartScanner takes a multipart body apart from bytes as they arrive (RFC 2046
// §5.1.1):
//
//	multipart-body  = [preamble CRLF] dash-boundary padding CRLF body-part
//	                  *( delimiter padding CRLF body-part ) delimiter "--" padding [CRLF epilogue]
//	dash-boundary   = "--" boundary
//	delimiter       = CRLF dash-boundary
//	body-part       = *( field-line CRLF ) [ CRLF *OCTET ]
//
// Lines end in CRLF, and a line that begins with the dash-boundary is a delimiter or an
// error: content that contains it was not to be sent under that boundary.
type multipartScanner struct {
	delim     []byte // CRLF "--" boundary
	state     multipartState
	maxHead   int // bytes of a part's header section
	skipped   int // bytes of preamble
	maxBefore int // bytes of preamble allowed
}

type multipartState uint8

const (
	multipartFirst    multipartState = iota // nothing seen yet
	multipartPreamble                       // before the first delimiter
	multipartBoundary                       // behind a delimiter's boundary
	multipartHead                           // in a part's header section
	multipartStart                          // at the first byte of a part's content
	multipartContent
	multipartClose // behind the dashes of the close delimiter
	multipartDone  // behind its line
)

// multipartEvent is what the scanner found.
type multipartEvent uint8

const (
	multipartMore    multipartEvent = iota // more bytes are needed
	multipartHeader                        // data is a header section, with the CRLF of its last line
	multipartData                          // data is content
	multipartPartEnd                       // the part's content is complete
	multipartEnd                           // the last part is complete
)

// maxPadding bounds the white space behind a boundary.
const maxPadding = 64

// minMultipartBuffer is how many bytes the scanner must be given for progress, besides a
// part's header section: a delimiter with padding.
const minMultipartBuffer = 2 + 2 + maxBoundary + maxPadding + 2

// maxBoundary is the longest boundary (RFC 2046 §5.1.1).
const maxBoundary = 70

func newMultipartScanner(boundary string, maxHead int) multipartScanner {
	return multipartScanner{delim: []byte("\r\n--" + boundary), maxHead: maxHead, maxBefore: maxHead}
}

// validBoundary checks
//
//	boundary = 0*69<bchars> bcharsnospace   (RFC 2046 §5.1.1)
func validBoundary(b string) bool {
	if len(b) == 0 || len(b) > maxBoundary || b[len(b)-1] == ' ' {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if lower(c)-'a' > 25 && c-'0' > 9 && bytes.IndexByte([]byte("'()+_,-./:=? "), c) < 0 {
			return false
		}
	}
	return true
}

// next looks at the front of b and says what is there: an event, its bytes, which alias
// b, and how many bytes of b are done with. Bytes may be done with and more needed.
func (m *multipartScanner) next(b []byte) (ev multipartEvent, data []byte, n int, err *Error) {
	for {
		var k int
		var again bool
		switch m.state {
		case multipartFirst, multipartPreamble:
			k, again, err = m.preamble(b[n:])
		case multipartBoundary:
			ev, k, again, err = m.boundary(b[n:])
		case multipartHead:
			ev, data, k, err = m.head(b[n:])
		case multipartClose:
			ev, k, err = m.close(b[n:])
		case multipartStart, multipartContent:
			ev, data, k = m.content(b[n:])
		default:
			return multipartEnd, nil, len(b), nil // the epilogue says nothing
		}
		n += k
		if !again || err != nil {
			return ev, data, n, err
		}
	}
}

// preamble skips to the first delimiter.
func (m *multipartScanner) preamble(b []byte) (n int, again bool, err *Error) {
	if m.state == multipartFirst {
		dash := m.delim[2:]
		if len(b) < len(dash) && bytes.HasPrefix(dash, b) {
			return 0, false, nil
		}
		if bytes.HasPrefix(b, dash) {
			m.state = multipartBoundary
			return len(dash), true, nil
		}
		m.state = multipartPreamble
	}
	if i := bytes.Index(b, m.delim); i >= 0 {
		m.state = multipartBoundary
		n, again = i+len(m.delim), true
	} else {
		n = len(b) - m.tail(b)
	}
	if m.skipped += n; m.skipped > m.maxBefore+len(m.delim) {
		return n, false, Errorf(400, "the multipart body does not begin with its boundary")
	}
	return n, again, nil
}

// tail returns how many bytes at the end of b may be the beginning of a delimiter.
func (m *multipartScanner) tail(b []byte) int {
	for t := b[max(0, len(b)-len(m.delim)+1):]; ; t = t[1:] {
		i := bytes.IndexByte(t, '\r')
		if i < 0 {
			return 0
		}
		if t = t[i:]; bytes.HasPrefix(m.delim, t) {
			return len(t)
		}
	}
}

// boundary reads what follows a boundary.
func (m *multipartScanner) boundary(b []byte) (ev multipartEvent, n int, again bool, err *Error) {
	if len(b) > 0 && b[0] == '-' {
		switch {
		case len(b) == 1:
			return multipartMore, 0, false, nil
		case b[1] == '-':
			m.state = multipartClose
			return multipartMore, 2, true, nil
		}
	}
	i := 0
	for i < len(b) && i <= maxPadding && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	switch {
	case i == len(b), len(b) == i+1 && b[i] == '\r':
		if i <= maxPadding {
			return multipartMore, 0, false, nil
		}
	case i <= maxPadding && b[i] == '\r' && b[i+1] == '\n':
		m.state = multipartHead
		return multipartMore, i + 2, true, nil
	}
	return multipartMore, 0, false, boundaryLine()
}

func boundaryLine() *Error {
	return Errorf(400, "a multipart boundary is followed by something else than the end of its line")
}

// close reads the rest of the last line, which may also end with the body.
func (m *multipartScanner) close(b []byte) (ev multipartEvent, n int, err *Error) {
	for n < len(b) && (b[n] == ' ' || b[n] == '\t') {
		n++
	}
	switch rest := b[n:]; {
	case len(rest) < 2 && bytes.HasPrefix(crlf, rest):
		return multipartMore, n, nil
	case bytes.HasPrefix(rest, crlf):
		m.state = multipartDone
		return multipartEnd, n + 2, nil
	}
	return multipartMore, n, boundaryLine()
}

var crlf, crlfcrlf = []byte("\r\n"), []byte("\r\n\r\n")

// head waits for a whole header section.
func (m *multipartScanner) head(b []byte) (ev multipartEvent, data []byte, n int, err *Error) {
	if bytes.HasPrefix(b, crlf) {
		m.state = multipartStart
		return multipartHeader, nil, 2, nil
	}
	i := bytes.Index(b, crlfcrlf)
	switch {
	case i >= 0 && i+2 <= m.maxHead:
		m.state = multipartStart
		return multipartHeader, b[:i+2], i + 4, nil
	case i >= 0 || len(b) > m.maxHead+2:
		return multipartMore, nil, 0, Errorf(413, "the header section of a part has more than %d bytes", m.maxHead)
	}
	return multipartMore, nil, 0, nil
}

// content gives what is certain to be content.
func (m *multipartScanner) content(b []byte) (ev multipartEvent, data []byte, n int) {
	if m.state == multipartStart { // a part may end with its header section
		dash := m.delim[2:]
		if len(b) < len(dash) && bytes.HasPrefix(dash, b) {
			return multipartMore, nil, 0
		}
		if bytes.HasPrefix(b, dash) {
			m.state = multipartBoundary
			return multipartPartEnd, nil, len(dash)
		}
		m.state = multipartContent
	}
	i := bytes.Index(b, m.delim)
	switch {
	case i == 0:
		m.state = multipartBoundary
		return multipartPartEnd, nil, len(m.delim)
	case i < 0:
		i = len(b) - m.tail(b)
	}
	if i == 0 {
		return multipartMore, nil, 0
	}
	return multipartData, b[:i], i
}
