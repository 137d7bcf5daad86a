package jsonx

import (
	"encoding/binary"
	"errors"
	"slices"
	"unicode/utf8"
)

// ErrInvalidUTF8 is returned when a Go string to be written is not UTF-8.
var ErrInvalidUTF8 = errors.New("jsonx: string is not valid UTF-8")

// AppendQuote appends s as a JSON string, or fails with ErrInvalidUTF8 and dst as it was.
func AppendQuote(dst []byte, s string) ([]byte, error) { return appendQuote(dst, s, false) }

// AppendString appends s as a JSON string; what is not UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	out, err := appendQuote(dst, s, false)
	if err != nil {
		out, _ = appendQuote(dst, string([]rune(s)), false)
	}
	return out
}

// appendQuote writes s between quotes (RFC 8259 §7). Only what must be escaped is, in its short form if it has one; with
// html also what could end a script element or a line of JavaScript. Characters are looked at and copied by words up to
// the first that are not all plain; the last words may overlap those before.
func appendQuote(dst []byte, s string, html bool) ([]byte, error) {
	n, at := len(s), len(dst)+1
	if html || cap(dst)-at < n+9 {
		return appendQuoteRare(dst, s, html)
	}
	out, b, i := dst[:cap(dst)], bytesOf(s), 0
	out[at-1] = '"'
	switch {
	case n >= 8:
		for ; n-i > 16; i += 16 {
			x, y := load64(b, i), load64(b, i+8)
			if special(x)|special(y) != 0 {
				return appendEscaped(out[:at+i], b, i, false)
			}
			store64(out, at+i, x)
			store64(out, at+i+8, y)
		}
		from := max(n-16, 0)
		x, y := load64(b, from), load64(b, n-8)
		if special(x)|special(y) != 0 {
			return appendEscaped(out[:at+i], b, i, false)
		}
		store64(out, at+from, x)
		store64(out, at+n-8, y)
	case n >= 4:
		x, y := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
		if special(x|y<<32) != 0 {
			return appendEscaped(out[:at], b, 0, false)
		}
		store64(out, at, x)
		store64(out, at+n-4, y)
	case n > 0:
		x := uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16 | blanks&^0xFFFFFF
		if special(x) != 0 {
			return appendEscaped(out[:at], b, 0, false)
		}
		out[at], out[at+n/2], out[at+n-1] = b[0], b[n/2], b[n-1]
	}
	out[at+n] = '"'
	return out[:at+n+1], nil
}

// appendQuoteRare is appendQuote with html or where there is no room.
func appendQuoteRare(dst []byte, s string, html bool) ([]byte, error) {
	dst = slices.Grow(dst, len(s)+10)
	if html {
		return appendEscaped(append(dst, '"'), bytesOf(s), 0, true)
	}
	return appendQuote(dst, s, false)
}

// appendEscaped goes on with s[i:] where s[:i] and the opening quote are written already.
func appendEscaped(dst, s []byte, i int, html bool) ([]byte, error) {
	n := len(dst) - i - 1
	from := i
	for i < len(s) {
		if !html {
			if i = plainRun(s, i); i >= len(s) {
				break
			}
		}
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			if html && c == 0xE2 && len(s)-i >= 3 && s[i+1] == 0x80 && s[i+2]&^1 == 0xA8 {
				dst = append(dst, s[from:i]...)
				dst = append(dst, `\u202`...)
				dst = append(dst, '8'+s[i+2]&1)
				i += 3
				from = i
				continue
			}
			end, bad := scanUTF8(s, i)
			if bad != "" {
				return dst[:n], ErrInvalidUTF8
			}
			if html { // one character at a time, in search of U+2028
				_, size := utf8.DecodeRune(s[i:])
				end = i + size
			}
			i = end
		case c < 0x20 || c == '"' || c == '\\' || html && (c == '<' || c == '>' || c == '&'):
			dst = append(dst, s[from:i]...)
			dst = appendEscape(dst, c)
			i++
			from = i
		default:
			i++
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"'), nil
}

// short has the letter after the backslash for characters with a short escape.
var short = [256]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	if s := short[c]; s != 0 {
		return append(dst, '\\', s)
	}
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// appendForHTML copies valid JSON with what HTML gives a meaning escaped; outside of strings there is nothing of it.
func appendForHTML(dst, src []byte) []byte {
	from := 0
	for i, c := range src {
		switch {
		case c == '<' || c == '>' || c == '&':
			dst = append(dst, src[from:i]...)
			dst = appendEscape(dst, c)
			from = i + 1
		case c == 0xE2 && len(src)-i >= 3 && src[i+1] == 0x80 && src[i+2]&^1 == 0xA8:
			dst = append(dst, src[from:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, '8'+src[i+2]&1)
			from = i + 3
		}
	}
	return append(dst, src[from:]...)
}
