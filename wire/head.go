package wire

import (
	"bytes"
	"encoding/binary"
)

// span is a part of the head's bytes.
type span struct{ from, to uint32 }

func (s span) of(b []byte) []byte { return b[s.from:s.to:s.to] }

// fieldLine is one field line of the head.
type fieldLine struct{ name, value span }

// head is a request head that is being parsed, line by line as lines become complete,
// or has been. Its parts are places in buf, which is the connection's read buffer.
//
// Each line is judged when its end has arrived and not before, and the first bad line
// decides. So the result does not depend on how the bytes were cut on their way.
type head struct {
	buf     []byte
	known   string // the method, where it is a usual one
	method  span
	target  span
	path    span // of an origin or absolute form; empty for others
	query   span // without the question mark
	host    span // effective host (RFC 9112 §3.3)
	minor   int  // of the version HTTP/1.minor, 0 or 1
	fields  []fieldLine
	framing framing

	scan    int   // where the search for a line's end goes on
	line    int   // where the current line begins; line <= scan
	empty   int   // empty lines skipped in front
	begun   bool  // the request line is parsed
	hosts   int   // Host fields seen
	special uint8 // classes of bytes seen in the target that need a second look
}

// maxLeadingEmptyLines bounds the CRLFs that are skipped in front of a request line
// (RFC 9112 §2.2).
const maxLeadingEmptyLines = 2

// reset makes the head ready for another request.
func (h *head) reset() {
	h.buf, h.known = nil, ""
	h.path, h.query, h.host = span{}, span{}, span{}
	h.fields = h.fields[:0]
	h.framing = framing{}
	h.scan, h.line, h.empty, h.hosts, h.special, h.begun = 0, 0, 0, 0, 0, false
}

