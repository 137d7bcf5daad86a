package jsonx

import (
	"errors"
	"io"
	"strconv"
)

// DefaultMaxValueBytes is how long a value or token a Decoder holds at once, unless MaxBytes says otherwise.
const DefaultMaxValueBytes = 64 << 20

// ErrNoValue is returned where a value is asked for and the array or object ends.
var ErrNoValue = errors.New("jsonx: no value before the end of the array or object")

// bufferBytes is where a Decoder's buffer and an Encoder's begin.
const bufferBytes = 32 << 10

// Decoder reads a stream of JSON texts, with or without white space between them (so NDJSON, RFC 8259 texts one
// after the other), as tokens and as whole values in any mixture. It needs memory for its buffer, for the longest
// token or value asked for at once, and for the names of the objects now open, each bounded by a limit; what has been
// read is forgotten, so a stream may be endless.
//
// A fault in the text is a *SyntaxError whose positions count from the start of the stream, truncated or malformed
// told apart; after one, and after an error of the reader, each call returns the same error. One goroutine at a time.
type Decoder struct {
	r    io.Reader
	opt  options
	buf  []byte // buf[pos:] is unread
	pos  int
	eof  bool  // r has no more
	rerr error // why, unless io.EOF
	err  error // what the last call failed with, for good

	base      int64 // offset of buf[0] in the stream
	line, col int   // line feeds before buf[0]; characters before it on its line

	levels []level
	path   []byte // the current names of the open objects, one after the other
	names  rules  // of the open objects
	inner  rules  // of the value being read as a whole
	ready  bool   // the separators before the next token have been taken
	comma  bool   // the last of them was a comma, so a value or name must follow
	bare   int64  // where a top-level number or literal ended: no letter or digit may follow there
}

// level is an open array or object.
type level struct {
	object bool
	value  bool // of an object: the name has been read, its value has not
	n      int  // elements or members finished
	path   int  // where the current name begins in path
}

// NewDecoder returns a Decoder that reads from r. The limits are MaxDepth, counted over the whole nesting, MaxBytes for
// one token or whole value (default DefaultMaxValueBytes), MaxMembers and MaxStringBytes.
func NewDecoder(r io.Reader, opts ...Option) *Decoder {
	o := apply(append([]Option{MaxBytes(DefaultMaxValueBytes)}, opts...))
	return &Decoder{r: r, opt: o}
}

// More reports whether the open array or object has another element or member, or, outside of them, whether another
// value follows. Where the text or the reader is at fault it is true, so that the next call can say so.
func (d *Decoder) More() bool {
	c, err := d.next()
	if err != nil {
		return err != io.EOF
	}
	return c != ']' && c != '}' || d.comma || len(d.levels) == 0
}

// PeekKind returns the kind of the next token without taking it; the error is that of ReadToken.
func (d *Decoder) PeekKind() (Kind, error) {
	c, err := d.next()
	if err != nil {
		return 0, err
	}
	k, ok := kindOfByte(c)
	if d.atName() && k == String {
		k = Name
	} else if !ok || d.atName() && k != EndObject {
		return 0, d.fault(d.pos, d.wanted())
	}
	return k, nil
}

// Depth returns how many arrays and objects are open.
func (d *Decoder) Depth() int { return len(d.levels) }

// Offset returns how many bytes of the stream have been taken.
func (d *Decoder) Offset() int64 { return d.base + int64(d.pos) }

// Pointer returns the RFC 6901 pointer, within the current text, of the value read last or being read.
func (d *Decoder) Pointer() string {
	var b []byte
	for i, l := range d.levels {
		to, n := len(d.path), l.n
		if i+1 < len(d.levels) {
			to = d.levels[i+1].path
		} else if n > 0 && !d.comma && !l.value {
			n-- // the last one, until the comma after it
			l.value = true
		}
		if !l.object {
			b = strconv.AppendInt(append(b, '/'), int64(n), 10)
		} else if l.value {
			b = append(append(b, '/'), pointerEscaper.Replace(string(d.path[l.path:to]))...)
		}
	}
	return string(b)
}

func (d *Decoder) atName() bool {
	n := len(d.levels)
	return n > 0 && d.levels[n-1].object && !d.levels[n-1].value
}

// ReadToken takes the next token; io.EOF where a text might begin and the stream ends.
func (d *Decoder) ReadToken() (Token, error) {
	c, err := d.next()
	if err != nil {
		return Token{}, err
	}
	if d.atName() && c != '}' {
		return d.name(c)
	}
	switch c {
	case '{', '[':
		return d.open(c)
	case '}', ']':
		return d.close(c)
	case '"':
		raw, plain, err := d.string()
		if err != nil {
			return Token{}, err
		}
		d.take(len(raw))
		return Token{String, plain, raw}, nil
	case 't', 'f', 'n':
		return d.literal(c)
	}
	return d.number(c)
}

