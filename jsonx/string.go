package jsonx

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// special has the high bit set in the first byte of w that is a quote, a backslash, a control character or not
// ASCII; later bytes may be marked wrongly. Flipping bit 1 brings the quote down to a space and keeps the control
// characters among themselves, so one subtraction finds both.
func special(w uint64) uint64 {
	return (((w ^ lows*2) - lows*0x21) | ((w ^ lows*'\\') - lows) | w) & highs
}

// plainRun returns the offset of the first special byte from b[i], or one fewer than 8 bytes from the end.
func plainRun(b []byte, i int) int {
	for len(b)-i >= 8 {
		if m := special(load64(b, i)); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	return i
}

// scanString reads the characters after an opening quote and the closing one (RFC 8259 §7). It returns the offset
// after the closing quote and whether there were no escapes; bad names what was expected at end.
//
//	string = %x22 *( unescaped / "\" escaped ) %x22
func scanString(b []byte, i int) (end int, plain bool, bad string) {
	end, plain, bad, short := scanPart(b, i)
	if short {
		end = len(b)
	}
	return end, plain, bad
}

// scanPart is scanString for a text that may go on: when only more bytes could tell, short is true and end is where
// to begin again, after the last whole character.
func scanPart(b []byte, i int) (end int, plain bool, bad string, short bool) {
	plain = true
	for {
		if i = plainRun(b, i); i >= len(b) {
			return i, plain, "closing quote", true
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, plain, "", false
		case c == '\\':
			plain = false
			n, bad := scanEscape(b, i)
			if bad != "" {
				if i+n >= len(b) {
					return i, plain, bad, true
				}
				return i + n, plain, bad, false
			}
			i += n
		case c < 0x20:
			return i, plain, "an escape for a control character", false
		case c < utf8.RuneSelf:
			i++
		default:
			if i, bad = scanUTF8(b, i); bad != "" {
				return i, plain, bad, bad == wantRest
			}
		}
	}
}

// scanUTF8 moves past the characters beyond ASCII from b[i] (RFC 3629 §4), four bytes at a time: the mask picks the
// bits that tell the length of a character, then those that tell an overlong form, a surrogate or what lies beyond
// U+10FFFF.
func scanUTF8(b []byte, i int) (end int, bad string) {
	for len(b)-i >= 8 { // two of three bytes at once, as in most of Asia
		w := load64(b, i)
		if w&0xC0C0F0_C0C0F0 != 0x8080E0_8080E0 {
			break
		}
		if x, y := w&0x200F, w>>24&0x200F; x == 0 || x == 0x200D || y == 0 || y == 0x200D {
			break
		}
		i += 6
	}
	for len(b)-i >= 4 {
		switch w := binary.LittleEndian.Uint32(b[i:]); {
		case w&0x80 == 0:
			return i, ""
		case w&0xC0C0F0 == 0x8080E0:
			if x := w & 0x200F; x == 0 || x == 0x200D {
				return i, wantUTF8
			}
			i += 3
		case w&0xC0E0 == 0x80C0:
			if w&0x1E == 0 {
				return i, wantUTF8
			}
			i += 2
		case w&0xC0C0C0F8 == 0x808080F0:
			if x := w & 0x3007; x == 0 || x&7 > 4 || x&7 == 4 && x != 4 {
				return i, wantUTF8
			}
			i += 4
		default:
			return i, wantUTF8
		}
	}
	for i < len(b) && b[i] >= utf8.RuneSelf {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(b[i:]) {
				return i, wantRest
			}
			return i, wantUTF8
		}
		i += n
	}
	return i, ""
}

const (
	wantUTF8 = "valid UTF-8"
	wantRest = "the rest of a UTF-8 character"
)

// shortEscapes has a bit for each of b, f, n, r and t: which letter of the alphabet it is.
const shortEscapes = 1<<2 | 1<<6 | 1<<14 | 1<<18 | 1<<20

// scanEscape reads the escape that begins at b[i] with its backslash, or the two that make a surrogate pair, and
// returns its length; bad names what was expected so many bytes after it.
func scanEscape(b []byte, i int) (n int, bad string) {
	if i+1 >= len(b) {
		return 1, "escaped character"
	}
	if c := b[i+1]; c != 'u' {
		if c < 'a' && c != '"' && c != '\\' && c != '/' || c >= 'a' && shortEscapes>>(c&31)&1 == 0 || c > 'z' {
			return 1, "one of \"\\/bfnrtu after a backslash"
		}
		return 2, ""
	}
	r, n := hex4(b, i+2)
	if n < 4 {
		return 2 + n, "hexadecimal digit"
	}
	if !utf16.IsSurrogate(r) {
		return 6, ""
	}
	if r >= 0xDC00 {
		return 0, "no lone surrogate"
	}
	for k, c := range []byte(`\u`) {
		if i+6+k >= len(b) {
			return 6 + k, "low surrogate"
		}
		if b[i+6+k] != c {
			return 0, "no lone surrogate"
		}
	}
	low, n := hex4(b, i+8)
	if n < 4 {
		return 8 + n, "hexadecimal digit"
	}
	if low < 0xDC00 || low > 0xDFFF {
		return 0, "no lone surrogate"
	}
	return 12, ""
}

// hex4 reads up to four hexadecimal digits from b[i]; n says how many there are.
func hex4(b []byte, i int) (r rune, n int) {
	if len(b)-i >= 4 {
		if r = hexValue(b[i])<<12 | hexValue(b[i+1])<<8 | hexValue(b[i+2])<<4 | hexValue(b[i+3]); r >= 0 {
			return r, 4
		}
		r = 0
	}
	for ; n < 4 && i+n < len(b) && hexValue(b[i+n]) >= 0; n++ {
		r = r<<4 | hexValue(b[i+n])
	}
	return r, n
}

func hexValue(c byte) rune { return rune(hexDigits[c]) }

// hexDigits has the value of each hexadecimal digit, -1 for what is none.
var hexDigits = func() (t [256]int8) {
	for c := range t {
		switch c := byte(c); {
		case c-'0' < 10:
			t[c] = int8(c - '0')
		case c|0x20-'a' < 6:
			t[c] = int8(c|0x20-'a') + 10
		default:
			t[c] = -1
		}
	}
	return t
}()

// stringOf returns the text of checked string contents.
func stringOf(raw []byte, simple bool) string {
	if simple {
		return string(raw)
	}
	return string(unescape(make([]byte, 0, len(raw)), raw))
}

func unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		c := raw[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(raw, i)
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := hex4(raw, i+2)
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
