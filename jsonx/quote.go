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
// html also what could end a script element or a line of JavaScript. Characters are looked at and copied a word at a
// time up to the first that is not plain; the last word may overlap the one before.
func appendQuote(dst []byte, s string, html bool) ([]byte, error) {
	n, at := len(s), len(dst)
	if cap(dst)-at < n+10 {
		dst = slices.Grow(dst, n+10)
	}
	out, b, i := dst[:at+n+10], bytesOf(s), 0
	out[at] = '"'
	at++
	if html {
		return appendEscaped(out[:at], b, 0, html)
	}
	for ; n-i >= 8; i += 8 {
		w := load64(b, i)
		if special(w) != 0 {
			return appendEscaped(out[:at+i], b, i, false)
		}
		store64(out, at+i, w)
	}
	if i < n {
		var w uint64
		if n >= 8 {
			w = load64(b, n-8)
			store64(out, at+n-8, w)
		} else {
			w = shortWord(b)
			store64(out, at, w)
		}
		if special(w) != 0 {
			return appendEscaped(out[:at+i], b, i, false)
		}
	}
	out[at+n] = '"'
	return out[:at+n+1], nil
}

// shortWord returns one to seven bytes as a word, filled up with spaces.
func shortWord(b []byte) uint64 {
	switch n := len(b); {
	case n >= 4:
		low, high := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
		return low | high<<(8*(n-4)) | blanks<<(8*n)
	case n >= 2:
		low, high := uint64(binary.LittleEndian.Uint16(b)), uint64(binary.LittleEndian.Uint16(b[n-2:]))
		return low | high<<(8*(n-2)) | blanks<<(8*n)
	}
	return uint64(b[0]) | blanks&^0xFF
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
