package wire

import "bytes"

// chunkReader decodes the chunked transfer coding (RFC 9112 §7.1) from bytes as they
// arrive:
//
//	chunked-body = *chunk last-chunk trailer-section CRLF
//	chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
type chunkReader struct {
	state    chunkState
	left     int64 // bytes of the chunk's data still to come
	overhead int   // bytes of framing beyond what plainChunk and the data allow; bounded
	trailers []Trailer
	limit    int // bytes of the trailer section
}

// Trailer is a field of a trailer section.
type Trailer struct{ Name, Value string }

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkData
	chunkEnd // the CRLF behind the data
	chunkTrailer
	chunkDone
)

const (
	maxChunkLine     = 1 << 10  // chunk size and extensions
	maxChunkOverhead = 16 << 10 // framing bytes beyond plainChunk per chunk and two per byte of data
	plainChunk       = 16       // framing of a chunk without extensions, at most: a size and two CRLFs
)

// next consumes bytes from the front of b: n of them, of which data (aliasing b) is
// content. With n 0 and no error more bytes are needed, unless done.
func (c *chunkReader) next(b []byte) (data []byte, n int, err *Error) {
	for c.state != chunkDone {
		rest := b[n:]
		switch c.state {
		case chunkData:
			if len(rest) == 0 {
				return nil, n, nil
			}
			k := min(c.left, int64(len(rest)))
			if c.left -= k; c.left == 0 {
				c.state = chunkEnd
			}
			c.overhead = max(0, c.overhead-2*int(min(k, 1<<20)))
			return rest[:k], n + int(k), nil
		case chunkEnd:
			if len(rest) > 0 && rest[0] != '\r' || len(rest) > 1 && rest[1] != '\n' {
				return nil, n, badRequest("chunk data does not end in CRLF")
			}
			if len(rest) < 2 {
				return nil, n, nil
			}
			n += 2
			c.state = chunkSize
		default:
			line, size, err := c.line(rest)
			if err != nil || size == 0 {
				return nil, n, err
			}
			n += size
			if err := c.take(line, size); err != nil {
				return nil, n, err
			}
		}
	}
	return nil, n, nil
}

// unread gives the last n bytes of data back.
func (c *chunkReader) unread(n int) {
	c.left += int64(n)
	c.state = chunkData
}

// line returns the line at the front of b and its size with CRLF; 0 when it is not all
// there yet.
func (c *chunkReader) line(b []byte) (line []byte, size int, err *Error) {
	limit := maxChunkLine
	if c.state == chunkTrailer {
		limit = c.limit + len("\r\n") // the empty line behind it is not counted
	}
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if cr := bytes.IndexByte(b, '\r'); cr >= 0 && cr < len(b)-1 {
			return nil, 0, badRequest("a CR without LF in a chunk's framing")
		}
	}
	if i > limit || i < 0 && len(b) > limit {
		if c.state == chunkTrailer {
			return nil, 0, &Error{Status: 431, Detail: "the trailer section is too large", Close: true}
		}
		return nil, 0, badRequest("a chunk size line is too long")
	}
	if i < 0 {
		return nil, 0, nil
	}
	if i == 0 || b[i-1] != '\r' {
		return nil, 0, badRequest("a line of a chunk's framing ends in LF alone, want CRLF")
	}
	return b[:i-1], i + 1, nil
}

func (c *chunkReader) take(line []byte, size int) *Error {
	if c.state == chunkTrailer {
		return c.trailer(line, size)
	}
	if c.overhead += max(0, size+2-plainChunk); c.overhead > maxChunkOverhead {
		return badRequest("chunks carry far more framing than data")
	}
	n, ok := parseChunkSize(line)
	if !ok {
		return badRequest("the chunk size is no hexadecimal number")
	}
	if c.left = n; n == 0 {
		c.state = chunkTrailer
	} else {
		c.state = chunkData
	}
	return nil
}

// parseChunkSize reads 1*HEXDIG and checks the extensions behind it:
//
//	chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
func parseChunkSize(b []byte) (n int64, ok bool) {
	i := 0
	for i < len(b) && hexDigit(b[i]) >= 0 {
		if i == 15 {
			return 0, false
		}
		n = n<<4 | int64(hexDigit(b[i]))
		i++
	}
	return n, i > 0 && validChunkExt(b[i:])
}

func validChunkExt(b []byte) bool {
	for {
		b = bytes.TrimLeft(b, " \t")
		if len(b) == 0 {
			return true
		}
		if b[0] != ';' {
			return false
		}
		b = bytes.TrimLeft(b[1:], " \t")
		name := tokenLen(b)
		if name == 0 {
			return false
		}
		b = bytes.TrimLeft(b[name:], " \t")
		if len(b) == 0 || b[0] != '=' {
			continue
		}
		b = bytes.TrimLeft(b[1:], " \t")
		n := tokenLen(b)
		if n == 0 {
			n = quotedLen(b)
		}
		if n == 0 {
			return false
		}
		b = b[n:]
	}
}

func tokenLen(b []byte) (n int) {
	for n < len(b) && classes[b[n]]&classToken != 0 {
		n++
	}
	return n
}

// quotedLen returns the length of the quoted-string at the front of b, 0 when there is
// none (RFC 9110 §5.6.4).
func quotedLen(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '"':
			return i + 1
		case classes[b[i]]&classValue == 0:
			return 0
		case b[i] == '\\':
			if i++; i == len(b) || classes[b[i]]&classValue == 0 {
				return 0
			}
		}
	}
	return 0
}

func (c *chunkReader) trailer(line []byte, size int) *Error {
	if len(line) == 0 {
		c.state = chunkDone
		return nil
	}
	if c.limit -= size; c.limit < 0 {
		return &Error{Status: 431, Detail: "the trailer section is too large", Close: true}
	}
	f, err := parseField(line, 0, len(line))
	if err != nil {
		return err
	}
	name := string(f.name.of(line))
	if forbiddenTrailer(name) {
		return badRequest("a trailer that may only be a header: " + name)
	}
	c.trailers = append(c.trailers, Trailer{name, string(f.value.of(line))})
	return nil
}

// forbiddenTrailer lists fields that decide on framing, routing, authentication or
// content (RFC 9110 §6.5.1).
func forbiddenTrailer(name string) bool {
	for _, n := range []string{"content-length", "transfer-encoding", "host", "connection", "trailer", "te", "upgrade", "expect",
		"authorization", "cookie", "set-cookie", "content-encoding", "content-type", "content-range", "cache-control", "max-forwards", "range"} {
		if equalFold(n, name) {
			return true
		}
	}
	return false
}
