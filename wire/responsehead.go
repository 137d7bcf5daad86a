package wire

import "bytes"

// responseHead is a parsed response head. Its parts are places in buf, which is the
// connection's read buffer.
type responseHead struct {
	buf    []byte
	status int
	reason span
	minor  int // of the version HTTP/1.minor, 0 or 1
	fields []fieldLine
	body   responseFraming

	at   int // where the search for a line's end goes on
	line int // where the current line begins; line <= at
}

// parse goes on with the head at the front of b, where an earlier call stopped for want
// of bytes. It returns the head's size with its empty line, or 0 when more bytes are
// needed. Each line is judged when it is complete. What is refused in a request is
// refused here too.
func (h *responseHead) parse(b []byte, maxBytes, maxFields int) (n int, err error) {
	h.buf = b
	for {
		lf := bytes.IndexByte(b[h.at:], '\n')
		if lf < 0 {
			h.at = len(b)
			return 0, h.incomplete(maxBytes)
		}
		lf += h.at
		l := span{uint32(h.line), uint32(lf - 1)}
		switch {
		case lf >= maxBytes:
			return 0, ErrResponseHeader
		case lf == 0 || b[lf-1] != '\r':
			return 0, malformed("a line ends in LF alone, want CRLF")
		case h.line == 0:
			h.fields = h.fields[:0]
			err = h.statusLine(l)
		case l.from == l.to:
			h.buf = b[: lf+1 : lf+1]
			return lf + 1, h.body.decide(h)
		case len(h.fields) == maxFields:
			return 0, ErrResponseFields
		default:
			err = h.fieldLine(l)
		}
		if err != nil {
			return 0, err
		}
		h.at, h.line = lf+1, lf+1
	}
}

// incomplete judges a line that has not ended yet: what can never become a head is not
// waited for.
func (h *responseHead) incomplete(maxBytes int) error {
	line := h.buf[h.line:]
	cr := bytes.IndexByte(line, '\r')
	switch {
	case h.line == 0 && string(line[:min(len(line), 5)]) != "HTTP/"[:min(len(line), 5)]:
		return malformed("the response does not begin with HTTP/")
	case len(h.buf) >= maxBytes:
		return ErrResponseHeader
	case cr >= 0 && cr < len(line)-1:
		return malformed("a CR without LF")
	}
	return nil
}

func (h *responseHead) fieldLine(l span) error {
	f, err := parseField(h.buf, int(l.from), int(l.to))
	if err != nil {
		return malformed(err.Detail)
	}
	h.fields = append(h.fields, f)
	return nil
}

// statusLine parses
//
//	status-line = HTTP-version SP status-code SP [ reason-phrase ]   (RFC 9112 §4)
func (h *responseHead) statusLine(line span) error {
	b := line.of(h.buf)
	if len(b) < 8 || string(b[:7]) != "HTTP/1." || b[7]-'0' > 9 {
		return malformed("the status line does not begin with HTTP/1.1 or HTTP/1.0")
	}
	if len(b) < 13 || b[8] != ' ' || b[12] != ' ' {
		return malformed("the status line is not version, status code and reason phrase with single spaces")
	}
	code := 0
	for _, c := range b[9:12] {
		if c-'0' > 9 {
			return malformed("the status code is not three digits")
		}
		code = code*10 + int(c-'0')
	}
	if code < 100 {
		return malformed("the status code is below 100")
	}
	if !all(b[13:], classValue) {
		return malformed("the reason phrase holds control bytes")
	}
	h.status = code
	h.minor = min(int(b[7]-'0'), 1)
	h.reason = span{line.from + 13, line.to}
	return nil
}

// responseFraming is how long the content of a response is, and what becomes of the
// connection (RFC 9112 §6.3, §9).
type responseFraming struct {
	kind      responseBody
	length    int64 // of Content-Length, when hasLength
	hasLength bool
	chunked   bool
	close     bool // the connection cannot be used again
}

type responseBody uint8

const (
	contentNone responseBody = iota
	contentLength
	contentChunked
	contentToEOF // delimited by the connection's end
)

// decide reads what the head says about the content. Whatever could be read in two ways
// is malformed, also where the status or the method says that there is no content.
func (f *responseFraming) decide(h *responseHead) error {
	*f = responseFraming{}
	keepAlive, closing := false, false
	for i := range h.fields {
		name, value := h.fields[i].name.of(h.buf), h.fields[i].value.of(h.buf)
		switch {
		case len(name) == 10 && equalFold(name, "connection"):
			eachElement(value, func(e []byte) bool {
				closing = closing || equalFold(e, "close")
				keepAlive = keepAlive || equalFold(e, "keep-alive")
				return true
			})
		case len(name) == 14 && equalFold(name, "content-length"):
			n, ok := parseLength(value)
			if f.hasLength || !ok {
				return malformed("Content-Length is not one plain number")
			}
			f.length, f.hasLength = n, true
		case len(name) == 17 && equalFold(name, "transfer-encoding"):
			if h.minor == 0 || f.chunked || !equalFold(value, "chunked") {
				return malformed("Transfer-Encoding is not chunked alone, in HTTP/1.1")
			}
			f.chunked = true
		}
	}
	if f.chunked && f.hasLength {
		return malformed("Content-Length and Transfer-Encoding together")
	}
	f.close = closing || h.minor == 0 && !keepAlive
	switch {
	case f.chunked:
		f.kind = contentChunked
	case f.hasLength:
		f.kind = contentLength
	default:
		f.kind = contentToEOF
	}
	return nil
}

// field returns the value of the first field of that name.
func (h *responseHead) field(name string) (value []byte, ok bool) {
	for i := range h.fields {
		if f := &h.fields[i]; equalFold(f.name.of(h.buf), name) {
			return f.value.of(h.buf), true
		}
	}
	return nil, false
}