// ReadValue takes the next value as a whole, checked, or the next name. The result is valid until the next call; io.EOF
// as for ReadToken, ErrNoValue where the open array or object ends.
func (d *Decoder) ReadValue() (RawValue, error) {
	c, err := d.next()
	if err != nil {
		return nil, err
	}
	if c != '{' && c != '[' {
		if (c == '}' || c == ']') && len(d.levels) > 0 && !d.comma {
			return nil, ErrNoValue
		}
		t, err := d.ReadToken()
		return t.raw, err
	}
	n, err := d.extent()
	if err != nil {
		return nil, err
	}
	raw := d.buf[d.pos : d.pos+n : d.pos+n]
	d.take(n)
	return raw, nil
}

// SkipValue takes the next value without holding it: its tokens are checked one at a time. Errors as for ReadValue.
func (d *Decoder) SkipValue() error {
	c, err := d.next()
	if err != nil {
		return err
	}
	if c != '{' && c != '[' {
		_, err := d.ReadValue()
		return err
	}
	if end, bad := d.skim(); bad == "" {
		d.take(end - d.pos)
		return nil
	}
	for outer := len(d.levels); ; {
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		if len(d.levels) == outer {
			return nil
		}
	}
}

// next moves past white space and separators to the next token and returns its first byte. It may be called again
// before the token is taken.
func (d *Decoder) next() (byte, error) {
	if d.err != nil {
		return 0, d.err
	}
	c, ok := d.space()
	top := len(d.levels) - 1
	if top < 0 {
		if !ok {
			return 0, d.end()
		}
		if d.bare == d.Offset() && d.bare > 0 && c != '"' && c != '[' && c != '{' {
			return 0, d.fault(d.pos, "white space")
		}
		return c, nil
	}
	l := &d.levels[top]
	if !d.ready {
		switch {
		case l.object && l.value:
			if c != ':' {
				return 0, d.fault(d.pos, wantColon)
			}
			d.pos++
			c, ok = d.space()
		case l.n > 0 && c == ',' && ok:
			d.pos++
			d.comma = true
			c, ok = d.space()
		case l.n > 0 && c != l.closing():
			return 0, d.fault(d.pos, l.following())
		}
		d.ready = ok
	}
	if !ok {
		return 0, d.fault(d.pos, l.wanted(d.comma))
	}
	return c, nil
}

func (l *level) closing() byte {
	if l.object {
		return '}'
	}
	return ']'
}

func (l *level) following() string {
	if l.object {
		return wantMemberEnd
	}
	return wantElementEnd
}

func (d *Decoder) wanted() string {
	if top := len(d.levels) - 1; top >= 0 {
		return d.levels[top].wanted(d.comma)
	}
	return wantValue
}

// wanted is what may stand where a token begins.
func (l *level) wanted(comma bool) string {
	switch {
	case !l.object && !comma && l.n == 0:
		return wantFirstElement
	case !l.object || l.value:
		return wantValue
	case comma:
		return wantName
	case l.n == 0:
		return wantFirstName
	}
	return wantMemberEnd
}

// take moves past a scalar or a whole value of n bytes at pos.
func (d *Decoder) take(n int) {
	d.pos += n
	d.finish()
}

// finish notes that a value has ended.
func (d *Decoder) finish() {
	d.ready, d.comma = false, false
	if top := len(d.levels) - 1; top >= 0 {
		l := &d.levels[top]
		l.n++
		l.value = false
	}
}

func (d *Decoder) open(c byte) (Token, error) {
	if len(d.levels) >= d.opt.maxDepth {
		return Token{}, d.fault(d.pos, wantShallow)
	}
	d.levels = append(d.levels, level{object: c == '{', path: len(d.path)})
	d.ready, d.comma = false, false
	d.pos++
	t := Token{kind: Array, raw: d.buf[d.pos-1 : d.pos]}
	if c == '{' {
		t.kind = Object
		d.names.dups, d.names.maxString, d.names.maxMembers = d.opt.dups, d.opt.maxString, d.opt.maxMembers
		d.names.open()
	}
	return t, nil
}

func (d *Decoder) close(c byte) (Token, error) {
	top := len(d.levels) - 1
	if top < 0 {
		return Token{}, d.fault(d.pos, wantValue)
	}
	l := &d.levels[top]
	if l.closing() != c || d.comma || l.value {
		return Token{}, d.fault(d.pos, l.wanted(d.comma))
	}
	t := Token{kind: EndArray, raw: d.buf[d.pos : d.pos+1]}
	if l.object {
		t.kind = EndObject
		if d.names.close(); top == 0 {
			d.names.reset()
		}
	}
	d.path = d.path[:l.path]
	d.levels = d.levels[:top]
	d.take(1)
	return t, nil
}

