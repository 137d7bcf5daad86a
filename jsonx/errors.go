package jsonx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ErrTooDeep is wrapped when nesting passes MaxDepth, in a text or in a Go value (a cycle among them).
var ErrTooDeep = errors.New("jsonx: nesting too deep")

// ErrTooLarge is wrapped when a text is longer than MaxBytes.
var ErrTooLarge = errors.New("jsonx: text too large")

// ErrDuplicateName is wrapped when an object has two members of one name.
var ErrDuplicateName = errors.New("jsonx: duplicate member name")

// ErrTooManyMembers is wrapped when an object has more than MaxMembers members.
var ErrTooManyMembers = errors.New("jsonx: too many members")

// ErrStringTooLong is wrapped when a string or a name takes more than MaxStringBytes in the text.
var ErrStringTooLong = errors.New("jsonx: string too long")

// SyntaxError says where a text is no JSON. Offset counts bytes from 0, Line and Column (in characters) from 1;
// Pointer is the RFC 6901 pointer of the value being read.
type SyntaxError struct {
	Offset       int64
	Line, Column int
	Pointer      string
	Expected     string
	Excerpt      string
	Err          error // io.ErrUnexpectedEOF when truncated, one of the errors above, or nil when malformed
}

// Error gives line, column, pointer and what was expected; of a long pointer, its ends.
func (e *SyntaxError) Error() string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("jsonx: truncated at line %d column %d (offset %d, %q): expected %s", e.Line, e.Column, e.Offset, inShort(e.Pointer), e.Expected)
	}
	return fmt.Sprintf("jsonx: line %d column %d (offset %d, %q): expected %s near %q", e.Line, e.Column, e.Offset, inShort(e.Pointer), e.Expected, e.Excerpt)
}

// Unwrap returns Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// inShort returns s, or its ends if it is long: what is quoted in a message may be of a hostile text.
func inShort(s string) string {
	const most = 160
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most/2], "") + "…" + strings.ToValidUTF8(s[len(s)-most/2:], "")
}

func place(data []byte, off int) (line, col int, excerpt string) {
	off = min(off, len(data))
	start := bytes.LastIndexByte(data[:off], '\n') + 1
	from, to := max(0, off-16), min(len(data), off+16)
	return bytes.Count(data[:off], []byte{'\n'}) + 1, characters(data[start:off]) + 1,
		strings.ToValidUTF8(string(data[from:to]), "\uFFFD")
}

// pointerAt walks well-formed text up to off and returns the pointer of the value there; errors only, so the hot path
// keeps no path.
func pointerAt(data []byte, off int) string {
	type level struct {
		array, key bool // key: the next string is a member name
		named      bool // name has been read
		index      int
		name       string
	}
	var stack []level
	for i := 0; i < off && i < len(data); i++ {
		top := len(stack) - 1
		switch data[i] {
		case '{':
			stack = append(stack, level{key: true})
		case '[':
			stack = append(stack, level{array: true})
		case '}', ']':
			if top >= 0 {
				stack = stack[:top]
			}
		case ',':
			if top >= 0 {
				stack[top].index++
				stack[top].key, stack[top].named = !stack[top].array, false
			}
		case ':':
			if top >= 0 {
				stack[top].key = false
			}
		case '"':
			end, plain, bad := scanString(data, i+1)
			if bad != "" {
				i = len(data)
				break
			}
			if top >= 0 && stack[top].key {
				stack[top].name, stack[top].named = stringOf(data[i+1:end-1], plain), true
			}
			i = end - 1
		}
	}
	var b strings.Builder
	for _, l := range stack {
		if l.array {
			b.WriteString("/" + strconv.Itoa(l.index))
		} else if l.named {
			b.WriteString("/" + pointerEscaper.Replace(l.name))
		}
	}
	return b.String()
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// cause is the error behind what was expected, when it is not the grammar's.
func cause(expected string) error {
	switch expected {
	case wantShallow:
		return ErrTooDeep
	case wantNewName:
		return ErrDuplicateName
	case wantFewer:
		return ErrTooManyMembers
	case wantShorter:
		return ErrStringTooLong
	}
	return nil
}

// syntaxError describes a fault at data[off]: truncated if that is the end of data.
func syntaxError(data []byte, off int, expected string, err error) *SyntaxError {
	if err == nil {
		err = cause(expected)
	}
	if err == nil && off >= len(data) {
		err = io.ErrUnexpectedEOF
	}
	e := &SyntaxError{Offset: int64(off), Pointer: pointerAt(data, off), Expected: expected, Err: err}
	e.Line, e.Column, e.Excerpt = place(data, off)
	if err == ErrDuplicateName {
		if end, plain, bad := scanString(data, off+1); bad == "" {
			e.Pointer += "/" + pointerEscaper.Replace(stringOf(data[off+1:end-1], plain))
		}
	}
	return e
}

func (p *parser) fail(off int, expected string, err error) error {
	return syntaxError(p.data, off, expected, err)
}
