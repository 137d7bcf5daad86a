package wire

// Classes of bytes (RFC 9110 §5.5, §5.6.2).
const (
	classToken  = 1 << iota // tchar: what names and methods are made of
	classValue              // field-content: VCHAR, SP, HTAB, obs-text
	classTarget             // visible ASCII
	classCookie             // what a cookie's value may hold, with SP and comma
	classHost               // what a registered name may hold (RFC 3986 §3.2.2)
	classMark               // ? # and %, which give a target parts and escapes
)

var classes = func() (t [256]uint8) {
	for c := 0x21; c < 0x7F; c++ {
		t[c] |= classValue | classTarget
	}
	for c := 0x80; c <= 0xFF; c++ {
		t[c] |= classValue
	}
	for c := 0x20; c < 0x7F; c++ {
		if c != '"' && c != ';' && c != '\\' {
			t[c] |= classCookie
		}
	}
	t[' '] |= classValue
	t['\t'] |= classValue
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] |= classToken
	}
	for _, c := range []byte("-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%!$&'()*+,;=") {
		t[c] |= classHost
	}
	for _, c := range []byte("?#%") {
		t[c] |= classMark
	}
	return t
}()

// all says whether every byte of b is in a class.
func all[T string | []byte](b T, class uint8) bool {
	for i := 0; i < len(b); i++ {
		if classes[b[i]]&class == 0 {
			return false
		}
	}
	return true
}

// lower maps ASCII letters to lower case.
func lower(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}

// equalFold compares ASCII text without regard to case.
func equalFold[A, B string | []byte](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// trimOWS cuts optional white space off both ends.
func trimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// hexDigit returns the value of a hex digit, or -1.
func hexDigit(c byte) int {
	switch {
	case c-'0' < 10:
		return int(c - '0')
	case lower(c)-'a' < 6:
		return int(lower(c)-'a') + 10
	}
	return -1
}

// eachElement calls fn with the elements of a comma-separated list (RFC 9110 §5.6.1),
// empty ones left out, until it returns false.
func eachElement(list []byte, fn func(e []byte) bool) {
	for len(list) > 0 {
		i := 0
		quoted := false
		for i < len(list) && (quoted || list[i] != ',') {
			if list[i] == '"' {
				quoted = !quoted
			}
			if quoted && list[i] == '\\' && i+1 < len(list) {
				i++
			}
			i++
		}
		if e := trimOWS(list[:i]); len(e) > 0 && !fn(e) {
			return
		}
		list = list[min(i+1, len(list)):]
	}
}
