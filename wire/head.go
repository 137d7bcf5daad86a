package wire

import "bytes"

// span is a part of the head's bytes.
type span struct{ from, to uint32 }

func (s span) of(b []byte) []byte { return b[s.from:s.to:s.to] }

// fieldLine is one field line of the head.
type fieldLine struct{ name, value span }

// head is a parsed request head. Its parts are places in buf, which is the connection's
// read buffer.
type head struct {
	buf     []byte
	method  span
	target  span
	path    span // of an origin or absolute form; empty for others
	query   span // without the question mark
	host    span // effective host (RFC 9112 §3.3)
	minor   int  // of the version HTTP/1.minor, 0 or 1
	fields  []fieldLine
	framing framing
}

// headScan finds the end of a head as bytes arrive. It looks at every byte once.
type headScan struct {
	at    int // next byte to look at
	line  int // where the current line begins
	lines int // complete lines, those skipped in front left out
	start int // where the head begins, behind empty lines
}

// maxLeadingEmptyLines bounds the CRLFs that are skipped in front of a request line
// (RFC 9112 §2.2).
const maxLeadingEmptyLines = 2

// end looks for the empty line. It returns the number of bytes up to and including it,
// or 0 when more are needed. A line that does not end in CRLF is malformed at once.
func (s *headScan) end(b []byte) (n int, err *Error) {
	for {
		i := bytes.IndexByte(b[s.at:], '\n')
		if i < 0 {
			s.at = len(b)
			return 0, nil
		}
		lf := s.at + i
		if lf == 0 || b[lf-1] != '\r' {
			return 0, badRequest("a line ends in LF alone, want CRLF")
		}
		empty := lf-1 == s.line
		s.at, s.line = lf+1, lf+1
		switch {
		case empty && s.lines > 0:
			return lf + 1, nil
		case empty:
			if s.start = lf + 1; s.start > 2*maxLeadingEmptyLines {
				return 0, badRequest("empty lines in front of the request line")
			}
		default:
			s.lines++
		}
	}
}

// parse reads a whole head, from the request line to the empty line. maxFields bounds
// the field lines.
func (h *head) parse(b []byte, maxFields int) *Error {
	h.buf = b
	h.fields = h.fields[:0]
	h.path, h.query, h.host = span{}, span{}, span{}
	line, pos := nextLine(b, 0)
	if err := h.requestLine(line); err != nil {
		return err
	}
	for {
		line, pos = nextLine(b, pos)
		if len(line.of(b)) == 0 {
			break
		}
		if len(h.fields) == maxFields {
			return &Error{Status: 431, Detail: "too many header fields", Close: true}
		}
		f, err := parseField(b, line)
		if err != nil {
			return err
		}
		h.fields = append(h.fields, f)
	}
	if err := h.checkTarget(); err != nil {
		return err
	}
	return h.framing.decide(h)
}

// nextLine returns the line at pos without its CRLF, and where the next begins.
func nextLine(b []byte, pos int) (line span, next int) {
	i := pos + bytes.IndexByte(b[pos:], '\n')
	return span{uint32(pos), uint32(i - 1)}, i + 1
}

// requestLine parses
//
//	request-line = method SP request-target SP HTTP-version   (RFC 9112 §3)
func (h *head) requestLine(line span) *Error {
	b := line.of(h.buf)
	sp := bytes.IndexByte(b, ' ')
	if sp <= 0 || !all(b[:sp], classToken) {
		return badRequest("the request line does not begin with a method")
	}
	rest := b[sp+1:]
	sp2 := bytes.IndexByte(rest, ' ')
	if sp2 <= 0 {
		return badRequest("the request line is not method, target and version with single spaces")
	}
	target, version := rest[:sp2], rest[sp2+1:]
	if !all(target, classTarget) {
		return badRequest("the request target holds bytes that must be percent-encoded")
	}
	if len(version) != 8 || string(version[:5]) != "HTTP/" || version[5]-'0' > 9 || version[6] != '.' || version[7]-'0' > 9 {
		return badRequest("the version is not HTTP/1.1")
	}
	if version[5] != '1' {
		return &Error{Status: 505, Detail: "only HTTP/1.1 and HTTP/1.0 are spoken here", Close: true}
	}
	h.minor = min(int(version[7]-'0'), 1)
	h.method = span{line.from, line.from + uint32(sp)}
	h.target = span{line.from + uint32(sp) + 1, line.from + uint32(sp+1+sp2)}
	return nil
}

// parseField parses
//
//	field-line = field-name ":" OWS field-value OWS   (RFC 9112 §5)
func parseField(b []byte, line span) (f fieldLine, err *Error) {
	l := line.of(b)
	if l[0] == ' ' || l[0] == '\t' {
		return f, badRequest("a header line is folded")
	}
	colon := bytes.IndexByte(l, ':')
	if colon <= 0 || !all(l[:colon], classToken) {
		return f, badRequest("a header line has no valid name before its colon")
	}
	value := l[colon+1:]
	if !all(value, classValue) {
		return f, badRequest("a header value holds control bytes")
	}
	from := colon + 1
	for from < len(l) && (l[from] == ' ' || l[from] == '\t') {
		from++
	}
	to := len(l)
	for to > from && (l[to-1] == ' ' || l[to-1] == '\t') {
		to--
	}
	f.name = span{line.from, line.from + uint32(colon)}
	f.value = span{line.from + uint32(from), line.from + uint32(to)}
	return f, nil
}

// checkTarget takes the target apart after its form (RFC 9112 §3.2) and settles the host.
func (h *head) checkTarget() *Error {
	hosts := 0
	for _, f := range h.fields {
		if equalFold(f.name.of(h.buf), "host") {
			h.host = f.value
			hosts++
		}
	}
	if hosts > 1 || hosts == 0 && h.minor == 1 {
		return badRequest("a request has exactly one Host field")
	}
	if !validHost(h.host.of(h.buf)) {
		return badRequest("the Host field is no host and port")
	}
	t := h.target.of(h.buf)
	method := h.method.of(h.buf)
	switch {
	case string(method) == "CONNECT":
		if !validHost(t) || len(t) == 0 || bytes.IndexByte(t, ':') < 0 {
			return badRequest("CONNECT wants host:port")
		}
		return nil
	case t[0] == '/':
		h.splitPath(h.target)
	case len(t) == 1 && t[0] == '*':
		if string(method) != "OPTIONS" {
			return badRequest("the target * is for OPTIONS alone")
		}
	default:
		return h.absoluteForm(t)
	}
	if bytes.IndexByte(t, '#') >= 0 {
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
	b := s.of(h.buf)
	if i := bytes.IndexByte(b, '?'); i >= 0 {
		h.query = span{s.from + uint32(i) + 1, s.to}
		s.to = s.from + uint32(i)
	}
	h.path = s
}

// validHost checks uri-host [ ":" port ] (RFC 9110 §7.2); empty is allowed.
func validHost(b []byte) bool {
	if !all(b, classHost) {
		return false
	}
	if len(b) > 0 && b[0] == '[' {
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
	if bytes.ContainsAny(b, "[]") {
		return false
	}
	i := bytes.IndexByte(b, ':')
	if i < 0 {
		return true
	}
	return i > 0 && validPort(b[i+1:])
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
