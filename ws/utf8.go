package ws

import "unicode/utf8"

// textCheck checks text that comes in pieces (RFC 6455 §8.1). It fails with the first byte
// that no valid text can have at that place, so a character that can only be wrong is
// refused before its last byte.
type textCheck struct {
	held [utf8.UTFMax]byte // the beginning of a character
	n    uint8
}

// add checks a further piece.
func (t *textCheck) add(b []byte) bool {
	for t.n > 0 && len(b) > 0 {
		t.held[t.n] = b[0]
		t.n++
		b = b[1:]
		if utf8.FullRune(t.held[:t.n]) {
			if !utf8.Valid(t.held[:t.n]) {
				return false
			}
			t.n = 0
		}
	}
	whole := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-i:]) {
				whole -= i
			}
			break
		}
	}
	if !utf8.Valid(b[:whole]) {
		return false
	}
	t.n += uint8(copy(t.held[t.n:], b[whole:]))
	return true
}

// end says whether the text may end here, and makes ready for another.
func (t *textCheck) end() bool {
	whole := t.n == 0
	t.n = 0
	return whole
}
