package jsonx

// Kind is what a Value or a Token is.
type Kind uint8

// The kinds of JSON values; the zero Value is Null. As tokens, Array and Object are the opening brackets, and the last
// three exist only there.
const (
	Null Kind = iota
	Bool
	Num
	String
	Array
	Object
	Name
	EndArray
	EndObject
)

var kindNames = [...]string{"null", "boolean", "number", "string", "array", "object", "name", "end of array", "end of object"}

// String returns the word RFC 8259 has for it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "no kind"
}

// kindOfByte says what begins with c; ok is false when nothing does.
func kindOfByte(c byte) (k Kind, ok bool) {
	switch c {
	case 'n':
		return Null, true
	case 't', 'f':
		return Bool, true
	case '"':
		return String, true
	case '[':
		return Array, true
	case '{':
		return Object, true
	case ']':
		return EndArray, true
	case '}':
		return EndObject, true
	}
	return Num, c == '-' || c-'0' < 10
}

// Token is a bracket, a name or a scalar value as a Decoder meets it. It points into the Decoder's buffer and is
// valid until the next call there.
type Token struct {
	kind  Kind
	plain bool // a string without escapes
	raw   []byte
}

// Kind returns what t is.
func (t Token) Kind() Kind { return t.kind }

// Raw returns t as it stands in the text, quotes included.
func (t Token) Raw() RawValue { return t.raw }

// Bool reports whether t is the literal true.
func (t Token) Bool() bool { return t.kind == Bool && t.raw[0] == 't' }

// String returns a copy of the characters of a String or Name, and the text of any other token.
func (t Token) String() string {
	if t.kind != String && t.kind != Name {
		return string(t.raw)
	}
	return stringOf(t.raw[1:len(t.raw)-1], t.plain)
}

// AppendText appends what String returns.
func (t Token) AppendText(dst []byte) []byte {
	if t.kind != String && t.kind != Name {
		return append(dst, t.raw...)
	}
	if t.plain {
		return append(dst, t.raw[1:len(t.raw)-1]...)
	}
	return unescape(dst, t.raw[1:len(t.raw)-1])
}

// Number returns the text of a Num, "" of any other token.
func (t Token) Number() Number {
	if t.kind != Num {
		return ""
	}
	return Number(t.raw)
}