func (d *Decoder) name(c byte) (Token, error) {
	l := &d.levels[len(d.levels)-1]
	if c != '"' {
		return Token{}, d.fault(d.pos, l.wanted(d.comma))
	}
	raw, plain, err := d.string()
	if err != nil {
		return Token{}, err
	}
	t := Token{Name, plain, raw}
	if bad := d.names.name(raw[1:len(raw)-1], plain); bad != "" {
		return Token{}, d.fault(d.pos, bad)
	}
	d.path = t.AppendText(d.path[:l.path])
	d.pos += len(raw)
	d.ready, d.comma, l.value = false, false, true
	return t, nil
}

// string returns the string at pos, quotes included, and reads on from where it stopped as long as it has no end.
func (d *Decoder) string() (raw []byte, plain bool, err error) {
	plain = true
	for n := 1; ; {
		end, unescaped, bad, short := scanPart(d.buf, d.pos+n)
		plain = plain && unescaped
		n = end - d.pos
		switch {
		case n-2 > d.opt.maxString || short && n-1 > d.opt.maxString:
			return nil, false, d.fault(d.pos, wantShorter)
		case d.tooLarge(n):
			return nil, false, d.large()
		case bad == "":
			return d.buf[d.pos:end:end], plain, nil
		case !short:
			return nil, false, d.fault(end, bad)
		case !d.fill():
			return nil, false, d.fault(len(d.buf), bad)
		}
	}
}

func (d *Decoder) literal(c byte) (Token, error) {
	t, s := Token{kind: Bool}, "true"
	if c == 'f' {
		s = "false"
	} else if c == 'n' {
		t.kind, s = Null, "null"
	}
	for {
		end, bad := scanLiteral(d.buf, d.pos, s)
		if bad == "" {
			t.raw = d.buf[d.pos:end:end]
			d.take(len(s))
			d.markBare()
			return t, nil
		}
		if end < len(d.buf) {
			return Token{}, d.fault(end, bad)
		}
		if !d.fill() {
			return Token{}, d.fault(len(d.buf), bad)
		}
	}
}

// number takes a number: it ends where a byte has been seen that cannot belong to it, or the stream has ended.
func (d *Decoder) number(c byte) (Token, error) {
	if k, ok := kindOfByte(c); !ok || k != Num {
		return Token{}, d.fault(d.pos, d.wanted())
	}
	end, _, bad := scanNumber(d.buf, d.pos)
	if end == len(d.buf) {
		for n := end - d.pos; ; {
			for n < len(d.buf)-d.pos && numeric(d.buf[d.pos+n]) {
				n++
			}
			if d.tooLarge(n) {
				return Token{}, d.large()
			}
			if d.pos+n < len(d.buf) || !d.fill() {
				break
			}
		}
		end, _, bad = scanNumber(d.buf, d.pos)
	}
	if bad != "" {
		return Token{}, d.fault(end, bad)
	}
	if d.tooLarge(end - d.pos) {
		return Token{}, d.large()
	}
	t := Token{kind: Num, raw: d.buf[d.pos:end:end]}
	d.take(len(t.raw))
	d.markBare()
	return t, nil
}

func numeric(c byte) bool {
	return c-'0' < 10 || c == '-' || c == '+' || c == '.' || c|0x20 == 'e'
}

func (d *Decoder) markBare() {
	if len(d.levels) == 0 {
		d.bare = d.Offset()
	}
}

// skim checks the array or object at pos as far as it is in the buffer.
func (d *Decoder) skim() (end int, bad string) {
	d.inner.reset()
	d.inner.dups, d.inner.maxString, d.inner.maxMembers = d.opt.dups, d.opt.maxString, d.opt.maxMembers
	return skipValue(d.buf, d.pos, d.opt.maxDepth-len(d.levels), &d.inner)
}

// extent returns the length of the array or object at pos, checked. One that is not yet in the buffer is first looked
// at for its end alone, going on where the last look stopped, so that it costs the same in however small pieces
// it comes.
func (d *Decoder) extent() (n int, err error) {
	end, bad := d.skim()
	var b boundary
	for ; bad != "" && end == len(d.buf) && !d.eof; end, bad = d.skim() {
		for whole := false; !whole; {
			if n, whole = b.find(d.buf[d.pos:], n); d.tooLarge(n) {
				return 0, d.large()
			}
			if !whole && !d.fill() {
				break
			}
		}
	}
	if bad != "" {
		return 0, d.fault(end, bad)
	}
	if n = end - d.pos; d.tooLarge(n) {
		return 0, d.large()
	}
	return n, nil
}

func (d *Decoder) tooLarge(n int) bool { return d.opt.maxBytes > 0 && n > d.opt.maxBytes }
