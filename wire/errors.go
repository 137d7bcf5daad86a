package wire

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Error is an error with an HTTP status. Returned by a handler it becomes the response,
// as problem details (RFC 9457); any other error becomes a plain 500 and is logged.
type Error struct {
	Status int
	Code   string      // stable, for programs; may be empty
	Title  string      // short; default: the status text
	Detail string      // for people; sent to the client
	Header [][2]string // further fields of the response
	Close  bool        // the connection ends after the response
	Err    error       // the cause: for errors.Is and the log, never sent

	// Extra is handed to Config.ErrorBody, for layers that add members of their own.
	Extra any
}

// Error returns status and detail.
func (e *Error) Error() string {
	s := strconv.Itoa(e.Status) + " " + e.title()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) title() string {
	if e.Title != "" {
		return e.Title
	}
	return StatusText(e.Status)
}

// Errorf returns an *[Error] with a formatted detail.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// badRequest is a message whose end or meaning is in doubt: nothing behind it is read.
func badRequest(detail string) *Error { return &Error{Status: 400, Detail: detail, Close: true} }

// Errors of a Response.
var (
	// ErrHeader: a field name or value that cannot stand in a header section, such as
	// one with a line break. Nothing of it is sent.
	ErrHeader = errors.New("wire: invalid header field")
	// ErrStarted: the header section has been sent already.
	ErrStarted = errors.New("wire: the response has started")
	// ErrNoBody: the response cannot have a body (HEAD aside, where it is not sent).
	ErrNoBody = errors.New("wire: a response with this status has no body")
	// ErrLength: more or fewer bytes were written than Content-Length said.
	ErrLength = errors.New("wire: the body does not have the length that was announced")
	// ErrHijacked: the connection was taken over by Hijack.
	ErrHijacked = errors.New("wire: the connection was hijacked")
	// ErrReturned: a handler that has returned wanted to read or write.
	ErrReturned = errors.New("wire: the handler has returned")
)

// problemBody renders problem details; it is the default of Config.ErrorBody.
func problemBody(r *Request, e *Error) (contentType string, body []byte) {
	b := append(make([]byte, 0, 256), `{"type":"about:blank","title":`...)
	b = appendQuoted(b, e.title())
	b = strconv.AppendInt(append(b, `,"status":`...), int64(e.Status), 10)
	if e.Detail != "" {
		b = appendQuoted(append(b, `,"detail":`...), e.Detail)
	}
	if e.Code != "" {
		b = appendQuoted(append(b, `,"code":`...), e.Code)
	}
	if r != nil {
		b = appendQuoted(append(b, `,"request_id":`...), r.ID())
	}
	return "application/problem+json", append(b, '}', '\n')
}

// appendQuoted appends a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c < 0x20 || c == 0x7F:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return append(dst, '"')
}
