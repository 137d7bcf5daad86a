package jsonx

import (
	"fmt"
	"reflect"
)

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

// Error gives the place and what does not fit.
func (e *UnmarshalError) Error() string {
	at := fmt.Sprintf("jsonx: line %d column %d (offset %d, %q): ", e.Line, e.Column, e.Offset, inShort(e.Pointer))
	if e.Unknown != "" {
		return at + fmt.Sprintf("unknown member %q", inShort(e.Unknown))
	}
	s := at + fmt.Sprintf("%s does not fit Go type %v", e.Got, e.GoType)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err, what a method of the Go type answered.
func (e *UnmarshalError) Unwrap() error { return e.Err }

func (p *parser) mismatch(off int, t reflect.Type, got string, err error) error {
	e := &UnmarshalError{Offset: int64(off), Pointer: pointerAt(p.data, off), GoType: t, Got: got, Err: err}
	e.Line, e.Column, e.Excerpt = place(p.data, off)
	return e
}
