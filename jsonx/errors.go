package jsonx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrTooDeep is wrapped when nesting passes MaxDepth, in a text or in a Go value (a cycle among them).
var ErrTooDeep = errors.New("jsonx: nesting too deep")

// ErrTooLarge is wrapped when a text is longer than MaxBytes.
var ErrTooLarge = errors.New("jsonx: text too large")

// ErrDuplicateName is wrapped when an object has two members of one name.
var ErrDuplicateName = errors.New("jsonx: duplicate member name")

// SyntaxError says where a text is no JSON. Offset counts bytes from 0, Line and Column (in characters) from 1;
// Pointer is the RFC 6901 pointer of the value being read.
type SyntaxError struct {
	Offset       int64
	Line, Column int
	Pointer      string
	Expected     string
	Excerpt      string
	Err          error // io.ErrUnexpectedEOF when truncated, ErrTooDeep, ErrTooLarge, ErrDuplicateName or nil
}

func (e *SyntaxError) Error() string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("jsonx: truncated at line %d column %d (offset %d, %q): expected %s", e.Line, e.Column, e.Offset, e.Pointer, e.Expected)
	}
	return fmt.Sprintf("jsonx: line %d column %d (offset %d, %q): expected %s near %q", e.Line, e.Column, e.Offset, e.Pointer, e.Expected, e.Excerpt)
}

// Unwrap returns Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// UnmarshalError says which value of a well-formed text does not fit its Go type. Got is the JSON kind or the number
// text; Unknown is the name of the refused member, if that is the reason.
type UnmarshalError struct {
	Offset       int64
	Line, Column int
	Pointer      string
	Excerpt      string
	GoType       reflect.Type
	Got          string
	Unknown      string
	Err          error
}

func (e *UnmarshalError) Error() string {
	at := fmt.Sprintf("jsonx: line %d column %d (offset %d, %q): ", e.Line, e.Column, e.Offset, e.Pointer)
	if e.Unknown != "" {
		return at + fmt.Sprintf("unknown member %q", e.Unknown)
	}
	s := at + fmt.Sprintf("%s does not fit Go type %v", e.Got, e.GoType)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err, what a method of the Go type answered.
func (e *UnmarshalError) Unwrap() error { return e.Err }

func place(data []byte, off int) (line, col int, excerpt string) {
	off = min(off, len(data))
	start := bytes.LastIndexByte(data[:off], '\n') + 1
	from, to := max(0, off-16), min(len(data), off+16)
	return bytes.Count(data[:off], []byte{'\n'}) + 1, utf8.RuneCount(data[start:off]) + 1,
		strings.ToValidUTF8(string(data[from:to]), "\uFFFD")
}

// pointerAt walks well-formed text up to off and returns the pointer of the value there; errors only, so the hot path
// keeps no path.
func pointerAt(data []byte, off int) string {
	type level struct {
		array, key bool // key: the next string is a member name
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
				stack[top].key, stack[top].name = !stack[top].array, ""
			}
		case ':':
			if top >= 0 {
				stack[top].key = false
			}
		case '"':
			end, simple, bad := scanString(data, i+1)
			if bad != "" {
				i = len(data)
				break
			}
			if top >= 0 && stack[top].key {
				stack[top].name = stringOf(data[i+1:end-1], simple)
			}
			i = end - 1
		}
	}
	var b strings.Builder
	for _, l := range stack {
		if l.array {
			b.WriteString("/" + strconv.Itoa(l.index))
		} else if l.name != "" || !l.key {
			b.WriteString("/" + pointerEscaper.Replace(l.name))
		}
	}
	return b.String()
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

func (p *parser) fail(off int, expected string, err error) error {
	if err == nil && off >= len(p.data) {
		err = io.ErrUnexpectedEOF
	}
	e := &SyntaxError{Offset: int64(off), Pointer: pointerAt(p.data, off), Expected: expected, Err: err}
	e.Line, e.Column, e.Excerpt = place(p.data, off)
	return e
}

func (p *parser) mismatch(off int, t reflect.Type, got string, err error) error {
	e := &UnmarshalError{Offset: int64(off), Pointer: pointerAt(p.data, off), GoType: t, Got: got, Err: err}
	e.Line, e.Column, e.Excerpt = place(p.data, off)
	return e
}