// parse goes on with the head at the front of b, where an earlier call stopped for want
// of bytes. It returns the head's size with its empty line, or 0 when more bytes are
// needed. No byte is searched for line ends twice. maxBytes bounds the head with what
// is skipped in front of it, maxFields its field lines.
func (h *head) parse(b []byte, maxBytes, maxFields int) (n int, err *Error) {
	for {
		i := bytes.IndexByte(b[h.scan:], '\n')
		if i < 0 {
			h.scan = len(b)
			return 0, h.incomplete(b, maxBytes)
		}
		lf := h.scan + i
		if lf >= maxBytes {
			return 0, h.tooLarge(b)
		}
		if lf == 0 || b[lf-1] != '\r' {
			return 0, badRequest("a line ends in LF alone, want CRLF")
		}
		from, to := h.line, lf-1
		h.scan, h.line = lf+1, lf+1
		switch {
		case from < to && h.begun:
			if len(h.fields) == maxFields {
				return 0, &Error{Status: 431, Detail: "too many header fields", Close: true}
			}
			err = h.fieldLine(b, from, to)
		case from < to:
			h.begun = true
			err = h.requestLine(b, from, to)
		case h.begun:
			h.buf = b[:h.line:h.line]
			return h.line, h.settle()
		default:
			if h.empty++; h.empty > maxLeadingEmptyLines {
				err = badRequest("empty lines in front of the request line")
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

// incomplete judges a head whose last line has no end yet. That the first byte of a
// request cannot begin one is said at once: such a peer (TLS, say) may never send a
// line's end.
func (h *head) incomplete(b []byte, maxBytes int) *Error {
	switch {
	case len(b) >= maxBytes:
		return h.tooLarge(b)
	case !h.plausible(b):
		return noMethod()
	}
	return nil
}

// plausible says that the request line may become one, from its first byte.
func (h *head) plausible(b []byte) bool {
	return h.begun || len(b) == h.line || b[h.line] == '\r' || classes[b[h.line]]&classToken != 0
}

func noMethod() *Error { return badRequest("the request line does not begin with a method") }

func (h *head) tooLarge(b []byte) *Error {
	switch {
	case !h.plausible(b): // which was known before it was too large
		return noMethod()
	case !h.begun:
		return &Error{Status: 414, Detail: "the request line is too long", Close: true}
	}
	return &Error{Status: 431, Detail: "the header section is too large", Close: true}
}

// requestLine parses
//
//	request-line = method SP request-target SP HTTP-version   (RFC 9112 §3)
func (h *head) requestLine(b []byte, from, to int) *Error {
	i := from
	for i < to && classes[b[i]]&classToken != 0 {
		i++
	}
	if i == from || i == to || b[i] != ' ' {
		return noMethod()
	}
	h.method = span{uint32(from), uint32(i)}
	h.known = internMethod(b[from:i])
	i++
	start := i
	seen := uint8(0)
	for i < to && classes[b[i]]&classTarget != 0 {
		seen |= classes[b[i]]
		i++
	}
	if i == start || i == to || b[i] != ' ' {
		return badRequest("the request line is not method, target and version with single spaces")
	}
	h.target, h.special = span{uint32(start), uint32(i)}, seen
	return h.version(b[i+1 : to])
}

// version parses HTTP-version; higher minor versions are spoken to in 1.1 (RFC 9110 §2.5).
func (h *head) version(b []byte) *Error {
	if len(b) != 8 || string(b[:5]) != "HTTP/" || b[5]-'0' > 9 || b[6] != '.' || b[7]-'0' > 9 {
		return badRequest("the version is not HTTP/1.1")
	}
	if b[5] != '1' {
		return &Error{Status: 505, Detail: "only HTTP/1.1 and HTTP/1.0 are spoken here", Close: true}
	}
	h.minor = min(int(b[7]-'0'), 1)
	return nil
}

// fieldLine parses one line and takes note of the fields that decide on framing and host.
func (h *head) fieldLine(b []byte, from, to int) *Error {
	f, err := parseField(b, from, to)
	if err != nil {
		return err
	}
	h.fields = append(h.fields, f)
	name := f.name.of(b)
	switch len(name) {
	case 4:
		if equalFold(name, "host") {
			h.host = f.value
			h.hosts++
		}
	case 6, 10, 14, 17:
		return h.framing.field(name, f.value.of(b), h.minor)
	}
	return nil
}

// parseField parses
//
//	field-line = field-name ":" OWS field-value OWS   (RFC 9112 §5)
func parseField(b []byte, from, to int) (f fieldLine, err *Error) {
	i := from
	for i < to && classes[b[i]]&classToken != 0 {
		i++
	}
	if i == from && (b[i] == ' ' || b[i] == '\t') {
		return f, badRequest("a header line is folded")
	}
	if i == from || i == to || b[i] != ':' {
		return f, badRequest("a header line has no valid name before its colon")
	}
	f.name = span{uint32(from), uint32(i)}
	i++
	for i < to && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	for to > i && (b[to-1] == ' ' || b[to-1] == '\t') {
		to--
	}
	if !validValue(b[i:to]) {
		return f, badRequest("a header value holds control bytes")
	}
	f.value = span{uint32(i), uint32(to)}
	return f, nil
}

// validValue checks field-content (RFC 9110 §5.5), eight bytes at a time: a word without
// a byte below 0x20 or equal to 0x7F is valid, of others each byte is looked up (they
// may hold a tab, which is allowed).
func validValue(b []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		del := x ^ 0x7F*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&highs != 0 && !all(b[:8], classValue) {
			return false
		}
		b = b[8:]
	}
	return all(b, classValue)
}

// settle judges the head as a whole: its target after its form (RFC 9112 §3.2), its
// host, its framing.
func (h *head) settle() *Error {
	if h.hosts > 1 || h.hosts == 0 && h.minor == 1 {
		return badRequest("a request has exactly one Host field")
	}
	if !validHost(h.host.of(h.buf)) {
		return badRequest("the Host field is no host and port")
	}
	if err := h.checkTarget(); err != nil {
		return err
	}
	return h.framing.settle(h.minor)
}

func (h *head) checkTarget() *Error {
	t := h.target.of(h.buf)
	switch {
	case h.known == "CONNECT":
		if colon := bytes.LastIndexByte(t, ':'); !validHost(t) || colon < 0 || colon == len(t)-1 || t[len(t)-1] == ']' {
			return badRequest("CONNECT wants host:port")
		}
		return nil
	case t[0] == '/':
		h.splitPath(h.target)
	case len(t) == 1 && t[0] == '*':
		if h.known != "OPTIONS" {
			return badRequest("the target * is for OPTIONS alone")
		}
	default:
		return h.absoluteForm(t)
	}
	if h.special&classMark != 0 && bytes.IndexByte(t, '#') >= 0 {
		return badRequest("the request target holds a fragment")
	}
	return nil
}

// absoluteForm takes http://host/path apart; its host counts, not the Host field.
func (h *head) absoluteForm(t []byte) *Error {
	scheme := bytes.Index(t, []byte("://"))
	if scheme < 0 || !equalFold(t[:scheme], "http") && !equalFold(t[:scheme], "https") {
		return badRequest("the request target is neither a path nor a URL with http or https")
	}
	from := scheme + 3
	to := from
	for to < len(t) && t[to] != '/' && t[to] != '?' {
		to++
	}
	if to == from || !validHost(t[from:to]) || bytes.IndexByte(t, '#') >= 0 {
		return badRequest("the URL in the request target has no valid host")
	}
	h.host = span{h.target.from + uint32(from), h.target.from + uint32(to)}
	h.splitPath(span{h.target.from + uint32(to), h.target.to})
	return nil
}

func (h *head) splitPath(s span) {
	h.path = s
	if h.special&classMark == 0 {
		return
	}
	if i := bytes.IndexByte(s.of(h.buf), '?'); i >= 0 {
		h.query = span{s.from + uint32(i) + 1, s.to}
		h.path.to = s.from + uint32(i)
	}
}

// validHost checks uri-host [ ":" port ] (RFC 9110 §7.2); empty is allowed.
func validHost(b []byte) bool {
	i := 0
	for i < len(b) && classes[b[i]]&classHost != 0 {
		i++
	}
	switch {
	case i == len(b):
		return true
	case b[i] == ':':
		return i > 0 && validPort(b[i+1:])
	case b[i] != '[' || i > 0:
		return false
	}
	end := bytes.IndexByte(b, ']')
	if end < 2 {
		return false
	}
	for _, c := range b[1:end] {
		if hexDigit(c) < 0 && c != ':' && c != '.' && c != 'v' {
			return false
		}
	}
	return end == len(b)-1 || b[end+1] == ':' && validPort(b[end+2:])
}

func validPort(b []byte) bool {
	n := 0
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return true
}

// field returns the value of the first field of that name.
func (h *head) field(name string) (value []byte, ok bool) {
	for i := range h.fields {
		if f := &h.fields[i]; int(f.name.to-f.name.from) == len(name) && equalFold(f.name.of(h.buf), name) {
			return f.value.of(h.buf), true
		}
	}
	return nil, false
}
