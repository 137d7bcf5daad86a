package jsonx

import (
	"encoding/binary"
	"errors"
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
// html also what could end a script element or a line of JavaScript.
func appendQuote(dst []byte, s string, html bool) ([]byte, error) {
	if n := len(s); !html && isPlain(s) {
		dst = append(dst, '"')
		dst = append(dst, s[:n]...)
		return append(dst, '"'), nil
	}
	return appendEscaped(dst, bytesOf(s), html)
}

// isPlain reports whether s is ASCII without anything to escape. The last word may overlap the one before; fewer than
// eight characters are put together from both ends.
func isPlain(s string) bool {
	b, n := bytesOf(s), len(s)
	switch {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			if special(load64(b, i)) != 0 {
				return false
			}
		}
		return special(load64(b, n-8)) == 0
	case n >= 4:
		return special(uint64(binary.LittleEndian.Uint32(b))|uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32) == 0
	case n > 0:
		return special(blanks&^0xFFFFFF|uint64(b[0])|uint64(b[n/2])<<8|uint64(b[n-1])<<16) == 0
	}
	return true
}

func appendEscaped(dst, s []byte, html bool) ([]byte, error) {
	n := len(dst)
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
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
