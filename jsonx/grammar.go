package jsonx

import "math/bits"

// What a text must have where it goes wrong; SyntaxError.Expected has the same words. Those that stand for a limit
// or a rule beyond the grammar have an error of their own, see cause.
const (
	wantValue        = "value"
	wantName         = "string"
	wantFirstName    = "string or '}'"
	wantColon        = "':'"
	wantMemberEnd    = "',' or '}'"
	wantElementEnd   = "',' or ']'"
	wantFirstElement = "value or ']'"
	wantEnd          = "end of text"
	wantShallow      = "less nesting"
	wantFewer        = "fewer members"
	wantShorter      = "a shorter string"
	wantNewName      = "a name not used before"
)

// Valid reports whether data is one JSON text (RFC 8259), nested at most DefaultMaxDepth levels, in UTF-8 throughout
// and without escaped lone surrogates. It does not look at whether names repeat. It allocates nothing.
func Valid(data []byte) bool {
	i, bad := skipValue(data, 0, DefaultMaxDepth, nil)
	return bad == "" && skipSpace(data, i) == len(data)
}

// skipValue checks the value that begins at or after b[i], white space before it included, and returns the offset
// after it; bad, when not empty, names what was expected at end. An array or object counts as one level, of depth
// at most. With rules not nil names, strings and members are held to them as well.
//
//	value  = false / null / true / object / array / number / string
//	object = "{" [ member *( "," member ) ] "}"    member = string ":" value
//	array  = "[" [ value *( "," value ) ] "]"
//
// There is no recursion: one bit for each open level says whether it is an object, the newest 64 of them in a word,
// so that a text of a million brackets costs a thousand steps and no stack. The machine is written with jumps so that
// its state stays in registers; the labels are the states: value, after (a value), name, closed (a level).
func skipValue(b []byte, i, depth int, rules *rules) (end int, bad string) {
	var (
		c      byte
		level  int        // open arrays and objects
		object uint64     // bit 0: whether the innermost is an object; bit n: the one n levels out
		few    [16]uint64 // object as it was below level 0, 64, 128, …
		outer  = few[:]
	)
value:
	if i >= len(b) {
		return i, wantValue
	}
	if c = b[i]; c <= ' ' {
		if i = skipSpace(b, i); i >= len(b) {
			return i, wantValue
		}
		c = b[i]
	}
	switch c {
	case '"':
		start := i + 1
		if i = plainRun(b, start); i < len(b) && b[i] == '"' {
			i++
		} else if i, _, bad = scanString(b, i); bad != "" {
			return i, bad
		}
		if rules != nil && i-1-start > rules.maxString {
			return start - 1, wantShorter
		}
	case '{', '[':
		if level >= depth {
			return i, wantShallow
		}
		if level&63 == 0 {
			if level>>6 >= len(outer) {
				outer = append(outer, outer...)
			}
			outer[level>>6] = object
		}
		level++
		object <<= 1
		if i++; i >= len(b) {
			return i, firstOf(c)
		}
		first := b[i]
		if first <= ' ' {
			if i = skipSpace(b, i); i >= len(b) {
				return i, firstOf(c)
			}
			first = b[i]
		}
		if c == '[' {
			if first == ']' {
				goto closed
			}
			goto value
		}
		object |= 1
		if rules != nil {
			rules.open()
		}
		if first == '}' {
			goto closed
		}
		if first != '"' {
			return i, wantFirstName
		}
		goto name
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if i, _, bad = scanNumber(b, i); bad != "" {
			return i, bad
		}
	case 't':
		if i, bad = scanLiteral(b, i, "true"); bad != "" {
			return i, bad
		}
	case 'f':
		if i, bad = scanLiteral(b, i, "false"); bad != "" {
			return i, bad
		}
	case 'n':
		if i, bad = scanLiteral(b, i, "null"); bad != "" {
			return i, bad
		}
	default:
		return i, wantedAt(b, i)
	}
after:
	if level == 0 {
		return i, ""
	}
	if i >= len(b) {
		return i, nextOf(object)
	}
	if c = b[i]; c <= ' ' {
		if i = skipSpace(b, i); i >= len(b) {
			return i, nextOf(object)
		}
		c = b[i]
	}
	if c == ',' {
		i++
		if object&1 == 0 {
			goto value
		}
		if i >= len(b) {
			return i, wantName
		}
		if c = b[i]; c <= ' ' {
			if i = skipSpace(b, i); i >= len(b) {
				return i, wantName
			}
			c = b[i]
		}
		if c != '"' {
			return i, wantName
		}
		goto name
	}
	if object&1 == 0 && c != ']' || object&1 != 0 && c != '}' {
		return i, nextOf(object)
	}
closed:
	if rules != nil && object&1 != 0 {
		rules.close()
	}
	i++
	level--
	object >>= 1
	if level&63 == 0 {
		object = outer[level>>6]
	}
	goto after
name:
	start := i + 1
	plain := true
	if i = plainRun(b, start); i < len(b) && b[i] == '"' {
		i++
	} else if i, plain, bad = scanString(b, i); bad != "" {
		return i, bad
	}
	if rules != nil {
		if bad = rules.name(b[start:i-1], plain); bad != "" {
			return start - 1, bad
		}
	}
	if i >= len(b) {
		return i, wantColon
	}
	if c = b[i]; c <= ' ' {
		if i = skipSpace(b, i); i >= len(b) {
			return i, wantColon
		}
		c = b[i]
	}
	if c != ':' {
		return i, wantColon
	}
	if i++; i < len(b) && b[i] == ' ' {
		i++
	}
	goto value
}

// wantedAt is what had to begin at b[i], by what stands before it.
func wantedAt(b []byte, i int) string {
	for i--; i >= 0 && isSpace(b[i]); i-- {
	}
	if i >= 0 && b[i] == '[' {
		return wantFirstElement
	}
	return wantValue
}

func firstOf(open byte) string {
	if open == '{' {
		return wantFirstName
	}
	return wantFirstElement
}

func nextOf(object uint64) string {
	if object&1 != 0 {
		return wantMemberEnd
	}
	return wantElementEnd
}

const (
	lows   = 0x0101010101010101 // times a byte: the byte in each place of a word
	highs  = lows << 7
	blanks = lows * ' '
)

// skipSpace returns the offset of the first byte from b[i] that is no white space (RFC 8259 §2), or len(b). It is
// made for a line feed and an indentation: two words are looked at in one step, since a jump that depends on how
// deep the line is indented costs more than the second word.
func skipSpace(b []byte, i int) int {
	for len(b)-i >= 17 {
		if b[i] == '\n' {
			i++
		}
		x, y := load64(b, i)^blanks, load64(b, i+8)^blanks
		n := bits.TrailingZeros64(x) >> 3
		if x == 0 {
			n = 8 + bits.TrailingZeros64(y)>>3
		}
		if i += n; n == 16 {
			continue
		}
		if b[i] > ' ' || !isSpace(b[i]) {
			return i
		}
		i++
	}
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func scanLiteral(b []byte, i int, s string) (end int, bad string) {
	if len(b)-i >= len(s) && string(b[i:i+len(s)]) == s {
		return i + len(s), ""
	}
	for k := range len(s) {
		if i+k >= len(b) || b[i+k] != s[k] {
			return i + k, s
		}
	}
	return i + len(s), ""
}
