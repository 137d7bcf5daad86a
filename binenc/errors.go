package binenc

import (
	"errors"
	"fmt"
)

// What an [Error] wraps.
var (
	// ErrShort: the input ends inside a value. More bytes could make it whole.
	ErrShort = errors.New("binenc: input ends inside a value")
	// ErrMalformed: no continuation of the input is a message.
	ErrMalformed = errors.New("binenc: malformed")
	// ErrNotCanonical: the bytes have a meaning, but are not the one way to write it.
	ErrNotCanonical = errors.New("binenc: not canonical")
	// ErrType: a value of another wire type, or one that the Go type cannot hold.
	ErrType = errors.New("binenc: value does not fit its type")
	// ErrUTF8: text that is not UTF-8.
	ErrUTF8 = errors.New("binenc: text is not UTF-8")
	// ErrRange: a time or decimal outside of what the format holds.
	ErrRange = errors.New("binenc: value out of range")
	// ErrLimit: MaxNumber, MaxLength or MaxDepth is passed.
	ErrLimit = errors.New("binenc: limit passed")
)

// Error says what is wrong and where. Err is one of the errors above, for errors.Is.
type Error struct {
	Offset int    // in the input given, in bytes; -1 while encoding
	Field  uint32 // number of the innermost field at fault; 0 when there is none
	Path   string // names, as in Address.City, Tags[2] or Prices{3}; "" where none are known
	Want   int    // with ErrShort: at least so many bytes are missing
	Reason string
	Err    error
}

// Error gives offset, field path and reason.
func (e *Error) Error() string {
	s := "binenc: "
	if e.Offset >= 0 {
		s += fmt.Sprintf("offset %d: ", e.Offset)
	}
	switch {
	case e.Path != "":
		s += fmt.Sprintf("field %d (%s): ", e.Field, e.Path)
	case e.Field != 0:
		s += fmt.Sprintf("field %d: ", e.Field)
	}
	return s + e.Reason
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func short(off, want int) error {
	return &Error{Offset: off, Want: want, Reason: "input ends inside a value", Err: ErrShort}
}

func malformed(off int, reason string) error {
	return &Error{Offset: off, Reason: reason, Err: ErrMalformed}
}

func notCanonical(off int, reason string) error {
	return &Error{Offset: off, Reason: reason, Err: ErrNotCanonical}
}

func mismatch(off int, reason string) error {
	return &Error{Offset: off, Reason: reason, Err: ErrType}
}

func tooDeep(off int) error {
	return &Error{Offset: off, Reason: fmt.Sprintf("values nest more than %d deep", MaxDepth), Err: ErrLimit}
}

// within says of an error inside a field which field that is. Errors of others, such as
// MarshalText, are wrapped; their offset is off.
func within(err error, off int, number uint32, name string) error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Offset: off, Field: number, Path: name, Reason: err.Error(), Err: err}
	}
	if e.Field == 0 {
		e.Field = number
	}
	switch {
	case e.Path == "" || e.Path[0] == '[' || e.Path[0] == '{':
		e.Path = name + e.Path
	default:
		e.Path = name + "." + e.Path
	}
	return e
}

// element says of an error inside a list or map at which element it is.
func element(err error, off, i int, kind Kind) error {
	step := fmt.Sprintf("[%d]", i)
	if kind == KindMap {
		step = fmt.Sprintf("{%d}", i)
	}
	return within(err, off, 0, step)
}
